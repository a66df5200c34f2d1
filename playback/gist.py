"""What an answer that was not expected says: its error message in a line, for somebody who reads a log."""

from __future__ import annotations

import json
import re

from assembler.extractors import Answer
from playback.redact import Redaction

__all__ = ["gist"]

LONGEST = 200  # characters
_LOOKED_AT = 1 << 18  # characters of an answer
_KEYS = ("detail", "message", "error", "title", "errors", "msg", "reason", "description")
_RAISED = re.compile(r"^\s*(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Warning)\b(?::.*)?$")


def gist(answer: Answer) -> str | None:
    """The message of a JSON error, the last exception that a page or text names, or its first words; None without any."""
    text = (answer.text or "")[:_LOOKED_AT]
    said = _of_json(text) or _of_lines(_lines(answer, text))
    if not said:
        return None
    line = Redaction().text(" ".join(said.split()))
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _of_json(text: str) -> str | None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(document, dict):
        named = [document[key] for key in _KEYS if document.get(key)]
        told = named[0] if named else document
    else:
        told = document
    return told if isinstance(told, str) else json.dumps(told, ensure_ascii=False)


def _lines(answer: Answer, text: str) -> list[str]:
    if answer.is_html and len(text) < _LOOKED_AT:
        text = "\n".join(node.text(separator="\n") for node in answer.html.css("title, body"))
    return [line.strip() for line in text.splitlines() if line.strip()]


def _of_lines(lines: list[str]) -> str | None:
    raised = [line for line in lines if _RAISED.match(line)]
    return raised[-1] if raised else " · ".join(dict.fromkeys(lines[:3])) or None
