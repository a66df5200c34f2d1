"""Judge the answer to a step: take from it what later steps need, learn what corresponds, and compare.

Steps that go at once are judged one after the other; each then knows what those before it have taught.
"""

from __future__ import annotations

import hashlib
import threading
import time
from datetime import datetime
from functools import cached_property
from pathlib import Path

import httpx

from assembler.extractors import Answer, evaluate, source_name
from assembler.profile import Profile, Step
from playback.answers import Comparer
from playback.bijection import Bijection, Moment
from playback.builds import same_build
from playback.gist import gist
from playback.made_codes import made_codes
from playback.report import Masked, Mismatch
from playback.template import Scope

__all__ = ["Judge"]


class Judge:
    """What one replay knows of how its answers correspond to the recorded ones. `folder` is the profile's directory."""

    def __init__(self, profile: Profile, folder: Path, scope: Scope, masked: Masked) -> None:
        self.profile, self.folder, self.scope, self.masked = profile, folder, scope, masked
        self.lock = threading.RLock()
        self.bijection = Bijection(lambda: self._digests)
        recorded = profile.metadata.recorded_with
        steps = [*profile.prologue, *profile.steps]
        taken = [e.was for step in steps for e in step.extract.values() if e.was is not None]
        self.bijection.expect_codes(taken)
        self.bijection.expect_numbers(taken)
        self.bijection.expect_codes(made_codes(steps, folder))
        self._began = time.time()
        self.recorded_began = datetime.fromisoformat(recorded.started).timestamp() if recorded.started else self._began
        ended = datetime.fromisoformat(recorded.ended).timestamp() if recorded.ended else self.recorded_began
        self._recorded_length = max(0.0, ended - self.recorded_began)

    def moment(self, step: Step | None = None) -> Moment:
        """When `step` was answered in the recording (without one: when the recording ended), and the time now."""
        now = time.time()
        at = self._recorded_length if step is None else step.at or 0.0
        return Moment(self.recorded_began + at, now, 120.0 + self._recorded_length + (now - self._began))

    def expected(self, step: Step) -> Path | None:
        """The file with the recorded body."""
        return self.folder / step.expect.body if step.expect is not None and step.expect.body is not None else None

    def judge(self, step: Step, response: httpx.Response, answer: Answer, *, again: bool = False) -> list[Mismatch]:
        """What differs. With `again` a try that failed teaches nothing, for another follows."""
        with self.lock:
            before = (self.bijection.copy(), self.masked.copy()) if again else None
            mismatches = self._judge(step, response, answer)
            if before is not None and mismatches:
                self.bijection.restore(before[0])
                self.masked.restore(before[1])
            return mismatches

    def renew(self, step: Step, answer: Answer) -> None:
        """Take the values of a step from a later answer to it: secrets that were issued anew stand for the recorded ones."""
        with self.lock:
            for name, extract in step.extract.items():
                if (value := evaluate(extract, answer)) is not None:
                    self.scope.steps.setdefault(step.id, {})[name] = value
                    if extract.was is not None and extract.was.startswith("secret-"):
                        self.bijection.know(extract.was, value, source_name(extract))

    def _judge(self, step: Step, response: httpx.Response, answer: Answer) -> list[Mismatch]:
        expect = step.expect
        known = self.comparer(step)
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

    def comparer(self, step: Step) -> Comparer:
        """What compares answer and jobs of `step`; to be used under the lock."""
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
        if (recorded := self.expected(step)) is not None:
            charset = response.charset_encoding or "utf-8"
            comparer.body(expect.media_type or "", recorded.read_bytes(), response.content, charset)
        elif expect.empty:
            comparer.value("body", "empty", f"{len(response.content)} bytes" if response.content else "empty")
        comparer.settle()

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


def _said(answer: Answer) -> str | None:
    return f"it says {said!r}" if answer.status >= 400 and (said := gist(answer)) else None
