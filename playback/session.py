"""Replay the steps of a profile, one after the other or as they overlapped, and judge each answer.

A step is sent, waited for, mined for the values later steps need, and compared; background jobs it started are awaited
before the next step begins.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from assembler.extractors import Answer
from assembler.profile import Profile, Step
from playback.awaiting import Awaiting, log_paths
from playback.bijection import Moment
from playback.commands import Commands
from playback.curl import curl
from playback.enqueue import Enqueuer
from playback.errors import TargetRefused, Unjudgeable
from playback.file_waits import FileWaits
from playback.job_search import JobSearch
from playback.job_sources import JobSource
from playback.judging import Judge
from playback.later import asked_pause
from playback.leaving import enough_of, left_there
from playback.logins import Logins
from playback.overlap import acted_at_once, overlapping
from playback.redact import SHORTEST
from playback.report import Masked, Mismatch, StepOutcome
from playback.seconds import Seconds
from playback.target import Target
from playback.template import Scope, Unknown
from playback.trail import Exchange, Trail
from playback.untils import holds, shown, state_of, stopped, wanted
from playback.waits import limit_of
from playback.wire import Client, Request, compose
from recorder.names import Names

__all__ = ["Session"]

_LONGEST_PAUSE = 0.25
"""Seconds between two reads of what announces nothing."""
_FIRST_RETRY = 0.5
"""Seconds until a refused request is sent again, where the answer names none; each time twice as long."""
_LONGEST_SETTLE = 30.0
"""Seconds that a read which differs is tried again at most."""
_LONGEST_QUIET = 10.0
"""Seconds that a request which acts waits at most for work that nobody asked about."""
_UNSENDABLE = "a value from an earlier answer or from the profile makes a request that cannot be sent"
_NAMES = Names()
_SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")


@dataclass
class _Sending:
    """One step on its way: its request, which a fresh login makes anew, and the last answer."""

    step: Step
    request: Request
    client: Client
    outcome: StepOutcome
    response: httpx.Response | None = None

    def send(self) -> Answer:
        """Send it once. Raises `httpx.RequestError`."""
        try:
            self.response = self.client.send(self.request, self.step.timeout, enough_of(self.step))
        except ValueError as error:  # a character that no header can carry
            raise httpx.LocalProtocolError(str(error)) from error
        headers = [(n.decode("latin-1").lower(), v.decode("latin-1")) for n, v in self.response.headers.raw]
        return Answer(self.response.status_code, headers, _text(self.response))


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
    cookie: bool = False
    """A cookie was given by hand; the prologue is not replayed."""
    concurrent: bool = False
    """Requests that overlapped in the recording overlap again."""
    answers: dict[str, tuple[httpx.Response, Moment]] | None = None
    """The last answer to each step, by its id, and when it came; None: they are not kept."""
    differences: dict[str, list[Mismatch]] = field(default_factory=dict)
    """What differs in the files that were compared with mapped values, by target."""

    def __post_init__(self) -> None:
        self.clients: dict[str, Client] = {}
        self._locked = threading.Lock()
        self.judge = Judge(self.profile, self.folder, self.scope, self.masked)
        default_page = f"{self.target.base_path.rstrip('/')}/runs/{{{{ run_id }}}}/{{{{ config }}}}/"
        self.awaiting = Awaiting(
            self.scope,
            self.profile.metadata.run_page or default_page,
            self.run_dir,
            self._file_waits(),
            self.job_sources,
            self.client,
            self.judge.comparer,
            self.notes,
            self._tell,
            self.cancelled,
            self.profile.metadata.recorded_with.run_id,
            JobSearch(self.enqueuer.connection, self.scope.values.get("run_id")) if self.enqueuer else None,
            None if self.answers is None else {},
            self.judge.lock,
        )
        recorded = self.profile.metadata.recorded_with
        paced = self.profile.steps if recorded.started and not self.concurrent else []
        self.seconds = Seconds(paced, self.folder, self.judge.recorded_began)
        self.bijection = self.judge.bijection
        self.bijection.ordered = not self.concurrent and not acted_at_once(self.profile.steps)
        self.moment = self.judge.moment
        self.logins = Logins(
            self.profile,
            self.cookie,
            self.judge.expected,
            lambda name: sorted(self.client(name).withheld),
            self.target.origin,
        )
        for origin in [*([recorded.origin] if recorded.origin else []), *recorded.also]:
            self.bijection.know(origin, self.target.origin)
            self.bijection.know(origin.partition("://")[2], self.target.host)
        for was, now in self.rewrite.items():
            self.bijection.know(was, now)

    def _file_waits(self) -> FileWaits:
        waits = FileWaits(self.run_dir, self.cancelled)
        paths = [path for step in self.profile.steps if step.action == "wait" for path in log_paths(step)]
        if paths:
            waits.note_sizes(path for path in paths if path and "{{" not in path)
        return waits

    # ------------------------------------------------------------------ running

    def run(self, steps: Sequence[Step], *, keep_going: bool, before: int, of: int) -> Iterator[StepOutcome]:
        """Yield the outcome of each step, in order; ends after the first that is not passed unless `keep_going`.

        `before` steps of the replay's `of` came earlier. Raises `Unjudgeable` when the very first finds nobody, or a
        login is refused.
        """
        if self.concurrent:
            yield from overlapping(
                steps,
                lambda number, step: self._told(step, before + number, of, keep_going),
                keep_going=keep_going,
                cancelled=self.cancelled,
            )
            return
        for index, step in enumerate(steps, before):
            if self.cancelled.is_set():
                return
            outcome = self._told(step, index, of, keep_going)
            yield outcome
            if outcome.result != "passed" and not keep_going:
                return

    def _told(self, step: Step, index: int, of: int, keep_going: bool) -> StepOutcome:
        """Replay one step, telling its beginning and its end."""
        place = {"index": index, "of": of}
        self._tell({"event": "step_started", "id": step.id, "method": step.method, "path": step.path, **place})
        outcome = self._run(step, first=index == 0, keep_going=keep_going)
        self._tell(
            {
                "event": "step_finished",
                "id": step.id,
                "result": outcome.result,
                "status": outcome.status,
                "duration_ms": outcome.duration_ms,
                "wait_ms": outcome.wait_ms,
                "mismatches": len(outcome.mismatches),
                **place,
            }
        )
        return outcome

    def _tell(self, event: dict[str, Any]) -> None:
        with self._locked:
            self.progress(event)

    def _run(self, step: Step, *, first: bool, keep_going: bool) -> StepOutcome:
        outcome = StepOutcome(
            step.id, step.method, step.path or step.job or step.action, step.expect.status if step.expect else None
        )
        request: Request | None = None
        waits = replace(self.awaiting)  # what one step waits for is no other's
        paused = self.seconds.wait(step, self.cancelled)
        try:
            waits.before(step)
            if step.action in ("http", "upload"):
                request = self._http(step, outcome, first=first)
            elif step.action == "enqueue_rq":
                self._enqueue(step, outcome, waits)
            elif step.action == "wait":
                outcome.method = "WAIT"
            else:
                self._command(step, outcome)
            answered = outcome.status is not None and outcome.status == outcome.expected_status
            if not outcome.mismatches or (keep_going and answered):
                # Whatever else differs: the steps that follow depend on the jobs of this one.
                waits.after(step, outcome)
        except Unknown as unknown:
            where = str(unknown.args[0])
            outcome.mismatches.append(
                Mismatch(
                    f"{{{{ {where} }}}}", "a value from an earlier answer", None, "the earlier answer did not hold it"
                )
            )
        self.seconds.answered(step)
        outcome.wait_ms = round(outcome.wait_ms + paused * 1000, 2)
        outcome.result = "failed" if outcome.mismatches else "passed"
        if outcome.mismatches:
            outcome.curl = self._curl(step, request) if request is not None else None
            self.trail.end()
        return outcome

    def _curl(self, step: Step, request: Request) -> str:
        """What `step` sent, as a line for a person."""
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
        with self._locked:
            if name not in self.clients:
                recorded = self.profile.metadata.clients.get(name)
                self.clients[name] = Client(self.target, recorded.headers if recorded else {}, self.timeout)
            return self.clients[name]

    def _http(self, step: Step, outcome: StepOutcome, *, first: bool) -> Request | None:
        """Send, wait, judge; returns what was sent, if anything could be."""
        try:
            sending = _Sending(step, self._composed(step), self.client(step.client), outcome)
        except ValueError as error:  # an earlier answer gave what no address or text can hold
            outcome.mismatches.append(Mismatch("request", "a request that can be sent", str(error), _UNSENDABLE))
            return None
        outcome.path = sending.request.target
        polls = step.wait is not None and step.wait.type == "poll"
        try:
            if step.settle and step.method not in _SAFE:
                # What acts cannot be tried again: the work that went on before it gets the time it had.
                self.cancelled.wait(min(step.settle, _LONGEST_QUIET))
            response, answer = self._poll(sending) if polls else self._sent(sending)
            outcome.status = response.status_code
            self.logins.look(step, answer)
            if step.settle and not polls and step.method in _SAFE:
                answer = self._settle(sending, response, answer)
            else:
                outcome.mismatches += self.judge.judge(step, response, answer)
            if step.leave is not None:
                left_there(step.leave, response, outcome)
            if outcome.mismatches and self.logins.renewals.get(step.client):
                refusal = self.logins.refusal(step, answer)
                why = "it had ended before and a fresh login renewed it"
                outcome.mismatches[:0] = [Mismatch("session", "goes on", refusal, why)] if refusal else []
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
            self.trail.follow(Exchange.of(step, sending.request, sending.response, self.judge.expected(step)))
        if self.answers is not None and sending.response is not None:
            self.answers[step.id] = (sending.response, self.moment(step))
        return sending.request

    def _composed(self, step: Step) -> Request:
        """The request of `step` with what is known now."""
        request = compose(step, self.scope, self.folder, self.rewrite)
        self._stays_away(step, request)
        with self.judge.lock:
            self.bijection.own(request.own)
        return request

    def _send(self, sending: _Sending) -> tuple[httpx.Response, Answer]:
        """Send once; where the session has ended, sign in anew and send once more."""
        step, outcome = sending.step, sending.outcome
        renewals = self.logins.renewals.get(step.client, 0)
        began = time.monotonic()
        answer = sending.send()
        outcome.duration_ms = round((time.monotonic() - began) * 1000, 2)
        if self.logins.ended(step, answer, renewals):
            self._sign_in_anew(step, renewals)
            outcome.note = "the session had ended; it was renewed by a fresh login, and this was sent again"
            self.notes.append(f"Step {step.id}: {outcome.note}.")
            sending.request = self._composed(step)
            answer = sending.send()
        assert sending.response is not None
        return sending.response, answer

    def _sent(self, sending: _Sending) -> tuple[httpx.Response, Answer]:
        """Send, and where the profile says so again while the answer says: not now."""
        step, outcome = sending.step, sending.outcome
        response, answer = self._send(sending)
        if (retry := step.retry) is None:
            return response, answer
        limit, began, pause = limit_of(None, step.timeout), time.monotonic(), _FIRST_RETRY
        refused: list[int] = []
        while answer.status in retry.on and len(refused) + 1 < retry.attempts:
            wanted = asked_pause(response) or pause
            if time.monotonic() - began + wanted > limit or self.cancelled.wait(wanted):
                break
            refused.append(answer.status)
            outcome.wait_ms = round((time.monotonic() - began) * 1000, 1)
            pause *= 2
            response, answer = self._send(sending)
        if retry.limited and not refused:
            why = "nothing was refused; a limit that held in the recording does not"
            outcome.mismatches.append(Mismatch("retry", " or ".join(map(str, retry.on)), answer.status, why))
        if refused:
            outcome.note = f"sent {len(refused) + 1} times, refused with {', '.join(map(str, refused))}"
        return response, answer

    def _sign_in_anew(self, step: Step, renewals: int) -> None:
        """Send the recorded login of the step's client again, unless a step beside this one just did."""
        with self.logins.lock:
            if self.logins.renewals.get(step.client, 0) != renewals:
                return
            with self.judge.lock:
                self.bijection.forget_secrets()
            for earlier in [*self.logins.steps(step), *self.logins.pages(step)]:
                again = _Sending(
                    earlier,
                    self._composed(earlier),
                    self.client(earlier.client),
                    StepOutcome(earlier.id, earlier.method, earlier.path or "/", None),
                )
                self.judge.renew(earlier, again.send())
            self.logins.renewed(step.client)

    def _poll(self, sending: _Sending) -> tuple[httpx.Response, Answer]:
        """Repeat the request until what the recording waited for holds, cannot hold any more, or time is up."""
        step, outcome = sending.step, sending.outcome
        wait = step.wait
        assert wait is not None
        assert wait.until is not None
        limit = limit_of(wait.recorded, wait.timeout or step.timeout)
        longest = wait.interval or _LONGEST_PAUSE
        began, pause = time.monotonic(), min(0.05, longest)
        while True:
            outcome.wait_ms = round((time.monotonic() - began) * 1000, 1)
            response, answer = self._send(sending)
            if holds(wait.until, answer):
                return response, answer
            final = stopped(wait.until, answer) is not None
            if final or time.monotonic() - began >= limit or self.cancelled.is_set():
                reason = "ended in another state" if final else f"not reached in {limit:g} s"
                state = state_of(wait.until, answer)
                outcome.mismatches.append(Mismatch(f"wait:{shown(wait.until)}", wanted(wait.until), state, reason))
                return response, answer
            self.cancelled.wait(max(pause, min(asked_pause(response), began + limit - time.monotonic())))
            pause = min(longest, pause * 1.5)

    def _settle(self, sending: _Sending, response: httpx.Response, answer: Answer) -> Answer:
        """Judge a read that followed a pause in the recording. The work behind it may still be going on: a read that
        differs is tried again as long as the recording gave it, five times over, and a try that failed teaches nothing."""
        step, outcome = sending.step, sending.outcome
        deadline = time.monotonic() + min(_LONGEST_SETTLE, 5 * (step.settle or 0.0))
        began, pause = time.monotonic(), 0.02
        while True:
            again = time.monotonic() < deadline and not self.cancelled.is_set()
            mismatches = self.judge.judge(step, response, answer, again=again)
            if not mismatches or not again:
                break
            self.cancelled.wait(pause)
            pause = min(_LONGEST_PAUSE, pause * 1.4)
            response, answer = self._send(sending)
            outcome.wait_ms = round((time.monotonic() - began) * 1000, 1)
        if outcome.wait_ms:
            how = "settled after" if not mismatches else "asked again and again for"
            outcome.note = f"{how} {outcome.wait_ms:.0f} ms"
        outcome.status = response.status_code
        outcome.mismatches += mismatches
        return answer

    def _stays_away(self, step: Step, request: Request) -> None:
        """Nothing may touch the recorded run: its id must not survive in an address."""
        for was in self.rewrite:
            if was in request.path.split("/") or f"/{was}/" in request.target:
                raise TargetRefused(f"Step {step.id} would still touch the recorded run {was!r}: {request.target}")

    def _enqueue(self, step: Step, outcome: StepOutcome, waits: Awaiting) -> None:
        if self.enqueuer is None:
            raise Unjudgeable(
                f"Step {step.id} enqueues a job, and no Redis is known. Set REDIS_URL to the application's Redis."
            )
        outcome.method = "ENQUEUE"
        began = time.monotonic()
        job_id = self.enqueuer.enqueue(step, self.scope)
        self.scope.steps.setdefault(step.id, {})["job_id"] = job_id
        outcome.duration_ms = round((time.monotonic() - began) * 1000, 2)
        waits.job(step, outcome, [job_id])

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


def _text(response: httpx.Response) -> str | None:
    content = response.content
    if b"\0" in content[:8192]:
        return None
    try:
        return content.decode(response.charset_encoding or "utf-8")
    except (ValueError, LookupError):  # some codecs raise a plain UnicodeError
        return None
