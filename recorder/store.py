"""The files below a log's `profile.bodies/`: what is too large for a record, named by what it holds.

So the same upload is kept once.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from recorder.aside import Aside, processors
from recorder.events import ulid
from recorder.space import Space

__all__ = ["Spool", "Store"]

LARGE = 4 << 20  # bytes after which the rest of a file is written aside


class Store:
    """The files below a log's `profile.bodies/`, named by their SHA-256."""

    def __init__(self, log_dir: Path, *, fsync: bool = False, space: Space | None = None) -> None:
        self._log_dir = log_dir
        self._fsync = fsync
        self.space = space

    @property
    def directory(self) -> Path:
        """Where the files are."""
        return self._log_dir / "profile.bodies"

    def open(self) -> Spool:
        """Return a new file to be filled. Raises OSError when it cannot be made."""
        self._log_dir.parent.stat()  # never make the directory of a run that is gone
        directory = self.directory
        directory.mkdir(0o750, parents=True, exist_ok=True)
        return Spool(self, directory / f".partial-{ulid()}", self._fsync)

    def put(self, content: bytes) -> tuple[str, str]:
        """Keep the content; return its SHA-256 and its `ref`. Raises OSError when it cannot be written."""
        sha256 = hashlib.sha256(content).hexdigest()
        ref = f"{sha256[:2]}/{sha256}"
        if not (self.directory / ref).exists():
            spool = self.open()
            try:
                spool.write(content)
            except OSError:
                spool.drop()
                raise
            spool.keep()
        return sha256, ref


class Spool:
    """A file on its way into the store. What a large one holds is hashed and written aside."""

    def __init__(self, store: Store, path: Path, fsync: bool) -> None:
        self._store = store
        self._path = path
        self._fsync = fsync
        self._size = 0
        self._hash = hashlib.sha256()
        self._file = open(path, "xb", buffering=0, opener=_private)  # noqa: SIM115
        self._aside: Aside | None = None

    def write(self, content: bytes) -> None:
        """Append the content. Raises OSError; the file is then to be dropped."""
        if self._store.space is not None:
            self._store.space.take(len(content))
        if self._aside is not None:
            self._aside.take(content)
            return
        self._append(content)
        self._size += len(content)
        if self._size > LARGE and processors() > 1:
            with suppress(RuntimeError):  # no more threads: then here
                self._aside = Aside(self._append)

    def _append(self, content: bytes) -> None:
        self._hash.update(content)
        view = memoryview(content)
        while view:
            view = view[self._file.write(view) or 0 :]

    def keep(self) -> tuple[str, str]:
        """Move the file to its name; return its SHA-256 and `ref`."""
        try:
            if self._aside is not None:
                self._aside.finish()
            sha256 = self._hash.hexdigest()
            ref = f"{sha256[:2]}/{sha256}"
            if self._fsync:
                os.fsync(self._file.fileno())
            self._file.close()
            target = self._store.directory / ref
            target.parent.mkdir(0o750, exist_ok=True)
            self._path.rename(target)
        except OSError:
            self.drop()
            raise
        return sha256, ref

    def drop(self) -> None:
        """Remove the unfinished file."""
        with suppress(OSError):
            if self._aside is not None:
                self._aside.finish()
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._path.unlink()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o640)
