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
    "JobNode",
    "Leave",
    "Metadata",
    "Misplaced",
    "Overlay",
    "Part",
    "Prerequisites",
    "Profile",
    "RecordedWith",
    "Retry",
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
    (`regex` alone). `css` with `json` reads JSON that a page carries in an element or attribute.
    `regex` narrows any source to its first group; `nth` picks among several matches.
    """

    json_: str | None = Field(None, alias="json")
    """JMESPath into a JSON body."""
    css: str | None = None
    """Selector into HTML."""
    attr: str | None = None
    """The attribute of what `css` selects; without it, its text."""
    text: str | None = None
    """Only elements that hold this text: the row it is, not its number."""
    header: str | None = None
    """Name of a header of the answer."""
    cookie: str | None = None
    """Name of a cookie that the answer sets."""
    regex: str | None = None
    """Narrows the source, or the body's text, to its first group."""
    nth: int = 0
    """Which of several matches, from 0."""
    was: str | None = None
    """The value in the recording: it and the live one stand for each other from here on."""

    @model_validator(mode="after")
    def _one_source(self) -> Extract:
        sources = [n for n in ("json_", "css", "header", "cookie") if getattr(self, n) is not None]
        if len(sources) > 1 and sources != ["json_", "css"]:
            raise ValueError(f"takes one source, not {' and '.join(s.strip('_') for s in sources)}")
        if not sources and self.regex is None:
            raise ValueError("needs a source: json, css, header, cookie or regex")
        return self


class Until(_Strict):
    """When a wait is over: every key given must hold of the answer."""

    status: int | None = None
    """The status of the answer."""
    json_: str | None = Field(None, alias="json")
    """JMESPath whose value is looked at."""
    equals: Any = None
    """What the value at `json` must be."""
    differs: Any = None
    """What the value at `json` must not be any more."""
    contains: str | None = None
    """A text that the body must hold."""
    stop_on: list[Scalar] = []
    """Values at `json` after which there is nothing left to wait for: the step fails at once."""


class Wait(_Strict):
    """What must have happened before the step is complete. All times in seconds."""

    type: Literal["job", "status_poll", "poll", "log_line", "file"]
    """What is waited for; the keys below name the type they belong to."""
    job: str | None = None
    """`job`: the id, usually `{{ steps.<id>.<name> }}`; its whole tree must be finished."""
    also: list[str] = []
    """`job`: ids of further jobs that the step enqueued; their trees must be finished, too."""
    endpoint: str | None = None
    """`status_poll`: an address; a relative one is asked below the run's page."""
    success_state: str | None = None
    """`status_poll`: the state that means success; capitals and small letters are alike."""
    field: str = "status"
    """`status_poll`: the JSON field of `endpoint` that must become `success_state`."""
    until: Until | None = None
    """`poll`: the step's own request is repeated until this holds."""
    path: str | None = None
    """`file`, `log_line`: a path below the run directory; the file must exist."""
    contains: str | None = None
    """`log_line`: what a line must hold that is written to the file."""
    interval: float | None = None
    """The longest pause between two looks."""
    timeout: float | None = None
    """The limit; absent: the larger of 30 s and 5 times `recorded`."""
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


class JobNode(_Strict):
    """One job as it was recorded, beside its final status in `jobs`. What is absent was not known."""

    queue: str | None = None
    """The queue it was put on."""
    parent: str | None = None
    """The job of `jobs` that enqueued it; absent: the request did."""
    depends_on: list[str] = []
    """The jobs of `jobs` that it waited for."""
    result: Any = None
    """What it returned, if not null and at most 4 kB of JSON."""
    exception: str | None = None
    """What it raised: type and first line of the message."""
    took: float | None = None
    """Seconds it ran, for people: never compared."""
    runs: int = 1
    """How often it succeeded, for one that repeats (RQ's `Repeat`): so many runs are waited for."""
    tries: int = 1
    """How often it was started: each try may enqueue jobs anew, whose number then says nothing."""
    scheduled: bool = False
    """True: it was enqueued for a later time, so a scheduler is needed."""
    kept: bool = True
    """False: Redis forgets it as soon as it has succeeded (`result_ttl=0`)."""


