"""A read that is tried again counts once, and says whether it helped."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from playback.engine import Options, replay
from playback.report import Report
from tests.playback.site import Answer, Site, profile

STEP = {
    "id": "total",
    "took": 0.01,
    "path": "/total",
    "expect": {"status": 200, "media_type": "application/json", "body": "total.json"},
}


def replayed(tmp_path: Path, answers: list[int], settle: float = 10.0) -> Report:
    """What a replay says of a number that reads as `answers` say, the last of them for good."""
    document = {"metadata": {"slug": "shop"}, "steps": [{**STEP, "settle": settle}]}
    profile(tmp_path, json.dumps(document), {"total.json": {"a": 1, "total": 3}})
    asked = itertools.chain(answers, itertools.repeat(answers[-1]))
    with Site({"/total": lambda sent: Answer({"a": 1, "total": next(asked)})}) as site:
        return replay("shop", tmp_path, Options(base_url=site.url), {})


@pytest.mark.parametrize(("answers", "settle", "result"), [([1, 2, 3], 10.0, "passed"), ([1, 2], 0.1, "failed")])
def test_what_was_compared_counts_once(tmp_path: Path, answers: list[int], settle: float, result: str) -> None:
    tried = replayed(tmp_path, answers, settle)
    assert tried.result == result
    assert tried.masked == replayed(tmp_path, [3]).masked
    note = tried.steps[0].note or ""
    assert note.startswith("settled after " if result == "passed" else "asked again and again for ")
