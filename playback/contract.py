"""What the service takes and answers, as its OpenAPI document says it: models, and an example of everything.

The examples are made by the classes that make the answers, so that neither can change without the other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, Field

from playback import problems
from playback.engine import Options
from playback.jsontext import dumps
from playback.report import ComparisonOutcome, JobOutcome, Masked, Report, StepOutcome, Verdict
from playback.runs import State

__all__ = ["JSON", "NDJSON", "SSE", "Begun", "Health", "ProfileEntry", "RunDocument", "RunRequest", "WholeProfile"]
__all__ += ["WholeRun", "answers", "describe", "refusals"]

JSON = "application/json"
NDJSON = "application/x-ndjson"
SSE = "text/event-stream"
BYTES = "application/octet-stream"
HTML = "text/html"

RUN_ID = "0123456789abcdef0123456789abcdef"


class RunRequest(BaseModel):
    """What a caller of `POST /run/{profile}` may say. Times in seconds."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"base_url": "http://127.0.0.1:8000", "background": True}}
    )

    base_url: str | None = None
    cookie: str | None = None
    overlay: str | None = None
    timeout: float | None = Field(None, gt=0)
    verbose: bool = False
    dry_run: bool = False
    keep: bool = False
    keep_going: bool = False
    concurrent: bool = False
    background: bool = False

    def options(self) -> Options:
        """The engine's options in it."""
        return Options(**self.model_dump(exclude={"verbose", "background"}))


class Health(BaseModel):
    """The service is up."""

    status: Literal["ok"]


class Begun(BaseModel):
    """A run in the background."""

    run_id: str


class RunDocument(BaseModel):
    """A run. `error` says why one that is `refused` was."""

    run_id: str
    profile: str | None
    state: State
    started_at: str | None
    result: Verdict | None
    error: str | None


class WholeRun(RunDocument):
    """A run with its report, once there is one."""

    report: Report | None


class LastVerdict(BaseModel):
    """What a profile's newest report says."""

    result: str | None
    started_at: str | None
    duration_s: float | None
    run_id: str | None


class ProfileEntry(BaseModel):
    """A profile; `problem` says why one that cannot be read has neither title nor steps."""

    slug: str
    title: str | None
    tags: list[str]
    steps: int | None
    problem: str | None
    last: LastVerdict | None


class WholeProfile(ProfileEntry):
    """A profile with its document, and the names of its results, newest first."""

    document: dict[str, Any] | None
    results: list[str]


class Problem(BaseModel):
    """Why there is no other answer (RFC 9457): `detail` is one sentence for a person."""

    title: str
    status: int
    detail: str


REPORT = Report(
    profile="small-watershed",
    run_id=f"profile;;tmp;;{RUN_ID}",
    result="passed",
    started_at="2026-11-20T10:41:06.123Z",
    duration_s=12.4,
    base_url="http://127.0.0.1:8000",
    run_dir=f"/srv/profiles/playback_runs/{RUN_ID}",
    masked=Masked(120, 4, {"secret": 4}),
    steps=[
        StepOutcome(
            "run-wepp", "POST", "/runs/x/run-wepp", 200, 200, "passed", 30.0, 800.0,
            [JobOutcome("4f2c", "tasks.run_wepp", "finished", 800.0)],
        )
    ],
    comparisons=[ComparisonOutcome("output/summary.json", "json_exact", "passed", "alike")],
)  # fmt: skip
RUN = {
    "run_id": RUN_ID, "profile": REPORT.profile, "state": "running", "started_at": REPORT.started_at, "result": None,
    "error": None,
}  # fmt: skip
ENTRY = {
    "slug": REPORT.profile, "title": "A small watershed", "tags": ["climate"], "steps": 13, "problem": None,
    "last": {"result": "passed", "started_at": REPORT.started_at, "duration_s": 12.4, "run_id": REPORT.run_id},
}  # fmt: skip
DOCUMENT = {"metadata": {"slug": REPORT.profile}, "steps": [{"id": "home", "path": "/"}]}
STARTED = {"event": "run_started", "run_id": REPORT.run_id}
LINES = [{"seq": 1, **STARTED}]
EVENTS = [{"id": "1", "event": "run_started", "data": dumps(STARTED)}]

ITEMS: dict[str, dict[str, Any]] = {
    NDJSON: {
        "type": "object",
        "properties": {"seq": {"type": "integer", "minimum": 1}, "event": {"type": "string"}},
        "required": ["seq", "event"],
    },
    SSE: {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "event": {"type": "string"},
            "data": {"type": "string", "contentMediaType": JSON},
        },
        "required": ["id", "event", "data"],
    },
}
"""What each line or message of a stream is."""

