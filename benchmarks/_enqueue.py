"""Enqueues jobs as an application does: `python -m benchmarks._enqueue REDIS_URL COUNT`; prints microseconds for one.

With RECORDER_ROOT in the environment, `recorder.rq` watches.
"""

from __future__ import annotations

import os
import sys

from redis import Redis
from rq import Queue

from benchmarks._measure import timed


def main(url: str, count: int) -> None:
    """Print the mean over `count` jobs."""
    if "RECORDER_ROOT" in os.environ:
        import recorder.rq  # noqa: F401  watches from here on
    queue = Queue(f"bench-{os.getpid()}", connection=Redis.from_url(url))

    def enqueue(jobs: int) -> None:
        for number in range(jobs):
            queue.enqueue("tasks.compute", number, watershed="backed-globule", depth=3)

    enqueue(20)
    print(timed(lambda: enqueue(count)) / count * 1e6)
    queue.delete(delete_jobs=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
