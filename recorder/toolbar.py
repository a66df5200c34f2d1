"""The toolbar's script tag in the application's own pages (RECORDER_TOOLBAR): which answers get it, and where it stands.

Pure: an `Insertion` is told an answer's head and then its body, piece by piece. It changes whole HTML documents that a
browser navigates to and nothing else: no fragment, no download, no part of a page, nothing that a script asked for, no
page whose Content-Security-Policy forbids our script or what it has to ask. What it is not sure of it leaves alone.
`recorder.injection` applies it to ASGI and WSGI.
"""

from __future__ import annotations

import logging
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from urllib.parse import quote

__all__ = ["Insertion", "Splice", "insertion", "nonce_of", "wants_page"]

logger = logging.getLogger("recorder")

Pairs = Sequence[tuple[str, str]]

LONGEST_PROLOG = 16 << 10  # bytes before <head>; what is longer is no page

_BY_SCRIPT = ("x-recorder-request", "x-requested-with", "hx-request")
_FIXED = frozenset({"content-md5", "content-digest", "repr-digest", "digest", "signature", "content-range"})
"""Header fields that say which bytes these are."""
_ASCII_LIKE = re.compile(
    r"utf-?8|us-ascii|ascii|iso-?8859-\d+|latin-?\d|windows-125\d|cp125\d|koi8-\w|euc-\w+|gb\w+|big5|shift_jis"
)
"""Charsets in which `<` and what follows it are these bytes and no others."""
_ATTRIBUTES = rb"(?:\"[^\"]*\"|'[^']*'|[^'\">])*"
_TOKEN = re.compile(
    rb"\s+|<!--.*?-->|<(?P<declared>!doctype)[^>]*>|<[!?](?!--)[^>]*>|<(?P<name>[a-z][^\s/>]*)" + _ATTRIBUTES + rb">",
    re.DOTALL | re.IGNORECASE,
)
_META_CHARSET = re.compile(rb"<meta(?=\s)(?=[^>]*charset\s*=)" + _ATTRIBUTES + rb">", re.IGNORECASE)
_META_POLICY = re.compile(rb"<meta[^>]*content-security-policy", re.IGNORECASE)
_HEAD_ENDS = re.compile(rb"</head|<body|<base", re.IGNORECASE)
_NONCE = re.compile(r"'nonce-([A-Za-z0-9+/_=-]+)'", re.IGNORECASE)


def wants_page(method: str, asked: Mapping[str, str]) -> bool:
    """Return whether a request may be a browser's that opens a page; `asked` are its headers by name in lower case."""
    if method not in ("GET", "POST") or any(name in asked for name in _BY_SCRIPT):
        return False
    return asked.get("sec-fetch-dest", "document") == "document"


def insertion(status: int, headers: Pairs, source: str, origin: str) -> Insertion | None:
    """Return what puts the tag into an answer with this head, or None when it is to be left alone.

    `headers` have names in lower case; `source` is the path of the script, `origin` the page's own. Never raises: nothing
    recorded is lost by a page without the tag, so a fault of ours is logged and not counted.
    """
    try:
        return _insertion(status, headers, source, origin)
    except Exception as error:
        logger.error("recorder: a page was left without the toolbar: %r", error, exc_info=error)
        return None


def _insertion(status: int, headers: Pairs, source: str, origin: str) -> Insertion | None:
    found = dict(headers)
    media_type, _, parameters = found.get("content-type", "").lower().partition(";")
    charset = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", parameters)
    coding = found.get("content-encoding", "").strip().lower()
    if (
        media_type.strip() != "text/html"
        or not (status == 200 or 201 <= status < 204 or status >= 400)
        or coding not in ("", "identity", "gzip")
        or (charset is not None and not _ASCII_LIKE.fullmatch(charset[1]))
        or not _FIXED.isdisjoint(found)
        or not found.get("content-length", "0").strip().isdigit()
        or found.get("content-disposition", "").strip().lower().startswith("attachment")
        or "no-transform" in found.get("cache-control", "").lower()
    ):
        return None
    named = ("content-security-policy", "content-security-policy-report-only")
    nonce = nonce_of([value for name, value in headers if name in named], origin)
    if nonce is None:
        return None
    attribute = f' nonce="{escape(nonce)}"' if nonce else ""
    tag = f'<script src="{escape(quote(source, safe="/%!$&()*+,;=:@~-._?"))}"{attribute}></script>'.encode()
    return Insertion(tag, packed=coding == "gzip", announced=charset is not None)


def nonce_of(policies: Iterable[str], origin: str) -> str | None:
    """Return the nonce with which all these Content-Security-Policy headers admit our script, "" where none is needed.

    None when one of them forbids the script, or that it asks its own origin (CSP 3, https://www.w3.org/TR/CSP3/).
    """
    nonce = ""
    for policy in (part for value in policies for part in value.split(",")):
        directives: dict[str, list[str]] = {}
        for words in (directive.split() for directive in policy.split(";")):
            if words:
                directives.setdefault(words[0].lower(), words[1:])
        default = directives.get("default-src")
        script = directives.get("script-src-elem", directives.get("script-src", default))
        connect = directives.get("connect-src", default)
        if "sandbox" in directives or not (connect is None or _admits(connect, origin)):
            return None
        if script is None or ("'strict-dynamic'" not in map(str.lower, script) and _admits(script, origin)):
            continue
        own = next((found[1] for source in script if (found := _NONCE.fullmatch(source))), None)
        if own is None or nonce not in ("", own):
            return None
        nonce = own
    return nonce


