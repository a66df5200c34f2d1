"""Observe and never alter: a wrapped application and the bare one cannot be told apart, whatever they do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder import Settings, wrap
from tests.recorder.watching import call_asgi, environ, scope

texts = st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=12)
headers = st.lists(
    st.tuples(st.sampled_from(["Content-Type", "Set-Cookie", "X-A", "Content-Encoding", "Location"]), texts), max_size=5
)
bodies = st.lists(st.binary(max_size=30) | st.just(b'{"password": "hunter2hunter2"}'), max_size=4)
statuses = st.sampled_from(["200 OK", "204 No Content", "302 Found", "304 Not Modified", "404 Not Found", "500 Oops"])
methods = st.sampled_from(["GET", "HEAD", "POST", "DELETE", "STRANGE"])


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(root=tmp_path_factory.mktemp("root"))


def transcript(app: Any, made: dict[str, Any], stop_after: int) -> list[Any]:
    """Return all that a server sees of one request, in order."""
    seen: list[Any] = []

    def start_response(*args: Any) -> Any:
        seen.append(args)
        return lambda data: seen.append(("write", data))

    try:
        result = app(made, start_response)
        seen.append(len(result) if hasattr(result, "__len__") else "no length")
        try:
            for number, piece in enumerate(result):
                seen.append(piece)
                if number == stop_after:
                    break
        finally:
            if hasattr(result, "close"):
                result.close()
    except Exception as error:
        seen.append(repr(error))
    return seen


@given(
    methods,
    statuses,
    headers,
    bodies,
    st.binary(max_size=40),
    st.sampled_from(["list", "tuple", "generator", "late start", "object", "write", "raise", "raise later"]),
    st.integers(0, 5),
    st.booleans(),
)
def test_wsgi(
    settings: Settings,
    method: str,
    status: str,
    fields: list[tuple[str, str]],
    pieces: list[bytes],
    body: bytes,
    shape: str,
    stop_after: int,
    length: bool,
) -> None:
    if length:
        fields = [*fields, ("Content-Length", str(sum(map(len, pieces))))]

    def make(log: list[Any]) -> Any:
        class Result:
            def __iter__(self) -> Iterator[bytes]:
                return iter(pieces)

            def close(self) -> None:
                log.append("close")

        def generate(made: dict[str, Any], start_response: Any) -> Iterator[bytes]:
            start_response(status, list(fields))
            yield from pieces
            if shape == "raise later":
                raise ValueError("later")

        def app(made: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            log.append(made["wsgi.input"].read())
            log.append({key: value for key, value in made.items() if isinstance(value, str)})
            if shape == "raise":
                raise ValueError("now")
            if shape in ("late start", "raise later", "generator"):
                return generate(made, start_response)
            write = start_response(status, list(fields))
            if shape == "write":
                write(b"written")
            return {"list": list(pieces), "tuple": tuple(pieces)}.get(shape, Result())

        return app

    bare_log: list[Any] = []
    wrapped_log: list[Any] = []
    bare = transcript(make(bare_log), environ("/p", method, body), stop_after)
    wrapped = transcript(wrap(make(wrapped_log), settings), environ("/p", method, body), stop_after)
    assert wrapped == bare
    if isinstance(wrapped_log[1], dict):
        assert wrapped_log == bare_log


@given(methods, st.sampled_from([200, 204, 304, 500]), headers, bodies, bodies, st.booleans(), st.booleans())
def test_asgi(
    settings: Settings,
    method: str,
    status: int,
    fields: list[tuple[str, str]],
    pieces: list[bytes],
    body: list[bytes],
    length: bool,
    fail: bool,
) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in fields]
    if length:
        raw.append((b"Content-Length", str(sum(map(len, pieces))).encode()))

    def make(log: list[Any]) -> Any:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            log.append({key: value for key, value in scope.items() if not key.startswith("recorder.")})
            while True:
                log.append(await receive())
                if not log[-1].get("more_body"):
                    break
            await send({"type": "http.response.start", "status": status, "headers": raw})
            for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            if fail:
                raise ValueError
            await send({"type": "http.response.body"})

        return app

    def run(app: Any) -> list[Any]:
        try:
            return call_asgi(app, scope("/p", method, [("a", "b"), ("a", "c")]), body or [b""])
        except ValueError as error:
            return [repr(error)]

    bare_log: list[Any] = []
    wrapped_log: list[Any] = []
    assert run(wrap(make(wrapped_log), settings)) == run(make(bare_log))
    assert wrapped_log == bare_log


def test_nothing_went_wrong_meanwhile(settings: Settings, tmp_path: Path) -> None:
    from recorder.core import get_recorder

    assert get_recorder(settings).lost == 0
