"""One profile: its steps, what they expect and where their values come from, its files, its rules, its history."""

from __future__ import annotations

import asyncio
import fnmatch
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response
from markupsafe import Markup

from assembler.profile import Comparison, Expect, Extract, Ignore, Profile, Step
from playback import catalogue
from playback.errors import UnknownProfile
from playback.runs import Run
from playback.web.markdown import rendered
from playback.web.paging import Page, number_of
from playback.web.records import Summary
from playback.web.remarks import Remarks, remarks
from playback.web.site import Site
from playback.web.trend import sparkline

__all__ = ["routes"]

_STEPS = 50
_HISTORY = 20
_TREND = 40
_FILES = 1000
_USES = 6  # steps that are named as users of a value
_DOCUMENT = 4 << 20  # bytes of a profile.yaml that is looked through for remarks
_UNTRUSTED = {"Content-Security-Policy": "default-src 'none'; sandbox"}
_USED = re.compile(r"\{\{\s*steps\.([A-Za-z0-9_.-]+)\.([A-Za-z0-9_]+)\s*\}\}")


@dataclass(frozen=True)
class StepView:
    """A step in words."""

    number: int | None
    step: Step
    sends: list[str]
    expects: list[str]
    said: list[str]


@dataclass(frozen=True)
class Origin:
    """A value that the server issues: which answer has it, where in it, who sends it back, and how that was found."""

    step: str
    name: str
    where: str
    users: list[str]
    more: int
    said: list[str]


@dataclass(frozen=True)
class Rule:
    """A rule, and how many values the last run did not compare because of it."""

    rule: Ignore
    masked: int | None


@dataclass(frozen=True)
class File:
    name: str
    size: int
    of: str


@dataclass(frozen=True)
class View:
    """What the page shows."""

    slug: str
    profile: Profile | None
    problem: str | None
    last: Summary | None
    now: Run | None
    trend: Markup
    history: Page[Summary]
    steps: Page[StepView]
    prologue: int
    origins: Page[Origin]
    rules: Sequence[Rule]
    masked: Sequence[tuple[str, int]]
    comparisons: Sequence[tuple[Comparison, list[str]]]
    files: Sequence[File]
    files_more: int
    bytes: int
    readme: Markup
    overlays: Sequence[str]


# ---------------------------------------------------------------------- the view


@dataclass(frozen=True)
class Known:
    """What is worked out of a profile, and stays true as long as it is the same."""

    profile: Profile
    said: Remarks
    origins: list[Origin]


def view(site: Site, slug: str, query: dict[str, str], known: dict[str, Known]) -> View:
    """The page for a query; `known` is kept from one to the next. Raises UnknownProfile."""
    found = site.records.profile(slug)
    profile = None if isinstance(found, str) else found
    folder = site.data_root / catalogue.PROFILES / slug
    history = site.records.history(slug)
    last = history[0] if history else None
    report = site.records.report(last) if last else None
    said, origins = _known(profile, folder, known)
    every = [*profile.prologue, *profile.steps] if profile else []
    steps = Page.of_all(every, number_of(query.get("page")), _STEPS)
    files = list(_files(folder))
    reasons = report.masked.reasons if report else {}
    before = len(profile.prologue) if profile else 0
    return View(
        slug, profile, found if isinstance(found, str) else None, last,
        next((run for run in site.runs if run.slug == slug and not run.ended), None),
        sparkline(history[:_TREND], large=True), Page.of_all(history, number_of(query.get("runs")), _HISTORY),
        Page([_step(n, s, before, said) for n, s in enumerate(steps.items, steps.first)], steps.number, steps.of,
             steps.total, steps.first),
        before, Page.of_all(origins, number_of(query.get("values")), _STEPS),
        [Rule(rule, reasons.get(f"ignored: {rule.why}", 0) if report else None) for rule in profile.ignore]
        if profile else [],
        sorted(reasons.items(), key=lambda pair: -pair[1]),
        [(file, said.files.get(file.target, [])) for file in profile.comparisons] if profile else [],
        files[:_FILES], max(0, len(files) - _FILES), sum(file.size for file in files),
        _readme(folder), list(profile.overlays) if profile else [],
    )  # fmt: skip


def _known(profile: Profile | None, folder: Path, known: dict[str, Known]) -> tuple[Remarks, list[Origin]]:
    if profile is None:
        return Remarks(), []
    found = known.get(folder.name)
    if found is None or found.profile is not profile:
        said = _remarks(folder)
        found = Known(profile, said, list(_origins([*profile.prologue, *profile.steps], said)))
        known[folder.name] = found
    return found.said, found.origins


def _step(number: int, step: Step, before: int, said: Remarks) -> StepView:
    counted = number - before if number > before else None
    return StepView(counted, step, list(_sends(step)), list(_expects(step)), said.steps.get(step.id, []))


