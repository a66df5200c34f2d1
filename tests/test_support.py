"""What tests lean on: a clean environment, and servers that say why they did not start and leave nothing behind."""

from __future__ import annotations

import os
import socket
import sys

import httpx
import pytest

from tests.support import CLEARED, PATIENCE, Server, clean_environ, free_port, wait_until

APP = "tests.test_support:application"


async def application(scope: dict[str, object], receive: object, send: object) -> None:
    """Answers every request with the id of the process that served it."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": str(os.getpid()).encode()})  # type: ignore[operator]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_nothing_that_steers_the_product_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [name for name in os.environ if name.startswith(CLEARED)] == []
    monkeypatch.setenv("REDIS_URL", "redis://of-the-developer")
    monkeypatch.setenv("PROFILE_SECRET_PASSWORD", "x")
    assert not {"REDIS_URL", "PROFILE_SECRET_PASSWORD"} & set(clean_environ())


def test_a_server_is_gone_with_its_workers_and_comes_back_on_its_port() -> None:
    with Server.uvicorn(APP, workers=2) as server:
        worker = int(httpx.get(server.url, trust_env=False).text)
        assert worker != server.pid
        server.stop()
        wait_until(lambda: not is_alive(worker), "the worker is gone too")
        with pytest.raises(httpx.ConnectError):
            httpx.get(server.url, trust_env=False)
        server.start()
        assert httpx.get(server.url, trust_env=False).text != str(worker)


def test_a_server_that_ends_early_is_quoted() -> None:
    command = ["/bin/sh", "-c", "echo no such module; exit 3"]
    with pytest.raises(AssertionError, match=r"ended before it answered:\nno such module"), Server(command):
        pass


def test_a_server_that_never_answers_is_given_up() -> None:
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    with pytest.raises(AssertionError, match="did not answer within"), Server(command, deadline=0.5):
        pass


def test_waiting_has_a_deadline() -> None:
    answers = iter([False, False, True])
    wait_until(lambda: next(answers), "the third answer is yes")
    with pytest.raises(AssertionError, match=r"not within 0\.05 s: it is so"):
        wait_until(lambda: False, "it is so", deadline=0.05)


def test_a_free_port_is_for_one_alone() -> None:
    """Whoever asked for it may listen on it; the system gives it to nobody, and nothing answers there before."""
    port = free_port()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
    with socket.create_server(("127.0.0.1", port)):
        socket.create_connection(("127.0.0.1", port)).close()
    assert len({free_port() for _ in range(50)} - {port}) == 50


def test_a_client_waits_as_long_as_everybody() -> None:
    with httpx.Client() as client:
        assert client.timeout == httpx.Timeout(PATIENCE)
