"""Kill Redis itself at random moments while jobs are enqueued on every path, and look what it has when it is back.

    python scripts/soak_redis_killed.py [--cuts 3000] [--seed 1]

A third of the cuts each: `kill -9` of the server, which keeps an append-only file and comes back with what it had
acknowledged; a server that stops answering until the client has given up (SIGSTOP), and then carries out what it had
been sent; a socket that is shut down under the client's feet. Every job that Redis holds afterwards is in the log as an
enqueue, or the log says of it that nobody knows; every enqueue in the log is a job that Redis holds. Prints counts; exit
code 1 on a violation.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
import tempfile
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from redis import Redis  # noqa: E402
from redis.backoff import ConstantBackoff, NoBackoff  # noqa: E402
from redis.exceptions import RedisError  # noqa: E402
from redis.retry import Retry as Again  # noqa: E402
from rq import Queue  # noqa: E402
from rq.exceptions import DuplicateJobError  # noqa: E402

from playback.guard import Guarded  # noqa: E402
from playback.redis_server import find_redis  # noqa: E402
from recorder.core import get_recorder  # noqa: E402
from recorder.log import LOG_NAME, Line, read  # noqa: E402
from scripts.soak_redis import PATHS, chosen, missing, verdict  # noqa: E402
from tests.support import free_port, wait_until  # noqa: E402

LATEST = 0.006  # seconds after which a cut comes, at most: what enqueueing a few jobs takes
PATIENCE = 0.05  # seconds that a client waits for an answer of a server that stands still


class Server:
    """A Redis that remembers: killed, it comes back with all that it had acknowledged."""

    def __init__(self, folder: Path) -> None:
        self._binary = find_redis({"PATH": os.environ.get("PATH", os.defpath)}).binary
        self._folder = folder
        self._running: Guarded | None = None
        self.port, self.path = free_port(), folder / "redis.sock"

    def client(self, by_port: bool, again: Again | None = None) -> Redis:
        """A client that gives up soon; over TCP, or over the socket in the file system."""
        patience = {"retry": again, "socket_timeout": PATIENCE if again else 10}
        return Redis(port=self.port, **patience) if by_port else Redis(unix_socket_path=str(self.path), **patience)

    def start(self) -> None:
        """Start it, over what it left."""
        listening = ["--bind", "127.0.0.1", "--port", str(self.port), "--unixsocket", str(self.path)]
        # Without fsync an answer leaves after the write all the same, which is what a process that is killed has done.
        kept = ["--save", "", "--appendonly", "yes", "--appendfsync", "no", "--auto-aof-rewrite-percentage", "0"]
        self._running = Guarded([str(self._binary), *listening, *kept, "--dir", str(self._folder)])
        wait_until(self._answers, "Redis is back", 60)

    def signal(self, number: signal.Signals) -> None:
        """Send the server a signal."""
        assert self._running is not None
        os.kill(self._running.pid, number)

    def killed(self) -> None:
        """Wait until it is gone."""
        assert self._running is not None
        self._running.stop()

    def _answers(self) -> bool:
        with suppress(RedisError):
            return bool(self.client(by_port=False).ping())
        return False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.killed()


def torn(client: Redis) -> None:
    """Shut down the sockets that a client holds, as a network does that goes away."""
    pool = client.connection_pool
    for connection in (*pool._available_connections, *pool._in_use_connections):
        with suppress(AttributeError, OSError):
            connection._sock.shutdown(socket.SHUT_RDWR)


def soak(server: Server, root: Path, cuts: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Enqueue until there were so many cuts; return what was counted, and what should not have been."""
    chance, counts = random.Random(seed), Counter[str]()
    ways = {
        "killed": lambda client: server.signal(signal.SIGKILL),
        "stood still": lambda client: server.signal(signal.SIGSTOP),
        "socket torn": torn,
    }
    for number in range(cuts):
        way = sorted(ways)[number % len(ways)]
        again = chance.choice([Again(NoBackoff(), 0), Again(NoBackoff(), 2), Again(ConstantBackoff(0.1), 5)])
        client = server.client(chance.random() < 0.5, again)
        queue, name = Queue("default", connection=client), chance.choice(sorted(PATHS))
        cut = threading.Timer(chance.uniform(0, LATEST), ways[way], [client])
        back = threading.Timer(chance.uniform(2 * PATIENCE, 4 * PATIENCE), server.signal, [signal.SIGCONT])
        cut.start()
        if way == "stood still":
            back.start()
        try:
            while cut.is_alive():
                PATHS[name](queue)
                counts["enqueued in peace"] += 1
            PATHS[name](queue)
        except (RedisError, DuplicateJobError):  # duplicate: what a first attempt had enqueued
            counts["broke off"] += 1
        cut.join()
        if way == "killed":
            server.killed()
            server.start()
        elif way == "stood still":
            back.join()
        client.close()
        counts[way] += 1
    direct = server.client(by_port=True)
    wrong = missing(direct, root, counts)
    told = {
        line.event["payload"]["job_id"]
        for line in read(root / "_logs" / LOG_NAME)
        if isinstance(line, Line) and line.event["category"] == "rq_enqueue"
    }
    gone = (job for job in sorted(told) if not direct.exists(f"rq:job:{job}"))
    return counts, wrong + [f"job {job} is in the log and not in Redis" for job in gone]


def main(arguments: list[str] | None = None) -> int:
    """Soak; returns 1 when a job is missing."""
    cuts, seed = chosen(arguments, "Kill Redis while jobs are enqueued.", 3000)
    with tempfile.TemporaryDirectory(prefix="pte-") as name, tempfile.TemporaryDirectory(prefix="pte-") as kept:
        os.environ["RECORDER_ROOT"] = name
        assert str(get_recorder().settings.root) == name
        with Server(Path(kept)) as server:
            counts, wrong = soak(server, Path(name), cuts, seed)
    return verdict(counts, wrong)


if __name__ == "__main__":
    sys.exit(main())
