"""The jobs of `tests.apps.jobs_wsgi`. What the Redis key `change` names is done in another way: a regression, or nothing that
counts."""

from __future__ import annotations

import time
import uuid
from typing import Any

from redis import Redis
from rq import Queue, get_current_job


def changed(connection: Redis, what: str) -> bool:
    """Whether this is to be done in the other way."""
    return connection.get("change") == what.encode()


def _here() -> Any:
    current = get_current_job()
    assert current is not None
    return current


def plant(beds: int) -> dict[str, Any]:
    """Enqueue a job for each bed, and one on another queue that waits for them."""
    connection = _here().connection
    work, other = Queue("work", connection=connection), Queue("other", connection=connection)
    numbers = list(range(1, beds + 1 + changed(connection, "extra") - changed(connection, "missing")))
    if changed(connection, "shuffled"):
        numbers.reverse()
    rows = [(other if changed(connection, "queue") else work).enqueue(sow, number) for number in numbers]
    other.enqueue(gather, beds, depends_on=None if changed(connection, "order") else rows)
    return {"garden": str(uuid.uuid4()), "planted_at": time.time(), "beds": beds}


def sow(bed: int) -> list[int]:
    """Return the harvest of a bed."""
    connection = _here().connection
    if changed(connection, "fails") and bed == 2:
        raise ValueError("bed 2 is dry")
    time.sleep(0.3 if changed(connection, "slow") else 0.12)
    return [bed * (3 if changed(connection, "result") and bed == 2 else 2)]


def weigh() -> list[float]:
    """Return a weight, and how long the weighing took: most of the job, also where the machine pauses once."""
    connection, began = _here().connection, time.time()
    time.sleep(0.9 if changed(connection, "slow") else 0.6)
    return [12.5, time.time() - began]


def gather(beds: int) -> str:
    """Return one value for the whole."""
    return f"{beds} beds"


def complain(what: str) -> None:
    """Fail as the recording did, or with another exception."""
    connection = _here().connection
    if changed(connection, "better"):
        return
    raise (KeyError if changed(connection, "exception") else ValueError)(f"{what} {uuid.uuid4()} is dry")


def struggle() -> int:
    """Fail the first times, for another number of times when that is changed."""
    current = _here()
    times = current.connection.incr(f"tries:{current.id}")
    if changed(current.connection, "hopeless") or times <= (1 if changed(current.connection, "luckier") else 2):
        raise ValueError("not yet")
    return 7


def water() -> int:
    """Something to be repeated."""
    return 3


def thank() -> str:
    """What a callback enqueues."""
    return "thanks"


def on_success(job: Any, connection: Redis, result: Any) -> None:
    """Enqueue from a callback."""
    if not changed(connection, "ungrateful") and not changed(connection, "direct"):
        Queue("work", connection=connection).enqueue(thank)


def on_failure(job: Any, connection: Redis, *error: Any) -> None:
    """Enqueue from the other callback."""
    Queue("other", connection=connection).enqueue(thank)


def look_again(left: int) -> int:
    """Enqueue itself until nothing is left."""
    current = _here()
    if left:
        Queue("work", connection=current.connection).enqueue(look_again, left - 1)
    return 1


def second(number: int) -> int:
    """One of several that a request enqueues."""
    if changed(_here().connection, "second"):
        raise ValueError("no second")
    return number


def unheard() -> int:
    """What no answer names."""
    if changed(_here().connection, "unheard"):
        raise ValueError("unheard")
    return 1
