"""A deployment that tests record with, and somebody who follows it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import pytest

from assembler import DraftStatus
from assembler.following import follow
from tests.assembler.deployment import Deployment


@pytest.fixture
def site(tmp_path: Path) -> Deployment:
    """One in which nothing has happened yet."""
    return Deployment(tmp_path)


@pytest.fixture
def told(site: Deployment) -> Iterator[Queue[DraftStatus]]:
    """What a follower of the site tells, from before its root is there."""
    queue: Queue[DraftStatus] = Queue()
    stop = threading.Event()
    thread = threading.Thread(target=follow, args=(site.root, site.data_root, stop, queue.put), daemon=True)
    thread.start()
    yield queue
    stop.set()
    thread.join(30)
    assert not thread.is_alive()
