"""What tests of jobs share: a Redis with nothing in it, a queue there, and a recorder that notes what comes of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue

from recorder.core import Recorder, get_recorder


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    connection = Redis.from_url(redis_url)
    connection.flushdb()
    yield connection
    connection.close()


@pytest.fixture
def queue(redis: Redis) -> Queue:
    return Queue("default", connection=redis)


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """The recorder of this process's environment, with one run."""
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("RECORDER_ROOT", str(tmp_path / "root"))
    return get_recorder()