class Expect(_Strict):
    """What the answer must be. `body` names a file under the profile that holds the recorded answer."""

    status: int | None = None
    """The status; absent: not looked at. (A step without any `expect` fails at 400 and above.)"""
    media_type: str | None = None
    """The Content-Type without its parameters."""
    location: str | None = None
    """The target of the redirect, as recorded."""
    cookies: list[str] | None = None
    """Names of the cookies that are set."""
    body: str | None = None
    """A file below the profile that holds the recorded answer."""
    empty: bool = False
    """True: the answer had no body, and must have none."""
    contains: str | None = None
    """A text that the answer must hold."""
    jobs: dict[str, str] | None = None
    """Recorded job trees: function (with #n for repeats) to final status; one that says `queued`, `started`, `deferred`
    or `scheduled` was not over when the recording ended, and its end is not compared."""
    job_tree: dict[str, JobNode] | None = None
    """More about those jobs, under the same names: then a job that is not named is one too many."""

    @model_validator(mode="after")
    def _named(self) -> Expect:
        known = self.jobs or {}
        for name, node in (self.job_tree or {}).items():
            for other in (name, *([node.parent] if node.parent else []), *node.depends_on):
                if other not in known:
                    near = difflib.get_close_matches(other, known, 1)
                    hint = f"; did you mean {near[0]!r}" if near else ""
                    raise ValueError(f"names {other!r} in job_tree, which is no job of `jobs`{hint}")
        return self


class Part(_Strict):
    """One part of a multipart body, in wire order: a field (`value`) or a file (`file`, below the profile)."""

    name: str
    """The name of the field."""
    value: str | None = None
    """What the field holds."""
    file: str | None = None
    """The file that is sent, below the profile."""
    filename: str | None = None
    """The name it is sent under."""
    media_type: str | None = None
    """Its Content-Type."""


class Retry(_Strict):
    """The request is sent again while it is refused for now; what `Retry-After` asks for is kept (RFC 9110, 10.2.3)."""

    on: list[int] = [429, 503]
    """The statuses that mean: later."""
    attempts: int = Field(5, ge=2)
    """How often it is sent at most."""
    limited: bool = False
    """It must be refused at least once: a limit that no longer holds is a change of behaviour."""


class Leave(_Strict):
    """The recorded client left before the answer was complete, and so does the replay: where one of these is reached."""

    bytes: int = 0
    """What had come of the body until then, as it was transferred."""
    seconds: float
    """How long it had listened."""


class Step(_Strict):
    """One thing that playback does, and what must come of it."""

    id: StepId
    """What other steps, reports and `expect_completed` call it."""
    action: Literal["http", "upload", "enqueue_rq", "wait", "command"] = "http"
    """`http` and `upload` send a request, `enqueue_rq` enqueues a job, `wait` only waits, `command` runs a program."""
    title: str | None = None
    """For people."""
    client: str = "main"
    """Whose cookies and connection are used: a key of `metadata.clients`."""
    at: float | None = None
    """Seconds after the capture's first event."""
    took: float | None = None
    """Seconds until the answer was complete, when recorded."""
    after: list[StepId] | None = None
    """Steps that must be complete first; absent: the one before."""

    method: str = "GET"
    """The HTTP method."""
    path: str | None = None
    """The path, percent-encoded, with places such as `{{ run_id }}` filled in."""
    query: str | None = None
    """The query without `?`."""
    headers: dict[str, str | list[str]] = {}
    """Headers beside those of the client; a list sends one several times."""
    cookies: dict[str, str] = {}
    """Cookies beside those that answers have set."""
    form: list[tuple[str, str]] | None = None
    """An urlencoded body: pairs of name and value, in order."""
    json_: str | None = Field(None, alias="json")
    """A JSON body, as text."""
    text: str | None = None
    """Any other textual body."""
    multipart: list[Part] | None = None
    """A multipart/form-data body."""
    body: str | None = None
    """A file below the profile that is sent as it is."""

    job: str | None = None
    """`enqueue_rq`: import string of the function; PROFILE_PLAYBACK_JOBS must allow it."""
    queue: str | None = None
    """`enqueue_rq`: the queue; absent: `default`, or the only one that a worker listens on."""
    payload: dict[str, Any] | list[Any] | None = None
    """`enqueue_rq`: the arguments, by name or in order. JSON only."""
    command: list[str] | None = None
    """Words of a command; PROFILE_PLAYBACK_COMMANDS must allow the first. Run without a shell in the run's workspace;
    `expect.status` is its exit code (default 0), `expect.contains` is looked for in what it wrote."""

    expect: Expect | None = None
    """What the answer must be."""
    extract: dict[str, Extract] = {}
    """Values that later steps send as `{{ steps.<id>.<name> }}`."""
    wait: Wait | None = None
    """What must have happened before the step is complete."""
    timeout: float | None = None
    """Seconds for the answer, and for a wait that has no limit of its own."""
    log_contains: str | None = None
    """A line that must come to stand in a `*.log` of the run."""
    retry: Retry | None = None
    """The request is sent again while it is refused for now."""
    leave: Leave | None = None
    """The answer does not end by itself, and is left where the recorded client left it."""
    settle: float | None = None
    """The pause before this step that the recorded work left, in seconds: a read that differs is tried again this long,
    a request that acts is sent after it."""
    note: str | None = None
    """For people."""

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
    """Headers that it sends with every request."""


