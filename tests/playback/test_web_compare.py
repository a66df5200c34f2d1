"""Two runs of a profile side by side, and the profile beside its draft."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from playback.report import JobOutcome, Mismatch, StepOutcome
from tests.playback.pages import HARM, attributes, keep, texts
from tests.playback.serving import promote, serving
from tests.playback.test_web_drafts import drafted

PAGE = "/ui/compare/shop"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[httpx.Client]:
    promote(tmp_path, "shop")
    with serving({"PROFILE_DATA_ROOT": str(tmp_path)}) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def a_step(name: str, result: str = "passed", ms: float = 10.0, *places: str, status: int = 200) -> StepOutcome:
    found = [Mismatch(place, "was", f"now {place}") for place in places]
    return StepOutcome(name, "GET", "/", 200, status, result, ms, mismatches=found)


def test_the_last_two_runs(service: httpx.Client, tmp_path: Path) -> None:
    keep(tmp_path, "shop", 1)
    one = keep(tmp_path, "shop", 2, steps=[a_step("a"), a_step("b", "failed", 10, "body:/x", "body:/y"), a_step("old")])
    two = keep(
        tmp_path, "shop", 3, "failed",
        steps=[a_step("a", ms=900), a_step("b", "failed", 10, "body:/y", "body:/z"), a_step("c", "failed", status=500)],
    )  # fmt: skip
    page = service.get(PAGE)
    assert attributes(page, "select option[selected]", "value") == [one, two]
    assert texts(page, ".pair h3") == ["2. b", "3. old", "4. c"]
    assert texts(page, ".pair .found tbody tr") == [
        'body:/z "was" as recorded "now body:/z"',
        'body:/x "was" "now body:/x" as recorded',
        'body:/y "was" "now body:/y" "now body:/y"',
    ]
    rows = texts(page, ".pairs tbody tr")
    assert rows[0] == "1 a passed 200 10 ms passed 200 900 ms slower"
    assert rows[2] == "3 old differs passed 200 10 ms not there"
    assert rows[3] == "4 c differs not there failed 500 10 ms"


def test_runs_are_chosen_from_the_history(service: httpx.Client, tmp_path: Path) -> None:
    ids = [keep(tmp_path, "shop", n, "failed" if n == 2 else "passed") for n in range(1, 5)]
    page = service.get(PAGE, params={"left": ids[0], "right": ids[1]})
    assert texts(page, ".beside .verdict") == ["passed", "failed"]
    assert texts(page, ".pair .short tbody tr") == ["tasks.run_wepp finished failed"], "jobs that ended otherwise"
    assert "output/summary.json passed alike failed 1 value differs" in texts(page, "table tbody tr")
    swapped = attributes(page, ".filters a", "href")[0]
    assert texts(service.get(swapped or ""), ".beside .verdict") == ["failed", "passed"]
    assert "Every step came to the same" in service.get(PAGE, params={"left": ids[0], "right": ids[2]}).text
    assert service.get(PAGE, params={"left": "0" * 32}).status_code == 404


def test_one_run_is_none_to_compare(service: httpx.Client, tmp_path: Path) -> None:
    keep(tmp_path, "shop", 1)
    page = service.get(PAGE)
    assert page.status_code == 200
    assert "There are not two runs" in page.text
    gone = service.get("/ui/compare/shap")
    assert gone.status_code == 404
    assert "did you mean 'shop'" in texts(gone, ".lead")[0]


def test_two_thousand_steps_are_paged(service: httpx.Client, tmp_path: Path) -> None:
    for n in (1, 2):
        keep(
            tmp_path,
            "shop",
            n,
            steps=[a_step(f"s{k}", "failed", 1, *(f"body:/{i}" for i in range(n * 30))) for k in range(2000)],
        )
    page = service.get(PAGE)
    assert len(texts(page, ".pairs tbody tr")) == 50
    assert len(texts(page, ".pair")) == 20
    assert len(page.content) < 600_000
    assert texts(service.get(PAGE, params={"page": "40"}), ".pairs tbody th")[-1] == "s1999 differs"


def test_the_profile_beside_its_draft(service: httpx.Client, tmp_path: Path) -> None:
    text = (
        "metadata:\n  slug: shop\n  title: A profile\nsteps:\n  - id: home\n    path: /\n  - id: pay\n    path: /pay\n"
    )
    drafted(tmp_path, text)
    page = service.get(PAGE, params={"with": "draft"})
    assert texts(page, ".change-added h3") == ["+ added pay"]
    assert "1 step is what it was" in page.text
    assert f"{PAGE}?with=draft" in attributes(service.get(PAGE), ".head a", "href")
    assert f"{PAGE}?with=draft" in attributes(service.get("/ui/drafts/shop"), ".head a", "href")
    assert service.get("/ui/compare/none", params={"with": "draft"}).status_code == 404


def test_recorded_text_is_text(service: httpx.Client, tmp_path: Path) -> None:
    job = JobOutcome(HARM, HARM, HARM, error=HARM)
    for n in (1, 2):
        step = StepOutcome(
            HARM, HARM, HARM, 200, n, "failed", 1.0, 0.0, [job] * n, [Mismatch(HARM, HARM, f"{HARM}{n}")]
        )
        keep(tmp_path, "shop", n, "failed", steps=[step], error=HARM, base_url=HARM)
    page = service.get(PAGE)
    assert page.status_code == 200
    assert "<script>document" not in page.text
    assert "<img" not in page.text
    assert attributes(page, "[style], [onclick], script:not([src])", "id") == []