def _admits(sources: Iterable[str], origin: str) -> bool:
    """Whether a source list matches the page's own origin; a path in it is more than we look into."""
    scheme, _, host = origin.lower().partition("://")
    return any(source.lower() in ("'self'", "*", f"{scheme}:", origin.lower(), host) for source in sources)


class Splice:
    """Puts a tag into a document that comes piece by piece: behind `<head>`, else before the first element.

    `placed` is None until it is known whether there is a place; what came until then is held back.
    """

    def __init__(self, tag: bytes, announced: bool = True) -> None:
        self.placed: bool | None = None
        self._tag = tag
        self._announced = announced
        self._held = b""

    def feed(self, piece: bytes, last: bool = False) -> bytes:
        """Return what may go on: nothing while it is undecided, and at last everything."""
        if self.placed is not None:
            return piece
        self._held += piece
        at = self._place(self._held)
        if at is None and not last and len(self._held) <= LONGEST_PROLOG:
            return b""
        text, self._held = self._held, b""
        self.placed = at is not None and at >= 0
        return text[:at] + self._tag + text[at:] if self.placed else text

    def _place(self, text: bytes) -> int | None:
        """Where the tag belongs; -1 for nowhere, None while that is open."""
        at, document = 3 if text.startswith(b"\xef\xbb\xbf") else 0, False
        while token := _TOKEN.match(text, at):
            name = (token["name"] or b"").lower()
            if name == b"head":
                return self._behind_head(text, token.end())
            if name and name != b"html":
                return at if document and name != b"frameset" else -1
            document = document or bool(name or token["declared"])
            at = token.end()
        if at == len(text) or text.startswith(b"<", at):
            return None
        return at if document else -1

    def _behind_head(self, text: bytes, at: int) -> int:
        ends = _HEAD_ENDS.search(text, at)
        head = text[at : ends.start() if ends else len(text)]
        if _META_POLICY.search(head):
            return -1
        # Browsers look for the charset in the first 1,024 bytes: where no header tells it, it keeps its place.
        meta = None if self._announced else _META_CHARSET.search(head)
        return at + meta.end() if meta else at


class Insertion:
    """One answer that gets the tag, as far as there is a place for it.

    Told the body with `feed`. Until `decided` nothing may be sent of an answer with a Content-Length; then `headers`
    says what its head becomes.
    """

    def __init__(self, tag: bytes, *, packed: bool, announced: bool) -> None:
        self.added = len(tag)
        self._packed = packed
        self._splice = Splice(tag, announced)
        self._raw = b""
        self._unpack = zlib.decompressobj(31)
        self._pack = zlib.compressobj(6, zlib.DEFLATED, 31)

    @property
    def decided(self) -> bool:
        """Whether it is known if the tag has a place."""
        return self._splice.placed is not None

    @property
    def placed(self) -> bool:
        """Whether the tag stands in what went on."""
        return self._splice.placed is True

    def feed(self, piece: bytes, last: bool = False) -> bytes:
        """Return what may be sent for a piece of the body: nothing while it is undecided."""
        if not self._packed:
            return self._splice.feed(piece, last)
        if self._splice.placed is False:
            return piece
        if not self.decided:
            self._raw += piece
        try:
            text = self._splice.feed(self._unpacked(piece), last)
        except zlib.error:
            if self.placed:
                return b""  # what follows the last member of a gzip file is nothing (RFC 1952, 2.2)
            self._splice.placed = False
        if self._splice.placed is False:
            raw, self._raw = self._raw, b""
            return raw
        if not self.decided:
            return b""
        self._raw = b""
        # Flushed with every piece, as whoever packed it may have done for a page that comes slowly.
        return self._pack.compress(text) + self._pack.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)

    def _unpacked(self, piece: bytes) -> bytes:
        text = self._unpack.decompress(piece)
        while self._unpack.eof and (rest := self._unpack.unused_data):
            self._unpack = zlib.decompressobj(31)
            text += self._unpack.decompress(rest)
        return text

    def headers(self, headers: Pairs, whole: int | None = None) -> list[tuple[str, str]]:
        """Return the head of an answer that has the tag; `whole` is the length of its body where all of it is known.

        The validator becomes a weak one: these are no longer the bytes of which a part could be asked for.
        """
        found = []
        for name, value in headers:
            field = name.lower()
            if field == "content-length":
                if whole is None and self._packed:
                    continue
                value = str(whole if whole is not None else int(value) + self.added)
            elif field == "accept-ranges":
                continue
            elif field == "etag" and not value.startswith("W/"):
                value = f"W/{value}"
            found.append((name, value))
        return found
