"""The profile: what `profile.yaml` may hold, and what each key means.

The assembler writes profiles, so it owns the format; playback and `wctl` import these models.
Every model is strict: an unknown key is an error. Reading and writing the YAML is `assembler.document`'s job.
"""

from __future__ import annotations

import difflib
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

__all__ = [
    "Client",
    "Comparison",
    "Expect",
    "Extract",
    "Ignore",
    "Metadata",
    "Misplaced",
    "Overlay",
    "Part",
    "Prerequisites",
    "Profile",
    "RecordedWith",
    "Step",
    "Until",
    "Wait",
    "slug_problem",
]

SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def slug_problem(slug: str) -> str | None:
    """Why `slug` cannot name a profile, as one sentence, or None when it can."""
    if SLUG.fullmatch(slug) and ".." not in slug:
        return None
    return (
        f"{slug!r} is not a profile name: use 1 to 80 letters, digits, '.', '_' or '-', "
        "starting with a letter or digit, without '..'"
    )


class Misplaced(ValueError):
    """A fault of the whole document that stands at one place of it: `location`, as keys and indices."""

    def __init__(self, message: str, *location: str | int) -> None:
        super().__init__(message)
        self.location = location


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


StepId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,119}$")]
Scalar = str | int | float | bool | None


class Extract(_Strict):
    """Where a step's answer holds a value that later steps send back.

    Exactly one source: `json` (JMESPath into a JSON body), `css` (selector into HTML; `attr` or, without it,
    the element's text), `xpath`-free XML as text through `regex`, `header`, `cookie`, or the body's text
    (`regex` alone). `regex` narrows any source to its first group; `nth` picks among several matches.
    """

    json_: str | None = Field(None, alias="json")
    css: str | None = None
    attr: str | None = None
    text: str | None = None
    header: str | None = None
    cookie: str | None = None
    regex: str | None = None
    nth: int = 0
    was: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Extract:
        sources = [n for n in ("json_", "css", "header", "cookie") if getattr(self, n) is not None]
        if len(sources) > 1:
            raise ValueError(f"takes one source, not {' and '.join(s.strip('_') for s in sources)}")
        if not sources and self.regex is None:
            raise ValueError("needs a source: json, css, header, cookie or regex")
        return self


class Until(_Strict):
    """When a wait is over: every key given must hold of the answer."""

    status: int | None = None
    json_: str | None = Field(None, alias="json")
    equals: Any = None
    differs: Any = None
    contains: str | None = None
    stop_on: list[Scalar] = []


class Wait(_Strict):
    """What must have happened before the step is complete. All times in seconds."""

    type: Literal["job", "status_poll", "poll", "log_line", "file"]
    job: str | None = None
    """`job`: the id, usually `{{ steps.<id>.<name> }}`; its whole tree must be finished."""
    endpoint: str | None = None
    success_state: str | None = None
    field: str = "status"
    """`status_poll`: the JSON field of `endpoint` that must become `success_state`."""
    until: Until | None = None
    """`poll`: the step's own request is repeated until this holds."""
    path: str | None = None
    contains: str | None = None
    """`file`: `path` below the run directory exists; `log_line`: it holds a line with `contains`."""
    interval: float | None = None
    timeout: float | None = None
    recorded: float | None = None
    """How long it took when it was recorded."""

    @model_validator(mode="after")
    def _needs(self) -> Wait:
        needed = {
            "job": ["job"],
            "status_poll": ["endpoint", "success_state"],
            "poll": ["until"],
            "file": ["path"],
            "log_line": ["path", "contains"],
        }[self.type]
        missing = [n for n in needed if getattr(self, n) is None]
        if missing:
            raise ValueError(f"of type {self.type} needs {' and '.join(missing)}")
        return self


class Expect(_Strict):
    """What the answer must be. `body` names a file under the profile that holds the recorded answer."""

    status: int | None = None
    media_type: str | None = None
    location: str | None = None
    cookies: list[str] | None = None
    body: str | None = None
    empty: bool = False
    """True: the answer had no body, and must have none."""
    contains: str | None = None
    jobs: dict[str, str] | None = None
    """Recorded job trees: function (with #n for repeats) to final status."""


class Part(_Strict):
    """One part of a multipart body, in wire order: a field (`value`) or a file (`file`, below the profile)."""

    name: str
    value: str | None = None
    file: str | None = None
    filename: str | None = None
    media_type: str | None = None


