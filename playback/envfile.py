"""What is set for a replay: the environment, then `--env-file`, then the credentials in `docker/.env`.

The first that sets a name wins. Values are never shown, not even in the sentence about a line that cannot be read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

__all__ = ["BadEnvFile", "environment", "read_env_file"]

DOCKER = Path("docker/.env")
FROM_DOCKER = ("ADMIN_", "PROFILE_SECRET_")  # the rest, such as REDIS_URL and paths, holds inside the containers only

_LINE = re.compile(r"\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_.]*)\s*=\s*(?P<value>.*?)\s*")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


class BadEnvFile(ValueError):
    """A file of KEY=VALUE lines that cannot be read; the message names file and line."""


def environment(
    data_root: Path,
    env_file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    base_url: str | None = None,
) -> dict[str, str]:
    """Return everything that is set for a replay. Raises BadEnvFile for an `env_file` that cannot be read.

    A `base_url` asked for this once is reached directly: PROFILE_PLAYBACK_INTERNAL_URL belongs to the one that is set.
    """
    merged: dict[str, str] = {}
    for folder in dict.fromkeys((Path.cwd(), data_root.absolute())):
        if (folder / DOCKER).is_file():
            found = dict(_pairs(folder / DOCKER, strict=False))
            merged.update((name, value) for name, value in found.items() if name.startswith(FROM_DOCKER))
    if env_file is not None:
        merged.update(read_env_file(env_file))
    merged.update(os.environ if environ is None else environ)
    if base_url is not None and base_url != merged.get("PROFILE_PLAYBACK_BASE_URL"):
        merged.pop("PROFILE_PLAYBACK_INTERNAL_URL", None)
    return merged


def read_env_file(path: Path) -> dict[str, str]:
    """Return the variables of a file of KEY=VALUE lines.

    Understood are `export`, comments, single quotes (literal) and double quotes (with \\n, \\t, \\", \\\\ and \\$);
    nothing is substituted. Raises BadEnvFile.
    """
    return dict(_pairs(path, strict=True))


def _pairs(path: Path, *, strict: bool) -> Iterator[tuple[str, str]]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        if not strict:
            return
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise BadEnvFile(f"The env file {path} cannot be read: {reason}.") from None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        value = _value(found["value"]) if found else None
        if found and value is not None:
            yield found["name"], value
        elif strict:
            raise BadEnvFile(f"{path}, line {number}: not KEY=VALUE, or a quote is not closed (value not shown).")


def _value(raw: str) -> str | None:
    """The value that `raw` spells, or None when its quoting is broken."""
    quote = raw[:1]
    if quote not in ("'", '"'):
        return re.split(r"(?:^|\s)#", raw, maxsplit=1)[0].rstrip()
    pattern = r"'([^']*)'" if quote == "'" else r'"((?:[^"\\]|\\.)*)"'
    found = re.fullmatch(pattern + r"\s*(?:#.*)?", raw)
    if found is None:
        return None
    if quote == "'":
        return found[1]
    return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), found[1])
