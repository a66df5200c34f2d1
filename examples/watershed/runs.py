"""Runs: a directory each, with its configuration, its folders, and JSON state files that a Redis lock guards.

    <root>/<first two letters>/<runid>/
        <config>.cfg  _defaults.toml            what makes a directory a run
        project.json  watershed.json  …         state, one file a controller
        dem/ watershed/ landuse/ soils/ climate/ wepp/{runs,output}/ export/ _logs/

Run ids are words (`backed-globule`) or composites of them (`batch;;spring;;backed-globule`). Where the settings allow
it, `profile;;tmp;;<uuid>` is `<clone root>/<uuid>`.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from names import word_pair
from parameters import DEFAULTS, Parameters
from redis import Redis
from redis.lock import Lock
from settings import Settings

RUN_ID = re.compile(r"[a-z][a-z0-9-]+(;;[a-z0-9][a-z0-9-]*)*")
CLONE_ID = re.compile(r"profile;;tmp;;([0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
FOLDERS = ("dem", "watershed", "landuse", "soils", "climate", "wepp/runs", "wepp/output/run", "export", "_logs")
CONFIGS = Path(__file__).parent / "configs"

LOCK_EXPIRES_AFTER = 30.0  # seconds
LOCK_WAITS_FOR = 10.0  # seconds


class RunNotFoundError(LookupError):
    """No run of that id, or not with that configuration."""


@dataclass(frozen=True, slots=True)
class Run:
    runid: str
    config: str
    directory: Path
    redis: Redis

    @property
    def parameters(self) -> Parameters:
        return Parameters.read(self.directory, self.config)

    def path(self, name: str) -> Path:
        """Return where the file `name` of this run belongs; its folder exists afterwards."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def state(self, controller: str) -> dict[str, Any]:
        """Return the state of a controller such as `landuse`; empty before it was first written."""
        path = self.directory / f"{controller}.json"
        return json.loads(path.read_bytes()) if path.exists() else {}

    @contextmanager
    def editing(self, controller: str) -> Iterator[dict[str, Any]]:
        """Hold the controller's lock and yield its state; write it when the block ends without an error.

        Raises redis.exceptions.LockError when another process holds the lock for more than 10 s.
        """
        lock = Lock(
            self.redis,
            f"watershed:lock:{self.runid}:{controller}",
            timeout=LOCK_EXPIRES_AFTER,
            blocking_timeout=LOCK_WAITS_FOR,
            sleep=0.01,
        )
        with lock:
            state = self.state(controller)
            yield state
            write_json(self.directory / f"{controller}.json", state)

    def log(self, message: str) -> None:
        """Append a line to the run's log."""
        with self.path("_logs/wepp.log").open("a", encoding="utf-8") as log:
            log.write(f"{now()} {message}\n")


@dataclass(frozen=True, slots=True)
class Runs:
    """All runs below one root."""

    settings: Settings
    redis: Redis

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        return cls(settings, Redis.from_url(settings.redis_url))

    def create(self, config: str, batch: str | None = None) -> Run:
        """Make a run of a configuration that `configurations` lists. Raises ValueError for a bad batch name."""
        while True:
            runid = f"batch;;{batch};;{word_pair()}" if batch else word_pair()
            if not RUN_ID.fullmatch(runid):
                raise ValueError("A batch name is made of small letters, digits and hyphens.")
            directory = self._directory(runid)
            try:
                directory.mkdir(parents=True)
            except FileExistsError:
                continue
            break
        for folder in FOLDERS:
            (directory / folder).mkdir(parents=True)
        for name in (DEFAULTS, f"{config}.cfg"):
            shutil.copyfile(CONFIGS / name, directory / name)
        run = Run(runid, config, directory, self.redis)
        with run.editing("project") as project:
            project.update(config=config, created_at=now())
        return run

    def find(self, runid: str, config: str | None = None) -> Run:
        """Return the run, of whichever configuration when none is named. Raises RunNotFoundError."""
        directory = self._directory(runid)
        configs = sorted(path.stem for path in directory.glob("*.cfg"))
        if not configs or not (directory / DEFAULTS).is_file() or config not in (None, *configs):
            raise RunNotFoundError(f"There is no run {runid}" + (f" with configuration {config}." if config else "."))
        return Run(runid, config or configs[0], directory, self.redis)

    def all(self) -> list[Run]:
        """Return the runs below the root, newest first; clones are not among them."""
        found = []
        for path in self.settings.run_root.glob(f"??/*/{DEFAULTS}"):
            with suppress(RunNotFoundError):  # a directory that something else has put there
                found.append(self.find(path.parent.name))
        return sorted(found, key=lambda run: run.state("project").get("created_at", ""), reverse=True)

    def _directory(self, runid: str) -> Path:
        if self.settings.clone_root is not None and (clone := CLONE_ID.fullmatch(runid)):
            return self.settings.clone_root / clone[1]
        if not RUN_ID.fullmatch(runid):
            raise RunNotFoundError("That is no run id.")
        return self.settings.run_root / runid[:2] / runid


def configurations() -> dict[str, str]:
    """Return the title of each configuration that a run can be created with."""
    return {path.stem: Parameters.read(CONFIGS, path.stem).title for path in sorted(CONFIGS.glob("*.cfg"))}


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file atomically: readers see the old content or the new, never half of it."""
    fresh = path.with_name(f".{path.name}-{uuid4().hex}")
    fresh.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    fresh.replace(path)


def now() -> str:
    """Return the time in UTC, ISO 8601 with microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
