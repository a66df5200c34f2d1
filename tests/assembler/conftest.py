"""A deployment that tests record with, and somebody who follows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import pytest

from assembler import DraftStatus
from tests.assembler.deployment import Deployment
from tests.assembler.followers import following


@pytest.fixture
def site(tmp_path: Path) -> Deployment:
    """One in which nothing has happened yet."""
    return Deployment(tmp_path)


@pytest.fixture
def told(site: Deployment) -> Iterator[Queue[DraftStatus]]:
    """What a follower of the site tells, from before its root is there."""
    queue: Queue[DraftStatus] = Queue()
    with following(site.root, site.data_root, queue.put):
        yield queue
