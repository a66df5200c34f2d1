"""Where the state of background jobs can be seen: Redis, the target's recorder, or the application's own status address.

Each source says what it knows of a job tree. One that turns out not to be there (no such address, no recorder) says so
once and is not asked again: a stranger's application is not to be pestered. One that asks to be left alone for a while
(429 or 503, with or without Retry-After: RFC 9110, 10.2.3) is.
"""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import httpx
import redis

from assembler.polling import FAILED_STATES, LATER
from assembler.profile import Profile
from playback.errors import Unjudgeable
from playback.later import retry_after
from playback.target import Target
from playback.worker_check import check_by_redis
from recorder import jobs

__all__ = ["UNSEEN", "AppStatus", "JobSource", "RecorderJobs", "RedisJobs", "Unreadable", "connect", "status_path"]

_LOOK = 1.0
"""Seconds one look at Redis or the recorder may block: so soon a cancelled run is noticed."""
_SILENCE = 5.0
"""Seconds after which a Redis that does not answer is not there."""
_SHORTEST, _LONGEST, _SLOWEST = 0.02, 0.1, 1.0
"""Seconds between two looks over HTTP: at first, within half a minute, and at last."""
_SHARE = 0.05
"""Part of the time a wait has taken so far that it may be late."""
_BUSY = 0.5
"""Most of the target's time that the asking may take: who answers slowly is asked less often."""
_WORDS = {
    "success": "finished", "successful": "finished", "succeeded": "finished", "complete": "finished", "completed": "finished",
    "done": "finished", "cancelled": "canceled", "aborted": "stopped", "pending": "queued", "waiting": "queued",
    "running": "started", "processing": "started", "in_progress": "started",
}  # fmt: skip
"""What applications call the states that RQ has a word for."""
UNSEEN = "unseen"
"""What a job `lacks` when its state is all that is told: nobody knows."""
_ABANDONED = ("AbandonedJobError", "Moved to FailedJobRegistry")
"""How RQ's own words begin for a job whose worker it missed; they end with a date."""


class Unreadable(Exception):
    """A source that knew of jobs cannot be read at the moment. The message says why."""


class JobSource(Protocol):
    """A place where the state of a job tree can be seen."""

    name: str
    usable: bool

    def look(self, job_id: str, seconds: float) -> jobs.Tree | None:
        """The tree after at most `seconds`, sooner when it is settled; None when this source does not know the job.
        Raises `Unreadable`."""


class RedisJobs:
    """Job trees read from Redis itself: wakes within milliseconds of a result."""

    name = "redis"
    usable = True

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._watches: dict[str, jobs.Watch] = {}

    def look(self, job_id: str, seconds: float) -> jobs.Tree | None:
        watch = self._watches.setdefault(job_id, jobs.Watch(job_id, self.connection))
        try:
            tree = watch.wait(min(seconds, _LOOK))
        except redis.RedisError as error:
            raise Unreadable(f"Redis: {error}") from None
        return None if tree["status"] == "gone" else tree


class Pace:
    """How long to pause between two looks: soon at first, later by the time that has passed and by what a look costs."""

    def __init__(self) -> None:
        self.began = time.monotonic()

    def pause(self, cost: float) -> float:
        """Seconds, after a look that took `cost` seconds."""
        passed = time.monotonic() - self.began
        longest = min(_SLOWEST, max(_LONGEST, passed / 300))
        return max(min(longest, max(_SHORTEST, passed * _SHARE)), min(_SLOWEST, cost * (1 / _BUSY - 1)))


class _Http(ABC):
    """What the two sources over HTTP have in common: asking again at a bearable pace until the tree is settled."""

    def __init__(self) -> None:
        self.usable = True
        self._paces: dict[str, Pace] = {}

    def look(self, job_id: str, seconds: float) -> jobs.Tree | None:
        deadline = time.monotonic() + seconds
        pace = self._paces.setdefault(job_id, Pace())
        while True:
            left, asked = deadline - time.monotonic(), time.monotonic()
            try:
                answer = self._ask(job_id, max(0.0, left))
            except httpx.RequestError as error:
                raise Unreadable(str(error) or type(error).__name__) from None
            left = deadline - time.monotonic()
            if answer.status_code in LATER:
                wanted = self._wanted(answer)
                if wanted > left:
                    # Later than whoever asks can wait: the time that is left passes in silence.
                    time.sleep(max(0.0, left))
                    raise Unreadable(f"the answer is {answer.status_code}, to be asked again after {wanted:g} s")
                time.sleep(wanted)
                continue
            found = self._tree(job_id, answer)
            if found is None or jobs.is_settled(found) or left <= 0:
                return found
            time.sleep(min(left, self._pause(pace, time.monotonic() - asked)))

    @abstractmethod
    def _ask(self, job_id: str, seconds: float) -> httpx.Response: ...

    @abstractmethod
    def _tree(self, job_id: str, answer: httpx.Response) -> jobs.Tree | None: ...

    def _pause(self, pace: Pace, took: float) -> float:
        """Seconds until the next question, after one that took so long."""
        return pace.pause(took)

    def _wanted(self, answer: httpx.Response) -> float:
        """Seconds of quiet that the answer asks for."""
        return retry_after(answer)


