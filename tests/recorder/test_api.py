"""The recorder's HTTP API: through both middlewares, with real cookies; who may call what; four workers that agree."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from rq import Queue
from starlette.responses import PlainTextResponse

import recorder.asgi
import recorder.wsgi
from recorder import endpoints
from recorder.api import respond
from recorder.core import Recorder, Request, get_recorder
from recorder.log import LOG_NAME
from recorder.settings import Settings
from tests.apps.rq_tasks import add, fail, work
from tests.recorder.rotating import compressed, rotate
from tests.recorder.watching import events, exchanges, on_disk

TOKEN = "operator-token-1234567890"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
ORIGIN = {"Origin": "http://testserver"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A deployment that trusts everybody, with one run."""
    (tmp_path / "runs" / "dry-creek").mkdir(parents=True)
    return Settings(
        root=tmp_path / "root",
        run_pattern="/runs/(?P<run_id>[^/]+)",
        run_root=f"{tmp_path}/runs/{{run_id}}",
        token=TOKEN,
        environment="development",
        data_root=tmp_path,
    )


def wsgi_app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]


class Asgi(httpx.BaseTransport):
    """An ASGI application for a client that waits."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app)) as client:
                content = request.read()
                return await client.request(request.method, request.url, headers=request.headers, content=content)

        answer = asyncio.run(ask())
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


@pytest.fixture(params=["asgi", "wsgi"])
def client(request: pytest.FixtureRequest, settings: Settings) -> Iterator[httpx.Client]:
    """A browser on an application with the recorder around it."""
    if request.param == "asgi":
        transport: httpx.BaseTransport = Asgi(recorder.asgi.RecorderMiddleware(PlainTextResponse("ok"), settings))
    else:
        transport = httpx.WSGITransport(recorder.wsgi.RecorderMiddleware(wsgi_app, settings))
    with httpx.Client(transport=transport, base_url="http://testserver") as browser:
        yield browser


@pytest.fixture
def own(settings: Settings) -> Recorder:
    return get_recorder(settings)


class Caller:
    """Somebody who calls `respond`, remembers the cookie, and knows what a page of the same origin sends."""

    def __init__(self, own: Recorder, **headers: str) -> None:
        self.own, self.headers = own, headers

    def __call__(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        path, _, query = path.partition("?")
        own = {name.lower().replace("_", "-"): value for name, value in headers.items()}
        pairs = list({"host": "testserver", **self.headers, **own}.items())
        content = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        status, answer_headers, answer = respond(self.own, Request(method, path, query, pairs, content))
        self.answered = dict(answer_headers)
        assert self.answered["X-Recorder"] == "1"
        if "Set-Cookie" in self.answered:
            self.headers["cookie"] = self.answered["Set-Cookie"].partition(";")[0]
        found = json.loads(answer) if self.answered.get("Content-Type") == "application/json" and answer else answer
        return status, found

    def sign_in(self) -> Caller:
        _, status = self("GET", "/status")
        self.headers |= {"origin": "http://testserver", "x-recorder-csrf": status["csrf"]}
        return self


@pytest.fixture
def caller(own: Recorder) -> Caller:
    return Caller(own)


@pytest.fixture
def operator(own: Recorder) -> Caller:
    return Caller(own, authorization=f"Bearer {TOKEN}")


# A browser's whole way, through the middlewares


def test_a_capture_from_start_to_export(client: httpx.Client, settings: Settings) -> None:
    status = client.get("/recorder/status")
    assert status.headers["x-recorder"] == "1"
    assert status.json()["state"] == "idle"
    assert status.json()["roles"] == ["audit", "capture", "export"]
    page = {**ORIGIN, "X-Recorder-CSRF": status.json()["csrf"]}

    def post(path: str, **body: str) -> httpx.Response:
        return client.post(f"/recorder/{path}", json=body, headers=page)

    client.get("/before")
    started = post("captures/start", slug="small", notes="rusle")
    assert (started.status_code, started.json()["scope"]) == (201, "session")
    capture_id = started.json()["capture_id"]
    client.get("/during")
    assert client.get("/recorder/status").json()["state"] == "capturing"
    assert post("captures/pause").json()["state"] == "paused"
    client.get("/paused")
    assert client.get("/recorder/status").json()["state"] == "paused"
    assert post("captures/resume").json()["state"] == "capturing"
    client.get("/again")
    assert client.get(f"/recorder/captures/{capture_id}/preview").status_code == 202
    ended = post("captures/end", notes="done").json()
    assert ended["state"] == "ended"
    assert ended["draft"] == "profiles/_drafts/small"
    assert ended["recorder_root"] == str(settings.root)
    assert ended["events"] == 8  # two requests of two records, four boundaries
    client.get("/after")

    logged = {first["payload"]["path"]: first["capture_ids"] for first, _ in exchanges(settings.root / "_logs")}
    ids = [capture_id]
    assert logged == {"/before": [], "/during": ids, "/paused": [], "/again": ids, "/after": []}

    draft = settings.data_root / "profiles" / "_drafts" / "small"
    (draft / "seed").mkdir(parents=True)
    (draft / "profile.yaml").write_text("steps: []\n")
    (draft / "preview.json").write_text('{"steps": []}')
    assert client.get("/recorder/drafts/small/export").status_code == 202
    (draft / "status.json").write_text(json.dumps({"state": "ready", "capture_id": capture_id}))
    preview = client.get(f"/recorder/captures/{capture_id}/preview")
    assert (preview.status_code, preview.json()["preview"]) == (200, {"steps": []})
    archive = client.get("/recorder/drafts/small/export")
    assert archive.headers["content-type"] == "application/zip"
    names = zipfile.ZipFile(io.BytesIO(archive.content)).namelist()
    assert names == ["small/preview.json", "small/profile.yaml", "small/status.json"]


def test_the_capture_of_a_run(client: httpx.Client, settings: Settings) -> None:
    run = settings.data_root / "runs" / "dry-creek"
    (run / "active.cfg").write_text("x")
    started = client.post("/recorder/captures/start", json={"slug": "a", "run_id": "dry-creek"}, headers=BEARER).json()
    client.get("/runs/dry-creek/page")
    client.get("/runs/other/page")
    ended = client.post("/recorder/captures/end", json={"run_id": "dry-creek"}, headers=BEARER).json()
    assert (ended["capture_id"], ended["scope"]) == (started["capture_id"], "run")
    ((first, last),) = exchanges(run / "_logs")
    assert first["capture_ids"] == last["capture_ids"] == [started["capture_id"]]
    assert (run / "_logs" / "profile.snapshots" / started["capture_id"] / "active.cfg").read_text() == "x"


def test_a_body_too_large(client: httpx.Client) -> None:
    answer = client.post("/recorder/events", content=b"[" + b" " * 70_000 + b"]", headers=BEARER)
    assert answer.status_code == 413
    assert "64 KiB" in answer.json()["error"]
    assert answer.headers["x-recorder"] == "1"


# Who may call what


def test_the_anonymous_learn_state_and_environment_only(settings: Settings) -> None:
    caller = Caller(get_recorder(replace(settings, environment="production")))
    assert caller("GET", "/status") == (200, {"state": "idle", "environment": "production"})
    assert "Set-Cookie" not in caller.answered
    for call in ("GET /events", "GET /captures", "POST /captures/start", "GET /jobs/x", "GET /workers"):
        method, path = call.split()
        status, answer = caller(method, path, {} if method == "POST" else None)
        assert status == 403
        assert "needs the role" in answer["error"]


def test_the_token_is_enough(settings: Settings) -> None:
    operator = Caller(get_recorder(replace(settings, environment="production")), authorization=f"Bearer {TOKEN}")
    status, capture = operator("POST", "/captures/start", {"slug": "a"})
    assert (status, capture["scope"]) == (201, "all")
    assert "Set-Cookie" not in operator.answered
    wrong = Caller(operator.own, authorization="Bearer operator-token-123456789x")
    assert wrong("POST", "/captures/end", {})[0] == 403


def test_roles_come_from_the_applications_callable(settings: Settings) -> None:
    seen: list[Any] = []

    def roles(native: Any) -> list[str]:
        seen.append(native)
        return ["capture", "cook"]

    caller = Caller(get_recorder(replace(settings, environment="production", roles=roles))).sign_in()
    assert caller("GET", "/status")[1]["roles"] == ["capture"]
    assert caller("POST", "/captures/start", {"slug": "a"})[0] == 201
    assert caller("GET", "/drafts/a/export")[0] == 403
    assert caller("GET", "/events")[0] == 403
    assert "recorder_root" not in caller("POST", "/captures/end", {})[1]
    assert seen == [{}] * len(seen)


def test_a_callable_that_fails_grants_nothing(settings: Settings) -> None:
    own = get_recorder(replace(settings, roles=lambda native: [native["user"].role]))
    assert Caller(own)("GET", "/events")[0] == 403
    assert own.faults == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://testserver"}, 201),
        ({"referer": "http://testserver/page?x=1"}, 201),
        ({"sec_fetch_site": "same-origin"}, 201),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://testserver.evil.example"}, 403),
        ({"origin": "http://testserver", "sec_fetch_site": "cross-site"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://[::1", "referer": "http://testserver/"}, 403),
        ({}, 403),
    ],
)
def test_changes_come_from_a_page_of_the_same_origin(caller: Caller, headers: dict[str, str], status: int) -> None:
    caller.sign_in().headers.pop("origin")
    assert caller("POST", "/captures/start", {"slug": "a"}, **headers)[0] == status


def test_the_csrf_token_belongs_to_the_cookie(own: Recorder) -> None:
    mine, other = Caller(own).sign_in(), Caller(own).sign_in()
    status, answer = mine("POST", "/captures/start", {"slug": "a"}, x_recorder_csrf=other.headers["x-recorder-csrf"])
    assert status == 403
    assert "GET status" in answer["error"]
    mine.headers.pop("cookie")
    assert mine("POST", "/captures/start", {"slug": "a"})[0] == 403


@pytest.mark.parametrize(("headers", "secure"), [({}, False), ({"x_forwarded_proto": "https"}, True)])
def test_the_cookie(caller: Caller, headers: dict[str, str], secure: bool) -> None:
    caller("GET", "/status", **headers)
    cookie = caller.answered["Set-Cookie"]
    assert cookie.partition("; ")[2] == "Path=/; HttpOnly; SameSite=Lax" + "; Secure" * secure
    caller("GET", "/status")
    assert "Set-Cookie" not in caller.answered


def test_a_browser_sees_and_ends_its_own_session_only(own: Recorder) -> None:
    mine, other = Caller(own).sign_in(), Caller(own).sign_in()
    capture = mine("POST", "/captures/start", {"slug": "a"})[1]
    assert capture["session"] is not None
    assert other("GET", "/status")[1]["state"] == "idle"
    assert other("POST", "/captures/end", {})[0] == 404
    assert other("GET", "/captures")[1]["captures"][0]["session"] is None
    assert other("POST", "/captures/start", {"slug": "b"})[0] == 201


# Refusals are sentences


@pytest.mark.parametrize(
    ("method", "path", "status", "sentence"),
    [
        ("GET", "/capture/start", 404, "the nearest is /captures/start"),
        ("GET", "/", 404, "There is no / here"),
        ("DELETE", "/captures", 405, "takes GET, not DELETE"),
        ("GET", "/captures/end", 405, "takes POST"),
        ("GET", "/events?limits=3", 422, "did you mean 'limit'"),
        ("GET", "/events?limit=many", 422, "not a number from 1 to 1000"),
        ("GET", "/events?after=01NOTHERE", 404, "no event '01NOTHERE'"),
        ("GET", "/events?run_id=absent", 404, "no run 'absent'"),
        ("GET", "/drafts/absent/export", 404, "no draft 'absent'"),
        ("GET", "/drafts/..%2F..%2Fetc/export", 422, "cannot be a slug"),
        ("GET", "/captures/01X/preview", 404, "no capture '01X'"),
        ("GET", "/jobs/x", 503, "No Redis is known"),
        ("GET", "/workers", 503, "No Redis is known"),
    ],
)
def test_a_refusal_says_what_would_be_right(
    operator: Caller, monkeypatch: pytest.MonkeyPatch, method: str, path: str, status: int, sentence: str
) -> None:
    monkeypatch.setattr("recorder.rq.connections", [])
    operator.own.emit("system_log", None, {"kind": "error", "where": "here", "message": "so that there is a log"})
    found, answer = operator(method, path)
    assert (found, sentence in answer["error"]) == (status, True), answer
    if status == 405:
        assert operator.answered["Allow"] in ("GET", "POST")


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"{", 400, "not JSON"),
        (b'"text"', 400, "must be a JSON object"),
        ({"slag": "a"}, 422, "did you mean 'slug'"),
        ({"slug": 7}, 422, "slug must be text"),
        ({}, 422, "needs a slug"),
        ({"slug": "A b"}, 422, "try 'a-b'"),
        ({"slug": "a", "scope": "al"}, 422, "did you mean 'all'"),
        ({"slug": "a", "run_id": "absent"}, 404, "no run 'absent'"),
    ],
)
def test_a_start_that_cannot_be_meant(operator: Caller, body: object, status: int, sentence: str) -> None:
    found, answer = operator("POST", "/captures/start", body)
    assert (found, sentence in answer["error"]) == (status, True), answer


def test_a_second_start_names_the_first(operator: Caller) -> None:
    first = operator("POST", "/captures/start", {"slug": "a"})[1]
    status, answer = operator("POST", "/captures/start", {"slug": "b"})
    assert status == 409
    assert first["capture_id"] in answer["error"]
    assert "(a)" in answer["error"]


def test_a_fault_of_ours_is_told_counted_and_not_raised(operator: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recorder.captures.Captures.list", lambda *_: 1 / 0)
    status, answer = operator("GET", "/captures")
    assert (status, operator.own.faults) == (500, 1)
    assert "Zero" not in answer["error"]


def test_head_is_get_without_its_body(operator: Caller) -> None:
    status, body = operator("HEAD", "/recorder.js")
    assert (status, body) == (200, b"")
    assert int(operator.answered["Content-Length"]) > 1000


# Events


def test_a_page_reports_what_it_noticed(own: Recorder, settings: Settings) -> None:
    caller = Caller(own).sign_in()
    capture = caller("POST", "/captures/start", {"slug": "a"})[1]
    batch = [{"kind": "click", "target": "run"}, {"kind": "submit", "password": "opensesame"}]
    assert caller("POST", "/events", {"events": batch, "path": "/runs/dry-creek/page"}) == (202, {"stored": 2})
    assert caller("POST", "/events", [{"kind": "theme"}]) == (202, {"stored": 1})
    click, submit = [
        e for e in events(settings.data_root / "runs/dry-creek/_logs") if e["payload"]["kind"] == "browser"
    ]
    assert click["payload"]["reported"] == {"kind": "click", "target": "run"}
    assert click["run_context"] == {"run_id": "dry-creek", "config": None}
    assert click["capture_ids"] == [capture["capture_id"]]
    assert submit["payload"]["reported"]["password"].startswith("secret-password-")
    assert b"opensesame" not in on_disk(settings.data_root)


@pytest.mark.parametrize(
    ("batch", "status"),
    [([{"kind": "x"}] * 101, 413), ([{"no": "kind"}], 422), ([{"kind": "x" * 65}], 422), ({"events": 7}, 422)],
)
def test_a_batch_that_is_none(operator: Caller, batch: object, status: int) -> None:
    assert operator("POST", "/events", batch)[0] == status


def test_an_event_deeper_than_can_be_written(operator: Caller) -> None:
    deep = json.loads("[" * 600 + "]" * 600)
    assert operator("POST", "/events", [{"kind": "x", "deep": deep}])[0] == 422


def test_too_many_events_are_told_when_to_come_back(own: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "_BUCKETS", endpoints._Buckets())
    caller, other = Caller(own).sign_in(), Caller(own).sign_in()
    batch = [{"kind": "x"}] * 100
    assert [caller("POST", "/events", batch)[0] for _ in range(3)] == [202, 202, 429]
    assert 4 <= int(caller.answered["Retry-After"]) <= 6
    assert other("POST", "/events", batch)[0] == 202


def test_the_log_is_read_page_by_page(own: Recorder, operator: Caller) -> None:
    for number in range(5):
        own.emit("system_log", None, {"kind": "error", "message": number}, session={"recorder_session": "someone"})
    seen, after = [], ""
    while True:
        _, page = operator("GET", f"/events?limit=2{after}")
        if not page["events"]:
            break
        assert len(page["events"]) <= 2
        seen += page["events"]
        after = f"&after={page['next']}"
    assert [event["payload"].get("message") for event in seen] == [None, 0, 1, 2, 3, 4]
    assert all(event["session"] is None or event["session"]["recorder_session"] is None for event in seen)


def test_the_log_and_its_captures_are_read_through_rotation(
    own: Recorder, operator: Caller, settings: Settings
) -> None:
    capture_id = operator("POST", "/captures/start", {"slug": "a"})[1]["capture_id"]
    for _ in range(3):
        compressed(rotate(settings.root / "_logs" / LOG_NAME))
        own.emit("system_log", None, {"kind": "error"}, capture_ids=[capture_id])
    page = operator("GET", "/events?limit=3")[1]
    assert [event["payload"]["kind"] for event in page["events"]] == ["log_opened", "capture_started", "error"]
    assert len(operator("GET", f"/events?after={page['next']}")[1]["events"]) == 2
    assert operator("POST", "/captures/end", {})[1]["events"] == 5


def test_the_log_of_a_run(own: Recorder, operator: Caller, settings: Settings) -> None:
    run = own.runs.of_path("/runs/dry-creek/")
    own.emit(
        "system_log",
        None,
        {"kind": "error"},
        log_dir=own.log_dir(run),
        run_context={"run_id": "dry-creek", "config": None},
    )
    for query in ("run_id=dry-creek", "path=/runs/dry-creek/page"):
        _, page = operator("GET", f"/events?{query}")
        assert [event["payload"]["kind"] for event in page["events"]] == ["log_opened", "error"]


def test_a_wish_to_redact_goes_into_the_log(operator: Caller, settings: Settings) -> None:
    capture = operator("POST", "/captures/start", {"slug": "a"})[1]
    wish = {"record": "01RECORD", "pointer": "/customer/name"}
    path = f"/captures/{capture['capture_id']}/redact"
    assert operator("POST", path, wish) == (202, {"state": "assembling"})
    assert operator("POST", path, {"record": "01RECORD"})[0] == 422
    logged = events(settings.root / "_logs")[-1]
    assert logged["payload"] == {"kind": "redact", "capture_id": capture["capture_id"], **wish}
    assert logged["capture_ids"] == [capture["capture_id"]]


def test_status_counts_what_this_process_wrote_and_lost(own: Recorder, operator: Caller) -> None:
    own.emit("system_log", None, {"kind": "error"})
    own.fault("test", RuntimeError())
    _, status = operator("GET", "/status")
    assert (status["events"], status["lost"]) == (2, 1)


# Jobs


def test_a_jobs_tree(operator: Caller, queue: Queue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RECORDER_ROOT", str(tmp_path / "jobs"))
    parent = queue.enqueue(add, 1, 2)
    queue.enqueue(fail, depends_on=parent)
    status, tree = operator("GET", f"/jobs/{parent.id}")
    assert (status, tree["status"], tree["aggregate"], tree["settled"]) == (200, "queued", "queued", False)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(operator, "GET", f"/jobs/{parent.id}?wait=20")
        work(queue)
        status, tree = waiting.result(60)
    assert (tree["status"], tree["aggregate"], tree["settled"]) == ("finished", "failed", True)
    assert tree["children"][0]["exc_info"].endswith("the river is dry\n")
    status, answer = operator("GET", "/jobs/absent?wait=20")
    assert (status, "Redis holds no job" in answer["error"]) == (404, True)


def test_before_any_job_redis_is_found_by_its_url(
    operator: Caller, queue: Queue, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = queue.enqueue(add, 1, 2)
    monkeypatch.setattr("recorder.rq.connections", [])
    monkeypatch.setenv("REDIS_URL", redis_url)
    assert operator("GET", f"/jobs/{job.id}")[1]["status"] == "queued"
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    status, answer = operator("GET", f"/jobs/{job.id}")
    assert (status, "Redis does not answer" in answer["error"]) == (503, True)
