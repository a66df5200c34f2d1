"""Pages of the service as tests read them: the elements that a selector names, and reports that mean harm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
from selectolax.lexbor import LexborHTMLParser

from playback.report import Report
from playback.results import write
from tests.playback.reports import failed, passed

SCRIPT = "<script>document.title='OWNED'</script>"
HARM = f"{SCRIPT}<img src=x onerror=\"document.title='OWNED'\">\"'&\x1b[31m\u202e\x00\ud800"
"""Stands wherever somebody else can put text."""


def texts(page: httpx.Response | str, selector: str) -> list[str]:
    """The text of every element, its white space made one blank."""
    markup = page if isinstance(page, str) else page.text
    return [" ".join(node.text(separator=" ").split()) for node in LexborHTMLParser(markup).css(selector)]


def attributes(page: httpx.Response, selector: str, name: str) -> list[str | None]:
    """An attribute of every element."""
    return [node.attributes.get(name) for node in LexborHTMLParser(page.text).css(selector)]


def keep(root: Path, slug: str, number: int, result: str = "passed", **changes: Any) -> str:
    """Keep the report of a run of `slug`; returns its id. Later numbers are later runs."""
    make = failed if result == "failed" else passed
    run_id = f"{number:032x}"
    report: Report = make(
        profile=slug, run_id=f"profile;;tmp;;{run_id}", started_at=f"2026-11-20T10:{number % 60:02d}:06.123Z", **changes
    )
    report.result = result  # type: ignore[assignment]
    write(report, root)
    return run_id
