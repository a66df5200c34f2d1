"""HAR 1.2 as a file: read whole, checked where it is looked at, every fault named by file and JSON pointer.

The format is http://www.softwareishard.com/blog/har-12-spec/, pointers are RFC 6901. What browsers add beyond it begins
with an underscore and is only used where it is there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn, Self
from urllib.parse import quote, urlsplit

import orjson

from assembler.logs import AssemblyError
from recorder.events import clean_text

__all__ = ["LIMIT", "Entry", "Har", "Node", "NotHar", "Url", "read_har"]

LIMIT = 256 << 20
"""Bytes of the largest file that is read: the document is held in memory."""

_VERSIONS = ("", "1.1", "1.2")
_YEARS = range(1990, 2200)
_LONGEST = 30 * 24 * 3600 * 1000  # milliseconds
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_HOST = re.compile(r"[\w.~%-]+|[0-9a-f:.]+")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_1970 = datetime(1970, 1, 1, tzinfo=UTC)
_ZIP = b"PK\x03\x04"
_RAW = "".join(chr(code) for code in range(33, 127) if chr(code) not in '"<>')
"""What stands in an address as it is; browsers have encoded the rest, other writers may not have."""


class NotHar(AssemblyError):
    """A file that is no HAR 1.2; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Node:
    """A value in the file, and where it stands."""

    value: Any
    pointer: str
    file: Path

    def wrong(self, sentence: str) -> NoReturn:
        """Raise `NotHar`: the file, this place, and the sentence."""
        raise NotHar(f"{self.file}: {self.pointer or 'the document'} {sentence}.")

    def at(self, key: str) -> Node:
        """The member `key`; its value is None where there is none."""
        return Node(self.value.get(key), f"{self.pointer}/{key}", self.file)

    def object(self, key: str) -> Node:
        """The object `key`."""
        found = self.at(key)
        if not isinstance(found.value, dict):
            found.wrong(
                "is missing" if found.value is None else f"is {_kind(found.value)}; HAR 1.2 has an object there"
            )
        return found

    def objects(self, key: str, *, needed: bool = True) -> Iterator[Node]:
        """The objects of the list `key`."""
        found = self.at(key)
        if found.value is None and not needed:
            return
        if not isinstance(found.value, list):
            found.wrong("is missing" if found.value is None else f"is {_kind(found.value)}; HAR 1.2 has a list there")
        for index, value in enumerate(found.value):
            item = Node(value, f"{found.pointer}/{index}", self.file)
            if not isinstance(value, dict):
                item.wrong(f"is {_kind(value)}; HAR 1.2 has an object there")
            yield item

    def text(self, key: str, default: str | None = None) -> str:
        """The text `key`, without lone surrogates; a missing one is wrong unless there is a default."""
        found = self.at(key)
        if found.value is None and default is not None:
            return default
        if not isinstance(found.value, str):
            found.wrong("is missing" if found.value is None else f"is {_kind(found.value)}; HAR 1.2 has a text there")
        return clean_text(found.value)

    def number(self, key: str, default: float | None = None) -> float:
        """The number `key`; a missing one is wrong unless there is a default."""
        found = self.at(key)
        if found.value is None and default is not None:
            return default
        if not isinstance(found.value, (int, float)) or isinstance(found.value, bool):
            found.wrong("is missing" if found.value is None else f"is {_kind(found.value)}; HAR 1.2 has a number there")
        if not abs(found.value) < 1e15:
            found.wrong("is beyond all measure")
        return float(found.value)

    def headers(self) -> list[tuple[str, str]]:
        """The header fields of a message: names in lower case, those of HTTP/2 that begin with `:` left out.

        Chromium and Playwright write repeated fields as one, their values apart by line ends.
        """
        found = []
        for field in self.objects("headers"):
            name = field.text("name").strip().lower()
            lines = field.text("value", "").replace("\0", "").split("\n")
            if _TOKEN.fullmatch(name):
                found += [(name, line.strip()) for line in lines if line.strip() or len(lines) == 1]
        return found


@dataclass(frozen=True, slots=True)
class Url:
    """An http or https address, taken apart; `path` and `query` are raw."""

    scheme: str
    host: str
    path: str
    query: str

    @property
    def origin(self) -> str:
        """Scheme, host and port (RFC 6454), lower case, a scheme's own port left out."""
        return f"{self.scheme}://{self.host}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The address in a text; None for data:, blob: and other schemes. Raises ValueError when it is none at all."""
        parts = urlsplit(text.strip())
        scheme = parts.scheme.lower()
        if scheme in ("ws", "wss"):
            scheme = {"ws": "http", "wss": "https"}[scheme]
        elif scheme and scheme not in _DEFAULT_PORTS:
            return None
        host, port = (parts.hostname or "").lower(), parts.port
        if not scheme or not _HOST.fullmatch(host):
            raise ValueError("no host")
        host = f"[{host}]" if ":" in host else host
        if port is not None and port != _DEFAULT_PORTS[scheme]:
            host += f":{port}"
        return cls(scheme, host, quote(parts.path, _RAW) or "/", quote(parts.query, _RAW))