class RecordedWith(_Strict):
    """Where and when the recording was made."""

    origin: str | None = None
    """The origin of the recording."""
    also: list[str] = []
    """Other spellings of the origin that the recording used (`http://localhost:8000`)."""
    run_id: str | None = None
    """The recorded run, which no replay may touch."""
    config: str | None = None
    """The run's configuration."""
    capture_id: str | None = None
    """The capture it was made of."""
    started: str | None = None
    """When the capture began (ISO-8601)."""
    ended: str | None = None
    """When the capture ended."""
    engine: str | None = None
    """The version that wrote the draft."""


class Metadata(_Strict):
    """Who the profile is."""

    slug: str
    """The profile's name, which is its folder's name."""
    title: str | None = None
    """For people."""
    tags: list[str] = []
    """What `wctl run-suite --tag` chooses by."""
    rq_required: bool = False
    """True: without a listening RQ worker the replay is an error before the first step."""
    run: Literal["clone", "created", "none"] | None = None
    """`clone`: of `seed/run`; `created`: by a step; `none`. Absent: `clone` when there is such a seed."""
    login: Literal["recorded", "admin"] = "recorded"
    """`admin`: sign in as ADMIN_EMAIL, whoever was recorded."""
    run_page: str | None = None
    """Path of the run's page, with `{{ run_id }}` and `{{ config }}`; relative endpoints resolve against it."""
    recorded_with: RecordedWith = RecordedWith()
    """Where the recording comes from."""
    clients: dict[str, Client] = {}
    """The browsers and programs that were recorded, by name."""
    not_replayed: list[str] = []
    """What was recorded beside the steps and is not sent again (websockets, endless event streams); every report says so."""
    data_repo: str | None = None
    """A folder below the data root in which seed and baseline are looked for, too."""
    seed_dir: str | None = None
    """The seed, relative to the data root; absent: `seed/` beside the document."""
    baseline_dir: str | None = None
    """The baseline, likewise; absent: `baseline/` beside the document."""

    @model_validator(mode="after")
    def _slug(self) -> Metadata:
        if problem := slug_problem(self.slug):
            raise ValueError(problem)
        return self


class Prerequisites(_Strict):
    """What must be there before a replay makes sense."""

    environment: list[str] = []
    """Variables that the application needs."""
    services: list[str] = []
    """What must run; `rq worker on queue <name>` is checked before the first step."""
    components: dict[str, str] = {}
    """Names and versions of what was recorded."""
    state: list[str] = []
    """What the application must hold already."""


class Comparison(_Strict):
    """One file of the run against the same path below `baseline/run/`."""

    target: str
    """The file, relative to the run directory."""
    method: str = "exact_hash"
    """A comparator, or `mapped`: as a text of which ids and times are mapped as in answers."""
    params: dict[str, Any] = {}
    """What the comparator can be told."""


class Ignore(_Strict):
    """A difference that is not looked at, and why."""

    step: str = "*"
    """Ids of steps, with `*`."""
    where: str
    """The place as reports name it, with `*`."""
    why: str
    """The reason, which reports show."""
    proposed_by: str = "hand"
    """Who wrote the rule."""


class Overlay(_Strict):
    """What differs when the profile is replayed in another environment."""

    base_url: str | None = None
    """Where the application is there."""
    seed_dir: str | None = None
    """Another seed."""
    baseline_dir: str | None = None
    """Another baseline."""
    ignore: list[Ignore] = []
    """Rules beside the profile's own."""


class Profile(_Strict):
    """The whole document."""

    metadata: Metadata
    """Who the profile is."""
    prerequisites: Prerequisites = Prerequisites()
    """What must be there before a replay makes sense."""
    prologue: list[Step] = []
    """Steps before the recorded window: the pages that gave cookies and tokens, the login."""
    steps: list[Step] = []
    """What is replayed, in order."""
    comparisons: list[Comparison] = []
    """Files of the run that are compared when all steps have passed."""
    ignore: list[Ignore] = []
    """Differences that are not looked at."""
    overlays: dict[str, Overlay] = {}
    """By name: what differs elsewhere, chosen with `--overlay`."""
    notes: str | None = None
    """For people."""

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
