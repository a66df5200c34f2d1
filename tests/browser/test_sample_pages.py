"""The sample application's pages in a real browser: for everybody, with jobs that are seen to go, results without script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect
from redis.lock import Lock

from tests.examples.watershed_site import Browser as Client
from tests.examples.watershed_site import Site, crop, directory_of
from tests.sample import site_of_its_own

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COMPUTED = 180_000  # ms for the jobs of a run, on a busy machine


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site_of_its_own(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture(scope="module")
def client(site: Site) -> Client:
    return site.browser()


@pytest.fixture(scope="module")
def computed(client: Client) -> str:
    """The path of a run that has results."""
    path = client.create()
    client.upload_dem(path, crop(60, 40))
    assert client.compute(path)["status"] == "finished"
    return path


def signed_in(context: BrowserContext, client: Client) -> BrowserContext:
    cookies = client.http.cookies.jar
    context.add_cookies([{"name": c.name, "value": c.value or "", "url": client.url} for c in cookies])
    return context


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_everybody_can_use_every_page(chromium: Browser, client: Client, computed: str, width: int, theme: str) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)  # type: ignore[arg-type]
    page, heard = context.new_page(), list[str]()
    page.on("pageerror", lambda error: heard.append(str(error)))
    fresh = client.create("disturbed9002")

    def look(path: str) -> None:
        page.goto(client.url + path)
        found = Axe().run(page, options={"runOnly": RULES})
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{path} is wider than the screen"

    look("/weppcloud/login")
    signed_in(context, client)
    for path in (
        "/weppcloud/",
        "/weppcloud/runs/",
        fresh,
        computed,
        f"{computed}browse/",
        "/weppcloud/runs/no-such/x/",
    ):
        look(path)
    context.close()
    assert heard == []


def test_the_jobs_are_seen_to_go(context: BrowserContext, site: Site, client: Client) -> None:
    path = client.create()
    client.upload_dem(path, crop(30, 30))
    page = signed_in(context, client).new_page()
    page.goto(client.url + path)
    button, jobs = page.get_by_role("button", name="Run WEPP"), page.locator("[data-job]")
    expect(jobs.locator("span")).to_have_text(["not yet"] * 6)
    with Lock(site.redis, f"watershed:lock:{path.split('/')[3]}:watershed", timeout=600):  # run_flow waits for it
        button.click()
        expect(jobs.locator("span")).to_have_text(
            # One worker: which of the two that wait for the second job it takes first is its own affair.
            ["finished", "finished", re.compile("finished|queued"), "started", "deferred", "deferred"],
            timeout=COMPUTED,
        )
        expect(page.locator("#status")).to_have_text("started")
        expect(button).to_be_disabled()
    expect(page.get_by_role("img", name="Map of soil loss")).to_be_visible(timeout=COMPUTED)
    expect(jobs.locator("span")).to_have_text(["finished"] * 6)
    expect(button).to_be_enabled()


def test_a_job_that_fails_is_said(context: BrowserContext, site: Site, client: Client) -> None:
    path = client.create()
    Path(directory_of(site, path), "dem", "dem.tif").write_bytes(b"spoiled")
    page = signed_in(context, client).new_page()
    page.goto(client.url + path)
    page.get_by_role("button", name="Run WEPP").click()
    expect(page.locator("#run .outcome")).to_have_text(
        "The computation ended: failed. Change an input and run it again.", timeout=COMPUTED
    )
    expect(page.locator("[data-job=delineate]")).to_contain_text("failed")
    expect(page.locator("[data-job=finalize]")).to_contain_text("deferred")
    expect(page.get_by_role("button", name="Run WEPP")).to_be_enabled()


def test_results_are_read_without_script(chromium: Browser, client: Client, computed: str) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page: Page = signed_in(context, client).new_page()
    page.goto(client.url + computed)
    expect(page.locator("#status")).to_have_text("finished")
    expect(page.locator("[data-job] span")).to_have_text(["finished"] * 6)
    expect(page.get_by_role("img", name="Map of soil loss")).to_be_visible()
    expect(page.get_by_role("list", name="Colours of the map")).to_contain_text("500+")
    expect(page.get_by_role("row").filter(has_text="All")).to_be_visible()
    context.close()
