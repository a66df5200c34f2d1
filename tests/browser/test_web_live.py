"""A run watched in a real browser, from its first step to its verdict, also over a line that breaks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from playback import engine
from tests.browser.cable import cable
from tests.browser.told import Puppet
from tests.playback.reports import failed, passed
from tests.playback.serving import promote, serving

STEPS = "".join(f"  - id: s{number}\n    path: /{number}\n" for number in range(120))


@pytest.fixture
def puppet(monkeypatch: pytest.MonkeyPatch) -> Puppet:
    puppet = Puppet()
    monkeypatch.setattr(engine, "replay", puppet)
    return puppet


@pytest.fixture
def url(tmp_path: Path, puppet: Puppet) -> Iterator[str]:
    promote(tmp_path, "shop")
    promote(tmp_path, "long")
    document = tmp_path / "profiles" / "long" / "profile.yaml"
    document.write_text(document.read_text().partition("steps:")[0] + f"steps:\n{STEPS}")
    with serving({"PROFILE_DATA_ROOT": str(tmp_path)}) as url:
        yield url
        puppet.events.put(passed())


def begin(page: Page, url: str, slug: str = "shop") -> None:
    """Start a run where people do."""
    page.goto(f"{url}/ui/profiles/{slug}")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#state .verdict")).to_have_text("running")
    page.evaluate("window.kept = true")


def test_step_by_step_with_its_jobs_to_the_verdict(page: Page, url: str, puppet: Puppet) -> None:
    begin(page, url)
    puppet.begin("home")
    expect(page.locator("#progress .current")).to_contain_text("home")
    puppet.events.put({"event": "wait_started", "id": "home", "job": "j", "limit_s": 30.0})
    expect(page.locator("#progress .current")).to_contain_text("waits for job j, 30.0 s at most")
    puppet.jobs("home", "started", "queued", "deferred")
    expect(page.locator("#jobs .verdict")).to_have_text(["started", "queued", "deferred"])
    assert Axe().run(page).violations_count == 0
    puppet.jobs("home", "finished", "finished", "failed")
    expect(page.locator("#jobs .verdict")).to_have_text(["finished", "finished", "failed"])
    puppet.end("home")
    expect(page.locator("#progress")).to_contain_text("1 of 1 step")
    puppet.events.put(failed())
    expect(page.locator("#state .verdict")).to_have_text("failed")
    expect(page.locator(".found tbody tr").first).to_contain_text("status")
    expect(page).to_have_title("failed: shop · Profile Test Engine")
    assert page.evaluate("window.kept"), "it was shown without a reload"


def test_a_cut_line_is_told_and_taken_up_again(page: Page, url: str, puppet: Puppet) -> None:
    with cable(url) as line:
        begin(page, line.url)
        puppet.begin("home")
        expect(page.locator("#progress .current")).to_contain_text("home")
        line.cut()
        note = page.locator("#connection")
        expect(note).to_have_text("The connection is lost; the run itself goes on. Trying again …")
        puppet.end("home")  # what happens meanwhile
        line.mend()
        expect(note).to_be_hidden()
        expect(page.locator("#progress")).to_contain_text("1 of 1 step")
        line.cut()
        expect(note).to_be_visible()
        puppet.events.put(passed())
        line.mend()
        expect(page.locator("#state .verdict")).to_have_text("passed")


def test_a_browser_that_goes_offline_says_so(page: Page, url: str, puppet: Puppet) -> None:
    begin(page, url)
    page.context.set_offline(True)
    expect(page.locator("#connection")).to_be_visible()
    puppet.begin("home")
    page.context.set_offline(False)
    expect(page.locator("#connection")).to_be_hidden()
    expect(page.locator("#progress .current")).to_contain_text("home")


def test_a_long_run_shows_the_page_of_the_step_that_it_is_at(page: Page, url: str, puppet: Puppet) -> None:
    begin(page, url, "long")
    for number in range(75):
        puppet.begin(f"s{number}", number, 120)
        puppet.end(f"s{number}", number, 120)
    puppet.begin("s75", 75, 120)
    rows = page.locator("#steps tbody tr")
    expect(rows.filter(has_text="running")).to_contain_text("s75")
    expect(rows).to_have_count(50)
    expect(page.locator("#steps .pager")).to_contain_text("51–100 of 120 steps")


def test_a_run_is_cancelled_from_its_page(page: Page, url: str, puppet: Puppet) -> None:
    begin(page, url)
    puppet.events.put(passed(result="interrupted"))
    expect(page.locator("#state .verdict")).to_have_text("interrupted")
    expect(page.get_by_role("button", name="Cancel the run")).to_have_count(0)
    expect(page.get_by_role("button", name="Run again")).to_be_visible()
