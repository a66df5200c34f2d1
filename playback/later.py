"""Not now, says an answer, and when: `Retry-After` (RFC 9110, 10.2.3), as a number of seconds or as a date."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from assembler.polling import LATER

__all__ = ["asked_pause", "retry_after"]


def retry_after(answer: httpx.Response) -> float:
    """Seconds that the answer asks for; one second without any that can be read."""
    value = answer.headers.get("retry-after", "")
    if value.replace(".", "", 1).isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 1.0


def asked_pause(answer: httpx.Response) -> float:
    """Seconds for which an answer asks not to be asked again; 0 when it does not."""
    return retry_after(answer) if answer.status_code in LATER and "retry-after" in answer.headers else 0.0
