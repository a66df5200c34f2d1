"""Live secrets must not reach a report: what was sent or received as one is hidden wherever it stands."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus

from playback.report import Report

__all__ = ["HIDDEN", "hide", "redacted"]

HIDDEN = "•••"


def hide(text: str, secrets: Iterable[str]) -> str:
    """`text` without any of `secrets`, in whichever usual escaping they stand."""
    for secret in sorted(secrets, key=len, reverse=True):
        for spelled in {
            secret,
            quote(secret, safe=""),
            quote_plus(secret),
            html.escape(secret),
            json.dumps(secret)[1:-1],
        }:
            if spelled in text:
                text = text.replace(spelled, HIDDEN)
    return text


def redacted(report: Report, secrets: set[str]) -> None:
    """Hide `secrets` in everything the report shows of answers and requests."""

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            return hide(value, secrets)
        if isinstance(value, list):
            return [clean(v) for v in value]
        if isinstance(value, dict):
            return {k: clean(v) for k, v in value.items()}
        return value

    report.error = clean(report.error)
    report.notes = clean(report.notes)
    for step in report.steps:
        step.path, step.curl, step.note = clean(step.path), clean(step.curl), clean(step.note)
        for mismatch in step.mismatches:
            mismatch.expected, mismatch.actual, mismatch.message = (
                clean(mismatch.expected),
                clean(mismatch.actual),
                clean(mismatch.message),
            )
        stack = list(step.jobs)
        while stack:
            job = stack.pop()
            job.error = clean(job.error)
            stack.extend(job.children)
    for comparison in report.comparisons:
        comparison.summary, comparison.details = clean(comparison.summary), clean(comparison.details)
