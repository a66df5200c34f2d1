"""The toolbar's tag (RECORDER_TOOLBAR): in whole pages that a browser opens, nowhere else, and never in the log."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder import Settings, wrap
from recorder.toolbar import Splice, nonce_of
from tests.recorder.watching import Answer, call_asgi, call_wsgi, environ, last, scope

TAG = b'<script src="/recorder/recorder.js"></script>'
HTML = "text/html; charset=utf-8"
PAGE = b"<!doctype html><html><head><title>A</title></head><body>B</body></html>"
TAGGED = PAGE.replace(b"<head>", b"<head>" + TAG)

Ask = Callable[..., Answer]


def wsgi_ask(settings: Settings) -> Ask:
    def ask(
        pieces: Iterable[bytes], *headers: tuple[str, str], status: str = "200 OK", method: str = "GET", asked: Any = ()
    ) -> Answer:
        def app(made: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            start_response(status, [*headers] if named(headers) else [("Content-Type", HTML), *headers])
            return list(pieces)

        return call_wsgi(wrap(app, settings), environ("/page", method, headers=asked))

    return ask


def named(headers: Iterable[tuple[str, str]]) -> bool:
    return any(name == "Content-Type" for name, _ in headers)


def asgi_ask(settings: Settings) -> Ask:
    def ask(
        pieces: Iterable[bytes], *headers: tuple[str, str], status: str = "200 OK", method: str = "GET", asked: Any = ()
    ) -> Answer:
        async def app(made: Any, receive: Any, send: Any) -> None:
            given = [*headers] if named(headers) else [("Content-Type", HTML), *headers]
            raw = [(name.encode(), value.encode("latin-1")) for name, value in given]
            await send({"type": "http.response.start", "status": int(status[:3]), "headers": raw})
            bodies = list(pieces)
            for number, piece in enumerate(bodies, 1):
                await send({"type": "http.response.body", "body": piece, "more_body": number < len(bodies)})

        sent = call_asgi(wrap(app, settings), scope("/page", method, asked))
        found = [(name.decode(), value.decode("latin-1")) for name, value in sent[0]["headers"]]
        return Answer(status, found, [message["body"] for message in sent[1:]])

    return ask


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(root=tmp_path, toolbar=True)


@pytest.fixture(params=[wsgi_ask, asgi_ask], ids=["wsgi", "asgi"])
def ask(request: pytest.FixtureRequest, settings: Settings) -> Ask:
    """Ask an application for a page of these pieces with these headers."""
    made: Ask = request.param(settings)
    return made


def header(answer: Answer, name: str) -> str | None:
    return next((value for key, value in answer.headers if key.lower() == name), None)


def test_a_page_has_the_tag_and_its_log_has_not(ask: Ask, settings: Settings) -> None:
    answer = ask(
        [PAGE], ("Content-Length", str(len(PAGE))), ("ETag", '"5"'), ("Accept-Ranges", "bytes"), ("X-Kept", "1")
    )
    assert answer.body == TAGGED
    assert header(answer, "content-length") == str(len(TAGGED))
    assert (header(answer, "etag"), header(answer, "accept-ranges"), header(answer, "x-kept")) == ('W/"5"', None, "1")
    logged = last(settings.root / "_logs")
    assert logged["body"]["text"] == PAGE.decode()
    assert dict(logged["headers"])["etag"] == '"5"'
    assert dict(logged["headers"])["content-length"] == str(len(PAGE))


def test_off_is_off(tmp_path: Path) -> None:
    for ask in (wsgi_ask(Settings(root=tmp_path)), asgi_ask(Settings(root=tmp_path))):
        answer = ask([PAGE], ("Content-Length", str(len(PAGE))), ("ETag", '"5"'))
        assert answer.body == PAGE
        assert header(answer, "etag") == '"5"'


@pytest.mark.parametrize(
    ("page", "at"),
    [
        (b"<!DOCTYPE html><HTML lang='a>b'>\n<HEAD data-x=\"1>2\"><title>", b'2">'),
        (b"\xef\xbb\xbf<!-- a <head> of ours --><!doctype html>\n<html><head>", b"<html><head>"),
        (b"<html><title>no head</title>", b"<html>"),
        (b"<!doctype html><body>neither", b"<!doctype html>"),
        (b"<!doctype html>\ntext", b"html>\n"),
        (b'<?xml version="1.0"?><!doctype html><html><head/><p>', b"<head/>"),
    ],
)
def test_where_the_tag_stands(ask: Ask, page: bytes, at: bytes) -> None:
    start = page.index(at) + len(at)
    assert ask([page]).body == page[:start] + TAG + page[start:]


@pytest.mark.parametrize(
    "page",
    [b"<div>a fragment</div>", b"\n<!-- a part -->\n<div>a fragment</div>",
     b"<p><head></p>", b"text", b"", b"<!doctype html><frameset>", b"<", b"<!-- <html><head>",
     b"<!doctype html><html><head><meta http-equiv='Content-Security-Policy' content=\"script-src 'none'\">",
     b"<!doctype html>" + b" " * 20_000],
)  # fmt: skip
def test_what_is_no_page_stays_as_it_is(ask: Ask, page: bytes) -> None:
    assert ask([page]).body == page
    answer = ask([page], ("Content-Length", str(len(page))), ("ETag", '"5"'))
    assert (answer.body, header(answer, "content-length"), header(answer, "etag")) == (page, str(len(page)), '"5"')


@pytest.mark.parametrize(
    "headers",
    [
        [("Content-Type", "text/plain")],
        [("Content-Type", "application/xhtml+xml")],
        [("Content-Type", "text/html; charset=utf-16")],
        [("Content-Type", 'text/html; charset="ISO-2022-JP"')],
        [("Content-Encoding", "br")],
        [("Content-Encoding", "gzip, gzip")],
        [("Content-Disposition", "attachment; filename=a.html")],
        [("Cache-Control", "max-age=1, no-transform")],
        [("Content-MD5", "abc")],
        [("Repr-Digest", "sha-256=:abc:")],
        [("Content-Security-Policy", "default-src 'none'")],
        [("Content-Security-Policy", "sandbox")],
    ],
)
def test_answers_that_are_left_alone(ask: Ask, headers: list[tuple[str, str]]) -> None:
    answer = ask([PAGE], *headers, ("ETag", '"5"'))
    assert (answer.body, header(answer, "etag")) == (PAGE, '"5"')


@pytest.mark.parametrize("status", ["204 No Content", "206 Partial Content", "302 Found", "304 Not Modified"])
def test_statuses_that_are_left_alone(ask: Ask, status: str) -> None:
    body = [PAGE] if status[:3] in ("206", "302") else [b""]
    answer = ask(body, ("ETag", '"5"'), status=status)
    assert (answer.body, header(answer, "etag")) == (b"".join(body), '"5"')


def test_pages_of_errors_have_it(ask: Ask) -> None:
    assert ask([PAGE], status="404 Not Found").body == TAGGED


@pytest.mark.parametrize(
    "asked",
    [("Sec-Fetch-Dest", "empty"), ("Sec-Fetch-Dest", "iframe"), ("X-Requested-With", "XMLHttpRequest"),
     ("HX-Request", "true"), ("X-Recorder-Request", "7")],
)  # fmt: skip
def test_what_a_script_asks_for_is_left_alone(ask: Ask, asked: tuple[str, str]) -> None:
    assert ask([PAGE], asked=[asked]).body == PAGE


def test_what_a_browser_opens_has_it(ask: Ask) -> None:
    assert ask([PAGE], asked=[("Sec-Fetch-Dest", "document")]).body == TAGGED
    assert ask([PAGE], method="POST").body == TAGGED


def test_the_head_of_a_page_alone_is_the_applications(ask: Ask) -> None:
    answer = ask([b""], ("Content-Length", str(len(PAGE))), method="HEAD")
    assert header(answer, "content-length") == str(len(PAGE))


@pytest.mark.parametrize("told", [True, False], ids=["its length told", "streamed"])
def test_a_page_in_pieces_of_one_byte(ask: Ask, told: bool) -> None:
    length = [("Content-Length", str(len(PAGE)))] if told else []
    answer = ask([PAGE[at : at + 1] for at in range(len(PAGE))], *length)
    assert answer.body == TAGGED
    assert header(answer, "content-length") == (str(len(TAGGED)) if told else None)


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("told", [True, False], ids=["its length told", "streamed"])
def test_a_compressed_page(ask: Ask, settings: Settings, size: int, told: bool) -> None:
    page = PAGE + b"x" * 100_000
    packed = gzip.compress(page)
    pieces = [packed[at : at + size] for at in range(0, len(packed), size)]
    length = [("Content-Length", str(len(packed)))] if told else []
    answer = ask(pieces, ("Content-Encoding", "gzip"), *length)
    assert gzip.decompress(answer.body) == TAGGED + b"x" * 100_000
    assert header(answer, "content-length") in (None, str(len(answer.body)))
    assert last(settings.root / "_logs")["body"]["size"] == len(packed)


def test_a_page_that_is_not_as_compressed_as_it_says(ask: Ask) -> None:
    for body in (PAGE, gzip.compress(b"<p>")[:-9] + b"\xff" * 9, gzip.compress(b"a fragment")):
        assert ask([body], ("Content-Encoding", "gzip"), ("Content-Length", str(len(body)))).body == body


def test_a_compressed_page_of_two_members(ask: Ask) -> None:
    packed = gzip.compress(PAGE[:20]) + gzip.compress(PAGE[20:])
    assert gzip.decompress(ask([packed], ("Content-Encoding", "gzip")).body) == TAGGED


def test_a_compressed_page_goes_on_as_it_comes(settings: Settings) -> None:
    """Each piece that the application flushed can be read when it has left."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    pieces = [packer.compress(part) + packer.flush(zlib.Z_SYNC_FLUSH) for part in (PAGE, b"one", b"two")]
    pieces.append(packer.flush())
    answer = asgi_ask(settings)(pieces, ("Content-Encoding", "gzip"))
    reader = zlib.decompressobj(31)
    assert [reader.decompress(piece) for piece in answer.pieces] == [TAGGED, b"one", b"two", b""]


