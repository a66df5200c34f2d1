"""Accept what a replay answered into the baseline of its profile: chosen steps and files, all or nothing.

A difference that no baseline can hold (a dropped connection, a job that failed, a value that later steps need) refuses
the whole update: then the application is broken, not changed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from assembler.profile import Metadata, Profile, Step
from assembler.revision import revise, with_expectations
from assembler.shapes import pieces
from assembler.sizes import refused, to_review
from playback import catalogue, engine, job_update
from playback.baselines import baseline_file, baseline_of
from playback.diff import Diff, diff
from playback.engine import Options, Progress
from playback.errors import PlaybackError
from playback.job_results import without_place
from playback.recorded_form import Place, RecordedForm
from playback.report import ComparisonOutcome, Report, StepOutcome
from playback.session import Session
from playback.trash import discard
from playback.wording import clip

__all__ = ["NotAcceptable", "Pending", "Revision", "replay_for_update"]

_ACCEPTABLE = ("status", "body", "header:")
_ENDINGS = {"text/html": "html", "application/json": "json", "text/csv": "csv", "text/plain": "txt"}


class NotAcceptable(PlaybackError):
    """What the replay showed cannot become the baseline; the message says why and what to do."""


@dataclass(frozen=True)
class Revision:
    """A new version of the profile's files (None removes one), and what it changes."""

    folder: Path
    files: Mapping[str, bytes | None]
    changes: Diff
    notes: Sequence[str] = ()

    def write(self) -> None:
        """Put it in place of the old one, all or nothing."""
        revise(self.folder, self.files)


@dataclass
class Pending:
    """A finished replay whose differences can be accepted. `close` removes its workspace."""

    folder: Path
    report: Report
    session: Session | None = None
    files: dict[str, Path] = field(default_factory=dict)
    """Compared files that the replay wrote differently, by target."""

    @property
    def steps(self) -> dict[str, StepOutcome]:
        """Steps that differ, by id."""
        return {step.id: step for step in self.report.steps if step.result not in ("passed", "skipped")}

    @property
    def comparisons(self) -> dict[str, ComparisonOutcome]:
        """Files that differ, by target."""
        return {file.target: file for file in self.report.comparisons if file.result != "passed"}

    def refusals(self) -> Iterator[str]:
        """Why nothing of this replay can be accepted."""
        if self.report.exit_code == 2:
            yield f"The replay was {'interrupted' if self.report.result == 'interrupted' else 'no verdict'}: " + (
                self.report.error or "it was stopped before the end."
            )
        for step in self.steps.values():
            for mismatch in step.mismatches:
                if not mismatch.where.startswith(_ACCEPTABLE) and not job_update.acceptable(mismatch):
                    reason = str(mismatch.message or mismatch.actual).strip().rpartition("\n")[2]
                    yield (
                        f"Step {step.id} failed at {mismatch.where} ({clip(reason, 120)}); "
                        "that is no other answer but none. Mend the application, or record the work again."
                    )

    def revision(self, steps: Iterable[str], files: Iterable[str]) -> Revision:
        """What the profile would become with these accepted. Raises NotAcceptable."""
        if refused := next(self.refusals(), None):
            raise NotAcceptable(refused)
        session = self.session
        if session is None or session.answers is None:
            raise NotAcceptable("The replay has no answers; nothing was sent.")
        path = self.folder / "profile.yaml"
        text = path.read_text("utf-8")
        form = RecordedForm(session.bijection, [text, *_answers(session.profile, self.folder)], _hidden(session))
        contents: dict[str, bytes | None] = {}
        expectations: dict[str, dict[str, Any]] = {}
        known = {s.id: s for s in [*session.profile.prologue, *session.profile.steps]}
        try:
            for step in steps:
                expectations[step] = self._step(known[step], self.steps[step], session, form, contents)
            for target in files:
                contents.update(self._file(target, session, form))
        except ValueError as error:
            raise NotAcceptable(f"{error}; record the work again.") from None
        notes = [*form.notes, *self._sizes(contents)]
        contents["profile.yaml"] = with_expectations(text, expectations, str(path)).encode()
        _keep_secrets_out(contents, _hidden(session), self.folder)
        return Revision(self.folder, contents, _changes(self.folder, session.profile.metadata, contents), notes)

    def _step(
        self, step: Step, outcome: StepOutcome, session: Session, form: RecordedForm, contents: dict[str, bytes | None]
    ) -> dict[str, Any]:
        """The keys of `expect` that change; a new body goes into `contents`."""
        places = {mismatch.where for mismatch in outcome.mismatches}
        expect = self._jobs(step, session, form) if any(p.startswith("jobs:") for p in places) else {}
        assert session.answers is not None
        if step.id not in session.answers:  # it sends no request
            return expect
        response, moment = session.answers[step.id]
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        form.begin(response.headers.multi_items())
        if "status" in places:
            expect["status"] = response.status_code
        if "header:content-type" in places:
            expect["media_type"] = media_type or None
        if any(p.startswith("header:location") for p in places):
            location = response.headers.get("location")
            expect["location"] = form.text(location, moment) if location is not None else None
        if "header:set-cookie" in places:
            names = {v.partition("=")[0].strip() for v in response.headers.get_list("set-cookie")}
            expect["cookies"] = [form.text(name, moment) for name in sorted(names - {"recorder_session"})] or None
        if any(p.startswith("body") for p in places):
            expect.update(
                self._body(
                    step, response, Place(step.id, step.path or "", moment, session.profile.ignore), form, contents
                )
            )
        return expect

    def _jobs(self, step: Step, session: Session, form: RecordedForm) -> dict[str, Any]:
        """The graph of the step's jobs, as it is now."""
        awaiting = session.awaiting
        form.begin()
        return job_update.expectations(
            step.id,
            step.expect,
            (awaiting.trees or {}).get(step.id, []),
            form,
            Place(step.id, step.path or "", session.moment(), session.profile.ignore),
            without_place(awaiting.recorded_run, awaiting.run_dir),
        )

    def _body(
        self, step: Step, response: httpx.Response, place: Place, form: RecordedForm, contents: dict[str, bytes | None]
    ) -> dict[str, Any]:
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        name = step.expect.body if step.expect is not None else None
        if step.expect is not None and step.expect.contains and step.expect.contains not in response.text:
            raise ValueError(
                f"Step {step.id} must contain {step.expect.contains!r}, which is gone: change that by hand"
            )
        if not response.content:
            if name is not None:
                contents[name] = None
            return {"body": None, "empty": True}
        recorded = (self.folder / name).read_bytes() if name is not None else None
        name = name or f"baseline/answers/{step.id}.{_ENDINGS.get(media_type, 'bin')}"
        contents[name] = form.body(place, media_type, recorded, response.content, response.charset_encoding or "utf-8")
        return {"body": name, "empty": None}

    def _file(self, target: str, session: Session, form: RecordedForm) -> dict[str, bytes]:
        """A file of the run, for the baseline."""
        baseline = baseline_of(self.folder, session.profile.metadata).resolve()
        if not baseline.is_relative_to(self.folder.resolve()):
            raise ValueError(f"{target} is compared with {baseline}, outside the profile: copy the new file there, or")
        if target not in self.files:
            raise ValueError(f"{target} was not written by the run")
        expected = baseline_file(baseline, target)
        name = (expected or baseline / "run" / target).relative_to(self.folder.resolve()).as_posix()
        live = self.files[target].read_bytes()
        method = next(c.method for c in session.profile.comparisons if c.target == target)
        if method != "mapped":
            return {name: live}
        form.begin()
        kind = "application/json" if target.endswith(".json") else "text/plain"
        recorded = expected.read_bytes() if expected is not None else None
        return {name: form.body(Place(target, "", session.moment(), session.profile.ignore), kind, recorded, live)}

    def _sizes(self, contents: Mapping[str, bytes | None]) -> list[str]:
        """What is to be said of large files. Raises NotAcceptable for one that a repository cannot hold."""
        sizes = {name: len(content) for name, content in contents.items() if content is not None}
        for sentence in refused(sizes, self.folder, self.folder.parent.parent):
            raise NotAcceptable(sentence)
        return [f"{sentence}." for sentence in to_review(sizes)]

    def close(self) -> None:
        """Remove the workspace of the replay."""
        if self.report.run_dir is not None and self.report.result != "passed":
            discard(Path(self.report.run_dir))


