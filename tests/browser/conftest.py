"""A real Chromium for the tests in this folder."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
DEADLINE = 60_000  # ms for anything that is waited for; whoever runs the tests may have other things going on
CLOSING = 30  # s; seldom a window is not closed at all, of which Playwright says nothing
expect.set_options(timeout=DEADLINE)


def closed(what: Browser | BrowserContext) -> None:
    """Close it; what does not close is left to the end of Playwright's own process, which leaves nothing behind."""
    with suppress(TimeoutError):
        what._sync(asyncio.wait_for(what._impl_obj.close(reason=None), CLOSING))  # the one way to give up waiting


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser of the tests of one module. (Not of the session: Playwright holds the event loop of its thread.)"""
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        pytest.skip("absent: chromium (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        closed(browser)


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A window of its own: no cookies, nothing kept."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(DEADLINE)
    yield context
    closed(context)


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """An empty page."""
    return context.new_page()
