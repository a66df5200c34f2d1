"""A secret among a job's arguments is known by the name of its parameter, whatever the job is made of."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue

import recorder.rq  # noqa: F401 - wraps RQ
from recorder.core import get_recorder
from tests.apps.rq_callables import Door, by_name, plain, several, wrapped
from tests.apps.rq_tasks import work
from tests.recorder.watching import events, on_disk

PASSWORD = "Zq7kW2mTx9LpV4cRb8Nd"
WAYS: dict[str, Callable[[Queue], object]] = {
    "function": lambda queue: queue.enqueue(plain, "ada", PASSWORD),
    "import string": lambda queue: queue.enqueue("tests.apps.rq_callables.plain", "ada", PASSWORD),
    "method by import string": lambda queue: queue.enqueue("tests.apps.rq_callables.Door.static", "ada", PASSWORD),
    "by name": lambda queue: queue.enqueue(by_name, "ada", password=PASSWORD),
    "several": lambda queue: queue.enqueue(several, "ada", "-", PASSWORD[::-1], PASSWORD),
    "decorated": lambda queue: queue.enqueue(wrapped, "ada", PASSWORD),
    "object": lambda queue: queue.enqueue(Door(), "ada", PASSWORD),
    "method": lambda queue: queue.enqueue(Door().method, "ada", PASSWORD),
    "class method": lambda queue: queue.enqueue(Door.of_class, "ada", PASSWORD),
    "static method": lambda queue: queue.enqueue(Door.static, "ada", PASSWORD),
    "partial": lambda queue: queue.enqueue(functools.partial(plain, "ada"), PASSWORD),
    "meta and description": lambda queue: queue.enqueue(
        plain, "ada", PASSWORD, meta={"password": PASSWORD}, description=f"log in with {PASSWORD}"
    ),
}


@pytest.fixture
def queue(redis_url: str) -> Iterator[Queue]:
    connection = Redis.from_url(redis_url)
    connection.flushdb()
    yield Queue("default", connection=connection)
    connection.close()


@pytest.mark.parametrize("way", WAYS)
def test_a_secret_argument_is_not_told(queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setenv("RECORDER_ROOT", str(tmp_path))
    WAYS[way](queue)
    work(queue)
    told = events(get_recorder().root_logs)
    assert [event["category"] for event in told] == ["system_log", "rq_enqueue", "rq_job", "rq_job"]
    assert "secret-password-" in str(told[1]["payload"])
    assert PASSWORD.encode() not in on_disk(tmp_path)
