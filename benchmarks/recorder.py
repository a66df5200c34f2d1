"""What the recorder costs the application it watches.

    python benchmarks/recorder.py         under a minute; in rounds that take turns with the bare application

Each figure stands beside that of the same application without a recorder.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # not the folder of this file, whose name is a package's

from benchmarks._measure import Table, in_turn, percentile, timed  # noqa: E402
from playback.redis_server import RedisNotFound, running_redis  # noqa: E402
from recorder import wrap  # noqa: E402
from recorder.events import envelope  # noqa: E402
from recorder.log import LOG_NAME, Writer  # noqa: E402
from recorder.settings import Settings  # noqa: E402
from recorder.tail import tail  # noqa: E402
from tests.support import Server, clean_environ  # noqa: E402

CALLS, ROUNDS = 300, 15  # in process
CLIENTS = 8
JOBS = 400
EVENTS, EVERY = 800, 0.004  # appended, with so many seconds between
ORDER = (
    b'{"customer":"Ada","lines":[{"sku":"bolt","quantity":2,"price":1.5},{"sku":"anvil","quantity":1,"price":120.0}]}'
)
FORM = b"csrf_token=IjRmMWQ2YTBkZGYwZTQi.aR8x&email=ada%40example.org&password=correct+horse+battery&remember=on"
PAGE = b"<!doctype html><title>Orders</title><form><input name='csrf_token' value='IjRmMWQ2YTBkZGYwZTQi.aR8x'></form>"
COOKIES = "session=eyJ1IjoxfQ.aR8x.Zm9v3f0c9a7be1d24c56; theme=dark; remember_token=1|9f86d081884c7d659a2feaa0c55ad015"
CALLS_OVER_HTTP: tuple[tuple[str, str, list[str], int], ...] = (
    ("GET", "/watersheds", [], 2000),
    ("POST", "/orders", [ORDER.decode()], 2000),
    ("GET that takes 5 ms", "/soil-loss", [], 200),
)


class Exchange:
    """One request and its answer, handed to an application in this process, over and over."""

    def __init__(self, path: str, kind: str, sent: bytes, answer_kind: str, answer: bytes, *, cookies: bool) -> None:
        self.path, self.kind, self.sent, self.answer_kind, self.answer = path, kind, sent, answer_kind, answer
        self.cookies = COOKIES if cookies else ""
        self.answer_headers = [("Content-Type", answer_kind), ("Content-Length", str(len(answer)))]
        if cookies:
            self.answer_headers.append(("Set-Cookie", "session=eyJ1IjoyfQ.aR8y.YmFy9f86d081884c7d65; Path=/; HttpOnly"))

    def wsgi_app(self, environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
        """The application."""
        environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        start_response("200 OK", list(self.answer_headers))
        return [self.answer]

    def call_wsgi(self, app: Any, count: int) -> None:
        """Call it as a server would."""
        fixed = {
            "REQUEST_METHOD": "POST", "PATH_INFO": self.path, "QUERY_STRING": "", "SCRIPT_NAME": "",
            "CONTENT_TYPE": self.kind, "CONTENT_LENGTH": str(len(self.sent)), "SERVER_NAME": "localhost",
            "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http", "wsgi.errors": sys.stderr, "wsgi.multithread": True, "wsgi.multiprocess": True,
            "wsgi.run_once": False, "HTTP_HOST": "localhost", "HTTP_ACCEPT": "*/*", "HTTP_USER_AGENT": "benchmark",
        }  # fmt: skip
        if self.cookies:
            fixed["HTTP_COOKIE"] = self.cookies
        for _ in range(count):
            pieces = app({**fixed, "wsgi.input": io.BytesIO(self.sent)}, lambda *given: None)
            b"".join(pieces)
            if hasattr(pieces, "close"):
                pieces.close()

    async def asgi_app(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """The application."""
        await receive()
        headers = [(name.lower().encode(), value.encode()) for name, value in self.answer_headers]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self.answer, "more_body": False})

    def call_asgi(self, app: Any, count: int) -> None:
        """Call it as a server would."""
        given = {"host": "localhost", "accept": "*/*", "user-agent": "benchmark", "content-type": self.kind}
        given |= {"content-length": str(len(self.sent))} | ({"cookie": self.cookies} if self.cookies else {})
        headers = [(name.encode(), value.encode()) for name, value in given.items()]

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": self.sent, "more_body": False}

        async def send(message: dict[str, Any]) -> None: ...

        async def calls() -> None:
            for _ in range(count):
                scope = {
                    "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
                    "scheme": "http", "path": self.path, "raw_path": self.path.encode(), "query_string": b"",
                    "root_path": "", "headers": headers, "client": ("127.0.0.1", 1), "server": ("localhost", 80),
                }  # fmt: skip
                await app(scope, receive, send)

        asyncio.run(calls())


SMALL = Exchange("/orders", "application/json", ORDER, "application/json", b'{"id":7,"total":123.0}', cookies=False)
LOGIN = Exchange(
    "/login", "application/x-www-form-urlencoded", FORM, "text/html; charset=utf-8", PAGE, cookies=True
)  # fmt: skip


def each(call: Callable[[Any, int], None], app: Any) -> float:
    """Microseconds of processor time for one call."""
    return timed(lambda: call(app, CALLS), time.process_time) / CALLS * 1e6


def in_one_program(folder: Path) -> None:
    """What is added to one request when nothing else is measured."""
    table = Table("Processor time added to a request, in process", "", "added")
    for what, exchange in (("small JSON", SMALL), ("form with cookies and a password", LOGIN)):
        for protocol, app, call in (
            ("WSGI", exchange.wsgi_app, exchange.call_wsgi),
            ("ASGI", exchange.asgi_app, exchange.call_asgi),
        ):
            settings = Settings(root=folder / f"{protocol}{exchange.path}", capture="bench")
            recorded = wrap(app, settings)
            call(recorded, 50)
            bare, ours = in_turn([partial(each, call, app), partial(each, call, recorded)], ROUNDS, min)
            table.row(
                f"{protocol}, {what}", None, ours - bare, "µs", f"bare {bare:.1f} µs: an application that does nothing"
            )


def python(module: str, *arguments: str, env: dict[str, str] | None = None) -> str:
    """What a module says when it is run in a second process."""
    command = [sys.executable, "-m", module, *arguments]
    environ = {**clean_environ(), **(env or {})}
    return subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True, text=True).stdout


@dataclass
class Loaded:
    """A server that is put under load. Of each round `slowest` has the 99th percentile in ms, `busy` the processor time
    of one request in µs, which what else the machine does disturbs less than the rate."""

    server: Server
    slowest: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)

    def rate(self, path: str, body: list[str], count: int) -> float:
        """Requests a second of one round, made by a second process."""
        before = _processor_time(self.server.pid)
        rate, slowest = python("benchmarks._load", self.server.url + path, str(count), str(CLIENTS), *body).split()
        self.busy.append((_processor_time(self.server.pid) - before) / count * 1e6)
        self.slowest.append(float(slowest))
        return float(rate)


def _processor_time(group: int) -> float:
    """Seconds that the processes of a group have used; 0 where there is no /proc (proc(5), stat)."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12]) if int(fields[2]) == group else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def over_http(folder: Path) -> None:
    """Two servers at a time, bare and recorded, take turns under the same load."""
    table = Table(f"Requests a second over HTTP ({CLIENTS} clients, one worker)", "bare", "recorded")
    gthread = ["--threads", str(CLIENTS), "--worker-class", "gthread", "--keep-alive", "10"]
    quiet = ["--factory", "--no-access-log", "--log-level", "warning"]
    servers: dict[str, Callable[..., Server]] = {
        "FastAPI, uvicorn": partial(Server.uvicorn, "benchmarks._sites:fastapi_app", options=quiet),
        "Flask, gunicorn gthread": partial(Server.gunicorn, "benchmarks._sites:flask_app()", options=gthread),
    }
    for name, server in servers.items():
        recorder = {"RECORDER_ROOT": str(folder / name), "RECORDER_CAPTURE": "bench"}
        with server() as first, server(env=recorder) as second:
            for call, path, body, count in CALLS_OVER_HTTP:
                bare, ours = Loaded(first), Loaded(second)
                for loaded in (bare, ours):
                    loaded.rate(path, body, count // 10)
                    loaded.slowest.clear()
                    loaded.busy.clear()
                before, after = in_turn([partial(one.rate, path, body, count) for one in (bare, ours)], 3)
                worst = f"p99 {statistics.median(bare.slowest):.1f} → {statistics.median(ours.slowest):.1f} ms"
                busy = f"processor {min(bare.busy):.0f} → {min(ours.busy):.0f} µs each"
                table.row(f"{name}, {call}", before, after, "/s", f"{worst}; {busy}")


def jobs(folder: Path) -> None:
    """What is added to `queue.enqueue` on a private Redis."""
    table = Table("Microseconds for an enqueue, RQ on a private Redis", "bare", "recorded")
    recorded = {"RECORDER_ROOT": str(folder / "rq")}
    try:
        with running_redis(environ={"PATH": os.environ.get("PATH", os.defpath)}) as url:
            bare, ours = in_turn(
                [
                    lambda: float(python("benchmarks._enqueue", url, str(JOBS))),
                    lambda: float(python("benchmarks._enqueue", url, str(JOBS), env=recorded)),
                ],
                3,
            )
    except RedisNotFound as error:
        print(f"not measured: {error}")
        return
    table.row("queue.enqueue", bare, ours, "µs", f"+{ours - bare:.0f} µs")


def imports() -> None:
    """What `import recorder` adds to the start of a process."""
    table = Table("Milliseconds to start a process", "bare python", "import")

    def start(code: str) -> float:
        command = [sys.executable, "-c", code]
        return timed(lambda: subprocess.run(command, cwd=ROOT, check=True, env=clean_environ())) * 1000

    for module in ("recorder", "recorder.wsgi, recorder.asgi"):
        bare, ours = in_turn([partial(start, "pass"), partial(start, f"import {module}")], 15, min)
        table.row(f"import {module}", bare, ours, "ms", f"+{ours - bare:.0f} ms")


@contextlib.contextmanager
def tailing(folder: Path, delays: list[float]) -> Iterator[Writer]:
    """A writer whose records another thread tails; `delays` gets seconds from before the append until it was seen."""
    writer = Writer(folder, folder)
    ended = threading.Event()

    def follow() -> None:
        for _, event in tail(folder / LOG_NAME, stop=ended.is_set):
            if isinstance(event, dict) and "appended" in event["payload"]:
                delays.append(time.perf_counter() - event["payload"]["appended"])

    reader = threading.Thread(target=follow, daemon=True)
    reader.start()
    yield writer
    ended.set()
    reader.join()
    writer.close()


def news(folder: Path) -> None:
    """How long an event is on its way from `append` to a reader that tails the log."""
    table = Table("Milliseconds from append to a tailing reader", "", "")
    for what, count, every in (("while events come", EVENTS, EVERY), ("after half a second of silence", 12, 0.5)):
        delays: list[float] = []
        with tailing(folder / f"tail{count}", delays) as writer:
            for _ in range(count):
                time.sleep(every)
                writer.append(envelope("system_log", None, {"kind": "bench", "appended": time.perf_counter()}))
        median, most = (percentile(delays, share) * 1000 for share in (0.5, 0.99))
        table.row(f"p99 {what}", None, most, "ms", f"median {median:.1f} ms, {len(delays)} events")


def main() -> None:
    """Measure everything, in a folder of its own."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pte-bench-") as folder:
        in_one_program(Path(folder))
        over_http(Path(folder))
        jobs(Path(folder))
        imports()
        news(Path(folder))
    print(f"\n{time.monotonic() - began:.0f} s in all, Python {sys.version.split()[0]}, {os.cpu_count()} processors")


if __name__ == "__main__":
    main()
