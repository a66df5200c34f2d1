"""A request as one line of `curl` for a POSIX shell, which somebody can paste to see for himself.

Secrets that the profile reads from the environment stand there as `"$PROFILE_SECRET_X"`; cookies are those of
`cookies.txt`, a session of one's own; other credentials and tokens are an ellipsis, to be filled in.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, quote_plus, unquote_plus

from playback.redact import SHORTEST
from playback.target import Target
from playback.wire import FileBody, Multipart, Request
from recorder.marks import merged, replaced
from recorder.media import Kind, kind
from recorder.names import Names
from recorder.pseudonyms import Pseudonyms
from recorder.redaction import Redactor

__all__ = ["BODY", "curl", "inline"]

BODY = "request-body.bin"
"""Where a body lies that no line can hold: beside the line, among the diagnostics."""

_LONGEST = 2000  # characters of a body that are still a line
_ELLIPSIS = "…"
_FIRST, _LAST = 0xF0000, 0xFFFFD  # private use: stand for secrets while the text around them is looked through
_PLACE = re.compile(f"[{chr(_FIRST)}-{chr(_LAST)}]")
_BARE = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
# Sent by every browser, and no reason for another answer.
_NOISE = re.compile(
    r"accept-encoding|cache-control|connection|content-length|cookie|dnt|host|pragma|priority|sec-.*|te|upgrade-insecure-requests|"
    r"user-agent",
)
_NAMES, _PSEUDONYMS = Names(), Pseudonyms(b"of what is hidden nothing is kept")


def curl(
    target: Target,
    request: Request,
    *,
    standing: Mapping[str, str | list[str]] | None = None,
    secrets: Mapping[str, str] | None = None,
    cookies: bool = False,
) -> str:
    """The line for `request`, sent to where `target` is reached.

    `standing` are the headers that the client sends with everything, `secrets` names (without PROFILE_SECRET_) with
    their values; with `cookies` the client had some.
    """
    return _Line(secrets or {}).of(target, request, standing or {}, cookies)


def inline(content: bytes) -> str | None:
    """The text of a body that can stand in a line, or None."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    fits = len(text) <= _LONGEST and all(c.isprintable() or c in "\n\t" for c in text)
    return text if fits and not _PLACE.search(text) else None


