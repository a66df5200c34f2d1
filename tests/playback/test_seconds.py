"""Lists of the newest first by a clock of whole seconds: what was made in one second stays in one, what was not does not."""

from __future__ import annotations

import json
import time
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from playback.engine import Options, replay
from playback.report import Report
from tests.playback.site import PAGE, Answer, Site, profile

STEP = """
  - {{id: post-{n}, at: {at}, took: 0.02, method: POST, path: /posts, form: [[title, {title}]], expect: {{status: 201}}}}"""
LIST = """
  - {{id: list, at: {at}, took: 0.02, method: GET, path: /posts,
     expect: {{status: 200, media_type: text/html, body: baseline/answers/list.html}}}}"""


class Blog:
    """Posts with the second they were made in, the newest first; `turned` lists them the other way round."""

    def __init__(self, *, turned: bool = False) -> None:
        self.posts: list[tuple[int, str]] = []
        self.turned = turned

    def post(self, sent: str) -> Answer:
        if sent:
            self.posts.append((int(time.time()), parse_qs(sent)["title"][0]))
            return Answer("", PAGE, 201)
        rows = sorted(self.posts, key=lambda row: row[0] if self.turned else -row[0])
        return Answer(page([title for _, title in rows]), PAGE)

    def replay(self, root: Path) -> Report:
        with Site({"/posts": self.post}) as site:
            return replay("shop", root, Options(base_url=site.url), {})


def page(titles: list[str]) -> str:
    return "<ul>" + "".join(f"<li>{title}</li>" for title in titles) + "</ul>"


def recorded(root: Path, made: dict[str, float], listed: list[str]) -> None:
    """A profile of posts made so many seconds after 10:00:00.2, and of the list of them."""
    steps = "".join(STEP.format(n=n, at=at, title=title) for n, (title, at) in enumerate(made.items()))
    steps += LIST.format(at=max(made.values()) + 0.1)
    began = json.dumps("2026-11-20T10:00:00.200000Z")
    text = f"metadata: {{slug: shop, run: none, recorded_with: {{started: {began}}}}}\nsteps:{steps}"
    profile(root, text, {"baseline/answers/list.html": page(listed)})


@pytest.mark.parametrize(
    ("made", "listed"),
    [
        ({"Apple": 0.0, "Pear": 1.5, "Plum": 9.0}, ["Plum", "Pear", "Apple"]),
        ({"Apple": 0.0, "Pear": 0.1, "Plum": 9.0}, ["Plum", "Apple", "Pear"]),
        ({"Apple": 0.0, "Pear": 9.0, "Plum": 9.1}, ["Pear", "Plum", "Apple"]),
    ],
    ids=["apart", "two and one", "one and two"],
)
def test_seconds_are_shared_as_they_were(tmp_path: Path, made: dict[str, float], listed: list[str]) -> None:
    recorded(tmp_path, made, listed)
    report = Blog().replay(tmp_path)
    assert report.result == "passed"
    assert sum(step.wait_ms for step in report.steps) < 4000  # nothing like the nine seconds of the recording
    assert Blog(turned=True).replay(tmp_path).failing_step == "list"


def test_lists_in_the_order_of_their_making_wait_for_nothing(tmp_path: Path) -> None:
    recorded(tmp_path, {"Apple": 0.0, "Pear": 1.5, "Plum": 9.0}, ["Apple", "Pear", "Plum"])
    report = Blog(turned=True).replay(tmp_path)
    assert report.result == "passed"
    assert [step.wait_ms for step in report.steps] == [0.0] * 4