class RecorderJobs(_Http):
    """Job trees as the target's recorder tells them, by long poll."""

    name = "recorder"

    def __init__(self, target: Target, http: httpx.Client, prefix: str, token: str) -> None:
        super().__init__()
        self.target, self.http, self.prefix = target, http, prefix
        self.headers = {"Host": target.host, "Authorization": f"Bearer {token}"}

    def _wanted(self, answer: httpx.Response) -> float:
        if "retry-after" in answer.headers:
            return retry_after(answer)
        # The process that answered knows no Redis, or cannot reach it; over a new connection another may answer.
        self.headers["Connection"] = "close"
        raise Unreadable(f"the recorder answers {answer.status_code}: {answer.text[:300]}")

    def _ask(self, job_id: str, seconds: float) -> httpx.Response:
        seconds = min(seconds, _LOOK)
        return self.http.get(
            f"{self.target.connect_origin}{self.prefix}/jobs/{job_id}",
            params={"wait": f"{seconds:.3f}"},
            headers=self.headers,
            timeout=seconds + 10,
            extensions={"sni_hostname": self.target.tls_name},
        )

    def _tree(self, job_id: str, answer: httpx.Response) -> jobs.Tree | None:
        if "x-recorder" not in answer.headers or answer.status_code in (401, 403):
            self.usable = False
            return None
        if answer.status_code != 200:
            return None
        tree: jobs.Tree = jobs.absent(job_id) | answer.json()
        return None if tree["status"] == "gone" else tree

    def _pause(self, pace: Pace, took: float) -> float:
        # One that waited as long as it was asked to is asked on; one that did not, for too many wait, is left in peace.
        return 0.0 if took >= 0.9 * _LOOK else pace.pause(0.0)


class AppStatus(_Http):
    """The application's own status address, read adaptively."""

    name = "application"

    def __init__(self, ask: Callable[[str], httpx.Response]) -> None:
        super().__init__()
        self.ask = ask

    def _ask(self, job_id: str, seconds: float) -> httpx.Response:
        return self.ask(job_id)

    def _tree(self, job_id: str, answer: httpx.Response) -> jobs.Tree | None:
        found = _app_tree(job_id, answer)
        if found is None and not _speaks_of_jobs(answer):
            self.usable = False
        return found


def status_path(profile: Profile, target: Target, environ: Mapping[str, str]) -> str:
    """The application's status address, with `{job_id}`: PROFILE_PLAYBACK_JOBSTATUS, else below the site's prefix."""
    page = profile.metadata.run_page or ""
    base = page.partition("/runs/")[0] if "/runs/" in page else target.base_path.rstrip("/")
    return environ.get("PROFILE_PLAYBACK_JOBSTATUS", base + "/rq/api/jobstatus/{job_id}")


def connect(profile: Profile, environ: Mapping[str, str]) -> Any:
    """A connection to the application's Redis, or None when none is named.

    Raises `Unjudgeable` when the profile needs jobs and Redis does not answer, no living worker listens on one of its
    queues, or nothing moves what is scheduled there.
    """
    url = environ.get("PROFILE_PLAYBACK_REDIS_URL") or environ.get("REDIS_URL")
    if not url:
        return None
    required = profile.metadata.rq_required
    shown = re.sub(r"//[^@/]*@", "//", url)
    try:
        connection = redis.Redis.from_url(url, socket_timeout=None, socket_connect_timeout=_SILENCE)
    except ValueError as error:
        raise Unjudgeable(f"REDIS_URL is {shown!r}: {error}.") from None
    try:
        # What blocks on purpose has no limit; whether anybody is there has.
        with redis.Redis.from_url(url, socket_timeout=_SILENCE, socket_connect_timeout=_SILENCE) as probe:
            probe.ping()
    except redis.RedisError as error:
        if not required:
            return None
        raise Unjudgeable(
            f"The profile needs background jobs, and Redis at {shown} does not answer ({error})."
        ) from None
    if required:
        check_by_redis(profile, connection, shown)
    return connection


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
    status = document["status"].lower()
    if status in ("not_found", "not found", "unknown", "gone"):
        return None
    status = _WORDS.get(status, "failed" if status in FAILED_STATES and status not in jobs.TERMINAL else status)
    told = (document.get(key) for key in ("exc_info", "exc_string", "traceback", "error"))
    times = {key: document.get(key) for key in ("started_at", "ended_at")}
    trace = next((text for text in told if isinstance(text, str) and text), None)
    lost = status == "failed" and trace is not None and any(words in trace for words in _ABANDONED)
    return jobs.absent(job_id) | {"status": status, "exc_info": trace, "abandoned": lost, "lacks": UNSEEN, **times}
