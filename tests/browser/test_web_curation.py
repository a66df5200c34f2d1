"""Drafts, comparisons and audit logs in a real browser: for everybody, on a phone, in both themes, with and without script."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from assembler.document import load_profile
from playback import rehearsal
from playback.calibrate import Calibration, Proposal
from playback.report import Masked
from tests.browser.test_web_pages import complaints
from tests.playback.pages import HARM, keep
from tests.playback.reports import passed
from tests.playback.serving import promote, serving
from tests.playback.test_web_audit import a_root
from tests.playback.test_web_drafts import TEXT, drafted
from tests.support import wait_until

SAFE = "".join(character for character in HARM if character.isprintable())
"""Harm that a document can hold."""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
CAPTURE = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def furnish(root: Path) -> str:
    """Fill a data root with what these pages show, hostile texts among it; returns the id of a nested job."""
    promote(root, "shop")
    drafted(root, warnings=["The clock was late."])
    flawed = TEXT.replace("path: /pay", "path: /pay\n    query: key=secret-key-" + "b" * 32)
    drafted(root, flawed.replace("slug: shop", "slug: flawed"), "flawed", problems=["Which key is that?"])
    hostile = TEXT.replace("slug: shop", "slug: hostile").replace("why: a clock", f"why: {json.dumps(SAFE)}")
    hostile = hostile.replace("path: /pay", f"path: {json.dumps(SAFE)}\n    title: {json.dumps(SAFE)}  # {SAFE}")
    drafted(root, hostile, "hostile", warnings=[SAFE], problems=[SAFE])
    for number, result in enumerate(["passed", "failed", "passed", "failed"], 1):
        keep(root, "shop", number, result)
    log = a_root(root / ".recorder")
    cause = log.request(f"/start/{HARM}", capture_ids=[CAPTURE])
    inner = log.job("work.inner", log.job(f"work.outer {HARM}", cause), "failed")
    for number in range(120):
        log.request(f"/items/{number}", 500 if number % 50 == 7 else 200)
    told = {
        "capture_id": CAPTURE, "slug": "field-work", "scope": "all", "run_id": None, "session": None, "state": "ended",
        "started": "2026-01-01T00:00:00.000000Z", "ended": None, "notes": SAFE, "unsnapshotted": False, "windows": [],
    }  # fmt: skip
    log.path.with_name("profile.captures.json").write_text(json.dumps({"v": 1, "captures": [told]}))
    return inner


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A service over pages that nobody changes, and the id of the nested job."""
    root = tmp_path_factory.mktemp("shown")
    inner = furnish(root)
    with serving({"PROFILE_DATA_ROOT": str(root)}) as url:
        yield url, inner