EXAMPLES: dict[str, dict[str, Any]] = {
    "GET /health": {JSON: {"status": "ok"}},
    "POST /run/{profile}": {JSON: REPORT.as_json(), NDJSON: LINES, SSE: EVENTS},
    "GET /runs": {JSON: [RUN]},
    "GET /runs/{run_id}": {JSON: {**RUN, "state": "finished", "result": "passed", "report": REPORT.as_json()}},
    "GET /runs/{run_id}/events": {SSE: EVENTS, NDJSON: LINES},
    "POST /runs/{run_id}/cancel": {
        JSON: {
            **RUN, "state": "interrupted", "result": "interrupted",
            "report": replace(REPORT, result="interrupted", run_dir=None).as_json(),
        }
    },
    "GET /runs/{run_id}/files/": {JSON: ["junit.xml", "report.html", "report.json"]},
    "GET /runs/{run_id}/files/{path}": {BYTES: "<testsuites/>", HTML: "<!doctype html>…"},
    "GET /profiles": {JSON: [ENTRY]},
    "GET /profiles/{slug}": {JSON: {**ENTRY, "document": DOCUMENT, "results": ["20261120T104106.123Z"]}},
}  # fmt: skip
SENTENCES = {
    401: "Send the value of PROFILE_PLAYBACK_TOKEN as 'Authorization: Bearer …'.",
    403: "The Host header 'rebound.example' is not this machine; use 127.0.0.1 or set PROFILE_PLAYBACK_TOKEN.",
    404: "There is no profile 'small-watershet' in /srv/profiles; did you mean 'small-watershed'?",
    409: "10.1.2.3 is not an origin that a replay may reach; add it to PROFILE_PLAYBACK_ALLOWED_ORIGINS.",
    422: "unknown key 'base_ulr'; did you mean 'base_url'?",
    500: "No RQ worker listens on default; the profile's jobs would never run.",
}
MEANINGS = {
    200: "As asked for.",
    202: "It goes on; `GET /runs/{run_id}` tells how.",
    204: "Nothing is left to tell: an `EventSource` does not come back.",
    401: "The token is missing or another one.",
    403: "Not from this machine, or from a page of another origin.",
    404: "There is none of this name.",
    409: "The target may not be reached, or the run has already ended.",
    422: "Profile, body or parameter cannot be understood.",
    500: "No fault of the caller's: the service's log has more.",
}
OPEN = "GET /health"


def answers(call: str, *, status: int = 200, **also: Any) -> dict[int | str, dict[str, Any]]:
    """The description of what `call` answers when all is well; `also` goes beside (`model`)."""
    content: dict[str, Any] = {}
    for media_type in _examples(call, status):
        if media_type in ITEMS:
            content[media_type] = {"schema": {"type": "array"}, "itemSchema": ITEMS[media_type]}
        else:
            content[media_type] = {} if media_type == JSON else {"schema": {"type": "string"}}
    return {status: {"description": MEANINGS[status], "content": content, **also}}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The description of the problem details that a call may answer; those of access are among them."""
    content = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": MEANINGS[status], "content": content} for status in (401, 403, *statuses)}


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of the service."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            openapi_version="3.2.0",  # the first in which the items of a stream can be described
            description=app.description,
            routes=app.routes,
        )
        components = document["components"]
        schemas = components["schemas"]
        schemas["Problem"] = Problem.model_json_schema()
        schemas["RunRequest"] = RunRequest.model_json_schema()
        schemas["Masked"]["properties"]["share"] = {"type": "number", "title": "Share"}
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        components["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer", "description": "PROFILE_PLAYBACK_TOKEN"},
            "password": {"type": "http", "scheme": "basic", "description": "The same, as the password of anybody."},
        }
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                call = f"{method.upper()} {path}"
                # Without a token the service asks this machine for none.
                operation["security"] = [] if call == OPEN else [{"bearer": []}, {"password": []}, {}]
                _complete(call, operation["responses"])
        app.openapi_schema = document
    return app.openapi_schema


def _complete(call: str, responses: dict[str, Any]) -> None:
    """Put the examples into what FastAPI made, which leaves out every null; take out the 422 that it adds by itself."""
    for status, response in list(responses.items()):
        content = response.get("content", {})
        if status == "422" and problems.MEDIA_TYPE not in content:
            del responses[status]
        elif problems.MEDIA_TYPE in content:
            response["content"] = {
                problems.MEDIA_TYPE: {
                    **content[problems.MEDIA_TYPE],
                    "example": problems.document(int(status), SENTENCES[int(status)]),
                }
            }
        else:
            for media_type, example in _examples(call, int(status)).items() if content else ():
                content[media_type]["example"] = example


def _examples(call: str, status: int) -> dict[str, Any]:
    """What `call` may answer with `status`, by media type."""
    return {JSON: {"run_id": RUN_ID}} if status == 202 else EXAMPLES[call]
