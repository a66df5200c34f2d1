"""Settings from the environment, the same for the web process and the worker."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

DEVELOPMENT_EMAIL = "admin@example.org"
DEVELOPMENT_PASSWORD = "watershed-development"


@dataclass(frozen=True, slots=True)
class Settings:
    """`clone_root` is None unless run ids `profile;;tmp;;<uuid>` are to resolve below it."""

    run_root: Path
    redis_url: str
    secret_key: str | None
    admin_email: str
    admin_password: str
    public_origin: str | None
    clone_root: Path | None
    recorder_enabled: bool

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read WATERSHED_*, REDIS_URL, ADMIN_*, PROFILE_* and RECORDER_ENABLED; see README.md for each."""
        clones = environment.get("PROFILE_PLAYBACK_RUN_ROOT") or Path(
            environment.get("PROFILE_DATA_ROOT") or ".", "playback_runs"
        )
        return cls(
            run_root=Path(environment.get("WATERSHED_RUN_ROOT") or "runs").absolute(),
            redis_url=environment.get("REDIS_URL") or "redis://localhost:6379/0",
            secret_key=environment.get("WATERSHED_SECRET_KEY") or None,
            admin_email=environment.get("ADMIN_EMAIL") or DEVELOPMENT_EMAIL,
            admin_password=environment.get("ADMIN_PASSWORD") or DEVELOPMENT_PASSWORD,
            public_origin=environment.get("WATERSHED_PUBLIC_ORIGIN") or None,
            clone_root=Path(clones).absolute() if _is_true(environment.get("PROFILE_PLAYBACK_USE_CLONE")) else None,
            recorder_enabled=environment.get("RECORDER_ENABLED", "true").lower() != "false",
        )

    @property
    def behind_https(self) -> bool:
        return self.public_origin is not None and self.public_origin.startswith("https://")

    def signing_key(self) -> str:
        """Return the key that signs sessions: the given one, else one kept in the run root for all web processes."""
        if self.secret_key:
            return self.secret_key
        kept = self.run_root / ".secret_key"
        self.run_root.mkdir(parents=True, exist_ok=True)
        if not kept.exists():
            descriptor, fresh = tempfile.mkstemp(dir=self.run_root)  # mkstemp files have mode 0600
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(32))
            with suppress(FileExistsError):  # another process was faster: its key counts
                os.link(fresh, kept)
            Path(fresh).unlink()
        return kept.read_text(encoding="ascii")


def _is_true(value: str | None) -> bool:
    return (value or "").lower() in {"1", "true", "yes", "on"}
