"""Send a step's request as it was recorded: raw path and query, header order, multipart order, the client's own cookies.

Cookies, Host, Origin and Referer belong to the public origin; the bytes go where the target was resolved to.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import ssl
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote, quote_plus, urlencode, urlsplit

import httpx

from assembler.cookies import Jar, set_cookie_name
from assembler.profile import Part, Step
from playback.connection import LARGEST, Answered, Connections, Enough, Head
from playback.errors import TargetRefused
from playback.target import Target
from playback.template import Scope, fill

__all__ = ["Client", "FileBody", "Multipart", "Request", "authorities", "compose"]

_BLOCK = 1 << 18
_ZLIB = ("7801", "785e", "789c", "78da")  # how a deflated body begins (RFC 1950)


@dataclass(frozen=True)
class Request:
    """A request with every place filled: what will be sent, and what the client made itself."""

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    cookies: dict[str, str]
    content: bytes | None = None
    stream: Multipart | FileBody | None = None
    own: tuple[str, ...] = ()

    @property
    def target(self) -> str:
        """Path and query as they stand in the request line."""
        return f"{self.path}?{self.query}" if self.query else self.path


class FileBody:
    """A file below the profile, sent as it is. Length in bytes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.length = path.stat().st_size

    def __iter__(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            while block := file.read(_BLOCK):
                yield block


class Multipart:
    """multipart/form-data (RFC 7578) with the recorded order, names, filenames and types. Length in bytes."""

    def __init__(self, parts: Iterable[tuple[Part, str]], folder: Path) -> None:
        self.boundary = secrets.token_hex(16)
        self.parts, self.folder = list(parts), folder
        self._pieces: list[bytes | Path] = []
        for part, value in self.parts:
            head = f'--{self.boundary}\r\nContent-Disposition: form-data; name="{_quoted(part.name)}"'
            if part.filename is not None:
                head += f'; filename="{_quoted(part.filename)}"'
            if part.media_type:
                head += f"\r\nContent-Type: {part.media_type}"
            self._pieces.append(f"{head}\r\n\r\n".encode())
            self._pieces.append(folder / part.file if part.file is not None else value.encode())
            self._pieces.append(b"\r\n")
        self._pieces.append(f"--{self.boundary}--\r\n".encode())
        self.length = sum(p.stat().st_size if isinstance(p, Path) else len(p) for p in self._pieces)

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, bytes):
                yield piece
            else:
                yield from FileBody(piece)


def _quoted(name: str) -> str:
    # As browsers do (WHATWG HTML, multipart/form-data encoding algorithm).
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def compose(step: Step, scope: Scope, folder: Path, rewrite: Mapping[str, str]) -> Request:
    """The request of `step`. `rewrite` maps the recorded run id to the live one. Raises `Unknown`, `TargetRefused`."""
    own: list[str] = []

    def text(template: str, where: str = "") -> str:
        own.append(template)
        return _rewritten(fill(template, scope), rewrite)

    path = step.path or "/"
    whole = re.fullmatch(r"\{\{[^{}]+\}\}", path.strip())
    own.append(path)
    path = fill(path, scope) if whole else fill(path, scope, lambda v: quote(v, safe="/:@!$&'()*+,;=-._~"))
    query = fill(step.query or "", scope, lambda v: quote_plus(v, safe=""))
    own.append(step.query or "")
    if whole and "://" in path:
        parts = urlsplit(path)
        if f"{parts.scheme}://{parts.netloc}" != scope.values.get("origin"):
            raise TargetRefused(
                f"Step {step.id} would be sent to {parts.scheme}://{parts.netloc}, which is not the target."
            )
        path, query = parts.path, parts.query or query
    elif whole and "?" in path:
        path, _, query = path.partition("?")
    path, query = _rewritten_path(path, rewrite), _rewritten_path(query, rewrite)
    headers: list[tuple[str, str]] = []
    for name, values in step.headers.items():
        for value in values if isinstance(values, list) else [values]:
            headers.append((name, text(value)))
    headers = [(n, _credential(n, v)) for n, v in headers]
    content: bytes | None = None
    stream: Multipart | FileBody | None = None
    if step.form is not None:
        content = urlencode([(text(n), text(v)) for n, v in step.form]).encode()
        _default(headers, "content-type", "application/x-www-form-urlencoded")
    elif step.json_ is not None:
        own.append(step.json_)
        content = _rewritten(fill(step.json_, scope, _json_text), rewrite).encode()
        _default(headers, "content-type", "application/json")
    elif step.text is not None:
        content = text(step.text).encode()
    elif step.multipart is not None:
        named = [part.model_copy(update={"name": text(part.name)}) for part in step.multipart]
        stream = Multipart([(part, text(part.value or "")) for part in named], folder)
        headers = [h for h in headers if h[0].lower() != "content-type"]
        headers.append(("content-type", f"multipart/form-data; boundary={stream.boundary}"))
    elif step.body is not None:
        stream = FileBody(folder / step.body)
    if coding := next((v.strip().lower() for n, v in headers if n.lower() == "content-encoding"), None):
        content, stream = _encoded(coding, content, stream)
    cookies = {name: text(value) for name, value in step.cookies.items()}
    return Request(step.method, path, query, headers, cookies, content, stream, tuple(own))


def _encoded(
    coding: str, content: bytes | None, stream: Multipart | FileBody | None
) -> tuple[bytes | None, Multipart | FileBody | None]:
    """A body as its Content-Encoding says. The profile shows texts decoded; what is no text stands there as it was sent."""
    window = {"gzip": 31, "x-gzip": 31, "deflate": 15}.get(coding)
    if window is None or (content is None and stream is None):
        return content, stream
    plain = content if content is not None else b"".join(stream or ())
    if (plain[:2] == b"\x1f\x8b") if window == 31 else (plain[:1] == b"\x78" and plain[:2].hex() in _ZLIB):
        return content, stream
    packing = zlib.compressobj(wbits=window)
    return packing.compress(plain) + packing.flush(), None


