"""Runs of the service from outside: queued, cancelled, followed again after a lost connection, cut off by a kill."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from playback import engine
from playback.job_sources import RecorderJobs
from playback.service import create_app
from playback.target import Target
from playback.underway import Claim, Entry
from playback.whole_numbers import BadSetting
from tests.playback.pages import texts
from tests.playback.serving import FakeEngine, promote, serving
from tests.playback.site import Answer, Site, profile
from tests.support import Server, wait_until

LINES = {"Accept": "application/x-ndjson"}
IN_A_MOMENT = 30.0  # seconds; none of the waits below would end by itself within a minute


@pytest.fixture
def fake(fake: FakeEngine) -> FakeEngine:
    """It waits until it is told to go on."""
    fake.go.clear()
    return fake


@pytest.fixture
def service(fake: FakeEngine, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a service that replays one run at a time."""
    promote(tmp_path, "first")
    promote(tmp_path, "second")
    promote(tmp_path, "third")
    environ = {"PROFILE_DATA_ROOT": str(tmp_path), "PROFILE_PLAYBACK_RUNS": "1"}
    with serving(environ) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def begin(client: httpx.Client, slug: str) -> str:
    answer = client.post(f"/run/{slug}", json={"background": True})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["run_id"])


def told(answer: httpx.Response) -> list[str]:
    """The names of the events in lines of JSON."""
    return [json.loads(line)["event"] for line in answer.text.splitlines()]


# ------------------------------------------------------------------------------------------------------- the queue


def test_those_beyond_the_limit_wait_for_their_turn(service: httpx.Client, fake: FakeEngine) -> None:
    ids = [begin(service, slug) for slug in ("first", "second", "third")]
    assert [service.get(f"/runs/{run_id}").json()["state"] for run_id in ids] == ["running", "queued", "queued"]
    assert [run["state"] for run in service.get("/runs").json()] == ["queued", "queued", "running"]
    now = texts(service.get("/"), ".now li")
    assert [line.split()[:2] for line in now] == [["queued", "third"], ["queued", "second"], ["running", "first"]]
    fake.go.set()
    for number, run_id in enumerate(ids):
        lines = [json.loads(line) for line in service.get(f"/runs/{run_id}/events", headers=LINES).text.splitlines()]
        assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
        if number:
            assert (lines[0]["event"], lines[0]["run_id"], lines[0]["ahead"]) == ("run_queued", run_id, number - 1)
        assert lines[-1]["report"]["run_id"] == f"profile;;tmp;;{run_id}"
    assert [slug for slug, _, _ in fake.calls] == ["first", "second", "third"], "in the order in which they came"


def test_a_caller_who_waits_gets_the_report_when_its_turn_has_come(service: httpx.Client, fake: FakeEngine) -> None:
    begin(service, "first")
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(service.post, "/run/second")
        wait_until(lambda: service.get("/runs").json()[0]["profile"] == "second", "the second run is queued")
        fake.go.set()
        assert answer.result().json()["profile"] == "second"


def test_a_queued_run_is_followed_at_once(service: httpx.Client, fake: FakeEngine) -> None:
    begin(service, "first")
    with service.stream("POST", "/run/second", headers=LINES) as answer:
        lines = answer.iter_lines()
        assert json.loads(next(lines))["event"] == "run_queued"
        fake.go.set()
        assert [json.loads(line)["event"] for line in lines][-1] == "report"


def test_a_refusal_after_the_queue_says_its_status(service: httpx.Client, fake: FakeEngine) -> None:
    begin(service, "first")
    with service.stream("POST", "/run/second", headers=LINES) as answer:
        lines = answer.iter_lines()
        next(lines)
        fake.error = engine.TargetRefused("not there")
        fake.go.set()
        last = [json.loads(line) for line in lines][-1]
    assert (last["event"], last["status"], last["message"]) == ("error", 409, "not there")
    fake.error = None
    assert service.get("/runs").json()[0]["state"] == "refused"


def test_who_goes_away_from_the_queue_is_not_replayed(service: httpx.Client, fake: FakeEngine) -> None:
    begin(service, "first")
    with socket.create_connection((service.base_url.host, service.base_url.port)) as caller:
        caller.sendall(b"POST /run/second HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")
        wait_until(lambda: len(service.get("/runs").json()) == 2, "the second run is queued")
    wait_until(lambda: "interrupted" in service.get("/runs").text, "its caller is missed")
    assert [(run["profile"], run["state"]) for run in service.get("/runs").json()] == [
        ("first", "running"),
        ("second", "interrupted"),
    ]
    fake.go.set()
    last = begin(service, "third")
    assert told(service.get(f"/runs/{last}/events", headers=LINES))[-1] == "report"
    assert [slug for slug, _, _ in fake.calls] == ["first", "third"]


