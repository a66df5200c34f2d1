"""A disk that does not do what it should, under a recorder: what the application answers, and what the log tells of it.

Every fault is real where the machine lets us (a full tmpfs, a read-only one, no descriptors left, no permission), else it
is put in the place of the system call.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import recorder.log
from recorder.core import Recorder, get_recorder
from recorder.log import LOG_NAME, Line, read
from recorder.settings import Settings
from recorder.wsgi import RecorderMiddleware
from tests.recorder.watching import Answer, call_wsgi, environ

__all__ = ["FAULTS", "Trial", "trial"]

Fault = Callable[[Path, int], contextlib.AbstractContextManager[None]]


class Trial:
    """Requests that were made while the disk failed, and what became of them."""

    def __init__(self) -> None:
        self.requests = 0
        self.changed = 0
        """Answers that were not those of the bare application."""
        self.refused = 0
        self.handled: set[str] = set()
        """Paths of the requests that reached the application."""
        self.logged: set[str] = set()
        """Paths of the requests whose first record is in the log."""
        self.lost = 0
        self.missing = 0
        """Numbers that the writer gave and that stand nowhere."""
        self.told = 0
        """What the log says of losses."""


def trial(folder: Path, fault: str, mode: Any, requests: int, seed: int) -> Trial:
    """Make requests while the fault comes and goes; a last one after it has gone for good."""
    root, chance, found = folder / "root", random.Random(seed), Trial()
    log_dir = root / "_logs"

    def app(made: dict[str, Any], start_response: Any) -> list[bytes]:
        found.handled.add(made["PATH_INFO"])
        sent = made["wsgi.input"].read()
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-Path", made["PATH_INFO"])])
        return [b"hello ", sent]

    def ask(number: int) -> None:
        path, body = f"/{number}", bytes(chance.choices(b"abcdefgh ", k=chance.randrange(400)))
        given: Answer = call_wsgi(recorded, environ(path, "POST", body, [("Content-Type", "text/plain")]))
        found.requests += 1
        if mode == "strict" and given.status.startswith("503"):
            found.refused += 1
        elif given != Answer("200 OK", [("Content-Type", "text/plain"), ("X-Path", path)], [b"hello ", body]):
            found.changed += 1

    with FAULTS[fault](root, seed):
        settings = Settings(root=root, mode=mode, key="k")
        recorded = RecorderMiddleware(app, settings)
        own = get_recorder(settings)
        for number in range(requests):
            if chance.random() < 0.02:  # so that files have to be opened while the disk fails
                with contextlib.suppress(OSError):
                    (log_dir / LOG_NAME).rename(log_dir / f"{LOG_NAME}.{number}")
                    if chance.random() < 0.5:
                        own.writer(log_dir).close()
            ask(number)
    ask(requests)
    _count(own, log_dir, found)
    return found


def _count(own: Recorder, log_dir: Path, found: Trial) -> None:
    writer = own.writer(log_dir)
    sequences: set[int] = set()
    for path in log_dir.glob("profile.events.*"):
        for line in read(path):
            if isinstance(line, Line):
                event = line.event
                if event["sequence"] in sequences:
                    continue  # written again, after a rotation
                sequences.add(event["sequence"])
                if event["stage"] == "started":
                    found.logged.add(event["payload"]["path"])
                if event["payload"].get("kind") == "lost":
                    found.told += event["payload"]["count"]
    found.lost = writer.lost
    found.missing = len(set(range(1, writer.written + 1)) - sequences)
    writer.close()


# The faults: each begins with what happens at all times, and has gaps in which all is well.


def _failing(call: str, number: int, share: float) -> Fault:
    @contextlib.contextmanager
    def failing(root: Path, seed: int) -> Iterator[None]:
        whole, chance = getattr(os, call), random.Random(seed)

        def fail(*given: Any, **more: Any) -> Any:
            if chance.random() < share:
                raise OSError(number, os.strerror(number))
            return whole(*given, **more)

        with mock.patch.object(recorder.log.os, call, fail):
            yield

    return failing


@contextlib.contextmanager
def _short(root: Path, seed: int) -> Iterator[None]:
    """A write that is done in part, as on a disk that becomes full on the way."""
    whole, chance = os.write, random.Random(seed)

    def part(descriptor: int, line: bytes) -> int:
        return whole(descriptor, line[: chance.randrange(len(line))] if chance.random() < 0.2 else line)

    with mock.patch.object(recorder.log.os, "write", part):
        yield


@contextlib.contextmanager
def _tmpfs(root: Path, size: str) -> Iterator[bool]:
    """A small file system at `root`; False where we may not have one."""
    root.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", root], capture_output=True)
    try:
        yield mounted.returncode == 0
    finally:
        if mounted.returncode == 0:
            _kept_outside(root)


def _kept_outside(root: Path) -> None:
    """Unmount, and leave what was there."""
    aside = root.with_name("aside")
    subprocess.run(["cp", "-a", root, aside], check=True)
    subprocess.run(["umount", "--lazy", root], check=True)
    subprocess.run(["cp", "-a", f"{aside}/.", root], check=True)


@contextlib.contextmanager
def _full(root: Path, seed: int) -> Iterator[None]:
    """A tmpfs that is full, is emptied, and fills up again."""
    with _tmpfs(root, "1m") as real, contextlib.ExitStack() as stack:
        if real:
            ballast, chance, whole = root / "ballast", random.Random(seed), os.write

            def write(descriptor: int, line: bytes) -> int:
                if chance.random() < 0.05:
                    if ballast.exists():
                        ballast.unlink()
                    else:
                        with contextlib.suppress(OSError), ballast.open("wb") as file:
                            while True:
                                file.write(bytes(1 << 12))
                                file.flush()
                return whole(descriptor, line)

            stack.enter_context(mock.patch.object(recorder.log.os, "write", write))
        else:
            stack.enter_context(_failing("write", errno.ENOSPC, 0.3)(root, seed))
        yield
        if real:
            ballast.unlink(missing_ok=True)


@contextlib.contextmanager
def _read_only(root: Path, seed: int) -> Iterator[None]:
    """A file system that was mounted read-only, and is mounted writable now and then."""
    with _tmpfs(root, "64m") as real, contextlib.ExitStack() as stack:
        if real:
            whole, chance = os.open, random.Random(seed)

            def open_(*given: Any, **more: Any) -> int:
                way = "ro" if chance.random() < 0.7 else "rw"
                subprocess.run(["mount", "-o", f"remount,{way}", root], capture_output=True)  # busy while we write
                return whole(*given, **more)

            stack.enter_context(mock.patch.object(recorder.log.os, "open", open_))
        else:
            stack.enter_context(_failing("open", errno.EROFS, 0.7)(root, seed))
        yield
        if real:
            subprocess.run(["mount", "-o", "remount,rw", root], check=True)


@contextlib.contextmanager
def _no_descriptors(root: Path, seed: int) -> Iterator[None]:
    """No further file can be opened, most of the time."""
    chance, whole = random.Random(seed), os.open
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def open_(*given: Any, **more: Any) -> int:
        if chance.random() < 0.7:
            resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        try:
            return whole(*given, **more)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    with mock.patch.object(recorder.log.os, "open", open_):
        yield


@contextlib.contextmanager
def _no_permission(root: Path, seed: int) -> Iterator[None]:
    """The log belongs to somebody else, most of the time. (To root nobody denies anything.)"""
    chance, whole, us = random.Random(seed), os.open, os.geteuid()

    def open_(*given: Any, **more: Any) -> int:
        log_dir = root / "_logs"
        denied = chance.random() < 0.7 and log_dir.is_dir()
        if denied:
            log_dir.chmod(0o500)
            if us == 0:
                os.seteuid(65534)
        try:
            return whole(*given, **more)
        finally:
            if denied:
                os.seteuid(us)
                log_dir.chmod(0o750)

    with mock.patch.object(recorder.log.os, "open", open_):
        yield


FAULTS: dict[str, Fault] = {
    "ENOSPC": _full,
    "EIO": _failing("write", errno.EIO, 0.3),
    "short": _short,
    "EMFILE": _no_descriptors,
    "EACCES": _no_permission,
    "EROFS": _read_only,
}
