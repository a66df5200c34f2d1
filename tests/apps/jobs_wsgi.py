"""An application that is all about background jobs: `POST /start/<plan>` enqueues, `GET /rq/api/jobstatus/<id>` tells.

The jobs go to the Redis at REDIS_URL.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from redis import Redis
from rq import Queue, Repeat, Retry
from rq.exceptions import NoSuchJobError
from rq.job import Job

from tests.apps import job_tasks, rq_tasks

connection = Redis.from_url(os.environ["REDIS_URL"])


class NotedQueue(Queue):
    """Notes on the Redis list `made` which jobs requests have enqueued, whatever they answer."""

    def enqueue_call(self, *args: Any, **options: Any) -> Job:
        job = super().enqueue_call(*args, **options)
        self.connection.rpush("made", job.id)
        return job

    def enqueue_at(self, *args: Any, **options: Any) -> Job:
        job = super().enqueue_at(*args, **options)
        self.connection.rpush("made", job.id)
        return job


def queue(name: str) -> Queue:
    return NotedQueue(name, connection=connection)


def changed(what: str) -> bool:
    return job_tasks.changed(connection, what)


def cancelled() -> Job:
    job = queue("nobodys").enqueue(rq_tasks.add, 1, 2)
    job.cancel()
    return job


def callbacks() -> Job:
    queue("work").enqueue(job_tasks.complain, "leaf", on_failure=job_tasks.on_failure)
    if changed("direct"):
        queue("work").enqueue(job_tasks.thank)
    return queue("work").enqueue(job_tasks.water, on_success=job_tasks.on_success)


def often() -> Repeat:
    """Soon once more, and then every hour; RQ counts the intervals from the end."""
    return Repeat(4, [3600, 3600, 3600, 1])


def deferred() -> Job:
    broken = queue("work").enqueue(rq_tasks.fail)
    return queue("work").enqueue(rq_tasks.add, 1, 2, depends_on=broken)


PLANS: dict[str, Callable[[], Job | list[Job] | None]] = {
    # how a job may end
    "finished": lambda: queue("work").enqueue(rq_tasks.add, 1, 2),
    "failed": lambda: queue("work").enqueue(rq_tasks.fail),
    "stopped": lambda: queue("work").enqueue(rq_tasks.hold, "stopped"),
    "canceled": cancelled,
    "abandoned": lambda: queue("doomed").enqueue(rq_tasks.hold, "abandoned"),
    "swept": lambda: queue("doomed").enqueue(rq_tasks.hold, "swept"),
    "deferred_forever": deferred,
    "forgotten": lambda: queue("work").enqueue(rq_tasks.add, 1, 2, result_ttl=0),
    "never_started": lambda: queue("nobodys").enqueue(rq_tasks.add, 1, 2),
    "out_of_time": lambda: queue("work").enqueue(rq_tasks.hold, "out_of_time", job_timeout=1),
    "too_long": lambda: queue("work").enqueue(rq_tasks.hold, "too_long"),
    "secret": lambda: queue("work").enqueue(rq_tasks.login, "ada", "swordfish-swordfish"),
    "timed": lambda: queue("work").enqueue("time.sleep", random.uniform(0.2, 0.6)),
    # graphs
    "tree": lambda: queue("work").enqueue(job_tasks.plant, 3),
    "measured": lambda: queue("work").enqueue(job_tasks.weigh),
    "plain": lambda: queue("plain").enqueue(job_tasks.plant, 3),
    "broken": lambda: queue("work").enqueue(job_tasks.complain, "moss"),
    "retries": lambda: queue("work").enqueue(job_tasks.struggle, retry=Retry(max=4)),
    "patience": lambda: queue("work").enqueue(job_tasks.struggle, retry=Retry(max=4, interval=1)),
    "repeats": lambda: queue("work").enqueue(job_tasks.water, repeat=often() if changed("often") else Repeat(1, 1)),
    "later": lambda: queue("work").enqueue_in(timedelta(seconds=0.5), job_tasks.water),
    "tomorrow": lambda: queue("work").enqueue_in(timedelta(days=1), job_tasks.water),
    "callbacks": callbacks,
    "again": lambda: queue("work").enqueue(job_tasks.look_again, 3 - changed("sooner")),
    "several": lambda: [queue("work").enqueue(job_tasks.water), queue("other").enqueue(job_tasks.second, 2)],
    "silent": lambda: None if changed("none") else queue("work").enqueue(job_tasks.unheard) and None,
}


def state(job_id: str) -> tuple[str, dict[str, Any]]:
    try:
        job = Job.fetch(job_id, connection=connection)
    except NoSuchJobError:
        return "404 Not Found", {"status": "not_found"}
    return "200 OK", {"id": job_id, "status": job.get_status(), "exc_info": job.exc_info}


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    _, verb, name = ("/" + environ["PATH_INFO"].strip("/") + "/").split("/", 2)
    status, body = "200 OK", dict[str, Any]()
    if verb == "start":
        made = PLANS[name.strip("/")]()
        if isinstance(made, list):
            body = {"jobs": [job.id for job in made]}
        elif made is not None:
            body = {"job_id": made.id}
    elif verb == "rq":
        status, body = state(name.strip("/").rpartition("/")[2])
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps(body).encode()]
