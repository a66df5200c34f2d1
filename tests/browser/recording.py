"""The small application while it is recorded, with somebody who makes drafts of its captures, and its toolbar in a page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

from recorder.log import LOG_NAME, BadLine, read
from tests.assembler.followers import following
from tests.support import Server, wait_until

__all__ = ["Recorded", "Toolbar", "expect", "recorded"]


@dataclass
class Recorded:
    """A running application, and where its recorder and the drafts are."""

    url: str
    folder: Path

    @property
    def other(self) -> str:
        """The same server as another origin."""
        return self.url.replace("127.0.0.1", "localhost")

    @property
    def drafts(self) -> Path:
        return self.folder / "data" / "profiles" / "_drafts"

    def events(self) -> list[dict[str, Any]]:
        log = self.folder / "recorder" / "_logs" / LOG_NAME
        return [] if not log.exists() else [line.event for line in read(log) if not isinstance(line, BadLine)]

    def requests(self, path: str) -> list[dict[str, Any]]:
        """What was recorded as the beginning of each request to a path."""
        return [e for e in self.events() if e["stage"] == "started" and e["payload"].get("path") == path]

    def reported(self, kind: str) -> list[dict[str, Any]]:
        """What pages reported."""
        payloads = [event["payload"] for event in self.events() if event["payload"].get("kind") == "browser"]
        return [payload["reported"] for payload in payloads if payload["reported"]["kind"] == kind]

    def wait_for(self, kind: str, fits: Callable[[dict[str, Any]], object] = lambda event: True) -> dict[str, Any]:
        """The first event of a kind that a page reported, as soon as it is there."""
        wait_until(lambda: any(fits(event) for event in self.reported(kind)), f"a page reports {kind!r}")
        return next(event for event in self.reported(kind) if fits(event))

    def status_of(self, slug: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.drafts / slug / "status.json").read_text())
        except FileNotFoundError:
            return {}
        return found


@contextmanager
def recorded(folder: Path, kind: str = "asgi", *, drafts: bool = True, **env: str) -> Iterator[Recorded]:
    """Run the application with the toolbar in its pages; with `drafts`, as if `wctl up` ran beside it."""
    env = {
        "RECORDER_ROOT": str(folder / "recorder"),
        "RECORDER_TOOLBAR": "true",
        "RECORDER_ENVIRONMENT": "development",
        "PROFILE_DATA_ROOT": str(folder / "data"),
        **env,
    }
    made = Server.uvicorn if kind == "asgi" else Server.gunicorn
    options = () if kind == "asgi" else ("--threads", "4", "--worker-class", "gthread")
    followed = following(folder / "recorder", folder / "data") if drafts else nullcontext()
    with made(f"tests.browser.application:{kind}", env=env, options=options) as server, followed:
        yield Recorded(server.url, folder)


class Toolbar:
    """The toolbar in a page, as somebody sees it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.host = page.locator("profile-recorder")
        self.bar = self.host.get_by_role("group", name="Recorder", exact=True)
        self.state = self.bar.get_by_role("status").first
        self.dialog = self.host.get_by_role("dialog")

    def button(self, name: str) -> Locator:
        return self.bar.get_by_role("button", name=name, exact=True)

    def start(self, slug: str, notes: str = "") -> None:
        """Mark the start of a profile."""
        self.button("Mark profile start").click()
        self.host.get_by_label("Name").fill(slug)
        self.host.get_by_label("Notes").fill(notes)
        self.host.get_by_role("button", name="Start", exact=True).click()
        expect(self.state).to_have_text(f"Capturing {slug}")

    def end(self) -> Locator:
        """Mark its end; the review, as soon as there is something to review."""
        self.button("Mark profile end").click()
        expect(self.dialog.get_by_role("searchbox", name="Search the steps")).to_be_visible()
        return self.dialog

    def step(self, path: str) -> Locator:
        """The row of a step in the review."""
        return self.dialog.locator("li.step").filter(has=self.page.locator(".path", has_text=path))
