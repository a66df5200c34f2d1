"""Applications behind real servers: bare, recorded, and with what else one could put around them, in turns.

The server runs on the first processor, the load on the last.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks._measure import Limits, Table, in_turn
from benchmarks._sites import ORDER, SAVED
from tests.support import ROOT, Server, clean_environ

__all__ = ["over_http", "python", "uploads"]

CLIENTS, REQUESTS, ROUNDS = 8, 2000, 7
UPLOAD, UPLOADS = 1 << 30, 3  # bytes, rounds
H11 = ["--http", "h11", "--loop", "asyncio"]  # what `pip install uvicorn` brings
PEERS: Mapping[str, Mapping[str, str]] = {"BaseHTTPMiddleware doing nothing": {"BENCH_PEER": "BaseHTTPMiddleware"}}

Start = Callable[..., Server]


def python(module: str, *arguments: str, env: Mapping[str, str] | None = None) -> str:
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
        before = processor_time(self.server.pid)
        rate, slowest = python("benchmarks._load", self.server.url + path, str(count), str(CLIENTS), *body).split()
        self.busy.append((processor_time(self.server.pid) - before) / count * 1e6)
        self.slowest.append(float(slowest))
        return float(rate)

    def warm(self, path: str, body: list[str]) -> None:
        """Have everything loaded and remembered, on the first processor alone."""
        _pin(self.server.pid)
        self.rate(path, body, REQUESTS // 4)
        self.slowest.clear()
        self.busy.clear()


def _processes(group: int) -> Iterable[Path]:
    """The processes of a group, in /proc (proc(5)); none where there is no /proc."""
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int((path / "stat").read_text().rpartition(")")[2].split()[2]) == group:
                yield path


def processor_time(group: int) -> float:
    """Seconds that the processes of a group have used."""
    ticks = 0
    for path in _processes(group):
        with contextlib.suppress(OSError):
            fields = (path / "stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def peak_memory(group: int) -> float:
    """MB that the processes of a group held at most, those of all added up."""
    found = [(path / "status").read_text().partition("VmHWM:")[2].split() for path in _processes(group)]
    return sum(int(words[0]) for words in found if words) / 1024


def _pin(group: int) -> None:
    """Keep the processes of a group, and what they start, on the first processor."""
    if hasattr(os, "sched_setaffinity"):
        first = min(os.sched_getaffinity(0))
        for path in _processes(group):
            for task in (path / "task").iterdir():
                with contextlib.suppress(OSError):
                    os.sched_setaffinity(int(task.name), {first})


def _servers() -> Mapping[str, Start]:
    """How each is started: as its documentation says."""
    gthread = ["--threads", str(CLIENTS), "--worker-class", "gthread", "--keep-alive", "10"]
    uvicorn = partial(Server.uvicorn, "benchmarks._sites:fastapi_app")
    flask = partial(Server.gunicorn, "benchmarks._sites:flask_app()", options=gthread)
    found: dict[str, Start] = {}
    if importlib.util.find_spec("httptools") is not None:
        found["FastAPI, uvicorn[standard]"] = partial(uvicorn, options=["--factory"])
    return {
        **found,
        "FastAPI, uvicorn": partial(uvicorn, options=["--factory", *H11]),
        "Flask, gunicorn gthread": flask,
    }


def over_http(folder: Path, limits: Limits) -> None:
    """Requests a second and processor time: one kilobyte of JSON in and out, and next to nothing."""
    table = Table(f"Requests a second over HTTP ({CLIENTS} clients, one worker on one processor)", "bare", "with it")
    for name, start in _servers().items():
        recorder = {"RECORDER_ROOT": str(folder / name), "RECORDER_CAPTURE": "bench"}
        others: dict[str, Mapping[str, str]] = {"recorded": recorder}
        if name == "FastAPI, uvicorn":
            durable = {**recorder, "RECORDER_ROOT": f"{recorder['RECORDER_ROOT']}-durable", "RECORDER_FSYNC": "always"}
            others |= {"durable before the answer": durable, **PEERS}
        with contextlib.ExitStack() as stack:
            bare = Loaded(stack.enter_context(start(path="/empty")))
            contestants = {
                what: Loaded(stack.enter_context(start(path="/empty", env=env))) for what, env in others.items()
            }
            for call, path, body in (("1 KB of JSON", "/orders", [ORDER]), ("empty", "/empty", [])):
                chosen = contestants if body else {"recorded": contestants["recorded"]}
                for each in (bare, *chosen.values()):
                    each.warm(path, body)
                rates = in_turn([partial(each.rate, path, body, REQUESTS) for each in (bare, *chosen.values())], ROUNDS)
                for (what, ours), rate in zip(chosen.items(), rates[1:], strict=True):
                    row = f"{name}, {call}, {what}"
                    _tell(table, limits, row, (bare, rates[0]), (ours, rate))


def _tell(table: Table, limits: Limits, row: str, bare: tuple[Loaded, float], ours: tuple[Loaded, float]) -> None:
    """One row, and whether it is what it must be."""
    worst = f"p99 {statistics.median(bare[0].slowest):.1f} → {statistics.median(ours[0].slowest):.1f} ms"
    added = min(ours[0].busy) - min(bare[0].busy)
    busy = f"processor {min(bare[0].busy):.0f} → {min(ours[0].busy):.0f} µs each, +{added:.0f} µs"
    table.row(row, bare[1], ours[1], "/s", f"{worst}; {busy}")
    ratio = ours[1] / bare[1]
    if row.endswith("JSON, recorded"):
        must, aim = (0.80, 0.87) if row.startswith("Flask") else (0.85, 0.90)
        limits.least(row, ratio, must, aim)
        limits.most(f"{row}: µs of the processor", added, 70, 45)
    elif "durable" in row:
        limits.least(row, ratio, 0.70)


def uploads(folder: Path, limits: Limits) -> None:
    """One large upload to an application that hashes and saves it itself."""
    table = Table(
        f"Seconds for an upload of {UPLOAD >> 20:,} MiB that the application hashes and saves", "bare", "recorded"
    )
    (folder / "saved").mkdir()
    start = partial(Server.uvicorn, "benchmarks._sites:fastapi_app", path="/empty", options=["--factory"])
    recorder = {"RECORDER_ROOT": str(folder / "upload"), "RECORDER_CAPTURE": "bench"}
    saved = [{SAVED: str(folder / "saved" / name)} for name in ("bare", "recorded")]
    with start(env=saved[0]) as first, start(env={**saved[1], **recorder}) as second:

        def once(server: Server) -> float:
            os.sync()  # what the one before left to be written is not this one's
            return float(python("benchmarks._upload", f"{server.url}/uploads", str(UPLOAD)))

        before = [peak_memory(server.pid) for server in (first, second)]
        bare, ours = in_turn([partial(once, first), partial(once, second)], UPLOADS, min)
        grown = [peak_memory(server.pid) - held for server, held in zip((first, second), before, strict=True)]
    table.row("FastAPI, uvicorn", bare, ours, "s", f"memory +{grown[0]:.1f} and +{grown[1]:.1f} MB")
    limits.most("upload", ours / bare, 1.25, 1.10)
    limits.most("upload: MB of memory", grown[1] - grown[0], 8)
