"""The pages of audit logs over HTTP: which logs, what of them, where a link leads, and that nothing recorded is markup."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.playback.pages import HARM, attributes, texts
from tests.playback.serving import serving
from tests.playback.test_audit import Log


def a_root(folder: Path, *runs: tuple[str, Log]) -> Log:
    """A RECORDER_ROOT whose list names these runs."""
    root = Log(folder)
    with (folder / "logs.jsonl").open("w") as file:
        for run_id, log in runs:
            file.write(json.dumps({"v": 1, "log": str(log.path), "run_id": run_id}) + "\n")
    return root


@pytest.fixture
def root(tmp_path: Path) -> Log:
    return a_root(tmp_path / "elsewhere", ("calm-oak", Log(tmp_path / "runs/calm-oak")))


@pytest.fixture
def service(tmp_path: Path, root: Log) -> Iterator[httpx.Client]:
    environ = {"PROFILE_DATA_ROOT": str(tmp_path), "RECORDER_ROOT": str(tmp_path / "elsewhere")}
    with serving(environ) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def address(service: httpx.Client, number: int = 0) -> str:
    return attributes(service.get("/ui/audit"), "table a", "href")[number] or ""


def test_the_logs_of_the_recorder(service: httpx.Client) -> None:
    page = service.get("/ui/audit")
    assert texts(page, "table a") == ["outside of runs", "calm-oak"]
    assert texts(service.get("/ui/audit", params={"q": "OAK"}), "table a") == ["calm-oak"]
    assert "No log matches" in service.get("/ui/audit", params={"q": "elm"}).text
    assert texts(page, "nav [aria-current]") == ["Audit logs"]


def test_without_a_recorder_the_page_says_what_to_set(tmp_path: Path) -> None:
    with serving({"PROFILE_DATA_ROOT": str(tmp_path)}) as url:
        page = httpx.get(f"{url}/ui/audit")
    assert page.status_code == 200
    assert "RECORDER_ROOT" in texts(page, ".empty")[0]


def test_no_path_comes_from_an_address(service: httpx.Client, tmp_path: Path) -> None:
    Log(tmp_path / "unlisted").request("/hidden")
    for odd in ("unlisted", "..%2f..%2funlisted", str(tmp_path / "unlisted").replace("/", "%2f"), "0" * 16):
        assert service.get(f"/ui/audit/{odd}").status_code == 404
        assert service.get(f"/ui/audit/{odd}/operations/x").status_code == 404


def test_a_page_of_a_log_and_the_older_ones(service: httpx.Client, root: Log) -> None:
    for number in range(120):
        root.request(f"/{number}")
    at, shown = address(service), []
    while at:
        page = service.get(at)
        shown += texts(page, ".events .what")
        at = (attributes(page, "a[rel=next]", "href") or [""])[0] or ""
    assert shown == [f"GET /{n}" for n in range(119, -1, -1)]


def test_filters_are_kept_from_page_to_page(service: httpx.Client, root: Log) -> None:
    for number in range(120):
        root.request(f"/{number}", 500 if number % 2 else 200)
    page = service.get(address(service), params={"outcome": "5", "q": "get", "category": "http_request"})
    assert len(texts(page, ".events .what")) == 50
    older = service.get(attributes(page, "a[rel=next]", "href")[0] or "")
    assert texts(older, ".events .what")[-1] == "GET /1"
    assert attributes(older, "select option[selected]", "value") == ["http_request", "5"]
    assert texts(older, ".pager") == ["Newest That is all that matches."]
    assert "Nothing was recorded" in service.get(address(service), params={"q": "zebra"}).text
    nonsense = {"category": "x", "outcome": "<b>", "capture": "../x", "before": "x", "at": "yesterday", "page": "-1"}
    assert len(texts(service.get(address(service), params=nonsense), ".events .what")) == 50


def test_to_a_capture(service: httpx.Client, root: Log) -> None:
    capture = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    stamps = []
    for number in range(200):
        root.request(f"/{number}", capture_ids=[capture] if 100 <= number < 110 else [])
        stamps.append(json.loads(root.path.read_bytes().splitlines()[-1])["timestamp"])
    told = {
        "capture_id": capture, "slug": "field-work", "scope": "all", "run_id": None, "session": None, "state": "ended",
        "started": stamps[99], "ended": stamps[110], "notes": HARM[:60], "unsnapshotted": False, "windows": [],
    }  # fmt: skip
    root.path.with_name("profile.captures.json").write_text(json.dumps({"v": 1, "captures": [told]}))
    page = service.get(address(service))
    to = attributes(page, ".captures a", "href")[0] or ""
    assert texts(service.get(to), ".events .what") == [f"GET /{n}" for n in range(109, 99, -1)]
    assert "<script>document" not in service.get(to).text


def test_from_a_request_to_its_nested_job(service: httpx.Client, root: Log) -> None:
    cause = root.request("/start")
    outer = root.job("work.outer", cause)
    inner = root.job("work.inner", outer, "failed")
    page = service.get(f"{address(service)}/operations/{inner}")
    assert texts(page, ".tree .what") == [
        "GET /start", "work.outer(1)", "work.outer", "work.inner(1)", "work.inner",
    ]  # fmt: skip
    assert texts(page, "[aria-current=true]") == ["work.inner"]
    assert texts(page, ".code pre")[1].count('"status": "failed"') == 1
    first = attributes(page, ".tree a", "href")[0] or ""
    assert texts(service.get(first), "h1") == ["GET /start"]
    assert service.get(f"{address(service)}/operations/{'0' * 26}").status_code == 404


def test_recorded_text_is_text(service: httpx.Client, root: Log) -> None:
    operation = root.request(f"/{HARM}")
    root.put("rq_enqueue", function=HARM, queue=HARM, args=[HARM], parent_id=operation)
    root.put("rq_job", "failed", function=HARM, status=HARM, error=HARM, parent_id=operation)
    root.put("file_upload", filename=HARM, field=HARM, size=HARM)
    root.put("egress", "started", method=HARM, url=HARM)
    root.put("system_log", kind=HARM, text=HARM)
    plain = HARM.replace("\ud800", "")
    for page in (
        service.get(address(service), params={"q": plain}), service.get(address(service)),
        service.get(f"{address(service)}/operations/{operation}"), service.get("/ui/audit", params={"q": plain}),
    ):  # fmt: skip
        assert page.status_code == 200
        assert "<script>document" not in page.text
        assert "<img" not in page.text
        assert "\x1b" not in page.text
        assert attributes(page, "[style], [onclick], script:not([src])", "id") == []


def test_who_may_look_may_read_the_log(tmp_path: Path, root: Log) -> None:
    root.request("/a")
    environ = {
        "PROFILE_DATA_ROOT": str(tmp_path), "RECORDER_ROOT": str(tmp_path / "elsewhere"),
        "PROFILE_PLAYBACK_TOKEN": "a" * 20, "PROFILE_PLAYBACK_VIEW_TOKEN": "b" * 20,
    }  # fmt: skip
    with serving(environ) as url, httpx.Client(base_url=url, timeout=60) as client:
        assert client.get("/ui/audit").status_code == 401
        client.headers["authorization"] = f"Bearer {'b' * 20}"
        assert client.get(address(client)).status_code == 200