class Step(_Strict):
    """One thing that playback does, and what must come of it."""

    id: StepId
    action: Literal["http", "upload", "enqueue_rq", "wait", "command"] = "http"
    title: str | None = None
    client: str = "main"
    at: float | None = None
    """Seconds after the capture's first event."""
    took: float | None = None
    """Seconds until the answer was complete, when recorded."""
    after: list[StepId] | None = None
    """Steps that must be complete first; absent: the one before."""

    method: str = "GET"
    path: str | None = None
    query: str | None = None
    headers: dict[str, str | list[str]] = {}
    cookies: dict[str, str] = {}
    form: list[tuple[str, str]] | None = None
    json_: str | None = Field(None, alias="json")
    text: str | None = None
    multipart: list[Part] | None = None
    body: str | None = None
    """A file below the profile that is sent as it is."""

    job: str | None = None
    queue: str | None = None
    payload: dict[str, Any] | list[Any] | None = None
    command: list[str] | None = None

    expect: Expect | None = None
    extract: dict[str, Extract] = {}
    wait: Wait | None = None
    timeout: float | None = None
    log_contains: str | None = None
    settle: float | None = None
    """The pause before this step that the recorded work left; a read that differs is tried again this long."""
    note: str | None = None

    @model_validator(mode="after")
    def _needs(self) -> Step:
        if self.action in ("http", "upload") and self.path is None:
            raise ValueError(f"of action {self.action} needs a path")
        if self.action == "enqueue_rq" and self.job is None:
            raise ValueError("of action enqueue_rq needs a job, the import string of the function")
        if self.action == "wait" and self.wait is None:
            raise ValueError("of action wait needs a wait")
        if self.action == "command" and not self.command:
            raise ValueError("of action command needs a command, a list of words")
        bodies = [n for n in ("form", "json_", "text", "multipart", "body") if getattr(self, n) is not None]
        if len(bodies) > 1:
            raise ValueError(f"takes one body, not {' and '.join(b.strip('_') for b in bodies)}")
        return self


class Client(_Strict):
    """One recorded browser or program with a cookie jar of its own."""

    headers: dict[str, str | list[str]] = {}


class RecordedWith(_Strict):
    """Where and when the recording was made."""

    origin: str | None = None
    also: list[str] = []
    """Other spellings of the origin that the recording used (`http://localhost:8000`)."""
    run_id: str | None = None
    config: str | None = None
    capture_id: str | None = None
    started: str | None = None
    ended: str | None = None
    engine: str | None = None


class Metadata(_Strict):
    """Who the profile is."""

    slug: str
    title: str | None = None
    tags: list[str] = []
    rq_required: bool = False
    run: Literal["clone", "created", "none"] | None = None
    login: Literal["recorded", "admin"] = "recorded"
    run_page: str | None = None
    """Path of the run's page, with `{{ run_id }}` and `{{ config }}`; relative endpoints resolve against it."""
    recorded_with: RecordedWith = RecordedWith()
    clients: dict[str, Client] = {}
    data_repo: str | None = None
    seed_dir: str | None = None
    baseline_dir: str | None = None

    @model_validator(mode="after")
    def _slug(self) -> Metadata:
        if problem := slug_problem(self.slug):
            raise ValueError(problem)
        return self


class Prerequisites(_Strict):
    """What must be there before a replay makes sense."""

    environment: list[str] = []
    services: list[str] = []
    components: dict[str, str] = {}
    state: list[str] = []


class Comparison(_Strict):
    """One file of the run against the same path below `baseline/run/`."""

    target: str
    method: str = "exact_hash"
    params: dict[str, Any] = {}


class Ignore(_Strict):
    """A difference that is not looked at, and why."""

    step: str = "*"
    where: str
    why: str
    proposed_by: str = "hand"


class Overlay(_Strict):
    """What differs when the profile is replayed in another environment."""

    base_url: str | None = None
    seed_dir: str | None = None
    baseline_dir: str | None = None
    ignore: list[Ignore] = []


class Profile(_Strict):
    """The whole document."""

    metadata: Metadata
    prerequisites: Prerequisites = Prerequisites()
    prologue: list[Step] = []
    steps: list[Step] = []
    comparisons: list[Comparison] = []
    ignore: list[Ignore] = []
    overlays: dict[str, Overlay] = {}
    notes: str | None = None

    @model_validator(mode="after")
    def _references(self) -> Profile:
        seen: set[str] = set()
        placed = [("prologue", n, s) for n, s in enumerate(self.prologue)]
        for section, number, step in [*placed, *(("steps", n, s) for n, s in enumerate(self.steps))]:
            if step.id in seen:
                raise Misplaced(f"is {step.id!r}, the id of an earlier step", section, number, "id")
            for place, earlier in enumerate(step.after or []):
                if earlier not in seen:
                    near = difflib.get_close_matches(earlier, seen, 1)
                    hint = f"; did you mean {near[0]!r}" if near else ""
                    raise Misplaced(
                        f"is {earlier!r}, which names no earlier step{hint}", section, number, "after", place
                    )
            seen.add(step.id)
        return self
