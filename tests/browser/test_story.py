"""The whole story, as somebody lives it who never opens a terminal: work, record, review, promote, run, see it break.

All of it in a real browser and with the real programs: the sample application and its jobs, the recorder's toolbar, the
assembler, the pages of the playback service.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from assembler.document import load_profile
from playback.engine import Options, replay
from tests.browser.conftest import DEADLINE
from tests.browser.recording import Toolbar
from tests.browser.whole import Whole, whole
from tests.examples.watershed_site import CREDENTIALS, TABLE, crop
from tests.sample import broken_copy, settings, site_of_its_own

SLUG = "burned-watershed"
GUEST = "ada.lovelace@example.org"
COMPUTED = 180_000  # ms for the jobs of a run, on a busy machine
REPLAYED = 300_000  # ms for a run of the profile


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    with whole(tmp_path_factory.mktemp("story")) as running:
        yield running


@pytest.fixture(scope="module")
def window(chromium: Browser) -> Iterator[BrowserContext]:
    """One window for all of it."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(DEADLINE)
    yield context
    context.close()


def file(page: Page, form: str, name: str, content: bytes, media_type: str) -> None:
    """Upload a file by a form of the run's page."""
    fields = page.locator(f"{form} input[type=file]")
    fields.set_input_files({"name": name, "mimeType": media_type, "buffer": content})
    page.locator(form).get_by_role("button", name="Upload").click()
    expect(page.locator(f"{form} .outcome")).to_contain_text("Stored")


def compute(page: Page) -> None:
    """Press the button, see the jobs go, and the map."""
    page.get_by_role("button", name="Run WEPP").click()
    expect(page.locator("[data-job=finalize]")).to_have_attribute("data-status", "finished", timeout=COMPUTED)
    image = page.get_by_role("img", name=re.compile("Map of soil loss"))
    expect(image).to_be_visible(timeout=COMPUTED)
    page.wait_for_function("document.querySelector('.map img').naturalWidth > 0")


@pytest.fixture(scope="module")
def promoted(work: Whole, window: BrowserContext) -> str:
    """The first half: from the login of the application to a promoted profile."""
    page = window.new_page()
    with work.application():
        page.goto(f"{work.url}/weppcloud/")
        page.get_by_label("Mail address").fill(CREDENTIALS["email"])
        page.get_by_label("Password").fill(CREDENTIALS["password"])
        page.get_by_role("button", name="Log in").click()
        toolbar = Toolbar(page)
        toolbar.start(SLUG, "a fire, and then rain")

        page.goto(f"{work.url}/weppcloud/?invited={GUEST}")  # a link out of a mail
        page.get_by_role("link", name="Runs", exact=True).click()  # a look around that does not belong to it
        page.get_by_role("link", name="New run").click()
        page.locator("form", has_text="After a wildfire").get_by_role("button", name="Create run").click()
        file(page, "#dem", "corner.tif", crop(60, 40), "image/tiff")
        file(page, "#dem", "corner.tif", crop(90, 60), "image/tiff")
        file(page, "#landuse", "burned.csv", TABLE.format(c=0.3).encode(), "text/csv")
        page.get_by_label("Rainfall erosivity").fill("4200")
        page.get_by_role("button", name="Set", exact=True).click()
        expect(page.locator("#climate .outcome")).to_have_text("Stored: R = 4200.")
        compute(page)
        expect(toolbar.state).to_have_text(f"Capturing {SLUG}")

        review = toolbar.end()
        visits = review.locator("li.step").filter(has_text=re.compile("GET /weppcloud/ →"))
        invited = visits.filter(has=page.locator("details"))
        invited.locator("summary").click()
        invited.get_by_role("button", name="Redact invited").click()
        look = review.locator("li.step").filter(has_text=re.compile(r"GET /weppcloud/runs/ →"))
        look.get_by_role("button", name="Drop GET /weppcloud/runs/").click()
        expect(review.get_by_role("status")).to_contain_text("1 dropped · 1 value redacted everywhere")
        review.get_by_role("button", name="Create draft").click()
        expect(review.get_by_role("heading")).to_have_text(f"The draft {SLUG} is ready")
        review.get_by_role("button", name="Close").last.click()

        page.goto(work.service)
        page.get_by_role("link", name=SLUG).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(f"Draft {SLUG}")
        page.get_by_role("button", name="Promote").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Burned watershed")
    page.close()
    return SLUG


def files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_what_was_reviewed_is_what_was_promoted(work: Whole, promoted: str) -> None:
    folder = work.data_root / "profiles" / promoted
    paths = [step.path or "" for step in load_profile(folder / "profile.yaml").steps]
    assert any("upload-dem" in path for path in paths)
    assert "/weppcloud/runs/" not in paths
    assert sum("jobstatus" in path for path in paths) == 1, "however often the page has asked, it is one wait"
    everything = files(folder)
    assert CREDENTIALS["password"].encode() not in everything
    assert GUEST.encode() not in everything
    assert GUEST.encode() not in files(work.recorder_root)


def figure(shown: str) -> int:
    """The first number of a sentence that a page quotes."""
    return int(re.findall(r"[\d,]+", shown)[0].replace(",", ""))


def run_of(work: Whole, window: BrowserContext, slug: str) -> Page:
    """Start a run where people do, and watch it until its verdict."""
    page = window.new_page()
    page.goto(work.service)
    page.get_by_label(f"Select {slug}").check()
    page.get_by_role("button", name="Run selected").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Run of {slug}")
    expect(page.locator("#state .verdict")).not_to_have_text(re.compile("queued|running"), timeout=REPLAYED)
    return page


def test_it_is_green_from_the_catalogue_and_red_where_the_application_broke(
    work: Whole, window: BrowserContext, promoted: str, tmp_path: Path
) -> None:
    with work.application():
        page = run_of(work, window, promoted)
        expect(page.locator("#state .verdict")).to_have_text("passed")
        expect(page.locator("#jobs .verdict").first).to_have_text("finished")
        page.close()
    with work.application(broken_copy(tmp_path)):
        page = run_of(work, window, promoted)
        expect(page.locator("#state .verdict")).to_have_text("failed")
        figures = page.locator("section[aria-labelledby=failing] .found tbody tr").filter(has_text="t a year from")
        old, new = (figures.locator(f"td.{side}").inner_text() for side in ("old", "new"))
        assert figure(new) > figure(old), "a longer slope loses more with the wrong exponent"
        expect(page.get_by_role("heading", name="Send it again")).to_be_visible()
        page.goto(work.service)
        row = page.get_by_role("row").filter(has_text=promoted)
        expect(row).to_contain_text("failed")
        page.close()


@pytest.mark.parametrize("before", [0, 2])
def test_it_is_green_on_instances_that_nobody_has_recorded(
    work: Whole, promoted: str, tmp_path: Path, before: int
) -> None:
    """A fresh one, and one that has runs and jobs already."""
    with site_of_its_own(tmp_path) as site:
        browser = site.browser()
        for _ in range(before):
            page = browser.create("disturbed9002")
            browser.upload_dem(page, crop(30, 30))
            assert browser.compute(page)["status"] == "finished"
        report = replay(promoted, work.data_root, Options(base_url=site.url), settings(site, work.data_root))
    assert report.result == "passed", [(step.id, m) for step in report.steps for m in step.mismatches]
    assert report.masked.share < 0.02
