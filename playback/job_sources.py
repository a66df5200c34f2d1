"""Where the state of background jobs can be seen: Redis, the target's recorder, or the application's own status address.

Each source says what it knows of a job tree. One that turns out not to be there (no such address, no recorder) says so
once and is not asked again: a stranger's application is not to be pestered.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import httpx
import redis

from assembler.profile import Profile
from playback.enqueue import Enqueuer
from playback.errors import Unjudgeable
from playback.target import Target
from recorder import jobs

__all__ = ["AppStatus", "JobSource", "RecorderJobs", "RedisJobs", "connect", "status_path"]

_QUEUE = "rq worker on queue "


class JobSource(Protocol):
    """A place where the state of a job tree can be seen."""

    name: str
    usable: bool

    def look(self, job_id: str, seconds: float) -> jobs.Tree | None:
        """The tree after at most `seconds`, sooner when it is settled; None when this source does not know the job."""


class RedisJobs:
    """Job trees read from Redis itself: wakes within milliseconds of a result."""

    name = "redis"
    usable = True

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._watches: dict[str, jobs.Watch] = {}

    def look(self, job_id: str, seconds: float) -> jobs.Tree | None:
        watch = self._watches.setdefault(job_id, jobs.Watch(job_id, self.connection))
        tree = watch.look()
        if tree["status"] == "gone":
            return None
        return tree if jobs.is_settled(tree) else watch.wait(seconds)


class RecorderJobs:
    """Job trees as the target's recorder tells them, by long poll."""

    name = "recorder"

    def __init__(self, target: Target, http: httpx.Client, prefix: str, token: str) -> None:
        self.target, self.http, self.prefix = target, http, prefix
        self.headers = {"Host": target.host, "Authorization": f"Bearer {token}"}
        self.usable = True

    def look(self, job_id: str, seconds: float) -> jobs.Tree | None:
        answer = self.http.get(
            f"{self.target.connect_origin}{self.prefix}/jobs/{job_id}",
            params={"wait": f"{seconds:.3f}"},
            headers=self.headers,
            timeout=seconds + 10,
            extensions={"sni_hostname": self.target.tls_name},
        )
        if "x-recorder" not in answer.headers or answer.status_code in (401, 403):
            self.usable = False
            return None
        if answer.status_code != 200:
            return None
        tree: jobs.Tree = answer.json()
        return None if tree.get("status") == "gone" else tree


class AppStatus:
    """The application's own status address, read adaptively: soon at first, then with growing pauses (at most 250 ms)."""

    name = "application"

    def __init__(self, ask: Callable[[str], httpx.Response]) -> None:
        self.ask = ask
        self.usable = True

    def look(self, job_id: str, seconds: float) -> jobs.Tree | None:
        deadline = time.monotonic() + seconds
        pause = 0.02
        while True:
            answer = self.ask(job_id)
            if answer.status_code in (429, 503):
                pause = max(pause, _retry_after(answer))
            else:
                found = _app_tree(job_id, answer)
                if found is None:
                    self.usable = _speaks_of_jobs(answer)
                if found is None or jobs.is_settled(found) or time.monotonic() >= deadline:
                    return found
            time.sleep(min(pause, max(0.0, deadline - time.monotonic()) or pause))
            pause = min(0.25, pause * 1.4)


def status_path(profile: Profile, target: Target, environ: Mapping[str, str]) -> str:
    """The application's status address, with `{job_id}`: PROFILE_PLAYBACK_JOBSTATUS, else below the site's prefix."""
    page = profile.metadata.run_page or ""
    base = page.partition("/runs/")[0] if "/runs/" in page else target.base_path.rstrip("/")
    return environ.get("PROFILE_PLAYBACK_JOBSTATUS", base + "/rq/api/jobstatus/{job_id}")


def connect(profile: Profile, environ: Mapping[str, str]) -> Any:
    """A connection to the application's Redis, or None when none is named.

    Raises `Unjudgeable` when the profile needs jobs and Redis does not answer or no worker listens on its queues.
    """
    url = environ.get("PROFILE_PLAYBACK_REDIS_URL") or environ.get("REDIS_URL")
    if not url:
        return None
    required = profile.metadata.rq_required
    shown = re.sub(r"//[^@/]*@", "//", url)
    try:
        connection = redis.Redis.from_url(url, socket_timeout=None, socket_connect_timeout=5)
    except ValueError as error:
        raise Unjudgeable(f"REDIS_URL is {shown!r}: {error}.") from None
    try:
        connection.ping()
    except redis.RedisError as error:
        if not required:
            return None
        raise Unjudgeable(
            f"The profile needs background jobs, and Redis at {shown} does not answer ({error})."
        ) from None
    if required and (idle := list(_idle(profile, Enqueuer(connection).queues()))):
        raise Unjudgeable(
            f"No RQ worker listens on {', '.join(idle)} at {shown}; the profile's jobs would never run. "
            f"Start one: rq worker {idle[0] if ' ' not in idle[0] else '<queue>'}."
        )
    return connection


def _idle(profile: Profile, listening: list[str]) -> Iterator[str]:
    """The queues of the profile's jobs that no worker serves."""
    wanted = [s.removeprefix(_QUEUE) for s in profile.prerequisites.services if s.startswith(_QUEUE)]
    yield from (queue for queue in wanted if queue not in listening)
    if not wanted and not listening:
        yield "any queue"


def _retry_after(answer: httpx.Response) -> float:
    value = answer.headers.get("retry-after", "")
    return min(10.0, float(value)) if value.replace(".", "", 1).isdigit() else 1.0


def _speaks_of_jobs(answer: httpx.Response) -> bool:
    """True when the address answers in JSON with a status, if only to say that it does not know the job."""
    try:
        document = answer.json()
    except ValueError:
        return False
    return isinstance(document, Mapping) and isinstance(document.get("status"), str)


def _app_tree(job_id: str, answer: httpx.Response) -> jobs.Tree | None:
    if answer.status_code != 200 or not _speaks_of_jobs(answer):
        return None
    document = answer.json()
    if document["status"] in ("not_found", "unknown"):
        return None
    return {
        "id": job_id, "status": document["status"].lower(), "function": None, "queue": None, "created_at": None, "enqueued_at": None,
        "started_at": document.get("started_at"), "ended_at": document.get("ended_at"), "exc_info": document.get("exc_info"),
        "abandoned": False, "children": [],
    }  # fmt: skip
