"""What the recorder costs the application it watches.

    python benchmarks/recorder.py                 three minutes; in rounds that take turns with the bare application
    python benchmarks/recorder.py jobs news       some of it: program, http, upload, jobs, imports, news

Each figure stands beside that of the same application without a recorder, and beside what it must reach. Ends with an
error where one is short.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # not the folder of this file, whose name is a package's

from benchmarks._measure import Limits, Table, in_turn, loaded, percentile, timed  # noqa: E402
from benchmarks._served import over_http, python, uploads  # noqa: E402
from playback.redis_server import RedisNotFound, running_redis  # noqa: E402
from recorder import asgi, wrap, wsgi  # noqa: E402
from recorder.events import envelope  # noqa: E402
from recorder.log import LOG_NAME, Writer  # noqa: E402
from recorder.settings import Settings  # noqa: E402
from recorder.tail import tail  # noqa: E402
from tests.support import clean_environ  # noqa: E402

CALLS, ROUNDS = 300, 15  # in process
JOBS = 400
IDLE = 3.0  # seconds
EVENTS, EVERY = 800, 0.004  # appended, with so many seconds between
ORDER = (
    b'{"customer":"Ada","lines":[{"sku":"bolt","quantity":2,"price":1.5},{"sku":"anvil","quantity":1,"price":120.0}]}'
)
FORM = b"csrf_token=IjRmMWQ2YTBkZGYwZTQi.aR8x&email=ada%40example.org&password=correct+horse+battery&remember=on"
PAGE = b"<!doctype html><title>Orders</title><form><input name='csrf_token' value='IjRmMWQ2YTBkZGYwZTQi.aR8x'></form>"
COOKIES = "session=eyJ1IjoxfQ.aR8x.Zm9v3f0c9a7be1d24c56; theme=dark; remember_token=1|9f86d081884c7d659a2feaa0c55ad015"


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


def in_one_program(folder: Path, limits: Limits) -> None:
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
    for protocol, app, call, off in (
        ("WSGI", SMALL.wsgi_app, SMALL.call_wsgi, wsgi.RecorderMiddleware(SMALL.wsgi_app, Settings(enabled=False))),
        ("ASGI", SMALL.asgi_app, SMALL.call_asgi, asgi.RecorderMiddleware(SMALL.asgi_app, Settings(enabled=False))),
    ):
        bare, ours = in_turn([partial(each, call, app), partial(each, call, off)], ROUNDS, min)
        table.row(f"{protocol}, RECORDER_ENABLED=false", None, ours - bare, "µs")
        limits.most(f"{protocol}, disabled", ours - bare, 1)


def jobs(folder: Path, limits: Limits) -> None:
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
                7,
            )
    except RedisNotFound as error:
        print(f"not measured: {error}")
        return
    table.row("queue.enqueue", bare, ours, "µs", f"+{ours - bare:.0f} µs")
    limits.most("queue.enqueue", ours / bare, 1.25)


def imports(limits: Limits) -> None:
    """What `import recorder` adds to the start of a process."""
    table = Table("Milliseconds to start a process", "bare python", "import")

    def start(code: str) -> float:
        command = [sys.executable, "-c", code]
        return timed(lambda: subprocess.run(command, cwd=ROOT, check=True, env=clean_environ())) * 1000

    figures: dict[str, float] = {}
    for module in ("recorder", "recorder.wsgi, recorder.asgi"):
        bare, ours = in_turn([partial(start, "pass"), partial(start, f"import {module}")], 15, min)
        figures[module] = ours - bare
        table.row(f"import {module}", bare, ours, "ms", f"+{figures[module]:.0f} ms")
    limits.most("import recorder", figures["recorder"], 60)
    found = [_modules(code) for code in ("pass", "import recorder")]
    strangers = found[1] - found[0] - {"recorder", "orjson", "wrapt"} - sys.stdlib_module_names
    limits.most(f"third-party modules of `import recorder`: {', '.join(strangers)}", len(strangers), 0)


def _modules(code: str) -> set[str]:
    """The top-level modules that a program has loaded in the end."""
    command = [sys.executable, "-c", f"{code}; import sys; print(*{{name.partition('.')[0] for name in sys.modules}})"]
    told = subprocess.run(command, cwd=ROOT, check=True, env=clean_environ(), capture_output=True, text=True).stdout
    return set(told.split())


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


def news(folder: Path, limits: Limits) -> None:
    """How long an event is on its way from `append` to a reader that tails the log."""
    table = Table("Milliseconds from append to a tailing reader", "", "")
    for what, count, every in (("while events come", EVENTS, EVERY), ("after half a second of silence", 12, 0.5)):
        delays: list[float] = []
        with tailing(folder / f"tail{count}", delays) as writer:
            for _ in range(count):
                time.sleep(every)
                writer.append(envelope("system_log", None, {"kind": "bench", "appended": time.perf_counter()}))
        median, most = (percentile(delays, share) * 1000 for share in (0.5, 0.99))
        table.row(f"p99 {what}", None, most, "ms", f"median {median:.2f} ms, {len(delays)} events")
        limits.most(f"append to reader, {what}", most, 10, 1)
    with tailing(folder / "idle", []) as writer:
        writer.append(envelope("system_log", None, {"kind": "bench"}))
        time.sleep(0.5)
        busy = timed(lambda: time.sleep(IDLE), time.process_time) * 1000 / IDLE
    table.row("processor while nothing comes, each second", None, busy, "ms")
    limits.most("idle reader", busy, 3)


PARTS: dict[str, Callable[[Path, Limits], None]] = {
    "program": in_one_program,
    "http": over_http,
    "upload": uploads,
    "jobs": jobs,
    "imports": lambda folder, limits: imports(limits),
    "news": news,
}


def main(*parts: str) -> int:
    """Measure these parts, or all, in a folder of their own; returns 1 where a limit is missed."""
    began, limits = time.monotonic(), Limits()
    print(loaded())
    with tempfile.TemporaryDirectory(prefix="pte-bench-") as folder:
        for part in parts or PARTS:
            PARTS[part](Path(folder), limits)
    print(f"\n{time.monotonic() - began:.0f} s in all; {loaded()}")
    for what in limits.missed:
        print(f"short: {what}")
    return int(bool(limits.missed))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
