"""What changed between two recordings of one step: what is sent, with which files, and what is expected."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from assembler.profile import Expect, JobNode, Part, Step
from assembler.shapes import pieces
from assembler.storage import digest
from playback.jsontext import dumps
from playback.wording import clip

__all__ = ["between", "change_line", "file_change", "path_shape"]

WIDTH = 60
"""Characters of a value that are shown."""
_STEP = re.compile(r"(\{\{\s*steps\.)([A-Za-z0-9_.-]+)(\.[A-Za-z0-9_]+\s*\}\})")
_FRACTION = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.])")
_VARYING = ("secret", "uuid", "clock", "ago", "opaque")


def between(old: Step, new: Step, old_folder: Path, new_folder: Path, names: Mapping[str, str]) -> Iterator[str]:
    """A line for everything that changed, answers' bodies apart. `names` maps the new ids of steps to their old ones."""
    step = _Texts(names)
    if old.client != new.client:
        yield change_line("client", old.client, new.client)
    if old.method != new.method:
        yield change_line("method", old.method, new.method)
    if path_shape(old.path or "") != path_shape(new.path or ""):
        yield change_line("path", old.path, new.path)
    yield from step.pairs("query", _query(old.query), _query(new.query))
    yield from step.pairs("header", _headers(old), _headers(new))
    yield from step.pairs("cookie", list(old.cookies.items()), list(new.cookies.items()))
    yield from step.pairs("field", _fields(old), _fields(new))
    yield from step.body("json", old.json_, new.json_)
    yield from step.body("text", old.text, new.text)
    yield from _files(old, new, old_folder, new_folder)
    for key in ("job", "queue", "payload", "command", "log_contains", "timeout"):
        before, after = getattr(old, key), getattr(new, key)
        if not step.same(before, after):
            yield change_line(key, before, after)
    yield from _expected(old.expect or Expect(), new.expect or Expect(), step)
    yield from _waits(old, new, step)
    # A value is taken where another step sends it: that one tells when it does no longer.
    both = old.extract.keys() & new.extract.keys()
    yield from step.pairs("value taken from the answer", _extracts(old, both), _extracts(new, both))


def change_line(what: str, before: Any, after: Any) -> str:
    """`what: before → after`, each clipped."""
    return f"{what}: {_shown(before)} → {_shown(after)}"


def file_change(before: Path, after: Path) -> str:
    """Size and sha256 of two files, in one line."""
    sizes = [f"{path.stat().st_size} bytes, sha256 {digest(path)[:12]}…" for path in (before, after)]
    return " → ".join(sizes)


def path_shape(path: str) -> str:
    """A path without what varies: `/orders/17/lines` is `/orders/#/lines`, as are its template and another id."""
    path = re.sub(r"\{\{[^{}]*\}\}", "#", path)
    return "/".join("#" if any(p.kind not in ("text", "number") for p in pieces(s)) else s for s in path.split("/"))


