"""Jobs for tests: each shows one behaviour."""

from __future__ import annotations

import os
from typing import Any

from rq import Queue, Retry, get_current_job


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
