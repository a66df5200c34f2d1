"""Where the services that run beside an application are found: the port of playback, and every service's log."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["PLAYBACK", "PORT", "log_path", "logging_to"]

PLAYBACK = "profile_playback"
PORT = 8070
LIMIT = 10 << 20  # bytes, after which a log begins anew; two older ones are kept


def log_path(data_root: Path, service: str = PLAYBACK) -> Path:
    """Where the log of a service is kept, for `wctl logs`."""
    return data_root / "playback_runs" / f"{service}.log"


@contextlib.contextmanager
def logging_to(data_root: Path, service: str = PLAYBACK) -> Iterator[logging.Logger]:
    """Yield the service's logger, which meanwhile writes to stdout and to its log."""
    log = logging.getLogger(service)
    path = log_path(data_root, service)
    targets: list[logging.Handler] = [logging.StreamHandler(sys.stdout)]
    with contextlib.suppress(OSError):  # a data root that cannot be written shows soon enough, at the first clone
        path.parent.mkdir(parents=True, exist_ok=True)
        targets.append(logging.handlers.RotatingFileHandler(path, maxBytes=LIMIT, backupCount=2, encoding="utf-8"))
    for target in targets:
        target.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
        log.addHandler(target)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield log
    finally:
        for target in targets:
            log.removeHandler(target)
            target.close()
