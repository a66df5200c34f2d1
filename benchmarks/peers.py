"""How fast small steps are replayed beside other tools, each against the same application in the same run.

    python benchmarks/peers.py            four minutes, half of them installing the tools into a folder that is deleted
    python benchmarks/peers.py FOLDER     the same, and the tools stay in FOLDER for the next time

1,000 requests that make, read and delete things, one after the other. Not measured is any tool's start, and that it
reads what it was given:

- httpx: the bare requests, with one client.
- ours: a whole replay: checks before the first step, comparison of every body, extraction of ids, all reports.
- mitmproxy client replay: the same requests from a flow file, from the first request to the last answer. It compares
  nothing and maps no ids, so that its reads find nothing; all of this is in its favour.
- Tavern: a test for each request, bodies compared, and its report (JUnit). Beside it, without a limit, a test of five
  stages for each thing, ids saved and sent again: most of what a test costs is then shared by five requests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # not the folder of this file: it holds another `recorder`

from assembler import assemble  # noqa: E402
from assembler.promote import promote  # noqa: E402
from benchmarks._measure import Table, in_turn, loaded, timed  # noqa: E402
from benchmarks.replay import SECRETS, SLUG, NotMeasured, tiny_requests  # noqa: E402
from playback.engine import Options, replay  # noqa: E402
from tests.support import Server  # noqa: E402

Named = dict[str, Any]

APP = "benchmarks._things:app"
ROUNDS = 5
THINGS = 200
"""How many things are made, read and deleted: five requests each."""
TIMES_FASTER = {"mitmproxy": 4.0, "tavern": 20.0, "tavern, 5 stages a test": None}
OVERHEAD = 1.3
"""What a replay may take, of what one bare client takes for the same requests."""
NEEDED = {"mitmproxy": ["mitmproxy"], "tavern": ["tavern", "pytest<9"]}  # it imports what pytest 9 no longer has

# Runs in mitmdump: says how long it was from the first request to the last answer.
TIMED_FLOWS = """
import time
first = last = 0.0
def request(flow):
    global first
    first = first or time.perf_counter()
def response(flow):
    global last
    last = time.perf_counter()
def done():
    print("seconds", last - first, flush=True)
"""
# Runs in the tool's own Python: writes the flows.
WRITE_FLOWS = """
import json, sys
from mitmproxy import http, io
from mitmproxy.test import tflow
with open(sys.argv[1], "wb") as file:
    writer = io.FlowWriter(file)
    for method, url, body in json.load(sys.stdin):
        headers = {"content-type": "application/json"} if body else {}
        writer.add(tflow.tflow(req=http.Request.make(method, url, body, headers), resp=False))
"""
# Beside the Tavern tests: says how long they took from the first one to the end of the session.
TIMED_TESTS = """
import time, pytest
@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    session.began = time.perf_counter()
@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    print("\\nseconds", time.perf_counter() - session.began, flush=True)
"""


def installed(tool: str, folder: Path) -> Path | None:
    """The `bin` of a virtual environment with `tool`; None, said aloud, where it cannot be installed."""
    programs = folder / tool / "bin"
    if not programs.exists():
        venv.create(folder / tool, with_pip=True)
    asked = subprocess.run(
        [programs / "python", "-m", "pip", "install", "-q", *NEEDED[tool]], capture_output=True, text=True
    )
    if asked.returncode:
        last = (asked.stderr.strip() or "pip said nothing").splitlines()[-1]
        print(f"NOT MEASURED: {tool} cannot be installed here: {last}")
        return None
    return programs


def served() -> Server:
    return Server.uvicorn(APP, path="/things/none", env={})


def seconds(command: list[str | Path], cwd: Path) -> float:
    """What `command` says of itself in a line `seconds …`. Raises NotMeasured where it fails."""
    ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)
    said = [line.partition("seconds ")[2] for line in ran.stdout.splitlines() if "seconds " in line]
    if ran.returncode or not said:
        raise NotMeasured(f"{Path(command[0]).name}: {(ran.stdout + ran.stderr).strip()[-600:]}")
    return float(said[-1].split()[0])


def mitmproxy(programs: Path, folder: Path) -> Callable[[], float]:
    """A turn of mitmproxy's client replay."""
    (folder / "timed.py").write_text(TIMED_FLOWS)

    def turn() -> float:
        with served() as server:
            flows = []
            for number in range(THINGS):
                body = json.dumps({"number": number, "name": f"thing {number}"})
                thing = f"{server.url}/things/{number:032x}"
                flows += [["POST", f"{server.url}/things", body], *[["GET", thing, ""]] * 3, ["DELETE", thing, ""]]
            write = [programs / "python", "-c", WRITE_FLOWS, "flows"]
            subprocess.run(write, cwd=folder, input=json.dumps(flows), text=True, check=True)
            options = ["--set", "connection_strategy=lazy", "--listen-port", "0"]
            return seconds([programs / "mitmdump", "-q", "-C", "flows", "-s", "timed.py", *options], folder)

    return turn