def test_a_limit_that_is_none_is_refused_at_the_start(tmp_path: Path) -> None:
    for wrong in ("x", "1.5", "-1"):
        with pytest.raises(BadSetting, match=f"PROFILE_PLAYBACK_RUNS is {wrong!r}"):
            create_app({"PROFILE_PLAYBACK_RUNS": wrong})
    command = [sys.executable, "-m", "playback.service", "--port", "{port}"]
    server = Server(command, env={"PROFILE_DATA_ROOT": str(tmp_path), "PROFILE_PLAYBACK_RUNS": "0"})
    with pytest.raises(AssertionError, match="ended before it answered"):
        server.start()
    assert server.output == "PROFILE_PLAYBACK_RUNS is '0'; set it to a whole number from 1 on, such as 4.\n"


# ----------------------------------------------------------------------------------------------------- cancelling


def test_a_queued_run_is_cancelled_at_once(service: httpx.Client, fake: FakeEngine) -> None:
    first, second = begin(service, "first"), begin(service, "second")
    cancelled = service.post(f"/runs/{second}/cancel")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "interrupted")
    assert cancelled.json()["report"]["error"] == "The run was cancelled while it was queued."
    assert "report.json" in service.get(f"/runs/{second}/files/").json()
    assert service.get(f"/runs/{first}").json()["state"] == "running"
    again = service.post(f"/runs/{second}/cancel")
    assert (again.status_code, again.json()["detail"]) == (409, f"Run {second} has already ended; see /runs/{second}.")
    assert service.post("/runs/nothing/cancel").status_code == 404
    fake.go.set()
    service.get(f"/runs/{first}/events")
    assert len(fake.calls) == 1


WAITS = {
    "a status": "path: /start\n    wait: {type: status_poll, endpoint: /state, success_state: finished, interval: 60, timeout: 90}",
    "a poll": "path: /state\n    wait: {type: poll, interval: 60, timeout: 90, until: {json: status, equals: finished}}",
    "a job": "path: /start\n    wait: {type: job, job: j1, timeout: 90}",
    "a file": "path: /start\n    wait: {type: file, path: out/never.txt, timeout: 90}",
    "an answer": "path: /slow",
    "a pause": "path: /start\n    method: POST\n    settle: 90",
    "a command": "action: command\n    command: [sleep, '90']\n    timeout: 95",
}


@pytest.fixture
def site() -> Iterator[Site]:
    """An application in which nothing comes to an end; what is asked of it is noted."""
    over = threading.Event()

    def slow(sent: str) -> Answer:
        site.asked.add("/slow")
        over.wait(120)
        return Answer({})

    def note(path: str, body: dict[str, Any]) -> None:
        def route(sent: str) -> Answer:
            site.asked.add(path)
            return Answer(body)

        site.routes[path] = route

    class Noting(Site):
        asked: set[str]

    site = Noting({"/slow": slow})
    site.asked = set()
    for path, body in (
        ("/start", {}),
        ("/state", {"status": "started"}),
        ("/rq/api/jobstatus/j1", {"status": "started"}),
    ):
        note(path, body)
    with site:
        yield site
        over.set()


def promote_one_that_waits(data_root: Path, step: str) -> None:
    text = f"metadata: {{slug: shop, run: clone}}\nsteps:\n  - id: it\n    {step}\n"
    profile(data_root, text, {"seed/run/main.cfg": "[run]\n"})


def wait_for_the_wait(asked: set[str], step: str) -> None:
    """Return when the step has come to what it waits for, or has asked for something just before."""
    asks = {"settle": None, "/slow": "/slow", "/state": "/state", "j1": "/rq/api/jobstatus/j1", "/start": "/start"}
    path = next((path for word, path in asks.items() if word in step), None)  # a pause comes before its request
    wait_until(lambda: path is None or path in asked, "the wait begins")


