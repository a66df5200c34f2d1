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

from assembler.extractors import Answer, evaluate, source_name
from assembler.profile import Profile, Step
from playback.answers import Comparer
from playback.awaiting import Awaiting
from playback.bijection import Bijection, Moment
from playback.builds import same_build
from playback.commands import Commands
from playback.curl import curl
from playback.enqueue import Enqueuer
from playback.errors import TargetRefused, Unjudgeable
from playback.gist import gist
from playback.job_search import JobSearch
from playback.job_sources import JobSource
from playback.redact import SHORTEST
from playback.report import Masked, Mismatch, StepOutcome
from playback.target import Target
from playback.template import Scope, Unknown, names_in
from playback.trail import Exchange, Trail
from playback.untils import holds, shown, state_of, stopped, wanted
from playback.waits import limit_of
from playback.wire import Client, Request, compose
from recorder.names import Names

__all__ = ["Session"]

_LONGEST_PAUSE = 0.25
"""Seconds between two reads of what announces nothing."""
_LONGEST_SETTLE = 30.0
"""Seconds that a read which differs is tried again at most."""
_LONGEST_QUIET = 10.0
"""Seconds that a request which acts waits at most for work that nobody asked about."""
_UNSENDABLE = "a value from an earlier answer or from the profile makes a request that cannot be sent"
_NAMES = Names()
_SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")


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
    commands: Commands
    timeout: float = 60.0
    cancelled: threading.Event = field(default_factory=threading.Event)
    progress: Callable[[dict[str, Any]], None] = lambda event: None
    masked: Masked = field(default_factory=Masked)
    trail: Trail = field(default_factory=Trail)
    notes: list[str] = field(default_factory=list)
    answers: dict[str, tuple[httpx.Response, Moment]] | None = None
    """The last answer to each step, by its id, and when it came; None: they are not kept."""
    differences: dict[str, list[Mismatch]] = field(default_factory=dict)
    """What differs in the files that were compared with mapped values, by target."""

    def __post_init__(self) -> None:
        self.clients: dict[str, Client] = {}
        default_page = f"{self.target.base_path.rstrip('/')}/runs/{{{{ run_id }}}}/{{{{ config }}}}/"
        self.awaiting = Awaiting(
            self.scope,
            self.profile.metadata.run_page or default_page,
            self.run_dir,
            self.job_sources,
            self.client,
            self._comparer,
            self.notes,
            self.progress,
            self.cancelled,
            self.profile.metadata.recorded_with.run_id,
            JobSearch(self.enqueuer.connection, self.scope.values.get("run_id")) if self.enqueuer else None,
        )
        self._accepted: set[str] = set()
        """Secrets (by name) that the application has taken in this replay."""
        self.bijection = Bijection(lambda: self._digests)
        recorded = self.profile.metadata.recorded_with
        for origin in [*([recorded.origin] if recorded.origin else []), *recorded.also]:
            self.bijection.know(origin, self.target.origin)
            self.bijection.know(origin.partition("://")[2], self.target.host)
        for was, now in self.rewrite.items():
            self.bijection.know(was, now)
        steps = [*self.profile.prologue, *self.profile.steps]
        self.bijection.expect_codes(e.was for step in steps for e in step.extract.values() if e.was is not None)
        self._began = time.time()
        self._recorded_began = datetime.fromisoformat(recorded.started).timestamp() if recorded.started else self._began
        ended = datetime.fromisoformat(recorded.ended).timestamp() if recorded.ended else self._recorded_began
        self._recorded_length = max(0.0, ended - self._recorded_began)

    # ------------------------------------------------------------------ running

    def run(self, steps: Sequence[Step], *, keep_going: bool, before: int, of: int) -> Iterator[StepOutcome]:
        """Yield the outcome of each step, in order; ends after the first that is not passed unless `keep_going`.

        `before` steps of the replay's `of` came earlier. Raises `Unjudgeable` when the very first finds nobody, or a
        login is refused.
        """
        for index, step in enumerate(steps, before):
            if self.cancelled.is_set():
                return
            self.progress(
                {
                    "event": "step_started",
                    "id": step.id,
                    "method": step.method,
                    "path": step.path,
                    "index": index,
                    "of": of,
                }
            )
            outcome = self._run(step, first=index == 0, keep_going=keep_going)
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
                    "of": of,
                }
            )
            yield outcome
            if outcome.result != "passed" and not keep_going:
                return

    def _run(self, step: Step, *, first: bool, keep_going: bool) -> StepOutcome:
        outcome = StepOutcome(
            step.id, step.method, step.path or step.job or step.action, step.expect.status if step.expect else None
        )
        try:
            self.awaiting.before(step)
            if step.action in ("http", "upload"):
                self._http(step, outcome, first=first)
            elif step.action == "enqueue_rq":
                self._enqueue(step, outcome)
            elif step.action == "wait":
                outcome.method = "WAIT"
            else:
                self._command(step, outcome)
            answered = outcome.status is not None and outcome.status == outcome.expected_status
            if not outcome.mismatches or (keep_going and answered):
                # Whatever else differs: the steps that follow depend on the jobs of this one.
                self.awaiting.after(step, outcome)
        except Unknown as unknown:
            where = str(unknown.args[0])
            outcome.mismatches.append(
                Mismatch(
                    f"{{{{ {where} }}}}", "a value from an earlier answer", None, "the earlier answer did not hold it"
                )
            )
        outcome.result = "failed" if outcome.mismatches else "passed"
        if outcome.mismatches:
            outcome.curl = self._curl(step)
            self.trail.end()
        return outcome

    def _curl(self, step: Step) -> str | None:
        """What `step` sent, as a line for a person."""
        request = self.trail.request_of(step.id)
        if request is None:
            return None
        client = self.client(step.client)
        return curl(
            self.target,
            request,
            standing=client.headers,
            secrets=self.scope.secrets,
            cookies=bool(client.jar),
        )

    # ------------------------------------------------------------------ HTTP

    def client(self, name: str) -> Client:
        """The live counterpart of a recorded client, made at first use."""
        if name not in self.clients:
            recorded = self.profile.metadata.clients.get(name)
            self.clients[name] = Client(self.target, recorded.headers if recorded else {}, self.timeout)
        return self.clients[name]

    def _http(self, step: Step, outcome: StepOutcome, *, first: bool) -> None:
        try:
            request = compose(step, self.scope, self.folder, self.rewrite)
        except ValueError as error:  # an earlier answer gave what no address or text can hold
            outcome.mismatches.append(Mismatch("request", "a request that can be sent", str(error), _UNSENDABLE))
            return
        self._stays_away(step, request)
        outcome.path = request.target
        self.bijection.own(request.own)
        client = self.client(step.client)
        polls = step.wait is not None and step.wait.type == "poll"
        response: httpx.Response | None = None
        try:
            if step.settle and step.method not in _SAFE:
                # What acts cannot be tried again: the work that went on before it gets the time it had.
                self.cancelled.wait(min(step.settle, _LONGEST_QUIET))
            if polls:
                response, answer = self._poll(step, client, request, outcome)
            else:
                response, answer = self._send(step, client, request, outcome)
            outcome.status = response.status_code
            self._refused(step, answer)
            if step.settle and not polls and step.method in _SAFE:
                response = self._settle(step, client, request, response, answer, outcome)
            else:
                outcome.mismatches += self._judge(step, response, answer)
        except httpx.RequestError as error:
            reason = str(error) or type(error).__name__
            if first and not isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
                raise Unjudgeable(
                    f"The first step ({step.id}) got no answer that can be read from {self.target.internal_origin}: {reason}"
                    f"{'' if reason.endswith('.') else '.'} Look at the application, and at what the step sends."
                ) from error
            if first:
                raise Unjudgeable(
                    f"Nothing answers at {self.target.internal_origin} ({reason}). "
                    "Start the application, or say where it is with --base-url."
                ) from error
            why = "the connection was dropped or timed out"
            if isinstance(error, httpx.LocalProtocolError):
                why = _UNSENDABLE
            outcome.mismatches.append(Mismatch("connection", "an answer", reason, why))
        finally:
            self.trail.follow(Exchange.of(step, request, response, self._expected_path(step)))
        if self.answers is not None and response is not None:
            self.answers[step.id] = (response, self.moment(step))

    def _send(
        self, step: Step, client: Client, request: Request, outcome: StepOutcome
    ) -> tuple[httpx.Response, Answer]:
        began = time.monotonic()
        try:
            response = client.send(request, step.timeout)
        except ValueError as error:  # a character that no header can carry
            raise httpx.LocalProtocolError(str(error)) from error
        outcome.duration_ms = round((time.monotonic() - began) * 1000, 2)
        headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers.raw]
        return response, Answer(response.status_code, headers, _text(response))

    def _poll(
        self, step: Step, client: Client, request: Request, outcome: StepOutcome
    ) -> tuple[httpx.Response, Answer]:
        """Repeat the request until what the recording waited for holds, cannot hold any more, or time is up."""
        wait = step.wait
        assert wait is not None
        assert wait.until is not None
        limit = limit_of(wait.recorded, wait.timeout or step.timeout)
        longest = wait.interval or _LONGEST_PAUSE
        began, pause = time.monotonic(), min(0.05, longest)
        while True:
            outcome.wait_ms = round((time.monotonic() - began) * 1000, 1)
            response, answer = self._send(step, client, request, outcome)
            if holds(wait.until, answer):
                return response, answer
            final = stopped(wait.until, answer) is not None
            if final or time.monotonic() - began >= limit or self.cancelled.is_set():
                reason = "ended in another state" if final else f"not reached in {limit:g} s"
                state = state_of(wait.until, answer)
                outcome.mismatches.append(Mismatch(f"wait:{shown(wait.until)}", wanted(wait.until), state, reason))
                return response, answer
            self.cancelled.wait(pause)
            pause = min(longest, pause * 1.5)

    def _settle(
        self,
        step: Step,
        client: Client,
        request: Request,
        response: httpx.Response,
        answer: Answer,
        outcome: StepOutcome,
    ) -> httpx.Response:
        """Judge a read that followed a pause in the recording. The work behind it may still be going on: a read that
        differs is tried again as long as the recording gave it, five times over, and a try that failed teaches nothing."""
        deadline = time.monotonic() + min(_LONGEST_SETTLE, 5 * (step.settle or 0.0))
        began, pause = time.monotonic(), 0.02
        while True:
            learnt, counted = self.bijection.copy(), self.masked.copy()
            mismatches = self._judge(step, response, answer)
            if not mismatches or time.monotonic() >= deadline or self.cancelled.is_set():
                break
            self.bijection.restore(learnt)
            self.masked.restore(counted)
            self.cancelled.wait(pause)
            pause = min(_LONGEST_PAUSE, pause * 1.4)
            response, answer = self._send(step, client, request, outcome)
            outcome.wait_ms = round((time.monotonic() - began) * 1000, 1)
        if outcome.wait_ms:
            how = "settled after" if not mismatches else "asked again and again for"
            outcome.note = f"{how} {outcome.wait_ms:.0f} ms"
        outcome.status = response.status_code
        outcome.mismatches += mismatches
        return response

    def _judge(self, step: Step, response: httpx.Response, answer: Answer) -> list[Mismatch]:
        """Extract, learn, compare."""
        expect = step.expect
        known = self._comparer(step)
        known.created = expect is not None and expect.status == 201
        if expect is None:
            if response.status_code >= 400:
                known.mismatches.append(Mismatch("status", "below 400", response.status_code, _said(answer)))
        elif expect.status is not None and response.status_code != expect.status:
            known.value("status", expect.status, response.status_code, _said(answer))
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
                if extract.was != value and extract.was in self._digests:
                    known.value(f"extract:{name}", extract.was, value, "a digest: the content behind it changed")
                self.bijection.know(extract.was, value, source_name(extract))
        if expect is not None:
            self._compare(step, response, answer, known)
        return known.mismatches

    def _comparer(self, step: Step) -> Comparer:
        return Comparer(
            self.bijection, self.moment(step), step.id, self.profile.ignore, self.masked, path=step.path or ""
        )

    def _compare(self, step: Step, response: httpx.Response, answer: Answer, comparer: Comparer) -> None:
        expect = step.expect
        assert expect is not None
        if expect.media_type is not None:
            comparer.value("header:content-type", expect.media_type, answer.media_type)
        # What a recorded step does not name was not there; what a step written by hand does not name is not looked at.
        recorded_step = step.took is not None
        if expect.location is not None:
            comparer.location(expect.location, answer.first("location"))
        elif recorded_step:
            comparer.value("header:location", None, answer.first("location"))
        names = sorted({v.partition("=")[0].strip() for v in answer.all("set-cookie")} - {"recorder_session"})
        if expect.cookies is not None or recorded_step:
            comparer.names("header:set-cookie", expect.cookies or [], names)
        if expect.contains is not None and expect.contains not in (answer.text or ""):
            comparer.value("body", f"contains {expect.contains!r}", "it does not")
        if (recorded := self._expected_body(step)) is not None:
            comparer.body(expect.media_type or "", recorded, response.content, response.charset_encoding or "utf-8")
        elif expect.empty:
            comparer.value("body", "empty", f"{len(response.content)} bytes" if response.content else "empty")
        comparer.settle()

    def _expected_body(self, step: Step) -> bytes | None:
        path = self._expected_path(step)
        return path.read_bytes() if path is not None else None

    def _expected_path(self, step: Step) -> Path | None:
        return self.folder / step.expect.body if step.expect is not None and step.expect.body is not None else None

    def moment(self, step: Step | None = None) -> Moment:
        """When `step` was answered in the recording (without one: when the recording ended), and the time now."""
        now = time.time()
        at = self._recorded_length if step is None else step.at or 0.0
        return Moment(self._recorded_began + at, now, 120.0 + self._recorded_length + (now - self._began))

    def _stays_away(self, step: Step, request: Request) -> None:
        """Nothing may touch the recorded run: its id must not survive in an address."""
        for was in self.rewrite:
            if was in request.path.split("/") or f"/{was}/" in request.target:
                raise TargetRefused(f"Step {step.id} would still touch the recorded run {was!r}: {request.target}")

    def _refused(self, step: Step, answer: Answer) -> None:
        """A login that is answered by 401, 403 or its own form again cannot be judged: the credentials are wrong here."""
        sent = names_in(step.model_dump(by_alias=True, exclude={"expect", "extract"}))
        used = {n for n in sent if n.startswith("secrets.")}
        expected = step.expect.status if step.expect else None
        if expected is None or answer.status == expected:
            if expected not in (401, 403):
                self._accepted |= used
            return
        if used <= self._accepted:
            return  # Good credentials were refused: the application changed.
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
            names = [p.file for p in step.multipart or [] if p.file] + ([step.body] if step.body else [])
            contents = [(self.folder / name).read_bytes() for name in names]
            contents += [t.encode() for t in (step.text, step.json_) if t and "{{" not in t]
            found.update(
                hashlib.new(algorithm, content).hexdigest()
                for algorithm in ("md5", "sha1", "sha256", "sha512", "blake2b")
                for content in contents
            )
        return found

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
        self.awaiting.job(step, outcome, [job_id])

    def _command(self, step: Step, outcome: StepOutcome) -> None:
        """Run a command; its exit code is the status, what it wrote is looked through for `expect.contains`."""
        expected = 0 if step.expect is None or step.expect.status is None else step.expect.status
        outcome.method, outcome.path, outcome.expected_status = "RUN", " ".join(step.command or []), expected
        began = time.monotonic()
        try:
            finished = self.commands.run(step, self.scope)
        except TimeoutError as error:
            outcome.mismatches.append(Mismatch("exit code", expected, None, str(error)))
            return
        outcome.status, outcome.duration_ms = finished.exit_code, round((time.monotonic() - began) * 1000, 2)
        if finished.exit_code != expected:
            outcome.mismatches.append(Mismatch("exit code", expected, finished.exit_code, finished.output[-2000:]))
        phrase = step.expect.contains if step.expect else None
        if phrase is not None and phrase not in finished.output:
            outcome.mismatches.append(Mismatch("output", f"contains {phrase!r}", finished.output[-2000:]))

    def hang_up(self) -> None:
        """Cut every connection, from another thread: whoever waits for an answer learns at once that none comes."""
        for client in list(self.clients.values()):
            client.hang_up()

    def close(self) -> None:
        """Close every connection."""
        for client in self.clients.values():
            client.close()

    def secrets_seen(self) -> set[str]:
        """Live values that no report may show: secrets that were sent, and cookies that were received."""
        sent = [*self.scope.secrets.values(), *self.scope.generated.values()]
        cookies = [v for client in self.clients.values() for n, v in client.jar if _NAMES.credential_cookie(n)]
        return {v for v in [*sent, *cookies, *self.bijection.secrets()] if len(v) >= SHORTEST}


def _said(answer: Answer) -> str | None:
    return f"it says {said!r}" if answer.status >= 400 and (said := gist(answer)) else None


def _text(response: httpx.Response) -> str | None:
    content = response.content
    if b"\0" in content[:8192]:
        return None
    try:
        return content.decode(response.charset_encoding or "utf-8")
    except (ValueError, LookupError):  # some codecs raise a plain UnicodeError
        return None