class Entry:
    """One request and its answer. What is wrong with it is found, and raised as `NotHar`, where it is asked for."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.request = node.object("request")
        self.url = self._url()

    def _url(self) -> Url | None:
        try:
            return Url.parse(self.request.text("url"))
        except ValueError:
            self.request.at("url").wrong("is no address")

    @cached_property
    def method(self) -> str:
        """The request's method."""
        method = self.request.text("method")
        if not _TOKEN.fullmatch(method):
            self.request.at("method").wrong("is no method of HTTP")
        return method

    @cached_property
    def response(self) -> Node:
        """The answer."""
        return self.node.object("response")

    @cached_property
    def status(self) -> int:
        """The answer's status; 0 or less where there was no answer."""
        status = self.response.number("status")
        if status != int(status) or 0 < status < 100 or status > 999:
            self.response.at("status").wrong("is no status of HTTP")
        return int(status)

    @cached_property
    def content(self) -> Node:
        """The answer's content."""
        return self.response.object("content")

    @cached_property
    def media_type(self) -> str:
        """What the answer says it is, without parameters, lower case."""
        return self.content.text("mimeType", "").partition(";")[0].strip().lower()

    @cached_property
    def sent(self) -> list[tuple[str, str]]:
        """The request's header fields."""
        return self.request.headers()

    @cached_property
    def got(self) -> list[tuple[str, str]]:
        """The answer's header fields."""
        return self.response.headers()

    @cached_property
    def started_ns(self) -> int:
        """When the request began: nanoseconds since 1970, UTC. A time without a zone is taken for UTC."""
        text = self.node.text("startedDateTime")
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            self.node.at("startedDateTime").wrong("is no date and time (ISO 8601)")
        if moment.year not in _YEARS:
            self.node.at("startedDateTime").wrong(f"is in the year {moment.year}")
        return (moment.replace(tzinfo=moment.tzinfo or UTC) - _1970) // timedelta(microseconds=1) * 1000

    @cached_property
    def unfinished(self) -> bool:
        """True when nothing says how long it took: Playwright writes -1 where an answer never ended, or for all."""
        return self.node.number("time") == -1

    @cached_property
    def duration_ns(self) -> int:
        """How long request and answer took together, in nanoseconds; 0 when nothing says."""
        milliseconds = 0 if self.unfinished else self.node.number("time")
        if milliseconds < 0:
            self.node.at("time").wrong(f"is {milliseconds:g} ms; no request takes less than nothing")
        if milliseconds > _LONGEST:
            self.node.at("time").wrong(f"is {milliseconds:g} ms, more than 30 days")
        return int(milliseconds * 1e6)

    @property
    def http_version(self) -> str:
        """As the recorder writes it: `1.1`, `2`, `3`."""
        found = re.fullmatch(r"(?:http/|h)([1-3](?:\.\d)?)", self.request.text("httpVersion", "").strip().lower())
        return found[1].removesuffix(".0") if found and found[1] != "1.0" else "1.0" if found else "1.1"


@dataclass(frozen=True)
class Har:
    """A HAR: its entries in the order of the file, and who wrote it."""

    path: Path
    entries: list[Entry]
    creator: str


def read_har(path: Path) -> Har:
    """Read the HAR at `path`, 256 MiB at most. Raises `NotHar` for what is no HAR 1.2, OSError for what cannot be read."""
    size = path.stat().st_size
    if size > LIMIT:
        raise NotHar(f"{path} has {size >> 20} MiB; HARs of up to {LIMIT >> 20} MiB are read. Record less, or cut it.")
    document = Node(_parsed(path), "", path)
    if not isinstance(document.value, dict):
        document.wrong(f"is {_kind(document.value)}; HAR 1.2 has an object with the key log")
    log = document.object("log")
    if (version := log.text("version", "")) not in _VERSIONS:
        log.at("version").wrong(f"is {version[:20]!r}; HAR 1.2 is read, and 1.1")
    entries = [Entry(node) for node in log.objects("entries")]
    creator = log.at("creator")
    written = " ".join(creator.text(key, "") for key in ("name", "version")) if isinstance(creator.value, dict) else ""
    return Har(path, entries, re.sub(r"[^\w. ()+/-]", "", written).strip()[:80])


def _parsed(path: Path) -> Any:
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")  # the specification allows a byte order mark
    if content.startswith(_ZIP):
        raise NotHar(f"{path} is a zip file; unpack it, and import the .har file in it with its other files beside it.")
    try:
        return orjson.loads(content)
    except ValueError as first:
        try:
            return json.loads(content, parse_constant=_no_constant)  # which accepts lone surrogates, as browsers write
        except (ValueError, RecursionError):
            raise NotHar(f"{path} is not JSON: {first}.") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