def test_a_charset_that_only_the_page_tells_keeps_its_place(ask: Ask) -> None:
    page = b"<!doctype html><html><head><title>A</title><meta charset=latin1><script>1</script>"
    answer = ask([page], ("Content-Type", "text/html"))
    assert answer.body == page.replace(b"latin1>", b"latin1>" + TAG)
    assert ask([page]).body == page.replace(b"<head>", b"<head>" + TAG)


@pytest.mark.parametrize(
    ("policies", "nonce"),
    [
        ([], ""),
        (["default-src 'self'"], ""),
        (["img-src 'none'"], ""),
        (["script-src 'self' https://cdn.example; object-src 'none'"], ""),
        (["script-src http:; connect-src *"], ""),
        (["script-src example.org"], ""),
        (["script-src http://example.org:80"], None),
        (["script-src 'none'; script-src-elem 'self'"], ""),
        (["script-src 'self'; script-src *"], ""),
        (["script-src 'self'; connect-src 'none'"], None),
        (["default-src 'none'; script-src 'self'"], None),
        (["script-src 'nonce-abc123=='"], "abc123=="),
        (["script-src 'nonce-abc' 'strict-dynamic' 'self'"], "abc"),
        (["script-src 'strict-dynamic' 'self'"], None),
        (["script-src 'sha256-abc'"], None),
        (["script-src 'nonce-abc'", "script-src 'self'"], "abc"),
        (["script-src 'nonce-abc', script-src 'nonce-def'"], None),
        (["script-src 'self', sandbox allow-scripts"], None),
    ],
)
def test_content_security_policies(policies: list[str], nonce: str | None) -> None:
    assert nonce_of(policies, "http://example.org") == nonce