class _Line:
    def __init__(self, secrets: Mapping[str, str]) -> None:
        ranked = sorted(((value, name) for name, value in secrets.items() if value), key=lambda pair: -len(pair[0]))
        self._values = ranked[: _LAST - _FIRST]

    def of(self, target: Target, request: Request, standing: Mapping[str, str | list[str]], cookies: bool) -> str:
        url = f"{target.internal_origin}{_path(request.target)}"
        words = ["curl", "-i"]
        if request.method == "HEAD":
            words.append("--head")
        else:
            words += ["-X", request.method]
        if re.search(r"[\[\]{}]", url):
            words.append("--globoff")
        if re.search(r"/\.{1,2}(?:/|\Z)", request.path):
            words.append("--path-as-is")
        if target.origin != target.internal_origin:
            words += ["-H", f"Host: {target.host}"]
        words += self._headers(request, standing)
        words += self._body(request)
        if cookies or request.cookies:
            words += ["-b", "cookies.txt"]
        words.append(self._covered_url(url))
        return " ".join(self._quoted(word) for word in words)

    # ------------------------------------------------------------------ headers

    def _headers(self, request: Request, standing: Mapping[str, str | list[str]]) -> Iterator[str]:
        given = {name.lower() for name, _ in request.headers}
        every = [
            (name, value)
            for name, values in standing.items()
            if name.lower() not in given
            for value in (values if isinstance(values, list) else [values])
        ]
        every += request.headers
        multipart = isinstance(request.stream, Multipart)
        for name, value in every:
            low = name.lower()
            if _NOISE.fullmatch(low) or (multipart and low == "content-type"):
                continue
            if low in ("referer", "origin") and request.method in ("GET", "HEAD"):
                continue  # looked at where something is changed
            if low == "authorization" and (pair := _basic(value)) is not None:
                yield from ("-u", self._covered(pair) if self._has_secret(pair) else _ELLIPSIS)
                continue
            shown = self._marked(value)
            if not _PLACE.search(shown):
                fields = Redactor(_NAMES, _PSEUDONYMS).headers([(low, shown)])
                shown = _scheme(value) + _ELLIPSIS if fields[0][1] != shown else shown
            yield from ("-H", f"{name}: {shown}" if shown else f"{name};")
        sends = bool(request.content) or isinstance(request.stream, FileBody)
        if sends and "content-type" not in {name.lower() for name, _ in every}:
            yield from ("-H", "Content-Type:")  # curl would call it a form

    # ------------------------------------------------------------------ body

    def _body(self, request: Request) -> Iterator[str]:
        if isinstance(request.stream, Multipart):
            for part, value in request.stream.parts:
                if part.file is not None:
                    name = f'{part.name}=@"{_escaped(str(request.stream.folder / part.file))}"'
                    name += f';filename="{_escaped(part.filename)}"' if part.filename is not None else ""
                    yield from ("-F", name + (f";type={part.media_type}" if part.media_type else ""))
                else:
                    covered = self._named(part.name, value)
                    yield from ("--form-string", f"{part.name}={covered}")
        elif isinstance(request.stream, FileBody):
            yield from ("--data-binary", f"@{request.stream.path}")
        elif request.content:
            media_type = next((v for n, v in request.headers if n.lower() == "content-type"), None)
            text = inline(request.content)
            if text is None:
                yield from ("--data-binary", f"@{BODY}")
            elif kind(media_type) == "form":
                yield from self._form(text)
            else:
                yield from ("--data-raw", self._covered(text, kind(media_type)))

    def _form(self, text: str) -> Iterator[str]:
        """A form goes as it is, but for pairs with a secret: the shell knows those only as they are, and curl encodes them."""
        plain: list[str] = []
        for pair in text.split("&"):
            name, _, value = pair.partition("=")
            covered = self._named(unquote_plus(name), unquote_plus(value))
            if not _PLACE.search(covered):
                plain.append(
                    pair
                    if covered == unquote_plus(value)
                    else f"{name}={_ELLIPSIS.join(quote_plus(part, errors='replace') for part in covered.split(_ELLIPSIS))}"
                )
                continue
            if plain:
                yield from ("--data-raw", "&".join(plain))
                plain.clear()
            yield from ("--data-urlencode", f"{name}={covered}")
        if plain:
            yield from ("--data-raw", "&".join(plain))

    # ------------------------------------------------------------------ secrets

    def _marked(self, text: str) -> str:
        """`text` with a character for each secret of the environment in it."""
        text = _PLACE.sub("\ufffd", text.encode("utf-8", "replace").decode())
        for index, (value, _) in enumerate(self._values):
            place = chr(_FIRST + index)
            if text == value:
                return place
            if len(value) >= SHORTEST:
                for spelled in dict.fromkeys(
                    (
                        value,
                        json.dumps(value)[1:-1],
                        quote(value, safe="", errors="surrogatepass"),
                        quote_plus(value, errors="surrogatepass"),
                    )
                ):
                    text = text.replace(spelled, place)
        return text

    def _has_secret(self, text: str) -> bool:
        return _PLACE.search(self._marked(text)) is not None

    def _covered(self, text: str, written: Kind = "text") -> str:
        """`text` with the secrets of the environment marked, and whatever else looks like one left out."""
        marked = self._marked(text)
        marks = merged(Redactor(_NAMES, _PSEUDONYMS).scan(marked, written).marks)
        hides = [m._replace(text=_ELLIPSIS) for m in marks if not _PLACE.search(marked[m.start : m.end])]
        return replaced(marked, hides)

    def _named(self, name: str, value: str) -> str:
        """The value of a field: left out where its name says that it is a secret."""
        covered = self._covered(value)
        return _ELLIPSIS if value and _NAMES.kind(name) and not _PLACE.search(covered) else covered

    def _covered_url(self, url: str) -> str:
        address, mark, query = url.partition("?")
        return self._marked(address) + mark + (self._covered(query, "form") if mark else "")

    def _quoted(self, word: str) -> str:
        """`word` as the shell reads it back, with the secrets as its variables."""
        if not word:
            return "''"
        pieces, at = [], 0
        for place in _PLACE.finditer(word):
            pieces += [_quote(word[at : place.start()]), f'"$PROFILE_SECRET_{self._name_of(place[0])}"']
            at = place.end()
        return "".join([*pieces, _quote(word[at:])])

    def _name_of(self, place: str) -> str:
        return self._values[ord(place) - _FIRST][1]


def _quote(text: str) -> str:
    """A piece of a word (POSIX.1-2024, Shell Command Language, 2.2.2): nothing means anything between single quotes."""
    if not text or _BARE.fullmatch(text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"


def _escaped(text: str) -> str:
    # curl(1), -F: within double quotes, both are escaped by a backslash
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _path(target: str) -> str:
    """Path and query as an address can hold them: what is no printable ASCII is percent-encoded."""
    return quote(target, safe="".join(chr(c) for c in range(0x21, 0x7F)), errors="replace")


def _scheme(value: str) -> str:
    scheme, space, _ = value.partition(" ")
    return f"{scheme} " if space and scheme.isalpha() else ""


def _basic(value: str) -> str | None:
    """User and password of an Authorization header (RFC 7617)."""
    scheme, _, credential = value.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(credential, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
