"""The pages in a real browser: readable by everybody, in both themes, on a phone, with and without script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from playback import engine
from tests.browser.told import FAILED, HOSTILE, Puppet, furnish
from tests.playback.reports import passed
from tests.playback.serving import serving

PAGES = {
    "catalogue": "/",
    "runs": "/ui/runs",
    "failed run": f"/ui/runs/{FAILED}",
    "profile": "/ui/profiles/coast",
    "history": "/ui/profiles/burned",
    "nothing": "/ui/nothing",
}


@pytest.fixture(scope="module")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    furnish(root)
    return root


@pytest.fixture(scope="module")
def url(data_root: Path) -> Iterator[str]:
    with serving({"PROFILE_DATA_ROOT": str(data_root)}) as url:
        yield url


@pytest.fixture
def puppet(monkeypatch: pytest.MonkeyPatch) -> Puppet:
    puppet = Puppet()
    monkeypatch.setattr(engine, "replay", puppet)
    return puppet


def complaints(page: Page) -> list[str]:
    """What a browser complains about, from here on: errors of scripts, what the policy refused, what is not there."""
    heard: list[str] = []
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("console", lambda message: heard.append(message.text) if message.type == "error" else None)
    return heard


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_everybody_can_use_every_page(chromium: Browser, url: str, width: int, theme: str) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)  # type: ignore[arg-type]
    page = context.new_page()
    heard = complaints(page)
    for name, path in PAGES.items():
        page.goto(url + path)
        found = Axe().run(
            page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
        )
        assert found.violations_count == 0, f"{name}: {found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is wider than the screen"
    context.close()
    assert [text for text in heard if "404" not in text] == []


def test_the_list_is_filtered_without_a_reload(page: Page, url: str) -> None:
    page.goto(url)
    page.evaluate("window.kept = true")
    names = page.locator("table.profiles tbody th .name")
    expect(names).to_have_text(["burned", "coast", "small-watershed"])
    page.get_by_label("Filter").type("sea")
    expect(names).to_have_text(["coast"])
    expect(page).to_have_url(f"{url}/?q=sea&sort=slug")
    page.get_by_label("Filter").fill("")
    page.get_by_label("Tag").select_option("climate")
    page.get_by_label("Order").select_option("verdict")
    expect(names).to_have_text(["small-watershed", "burned"])
    assert page.evaluate("window.kept")
    page.reload()
    expect(names).to_have_text(["small-watershed", "burned"])


def test_a_theme_is_chosen_without_a_reload_and_remembered(page: Page, url: str) -> None:
    page.goto(url)
    page.evaluate("window.kept = true")
    with page.expect_response("**/ui/theme"):
        page.get_by_title("Dark colours").click()
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(paper)
    assert page.evaluate("window.kept")
    page.goto(f"{url}/ui/runs")
    assert page.evaluate(paper) == dark
    expect(page.get_by_title("Dark colours")).to_have_attribute("aria-pressed", "true")


def test_keys_alone_are_enough(page: Page, url: str) -> None:
    page.goto(url)
    page.keyboard.press("Tab")
    skip = page.get_by_text("Skip to content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_nothing_that_was_recorded_runs(page: Page, url: str) -> None:
    heard = complaints(page)
    for path in ("/", "/ui/runs", "/ui/profiles/coast", f"/ui/runs/{HOSTILE}"):
        page.goto(url + path)
        expect(page.locator("main")).to_be_visible()
        assert "OWNED" not in page.title()
        assert page.locator("main script, main img, main [onerror]").count() == 0
    assert heard == []


def test_the_request_is_copied(context: BrowserContext, url: str) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{url}/ui/runs/{FAILED}")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").startswith("curl -X POST http://127.0.0.1:5000/")


def test_a_slider_moves_the_line_between_two_pictures(page: Page, url: str) -> None:
    page.goto(f"{url}/ui/runs/{FAILED}")
    slider, line = page.locator("[data-slider] input"), page.locator(".top-one")
    slider.fill("20")
    expect(line).to_have_css("clip-path", "inset(0px 0px 0px 20%)")
    seen = "fetch(document.querySelector('.panels image').href.baseVal).then(a => a.blob()).then(createImageBitmap)"
    wide, shown = page.evaluate(
        f"{seen}.then(b => [b.width, document.querySelector('.panels svg').viewBox.baseVal.width])"
    )
    assert wide == 3 * shown + 8


def test_without_script_everything_is_there(chromium: Browser, url: str, puppet: Puppet) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(url)
    page.get_by_label("Filter").fill("sea")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("table.profiles tbody th .name")).to_have_text(["coast"])
    page.get_by_label("Select coast").check()
    page.get_by_role("button", name="Run selected").click()
    expect(page.locator("#state .verdict")).to_have_text("running")
    puppet.begin("home")
    page.get_by_role("link", name="Load it again").click()
    expect(page.locator("#progress .current")).to_have_text("home GET /")
    puppet.events.put(passed())
    expect(page.locator("#state .verdict")).to_have_text("passed")  # it loads itself again, every few seconds
    page.goto(f"{url}/ui/runs/{FAILED}")
    expect(page.locator("#failed-2")).to_be_visible()
    expect(page.locator(".panels svg").first).to_be_visible()
    expect(page.locator("[data-slider]")).to_be_hidden()
    context.close()


def test_signing_in_and_out(page: Page, data_root: Path, puppet: Puppet) -> None:
    environ = {"PROFILE_DATA_ROOT": str(data_root), "PROFILE_PLAYBACK_TOKEN": "s3cret"}
    with serving(environ) as url:
        page.goto(f"{url}/ui/profiles/coast")
        expect(page.get_by_label("Token")).to_be_focused()
        assert Axe().run(page).violations_count == 0
        page.get_by_label("Token").fill("other")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("That is not the token of this service.")
        page.get_by_label("Token").fill("s3cret")
        page.keyboard.press("Enter")
        expect(page).to_have_url(f"{url}/ui/profiles/coast")
        assert page.evaluate("document.cookie") == ""
        page.get_by_role("button", name="Run", exact=True).click()  # a browser's own POST, with its Origin
        expect(page.locator("#state .verdict")).to_have_text("running")
        puppet.events.put(passed())
        expect(page.locator("#state .verdict")).to_have_text("passed")
        page.get_by_role("button", name="Sign out").click()
        page.goto(url)
        expect(page.get_by_label("Token")).to_be_visible()
