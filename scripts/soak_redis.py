"""Cut the connection to Redis at random moments while jobs are enqueued on every path, and look what is left.

    python scripts/soak_redis.py [--cuts 1000] [--seed 1]

A proxy between RQ and Redis ends the connection after a random number of bytes, of what is sent or of what comes back,
or Redis itself ends it (`CLIENT KILL`). Every job that Redis holds afterwards is in the log as an enqueue, or the log
says of it that nobody knows. Prints counts; exit code 1 on a violation.
"""

from __future__ import annotations

import argparse
import os
import random
import socket
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from redis import Redis  # noqa: E402
from redis.backoff import NoBackoff  # noqa: E402
from redis.exceptions import ConnectionError, TimeoutError  # noqa: E402
from redis.retry import Retry as Again  # noqa: E402
from rq import Queue, Retry  # noqa: E402
from rq.exceptions import DuplicateJobError  # noqa: E402
from rq.job import Job  # noqa: E402

import recorder.rq  # noqa: F401, E402 - wraps RQ
from playback.redis_server import running_redis  # noqa: E402
from recorder.core import get_recorder  # noqa: E402
from recorder.log import LOG_NAME, BadLine, read  # noqa: E402
from tests.apps.rq_tasks import add  # noqa: E402

FARTHEST = 2_500  # bytes after which a connection is cut, at most: what enqueueing a job or two takes


