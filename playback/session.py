"""Replay the steps of a profile, one after the other, and judge each answer.

A step is sent, waited for, mined for the values later steps need, and compared; background jobs it started are awaited
before the next step begins.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import jmespath

from assembler.extractors import Answer, evaluate
from assembler.profile import Profile, Step, Until
from playback.answers import Comparer
from playback.bijection import Bijection, Moment, same_build
from playback.enqueue import Enqueuer
from playback.errors import BadProfile, TargetRefused, Unjudgeable
from playback.report import Masked, Mismatch, StepOutcome
from playback.target import Target
from playback.template import Scope, Unknown, fill, names_in
from playback.waits import JobSource, failed_state, limit_of, outcome_of, wait_for
from playback.wire import Client, Request, compose, curl

__all__ = ["Session"]


@dataclass
class Failure:
    """What a failing step sent and got, for the diagnostics."""

    request: Request
    answer: httpx.Response | None
    expected: bytes | None


@dataclass
class Session:
    """One replay against one target. `folder` is the profile's directory; `run_dir` the cloned workspace, if any."""

    profile: Profile
    folder: Path
    target: Target
    scope: Scope
    rewrite: dict[str, str]
    run_dir: Path | None
    job_sources: list[JobSource]
    enqueuer: Enqueuer | None
    timeout: float = 60.0
    step_timeout: float | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    progress: Callable[[dict[str, Any]], None] = lambda event: None
    masked: Masked = field(default_factory=Masked)
    failures: dict[str, Failure] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clients: dict[str, Client] = {}
        self.bijection = Bijection(lambda: self._digests)
        recorded = self.profile.metadata.recorded_with
        if recorded.origin:
            self.bijection.know(recorded.origin, self.target.origin)
            self.bijection.know(recorded.origin.partition("://")[2], self.target.host)
        for was, now in self.rewrite.items():
            self.bijection.know(was, now)
        self._began = time.time()
        self._recorded_began = datetime.fromisoformat(recorded.started).timestamp() if recorded.started else self._began
        ended = datetime.fromisoformat(recorded.ended).timestamp() if recorded.ended else self._recorded_began
        self._recorded_length = max(0.0, ended - self._recorded_began)

    # ------------------------------------------------------------------ running

    def run(self, steps: Sequence[Step], *, keep_going: bool, first: bool) -> Iterator[StepOutcome]:
        """Yield the outcome of each step, in order; ends after the first that is not passed unless `keep_going`.

        Raises `Unjudgeable` when the very first step of a replay (`first`) finds nobody, or a login is refused.
        """
        for index, step in enumerate(steps):
            if self.cancelled.is_set():
                return
            self.progress(
                {
                    "event": "step_started",
                    "id": step.id,
                    "method": step.method,
                    "path": step.path,
                    "index": index,
                    "of": len(steps),
                }
            )
            outcome = self._run(step, first=first and index == 0)
            self.progress(
                {
                    "event": "step_finished",
                    "id": step.id,
                    "result": outcome.result,
                    "status": outcome.status,
                    "duration_ms": outcome.duration_ms,
                    "wait_ms": outcome.wait_ms,
                    "mismatches": len(outcome.mismatches),
                    "index": index,
                    "of": len(steps),
                }
            )
            yield outcome
            if outcome.result != "passed" and not keep_going:
                return

    def _run(self, step: Step, *, first: bool) -> StepOutcome:
        outcome = StepOutcome(
            step.id, step.method, step.path or step.job or step.action, step.expect.status if step.expect else None
        )
        try:
            if step.action in ("http", "upload"):
                self._http(step, outcome, first=first)
            elif step.action == "enqueue_rq":
                self._enqueue(step, outcome)
            elif step.action == "wait":
                outcome.method = "WAIT"
            else:
                raise BadProfile(
                    f"Step {step.id} is a command; commands run only where PROFILE_PLAYBACK_COMMANDS allows them."
                )
            if not outcome.mismatches and step.wait is not None:
                self._wait(step, outcome)
            if not outcome.mismatches and step.log_contains is not None:
                self._await_log(step, outcome, step.log_contains, None, limit_of(None, step.timeout))
        except Unknown as unknown:
            where = str(unknown.args[0])
            outcome.mismatches.append(
                Mismatch(
                    f"{{{{ {where} }}}}", "a value from an earlier answer", None, "the earlier answer did not hold it"
                )
            )
        outcome.result = "failed" if outcome.mismatches else "passed"
        return outcome

    # ------------------------------------------------------------------ HTTP

    def client(self, name: str) -> Client:
        """The live counterpart of a recorded client, made at first use."""
        if name not in self.clients:
            recorded = self.profile.metadata.clients.get(name)
            self.clients[name] = Client(self.target, recorded.headers if recorded else {}, self.timeout)
        return self.clients[name]

    def _http(self, step: Step, outcome: StepOutcome, *, first: bool) -> None:
        request = compose(step, self.scope, self.folder, self.rewrite)
        self._stays_away(step, request)
        outcome.path = request.target
        self.bijection.own(request.own)
        client = self.client(step.client)
        until = step.wait.until if step.wait is not None and step.wait.type == "poll" else None
        limit = (
            limit_of(step.wait.recorded, step.wait.timeout)
            if step.wait is not None and until
            else (step.settle or 0.0) * 5
        )
        began = time.monotonic()
        pause = min(0.05, step.wait.interval or 0.05) if step.wait is not None and until else 0.02
        ceiling = (step.wait.interval if step.wait is not None and step.wait.interval else 0.25) if until else 0.25
        sent = 0.0
        while True:
            sent = time.monotonic()
            try:
                response = client.send(request, step.timeout or self.step_timeout)
            except httpx.RequestError as error:
                reason = str(error) or type(error).__name__
                if first:
                    raise Unjudgeable(
                        f"Nothing answers at {self.target.internal_origin} ({reason}). "
                        "Start the application, or say where it is with --base-url."
                    ) from error
                outcome.mismatches.append(
                    Mismatch("connection", "an answer", reason, "the connection was dropped or timed out")
                )
                outcome.curl = curl(self.target, client, request)
                self.failures[step.id] = Failure(request, None, self._expected_body(step))
                return
            answer = Answer(
                response.status_code, [(k.lower(), v) for k, v in response.headers.multi_items()], _text(response)
            )
            if until is not None and not _holds(until, answer):
                stopped = _stopped(until, answer)
                if stopped is None and time.monotonic() - began < limit and not self.cancelled.is_set():
                    time.sleep(min(pause, ceiling))
                    pause = min(ceiling, pause * 1.5)
                    continue
                state = _state(until, answer)
                outcome.mismatches.append(
                    Mismatch(
                        f"wait:{_shown(until)}",
                        _wanted(until),
                        state,
                        "ended in another state" if stopped is not None else f"not reached in {limit:g} s",
                    )
                )
            break
        outcome.wait_ms = round((sent - began) * 1000, 1)
        outcome.duration_ms = round((time.monotonic() - sent) * 1000, 2)
        outcome.status = response.status_code
        outcome.curl = curl(self.target, client, request)
        self._refused(step, answer)
        snapshot = len(outcome.mismatches)
        self._judge(step, response, answer, outcome)
        # A read that differs right after a pause in the recording may only be early: the work behind it takes time.
        while (
            len(outcome.mismatches) > snapshot
            and step.settle
            and until is None
            and time.monotonic() - began < min(limit, 30.0)
            and not self.cancelled.is_set()
        ):
            time.sleep(pause)
            pause = min(0.25, pause * 1.4)
            retried = StepOutcome(step.id, step.method, outcome.path, outcome.expected_status)
            response = client.send(request, step.timeout or self.step_timeout)
            answer = Answer(
                response.status_code, [(k.lower(), v) for k, v in response.headers.multi_items()], _text(response)
            )
            self._judge(step, response, answer, retried)
            outcome.wait_ms = round((time.monotonic() - began) * 1000, 1)
            if not retried.mismatches:
                outcome.mismatches = outcome.mismatches[:snapshot]
                outcome.status, outcome.note = response.status_code, f"settled after {outcome.wait_ms:.0f} ms"
        if outcome.mismatches:
            self.failures[step.id] = Failure(request, response, self._expected_body(step))

    def _judge(self, step: Step, response: httpx.Response, answer: Answer, outcome: StepOutcome) -> None:
        """Extract, learn, compare."""
        expect = step.expect
        known = Comparer(self.bijection, self._moment(step), step.id, self.profile.ignore, self.masked)
        if expect is None:
            if response.status_code >= 400:
                outcome.mismatches.append(Mismatch("status", "below 400", response.status_code))
        elif expect.status is not None and response.status_code != expect.status:
            known.value("status", expect.status, response.status_code)
        for name, extract in step.extract.items():
            value = evaluate(extract, answer)
            if value is None:
                if not known.mismatches:
                    known.mismatches.append(
                        Mismatch(
                            f"extract:{name}", extract.was, None, "the value that later steps need is not in the answer"
                        )
                    )
                continue
            if name == "run_id" and self.profile.metadata.run == "created":
                self.scope.values["run_id"] = value
            self.scope.steps.setdefault(step.id, {})[name] = value
            if extract.was is not None:
                if not same_build(extract.was, value) and not extract.was.startswith("secret-"):
                    known.mismatches.append(Mismatch(f"extract:{name}", extract.was, value, "is built differently"))
                self.bijection.know(extract.was, value)
        if expect is not None:
            self._compare(step, response, answer, known)
        outcome.mismatches.extend(known.mismatches)

    def _compare(self, step: Step, response: httpx.Response, answer: Answer, comparer: Comparer) -> None:
        expect = step.expect
        assert expect is not None
        if expect.media_type is not None:
            comparer.value("header:content-type", expect.media_type, answer.media_type)
        if expect.location is not None or (answer.first("location") is not None and expect.status is not None):
            if expect.location is None:
                comparer.value("header:location", None, answer.first("location"))
            else:
                comparer.location(expect.location, answer.first("location"))
        names = sorted({v.partition("=")[0].strip() for v in answer.all("set-cookie")} - {"recorder_session"})
        if expect.status is not None and (expect.cookies or names):
            comparer.json("header:set-cookie", sorted(expect.cookies or []), names)
        if expect.contains is not None and expect.contains not in (answer.text or ""):
            comparer.value("body", f"contains {expect.contains!r}", "it does not")
        if (recorded := self._expected_body(step)) is not None:
            comparer.body(expect.media_type or "", recorded, response.content, response.charset_encoding or "utf-8")
        elif (
            expect.status is not None
            and expect.body is None
            and step.method != "HEAD"
            and response.content
            and expect.media_type is None
        ):
            comparer.value("body", "empty", f"{len(response.content)} bytes")
        comparer.settle()

    def _expected_body(self, step: Step) -> bytes | None:
        if step.expect is None or step.expect.body is None:
            return None
        return (self.folder / step.expect.body).read_bytes()

    def _moment(self, step: Step) -> Moment:
        now = time.time()
        return Moment(self._recorded_began + (step.at or 0.0), now, 120.0 + self._recorded_length + (now - self._began))

    def _stays_away(self, step: Step, request: Request) -> None:
        """Nothing may touch the recorded run: its id must not survive in an address."""
        for was in self.rewrite:
            if was in request.path.split("/") or f"/{was}/" in request.target:
                raise TargetRefused(f"Step {step.id} would still touch the recorded run {was!r}: {request.target}")

    def _refused(self, step: Step, answer: Answer) -> None:
        """A login that is answered by 401, 403 or its own form again cannot be judged: the credentials are wrong here."""
        uses = any(
            n.startswith("secrets.") for n in names_in(step.model_dump(by_alias=True, exclude={"expect", "extract"}))
        )
        expected = step.expect.status if step.expect else None
        if not uses or expected is None or answer.status == expected:
            return
        again = answer.status == 200 and answer.is_html and answer.html.css_first("input[type=password]") is not None
        if answer.status in (401, 403) or again:
            said = "showed the form again" if again else f"answered {answer.status}"
            raise Unjudgeable(
                f"The login (step {step.id}, {step.method} {step.path}) was refused: the application {said}. "
                "Check PROFILE_SECRET_* or ADMIN_EMAIL and ADMIN_PASSWORD."
            )

    @cached_property
    def _digests(self) -> set[str]:
        """Digests of everything the replay uploads: where one stands in an answer, it must stay."""
        found: set[str] = set()
        for step in [*self.profile.prologue, *self.profile.steps]:
            for name in [p.file for p in step.multipart or [] if p.file] + ([step.body] if step.body else []):
                content = (self.folder / name).read_bytes()
                found.update(
                    hashlib.new(a, content).hexdigest() for a in ("md5", "sha1", "sha256", "sha512", "blake2b")
                )
        return found

    # ------------------------------------------------------------------ jobs and waits

    def _enqueue(self, step: Step, outcome: StepOutcome) -> None:
        if self.enqueuer is None:
            raise Unjudgeable(
                f"Step {step.id} enqueues a job, and no Redis is known. Set REDIS_URL to the application's Redis."
            )
        outcome.method = "ENQUEUE"
        began = time.monotonic()
        job_id = self.enqueuer.enqueue(step, self.scope)
        self.scope.steps.setdefault(step.id, {})["job_id"] = job_id
        outcome.duration_ms = round((time.monotonic() - began) * 1000, 2)
        self._await_job(step, outcome, job_id, step.wait.recorded if step.wait else None)

    def _wait(self, step: Step, outcome: StepOutcome) -> None:
        wait = step.wait
        assert wait is not None
        if wait.type == "job" and wait.job is not None:
            self._await_job(step, outcome, fill(wait.job, self.scope), wait.recorded)
        elif wait.type == "status_poll":
            self._await_status(step, outcome)
        elif wait.type in ("file", "log_line"):
            self._await_log(
                step, outcome, wait.contains, wait.path, limit_of(wait.recorded, wait.timeout or step.timeout)
            )

    def _await_job(self, step: Step, outcome: StepOutcome, job_id: str, recorded: float | None) -> None:
        limit = limit_of(recorded, (step.wait.timeout if step.wait else None) or step.timeout)
        if not self.job_sources:
            self.notes.append(
                f"Step {step.id} started a job that nothing here can watch; later steps wait for what it shows."
            )
            return
        self.progress({"event": "wait_started", "id": step.id, "job": job_id, "limit_s": limit})
        waited = wait_for(job_id, self.job_sources, limit, self.cancelled.is_set)
        outcome.wait_ms = round(outcome.wait_ms + waited.seconds * 1000, 1)
        if (
            waited.tree is None
            and "known to none" in (waited.problem or "")
            and all(s.name != "redis" for s in self.job_sources)
        ):
            self.notes.append(f"Step {step.id}: {waited.problem}; later steps wait for what it shows.")
            return
        if waited.tree is not None:
            outcome.jobs.append(outcome_of(waited.tree))
        expected = (step.expect.jobs if step.expect else None) or {}
        if waited.problem is not None and not (
            expected and any(v != "finished" for v in expected.values()) and waited.tree is not None
        ):
            trace = next((n["exc_info"] for n in _nodes(waited.tree) if n["exc_info"]), None) if waited.tree else None
            outcome.mismatches.append(Mismatch("jobs", "finished", waited.problem, trace))
        elif waited.tree is not None and expected and waited.source != "application":
            self._compare_jobs(expected, waited.tree, outcome)

    def _compare_jobs(self, expected: dict[str, str], tree: dict[str, Any], outcome: StepOutcome) -> None:
        found: dict[str, str] = {}
        for node in _nodes(tree):
            name, count = node["function"] or node["id"], 2
            while name in found:
                name, count = f"{node['function']}#{count}", count + 1
            found[name] = node["status"]
        for name, status in expected.items():
            self.masked.compared += 1
            if name in found and found[name] != status:
                outcome.mismatches.append(Mismatch(f"jobs:{name}", status, found[name]))
            elif name not in found and len(found) > 1:
                outcome.mismatches.append(Mismatch(f"jobs:{name}", status, None, "this job was not enqueued"))

    def _await_status(self, step: Step, outcome: StepOutcome) -> None:
        """The source document's status poll: a relative endpoint is asked below the run's page until its field says so."""
        wait = step.wait
        assert wait is not None
        assert wait.endpoint is not None
        limit = limit_of(wait.recorded, wait.timeout or step.timeout)
        path = self._endpoint(fill(wait.endpoint, self.scope))
        began, pause, state = time.monotonic(), 0.02, None
        request = Request("GET", path.partition("?")[0], path.partition("?")[2], [("accept", "application/json")], {})
        while True:
            response = self.client(step.client).send(request)
            try:
                state = jmespath.search(wait.field, response.json())
            except ValueError:
                state = f"status {response.status_code}, not JSON"
            outcome.wait_ms = round((time.monotonic() - began) * 1000, 1)
            if _alike(state, wait.success_state):
                return
            if (
                failed_state(state)
                or response.status_code in (401, 403, 404)
                or time.monotonic() - began >= limit
                or self.cancelled.is_set()
            ):
                outcome.mismatches.append(
                    Mismatch(
                        f"wait:{wait.endpoint} {wait.field}",
                        wait.success_state,
                        state,
                        f"last seen after {outcome.wait_ms / 1000:.1f} s",
                    )
                )
                return
            time.sleep(pause)
            pause = min(wait.interval or 0.25, pause * 1.4)

    def _endpoint(self, endpoint: str) -> str:
        if endpoint.startswith("/"):
            return endpoint
        page = (
            self.profile.metadata.run_page
            or f"{self.target.base_path.rstrip('/')}/runs/{{{{ run_id }}}}/{{{{ config }}}}/"
        )
        try:
            return fill(page, self.scope) + endpoint
        except Unknown as unknown:
            raise BadProfile(
                f"The endpoint {endpoint!r} is relative to the run's page, and {unknown.args[0]} is not known: "
                "the seed holds no single .cfg file."
            ) from None

    def _await_log(self, step: Step, outcome: StepOutcome, phrase: str | None, path: str | None, limit: float) -> None:
        if self.run_dir is None:
            raise BadProfile(f"Step {step.id} waits for a file of the run, and this profile has no run directory.")
        began, pause = time.monotonic(), 0.02
        while True:
            files = (
                [self.run_dir / fill(path, self.scope)]
                if path
                else [p for p in self.run_dir.rglob("*.log") if p.is_file()]
            )
            if any(f.is_file() and (phrase is None or phrase in f.read_text("utf-8", "replace")) for f in files):
                return
            if time.monotonic() - began >= limit or self.cancelled.is_set():
                outcome.mismatches.append(
                    Mismatch(f"file:{path or '*.log'}", phrase or "exists", "not found", f"after {limit:g} s")
                )
                return
            time.sleep(pause)
            pause = min(0.25, pause * 1.4)

    def close(self) -> None:
        """Close every connection."""
        for client in self.clients.values():
            client.close()

    def secrets_seen(self) -> set[str]:
        """Live values that no report may show: secrets that were sent, and cookies that were received."""
        return {
            v
            for v in [*self.scope.secrets.values(), *self.scope.generated.values(), *self.bijection.secrets()]
            if len(v) >= 4
        }


