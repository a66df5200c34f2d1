"""Pictures of the sample application's own pages while it is recorded: its toolbar, its jobs, its map, the review."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.browser.recording import Toolbar
from tests.browser.whole import Whole, whole
from tests.examples.watershed_site import CREDENTIALS, crop

__all__ = ["sample_shots"]

SLUG = "us-small-watershed"
WIDE, PHONE = (1200, 780), (390, 780)
PATIENCE = 60_000  # ms for a computation
Keep = Callable[[str, bytes], None]


def sample_shots(chromium: Browser, folder: Path, keep: Keep) -> None:
    """Work with the application from its login to the review, in both themes and on a phone; `keep` gets each picture."""
    with whole(folder) as work, work.application():
        for theme, size in (("light", WIDE), ("dark", WIDE), ("light", PHONE)):
            name = "phone" if size == PHONE else theme
            with _window(chromium, theme, size) as page:
                for what in _story(page, work, f"{SLUG}-{name}"):
                    keep(f"sample-{what}-{name}", page.screenshot())


@contextmanager
def _window(chromium: Browser, theme: str, size: tuple[int, int]) -> Iterator[Page]:
    viewport = {"width": size[0], "height": size[1]}
    context = chromium.new_context(viewport=viewport, color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
    yield context.new_page()
    context.close()


def _story(page: Page, work: Whole, slug: str) -> Iterator[str]:
    """Stop wherever there is something to see, and say what."""
    page.goto(f"{work.url}/weppcloud/")
    page.get_by_label("Mail address").fill(CREDENTIALS["email"])
    page.get_by_label("Password").fill(CREDENTIALS["password"])
    page.get_by_role("button", name="Log in").click()
    toolbar = Toolbar(page)
    toolbar.button("Mark profile start").click()
    toolbar.host.get_by_label("Name").fill(slug)
    yield "start"
    toolbar.host.get_by_role("button", name="Start", exact=True).click()
    expect(toolbar.state).to_have_text(f"Capturing {slug}")
    page.locator("form", has_text="After a wildfire").get_by_role("button", name="Create run").click()
    page.locator("#dem input[type=file]").set_input_files(
        {"name": "dem.tif", "mimeType": "image/tiff", "buffer": crop(200, 150)}
    )
    page.locator("#dem").get_by_role("button", name="Upload").click()
    expect(page.locator("#dem .outcome")).to_contain_text("Stored")
    page.evaluate("document.querySelector('#computation').scrollIntoView()")
    page.get_by_role("button", name="Run WEPP").click()
    expect(page.locator("[data-job][data-status=finished]").first).to_be_visible(timeout=PATIENCE)
    yield "jobs"
    expect(page.get_by_role("img", name=re.compile("Map of soil loss"))).to_be_visible(timeout=PATIENCE)
    page.wait_for_function("document.querySelector('.map img').naturalWidth > 0")
    page.evaluate("document.querySelector('#results').scrollIntoView()")
    yield "map"
    toolbar.end()
    yield "review"
    page.keyboard.press("Escape")
