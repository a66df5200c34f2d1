"""Audit logs: look through what was recorded, follow a cause to its effects, jump to a capture."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response

from playback.audit_files import Place
from playback.audit_logs import AuditLogs, Entry, captures_of
from playback.audit_search import CATEGORIES, OUTCOMES, Act, Found, Sought, search, status_of
from playback.audit_tree import Node, Tree, tree_of
from playback.summary import visible
from playback.web.paging import Page, number_of
from playback.web.show import moment
from playback.web.site import Site
from recorder.manifest import Capture

__all__ = ["routes"]

ROWS = 50
_CAPTURES = 12
_RECORD = 40_000  # characters of a record that are shown
_AFTER = timedelta(seconds=5)  # behind the end of a capture, in which its last records may stand
WORDS = {
    "http_request": "request", "rq_enqueue": "enqueue", "rq_job": "job", "file_upload": "upload", "egress": "outbound call",
    "system_log": "note",
}  # fmt: skip
"""What people call the categories of events."""


@dataclass(frozen=True)
class Row:
    """An operation in a list or in a tree."""

    id: str
    category: str
    what: str
    detail: str
    at: str
    result: str
    status: str
    duration_ms: float | None
    run: str | None
    captures: Sequence[str]

    @property
    def word(self) -> str:
        return WORDS.get(self.category, self.category)


@dataclass(frozen=True)
class LogView:
    """A page of a log."""

    entry: Entry
    rows: Sequence[Row]
    older: Place | None
    until: str
    sought: Sought
    place: str
    capture: Capture | None
    captures: Sequence[Capture]
    captures_more: int
    begun: bool
    """Whether this is where reading begins: nothing newer was passed over."""

    @property
    def query(self) -> str:
        """What keeps the choice."""
        kept = {"q": self.sought.text, "category": self.sought.category, "outcome": self.sought.outcome}
        kept |= {"capture": self.sought.capture, "at": self.sought.before if not self.capture else ""}
        return urlencode({name: value for name, value in kept.items() if value})


@dataclass(frozen=True)
class Branch:
    """An operation in its tree. `after_ms` is how long after the first cause it began."""

    row: Row
    after_ms: float | None
    children: Sequence[Branch]


@dataclass(frozen=True)
class OperationView:
    """One operation with its tree and its records."""

    entry: Entry
    row: Row
    tree: Tree
    branch: Branch
    records: Sequence[tuple[str, str, bool]]
    """Name, text, and whether the text was cut."""
    captures: Sequence[Capture]


def log_view(entry: Entry, query: Mapping[str, str]) -> LogView:
    """A page of a log for a query; whatever it cannot mean is left out of account. Raises OSError."""
    captures = captures_of(entry)
    wanted = next((each for each in captures if each["capture_id"] == query.get("capture")), None)
    place = Place.of(query.get("before", ""))
    sought = Sought(
        query.get("q", "")[:200].strip(), category if (category := query.get("category", "")) in CATEGORIES else "",
        outcome if (outcome := query.get("outcome", "")) in OUTCOMES else "",
        query.get("capture", "") if query.get("capture", "").isalnum() else "",
        _until(wanted) if wanted else _moment(query.get("at", "")), wanted["started"] if wanted else "",
    )  # fmt: skip
    found: Found = search(entry.path, sought, place, ROWS)
    return LogView(
        entry, [_row(act) for act in found.acts], found.older, found.until, sought, query.get("before", ""), wanted,
        captures[:_CAPTURES], max(0, len(captures) - _CAPTURES), place is None and not sought.before,
    )  # fmt: skip


def operation_view(logs: AuditLogs, entry: Entry, operation: str) -> OperationView | None:
    """An operation and what belongs to it; None where no log knows it. Raises OSError."""
    tree = tree_of(operation, logs.likely(entry))
    if tree is None:
        return None
    node = tree.members.get(operation) or tree.root
    begun = moment(tree.root.records[0].get("timestamp")) if tree.root.records else None
    covering = {str(each) for record in node.records for each in record.get("capture_ids") or []}
    captures = [each for each in captures_of(entry) if each["capture_id"] in covering]
    return OperationView(
        entry, _of_node(node), tree, _branch(tree.root, begun), list(_records(node)), captures
    )  # fmt: skip


def _until(capture: Capture) -> str:
    ended = moment(capture["ended"]) if capture["ended"] else None
    return (ended + _AFTER).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if ended else ""


def _moment(text: str) -> str:
    """A time in a query as the log writes it; nothing for what is none."""
    found = moment(text) if text else None
    return found.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if found else ""


# ---------------------------------------------------------------------- events in words


def _row(act: Act) -> Row:
    event, payload = act.begun, act.begun["payload"]
    ended = act.ended["payload"] if act.ended else payload
    category, stage = str(event.get("category")), str((act.ended or event).get("stage"))
    what, detail = _told(category, payload)
    status = status_of(act)
    took = ended.get("duration_ms")
    context = event.get("run_context")
    return Row(
        act.operation, category, what, detail, str(event.get("timestamp")), _result(act, status, stage),
        "" if status is None else str(status), took if isinstance(took, (int, float)) else None,
        str(context["run_id"]) if isinstance(context, dict) and context.get("run_id") else None,
        [str(each) for each in event.get("capture_ids") or []],
    )  # fmt: skip


def _told(category: str, payload: Mapping[str, Any]) -> tuple[str, str]:
    """What was done, and with what, in words."""
    if category == "http_request":
        query = f"?{payload['query']}" if payload.get("query") else ""
        return f"{payload.get('method')} {payload.get('path')}{query}", ""
    if category == "rq_enqueue":
        given = ", ".join(_short(each) for each in payload.get("args") or [])
        return f"{payload.get('function')}({given})", f"on {payload.get('queue')}"
    if category == "rq_job":
        return str(payload.get("function")), str(payload.get("error") or "").strip().rpartition("\n")[2]
    if category == "file_upload":
        return str(payload.get("filename")), f"{payload.get('field')}, {payload.get('size')} bytes"
    if category == "egress":
        return f"{payload.get('method')} {payload.get('url') or payload.get('path')}", ""
    rest = {k: v for k, v in payload.items() if k != "kind" and v not in (None, "", [], {})}
    return str(payload.get("kind")), ", ".join(f"{k} {_short(v)}" for k, v in list(rest.items())[:5])


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _result(act: Act, status: int | str | None, stage: str) -> str:
    """How it ended, as one of the words that have a sign."""
    if act.begun.get("stage") == "started" and act.ended is None:
        return "interrupted"
    if isinstance(status, int):
        return "failed" if status >= 500 else "error" if status >= 400 else "finished"
    if stage in ("failed", "stopped", "retried") or status in ("failed", "stopped", "canceled"):
        return "failed"
    return "finished" if stage == "finished" else "never"


def _of_node(node: Node) -> Row:
    begun, *rest = node.records
    ended = next((e for e in reversed(rest) if e.get("stage") not in (None, "started")), None)
    return _row(Act(Place("", 0), begun, ended))


def _branch(node: Node, begun: datetime | None) -> Branch:
    row = _of_node(node)
    at = moment(row.at)
    after = (at - begun).total_seconds() * 1000 if at and begun else None
    return Branch(row, after, [_branch(child, begun) for child in node.children if child.records])


def _records(node: Node) -> Iterator[tuple[str, str, bool]]:
    for record in node.records:
        text = visible_lines(json.dumps(record, indent=2, ensure_ascii=False))
        stage = record.get("stage")
        name = f"{WORDS.get(str(record.get('category')), 'record')}{f', {stage}' if stage else ''}"
        yield name, text[:_RECORD], len(text) > _RECORD


def visible_lines(text: str) -> str:
    """A text of several lines, with nothing unprintable in any."""
    return "\n".join(visible(line) for line in text.split("\n"))


def routes(site: Site) -> APIRouter:
    """`/ui/audit` and what is below it."""
    router = APIRouter()
    logs = AuditLogs(site.data_root, site.environ)

    def listed(query: Mapping[str, str]) -> tuple[Page[Entry], int, str]:
        every, q = logs.all(), query.get("q", "")[:200].strip()
        shown = [each for each in every if q.casefold() in each.name.casefold()] if q else every
        return Page.of_all(shown, number_of(query.get("page")), ROWS), len(every), q

    def unknown(request: Request) -> Response:
        return site.refusal(
            request, 404, "There is no such audit log here, or it is not listed in RECORDER_ROOT any more."
        )

    @router.get("/ui/audit")
    async def page(request: Request) -> Response:
        found, every, q = await asyncio.to_thread(listed, dict(request.query_params))
        return await asyncio.to_thread(lambda: site.page(request, "audit.html", page=found, every=every, q=q))

    @router.get("/ui/audit/{key}")
    async def log(key: str, request: Request) -> Response:
        entry = await asyncio.to_thread(logs.find, key)
        if entry is None:
            return unknown(request)
        try:
            view = await asyncio.to_thread(log_view, entry, dict(request.query_params))
        except OSError as error:
            return site.refusal(
                request, 422, f"The audit log of {entry.name} cannot be read: {error.strerror or error}."
            )
        return await asyncio.to_thread(
            lambda: site.page(request, "audit_log.html", view=view, words=WORDS, outcomes=OUTCOMES)
        )

    @router.get("/ui/audit/{key}/operations/{operation}")
    async def operation(key: str, operation: str, request: Request) -> Response:
        entry = await asyncio.to_thread(logs.find, key)
        if entry is None:
            return unknown(request)
        try:
            view = await asyncio.to_thread(operation_view, logs, entry, operation)
        except OSError as error:
            return site.refusal(
                request, 422, f"The audit log of {entry.name} cannot be read: {error.strerror or error}."
            )
        if view is None:
            return site.refusal(request, 404, f"No audit log here knows the operation {operation}.")
        return await asyncio.to_thread(lambda: site.page(request, "audit_operation.html", view=view, words=WORDS))

    return router