def _nodes(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield tree
    for child in tree["children"]:
        yield from _nodes(child)


def _text(response: httpx.Response) -> str | None:
    content = response.content
    if b"\0" in content[:8192]:
        return None
    try:
        return content.decode(response.charset_encoding or "utf-8")
    except (UnicodeDecodeError, LookupError):
        return None


def _holds(until: Until, answer: Answer) -> bool:
    if until.status is not None and answer.status != until.status:
        return False
    if until.contains is not None and until.contains not in (answer.text or ""):
        return False
    if until.json_ is None:
        return True
    value = jmespath.search(until.json_, answer.json) if answer.json is not None else None
    if "differs" in until.model_fields_set:
        return bool(value != until.differs)
    return _alike(value, until.equals)


def _stopped(until: Until, answer: Answer) -> Any:
    """The state that will not change any more, or None."""
    value = _state(until, answer)
    return (
        value
        if value is not None and (value in until.stop_on or (isinstance(value, str) and value.lower() in until.stop_on))
        else None
    )


def _state(until: Until, answer: Answer) -> Any:
    if until.json_ is not None:
        return (
            jmespath.search(until.json_, answer.json)
            if answer.json is not None
            else f"status {answer.status}, not JSON"
        )
    return answer.status if until.status is not None else "the text is not there"


def _shown(until: Until) -> str:
    return until.json_ or ("status" if until.status is not None else "body")


def _wanted(until: Until) -> Any:
    if until.json_ is None:
        return until.status if until.status is not None else f"contains {until.contains!r}"
    return f"not {until.differs!r}" if "differs" in until.model_fields_set else until.equals


def _alike(value: Any, wanted: Any) -> bool:
    if isinstance(value, str) and isinstance(wanted, str):
        return value.lower() == wanted.lower()
    return bool(value == wanted) and isinstance(value, bool) == isinstance(wanted, bool)
