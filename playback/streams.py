"""The progress of a run as a stream that can be taken up again: lines of JSON, or server-sent events.

Events are numbered from 1 on; whoever lost the connection names the last one it saw. Of a run that an earlier service
replayed only the report is left, which is then its last event.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from starlette.responses import Response, StreamingResponse

from playback.contract import NDJSON, SSE
from playback.jsontext import dumps
from playback.runs import Run

__all__ = ["LAST", "left", "owned", "seen", "stream", "wants_lines", "wants_stream"]

LAST = 10**9
"""The number of the only event that is left of a run of an earlier service: behind any that it can have had."""

Told = tuple[int, dict[str, Any]] | None
_UNBUFFERED = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def wants_stream(headers: Mapping[str, str]) -> bool:
    """Whether a caller asks for progress instead of the report."""
    accept = headers.get("accept", "")
    return NDJSON in accept or SSE in accept


def wants_lines(headers: Mapping[str, str]) -> bool:
    """Whether it asks for lines of JSON; else it gets server-sent events."""
    return NDJSON in headers.get("accept", "")


def seen(after: int, headers: Mapping[str, str]) -> int:
    """The number of the last event that a listener has seen: its `after`, or what an `EventSource` sends by itself."""
    last = headers.get("last-event-id", "")
    return max(after, int(last) if last.isascii() and last.isdecimal() and len(last) < 11 else 0)


def stream(told: AsyncGenerator[Told], headers: Mapping[str, str], run_id: str) -> Response:
    """The events as they come."""
    spell, media_type = (_line, NDJSON) if wants_lines(headers) else (_message, SSE)

    async def spelled() -> AsyncGenerator[str]:
        async with contextlib.aclosing(told):  # a listener who goes away ends it at once
            async for one in told:
                yield spell(one)

    where = {"Content-Location": f"/runs/{run_id}"}
    return StreamingResponse(spelled(), media_type=media_type, headers=_UNBUFFERED | where)


async def left(report: dict[str, Any]) -> AsyncGenerator[Told]:
    """What is left of a run of an earlier service."""
    yield LAST, {"event": "report", "report": report}


async def owned(run: Run, cancel: Callable[[Run], None]) -> AsyncGenerator[Told]:
    """All of a run; whoever stops listening before the end cancels it."""
    try:
        async with contextlib.aclosing(run.follow()) as events:
            async for told in events:
                yield told
    finally:
        if not run.ended:
            cancel(run)


def _line(told: Told) -> str:
    return "\n" if told is None else dumps({"seq": told[0], **told[1]}) + "\n"


def _message(told: Told) -> str:
    """As in WHATWG HTML, 9.2."""
    if told is None:
        return ": still running\n\n"
    number, event = told
    return f"id: {number}\nevent: {event.get('event', 'message')}\ndata: {dumps(event)}\n\n"