@pytest.fixture
def curated(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A service over a draft of the test's own, and the draft's document."""
    folder = drafted(tmp_path)
    with serving({"PROFILE_DATA_ROOT": str(tmp_path), "PROFILE_SECRET_PASSWORD": "x"}) as url:
        yield url, folder / "profile.yaml"


def every_page(page: Page, url: str, inner: str) -> Iterator[str]:
    """Go from page to page as somebody would, and tell where."""
    for path in (
        "/ui/drafts/shop",
        "/ui/drafts/flawed",
        "/ui/drafts/hostile",
        "/ui/compare/shop",
        "/ui/compare/shop?with=draft",
    ):
        page.goto(url + path)
        expect(page.locator("#standing, h1").first).not_to_contain_text("being looked through")
        page.evaluate("document.querySelectorAll('details').forEach(each => (each.open = true))")
        yield path
    page.goto(f"{url}/ui/audit")
    yield "the logs"
    page.get_by_role("link", name="outside of runs").click()
    expect(page.locator(".events")).to_be_visible()
    yield "a log"
    page.goto(f"{page.url}/operations/{inner}")
    yield "an operation"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_everybody_can_use_every_page(chromium: Browser, shown: tuple[str, str], width: int, theme: str) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)  # type: ignore[arg-type]
    page = context.new_page()
    heard = complaints(page)
    for name in every_page(page, *shown):
        found = Axe().run(page, options={"runOnly": RULES})
        assert found.violations_count == 0, f"{name}: {found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is wider than the screen"
        assert "OWNED" not in page.title()
        assert page.locator("main script, main img, main [onerror]").count() == 0
    context.close()
    assert heard == []


def test_a_draft_is_curated_and_promoted(page: Page, curated: tuple[str, Path], tmp_path: Path) -> None:
    url, document = curated
    page.goto(f"{url}/ui/drafts/shop")
    page.locator("#step-pay summary").click()
    page.locator("#step-pay").get_by_label("Name", exact=True).fill("buy")
    page.locator("#step-pay").get_by_label("Title, for people").fill("Pay the cart")
    page.locator("#step-pay").get_by_label("Expected status").fill("201")
    page.get_by_role("button", name="Save the step").last.click()
    expect(page.get_by_role("status").first).to_have_text("Saved.")
    page.locator("#step-log-in summary").click()
    page.get_by_role("button", name="Drop the step").first.click()
    expect(page.get_by_role("alert")).to_contain_text("log-in cannot go: buy sends 'token'")
    page.get_by_role("button", name="Compare body:/clock of buy again").click()
    expect(page.get_by_text("the place is compared again")).to_be_visible()
    page.get_by_role("button", name="Compare out.csv no more").click()
    expect(page.get_by_text("No file of the run is compared.")).to_be_visible()
    text = document.read_text()
    assert "title: Pay the cart" in text
    assert "status: 201  # as it was" in text
    expect(page.locator("#standing")).to_contain_text("ready")
    page.get_by_role("button", name="Promote", exact=True).click()
    expect(page).to_have_url(f"{url}/ui/profiles/shop")
    assert [step.id for step in load_profile(tmp_path / "profiles/shop/profile.yaml").steps] == ["log-in", "buy"]


def test_two_people_at_one_draft(chromium: Browser, curated: tuple[str, Path]) -> None:
    url, _ = curated
    pages = [chromium.new_context().new_page() for _ in range(2)]
    for page in pages:
        page.goto(f"{url}/ui/drafts/shop")
        page.get_by_text("Discard the draft …").click()
    pages[0].locator("#step-pay summary").click()
    pages[0].get_by_role("button", name="Drop the step").last.click()
    expect(pages[0].get_by_text("The step is gone.")).to_be_visible()
    pages[1].get_by_role("button", name="Discard shop").click()
    expect(pages[1].get_by_role("alert")).to_contain_text("changed by somebody else")
    expect(pages[1].locator("details.step")).to_have_count(1)
    for page in pages:
        page.context.close()


def test_proposals_come_by_themselves(page: Page, curated: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    url, document = curated
    found = Calibration([passed(masked=Masked(10, 0))], [Proposal("pay", f"body:/{n}", "recorded 1, 2") for n in "ab"])
    going = {"on": True}

    def rehearse(*given: object, **named: object) -> Calibration:
        wait_until(lambda: not going["on"], "the test has looked")
        return found

    monkeypatch.setattr(rehearsal, "rehearse", rehearse)
    page.goto(f"{url}/ui/drafts/shop")
    page.get_by_role("button", name="Calibrate").click()
    expect(page.locator("#rehearsal .verdict")).to_have_text("calibrating")
    going["on"] = False
    page.get_by_label("Leave out body:/a of pay").uncheck()
    page.get_by_role("button", name="Accept the marked rules").click()
    expect(page.get_by_text("The chosen rules stand in the draft now.")).to_be_visible()
    assert [rule.where for rule in load_profile(document).ignore] == ["body:/clock", "body:/b"]


def test_a_log_is_searched_without_a_reload(page: Page, shown: tuple[str, str]) -> None:
    url, _ = shown
    page.goto(f"{url}/ui/audit")
    page.get_by_role("link", name="outside of runs").click()
    page.evaluate("window.kept = true")
    page.get_by_label("Text, anywhere in a record").type("items/11")
    expect(page.locator(".events .what")).to_have_count(11)
    page.get_by_label("Text, anywhere in a record").fill("")
    page.get_by_label("Outcome").select_option("5")
    expect(page.locator(".events .what")).to_have_text(["GET /items/107", "GET /items/57", "GET /items/7"])
    page.get_by_label("Outcome").select_option("")
    page.get_by_role("link", name="Older").click()
    expect(page.locator(".events .what").first).to_have_text("GET /items/69")
    assert page.evaluate("window.kept")
    page.get_by_role("link", name="field-work").click()
    expect(page.locator(".events .what")).to_have_count(1)
    page.locator(".events .what").click()
    expect(page.locator(".tree .what")).to_have_count(5)
    page.locator(".tree .what").last.click()
    expect(page.locator("h1")).to_have_text("work.inner")


def test_without_script_all_of_it_works(chromium: Browser, shown: tuple[str, str], curated: tuple[str, Path]) -> None:
    page = chromium.new_context(java_script_enabled=False).new_page()
    url, document = curated
    page.goto(f"{url}/ui/drafts/shop")
    page.locator("#step-pay summary").click()
    page.locator("#step-pay").get_by_label("Expected status").fill("404")
    page.get_by_role("button", name="Save the step").last.click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    assert "status: 404  # as it was" in document.read_text()
    url, _ = shown
    page.goto(f"{url}/ui/compare/shop")
    page.get_by_label("Earlier run").select_option(index=2)
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator(".beside .verdict")).to_have_text(["failed", "failed"])
    page.goto(f"{url}/ui/audit")
    page.get_by_role("link", name="outside of runs").click()
    page.get_by_label("Text, anywhere in a record").fill("items/7")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".events .what").last).to_have_text("GET /items/7")
    page.context.close()