@pytest.mark.parametrize("wait", WAITS)
def test_a_running_one_ends_soon_whatever_it_waits_for(
    wait: str, tmp_path: Path, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("playback.session._LONGEST_QUIET", 90.0)
    promote_one_that_waits(tmp_path, WAITS[wait])
    environ = {
        "PATH": os.environ["PATH"],
        "PROFILE_DATA_ROOT": str(tmp_path),
        "PROFILE_PLAYBACK_BASE_URL": site.url,
        "PROFILE_PLAYBACK_COMMANDS": "sleep",
    }
    with serving(environ) as url, httpx.Client(base_url=url, timeout=60) as client:
        run_id = begin(client, "shop")
        workspace = tmp_path / "playback_runs" / run_id
        wait_for_the_wait(site.asked, WAITS[wait])
        wait_until((workspace / "main.cfg").is_file, "its workspace is there")
        began = time.monotonic()
        ended = client.post(f"/runs/{run_id}/cancel").json()
        assert time.monotonic() - began < IN_A_MOMENT
        assert (ended["state"], ended["result"], ended["report"]["error"]) == ("interrupted", "interrupted", None)
        assert not workspace.exists()
        assert client.get(f"/runs/{run_id}/events", headers=LINES).text.count('"event": "report"') == 1
        kept = client.get(f"/runs/{run_id}/files/report.json").json()
        assert kept["result"] == "interrupted"


def test_the_recorder_is_never_asked_to_wait_for_long() -> None:
    """It would hold the request, and the replay with it, after everybody has lost interest."""
    waits: list[float] = []

    def answer(request: httpx.Request) -> httpx.Response:
        waits.append(float(request.url.params["wait"]))
        return httpx.Response(200, headers={"X-Recorder": "1"}, json={"id": "j1", "status": "finished", "children": []})

    target = Target("http://127.0.0.1:1", "", "http://127.0.0.1:1", "127.0.0.1", 1)
    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        RecorderJobs(target, http, "/recorder", "token").look("j1", 60.0)
    assert waits
    assert max(waits) <= 1.0


# ------------------------------------------------------------------------------------------------ following again


def test_a_listener_goes_on_where_it_was(service: httpx.Client, fake: FakeEngine) -> None:
    run_id = begin(service, "first")
    with service.stream("GET", f"/runs/{run_id}/events", headers=LINES) as answer:
        first = json.loads(next(answer.iter_lines()))
    assert first["seq"] == 1
    assert service.get(f"/runs/{run_id}").json()["state"] == "running", "a listener who leaves ends nothing"
    fake.go.set()
    rest = service.get(f"/runs/{run_id}/events?after=1", headers=LINES)
    assert told(rest) == ["step_started", "step_finished", "report"]
    assert service.get(f"/runs/{run_id}/events?after=3").text.startswith("id: 4\nevent: report\n")
    both = service.get(f"/runs/{run_id}/events?after=1", headers={"Last-Event-ID": "3"})
    assert both.text.startswith("id: 4\n"), "the EventSource that comes back has seen more than its address says"
    for seen in ("4", "1000000000"):
        assert service.get(f"/runs/{run_id}/events?after={seen}").status_code == 204
    for odd in ("²", "-1", "x", "9" * 30):
        headers = {"Last-Event-ID": odd.encode("latin-1").decode("latin-1")} if odd.isascii() else {}
        assert service.get(f"/runs/{run_id}/events", headers=headers).text.startswith("id: 1\n")
    for wrong in ("-1", "x", "1e3", "9" * 30):
        answer = service.get(f"/runs/{run_id}/events?after={wrong}")
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
        assert answer.json()["detail"].startswith("'after': ")


def test_of_a_run_of_an_earlier_service_the_report_is_left(fake: FakeEngine, tmp_path: Path) -> None:
    promote(tmp_path, "first")
    fake.go.set()
    environ = {"PROFILE_DATA_ROOT": str(tmp_path)}
    with serving(environ) as url, httpx.Client(base_url=url) as client:
        run_id = begin(client, "first")
        seen = len(told(client.get(f"/runs/{run_id}/events", headers=LINES)))
    with serving(environ) as url, httpx.Client(base_url=url) as client:
        left = client.get(f"/runs/{run_id}/events", headers={"Last-Event-ID": str(seen)})
        assert left.text.startswith("id: 1000000000\nevent: report\n")
        again = client.get(f"/runs/{run_id}/events", headers={"Last-Event-ID": "1000000000"})
        assert again.status_code == 204, "it would come back for ever"
        assert client.post(f"/runs/{run_id}/cancel").status_code == 409


# ---------------------------------------------------------------------------------------------------- cut off


def test_what_a_killed_service_was_at_is_interrupted(tmp_path: Path, site: Any) -> None:
    """The one that was replayed, and the one that was queued; both in the middle of something that takes a minute."""
    promote_one_that_waits(tmp_path, WAITS["an answer"])
    command = [sys.executable, "-m", "playback.service", "--port", "{port}"]
    environ = {
        "PROFILE_DATA_ROOT": str(tmp_path),
        "PROFILE_PLAYBACK_BASE_URL": site.url,
        "PROFILE_PLAYBACK_RUNS": "1",
        "PROFILE_PLAYBACK_RUN_ROOT": str(tmp_path / "elsewhere"),
    }
    with (
        Server(command, path="/health", env=environ) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        ids = [begin(client, "shop"), begin(client, "shop")]
        wait_for_the_wait(site.asked, WAITS["an answer"])
        workspace = tmp_path / "elsewhere" / ids[0]
        assert (workspace / "main.cfg").is_file()
        os.kill(server.pid, signal.SIGKILL)
        server.stop()
        assert workspace.exists()
        server.start()
        for run_id in ids:
            document = client.get(f"/runs/{run_id}").json()
            assert (document["state"], document["result"]) == ("interrupted", "interrupted")
            assert document["report"]["error"] == "The playback service ended before the verdict; start the run again."
            assert f'"run_id": "{run_id}"' in client.get(f"/runs/{run_id}/events", headers=LINES).text
        assert not workspace.exists()
        assert sorted(run["run_id"] for run in client.get("/runs").json()) == sorted(ids)
        log = (tmp_path / "playback_runs" / "profile_playback.log").read_text()
        assert log.count("was cut off: interrupted") == 2
    assert list((tmp_path / "playback_runs" / ".under_way").iterdir()) == []


def test_a_service_that_is_told_to_end_ends_its_runs(tmp_path: Path, site: Any) -> None:
    """Within its ten seconds, with the report that the engine itself writes."""
    promote_one_that_waits(tmp_path, WAITS["an answer"])
    command = [sys.executable, "-m", "playback.service", "--port", "{port}"]
    environ = {"PROFILE_DATA_ROOT": str(tmp_path), "PROFILE_PLAYBACK_BASE_URL": site.url, "PROFILE_PLAYBACK_RUNS": "1"}
    with (
        Server(command, path="/health", env=environ) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        ids = [begin(client, "shop"), begin(client, "shop")]
        wait_for_the_wait(site.asked, WAITS["an answer"])
        server.stop()
        assert "Traceback" not in server.output
    reports = [json.loads(path.read_text()) for path in (tmp_path / "profiles/results/shop").glob("*/report.json")]
    assert sorted(report["run_id"].rpartition(";")[2] for report in reports) == sorted(ids)
    assert {(report["result"], report["error"]) for report in reports} == {
        ("interrupted", None),
        ("interrupted", "The run was cancelled while it was queued."),
    }
    assert list((tmp_path / "playback_runs" / ".under_way").iterdir()) == []
    assert not (tmp_path / "playback_runs" / ids[0]).exists()


def test_what_another_service_is_at_is_left_alone(fake: FakeEngine, tmp_path: Path) -> None:
    promote(tmp_path, "first")
    environ = {"PROFILE_DATA_ROOT": str(tmp_path)}
    with serving(environ) as url, httpx.Client(base_url=url) as client:
        run_id = begin(client, "first")
        workspace = tmp_path / "playback_runs" / run_id
        workspace.mkdir()
        with serving(environ) as other:
            assert httpx.get(f"{other}/runs/{run_id}").status_code == 404
        assert workspace.exists()
        fake.go.set()
        assert told(client.get(f"/runs/{run_id}/events", headers=LINES))[-1] == "report"


def test_a_workspace_that_was_kept_for_its_reason_is_not_taken_away(tmp_path: Path) -> None:
    """Killed between the report, which is red, and the end of the run."""
    run_id = "ab" * 16
    report = {"profile": "first", "run_id": f"profile;;tmp;;{run_id}", "result": "failed"}
    kept = tmp_path / "profiles/results/first/20261120T104106.123Z/report.json"
    kept.parent.mkdir(parents=True)
    kept.write_text(json.dumps(report))
    workspace = tmp_path / "playback_runs" / run_id
    workspace.mkdir(parents=True)
    Claim(tmp_path, Entry(run_id, "first", "2026-11-20T10:41:06.123Z", str(workspace.parent)))._file.close()
    (tmp_path / "playback_runs/.under_way/odd.json").write_text('{"run_id": "../../x"}')
    with serving({"PROFILE_DATA_ROOT": str(tmp_path)}) as url:
        assert httpx.get(f"{url}/runs/{run_id}").json()["state"] == "finished"
    assert workspace.exists()
    assert list((tmp_path / "playback_runs/.under_way").iterdir()) == []


def test_old_workspaces_go_while_the_service_runs_and_drafts_stay(fake: FakeEngine, tmp_path: Path) -> None:
    promote(tmp_path, "first")
    old = tmp_path / "playback_runs" / ("cd" * 16)
    old.mkdir(parents=True)
    draft = tmp_path / "profiles/_drafts/shop/status.json"
    draft.parent.mkdir(parents=True)
    draft.write_text(json.dumps({"state": "ready", "steps": 1, "made": 0}))
    with serving({"PROFILE_DATA_ROOT": str(tmp_path), "PROFILE_PLAYBACK_KEEP_DAYS": "0"}):
        wait_until(lambda: not old.exists(), "the service looks after its workspaces")
    assert draft.exists()
