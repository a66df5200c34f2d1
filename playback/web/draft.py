"""One draft: what it would send and expect, why, what keeps it from being promoted; and what is changed about it here."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import assembler.secrets
from assembler import drafts, promote
from assembler.curation import version_of
from assembler.document import BadDocument, loads_profile
from assembler.leaks import named_files
from assembler.profile import Comparison, Ignore, Profile, Step
from assembler.promote import Obstacle
from playback import catalogue
from playback.comparators.registry import methods
from playback.envfile import environment
from playback.jsontext import dumps
from playback.validation import MAPPED
from playback.web.calibrations import Rehearsal
from playback.web.draft_text import Row, rows_of, step_lines
from playback.web.paging import Page
from playback.web.site import Site

__all__ = ["DraftView", "Drafts"]

STEPS = 25  # of a page; each brings its lines along
_KEPT = 8
_PATIENCE = 0.15  # seconds that somebody waits for the look through all files


@dataclass(frozen=True)
class StepView:
    """A step, the lines that say it, and what is wrong with it."""

    number: int
    before: bool
    step: Step
    rows: list[Row]
    obstacles: list[Obstacle]
    files: list[str]
    remarks: int


@dataclass(frozen=True)
class FileView:
    """A file of the run that is compared, with what its comparator is told, as text."""

    comparison: Comparison
    params: str
    why: str


@dataclass(frozen=True)
class SecretView:
    """A variable that a replay needs; `there`: the service has it, or something stands in."""

    name: str
    there: bool


@dataclass(frozen=True)
class DraftView:
    """What the page shows."""

    slug: str
    state: str
    title: str | None
    made: datetime
    expires: datetime
    version: str
    edited: bool
    looking: bool
    """Whether what stands in its way is still being looked for."""
    replaces: bool
    fault: str | None
    obstacles: Sequence[Obstacle]
    warnings: Sequence[str]
    secrets: Sequence[SecretView]
    steps: Page[StepView]
    comparisons: Sequence[FileView]
    rules: Sequence[Ignore]
    step_ids: Sequence[str]
    methods: Sequence[str]
    calibration: Rehearsal | None
    base_url: str
    pages: Mapping[str, int]
    """On which page of steps each step is, for links."""
    notes: str | None = None
    refused: str | None = None
    done: str | None = None

    @property
    def questions(self) -> list[Obstacle]:
        """What the assembler asked; an edited draft is said to have answered it."""
        return [each for each in self.obstacles if each.kind == "question"]

    @property
    def faults(self) -> list[Obstacle]:
        return [each for each in self.obstacles if each.kind in ("fault", "secret")]

    @property
    def reviews(self) -> list[Obstacle]:
        return [each for each in self.obstacles if each.kind == "review"]

    @property
    def promotable(self) -> bool:
        """Whether pressing the button can be of use."""
        return self.state == "ready" and not self.faults


@dataclass(frozen=True)
class _Read:
    """A document as it was read."""

    text: str
    profile: Profile
    lines: Mapping[str, range]
    secretive: Profile
    """The same with those steps alone that send a secret."""
    files: Sequence[FileView]


@dataclass(frozen=True)
class _Judged:
    """What a look through all files of a draft has shown."""

    obstacles: list[Obstacle]
    edited: bool


class Drafts:
    """The drafts of a service, each read again only when its document has changed."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Read] = OrderedDict()
        self._obstacles: OrderedDict[tuple[Any, ...], Future[_Judged]] = OrderedDict()
        self._looking = ThreadPoolExecutor(1, "drafts")

    def view(
        self,
        slug: str,
        page: int,
        calibration: Rehearsal | None,
        *,
        refused: str | None = None,
        done: str | None = None,
    ) -> DraftView:
        """The page of a draft. Raises ValueError or LookupError, each with a sentence, where there is none."""
        folder = drafts.folder_of(slug, self._site.data_root)
        draft = next(each for each in drafts.list_drafts(self._site.data_root) if each.slug == slug)
        text, read, fault = None, None, None
        try:
            text = (folder / "profile.yaml").read_text("utf-8")
            read = self._read(text)
        except (BadDocument, OSError, UnicodeDecodeError) as error:
            fault = str(error)
        recorded_yet = draft.state != "assembling"  # before that, what is missing is no fault
        judged = self._judged(slug, folder) if recorded_yet else _Judged([], False)
        obstacles = judged.obstacles if judged else []
        profile = read.profile if read else None
        steps = [*profile.prologue, *profile.steps] if profile else []
        paged = Page.of_all(list(enumerate(steps, 1)), page, STEPS)
        rows = read.text.split("\n") if read else []
        shown = [_step(read, rows, number, step, obstacles) for number, step in paged.items] if read else []
        environ = environment(self._site.data_root, environ=self._site.environ)
        recorded = profile.metadata.recorded_with.origin if profile else None
        return DraftView(
            slug, draft.state, profile.metadata.title if profile else None, draft.made, draft.expires,
            version_of(text) if text is not None else "", bool(judged and judged.edited), judged is None,
            slug in catalogue.slugs(self._site.data_root),
            fault, obstacles, draft.warnings,
            list(_secrets(read.secretive, environ)) if read else [],
            Page(shown, paged.number, paged.of, paged.total, paged.first),
            read.files if read else [],
            profile.ignore if profile else [], [step.id for step in steps], sorted({*methods(), MAPPED}), calibration,
            environ.get("PROFILE_PLAYBACK_BASE_URL") or recorded or "",
            {step.id: number // STEPS + 1 for number, step in enumerate(steps)}, profile.notes if profile else None,
            refused, done,
        )  # fmt: skip

    def _read(self, text: str) -> _Read:
        version = version_of(text)
        with self._lock:
            if kept := self._kept.get(version):
                self._kept.move_to_end(version)
                return kept
        profile = loads_profile(text)
        some = [[s for s in part if "secrets." in s.model_dump_json()] for part in (profile.prologue, profile.steps)]
        secretive = profile.model_copy(update={"prologue": some[0], "steps": some[1]})
        read = _Read(
            text, profile, step_lines(text, profile), secretive, _files(profile.comparisons, text.split("\n"))
        )  # fmt: skip
        with self._lock:
            self._kept[version] = read
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return read

    def _judged(self, slug: str, folder: Path) -> _Judged | None:
        """What keeps it from being promoted, looked for again when any of its files has changed; None while that goes on.

        Every file is searched for what looks like a secret: nobody waits for thousands of them before he sees a step.
        """
        key = (slug, *sorted(_stamps(folder)))
        with self._lock:
            found = self._obstacles.get(key)
            if found is None:
                found = self._obstacles[key] = self._looking.submit(self._judge, slug, folder)
                while len(self._obstacles) > _KEPT:
                    self._obstacles.popitem(last=False)
        try:
            return found.result(_PATIENCE)
        except TimeoutError:
            return None

    def _judge(self, slug: str, folder: Path) -> _Judged:
        try:
            return _Judged(promote.obstacles(slug, self._site.data_root), promote.edited(folder))
        except (OSError, LookupError) as error:
            return _Judged([Obstacle("fault", f"The draft cannot be looked through: {error}.")], False)


def _stamps(folder: Path | str) -> Iterator[tuple[str, int, int]]:
    """Path, time and size of every file."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _stamps(entry.path)
            else:
                status = entry.stat(follow_symlinks=False)
                yield entry.path, status.st_mtime_ns, status.st_size


def _step(read: _Read, document: Sequence[str], number: int, step: Step, obstacles: Sequence[Obstacle]) -> StepView:
    rows = rows_of(document, read.lines.get(step.id, range(1, 1)))
    mine = [each for each in obstacles if step.id in each.step.split(", ")]
    before = any(step is other for other in read.profile.prologue)
    return StepView(
        number, before, step, rows, mine, list(dict.fromkeys(named_files(step))), sum(bool(r.remark) for r in rows)
    )


def _files(comparisons: Sequence[Comparison], rows: Sequence[str]) -> list[FileView]:
    """The comparisons, each with the remark that says why the assembler chose it."""
    why: dict[str, str] = {}
    for row, below in pairwise(rows):
        if row.startswith("  - target: ") and below.startswith("    method: "):
            why[row.removeprefix("  - target: ").strip("\"' ")] = below.partition("  # ")[2]
    return [FileView(c, dumps(c.params) if c.params else "", why.get(c.target, "")) for c in comparisons]


def _secrets(profile: Profile, environ: Mapping[str, str]) -> Sequence[SecretView]:
    resolved = {f"PROFILE_SECRET_{name}" for name in assembler.secrets.resolve(profile, environ)}
    return [SecretView(name, name in resolved) for name in assembler.secrets.needed(profile)]