class Proxy:
    """Hands on what goes between a client and Redis; `cut(after, answers)` ends the connection in the middle of it."""

    def __init__(self, url: str) -> None:
        self.target = urlsplit(url)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]
        self.cuts = 0
        self._left: dict[bool, int | None] = {True: None, False: None}
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, after: int, answers: bool) -> None:
        """End the connection after so many bytes more, of the answers or of what is asked."""
        with self._lock:
            self._left = {answers: after, not answers: None}

    def _accept(self) -> None:
        while True:
            with suppress(OSError):
                client, _ = self.listening.accept()
                server = self._dial()
                for source, sink, answers in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._hand_on, args=(source, sink, answers), daemon=True).start()
                continue
            return

    def _dial(self) -> socket.socket:
        if self.target.scheme == "unix":
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.target.path)
            return server
        return socket.create_connection((self.target.hostname, self.target.port))

    def _hand_on(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(1 << 16):
                with self._lock:
                    left = self._left[answers]
                    if left is not None:
                        self._left[answers] = left - len(piece) if len(piece) < left else None
                    ends = left is not None and len(piece) >= left
                    self.cuts += ends
                sink.sendall(piece[:left] if ends else piece)
                if ends:
                    break
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


def in_pipeline(queue: Queue) -> None:
    """Two jobs in a pipeline of the caller's own."""
    with queue.connection.pipeline() as pipeline:
        queue.enqueue(add, 1, 2, pipeline=pipeline)
        queue.enqueue_in(timedelta(days=1), add, 3, 4, pipeline=pipeline)
        pipeline.execute()


def dependent(queue: Queue) -> None:
    """A job, and one of another queue that waits for it."""
    Queue("other", connection=queue.connection).enqueue(add, 3, 4, depends_on=queue.enqueue(add, 1, 2))


PATHS: dict[str, Callable[[Queue], Any]] = {
    "enqueue": lambda queue: queue.enqueue(add, 1, 2),
    "retry": lambda queue: queue.enqueue(add, 1, 2, retry=Retry(max=2)),
    "in": lambda queue: queue.enqueue_in(timedelta(days=1), add, 1, 2),
    "many": lambda queue: queue.enqueue_many([queue.prepare_data(add, (1, n)) for n in range(3)]),
    "unique": lambda queue: queue.enqueue(add, 1, 2, job_id=os.urandom(8).hex(), unique=True),
    "pipeline": in_pipeline,
    "dependent": dependent,
}


def soak(url: str, root: Path, cuts: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Enqueue until so many connections were cut; return what was counted, and what should not have been."""
    chance, counts = random.Random(seed), Counter[str]()
    proxy, direct = Proxy(url), Redis.from_url(url)
    direct.flushdb()
    while proxy.cuts + counts["killed by redis"] < cuts:
        again = Again(NoBackoff(), chance.choice([0, 0, 2]))
        client = Redis(port=proxy.port, retry=again, socket_timeout=10)
        queue = Queue("default", connection=client)
        with suppress(ConnectionError):
            client.ping()
        if chance.random() < 0.15:
            kill = threading.Timer(chance.uniform(0, 0.003), lambda: direct.client_kill_filter(_type="normal"))
            kill.start()
            counts["killed by redis"] += 1
        else:
            kill = None
            proxy.cut(chance.randrange(1, FARTHEST), answers=chance.random() < 0.5)
        name = chance.choice(sorted(PATHS))
        try:
            while kill is None or kill.is_alive():
                PATHS[name](queue)
                counts["enqueued in peace"] += 1
                if kill is None and not any(proxy._left.values()):
                    break
        except (ConnectionError, TimeoutError, DuplicateJobError):  # duplicate: what a first attempt had enqueued
            counts["broke off"] += 1
        finally:
            if kill is not None:
                kill.join()
            client.close()
    counts["cuts"] = proxy.cuts + counts["killed by redis"]
    proxy.listening.close()
    return counts, missing(direct, root, counts)


def missing(direct: Redis, root: Path, counts: Counter[str]) -> list[str]:
    """The jobs that Redis holds and of which the log says nothing."""
    enqueued: Counter[str] = Counter()
    doubted, wrong = "", []
    for line in read(root / "_logs" / LOG_NAME):
        if isinstance(line, BadLine):
            wrong.append(f"a torn line at {line.offset}")
        elif line.event["category"] == "rq_enqueue":
            enqueued[line.event["payload"]["job_id"]] += 1
        elif line.event["payload"].get("kind") == "lost":
            doubted += line.event["payload"]["reason"] + "\n"
            counts["doubts told"] += 1
    for key in direct.scan_iter("rq:job:*", count=1000):
        job = key.decode().removeprefix("rq:job:")
        if ":" in job or direct.type(key) != b"hash" or not direct.hexists(key, "created_at"):
            continue  # what RQ keeps beside a job
        counts["jobs in redis"] += 1
        counts["of those in the log"] += job in enqueued
        if job not in enqueued and job not in doubted:
            wrong.append(f"job {job} ({Job.fetch(job, connection=direct).get_status()}) is in Redis and not in the log")
    wrong += [f"job {job} was enqueued once and told {times} times" for job, times in enqueued.items() if times > 1]
    return wrong


def chosen(arguments: list[str] | None, description: str, cuts: int) -> tuple[int, int]:
    """Return how many cuts are asked for, and the seed of their moments, which is told."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--cuts", type=int, default=cuts, metavar="N", help=f"default: {cuts}")
    parser.add_argument("--seed", type=int, default=None, help="repeat the moments of an earlier run")
    asked = parser.parse_args(arguments)
    seed = asked.seed if asked.seed is not None else random.randrange(1 << 30)
    print(f"seed {seed}", flush=True)
    return asked.cuts, seed


def verdict(counts: Counter[str], wrong: list[str]) -> int:
    """Tell what was counted, and what should not have been; returns 1 when there is any."""
    for what, count in counts.items():
        print(f"{what:<28}{count:>10,}")
    for sentence in wrong:
        print(f"VIOLATION: {sentence}")
    print("violations: " + str(len(wrong) or "none"))
    return 1 if wrong else 0


def main(arguments: list[str] | None = None) -> int:
    """Soak; returns 1 when a job is missing."""
    cuts, seed = chosen(arguments, "Cut the connection to Redis while jobs are enqueued.", 1000)
    with tempfile.TemporaryDirectory(prefix="pte-redis-") as name, running_redis() as url:
        os.environ["RECORDER_ROOT"] = name
        assert str(get_recorder().settings.root) == name
        return verdict(*soak(url, Path(name), cuts, seed))


if __name__ == "__main__":
    sys.exit(main())