class _Texts:
    """Compares texts of two steps: names of steps are translated, what a machine made is not looked at."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def same(self, before: Any, after: Any) -> bool:
        return before == after or _veiled(_plain(before)) == _veiled(self._translated(_plain(after)))

    def pairs(self, what: str, before: Sequence[tuple[str, str]], after: Sequence[tuple[str, str]]) -> Iterator[str]:
        """Lists of name and value: names that came, names that went, values that changed."""
        was, now = _grouped(before), _grouped(after)
        for name in [*was, *(n for n in now if n not in was)]:
            if name not in now:
                yield f"{what} {name}: removed"
            elif name not in was:
                yield f"{what} {name}: added, {_shown(_one(now[name]))}"
            elif len(was[name]) != len(now[name]) or not all(map(self.same, was[name], now[name])):
                yield change_line(f"{what} {name}", _one(was[name]), _one(now[name]))
        if list(was) != list(now) and sorted(was) == sorted(now) and what == "field":
            yield f"{what}s: in another order"

    def body(self, what: str, before: str | None, after: str | None) -> Iterator[str]:
        if before is None or after is None:
            if before != after:
                yield f"{what} body: {'removed' if after is None else 'added'}"
            return
        try:
            was, now = json.loads(before), json.loads(after)
        except ValueError:
            if not self.same(before, after):
                yield change_line(f"{what} body", before, after)
        else:
            yield from self.pairs(what, list(_leaves("", was)), list(_leaves("", now)))

    def _translated(self, text: str) -> str:
        return _STEP.sub(lambda m: m[1] + self.names.get(m[2], m[2]) + m[3], text)


def _expected(was: Expect, now: Expect, step: _Texts) -> Iterator[str]:
    for key in ("status", "media_type", "contains"):
        before, after = getattr(was, key), getattr(now, key)
        if before != after:
            yield change_line(f"expected {key}", before, after)
    if path_shape(was.location or "") != path_shape(now.location or "") and not step.same(was.location, now.location):
        yield change_line("expected location", was.location, now.location)
    if was.empty != now.empty:
        yield "expected body: " + ("now empty" if now.empty else "no longer empty")
    for what, before_names, after_names in (
        ("cookie", was.cookies or [], now.cookies or []),
        ("job", _jobs(was), _jobs(now)),
    ):
        yield from (f"expected {what} {n}: no longer" for n in before_names if n not in after_names)
        yield from (f"expected {what} {n}: new" for n in after_names if n not in before_names)


def _jobs(expect: Expect) -> list[str]:
    """A line for each job: how it ended, and what else is known of it that no recording has anew."""
    nodes, lines = expect.job_tree or {}, []
    for name, status in (expect.jobs or {}).items():
        node = nodes.get(name) or JobNode()
        more = [
            f"on {node.queue}" if node.queue else "",
            f"by {node.parent}" if node.parent else "",
            f"after {', '.join(node.depends_on)}" if node.depends_on else "",
            f"raising {_veiled(node.exception)}" if node.exception else "",
            f"returning {clip(_FRACTION.sub('<number>', _veiled(dumps(node.result))), WIDTH)}"
            if node.result is not None
            else "",
        ]
        lines.append(" ".join([name, status, *filter(None, more)]))
    return lines


def _waits(old: Step, new: Step, step: _Texts) -> Iterator[str]:
    before, after = (
        s.wait.model_dump(exclude_none=True, exclude={"recorded", "interval"}) if s.wait else {} for s in (old, new)
    )
    for key in [*before, *(k for k in after if k not in before)]:
        if not step.same(before.get(key), after.get(key)):
            yield change_line(f"wait {key}", before.get(key), after.get(key))


def _files(old: Step, new: Step, old_folder: Path, new_folder: Path) -> Iterator[str]:
    was, now = _sent_files(old), _sent_files(new)
    for name in [*was, *(n for n in now if n not in was)]:
        if name not in now:
            yield f"file {name}: no longer sent"
            continue
        path = new_folder / (now[name].file or "")
        if name not in was:
            yield f"file {name}: now sent, {path.stat().st_size if path.is_file() else 0} bytes"
            continue
        earlier = old_folder / (was[name].file or "")
        if was[name].filename != now[name].filename:
            yield change_line(f"file {name}, sent as", was[name].filename, now[name].filename)
        if earlier.is_file() and path.is_file() and digest(earlier) != digest(path):
            yield f"file {name}: {file_change(earlier, path)}"


def _sent_files(step: Step) -> dict[str, Part]:
    found: dict[str, Part] = {}
    for part in step.multipart or []:
        if part.file is not None:
            name = part.name if part.name not in found else f"{part.name} ({len(found) + 1})"
            found[name] = part
    if step.body is not None:
        found["the body"] = Part(name="the body", file=step.body)
    return found


def _fields(step: Step) -> list[tuple[str, str]]:
    return [*(step.form or []), *((p.name, p.value or "") for p in step.multipart or [] if p.file is None)]


def _headers(step: Step) -> list[tuple[str, str]]:
    return [(n, v) for n, vs in step.headers.items() for v in (vs if isinstance(vs, list) else [vs])]


def _query(query: str | None) -> list[tuple[str, str]]:
    parts = [part.partition("=") for part in (query or "").split("&") if part]
    return [(name, value) for name, _, value in parts]


def _extracts(step: Step, names: Set[str]) -> list[tuple[str, str]]:
    some = [(name, extract) for name, extract in step.extract.items() if name in names]
    rows = ((name, e.model_dump(by_alias=True, exclude_defaults=True, exclude={"was"})) for name, e in some)
    return [(name, " ".join(f"{k} {v}" for k, v in row.items())) for name, row in rows]


def _leaves(where: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(f"{where}/{key}", inner)
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from _leaves(f"{where}/{index}", inner)
    else:
        yield where or "/", value if isinstance(value, str) else dumps(value)


def _grouped(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _one(values: Sequence[str]) -> Any:
    return values[0] if len(values) == 1 else list(values)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else dumps(value)


def _veiled(text: str) -> str:
    """A text in which what a machine made anew is only named."""
    return "".join(f"<{p.kind}>" if p.kind in _VARYING else p.text for p in pieces(text))


def _shown(value: Any) -> str:
    return "nothing" if value is None else clip(value if isinstance(value, str) else dumps(value), WIDTH)
