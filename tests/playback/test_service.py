"""The service over a real socket. The engine is a fake one here; what is tested is HTTP."""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from playback import engine
from playback.errors import BadProfile, TargetRefused, Unjudgeable, UnknownProfile
from playback.logbook import log_path
from playback.report import Mismatch
from tests.playback.reports import failed
from tests.playback.serving import FakeEngine, promote, serving
from tests.support import ROOT, Server, clean_environ, wait_until


@pytest.fixture
def service(fake: FakeEngine, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of the service over a data root with two profiles."""
    promote(tmp_path, "small-watershed", "Small <b>watershed</b>", "climate")
    promote(tmp_path, "other")
    with serving({"PROFILE_DATA_ROOT": str(tmp_path)}) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def test_it_is_well(service: httpx.Client) -> None:
    assert service.get("/health").json() == {"status": "ok"}


def test_a_verdict_is_an_answer(service: httpx.Client, fake: FakeEngine) -> None:
    fake.report = failed()
    answer = service.post("/run/small-watershed", json={"base_url": "http://127.0.0.1:1", "timeout": 5, "keep": True})
    assert answer.status_code == 200
    assert answer.json() == fake.report.as_json()
    slug, options, _ = fake.calls[0]
    assert (slug, options) == ("small-watershed", engine.Options(base_url="http://127.0.0.1:1", timeout=5, keep=True))


def test_no_body_is_needed(service: httpx.Client, fake: FakeEngine) -> None:
    assert service.post("/run/small-watershed").json()["result"] == "passed"
    assert fake.calls[0][1] == engine.Options()


def test_the_environment_of_the_data_root_reaches_the_engine(fake: FakeEngine, tmp_path: Path) -> None:
    promote(tmp_path, "other")
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / ".env").write_text("ADMIN_EMAIL=a@example.org\nADMIN_PASSWORD=x\n")
    environ = {"PROFILE_DATA_ROOT": str(tmp_path), "PROFILE_PLAYBACK_BASE_URL": "http://127.0.0.1:9"}
    with serving(environ) as url:
        httpx.post(f"{url}/run/other")
    assert fake.calls[0][2] == {**environ, "ADMIN_EMAIL": "a@example.org", "ADMIN_PASSWORD": "x"}


UNMEANT = [
    ({"base_ulr": "x"}, "unknown key 'base_ulr'; did you mean 'base_url'?"),
    ({"zzz": 1}, "unknown key 'zzz'; valid keys: base_url, cookie"),
    ({"timeout": -1}, "'timeout': input should be greater than 0"),
    ({"timeout": "5"}, "'timeout': input should be a valid number"),
    ({"verbose": "yes"}, "'verbose': input should be a valid boolean"),
    ([], "must be a JSON object"),
    ("x" * 70_000, "larger than 65536 bytes"),
]


def test_a_request_that_cannot_be_meant(service: httpx.Client, fake: FakeEngine) -> None:
    for body, sentence in UNMEANT:
        answer = service.post("/run/small-watershed", json=body)
        assert answer.status_code == 422
        assert sentence in answer.json()["detail"]
    assert fake.calls == []


@pytest.mark.parametrize("content", ["{", "[" * 30_000])
def test_a_body_that_is_no_json(service: httpx.Client, content: str) -> None:
    answer = service.post("/run/small-watershed", content=content)
    assert (answer.status_code, answer.json()["detail"][:20]) == (422, "The body is not JSON")


ACCEPTED = ["*/*", "application/x-ndjson", "text/event-stream"]
REFUSED = [
    (UnknownProfile("no such"), 404),
    (TargetRefused("not there"), 409),
    (BadProfile("bad seed"), 422),
    (Unjudgeable("no worker"), 500),
    (RuntimeError("oops"), 500),
]


def test_what_the_engine_refuses_is_a_status(service: httpx.Client, fake: FakeEngine) -> None:
    for (error, status), background, accept in itertools.product(REFUSED, [False, True], ACCEPTED):
        fake.error = error
        answer = service.post("/run/other", json={"background": background}, headers={"Accept": accept})
        assert (answer.status_code, answer.json()["detail"]) == (status, str(error))
        fake.error, fake.refusal = None, error  # as for a target that turns out to be production
        answer = service.post("/run/other", json={"background": background}, headers={"Accept": accept})
        assert (answer.status_code, answer.json()["detail"]) == (status, str(error))


def test_an_unknown_profile_is_404_and_names_the_nearest(service: httpx.Client, fake: FakeEngine) -> None:
    for slug in ("..%2Fother", "nothing", "results"):
        assert service.post(f"/run/{slug}").status_code == 404
    assert "did you mean 'small-watershed'?" in service.post("/run/small-watershet").json()["detail"]
    assert fake.calls == []


def test_odd_values_are_still_json(service: httpx.Client, fake: FakeEngine) -> None:
    fake.report.steps[0].mismatches = [Mismatch("body", float("nan"), {"a": [float("inf"), "\ud800", b"x"]})]
    for accept in ACCEPTED:
        answer = service.post("/run/other", headers={"Accept": accept})
        assert '"expected": "NaN"' in answer.text
        assert '["Infinity", "\\ud800", "b\'x\'"]' in answer.text


def test_progress_as_ndjson(service: httpx.Client, fake: FakeEngine) -> None:
    fake.go.clear()
    with service.stream("POST", "/run/other", headers={"Accept": "application/x-ndjson"}) as answer:
        assert answer.headers["content-type"] == "application/x-ndjson"
        lines = answer.iter_lines()
        assert json.loads(next(lines))["event"] == "run_started"  # while it still runs
        fake.go.set()
        events = [json.loads(line) for line in lines]
    assert [event["event"] for event in events] == ["step_started", "step_finished", "report"]
    assert events[-1]["report"] == fake.report.as_json()


def test_progress_as_server_sent_events(service: httpx.Client, fake: FakeEngine) -> None:
    answer = service.post("/run/other", headers={"Accept": "text/event-stream"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    first, second, third, fourth, rest = answer.text.split("\n\n")
    assert first.startswith("id: 1\nevent: run_started\ndata: {")
    assert second.startswith("id: 2\nevent: step_started\n")
    assert third.startswith("id: 3\nevent: step_finished\n")
    assert json.loads(fourth.partition("data: ")[2])["report"] == fake.report.as_json()
    assert rest == ""


def test_in_the_background_and_followed_later(service: httpx.Client, fake: FakeEngine) -> None:
    fake.go.clear()
    begun = service.post("/run/other", json={"background": True})
    run_id = begun.json()["run_id"]
    assert (begun.status_code, begun.headers["location"]) == (202, f"/runs/{run_id}")
    assert service.get(f"/runs/{run_id}").json()["state"] == "running"
    assert service.get(f"/runs/{run_id}/files/").status_code == 404
    fake.go.set()
    told = service.get(f"/runs/{run_id}/events").text
    assert [row for row in told.splitlines() if row.startswith("event:")] == [
        "event: run_started",
        "event: step_started",
        "event: step_finished",
        "event: report",
    ]
    again = service.get(f"/runs/{run_id}/events", headers={"Last-Event-ID": "3"})
    assert again.text.startswith("id: 4\nevent: report\n")
    assert service.get(f"/runs/{run_id}/events", headers={"Last-Event-ID": "4"}).status_code == 204
    document = service.get(f"/runs/{run_id}").json()
    assert (document["state"], document["result"], document["report"]) == ("finished", "passed", fake.report.as_json())
    assert fake.report.run_id == f"profile;;tmp;;{run_id}"
    assert service.get(f"/runs/{fake.report.run_id}").json() == document
    assert [(run["run_id"], run["state"]) for run in service.get("/runs").json()] == [(run_id, "finished")]


def test_a_run_of_an_earlier_service_is_still_there(fake: FakeEngine, tmp_path: Path) -> None:
    promote(tmp_path, "other")
    environ = {"PROFILE_DATA_ROOT": str(tmp_path)}
    with serving(environ) as url:
        run_id = httpx.post(f"{url}/run/other", json={"background": True}).json()["run_id"]
        before = [httpx.get(f"{url}/runs/{run_id}/events").status_code, httpx.get(f"{url}/runs/{run_id}").json()]
    with serving(environ) as url:
        assert httpx.get(f"{url}/runs/{run_id}").json() | {"started_at": None} == before[1] | {"started_at": None}
        assert [run["run_id"] for run in httpx.get(f"{url}/runs").json()] == [run_id]
        assert "report.json" in httpx.get(f"{url}/runs/{run_id}/files/").json()


def test_an_error_after_the_first_event_is_the_last_event(service: httpx.Client, fake: FakeEngine) -> None:
    fake.late = RuntimeError("oops")
    fake.go.clear()
    with service.stream("POST", "/run/other", headers={"Accept": "application/x-ndjson"}) as answer:
        assert answer.status_code == 200
        lines = answer.iter_lines()
        next(lines)
        fake.go.set()
        *_, last = [json.loads(line) for line in lines]
    assert (last["event"], last["message"]) == ("error", "The engine failed: RuntimeError: oops. Its log has more.")
    assert service.post("/run/other").status_code == 500


def test_several_runs_at_once(service: httpx.Client, fake: FakeEngine) -> None:
    fake.go.clear()
    begun = [service.post(f"/run/{slug}", json={"background": True}) for slug in ("other", "small-watershed", "other")]
    assert [answer.status_code for answer in begun] == [202, 202, 202]
    assert [run["state"] for run in service.get("/runs").json()] == ["running"] * 3
    fake.go.set()
    for answer in begun:
        assert "event: report" in service.get(f"/runs/{answer.json()['run_id']}/events").text


@pytest.mark.parametrize("accept", ACCEPTED)
def test_a_caller_who_leaves_takes_the_replay_along(accept: str, service: httpx.Client, fake: FakeEngine) -> None:
    fake.go.clear()
    address = (service.base_url.host, service.base_url.port)
    with socket.create_connection(address) as caller:
        caller.sendall(
            f"POST /run/other HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: {accept}\r\nContent-Length: 0\r\n\r\n".encode()
        )
        wait_until(lambda: service.get("/runs").json(), "the run begins")
    assert fake.cancelled.wait(60)


def test_a_background_run_outlives_its_caller(service: httpx.Client, fake: FakeEngine) -> None:
    fake.go.clear()
    service.post("/run/other", json={"background": True}, headers={"Connection": "close"})
    assert not fake.cancelled.wait(0.1)


def test_files_of_a_run(service: httpx.Client, fake: FakeEngine) -> None:
    fake.report = failed()
    begun = service.post("/run/other", json={"background": True}).json()
    base = f"/runs/{begun['run_id']}"
    service.get(f"{base}/events")
    names = service.get(f"{base}/files/").json()
    assert {"report.json", "junit.xml", "diagnostics/summary.txt"} <= set(names)
    answer = service.get(f"{base}/files/diagnostics/summary.txt")
    assert "FAILED at step run-wepp" in answer.text
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["content-disposition"].startswith("attachment")
    for escape in ("../report.json", "..%2f..%2f..%2fprofile.yaml", "%2Fetc%2Fpasswd", "nothing"):
        assert service.get(f"{base}/files/{escape}").status_code == 404
    assert service.get("/runs/nothing").status_code == 404
    assert service.get("/runs/nothing/events").status_code == 404


def test_profiles(service: httpx.Client, fake: FakeEngine, tmp_path: Path) -> None:
    (tmp_path / "profiles" / "broken").mkdir()
    (tmp_path / "profiles" / "broken" / "profile.yaml").write_text("- a list\n")
    service.post("/run/other")
    broken, other, small = service.get("/profiles").json()
    assert (broken["slug"], broken["steps"]) == ("broken", None)
    assert "profile.yaml" in broken["problem"]
    assert (other["slug"], other["last"]["result"]) == ("other", "passed")
    assert (small["slug"], small["title"], small["tags"]) == ("small-watershed", "Small <b>watershed</b>", ["climate"])
    assert small["last"] is None
    one = service.get("/profiles/other").json()
    assert one["document"]["steps"] == [{"id": "home", "path": "/"}]
    assert one["results"] == ["20261120T104106.123456Z"]
    assert "did you mean 'other'?" in service.get("/profiles/othr").json()["detail"]


def test_the_log_can_be_followed_and_holds_no_escape(service: httpx.Client, fake: FakeEngine, tmp_path: Path) -> None:
    fake.report = failed()
    service.post("/run/other", json={"verbose": True, "cookie": "session=hunter2"})
    log = log_path(tmp_path).read_text()
    assert "begins" in log
    assert "run_dir \\x1b[31m" in log
    assert "step home (1 of 1): passed, 200" in log
    assert "ZeroDivisionError" in log
    assert "\x1b" not in log
    assert "hunter2" not in log


# ---------------------------------------------------------------------------------------------------- access


def test_without_a_token_this_machine_may_and_a_rebound_name_may_not(service: httpx.Client) -> None:
    for host in ("127.0.0.1", "localhost:8070", "[::1]:8070"):
        assert service.get("/profiles", headers={"Host": host}).status_code == 200
    for host in ("rebound.example", "127.0.0.1.example:8070", "10.0.0.1", ""):
        answer = service.get("/profiles", headers={"Host": host})
        assert (answer.status_code, "is not this machine" in answer.text) == (403, True)


def test_a_foreign_page_starts_nothing(service: httpx.Client, fake: FakeEngine) -> None:
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
        assert service.post("/run/other", headers={"Origin": origin}).status_code == 403
    assert fake.calls == []
    assert service.post("/run/other", headers={"Origin": str(service.base_url).rstrip("/")}).status_code == 200


def test_with_a_token_everything_but_health_needs_it(fake: FakeEngine, tmp_path: Path) -> None:
    promote(tmp_path, "other")
    with serving({"PROFILE_DATA_ROOT": str(tmp_path), "PROFILE_PLAYBACK_TOKEN": "s3cret"}) as url:
        assert httpx.get(f"{url}/health").status_code == 200
        for method, path in (("GET", "/"), ("GET", "/profiles"), ("GET", "/openapi.json"), ("POST", "/run/other")):
            answer = httpx.request(method, url + path)
            assert answer.status_code == 401
            assert "PROFILE_PLAYBACK_TOKEN" in answer.json()["detail"]
        for wrong in ("Bearer other", "Bearer", "Basic !", "s3cret"):
            assert httpx.get(f"{url}/profiles", headers={"Authorization": wrong}).status_code == 401
        assert httpx.get(f"{url}/profiles", headers={"Authorization": "Bearer s3cret"}).status_code == 200
        assert httpx.get(f"{url}/profiles", auth=("anybody", "s3cret")).status_code == 200
        rebound = {"Authorization": "Bearer s3cret", "Host": "playback.example"}
        assert httpx.get(f"{url}/profiles", headers=rebound).status_code == 200


def test_without_a_token_it_listens_on_loopback_only() -> None:
    command = [sys.executable, "-m", "playback.service", "--host", "0.0.0.0", "--port", "0"]
    ran = subprocess.run(command, cwd=ROOT, env=clean_environ(), capture_output=True, text=True, timeout=180)
    assert ran.returncode == 2
    assert (
        ran.stderr.strip()
        == "Without PROFILE_PLAYBACK_TOKEN the service listens on loopback only, not on 0.0.0.0: set it."
    )


def test_the_module_serves(tmp_path: Path) -> None:
    promote(tmp_path, "other")
    command = [sys.executable, "-m", "playback.service", "--port", "{port}"]
    with Server(command, path="/health", env={"PROFILE_DATA_ROOT": str(tmp_path)}) as server:
        assert [entry["slug"] for entry in httpx.get(f"{server.url}/profiles").json()] == ["other"]