def replay_for_update(
    slug: str,
    data_root: Path,
    options: Options,
    environ: Mapping[str, str],
    progress: Progress = lambda event: None,
    cancelled: threading.Event | None = None,
) -> Pending:
    """Replay all of `slug` and keep what it answered. Raises what `engine.replay` raises."""
    folder = catalogue.find(slug, data_root).parent
    sessions: list[Session] = []
    going = replace(options, keep_going=True, keep=False, dry_run=False)
    report = engine.replay(
        slug, data_root, going, environ, progress, cancelled, lambda session, report: sessions.append(session)
    )
    pending = Pending(folder, report, sessions[0] if sessions else None)
    if report.run_dir is not None:
        for target in pending.comparisons:
            path = Path(report.run_dir) / target
            if path.is_file():
                pending.files[target] = path
    return pending


def _answers(profile: Profile, folder: Path) -> Iterator[str]:
    """Recorded texts, where the pseudonyms of the recording stand."""
    for step in [*profile.prologue, *profile.steps]:
        if step.expect is not None and step.expect.body is not None:
            yield (folder / step.expect.body).read_bytes().decode("utf-8", "replace")


def _hidden(session: Session) -> set[str]:
    """Live secrets: what was sent as one, what answers gave for a recorded one, and cookies that look like one."""
    found = session.secrets_seen()
    for response, _ in (session.answers or {}).values():
        for cookie in response.headers.get_list("set-cookie"):
            value = cookie.partition(";")[0].partition("=")[2].strip().strip('"')
            if len(value) >= 12 and any(piece.kind == "opaque" for piece in pieces(value)):
                found.add(value)
    return found


def _keep_secrets_out(contents: Mapping[str, bytes | None], hidden: Iterable[str], folder: Path) -> None:
    """The last look before anything is written."""
    for name, content in contents.items():
        known = (folder / name).read_bytes() if (folder / name).is_file() else b""
        for secret in hidden:
            value = secret.encode()
            if len(value) >= 8 and content is not None and value in content and value not in known:
                raise NotAcceptable(
                    f"{name} would hold a secret of the replay. Compare that file as `mapped`, in which secrets are "
                    "pseudonyms, or keep the secret out of it."
                )


def _changes(folder: Path, metadata: Metadata, contents: Mapping[str, bytes | None]) -> Diff:
    """The diff from the profile as it is to what it would be. `metadata`, as replayed, says where the baseline is."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.review.") as place:
        staged = Path(place) / folder.name
        shutil.copytree(folder, staged, copy_function=_link)
        for name, content in contents.items():
            path = staged / name
            path.unlink(missing_ok=True)  # a link to the profile's own file
            if content is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        before = after = baseline_of(folder, metadata).resolve()
        if before.is_relative_to(folder.resolve()):
            after = staged / before.relative_to(folder.resolve())
        return diff(folder, staged, "baseline", "as it answers now", (before, after))


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)
    return target
