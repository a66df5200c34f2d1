"""Jobs for tests: each shows one behaviour."""

from __future__ import annotations

import os
from typing import Any

from redis import Redis
from rq import Queue, Retry, SimpleWorker, get_current_job
from rq.job import Job


def add(left: int, right: int, **options: Any) -> int:
    """Succeed."""
    return left + right


def fail(message: str = "the river is dry") -> None:
    """Raise."""
    raise ValueError(message)


def again(times: int) -> Any:
    """Return Retry the first `times` times."""
    current = get_current_job()
    assert current is not None
    return Retry(max=times) if (current.number_of_retries or 0) < times else "at last"


def never() -> Retry:
    """Return Retry whenever it is asked."""
    return Retry(max=1)


def die() -> None:
    """Take the work horse away without a word."""
    os._exit(9)


def nest(depth: int) -> int:
    """Enqueue itself one level deeper, to the queue it came from."""
    current = get_current_job()
    assert current is not None
    if depth:
        Queue(current.origin, connection=current.connection).enqueue(nest, depth - 1)
    return depth


class Mill:
    """A job's instance, for calls of methods."""

    def grind(self, grain: str) -> str:
        """Return it ground."""
        return f"{grain} flour"


def hold(key: str) -> None:
    """Say on a Redis list that it has begun, and wait to be let go."""
    current = get_current_job()
    assert current is not None
    current.connection.rpush(f"{key}:begun", os.getpid())
    current.connection.blpop([f"{key}:go"], timeout=60)


def refused(password: str, key: dict[str, str]) -> None:
    """Fail as careless code does."""
    raise ValueError(f"refused password={password} with {key['api_key']}")


def login(user: str, password: str, **options: Any) -> dict[str, str]:
    """Take a secret and give one back."""
    if options.get("wrong"):
        raise PermissionError(f'rejected: password="{password}"')
    return {"user": user, "access_token": "tok-" + password}


class DeafWorker(SimpleWorker):
    """Works in this process and listens to no commands: RQ's listener takes up to a second to stop."""

    def subscribe(self) -> None:
        """Do not."""

    def unsubscribe(self) -> None:
        """Do not."""


def work(queue: Queue) -> None:
    """Perform every job in the queue, and those that come of them."""
    DeafWorker([queue], connection=queue.connection).work(burst=True)


def go_on(job: Job, connection: Redis, *_: Any) -> None:
    """A callback that enqueues, after success or failure."""
    Queue("after", connection=connection).enqueue(add, 3, 4)
