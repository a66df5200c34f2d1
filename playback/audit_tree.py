"""From cause to effect in audit logs: the request, what it enqueued, the jobs, what those enqueued.

Ids of operations tell their time (they are ULIDs), so a cause is looked for around that moment, and effects behind it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playback.audit_files import files_of, head_of, lines_from, offset_at, opened
from recorder.generations import File
from recorder.log import parse

__all__ = ["Node", "Tree", "tree_of"]

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SLACK = timedelta(seconds=10)  # by which writers may disagree about the order of their records
_SECONDS = 2.0  # of one look
_MEMBERS = 500
_HIGHEST = 50  # causes above one another
_PASSES = 4


@dataclass
class Node:
    """An operation: its records in the order they were read, the log they stand in, and what it caused."""

    id: str
    log: Path
    records: list[dict[str, Any]] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)

    @property
    def parent(self) -> str | None:
        found = self.records[0].get("parent_id")
        return str(found) if found else None


@dataclass
class Tree:
    """What belongs to one operation. `root` is its first cause that is known; the rest tells what is missing."""

    root: Node
    members: dict[str, Node]
    cause_missing: bool = False
    cut: bool = False
    """There may be more: the look took too long, or found too much."""


def tree_of(operation: str, logs: Sequence[Path]) -> Tree | None:
    """The tree of an operation in these logs (those that are likely first); None when it is in none. Raises OSError."""
    deadline = time.monotonic() + _SECONDS
    here = _found(operation, logs)
    if here is None:
        return None
    root, missing = here, False
    for _ in range(_HIGHEST):
        if root.parent is None:
            break
        above = _found(root.parent, logs)
        if above is None:
            missing = True
            break
        root = above
    tree = Tree(root, {root.id: Node(root.id, root.log)}, missing)
    _effects(tree, logs, deadline)
    for node in tree.members.values():
        node.records.sort(key=_order)
    for node in sorted((n for n in tree.members.values() if n.records), key=lambda n: _order(n.records[0])):
        parent = tree.members.get(node.parent or "")
        if parent is not None and parent is not node:
            parent.children.append(node)
    tree.root = tree.members[root.id]
    return tree


def _found(operation: str, logs: Iterable[Path]) -> Node | None:
    """An operation with its first record."""
    begun = _moment(operation)
    if begun is None:
        return None
    since, until = _written(begun - _SLACK), _written(begun + _SLACK)
    for log in logs:
        for file in _since(log, since):
            if file.first and file.first.timestamp > until:
                continue
            with opened(file) as text:
                if text is None:
                    continue
                for _, line in lines_from(text, offset_at(text, since)):
                    head = head_of(line)
                    if head is None:
                        continue
                    if head.timestamp > until:
                        break
                    if head.operation == operation and isinstance(event := parse(line), dict):
                        return Node(operation, log, [event])
    return None


def _effects(tree: Tree, logs: Sequence[Path], deadline: float) -> None:
    """Read on from the first cause, again while a log tells of members that another one makes understood."""
    begun = _moment(tree.root.id)
    assert begun is not None
    since = _written(begun - _SLACK)
    seen: set[str] = set()
    for _ in range(_PASSES):
        known = len(tree.members)
        for log in logs:
            _read_on(tree, log, since, seen, deadline)
        if tree.cut or len(tree.members) == known:
            return


def _read_on(tree: Tree, log: Path, since: str, seen: set[str], deadline: float) -> None:
    members = tree.members
    for file in _since(log, since):
        with opened(file) as text:
            if text is None or tree.cut:
                continue
            for count, (_, line) in enumerate(lines_from(text, offset_at(text, since))):
                if count % 256 == 0 and time.monotonic() > deadline:
                    tree.cut = True
                    return
                head = head_of(line)
                if head is None or head.id in seen:
                    continue
                if head.operation not in members:
                    if head.parent not in members:
                        continue
                    if len(members) >= _MEMBERS:
                        tree.cut = True
                        return
                    members[head.operation] = Node(head.operation, log)
                event = parse(line)
                if isinstance(event, dict) and isinstance(event.get("payload"), dict):
                    seen.add(head.id)
                    members[head.operation].records.append(event)


def _since(log: Path, moment: str) -> list[File]:
    """The files of a log in which something may stand that is not older; where each writer has one, all of them."""
    files = files_of(log)
    begun = [n for n, file in enumerate(files) if file.first and file.first.timestamp <= moment]
    return files if any(file.own for file in files) else files[begun[-1] if begun else 0 :]


def _order(event: dict[str, Any]) -> tuple[str, int]:
    mono = event.get("mono_ns")
    return str(event.get("timestamp")), mono if isinstance(mono, int) else 0


def _moment(ulid: str) -> datetime | None:
    """The time in a ULID; None for what is none."""
    if len(ulid) != 26 or any(character not in _ALPHABET for character in ulid):
        return None
    milliseconds = 0
    for character in ulid[:10]:
        milliseconds = milliseconds * 32 + _ALPHABET.index(character)
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
