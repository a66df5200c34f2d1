"""What assembling costs beside parsing the log, and how far a draft is behind while it is recorded.

    python benchmarks/assembler.py            about two minutes; needs 1.2 GB of temporary space
    python benchmarks/assembler.py 100000     the same with a log of 100,000 events

A peer of the first table is a loop that parses every line with orjson and keeps nothing.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # not the folder of this file: it holds another `recorder`

import orjson  # noqa: E402

from assembler.assembly import Assembly  # noqa: E402
from benchmarks._measure import Table, percentile  # noqa: E402
from benchmarks._recordings import CAPTURED_EACH, Shop, recorder_at  # noqa: E402
from recorder.captures import Subject  # noqa: E402
from recorder.log import LOG_NAME  # noqa: E402

SLUG = "bench"
EVENTS = 1_000_000
STEPS = 2_000
RATE = 500  # events a second
SMALL = 600  # characters of a page that make a record of 1 KB
ROUNDS = 3


def many_others(root: Path, events: int) -> Path:
    """A log of `events` records, a capture of 2,000 steps in the middle of it. Returns the log."""
    recorder = recorder_at(root)
    log = root / "_logs" / LOG_NAME
    Shop(recorder, SMALL).order()
    noise = [line for line in log.read_bytes().split(b"\n") if b'"category":"http_request"' in line]

    def others(count: int) -> None:
        writer = 0
        with log.open("ab") as file:
            for number in range(count):
                if number % len(noise) == 0:
                    writer += 1
                event = orjson.loads(noise[number % len(noise)])
                event["writer"], event["sequence"] = f"W{writer:025d}", number % len(noise) + 1
                event["id"] = f"{number:026d}"
                event["operation_id"] = f"{number // 2:026d}"
                line = orjson.dumps(event)
                file.write(b"\n%b\n" % line.replace(b"<p>", b"<p>" + b"." * max(0, 1000 - len(line)), 1))

    others(events // 2)
    capture = recorder.captures.start(SLUG, Subject(None))
    captured(recorder, SMALL)
    recorder.captures.end(Subject(None), capture["capture_id"])
    others(events // 2)
    return log


def captured(recorder: object, page: int) -> None:
    shop = Shop(recorder, page)  # type: ignore[arg-type]
    shop.login()
    for _ in range(STEPS // CAPTURED_EACH):
        shop.order()


def parsed(log: Path) -> float:
    """Seconds of the processor to parse every line and keep nothing."""
    began = time.process_time()
    with log.open("rb") as file:
        for line in file:
            if line != b"\n":
                orjson.loads(line)
    return time.process_time() - began


def assembled(root: Path, data: Path) -> dict[str, float]:
    """Seconds of the processor and megabytes of a process that makes the draft: to read the logs, and for the captured part."""
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[1]); from pathlib import Path; from benchmarks.assembler import made; "
        "made(Path(sys.argv[2]), Path(sys.argv[3]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT), str(root), str(data)], check=True, capture_output=True
    )
    return dict(json.loads(done.stdout))


def made(root: Path, data: Path) -> None:
    """Make the draft and print what it took."""
    began = time.process_time()
    assembly = Assembly(root, data, SLUG)
    assembly.read()
    capture = assembly.ended(SLUG)
    assembly.read(rest=True)
    read = time.process_time()
    status = assembly.finish(capture, fresh=True)
    done = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps({"read": read - began, "captured": done - read, "megabytes": peak, "steps": status.steps})
    )


def large_log(folder: Path, events: int) -> None:
    log = many_others(folder / "large", events)
    size = log.stat().st_size >> 20
    table = Table(
        f"Processor seconds for a log of {events:,} events ({size:,} MB), a capture of 2,000 steps in it", "orjson", "assemble"
    )
    rounds = [(parsed(log), assembled(folder / "large", folder / "data")) for _ in range(ROUNDS)]
    bare, ours = min(r[0] for r in rounds), min((r[1] for r in rounds), key=lambda r: r["read"] + r["captured"])
    table.row("the whole of it", bare, ours["read"] + ours["captured"], "s", f"{ours['megabytes']:.0f} MB at most")
    table.row("reading it", bare, ours["read"], "s")
    table.row("the captured part, pages of 600 characters", None, ours["captured"], "s")
    captured(recorder_at(folder / "pages", SLUG), 15_000)
    ours = min((assembled(folder / "pages", folder / "data") for _ in range(ROUNDS)), key=lambda r: r["captured"])
    table.row("a captured part with pages of 15 KB", None, ours["captured"], "s", f"{ours['megabytes']:.0f} MB at most")


def live(folder: Path, page: int, rate: float) -> tuple[list[float], float]:
    """Milliseconds from a record's appending to its being in the draft, and seconds from the capture's end to the draft."""
    recorder = recorder_at(folder / "recorder")
    data = folder / "data"
    code = (
        "import sys, threading; sys.path.insert(0, sys.argv[1]); from pathlib import Path; "
        "from assembler.following import follow; "
        "follow(Path(sys.argv[2]), Path(sys.argv[3]), threading.Event(), lambda status: print(status.state, flush=True))"
    )
    draft = data / "profiles/_drafts" / SLUG / "events.jsonl"
    command = [sys.executable, "-c", code, str(ROOT), str(folder / "recorder"), str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as follower:
        try:
            capture = recorder.captures.start(SLUG, Subject(None))
            while not draft.exists():
                time.sleep(0.01)
            delays = Delays(folder / "recorder/_logs" / LOG_NAME, draft)
            began, sent = time.perf_counter(), 0

            def paced() -> None:
                nonlocal sent
                sent += 2
                time.sleep(max(0.0, began + sent / rate - time.perf_counter()))

            shop = Shop(recorder, page, paced)
            with delays:
                shop.login()
                for _ in range(STEPS // CAPTURED_EACH):
                    shop.order()
            ended = time.perf_counter()
            recorder.captures.end(Subject(None), capture["capture_id"])
            assert follower.stdout is not None
            assert follower.stdout.readline().strip() == "ready"
            return delays.milliseconds, time.perf_counter() - ended
        finally:
            follower.terminate()


class Delays:
    """How much later than in the log each line is seen in the draft; looks every millisecond."""

    def __init__(self, log: Path, draft: Path) -> None:
        self.milliseconds: list[float] = []
        self._log, self._draft = log, draft
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        appended: list[float] = []
        with self._draft.open("rb") as draft, self._log.open("rb") as log:
            log.seek(0, os.SEEK_END)
            draft.seek(0, os.SEEK_END)
            while not self._over.is_set() or len(self.milliseconds) < len(appended):
                shown = draft.read()  # first: what is shown was appended before
                fresh = log.read()
                now = time.perf_counter()
                appended += [now] * fresh.count(b"}\n")
                for _ in range(shown.count(b"}\n")):
                    self.milliseconds.append((time.perf_counter() - appended[len(self.milliseconds)]) * 1000)
                time.sleep(0.001)


def behind(folder: Path) -> None:
    table = Table("While it is recorded", "limit", "measured")
    for page, rate, what in ((SMALL, RATE, "500 events/s of 1 KB"), (15_000, 100, "100 events/s, pages of 15 KB")):
        delays, ready = live(folder / f"live-{page}", page, rate)
        table.row(f"a record is in the draft, {what}: median", None, percentile(delays, 0.5), "ms")
        table.row("  of a hundred the slowest but one", 50.0, percentile(delays, 0.99), "ms")
        table.row("  from the capture's end to its draft, 2,000 steps", 1.0, ready, "s")


def main() -> None:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    with tempfile.TemporaryDirectory() as folder:
        behind(Path(folder))
        large_log(Path(folder), events)


if __name__ == "__main__":
    main()