def test_the_nonce_of_the_page_is_the_tags(ask: Ask) -> None:
    policy = "script-src 'nonce-r4nd0m' 'strict-dynamic'"
    answer = ask([PAGE], ("Content-Security-Policy", policy))
    assert answer.body == TAGGED.replace(b'.js"', b'.js" nonce="r4nd0m"')
    assert header(answer, "content-security-policy") == policy


def test_below_another_root(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path, toolbar=True, prefix="/-/rec")

    def app(made: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", HTML)])
        return [PAGE]

    answer = call_wsgi(wrap(app, settings), environ("/page", SCRIPT_NAME='/a "b'))
    assert answer.body == TAGGED.replace(b"/recorder/", b"/a%20%22b/-/rec/")


# WSGI's own ways to answer


def generated(made: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", HTML), ("Content-Length", str(len(PAGE)))])
    yield PAGE[:5]
    yield b""
    yield PAGE[5:]


def written(made: dict[str, Any], start_response: Any) -> list[bytes]:
    write = start_response("200 OK", [("Content-Type", HTML), ("Content-Length", str(len(PAGE)))])
    write(PAGE[:5])
    write(PAGE[5:50])
    return [PAGE[50:]]


def from_a_file(made: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", HTML), ("Content-Length", str(len(PAGE)))])
    return made["wsgi.file_wrapper"](io.BytesIO(PAGE), 7)


@pytest.mark.parametrize("app", [generated, written, from_a_file])
def test_ways_to_answer(settings: Settings, app: Any) -> None:
    answer = call_wsgi(wrap(app, settings), environ("/page"))
    assert answer.body == TAGGED
    assert header(answer, "content-length") == str(len(TAGGED))
    assert last(settings.root / "_logs")["body"]["text"] == PAGE.decode()


@pytest.mark.parametrize("app", [generated, written])
def test_they_are_as_pep_3333_has_them(settings: Settings, app: Any) -> None:
    made = {**environ("/page"), "wsgi.errors": io.StringIO()}
    made.pop("wsgi.file_wrapper")
    answer = call_wsgi(validator(wrap(app, settings)), made)
    assert answer.body == TAGGED


def test_an_error_behind_the_head_replaces_it(settings: Settings) -> None:
    def app(made: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", HTML), ("Content-Length", "5")])
        try:
            raise OSError("late")
        except OSError as error:
            start_response("500 Oops", [("Content-Type", "text/plain")], (OSError, error, None))
        return [b"broken"]

    assert call_wsgi(wrap(app, settings), environ("/page")) == Answer(
        "500 Oops", [("Content-Type", "text/plain")], [b"broken"]
    )


def test_what_is_no_page_is_the_applications_own_object(settings: Settings) -> None:
    found: list[Any] = []

    def app(made: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "image/png")])
        found.append(FileWrapper(io.BytesIO(b"png")))
        return found[0]  # type: ignore[no-any-return]

    def start(*answer: Any) -> Any:
        return None

    assert wrap(app, settings)(environ("/page"), start) is found[0]


# ASGI's own ways to answer


def test_an_asgi_application_that_leaves_after_the_head(settings: Settings) -> None:
    async def app(made: Any, receive: Any, send: Any) -> None:
        raw = [(b"content-type", b"text/html"), (b"content-length", b"7")]
        await send({"type": "http.response.start", "status": 200, "headers": raw})

    (only,) = call_asgi(wrap(app, settings), scope("/page"))
    assert dict(only["headers"])[b"content-length"] == b"7"


def test_a_file_that_the_server_sends_by_its_path(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_bytes(PAGE)
    sent_by_path = {"type": "http.response.pathsend", "path": str(tmp_path / "page.html")}

    async def app(made: Any, receive: Any, send: Any) -> None:
        raw = [(b"content-type", b"text/html"), (b"content-length", b"%d" % len(PAGE))]
        await send({"type": "http.response.start", "status": 200, "headers": raw})
        await send(sent_by_path)

    start, body = call_asgi(wrap(app, settings), scope("/page"))
    assert dict(start["headers"])[b"content-length"] == b"%d" % len(PAGE)
    assert body == sent_by_path


def test_the_head_of_a_page_that_comes_slowly_does_not_wait(settings: Settings) -> None:
    sent: list[str] = []

    async def app(made: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        assert sent == ["http.response.start"]
        await send({"type": "http.response.body", "body": PAGE[:40], "more_body": True})
        assert sent == ["http.response.start", "http.response.body"]
        await send({"type": "http.response.body", "body": PAGE[40:]})

    class Watched:
        def __init__(self) -> None:
            self.app = wrap(app, settings)

        async def __call__(self, made: Any, receive: Any, send: Any) -> None:
            async def noted(message: Any) -> None:
                sent.append(message["type"])
                await send(message)

            await self.app(made, receive, noted)

    messages = call_asgi(Watched(), scope("/page"))
    assert b"".join(message.get("body", b"") for message in messages) == TAGGED


def test_a_fault_of_ours_costs_the_tag_only(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr("recorder.toolbar.nonce_of", broken)
    assert ask([PAGE]).body == PAGE


@given(st.binary(max_size=60), st.lists(st.integers(1, 9), max_size=30))
def test_whatever_comes_nothing_is_lost(rest: bytes, sizes: list[int]) -> None:
    """However a page is cut, it is the same page, with or without the tag."""
    for page in (rest, b"<!doctype html><html><head>" + rest, b"<html" + rest):
        whole = Splice(b"[TAG]").feed(page, last=True)
        splice, found, at = Splice(b"[TAG]"), b"", 0
        for size in sizes:
            found += splice.feed(page[at : at + size])
            at += size
        found += splice.feed(page[at:], last=True)
        assert found.replace(b"[TAG]", b"", 1) == page or found == page
        assert sizes or found == whole
