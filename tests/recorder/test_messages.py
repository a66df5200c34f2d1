"""Every message of ASGI, those that nobody has thought of yet included, passes as the very object it is; asgiref agrees."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator

from recorder import Settings, wrap
from tests.recorder.watching import events, exchanges, scope

START = {"type": "http.response.start", "status": 200, "headers": [(b"trailer", b"x-sum")], "trailers": True}
SENT: list[dict[str, Any]] = [
    {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]},
    {"type": "http.response.push", "path": "/a.css", "headers": []},
    {"type": "http.response.debug", "info": {"template": object()}},
    START,
    {"type": "http.response.body", "body": b"one", "more_body": True, "ours": "kept"},
    {"type": "http.response.body", "body": b"two"},
    {"type": "http.response.trailers", "headers": [(b"x-sum", b"1")], "more_trailers": False},
]
RECEIVED: list[dict[str, Any]] = [
    {"type": "http.request", "body": b"a", "more_body": True, "ours": 1},
    {"type": "http.request", "body": b"b"},
    {"type": "http.unheard_of"},
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(root=tmp_path)


def test_messages_are_the_same_objects_in_both_directions(settings: Settings) -> None:
    came, went = [], []
    given = scope(method="POST", extensions={"http.response.trailers": {}, "tls": {"version": 772}}, state={"pool": 1})
    expected = dict(given)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert {key: value for key, value in scope.items() if not key.startswith("recorder.")} == expected
        assert all(scope[key] is expected[key] for key in expected)
        for _ in RECEIVED:
            came.append(await receive())
        for message in SENT:
            await send(message)

    async def receive() -> Any:
        return RECEIVED[len(came)]

    async def send(message: Any) -> None:
        went.append(message)

    asyncio.run(wrap(app, settings)(given, receive, send))
    assert list(map(id, came)) == list(map(id, RECEIVED))
    assert list(map(id, went)) == list(map(id, SENT))
    ((_, finished),) = exchanges(settings.root / "_logs")
    assert finished["payload"]["body"]["text"] == "onetwo"


@pytest.mark.parametrize("kind", ["lifespan", "websocket", "of the future"])
def test_other_connections_are_handed_on_whole(settings: Settings, kind: str) -> None:
    seen: list[Any] = []

    async def app(*given: Any) -> None:
        seen.extend(given)

    async def call(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)

    given = ({"type": kind, "path": "/talk", "headers": [], "state": {}}, object(), object())
    asyncio.run(wrap(call, settings)(*given))
    assert list(map(id, seen)) == list(map(id, given))
    assert not events(settings.root / "_logs", "http_request")


def test_what_asgiref_checks(settings: Settings) -> None:
    """Its communicator is what Django's and Channels' own tests look through: order, silence, and the end of the task."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["body"] == b"hello"
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body", "body": b"world"})
        assert (await receive())["type"] == "http.disconnect"

    async def check() -> None:
        communicator = ApplicationCommunicator(wrap(app, settings), scope(method="POST"))
        assert await communicator.receive_nothing()
        await communicator.send_input({"type": "http.request", "body": b"hello"})
        assert (await communicator.receive_output())["status"] == 202
        assert (await communicator.receive_output())["body"] == b"world"
        assert await communicator.receive_nothing()
        await communicator.send_input({"type": "http.disconnect"})
        await communicator.wait()

    asyncio.run(check())
    assert [pair[1]["stage"] for pair in exchanges(settings.root / "_logs")] == ["finished"]
