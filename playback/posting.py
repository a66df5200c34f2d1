"""A finished report is sent to PROFILE_REPORT_URL: a dashboard, a chat, whatever collects verdicts.

That it cannot be sent is told and changes nothing else. A redirect is not followed: where reports go is for the
environment to say, not for an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx

from playback.jsontext import dumps
from playback.report import Report

__all__ = ["ADDRESS", "post"]

ADDRESS = "PROFILE_REPORT_URL"
CONNECT, ANSWER = 5.0, 10.0  # seconds


def post(report: Report, environ: Mapping[str, str]) -> str | None:
    """Send `report` when an address is set. Returns a sentence when it did not arrive, with nothing secret in it."""
    url = environ.get(ADDRESS)
    if not url:
        return None
    shown = _origin(url)
    if shown is None:
        return f"The report was not sent: {ADDRESS} is no http or https address."
    try:
        with (
            httpx.Client(timeout=httpx.Timeout(ANSWER, connect=CONNECT), follow_redirects=False) as client,
            client.stream(
                "POST", url, content=dumps(report.as_json()).encode(), headers={"Content-Type": "application/json"}
            ) as answer,
        ):
            status = answer.status_code  # what it says further is not read
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as error:
        return f"The report was not sent to {shown} ({ADDRESS}): {type(error).__name__}."
    if 300 <= status < 400:
        return f"The report was not taken by {shown} ({ADDRESS}): it answered {status}, and redirects are not followed."
    if status >= 400:
        return f"The report was not taken by {shown} ({ADDRESS}): it answered {status}."
    return None


def _origin(url: str) -> str | None:
    """Scheme, host and port: user, path and query of such addresses often hold a token."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    return f"{parts.scheme}://{parts.hostname}{port}"
