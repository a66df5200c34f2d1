"""What fails within the recorder, and the callables that the host gives it: no request suffers, none goes untold."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recorder import Settings, wrap
from recorder.core import get_recorder
from tests.recorder.watching import call_wsgi, environ, exchanges


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(root=tmp_path)


def hello(made: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello "]


@pytest.mark.parametrize("mode", ["best_effort", "strict"])
def test_a_fault_of_ours_disturbs_nobody(settings: Settings, monkeypatch: pytest.MonkeyPatch, mode: Any) -> None:
    recording = get_recorder(replace(settings, mode=mode))
    monkeypatch.setattr(recording, "redactor", lambda: 1 / 0)
    answer = call_wsgi(wrap(hello, recording.settings), environ())
    assert answer.status == ("200 OK" if mode == "best_effort" else "503 Service Unavailable")
    assert recording.lost >= 1


@pytest.mark.parametrize("callable_", ["resolver", "user"])
def test_a_callable_of_the_host_that_fails_costs_no_record(
    settings: Settings, caplog: pytest.LogCaptureFixture, callable_: str
) -> None:
    def fail(_: Any) -> Any:
        raise RuntimeError("the host's own is broken")

    broken = replace(settings, **{callable_: fail})  # type: ignore[arg-type]
    assert call_wsgi(wrap(hello, broken), environ()).body == b"hello "
    assert get_recorder(broken).lost >= 1
    assert "the host's own is broken" in caplog.text
    ((first, last),) = exchanges(settings.root / "_logs")
    assert (first["run_context"], first["session"]["user"], last["stage"]) == (None, None, "finished")


def test_a_user_may_be_named_by_a_number(settings: Settings) -> None:
    numbered = replace(settings, user=lambda _: 7)  # type: ignore[arg-type, return-value]
    call_wsgi(wrap(hello, numbered), environ())
    ((first, _),) = exchanges(settings.root / "_logs")
    assert first["session"]["user"] == get_recorder(numbered).pseudonyms.digest("7")


def test_what_a_server_left_out_is_the_applications_to_miss(settings: Settings) -> None:
    """A harness hands over less than the specification asks for: the application runs, and raises what it raises."""
    seen: list[Any] = []

    def wsgi(made: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [], exc_info=None)
        return [b"ran"]

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    assert call_wsgi(wrap(wsgi, settings), {"CONTENT_LENGTH": "3"}).body == b"ran"
    for scope in ({}, {"type": "http"}):
        asyncio.run(wrap(asgi, settings)(scope, None, None))
        assert seen[-1] is scope
