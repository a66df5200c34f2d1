"""The ASGI middleware: every message passes unchanged, and everything is written down first."""

from __future__ import annotations

import asyncio
import functools
import json
import os
from pathlib import Path
from typing import Any

import pytest

from recorder import Settings, asgi, core, wrap, wsgi
from recorder.core import get_recorder
from recorder.events import current_operation
from recorder.log import Writer
from tests.recorder.watching import call_asgi, events, exchanges, last, scope


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(root=tmp_path / "root")


def logs(settings: Settings) -> Path:
    return settings.root / "_logs"


def answer(*pieces: bytes, status: int = 200, headers: list[tuple[bytes, bytes]] | None = None) -> Any:
    """Return an application that reads its input and answers with these pieces."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": status, "headers": headers or [(b"X-A", b"1")]})
        for number, piece in enumerate(pieces, 1):
            await send({"type": "http.response.body", "body": piece, "more_body": number < len(pieces)})

    return app


def test_every_field_of_a_request(settings: Settings) -> None:
    made = scope(
        "/é",
        "POST",
        [("Content-Type", "application/json"), ("User-Agent", "probe"), ("X-Twice", "a"), ("X-Twice", "b")],
        "q=%20x",
        raw_path=b"/%C3%A9",
    )
    app = answer(
        b"hel", b"lo", headers=[(b"Content-Type", b"text/plain"), (b"Set-Cookie", b"a=1"), (b"Set-Cookie", b"b=")]
    )
    sent = call_asgi(wrap(app, settings), made, [b'{"a"', b":1}"])
    assert sent == call_asgi(app, made, [b'{"a"', b":1}"])
    ((started, finished),) = exchanges(logs(settings))
    assert started["payload"] == {
        "method": "POST",
        "scheme": "http",
        "path": "/%C3%A9",
        "query": "q=%20x",
        "headers": [["content-type", "application/json"], ["user-agent", "probe"], ["x-twice", "a"], ["x-twice", "b"]],
        "http_version": "1.1",
    }
    payload = finished["payload"]
    assert list(payload) == ["request_body", "status", "headers", "body", "duration_ms", "error"]
    assert (payload["request_body"]["text"], payload["body"]["text"]) == ('{"a":1}', "hello")
    assert payload["headers"][1][1].startswith("a=secret-cookie-")
    assert payload["headers"][2] == ["set-cookie", "b="]
    assert (started["stage"], finished["stage"]) == ("started", "finished")


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"raw_path": b"/a%2Fb?x"}, "/a%2Fb"),
        ({"raw_path": None, "path": "/a é"}, "/a%20%C3%A9"),
        ({"raw_path": b"/\xc3\xa9%2F"}, "/%C3%A9%2F"),
        ({"root_path": "/app", "path": "/app/x", "raw_path": b"/app/x"}, "/app/x"),
    ],
)
def test_the_raw_path(settings: Settings, more: dict[str, Any], path: str) -> None:
    call_asgi(wrap(answer(b""), settings), scope(**more))
    assert exchanges(logs(settings))[0][0]["payload"]["path"] == path


def test_other_scopes_pass_by(settings: Settings) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope, receive, send))

    for kind in ("lifespan", "websocket"):
        given: Any = ({"type": kind}, object(), object())
        asyncio.run(wrap(app, settings)(*given))
        assert seen[-1] == given
    assert not settings.root.exists()


@pytest.mark.parametrize(
    ("method", "status", "headers", "pieces", "index"),
    [
        ("GET", 200, [(b"content-length", b"2")], [b"a", b"b", b""], 2),
        ("GET", 200, [], [b"a", b"b", b""], 3),
        ("HEAD", 200, [(b"content-length", b"2")], [b""], 0),
        ("GET", 304, [], [b""], 0),
        ("GET", 200, [(b"content-length", b"0")], [b""], 0),
    ],
)
def test_answered_implies_logged(
    settings: Settings, method: str, status: int, headers: list[Any], pieces: list[bytes], index: int
) -> None:
    """When the message that completes the answer reaches the server, the record is there; not before."""
    stages: list[int] = []

    async def send(message: Any) -> None:
        stages.append(len(events(logs(settings), "http_request")))

    async def receive() -> Any:
        return {"type": "http.request"}

    app = wrap(answer(*pieces, status=status, headers=headers), settings)
    asyncio.run(app(scope(method=method), receive, send))
    assert stages == [1] * index + [2] * (len(pieces) + 1 - index)


def test_pieces_pass_as_they_come(settings: Settings) -> None:
    got: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for number in range(3):
            await send({"type": "http.response.body", "body": b"%d" % number, "more_body": True})
            assert got[-1] == b"%d" % number
        await send({"type": "http.response.body"})

    async def send(message: Any) -> None:
        got.append(message.get("body"))

    asyncio.run(wrap(app, settings)(scope(), None, send))
    assert last(logs(settings))["body"]["text"] == "012"


def test_an_application_that_raises(settings: Settings) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        call_asgi(wrap(app, settings), scope())
    ((_, failed),) = exchanges(logs(settings))
    assert (failed["stage"], failed["payload"]["error"]["type"]) == ("failed", "KeyError")
    assert "Traceback" in failed["payload"]["error"]["traceback"]


def test_an_application_that_answers_nothing(settings: Settings) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        return

    call_asgi(wrap(app, settings), scope())
    assert last(logs(settings))["error"]["message"] == "The application returned without a complete answer."


def test_a_client_that_leaves(settings: Settings) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        assert (await receive())["type"] == "http.disconnect"

    call_asgi(wrap(app, settings), scope(), then="http.disconnect")
    ((_, failed),) = exchanges(logs(settings))
    assert (failed["stage"], failed["payload"]["error"]["type"]) == ("failed", "ClientDisconnect")
    assert (failed["payload"]["body"]["text"], failed["payload"]["body"]["truncated"]) == ("a", True)


def test_a_server_that_can_no_longer_send(settings: Settings) -> None:
    async def send(message: Any) -> None:
        raise OSError

    async def receive() -> Any:
        return {"type": "http.request"}

    with pytest.raises(OSError):
        asyncio.run(wrap(answer(b"a", b"b"), settings)(scope(), receive, send))
    assert last(logs(settings))["error"]["type"] == "ClientDisconnect"


def test_a_disconnect_after_the_answer_is_nothing(settings: Settings) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(b"a")(scope, receive, send)
        await receive()

    call_asgi(wrap(app, settings), scope(), then="http.disconnect")
    assert exchanges(logs(settings))[0][1]["stage"] == "finished"


@pytest.mark.parametrize("kind", ["pathsend", "zerocopysend", "zerocopysend part"])
def test_files_that_the_server_sends(settings: Settings, tmp_path: Path, kind: str) -> None:
    content = os.urandom(400_000)
    (tmp_path / "f").write_bytes(content)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"image/tiff")]})
        if kind == "pathsend":
            await send({"type": "http.response.pathsend", "path": str(tmp_path / "f")})
            return
        part = {"offset": 5, "count": 1000} if kind.endswith("part") else {}
        await send({"type": "http.response.zerocopysend", "file": file.fileno(), **part})
        assert file.tell() == 0

    with open(tmp_path / "f", "rb") as file:  # one descriptor for both calls: its number must pass unchanged
        sent = call_asgi(wrap(app, settings), scope())
        assert sent == call_asgi(app, scope())
    body = last(logs(settings))["body"]
    expected = content[5:1005] if kind.endswith("part") else content
    assert (logs(settings) / "profile.bodies" / body["ref"]).read_bytes() == expected


def test_a_path_that_cannot_be_read(settings: Settings) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
        await send({"type": "http.response.pathsend", "path": "/nonexistent"})

    call_asgi(wrap(app, settings), scope())
    body = last(logs(settings))["body"]
    assert (body["omitted"], body["size"]) == ("unavailable", 9)


def test_concurrent_requests_each_have_their_own_operation(settings: Settings) -> None:
    seen: dict[str, str] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        operation = current_operation.get()
        assert operation is not None
        await asyncio.sleep(0)
        seen[scope["path"]] = await asyncio.to_thread(lambda: current_operation.get().operation_id)  # type: ignore[union-attr]
        await answer(b"x")(scope, receive, send)

    wrapped = wrap(app, settings)

    async def several() -> None:
        async def receive() -> Any:
            return {"type": "http.request"}

        async def send(message: Any) -> None:
            await asyncio.sleep(0)

        await asyncio.gather(*(wrapped(scope(f"/{number}"), receive, send) for number in range(8)))

    asyncio.run(several())
    recorded = {first["payload"]["path"]: first["operation_id"] for first, _ in exchanges(logs(settings))}
    assert recorded == seen
    assert len(set(seen.values())) == 8


def test_our_own_header_is_kept_from_the_application(settings: Settings) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["headers"])
        await answer(b"")(scope, receive, send)

    call_asgi(wrap(app, settings), scope(headers=[("x-recorder-request", "1"), ("a", "b")]))
    assert seen == [[(b"a", b"b")]]


def test_wrapping_twice_records_once(settings: Settings) -> None:
    call_asgi(asgi.RecorderMiddleware(asgi.RecorderMiddleware(answer(b""), settings), settings), scope())
    assert len(exchanges(logs(settings))) == 1


def test_strict_mode_refuses(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Writer, "append", lambda self, event: False)
    sent = call_asgi(wrap(answer(b"x"), Settings(root=settings.root, mode="strict")), scope())
    assert sent[0]["status"] == 503


def test_a_malformed_answer_is_the_servers_to_refuse(settings: Settings) -> None:
    app = answer(b"x", headers=[("str", "not bytes")])  # type: ignore[list-item]
    assert call_asgi(wrap(app, settings), scope()) == call_asgi(app, scope())


def test_the_api_is_served_off_the_loop_and_not_recorded(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def respond(self: core.Recorder, request: core.Request) -> core.Response:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return 200, [("X-Recorder", "1")], json.dumps([request.method, request.path, request.body.decode()]).encode()

    monkeypatch.setattr(core.Recorder, "respond", respond)
    app = wrap(answer(b"app"), settings)
    sent = call_asgi(app, scope("/recorder/events", "POST"), [b"a", b"b"])
    assert sent[0]["headers"] == [(b"x-recorder", b"1")]
    assert json.loads(sent[1]["body"]) == ["POST", "/events", "ab"]
    mounted = scope("/mount/recorder", root_path="/mount", raw_path=b"/mount/recorder")
    assert json.loads(call_asgi(app, mounted)[1]["body"]) == ["GET", "/", ""]
    assert call_asgi(app, scope("/recorders"))[1]["body"] == b"app"
    assert len(exchanges(logs(settings))) == 1


def test_requests_wait_while_their_run_is_snapshotted(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "dry").mkdir()
    settings = Settings(root=settings.root, run_pattern="/runs/(?P<run_id>[^/]+)", run_root=f"{tmp_path}/{{run_id}}")
    recorder = get_recorder(settings)
    waited: list[str | None] = []

    class Windows:
        def covering(self, run_id: str | None, session: str | None, directory: Path | None = None) -> list[str]:
            return ["01CAPTURE"] if run_id else []

        def preparing(self, run_id: str | None, directory: Path | None = None) -> bool:
            return not waited

        def wait_ready(self, run_id: str | None) -> None:
            with pytest.raises(RuntimeError):
                asyncio.get_running_loop()
            waited.append(run_id)

    recorder._captures = Windows()
    app = wrap(answer(b""), settings)
    for path in ("/runs/dry", "/runs/dry/b", "/login"):
        call_asgi(app, scope(path))
    assert waited == ["dry"]
    assert [first["capture_ids"] for first, _ in exchanges(tmp_path / "dry" / "_logs")] == [["01CAPTURE"]] * 2
    assert [second["capture_ids"] for _, second in exchanges(logs(settings))] == [[]]


# Telling the two apart


async def coroutine(scope: Any, receive: Any, send: Any) -> None: ...


def function(environ: Any, start_response: Any) -> Any: ...


def returns_a_coroutine(scope: Any, receive: Any, send: Any) -> Any: ...


class Callable2:
    def __call__(self, environ: Any, start_response: Any) -> Any: ...


class Callable3:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    async def method(self, scope: Any, receive: Any, send: Any) -> None: ...

    def wsgi(self, environ: Any, start_response: Any) -> Any: ...


class Endpoint:
    def __init__(self, scope: Any, receive: Any, send: Any) -> None: ...

    def __await__(self) -> Any: ...


class Lazy:
    def __init__(self, environ: Any, start_response: Any) -> None: ...

    def __iter__(self) -> Any: ...


@pytest.mark.parametrize(
    ("app", "kind"),
    [
        (coroutine, asgi),
        (functools.partial(coroutine), asgi),
        (returns_a_coroutine, asgi),
        (Callable3(), asgi),
        (functools.partial(Callable3()), asgi),
        (Callable3().method, asgi),
        (Endpoint, asgi),
        (function, wsgi),
        (functools.partial(lambda settings, environ, start: None, {}), wsgi),
        (Callable2(), wsgi),
        (Callable3().wsgi, wsgi),
        (Lazy, wsgi),
        (lambda environ, start_response, more=None: None, wsgi),
    ],
)
def test_wrap_tells_the_two_apart(settings: Settings, app: Any, kind: Any) -> None:
    assert type(wrap(app, settings)) is kind.RecorderMiddleware


def test_wrap_knows_the_frameworks(settings: Settings) -> None:
    fastapi = pytest.importorskip("fastapi")
    flask = pytest.importorskip("flask")
    assert isinstance(wrap(fastapi.FastAPI(), settings), asgi.RecorderMiddleware)
    assert isinstance(wrap(flask.Flask(__name__), settings), wsgi.RecorderMiddleware)
