"""The page of a run: while it goes on, when it is over, and when it is very long."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from assembler.profile import Profile
from playback import results
from playback.comparators import compare
from playback.errors import TargetRefused
from playback.evidence import Evidence, KeyFile, Told
from playback.report import ComparisonOutcome, JobOutcome, Mismatch, StepOutcome
from playback.web.run_live import follow
from tests.playback.pages import HARM, attributes, keep, texts
from tests.playback.rasters import BASE, changed
from tests.playback.rasters import write as write_raster
from tests.playback.reports import failed, passed
from tests.playback.serving import FakeEngine, promote, serving
from tests.support import wait_until


@pytest.fixture
def service(tmp_path: Path, fake: FakeEngine) -> Iterator[httpx.Client]:
    promote(tmp_path, "shop", "A shop")
    environ = {"PROFILE_DATA_ROOT": str(tmp_path), "PROFILE_PLAYBACK_RUNS": "1"}
    with serving(environ) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client
        fake.go.set()


def begin(service: httpx.Client) -> str:
    """Start a run from the page; returns the address of its page."""
    return str(service.post("/ui/run", data={"slug": "shop"}).headers["location"])


# ---------------------------------------------------------------------- while it goes on


def test_a_run_that_goes_on_can_be_read_without_script(service: httpx.Client, fake: FakeEngine) -> None:
    fake.go.clear()
    address = begin(service)
    wait_until(lambda: "0 of 1 steps done" in service.get(address).text, "the first step begins")
    page = service.get(address)
    assert texts(page, "#state .verdict") == ["running"]
    assert texts(page, "#progress .current") == ["home GET /"]
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in page.text
    assert attributes(page, "#run", "data-events") == [address.replace("/ui", "") + "/events"]
    assert int(attributes(page, "#run", "data-after")[0] or 0) == 2
    second = begin(service)
    assert texts(service.get(second), "#state") == ["queued It is the next one."]
    assert "It waits for its turn; 1 other wait" in service.get(begin(service)).text
    assert [row.split()[1] for row in texts(service.get("/ui/runs"), "tbody tr")] == ["queued", "queued", "running"]
    assert texts(service.get("/"), ".now li")[0].startswith("queued shop")
    fake.go.set()
    wait_until(lambda: texts(service.get(address), "#state .verdict") == ["passed"], "it passes")
    assert not attributes(service.get(address), "#run[data-events]", "id")


def test_it_can_be_cancelled(service: httpx.Client, fake: FakeEngine) -> None:
    fake.go.clear()
    address = begin(service)
    answer = service.post(f"{address}/cancel")
    assert (answer.status_code, answer.headers["location"]) == (303, address)
    assert texts(service.get(address), "#state .verdict") == ["interrupted"]
    assert fake.cancelled.is_set()
    assert service.post("/ui/runs/nothing/cancel").status_code == 404


def test_one_that_was_refused_says_why(service: httpx.Client, fake: FakeEngine) -> None:
    fake.error = TargetRefused("The target is production.")
    address = begin(service)
    wait_until(lambda: texts(service.get(address), "#state") == ["refused The target is production."], "it is refused")


EVENTS = [
    {"event": "run_started", "run_id": "x"},
    {"event": "step_started", "id": "order", "method": "POST", "path": "/orders", "index": 1, "of": 2},
    {"event": "wait_started", "id": "order", "job": "j1", "limit_s": 30.0},
    {"event": "jobs", "id": "order", "tree": {"id": "j1", "function": "bill", "status": "started", "children": [
        {"id": "j2", "function": "mail", "status": "queued", "queue": "slow", "children": []}]}},
]  # fmt: skip
PROFILE = Profile.model_validate(
    {"metadata": {"slug": "shop"}, "prologue": [{"id": "login", "path": "/"}], "steps": [
        {"id": "home", "path": "/"}, {"id": "order", "method": "POST", "path": "/orders"}]}
)  # fmt: skip


def test_events_tell_steps_waits_and_job_trees() -> None:
    told = follow(EVENTS, PROFILE)
    assert [(step.id, step.result) for step in told.steps] == [("home", "pending"), ("order", "running")]
    assert told.waits == {"order": {"j1": 30.0}}
    (tree,) = told.steps[1].jobs
    assert (tree.function, tree.status) == ("bill", "started")
    assert [(job.function, job.status, job.queue) for job in tree.children] == [("mail", "queued", "slow")]
    end = {"event": "step_finished", "id": "order", "index": 1, "of": 2, "result": "failed", "status": 500}
    done = follow([*EVENTS, end], PROFILE)
    assert (done.steps[1].result, done.steps[1].status, done.done, done.waits) == ("failed", 500, 1, {})


def test_events_of_a_profile_that_is_gone() -> None:
    assert [step.id for step in follow(EVENTS, None).steps] == ["…", "order"]
    assert follow([], PROFILE).current == []


# ---------------------------------------------------------------------- when it is over


def kept_failure(root: Path) -> str:
    """A failed run with everything that may explain one; returns its id."""
    report = failed(profile="shop", run_id=f"profile;;tmp;;{'a' * 32}")
    report.steps[1].mismatches = [Mismatch("body:/soil/loss", 12.5, 12.75), Mismatch("status", 200, 500, "Oh no")]
    for name in ("expected.tif", "actual.tif"):
        write_raster(root / name, BASE if name == "expected.tif" else changed(((0, 5, 5), 99.5)))
    found = compare("raster_stats", root / "expected.tif", root / "actual.tif", {}, root / "pictures" / "1")
    picture = str(found.pictures[0])
    report.comparisons += [
        ComparisonOutcome("map.tif", "raster_stats", "failed", found.summary, list(found.details), [picture]),
        ComparisonOutcome("rows.csv", "tabular_diff", "failed", "1 row differs"),
        ComparisonOutcome("same.txt", "exact_hash", "passed", "alike"),
    ]
    contents = {"output/summary.json": ('{"loss": 12.5, "n": 1}', '{"loss": 12.7, "n": 1}')}
    contents["rows.csv"] = ("id,t\n1,5\n2,6\n", "id,t\n1,5\n2,7\n")
    expected = '{"soil": {"loss": 12.5}, "made": "2020"}'
    actual = expected.replace("12.5", "12.75").replace("2020", "2026")
    evidence = Evidence(
        expected=expected.encode(), diff=["--- expected", "+++ actual", "@@ -1 +1 @@", "-12.5", "+12.75"]
    )
    evidence.exchanges = [Told("run-wepp", "POST /runs/x", f"HTTP 500\ncontent-type: application/json\n\n{actual}", 40)]
    evidence.look_at_files(report, root, root)
    for target, both in contents.items():
        sides = []
        for side, text in zip(("expected", "actual"), both, strict=True):
            sides.append(root / side / target)
            sides[-1].parent.mkdir(parents=True, exist_ok=True)
            sides[-1].write_text(text)
        evidence.files.append(KeyFile(target, *sides))
    results.write(report, root, evidence)
    return "a" * 32


def test_a_failure_with_everything_that_explains_it(service: httpx.Client, tmp_path: Path) -> None:
    run_id = kept_failure(tmp_path)
    page = service.get(f"/ui/runs/{run_id}")
    assert texts(page, "#state .verdict") == ["failed"]
    assert texts(page, ".found tbody tr") == ["body:/soil/loss 12.5 12. 7 5", "status 2 00 5 00 Oh no"]
    # The tree marks what the comparison found, not what is only another value of this run.
    assert texts(page, "#failed-2 .json .leaf.changed") == ["loss − expected 12.5 + actual 12.75"]
    assert texts(page, "#failed-2 .json .leaf.same") == ['made "2026"']
    assert texts(page, "#lines-2 tr.changed") == ["1 − 12.5 1 + 12. 7 5"]
    assert texts(page, "#curl-2") == ["curl -X POST http://127.0.0.1:5000/runs/x/rusle-10m/run"]
    assert "ZeroDivisionError" in texts(page, ".job-failed pre")[0]
    assert "#failed-2" in attributes(page, "#steps a", "href")
    cards = texts(page, "section[aria-labelledby=files] article")
    assert [card.split()[1] for card in cards] == ["output/summary.json", "map.tif", "rows.csv"]
    assert "loss − expected 12.5 + actual 12.7 n 1" in cards[0]
    assert "3 2 expected 6 actual 7" in cards[2]
    assert len(texts(page, ".panels svg")) == 3
    assert attributes(page, "[data-slider] input", "type") == ["range"]


def test_pictures_and_nothing_else_are_shown(service: httpx.Client, tmp_path: Path) -> None:
    run_id = kept_failure(tmp_path)
    (address,) = set(attributes(service.get(f"/ui/runs/{run_id}"), ".panels image", "href"))
    answer = service.get(str(address))
    assert (answer.status_code, answer.headers["content-type"], answer.content[:4]) == (200, "image/png", b"\x89PNG")
    for bad in ("..%2F..%2Freport.json", "%2e%2e%2fx.png", "nothing.png", "x%2Fy.png"):
        assert service.get(f"/ui/runs/{run_id}/pictures/{bad}").status_code == 404


def test_all_of_its_files_are_downloads(service: httpx.Client, tmp_path: Path) -> None:
    run_id = kept_failure(tmp_path)
    listed = attributes(service.get(f"/ui/runs/{run_id}"), ".files a", "href")
    assert f"/runs/{run_id}/files/diagnostics/answer.txt" in listed
    for address in listed:
        answer = service.get(str(address))
        assert answer.status_code == 200, address
        assert str(address).endswith("/report.html") or "attachment" in answer.headers["content-disposition"]


def test_no_verdict_says_why(service: httpx.Client, tmp_path: Path) -> None:
    run_id = keep(tmp_path, "shop", 1, "error", error="No RQ worker listens on wepp.")
    assert texts(service.get(f"/ui/runs/{run_id}"), "#state") == ["error No RQ worker listens on wepp."]


def test_the_log_is_that_of_this_run(service: httpx.Client, fake: FakeEngine) -> None:
    first, second = begin(service), begin(service)
    wait_until(lambda: texts(service.get(second), "#state .verdict") == ["passed"], "both pass")
    lines = texts(service.get(second), "#log pre")[0]
    assert second[-32:][:8] in lines
    assert first[-32:][:8] not in lines


def test_unknown_runs(service: httpx.Client) -> None:
    for address in ("/ui/runs/nothing", "/ui/runs/%3Cscript%3E", "/ui/runs/nothing/pictures/x.png"):
        assert service.get(address).status_code == 404
    assert "<script>" not in service.get("/ui/runs/%3Cscript%3E").text


def test_a_report_that_was_written_by_nobody_we_know(service: httpx.Client, tmp_path: Path) -> None:
    folder = tmp_path / "profiles" / "results" / "shop" / "20261120T104106.123Z"
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps({"run_id": "b" * 32, "profile": 7, "result": [], "masked": "x"}))
    assert service.get("/").status_code == 200
    assert service.get(f"/ui/runs/{'b' * 32}").status_code in (200, 404)
    (folder / "report.json").write_text("[]")
    assert service.get("/ui/runs").status_code == 200


# ---------------------------------------------------------------------- when it is very long


def long_run(root: Path, slug: str, steps: int, number: int) -> str:
    """A run of so many steps, the one before the last of which failed."""
    report = passed(profile=slug, run_id=f"profile;;tmp;;{number:032x}", result="failed", failing_step=f"s{steps - 2}")
    job = [JobOutcome("4f2c", "tasks.run_wepp", "finished", 800.0)]
    report.steps = [
        StepOutcome(f"s{n}", "GET", f"/runs/x/{n}", 200, 200, "failed" if n == steps - 2 else "passed", 1.0, 0.0, job)
        for n in range(steps)
    ]
    report.steps[-2].mismatches = [Mismatch("body", n, n + 1) for n in range(100)]
    results.write(report, root)
    return f"{number:032x}"


def test_two_thousand_steps_are_paged(service: httpx.Client, tmp_path: Path) -> None:
    run_id = long_run(tmp_path, "shop", 2000, 1)
    first = service.get(f"/ui/runs/{run_id}")
    assert [len(texts(first, "#steps tbody tr")), texts(first, "#steps .pager .soft")] == [50, ["1–50 of 2,000 steps"]]
    last = service.get(f"/ui/runs/{run_id}?page=40")
    assert texts(last, "#steps tbody tr")[-2].startswith("1999 s1998 GET /runs/x/1998 failed")
    only = service.get(f"/ui/runs/{run_id}?show=failed")
    assert len(texts(only, "#steps tbody tr")) == 1
    assert len(texts(first, "#jobs .jobs")) == 50
    assert "… and 1,950 more that finished" in first.text


def test_its_first_screen_is_not_larger_than_that_of_a_short_one(service: httpx.Client, tmp_path: Path) -> None:
    short, long = (long_run(tmp_path, "shop", steps, number) for number, steps in ((1, 100), (2, 2000)))
    sizes = [len(service.get(f"/ui/runs/{run_id}").content) for run_id in (short, long)]
    assert sizes[1] < 1.1 * sizes[0]

    def took(run_id: str) -> float:
        began = time.process_time()  # of all threads, and so of the service
        service.get(f"/ui/runs/{run_id}")
        return time.process_time() - began

    pairs = [(took(short), took(long)) for _ in range(5)]
    assert min(pair[1] for pair in pairs) < 4 * min(pair[0] for pair in pairs)


# ---------------------------------------------------------------------- hostile


def test_whatever_is_in_a_report_is_text(service: httpx.Client, tmp_path: Path) -> None:
    report = failed(
        profile="shop", run_id=f"profile;;tmp;;{'c' * 32}", error=HARM, base_url=HARM, notes=[HARM], failing_step=HARM
    )
    step = report.steps[1]
    step.id, step.path, step.method, step.note, step.curl = HARM, HARM, HARM, HARM, HARM
    step.mismatches = [Mismatch(HARM, HARM, {HARM: HARM}, HARM)]
    step.jobs = [JobOutcome(HARM, HARM, HARM, 1.0, HARM, [JobOutcome(HARM, HARM, "failed", error=HARM)], HARM)]
    report.masked.reasons = {HARM: 1}
    report.comparisons = [ComparisonOutcome("x.json", HARM, HARM, HARM, [HARM, "--- x"], ["pictures/x.png"])]
    evidence = Evidence(
        expected=HARM.encode("utf-8", "replace"), diff=["--- a", "+++ b", "@@ -1 +1 @@", f"-{HARM}", f"+{HARM}x"]
    )
    evidence.exchanges = [Told(HARM, HARM, f"HTTP 200\n\n{HARM}", 4)]
    results.write(report, tmp_path, evidence)
    for address in (f"/ui/runs/{'c' * 32}", "/ui/runs", "/", "/ui/profiles/shop"):
        page = service.get(address)
        assert page.status_code == 200
        assert all(str(source).startswith("/ui/static/") for source in attributes(page, "script", "src")), address
        assert "OWNED" in page.text or address == "/"
        assert not attributes(page, "[onerror], img, iframe, object, [style]", "src"), address
        assert "\x1b" not in page.text
        assert "\u202e" not in page.text
