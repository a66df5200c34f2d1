"""What the recorder can be told, and how: one frozen object, read once from `RECORDER_*`.

A value that cannot be meant is refused when the application starts, in one sentence that names the variable,
the value and the nearest valid one. Callables can only be given in code.
"""

from __future__ import annotations

import difflib
import os
import re
import string
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from recorder.runs import Run

__all__ = ["Environment", "Mode", "Native", "Settings"]

Mode: TypeAlias = Literal["best_effort", "strict"]
Environment: TypeAlias = Literal["production", "staging", "test", "development"]
Native: TypeAlias = Mapping[str, Any]
"""What the server handed over: a WSGI environ or an ASGI scope."""

_MODES: tuple[Mode, ...] = ("best_effort", "strict")
_ENVIRONMENTS: tuple[Environment, ...] = ("production", "staging", "test", "development")
_TRUE = ("true", "1", "yes", "on")
_FALSE = ("false", "0", "no", "off")
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SLUG = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9._-]{0,79}")


@dataclass(frozen=True, slots=True)
class Settings:
    """The recorder's settings. `Settings.from_env()` reads them; code may pass its own.

    Sizes are bytes; 0 is no `quota` and no `min_free`. `resolver` replaces `run_pattern` and `run_root`; `user` names the
    user of a request (stored as a keyed hash); `roles` says what a caller of the recorder API may do.
    """

    enabled: bool = True
    root: Path = Path(".recorder")
    key: str | None = None
    prefix: str = "/recorder"
    toolbar: bool = False
    run_pattern: str | None = None
    run_root: str | None = None
    capture: str | None = None
    token: str | None = None
    environment: Environment = "production"
    mode: Mode = "best_effort"
    fsync: bool = False
    log_per_process: bool = False
    max_body: int = 2 << 30
    quota: int = 0
    min_free: int = 0
    seal: Path | None = None
    seal_key: str | None = None
    redact: tuple[str, ...] = ()
    anonymize: tuple[str, ...] | None = None
    clone_root: Path | None = None
    data_root: Path = Path()
    resolver: Callable[[str], Run | None] | None = None
    user: Callable[[Native], str | None] | None = None
    roles: Callable[[Native], Collection[str]] | None = None

    def __post_init__(self) -> None:
        """Make the paths absolute: the host may change its working directory later."""
        object.__setattr__(self, "root", self.root.absolute())
        object.__setattr__(self, "data_root", self.data_root.absolute())
        if self.clone_root is not None:
            object.__setattr__(self, "clone_root", self.clone_root.absolute())
        if self.seal is not None:
            object.__setattr__(self, "seal", self.seal.absolute())
            _check_seal(self.seal, self.root)
        if self.run_pattern is not None:
            _check_pattern(self.run_pattern)
        if self.run_root is not None:
            _check_template(self.run_root)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Return the settings named by `environ` (default: the process's environment).

        Raises ValueError, in one sentence, for a value that cannot be meant.
        """
        env = os.environ if environ is None else environ

        def text(name: str) -> str | None:
            return env.get(name, "").strip() or None

        clone_root = text("PROFILE_PLAYBACK_RUN_ROOT")
        seal = text("RECORDER_SEAL")
        use_clone = _flag(env, "PROFILE_PLAYBACK_USE_CLONE", False)
        return cls(
            enabled=_flag(env, "RECORDER_ENABLED", True),
            root=Path(text("RECORDER_ROOT") or ".recorder"),
            key=text("RECORDER_KEY"),
            prefix=_prefix(text("RECORDER_PREFIX") or "/recorder"),
            toolbar=_flag(env, "RECORDER_TOOLBAR", False),
            run_pattern=text("RECORDER_RUN_PATTERN"),
            run_root=text("RECORDER_RUN_ROOT"),
            capture=_slug(text("RECORDER_CAPTURE")),
            token=text("RECORDER_TOKEN"),
            environment=_choice(env, "RECORDER_ENVIRONMENT", _ENVIRONMENTS),
            mode=_choice(env, "RECORDER_MODE", _MODES),
            fsync=_flag(env, "RECORDER_FSYNC", False, "always"),
            log_per_process=_flag(env, "RECORDER_LOG_PER_PROCESS", False),
            max_body=_size(env, "RECORDER_MAX_BODY", 2 << 30),
            quota=_size(env, "RECORDER_QUOTA", 0),
            min_free=_size(env, "RECORDER_MIN_FREE", 0),
            seal=Path(seal) if seal else None,
            seal_key=text("RECORDER_SEAL_KEY"),
            redact=tuple(name for name in (part.strip() for part in env.get("RECORDER_REDACT", "").split(",")) if name),
            anonymize=_anonymize(env),
            clone_root=Path(clone_root) if clone_root and use_clone else None,
            data_root=Path(text("PROFILE_DATA_ROOT") or "."),
        )


def _nearest(value: str, valid: Collection[str]) -> str:
    close = difflib.get_close_matches(value.lower(), list(valid), n=1, cutoff=0.4)
    others = ", ".join(valid)
    return f"did you mean {close[0]!r}? (valid: {others})" if close else f"valid: {others}"


def _choice(env: Mapping[str, str], name: str, valid: tuple[Any, ...]) -> Any:
    value = env.get(name, "").strip()
    if not value:
        return valid[0]
    if value not in valid:
        raise ValueError(f"{name}={value!r} is not known; {_nearest(value, valid)}.")
    return value


def _flag(env: Mapping[str, str], name: str, default: bool, also_yes: str = "true") -> bool:
    value = env.get(name, "").strip().lower()
    if not value:
        return default
    if value in (*_TRUE, also_yes):
        return True
    if value in _FALSE:
        return False
    raise ValueError(f"{name}={env[name]!r} is neither yes nor no; {_nearest(value, (also_yes, 'false'))}.")


def _anonymize(env: Mapping[str, str]) -> tuple[str, ...] | None:
    """The names of further fields; None when it is off."""
    value = env.get("RECORDER_ANONYMIZE", "").strip()
    if not value or value.lower() in _FALSE:
        return None
    return () if value.lower() in _TRUE else tuple(name for name in map(str.strip, value.split(",")) if name)


def _size(env: Mapping[str, str], name: str, default: int) -> int:
    value = env.get(name, "").strip()
    if not value:
        return default
    found = re.fullmatch(r"(\d+)\s*([kmgt]?)(i?b)?", value, re.IGNORECASE)
    if found is None:
        raise ValueError(f"{name}={value!r} is not a size; write bytes or a unit, such as '64M' or '2G'.")
    return int(found[1]) * _UNITS[found[2].lower()]


def _prefix(value: str) -> str:
    fixed = "/" + value.strip("/")
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", fixed):
        raise ValueError(f"RECORDER_PREFIX={value!r} is not a path below the site's root; a valid one is '/recorder'.")
    return fixed


def _slug(value: str | None) -> str | None:
    if value is None or _SLUG.fullmatch(value):
        return value
    nearest = re.sub(r"[^a-z0-9._-]+", "-", value.lower()).strip("-._")[:80] or "my-profile"
    raise ValueError(f"RECORDER_CAPTURE={value!r} is not a slug (lower-case letters, digits, '-'); try {nearest!r}.")


def _check_seal(seal: Path, root: Path) -> None:
    if seal.is_relative_to(root):
        raise ValueError(
            f"RECORDER_SEAL={str(seal)!r} lies in RECORDER_ROOT, beside what it is to guard; name a folder elsewhere, "
            "which those who can write the log cannot change."
        )


def _check_pattern(pattern: str) -> None:
    try:
        groups = re.compile(pattern).groupindex
    except re.error as error:
        raise ValueError(f"RECORDER_RUN_PATTERN={pattern!r} is not a regular expression: {error}.") from None
    if "run_id" not in groups:
        raise ValueError(
            f"RECORDER_RUN_PATTERN={pattern!r} has no group named run_id; "
            "a valid one is '/runs/(?P<run_id>[^/]+)/(?P<config>[^/]+)'."
        )


def _check_template(template: str) -> None:
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(template) if field is not None]
        unknown = [field for field in fields if field not in ("run_id", "config")]
        if not unknown:
            template.format(run_id="run", config="config")
    except (ValueError, IndexError) as error:
        raise ValueError(f"RECORDER_RUN_ROOT={template!r} is not a template: {error}.") from None
    if unknown:
        raise ValueError(
            f"RECORDER_RUN_ROOT={template!r} uses {{{unknown[0]}}}; {_nearest(unknown[0], ('run_id', 'config'))}."
        )
    if "run_id" not in fields or not template.startswith("/"):
        raise ValueError(
            f"RECORDER_RUN_ROOT={template!r} must be an absolute path with {{run_id}} in it, "
            "such as '/srv/runs/{run_id}'."
        )