def _sends(step: Step) -> Iterator[str]:
    """What goes out, in words."""
    if step.query:
        yield f"query {_short(step.query)}"
    for name, value in step.form or []:
        yield f"{name} = {_short(value)}"
    for part in step.multipart or []:
        yield (
            f"{part.name}: the file {part.filename or part.file}"
            if part.file
            else f"{part.name} = {_short(part.value)}"
        )
    for what, body in (("JSON", step.json_), ("text", step.text)):
        if body is not None:
            yield f"{what} {_short(body)}"
    if step.body:
        yield f"the file {step.body}"
    if step.job:
        yield f"job {step.job}{f' on {step.queue}' if step.queue else ''} {_short(json.dumps(step.payload))}"
    if step.command:
        yield " ".join(step.command)


def _expects(step: Step) -> Iterator[str]:
    """What must come of it, in words."""
    expect = step.expect or Expect()
    if expect.status is not None:
        yield f"status {expect.status}"
    if expect.media_type:
        yield expect.media_type
    if expect.location:
        yield f"redirect to {_short(expect.location)}"
    if expect.cookies:
        yield f"cookie{'s' if len(expect.cookies) > 1 else ''} {', '.join(expect.cookies)}"
    if expect.body:
        yield "the recorded body"
    if expect.empty:
        yield "no body"
    if expect.contains:
        yield f"contains {_short(expect.contains)}"
    if step.log_contains:
        yield f"log line {_short(step.log_contains)}"
    for name, status in (expect.jobs or {}).items():
        yield f"job {name} {status}"
    if step.wait is not None:
        took = f", {step.wait.recorded:.1f} s when recorded" if step.wait.recorded is not None else ""
        yield f"waits: {step.wait.type.replace('_', ' ')}{took}"


def _origins(steps: Sequence[Step], said: Remarks) -> Iterator[Origin]:
    """Every value that is taken from an answer, with the steps that send it."""
    users: dict[tuple[str, str], list[str]] = {}
    for step in steps:
        text = json.dumps(
            step.model_dump(exclude={"expect", "extract", "title", "note"}, exclude_none=True), default=str
        )
        for used in dict.fromkeys(_USED.findall(text)):
            users.setdefault(used, []).append(step.id)
    for step in steps:
        for name, extract in step.extract.items():
            by = users.get((step.id, name), [])
            yield Origin(
                step.id, name, _where(extract), by[:_USES], len(by[_USES:]), said.keys.get((step.id, name), [])
            )


def _where(extract: Extract) -> str:
    rows = extract.model_dump(by_alias=True, exclude_defaults=True, exclude={"was"})
    return ", ".join(f"{key} {value}" for key, value in rows.items())


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 100 else f"{text[:99]}…"


def _remarks(folder: Path) -> Remarks:
    path = folder / "profile.yaml"
    try:
        return remarks(path.read_text("utf-8")) if path.stat().st_size <= _DOCUMENT else Remarks()
    except (OSError, UnicodeDecodeError):
        return Remarks()


def _readme(folder: Path) -> Markup:
    path = folder / "README.md"
    try:
        return Markup("") if path.is_symlink() else rendered(path.read_text("utf-8", "replace"))
    except OSError:
        return Markup("")


def _files(folder: Path) -> Iterator[File]:
    """The files of the profile; what a link leads to is not among them."""
    kinds = (("seed/uploads/*", "sent by steps"), ("seed/*", "cloned for each replay"), ("baseline/*", "compared with"))
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            name = path.relative_to(folder).as_posix()
            yield File(name, path.stat().st_size, next((of for kind, of in kinds if fnmatch.fnmatch(name, kind)), ""))


# ---------------------------------------------------------------------- addresses


def routes(site: Site) -> APIRouter:
    """`/ui/profiles/{slug}` and its files."""
    router = APIRouter()
    known: dict[str, Known] = {}

    @router.get("/ui/profiles/{slug}")
    async def page(slug: str, request: Request) -> Response:
        try:
            found = await asyncio.to_thread(view, site, slug, dict(request.query_params), known)
        except UnknownProfile as error:
            return site.refusal(request, 404, str(error))
        return await asyncio.to_thread(lambda: site.page(request, "profile.html", view=found))

    @router.get("/ui/profiles/{slug}/files/{path:path}")
    async def file(slug: str, path: str, request: Request) -> Response:
        try:
            folder = (await asyncio.to_thread(catalogue.find, slug, site.data_root)).parent
        except UnknownProfile as error:
            return site.refusal(request, 404, str(error))
        files = await asyncio.to_thread(lambda: [file.name for file in _files(folder)])
        if path not in files:
            return site.refusal(request, 404, f"The profile {slug} has no file {path}.")
        # To be kept, never to be shown: it is what an application answered, or what somebody sent.
        name = path.rpartition("/")[2]
        return FileResponse(folder / path, media_type="application/octet-stream", filename=name, headers=_UNTRUSTED)

    return router
