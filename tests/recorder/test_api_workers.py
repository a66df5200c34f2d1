"""`GET workers`: on which queues somebody works, for whoever is about to send requests that enqueue."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from rq import Worker

from recorder.api import respond
from recorder.core import Request, get_recorder
from recorder.settings import Settings

Ask = Callable[[], tuple[int, Any]]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    settings = Settings(root=tmp_path, environment="development")

    def ask() -> tuple[int, Any]:
        status, _, answer = respond(get_recorder(settings), Request("GET", "/workers", "", [], b""))
        return status, json.loads(answer)

    return ask


def test_the_queues_that_are_worked_on(ask: Ask, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Redis.from_url(redis_url) as redis:
        redis.flushdb()
        monkeypatch.setattr("recorder.rq.connections", [redis])
        assert ask() == (200, {"queues": [], "scheduled": []})
        Worker(["rivers", "lakes"], connection=redis, name="mill").register_birth()
        redis.set("rq:scheduler-lock:rivers", "1")
        assert ask() == (200, {"queues": ["lakes", "rivers"], "scheduled": ["rivers"]})
        redis.flushdb()


def test_a_redis_that_is_gone(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recorder.rq.connections", [])
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    status, answer = ask()
    assert (status, "Redis does not answer" in answer["error"]) == (503, True)
