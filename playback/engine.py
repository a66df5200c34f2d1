"""One replay from start to verdict: `replay()` is what the service, `wctl` and pytest all call."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from assembler.document import BadDocument
from assembler.profile import Profile
from assembler.secrets import needed, resolve
from playback import catalogue, results, validation
from playback.cancelling import on_cancel, unless_cancelled
from playback.clone import clone
from playback.commands import Commands
from playback.enqueue import Enqueuer
from playback.errors import BadProfile, TargetRefused, Unjudgeable
from playback.evidence import Evidence
from playback.fetched import unfetched
from playback.job_sources import AppStatus, JobSource, RecorderJobs, RedisJobs, connect, status_path
from playback.login import admin_steps, form_login
from playback.overlays import overlaid
from playback.posting import post
from playback.redact import Redaction, of_environment, redacted
from playback.report import Report, StepOutcome
from playback.run_files import RunFiles
from playback.session import Session
from playback.target import check_target, refuse_production
from playback.template import Scope
from playback.trash import discard
from playback.underway import claim_folder, run_root
from playback.unsent import listing, preview
from playback.wire import Request, authorities
from playback.worker_check import check_by_recorder

__all__ = ["Options", "Progress", "Witness", "replay"]

Progress = Callable[[dict[str, Any]], None]
"""Called with plain dictionaries as the replay goes: `{"event": "step_finished", …}`."""
Witness = Callable[[Session, Report], None]
"""Called once when all is compared and nothing is redacted or removed yet; `session.answers` holds the live answers."""


@dataclass(frozen=True)
class Options:
    """How one replay is to be run. Times in seconds."""

    base_url: str | None = None
    cookie: str | None = None
    overlay: str | None = None
    timeout: float | None = None
    keep: bool = False
    keep_going: bool = False
    dry_run: bool = False
    concurrent: bool = False


def replay(
    slug: str,
    data_root: Path,
    options: Options,
    environ: Mapping[str, str],
    progress: Progress = lambda event: None,
    cancelled: threading.Event | None = None,
    witness: Witness | None = None,
    run_id: str | None = None,
) -> Report:
    """Replay the promoted profile `slug` and return its report, also written below `profiles/results/<slug>/`.

    `run_id`, 32 hexadecimal digits, names the workspace; without it one is made up. When `cancelled` is set the replay
    ends within a second or two as `interrupted`, and its workspace goes.
    Raises `UnknownProfile`, `BadProfile`, `TargetRefused`, or `Unjudgeable` for a name that does not resolve, before anything
    is sent; everything after that is in the report.
    """
    path = catalogue.find(slug, data_root)
    try:
        profile, problems = validation.problems(path)
    except BadDocument as error:
        raise BadProfile(str(error)) from None
    if problems:
        raise BadProfile(problems[0] + (f" ({len(problems) - 1} more: wctl validate {slug})" if problems[1:] else ""))
    return _Replay(
        slug, profile, path.parent, data_root, options, environ, progress, cancelled or threading.Event(), witness,
        run_id or uuid.uuid4().hex,
    ).run()  # fmt: skip


class _Replay:
    def __init__(
        self, slug: str, profile: Profile, folder: Path, data_root: Path, options: Options,
        environ: Mapping[str, str], progress: Progress, cancelled: threading.Event, witness: Witness | None, run_id: str,
    ) -> None:  # fmt: skip
        self.slug, self.folder, self.data_root, self.options = slug, folder, data_root, options
        self.environ, self.progress, self.cancelled, self.witness = environ, progress, cancelled, witness
        self.profile, self.base_url = self._overlaid(profile)
        self.seed = self._asset(self.profile.metadata.seed_dir, "seed")
        self.baseline = self._asset(self.profile.metadata.baseline_dir, "baseline")
        self._check_seed()
        if options.overlay is not None and (unfit := next(unfetched(self.profile, self.seed, self.baseline), None)):
            raise BadProfile(unfit)
        internal = environ.get("PROFILE_PLAYBACK_INTERNAL_URL")
        self.target = unless_cancelled(cancelled, lambda: check_target(self.base_url, internal, environ))
        self.mode = self.profile.metadata.run or ("clone" if self._run_seed.is_dir() else "none")
        self.hex = run_id
        self.run_id = f"profile;;tmp;;{self.hex}" if self.mode == "clone" else None
        self.run_dir: Path | None = None
        self.holding = contextlib.ExitStack()
        self.pictures = data_root / "playback_runs" / f".pictures-{self.hex}"
        self.report = Report(
            slug,
            self.run_id or self.hex,
            "error",
            datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            0.0,
            self.target.origin,
            None,
            notes=[f"Not replayed: {what}." for what in self.profile.metadata.not_replayed],
        )

    # ------------------------------------------------------------------ before anything is sent

    def _overlaid(self, profile: Profile) -> tuple[Profile, str]:
        profile = overlaid(profile, self.options.overlay)
        overlay = profile.overlays[self.options.overlay] if self.options.overlay is not None else None
        if (limit := self.options.timeout) is not None:
            timed = [
                [s.model_copy(update={"timeout": s.timeout or limit}) for s in steps]
                for steps in (profile.prologue, profile.steps)
            ]
            profile = profile.model_copy(update={"prologue": timed[0], "steps": timed[1]})
        base_url = (
            self.options.base_url
            or (overlay.base_url if overlay else None)
            or self.environ.get("PROFILE_PLAYBACK_BASE_URL")
        )
        if not base_url:
            raise BadProfile("Where is the application? Give --base-url, or set PROFILE_PLAYBACK_BASE_URL.")
        return profile, base_url

    def _asset(self, given: str | None, default: str) -> Path:
        if given is None:
            return self.folder / default
        repository = self.profile.metadata.data_repo
        for root in [self.data_root, *([self.data_root / repository] if repository else [])]:
            if (root / given).is_dir():
                return root / given
        return self.data_root / given

    @property
    def _run_seed(self) -> Path:
        """What the workspace is cloned from: `run/` in the seed, or the seed itself where somebody put a .cfg into it."""
        inside = self.seed / "run"
        return self.seed if not inside.is_dir() and any(self.seed.glob("*.cfg")) else inside

    def _check_seed(self) -> None:
        if self.profile.metadata.run == "clone" and not self._run_seed.is_dir():
            raise BadProfile(f"The profile's run is cloned from {self.seed / 'run'}, which does not exist.")

    # ------------------------------------------------------------------ the run

    def run(self) -> Report:
        """Replay, compare, and write the report."""
        began = time.monotonic()
        session: Session | None = None
        if self.options.dry_run:
            self.report.steps = self._preview()
            self.report.result, self.report.dry_run = "passed", True
            return self.report
        try:
            if self.mode == "clone":
                self.run_dir = self._workspace()
                self.report.run_dir = str(self.run_dir)
            self.progress(
                {
                    "event": "run_started",
                    "profile": self.slug,
                    "run_id": self.report.run_id,
                    "run_dir": self.report.run_dir,
                    "steps": len(self.profile.steps),
                }
            )
            with httpx.Client(verify=authorities(), trust_env=False) as http:
                prefix = self.environ.get("RECORDER_PREFIX", "/recorder")
                unless_cancelled(self.cancelled, lambda: refuse_production(self.target, http, prefix))
                session = self._session(http)
                with on_cancel(self.cancelled, session.hang_up):
                    self._sign_in(session)
                    self._steps(session)
                if not self.report.failing_step or self.options.keep_going:
                    self._compare(session)
        except (Unjudgeable, BadProfile, TargetRefused) as error:
            if isinstance(error, TargetRefused) and not self.report.steps:
                self._clean_up(passed=True)
                raise
            if not self.cancelled.is_set():  # else it is the cancellation that cut the connection
                self.report.result, self.report.error = "error", str(error)
        except KeyboardInterrupt:
            self.cancelled.set()
        finally:
            if session is not None:
                session.close()
        return self._conclude(session, began)

    def _preview(self) -> list[StepOutcome]:
        recorded = self.profile.metadata.recorded_with
        steps = [*([] if self.options.cookie else self.profile.prologue), *self.profile.steps]
        known = {name: value for name, value in (("run_id", self.run_id), ("config", recorded.config)) if value}
        rewrite = {recorded.run_id: self.run_id} if recorded.run_id and self.run_id else {}
        return preview(self.profile, steps, self.folder, self.target, known, rewrite)

    def _workspace(self) -> Path:
        root = run_root(self.data_root, self.environ.get("PROFILE_PLAYBACK_RUN_ROOT"))
        root.mkdir(parents=True, exist_ok=True)
        target = root / self.hex
        clone(self._run_seed, target, self.cancelled)
        self.holding.enter_context(claim_folder(target))
        return target

    def _session(self, http: httpx.Client) -> Session:
        recorded = self.profile.metadata.recorded_with
        scope = Scope(environ=self.environ)
        scope.values["origin"] = self.target.origin
        config = recorded.config
        if self.run_dir is not None:
            configs = sorted(self.run_dir.glob("*.cfg"))
            config = config or (configs[0].stem if len(configs) == 1 else None)
            scope.values["run_id"] = self.run_id or ""
        if config:
            scope.values["config"] = config
        if self.profile.metadata.login == "admin":
            self.profile = admin_steps(self.profile, self.environ)
        scope.secrets = resolve(self.profile, self.environ)
        self._check_secrets(scope.secrets)
        connection = unless_cancelled(self.cancelled, lambda: connect(self.profile, self.environ))
        if connection is None and self.profile.metadata.rq_required:
            self._check_workers(http)
        rewrite = {recorded.run_id: self.run_id} if recorded.run_id and self.run_id else {}
        session = Session(
            self.profile, self.folder, self.target, scope, rewrite, self.run_dir, [],
            Enqueuer(connection, self.environ.get("PROFILE_PLAYBACK_JOBS", "tasks.*")) if connection is not None else None,
            Commands(self.environ, self.run_dir or self.data_root, self.cancelled),
            cancelled=self.cancelled, progress=self.progress, masked=self.report.masked,
            cookie=bool(self.options.cookie), concurrent=self.options.concurrent,
            answers={} if self.witness is not None else None,
        )  # fmt: skip
        session.job_sources.extend(self._sources(connection, http, session))
        return session

    def _check_workers(self, http: httpx.Client) -> None:
        token, prefix = self.environ.get("RECORDER_TOKEN"), self.environ.get("RECORDER_PREFIX", "/recorder")
        told = unless_cancelled(
            self.cancelled, lambda: check_by_recorder(self.profile, self.target, http, prefix, token)
        )
        self.report.notes.extend([told] if told else [])

    def _check_secrets(self, known: Mapping[str, str]) -> None:
        sent = self.profile.model_copy(update={"prologue": []}) if self.options.cookie else self.profile
        missing = [name for name in needed(sent) if name.removeprefix("PROFILE_SECRET_") not in known]
        if missing:
            more = f" and {', '.join(missing[1:])}" if missing[1:] else ""
            raise Unjudgeable(
                f"The profile sends a secret that is not known here: set {missing[0]}{more} in the environment or in --env-file "
                f"(wctl secrets {self.slug} lists what is needed)."
            )

    def _sources(self, connection: Any, http: httpx.Client, session: Session) -> Iterator[JobSource]:
        if connection is not None:
            yield RedisJobs(connection)
        prefix = self.environ.get("RECORDER_PREFIX", "/recorder")
        if token := self.environ.get("RECORDER_TOKEN"):
            yield RecorderJobs(self.target, http, prefix, token)
        path = status_path(self.profile, self.target, self.environ)

        def ask(job_id: str) -> httpx.Response:
            if self.cancelled.is_set():
                raise httpx.ReadError("the run was cancelled")
            request = Request("GET", path.replace("{job_id}", job_id), "", [("accept", "application/json")], {})
            return session.client(next(iter(session.clients), "main")).send(request)

        yield AppStatus(ask)

    def _sign_in(self, session: Session) -> None:
        """A cookie given by hand replaces the recorded prologue; a profile without a login gets the administrator's."""
        if self.options.cookie:
            client = session.client("main")
            host = self.target.host.partition(":")[0] if not self.target.host.startswith("[") else self.target.host
            for part in self.options.cookie.split(";"):
                name, equals, value = part.strip().partition("=")
                if not equals:
                    raise BadProfile("--cookie takes name=value pairs separated by ';'.")
                client.jar.put(name, value, host, secure=False)
            return
        if not self._signs_in() and self.environ.get("ADMIN_EMAIL") and self.environ.get("ADMIN_PASSWORD"):
            form_login(session.client("main"), self.target, self.environ["ADMIN_EMAIL"], self.environ["ADMIN_PASSWORD"])

    def _signs_in(self) -> bool:
        """True when the recording logs in itself, or needed no login: it has HTTP steps."""
        return any(step.action in ("http", "upload") for step in [*self.profile.prologue, *self.profile.steps])

    def _steps(self, session: Session) -> None:
        """Replay prologue and steps; what was not reached is in the report as skipped."""
        prologue = [] if self.options.cookie else self.profile.prologue
        every = [*prologue, *self.profile.steps]
        reached: list[StepOutcome] = []
        self.report.steps = reached
        try:
            for outcome in session.run(prologue, keep_going=False, before=0, of=len(every)):
                self._note(outcome)
            if self.report.failing_step is None:
                done, going = len(prologue), self.options.keep_going
                for outcome in session.run(self.profile.steps, keep_going=going, before=done, of=len(every)):
                    self._note(outcome)
        finally:
            reached.extend(listing(every[len(reached) :]))

    def _note(self, outcome: StepOutcome) -> None:
        self.report.steps.append(outcome)
        if outcome.result != "passed" and self.report.failing_step is None:
            self.report.failing_step = outcome.id

    # ------------------------------------------------------------------ files

    def _compare(self, session: Session) -> None:
        files = RunFiles(self.profile, self.baseline, self.run_dir, session, self.report.masked, self.pictures)
        for outcome in files.compare():
            self.progress(
                {"event": "compared", "target": outcome.target, "result": outcome.result, "summary": outcome.summary}
            )
            self.report.comparisons.append(outcome)
            if self.cancelled.is_set():
                return

    # ------------------------------------------------------------------ afterwards

    def _conclude(self, session: Session | None, began: float) -> Report:
        report = self.report
        report.duration_s = round(time.monotonic() - began, 3)
        if session is not None:
            report.notes.extend(session.notes)
        if report.error is None:
            bad = report.failing_step or any(c.result != "passed" for c in report.comparisons)
            report.result = "interrupted" if self.cancelled.is_set() else "failed" if bad else "passed"
        if self.witness is not None and session is not None:
            self.witness(session, report)
        secrets = of_environment(self.environ) | (session.secrets_seen() if session is not None else set())
        redacted(report, secrets)
        # A workspace in which nothing happened helps nobody, nor does one in which nobody saw the end.
        untouched = all(step.result == "skipped" for step in report.steps) and not self.options.keep
        if untouched:
            report.run_dir = None
        evidence = self._evidence(session, secrets)
        kept = results.write(report, self.data_root, evidence)
        if problem := post(report, self.environ):
            report.notes.append(problem)
            results.write_again(report, kept, self.data_root, evidence)
        shutil.rmtree(self.pictures, ignore_errors=True)
        self._clean_up(passed=report.result in ("passed", "interrupted") or untouched)
        self.progress(
            {
                "event": "run_finished",
                "result": report.result,
                "duration_s": report.duration_s,
                "failing_step": report.failing_step,
            }
        )
        return report

    def _evidence(self, session: Session | None, secrets: set[str]) -> Evidence:
        evidence = Evidence(Redaction(secrets), components=self.profile.prerequisites.components)
        if session is not None:
            evidence.look_at(self.report, list(session.trail.exchanges), session.bijection.known)
        evidence.look_at_files(self.report, self.baseline, self.run_dir)
        return evidence

    def _clean_up(self, *, passed: bool) -> None:
        self.holding.close()
        if self.run_dir is not None and passed and not self.options.keep:
            with contextlib.suppress(OSError):
                discard(self.run_dir)