def tavern(programs: Path, folder: Path, tests: Callable[[str], list[Named]]) -> Callable[[], float]:
    """A turn of Tavern with the tests that are made for an address."""
    (folder / "conftest.py").write_text(TIMED_TESTS)

    def turn() -> float:
        with served() as server:
            written = "\n---\n".join(json.dumps(test) for test in tests(server.url))  # JSON is YAML
            (folder / "test_things.tavern.yaml").write_text(written)
            options = ["-q", "-s", "-p", "no:cacheprovider", "--junit-xml", "junit.xml"]
            return seconds([programs / "python", "-m", "pytest", *options], folder)

    return turn


def tests_of_things(url: str) -> list[Named]:
    """A test for each thing, of five stages: what is made is read and deleted."""
    thing = f"{url}/things/{{id}}"
    found: list[Named] = []
    for number in range(THINGS):
        sent: Named = {"number": number, "name": f"thing {number}"}
        made = {"status_code": 201, "json": sent, "strict": False, "save": {"json": {"id": "id"}}}
        read = {"status_code": 200, "json": {"id": "{id}", **sent}}
        stages = [
            {"name": "make", "request": {"url": f"{url}/things", "method": "POST", "json": sent}, "response": made}
        ]
        stages += [{"name": "read", "request": {"url": thing, "method": "GET"}, "response": read}] * 3
        stages += [{"name": "delete", "request": {"url": thing, "method": "DELETE"}, "response": read}]
        found.append({"test_name": f"thing {number}", "stages": stages})
    return found


def tests_of_requests(url: str) -> list[Named]:
    """A test for each request: all of them read one thing, since no test of Tavern gives another what it saved."""
    made = httpx.post(f"{url}/things", json={"number": 1, "name": "thing 1"}).json()
    request = {"url": f"{url}/things/{made['id']}", "method": "GET"}
    stage = {"name": "read", "request": request, "response": {"status_code": 200, "json": made}}
    return [{"test_name": f"read {number}", "stages": [stage]} for number in range(THINGS * 5)]


def ours(folder: Path) -> Callable[[], float]:
    """A turn of this engine, with what it recorded before."""
    recording = {"RECORDER_ROOT": str(folder / "recorder"), "RECORDER_CAPTURE": SLUG, "WRAPPED_APP": APP}
    env = {"APP_STATE": str(folder / "state"), **recording}
    with Server.uvicorn("tests.apps.wrapped:app", env=env, path="/health") as server:
        tiny_requests(server.url, THINGS)
    assemble(folder / "recorder", SLUG, folder)
    promote(SLUG, folder)

    def turn() -> float:
        with served() as server:
            report = replay(SLUG, folder, Options(base_url=server.url), SECRETS)
        if report.result != "passed":
            raise NotMeasured(f"ours: {report.result} at {report.failing_step}: {report.error}")
        return report.duration_s

    return turn


def bare() -> float:
    """The requests alone."""
    with served() as server:
        return timed(lambda: tiny_requests(server.url, THINGS))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def compared(folder: Path, tools: Path) -> int:
    """Measure and print; returns 1 when a limit is not kept or a tool could not be measured."""
    turns: dict[str, Callable[[], float]] = {"httpx": bare, "ours": ours(_made(folder / "ours"))}
    if (programs := installed("mitmproxy", tools)) is not None:
        turns["mitmproxy"] = mitmproxy(programs, _made(folder / "mitmproxy"))
    if (programs := installed("tavern", tools)) is not None:
        turns["tavern"] = tavern(programs, _made(folder / "requests"), tests_of_requests)
        turns["tavern, 5 stages a test"] = tavern(programs, _made(folder / "things"), tests_of_things)
    print(loaded())
    steps = THINGS * 5
    found = dict(zip(turns, in_turn(list(turns.values()), ROUNDS, min), strict=True))
    table = Table(
        f"Seconds for {steps} small steps, one after the other; the ratio is the tool by ours", "ours", "tool"
    )
    short = len(turns) < 2 + len(TIMES_FASTER)
    for name, figure in found.items():
        wanted = TIMES_FASTER.get(name)
        note = f"{figure / steps * 1000:.2f} ms a step" + (f"; must be {wanted:g} or more" if wanted else "")
        table.row(name, found["ours"], figure, "s", note)
        short |= wanted is not None and figure < wanted * found["ours"]
    overhead = found["ours"] / found["httpx"]
    short |= overhead > OVERHEAD
    print(f"\nours takes {overhead:.2f} of what a bare httpx.Client takes; must be {OVERHEAD:g} or less")
    print(loaded())
    return int(short)


def main() -> int:
    """Measure in a folder of its own."""
    os.environ.pop("PYTHONPATH", None)  # the tools have their own packages
    with tempfile.TemporaryDirectory(prefix="pte-bench-") as folder:
        tools = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else Path(folder) / "tools"
        try:
            return compared(Path(folder), tools)
        except NotMeasured as error:
            print(f"not measured: {error}")
            return 1


if __name__ == "__main__":
    sys.exit(main())
