"""What a replay leaves besides its report, in the form in which it may be shown: without secrets, and cut where it is long."""

from __future__ import annotations

import difflib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from playback.curl import inline
from playback.redact import Redaction
from playback.report import Report
from playback.trail import Exchange
from playback.wire import FileBody, Multipart, Request
from recorder.media import Kind, kind

__all__ = ["Evidence", "KeyFile", "Told", "answer_diff", "told"]

LARGEST = 1 << 20  # bytes of a body that are kept as text
_LINES = 3000  # lines of either side that are diffed; difflib is quadratic at worst
_SHOWN = 400  # lines of a diff that anybody reads


@dataclass(frozen=True)
class Told:
    """One exchange as text. `answer` is None when there was none."""

    step: str
    request: str
    answer: str | None = None
    size: int = 0
    """Bytes of the answer's body, which may be more than are told."""


@dataclass(frozen=True)
class KeyFile:
    """A file of the run that differs from its baseline; either may not be there."""

    target: str
    expected: Path
    actual: Path


@dataclass
class Evidence:
    """Everything that explains a verdict. `exchanges` are the last ones, oldest first."""

    redaction: Redaction = field(default_factory=Redaction)
    exchanges: list[Told] = field(default_factory=list)
    expected: bytes | None = None
    """The body that the last of the exchanges should have been answered with."""
    body: bytes | None = None
    """The body that it sent, when it fits no line."""
    diff: list[str] = field(default_factory=list)
    """Expected and actual body of the last exchange, as a unified diff."""
    pictures: dict[str, Path] = field(default_factory=dict)
    """Pictures of differences, by the names under which the report knows them."""
    files: list[KeyFile] = field(default_factory=list)
    components: dict[str, str] = field(default_factory=dict)
    """Versions of what was recorded, as the profile has them."""

    def of(self, step: str) -> Told | None:
        """The exchange of this step, if it was the last."""
        return self.exchanges[-1] if self.exchanges and self.exchanges[-1].step == step else None

    def look_at(self, report: Report, exchanges: Sequence[Exchange], known: Mapping[str, str]) -> None:
        """Take in the last exchanges; `known` is which recorded value reads how in this replay."""
        if report.result == "passed" or not exchanges:
            return
        self.exchanges = [told(exchange, self.redaction) for exchange in exchanges]
        last = exchanges[-1]
        if last.request.content and inline(last.request.content) is None:
            self.body = _body(last.request, self.redaction)
        if last.expected is not None and last.expected.is_file():
            expected = last.expected.read_bytes()[:LARGEST]
            self.expected = self.redaction.content(expected, _kind(last.headers))
            if last.step == report.failing_step:
                written = _kind(last.headers)
                now = self.redaction.content(last.content, written)
                self.diff = list(answer_diff(_mapped(expected, known, self.redaction), now))

    def look_at_files(self, report: Report, baseline: Path, run_dir: Path | None) -> None:
        """Take in the pictures and files of the comparisons, which get the pictures' new names."""
        for comparison in report.comparisons:
            for number, picture in enumerate(comparison.pictures):
                name = f"pictures/{Path(picture).parent.name}-{Path(picture).name}"
                self.pictures[name], comparison.pictures[number] = Path(picture), name
            if comparison.result != "passed" and run_dir is not None:
                below = [baseline / "run" / comparison.target, baseline / comparison.target]
                expected = next((path for path in below if path.is_file()), below[0])
                self.files.append(KeyFile(comparison.target, expected, run_dir / comparison.target))


def told(exchange: Exchange, redaction: Redaction) -> Told:
    """`exchange` as text without secrets."""
    request = exchange.request
    head = [f"{request.method} {redaction.text(request.target, 'form')}", *_fields(request.headers, redaction), ""]
    sent = "\n".join([*head, _sent(request, redaction)])
    if exchange.status is None:
        return Told(exchange.step, sent)
    body = redaction.content(exchange.content, _kind(exchange.headers)).decode("utf-8", "replace")
    head = [f"HTTP {exchange.status}", *_fields(exchange.headers, redaction), ""]
    cut = (
        f"\n… the first {len(exchange.content):,} of {exchange.size:,} bytes"
        if exchange.size > len(exchange.content)
        else ""
    )
    return Told(exchange.step, sent, "\n".join([*head, body]) + cut, exchange.size)


def answer_diff(expected: bytes, actual: bytes) -> Iterator[str]:
    """The lines of a unified diff of two bodies: JSON by value, with its keys in order, everything else as text.

    Nothing for bytes that are no text, or more than a diff could show.
    """
    try:
        before, after = expected.decode(), actual.decode()
    except UnicodeDecodeError:
        return
    left, right = _lines(before), _lines(after)
    if "\0" in before + after or max(len(left), len(right)) > _LINES:
        return
    for number, line in enumerate(difflib.unified_diff(left, right, "expected", "actual", lineterm="", n=3)):
        if number == _SHOWN:
            yield "… and more"
            return
        yield line


def _lines(text: str) -> list[str]:
    try:
        return json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False).splitlines()
    except (ValueError, RecursionError):
        return text.splitlines()


def _mapped(expected: bytes, known: Mapping[str, str], redaction: Redaction) -> bytes:
    """The recorded body in the terms of this replay: what stands for another value is not what differs."""
    try:
        text = expected.decode()
    except UnicodeDecodeError:
        return expected
    for was in sorted(known, key=len, reverse=True):
        if len(was) >= 6 and was in text:
            text = text.replace(was, known[was])
    return redaction.text(text).encode("utf-8", "backslashreplace")


def _fields(headers: Sequence[tuple[str, str]], redaction: Redaction) -> list[str]:
    return [f"{name}: {value}" for name, value in redaction.headers(headers)]


def _sent(request: Request, redaction: Redaction) -> str:
    if isinstance(request.stream, Multipart):
        return "\n".join(
            f"{part.name}: the file {part.file}"
            if part.file is not None
            else redaction.text(f"{part.name}={value}", "form")
            for part, value in request.stream.parts
        )
    if isinstance(request.stream, FileBody):
        return f"the file {request.stream.path.name}, {request.stream.length:,} bytes"
    content = _plain(request)
    if content is None:
        return f"{len(request.content or b''):,} bytes, compressed"
    return redaction.content(content[:LARGEST], _kind(request.headers)).decode("utf-8", "replace")


def _body(request: Request, redaction: Redaction) -> bytes | None:
    """The body as it can be sent again, unless that would show a secret that is compressed in it."""
    plain = _plain(request)
    if plain is None:
        return None
    clean = redaction.content(plain, _kind(request.headers))
    return clean if plain == request.content else request.content if clean == plain else None


def _plain(request: Request) -> bytes | None:
    """The body as it was before it was compressed; None when that cannot be told."""
    content = request.content or b""
    coding = next((value for name, value in request.headers if name.lower() == "content-encoding"), "").strip().lower()
    window = {"": None, "identity": None, "gzip": 31, "x-gzip": 31, "deflate": 15}.get(coding, 0)
    if window is None:
        return content
    if not window:
        return None
    try:
        return zlib.decompressobj(wbits=window).decompress(content, LARGEST)
    except zlib.error:
        return None


def _kind(headers: Sequence[tuple[str, str]]) -> Kind:
    found = kind(next((value for name, value in headers if name.lower() == "content-type"), None))
    return found if found in ("json", "form", "html", "xml", "script") else "text"
