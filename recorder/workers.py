"""Which RQ workers are alive, told from Redis and, for those of this machine, from its processes.

A worker that was killed stays in Redis until its key expires. For minutes RQ itself counts it as listening, and the job
it had begun as started.
"""

import os
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["is_scheduled", "listening", "living"]

_FIELDS = ("queues", "hostname", "pid", "death")


def listening(connection: Any) -> set[str]:
    """Names of the queues that living workers listen on. Redis errors pass through."""
    names = [_text(key).removeprefix("rq:worker:") for key in connection.smembers("rq:workers")]
    return {queue for queues in living(names, connection).values() for queue in queues}


def living(names: Iterable[str], connection: Any) -> dict[str, list[str]]:
    """Those of the workers that live, each with the names of its queues."""
    asked = list(names)
    pipe = connection.pipeline(transaction=False)
    for name in asked:
        pipe.hmget(f"rq:worker:{name}", *_FIELDS)
    found: dict[str, list[str]] = {}
    connected: set[str] | None = None
    for name, values in zip(asked, pipe.execute() if asked else [], strict=True):
        queues, hostname, pid, death = map(_text, values)
        if death or not pid:  # it said goodbye, or its key has expired
            continue
        if hostname == socket.gethostname() and not _runs(pid):
            # Containers may share a host's name and not its processes: its connection has to be gone, too.
            connected = _connected(connection) if connected is None else connected
            if name not in connected:
                continue
        found[name] = [queue for queue in queues.split(",") if queue]
    return found


def is_scheduled(queue: str, connection: Any) -> bool:
    """Whether a scheduler moves what is scheduled on the queue (`rq worker --with-scheduler`)."""
    return bool(connection.exists(f"rq:scheduler-lock:{queue}"))


def _runs(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (OSError, ValueError, OverflowError):  # somebody else's process, or no number
        return True
    try:
        stat = Path(f"/proc/{int(pid)}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:  # no /proc: what was not reaped yet counts as alive
        return True
    return stat.rpartition(")")[2].split()[:1] != ["Z"]


def _connected(connection: Any) -> set[str]:
    """Names of the clients that Redis has a connection to; a worker's is the worker's own. Empty where it may not tell."""
    try:
        return {_text(client.get("name")) for client in connection.client_list()}
    except Exception as error:
        if type(error).__module__ != "redis.exceptions":
            raise
        return set()


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else "" if value is None else str(value)