def _json_text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1]


def _credential(name: str, value: str) -> str:
    """`Basic user:password` and `base64(user:token)`, as the profile shows them, become what goes on the wire (RFC 7617)."""
    if value.startswith("base64(") and value.endswith(")"):
        return base64.b64encode(value[7:-1].encode()).decode()
    scheme, _, credential = value.partition(" ")
    if name.lower() == "authorization" and scheme.lower() == "basic" and ":" in credential:
        return f"{scheme} {base64.b64encode(credential.encode()).decode()}"
    return value


def _default(headers: list[tuple[str, str]], name: str, value: str) -> None:
    if not any(n.lower() == name for n, _ in headers):
        headers.append((name, value))


def _rewritten(text: str, rewrite: Mapping[str, str]) -> str:
    """Whole text values, and path segments of texts that are addresses."""
    for was, now in rewrite.items():
        if text == was:
            return now
        if was in text:
            text = _rewritten_path(text, {was: now})
    return text


def _rewritten_path(path: str, rewrite: Mapping[str, str]) -> str:
    for was, now in rewrite.items():
        for spelled in {was, quote(was, safe=""), quote(was)}:
            path = re.sub(rf"(?<![^/?&=:]){re.escape(spelled)}(?![^/?&#])", now.replace("\\", r"\\"), path)
    return path


@cache
def authorities() -> ssl.SSLContext:
    """Whom TLS trusts: read once, since that takes as long as twenty small requests."""
    return httpx.create_ssl_context(trust_env=False)


class Client:
    """One recorded browser or program: its connection, its cookies, its standing headers."""

    def __init__(self, target: Target, headers: Mapping[str, str | list[str]], timeout: float) -> None:
        self.target = target
        self.jar = Jar()
        self.headers = headers
        self.withheld: set[str] = set()
        """Names of Secure cookies that were set, and that plain http keeps from being sent back."""
        self._timeout = timeout
        self._connections = Connections(target.connect_origin, target.tls_name, authorities())

    def send(self, request: Request, timeout: float | None = None, enough: Enough | None = None) -> httpx.Response:
        """The answer, read whole, or `enough` of it (the extension `left` is then true). Raises `httpx.RequestError`.
        Cookies it sets are kept."""
        url = f"{self.target.origin}{request.path}"
        headers: list[tuple[str, str]] = [("host", self.target.host)]
        given = {n.lower() for n, _ in request.headers}
        for name, values in self.headers.items():
            if name.lower() not in given:
                headers.extend((name, v) for v in (values if isinstance(values, list) else [values]))
        headers += request.headers
        headers.append(("accept-encoding", "gzip, deflate"))
        if self.target.forwarded and "x-forwarded-proto" not in given:
            headers.append(("x-forwarded-proto", self.target.forwarded))
        cookies = [pair for pair in self.jar.pairs(url) if pair[0] not in request.cookies]
        if cookies := [*cookies, *request.cookies.items()]:
            headers.append(("cookie", "; ".join(f"{n}={v}" for n, v in cookies)))
        chunked = "transfer-encoding" in given
        body: bytes | Iterable[bytes] = request.stream if request.stream is not None else request.content or b""
        if request.stream is not None and not chunked:
            headers.append(("content-length", str(request.stream.length)))
        elif not chunked and (request.content is not None or request.method in ("POST", "PUT", "PATCH")):
            headers.append(("content-length", str(len(request.content or b""))))
        octets = [(n.encode("latin-1", "replace"), _octets(v)) for n, v in headers]
        head = Head(request.method, request.target.encode("ascii", "replace"), octets, chunked)
        answered = self._connections.exchange(head, body, timeout or self._timeout, enough)
        response = _decoded(answered)
        response.extensions["left"] = answered.left
        self._receive(url, [v.decode("latin-1") for n, v in response.headers.raw if n.lower() == b"set-cookie"])
        return response

    def _receive(self, url: str, set_cookies: list[str]) -> None:
        self.jar.receive(url, set_cookies)
        if url.startswith("http://"):
            for cookie in set_cookies:
                secure = any(part.strip().lower() == "secure" for part in cookie.split(";")[1:])
                (self.withheld.add if secure else self.withheld.discard)(set_cookie_name(cookie))

    def hang_up(self) -> None:
        """Cut the connections under whoever waits for an answer; may be called from any thread."""
        self._connections.hang_up()

    def close(self) -> None:
        self._connections.close()


def _octets(value: str) -> bytes:
    """A header's value as it goes on the wire. What was recorded stands for one octet a character (RFC 9110, 5.5)."""
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode()


def _decoded(answered: Answered) -> httpx.Response:
    """The answer as everybody else reads it: its body decompressed, within its size."""
    headers = answered.headers
    if not any(name.lower() == b"content-encoding" for name, _ in headers):
        response = httpx.Response(answered.status, headers=headers)
        response._content = answered.body  # given at once it would be copied, and its length be added to the headers
        return response
    response = httpx.Response(answered.status, headers=headers, stream=httpx.ByteStream(answered.body))
    content = bytearray()
    for chunk in response.iter_bytes(_BLOCK):
        content += chunk
        if len(content) > LARGEST:
            raise httpx.ReadError(f"the answer is larger than {LARGEST >> 20} MiB")
    response._content = bytes(content)  # what `Response.read` does; httpx has no bounded reader
    return response
