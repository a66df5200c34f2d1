"""The catalogue: what it shows, filters and sorts, and what it starts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from playback.web import records
from tests.playback.pages import attributes, keep, texts
from tests.playback.serving import FakeEngine, promote, serving
from tests.support import wait_until

NAMES = "table.profiles tbody th .name"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    promote(tmp_path, "alpine", "Snow in spring", "climate, snow")
    promote(tmp_path, "burned", "After a fire", "climate, fire")
    promote(tmp_path, "coast", "At the sea", "salt")
    for number in range(6):
        keep(tmp_path, "alpine", number, duration_s=10.0 + number)
    keep(tmp_path, "burned", 7, duration_s=99.0)
    keep(tmp_path, "burned", 8, "failed", duration_s=50.0)
    return tmp_path


@pytest.fixture
def service(root: Path, fake: FakeEngine) -> Iterator[httpx.Client]:
    with serving({"PROFILE_DATA_ROOT": str(root)}) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def test_every_profile_with_its_last_verdict_duration_and_trend(service: httpx.Client) -> None:
    page = service.get("/")
    assert texts(page, NAMES) == ["alpine", "burned", "coast"]
    rows = texts(page, "table.profiles tbody tr")
    assert "Snow in spring passed" in rows[0]
    assert "15.0 s" in rows[0]
    assert "failed" in rows[1]
    assert "50.0 s" in rows[1]
    assert "never run" in rows[2]
    said = attributes(page, "svg.trend", "aria-label")
    assert said == [
        "The last 6 runs took 10.0 to 15.0 s; none did not pass.",
        "The last 2 runs took 50.0 to 99.0 s; 1 did not pass.",
    ]
    assert len(texts(page, "svg.trend .bad")) == 1


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("q=SPRING", ["alpine"]),
        ("q=climate+burn", ["burned"]),
        ("tag=climate", ["alpine", "burned"]),
        ("verdict=failed", ["burned"]),
        ("verdict=never", ["coast"]),
        ("sort=verdict", ["burned", "coast", "alpine"]),
        ("sort=newest", ["burned", "alpine", "coast"]),
        ("sort=slowest", ["burned", "alpine", "coast"]),
        ("sort=zzz&page=9e9", ["alpine", "burned", "coast"]),
        ("q=nothing", []),
    ],
)
def test_filters_and_orders_without_script(service: httpx.Client, query: str, names: list[str]) -> None:
    assert texts(service.get(f"/?{query}"), NAMES) == names


def test_many_profiles_are_paged_and_keep_the_choice(tmp_path: Path, fake: FakeEngine) -> None:
    for number in range(120):
        promote(tmp_path, f"profile-{number:03d}", tags="many")
    with serving({"PROFILE_DATA_ROOT": str(tmp_path)}) as url:
        page = httpx.get(f"{url}/?tag=many&page=3", timeout=60)
        assert texts(page, NAMES) == [f"profile-{number}" for number in range(100, 120)]
        assert "101–120 of 120 profiles" in texts(page, ".pager")[0]
        assert "/?tag=many&page=2" in attributes(page, ".pager a[rel=prev]", "href")
        assert texts(httpx.get(f"{url}/?page=99999999", timeout=60), NAMES)[:1] == ["profile-000"]


def test_a_profile_that_cannot_be_read_says_why(service: httpx.Client, root: Path) -> None:
    (root / "profiles" / "broken").mkdir()
    (root / "profiles" / "broken" / "profile.yaml").write_text("metadata:\n  slug: broken\n  titel: x\n")
    assert any("did you mean 'title'?" in row for row in texts(service.get("/"), "table.profiles tbody tr"))


def test_drafts_wait_with_their_age_and_expiry(service: httpx.Client, root: Path) -> None:
    for slug, age, problems in (("fresh", 2, []), ("late", 26, ["a file is missing"]), ("old", 40, [])):
        folder = root / "profiles" / "_drafts" / slug
        folder.mkdir(parents=True)
        made = (datetime.now(UTC) - timedelta(days=age)).timestamp()
        (folder / "status.json").write_text(
            json.dumps({"state": "ready", "steps": 3, "made": made, "problems": problems})
        )
    cards = texts(service.get("/"), ".drafts .card")
    assert cards == [
        "old ready 3 steps · made 1 mo ago · expired",
        "late 1 question open 3 steps · made 26 d ago · expires in 3 days",
        "fresh ready 3 steps · made 2 d ago · expires in 27 days",
    ]


def test_nothing_promoted_yet(tmp_path: Path, fake: FakeEngine) -> None:
    with serving({"PROFILE_DATA_ROOT": str(tmp_path)}) as url:
        assert "No profile has been promoted yet" in httpx.get(url).text


# ---------------------------------------------------------------------- what is started


def test_one_profile_is_run_and_its_page_shown(service: httpx.Client, fake: FakeEngine) -> None:
    answer = service.post("/ui/run", data={"slug": "coast", "base_url": "http://127.0.0.1:1", "keep_going": "1"})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/ui/runs/")
    wait_until(lambda: fake.calls, "the run begins")
    slug, options, _ = fake.calls[0]
    assert (slug, options.base_url, options.keep_going, options.keep) == ("coast", "http://127.0.0.1:1", True, False)


def test_several_and_those_of_a_tag_are_run(service: httpx.Client, fake: FakeEngine) -> None:
    assert service.post("/ui/run", data={"slug": ["coast", "alpine", "coast"]}).headers["location"] == "/ui/runs"
    wait_until(lambda: len(fake.calls) == 2, "both run")
    service.post("/ui/run", data={"tag": "climate"})
    wait_until(lambda: len(fake.calls) == 4, "both of the tag run")
    assert sorted(slug for slug, _, _ in fake.calls) == ["alpine", "alpine", "burned", "coast"]


@pytest.mark.parametrize(
    ("form", "status", "sentence"),
    [
        ({}, 422, "Nothing was chosen"),
        ({"tag": "zzz"}, 422, "Nothing was chosen"),
        ({"slug": ["coast", "cost"]}, 404, "did you mean 'coast'?"),
        ({"slug": "../x"}, 404, "../x"),
        ({"slug": "x" * 70_000}, 422, "larger than 65536 bytes"),
        ({"slug": [str(n) for n in range(3000)]}, 422, "cannot be read"),
    ],
)
def test_what_cannot_be_run_is_a_sentence(
    service: httpx.Client, fake: FakeEngine, form: dict[str, object], status: int, sentence: str
) -> None:
    answer = service.post("/ui/run", data=form)
    assert answer.status_code == status
    assert sentence in texts(answer, ".lead")[0]
    assert fake.calls == []


def test_a_list_does_not_read_the_steps_of_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalogue of profiles with thousands of steps is as quick as one of small ones."""
    keep(tmp_path, "long", 1)
    path = next((tmp_path / "profiles" / "results").glob("*/*/report.json"))
    path.write_bytes(path.read_bytes() + b" " * (4 << 20) + b"}")  # the end is no JSON: nobody gets there
    monkeypatch.setattr(records, "_HEAD", 16 << 10)
    (summary,) = records.Records(tmp_path).history("long")
    assert (summary.result, summary.masked, summary.compared) == ("passed", 4, 120)


def test_a_report_is_read_again_when_it_changes(tmp_path: Path) -> None:
    keep(tmp_path, "some", 1)
    known = records.Records(tmp_path)
    assert known.history("some")[0].result == "passed"
    path = known.history("some")[0].folder / "report.json"
    path.write_text(path.read_text().replace('"passed"', '"failed"', 1) + f"\n{time.monotonic_ns()}")
    assert known.history("some")[0].result == "failed"
