"""The chapters of the demo: what it shows, in which order, and what has to come of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo_site import PASSWORD, WATERSHED, WCTL, Site
from demo_story import Story, fingerprint
from demo_workflow import Recorded, record

from playback.guard import Guarded

__all__ = ["Chapters", "Unexpected"]

SOURCE, RIGHT, WRONG = "hydrology.py", "LS_EXPONENT = 0.4", "LS_EXPONENT = 0.5"
DRAFT_WITHIN = 120.0  # seconds after the capture's end
PASSED, FAILED, ERROR = 0, 1, 2  # exit codes of `wctl run-test-profile`


class Unexpected(RuntimeError):
    """Something went otherwise than the demo shows; the message says what."""


@dataclass(frozen=True)
class Chapters:
    """The demo on a `site` that is about to be started. `slug` names the profile."""

    site: Site
    story: Story
    slug: str

    def tell(self) -> None:
        """All of it. Raises Unexpected as soon as something is not as it should be."""
        self.story.chapter("Start what a web application with background jobs has, and what records and replays it")
        assembler = self._start()

        self.story.chapter("Record: a browser works with the application between capture start and capture end")
        recorded = record(self.site.url, self.slug, self.story.line)
        self.story.row("recorded in the browser", f"{recorded.requests} requests, 6 jobs", recorded.seconds)

        self.story.chapter("The draft: the assembler followed the recorder's logs while it happened")
        self._await_draft(assembler, recorded)
        self._look_at_draft()
        self._wctl("promote", self.slug)
        run = self.site.run_root / recorded.run_id[:2] / recorded.run_id
        before = fingerprint(run)
        self.story.line(f"the recorded run {recorded.run_id} is now: {before}")

        self.story.chapter("Replay it on the unchanged application, in a clone of the run")
        self._replay(PASSED)
        self.story.chapter("Replay it again")
        self._replay(PASSED, brief=True)

        self.story.chapter(f"Break the application: change one line of {SOURCE}, restart web processes and worker")
        self._break()
        self.story.chapter("Replay it on the broken application")
        self._replay(FAILED, brief=True)

        self.story.chapter("Look at the recorded run once more")
        after = fingerprint(run)
        self.story.line(f"{recorded.run_id} is still: {after}")
        if after != before:
            raise Unexpected("A replay has written into the recorded run.")
        self.story.row("recorded run", f"untouched by three replays: {after}")

    def _start(self) -> Guarded:
        site = self.site
        self.story.line(f"Redis             {site.start_redis()}")
        site.start_application(WATERSHED)
        self.story.line(f"application       {site.url}/weppcloud/ (gunicorn; the recorder is its middleware)")
        site.wait_for_worker()
        self.story.line("RQ worker         listens on the queue wepp")
        site.start_service()
        self.story.line(f"playback service  {site.service}")
        assembler = site.start_assembler(self.slug)
        self.story.line("assembler         follows the recorder's logs, waits for the capture")
        return assembler

    def _await_draft(self, assembler: Guarded, recorded: Recorded) -> None:
        path = self._draft / "status.json"
        while not path.exists() or json.loads(path.read_bytes())["state"] == "assembling":
            if assembler.poll() is not None or time.monotonic() - recorded.ended > DRAFT_WITHIN:
                raise Unexpected(f"The assembler made no draft. It said:\n{self.site.said('assembler')}")
            time.sleep(0.002)
        seconds = time.monotonic() - recorded.ended
        status = json.loads(path.read_bytes())
        if status["state"] != "ready" or status["problems"]:
            raise Unexpected(f"The draft is {status['state']}: {'; '.join(status['problems'])}")
        self.story.line(f"draft ready {seconds:.2f} s after the capture's end: {status['steps']} steps")
        self.story.row("draft ready", "after the capture's end", seconds)

    def _look_at_draft(self) -> None:
        """What a reviewer would look for: overwritten uploads, files to compare with, no secret."""
        uploads = _files(self._draft / "seed" / "uploads")
        for path in uploads:
            self.story.line(f"upload kept: {path.relative_to(self._draft)}, {path.stat().st_size:,} bytes")
        if len(uploads) != 3:
            raise Unexpected("Three files were uploaded, one over another, and the draft should hold all three.")
        self.story.line(
            f"{len(_files(self._draft / 'baseline' / 'run'))} files of the run kept, to compare others with"
        )
        written = [path for root in (self.site.recorder_root, self.site.run_root, self._draft) for path in _files(root)]
        if found := [path for path in written if PASSWORD.encode() in path.read_bytes()]:
            raise Unexpected(f"The password stands in {found[0]}.")
        self.story.line(f"the password that was typed is in none of {len(written)} files")

    def _replay(self, expected: int, *, brief: bool = False) -> None:
        """Replay through the playback service, as a person would from a terminal, and insist on the verdict."""
        wanted = "passed" if expected == PASSED else "failed"
        status, report = self._wctl("run-test-profile", self.slug, "--base-url", self.site.url, "--json", brief=brief)
        verdict = report.get("result")
        if status != expected or verdict != wanted:
            raise Unexpected(f"This replay should have {wanted}; it is {verdict}, exit code {status}.")
        waited = sum(step["duration_ms"] + step["wait_ms"] for step in report["steps"] if step["duration_ms"]) / 1000
        self.story.line(
            f"{wanted}, as it should: exit code {status}; {report['duration_s']:.2f} s, of which the application took {waited:.2f} s"
        )
        count = f"{len(report['steps'])} steps, {len(report['comparisons'])} files compared"
        outcome = f"passed: {count}" if expected == PASSED else f"failed, as it should, at {report['failing_step']}"
        title = "replayed, unchanged" if expected == PASSED else "replayed, one line changed"
        self.story.row(title, outcome, report["duration_s"])

    def _wctl(self, *arguments: str, brief: bool = False) -> tuple[int, dict[str, Any]]:
        """Run a command of `wctl`, show what it says, and return its exit code and its answer in JSON.

        `brief` leaves out the steps that passed.
        """
        self.story.line(f"$ wctl {' '.join(arguments)}")
        environment = self.site.environment | {"PROFILE_PLAYBACK_URL": self.site.service}
        with tempfile.TemporaryFile() as answer:
            program = subprocess.Popen(
                [sys.executable, *WCTL, *arguments],
                env=environment,
                stdout=answer,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,  # Ctrl-C is for the demo, which then ends this
            )
            try:
                assert program.stderr is not None
                for line in program.stderr:
                    if not (brief and ": passed," in line):
                        self.story.quote(line.rstrip().removeprefix(f"{self.slug}: "))
                status = program.wait()
            finally:
                program.terminate()
                program.wait()
            answer.seek(0)
            content = answer.read()
        if status == ERROR:
            raise Unexpected(f"wctl {arguments[0]} could not be carried out.")
        return status, json.loads(content) if "--json" in arguments else {}

    def _break(self) -> None:
        """Go on with a copy of the application in which one line is wrong."""
        self.site.stop_application()
        broken = self.site.folder / "broken"
        shutil.copytree(WATERSHED, broken, ignore=shutil.ignore_patterns("__pycache__"))
        lines = (broken / SOURCE).read_text(encoding="utf-8").split("\n")
        if lines.count(RIGHT) != 1:
            raise Unexpected(f"{SOURCE} has no line {RIGHT!r} to change.")
        lines[lines.index(RIGHT)] = WRONG
        (broken / SOURCE).write_text("\n".join(lines), encoding="utf-8")
        self.story.line(f"- {RIGHT}")
        self.story.line(f"+ {WRONG}      how fast soil loss grows with the length of a slope")
        self.site.start_application(broken)
        self.site.wait_for_worker()
        self.story.line(f"restarted         {self.site.url}/weppcloud/ and its RQ worker")

    @property
    def _draft(self) -> Path:
        return self.site.data_root / "profiles" / "_drafts" / self.slug


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]
