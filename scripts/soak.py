"""Kill -9, again and again, and look what is left: of a recorder under load, and of an assembler while it writes.

    python scripts/soak.py [--kills 1000] [--assemblies 100] [--faulty 10000] [--records 1000000] [--seed 1]

For the recorder: every request whose answer reached its client has a `finished` record; a killed writer leaves one torn
line at most, which the reader and `wctl audit verify` report; no writer has a gap in its sequence; who follows the log
meanwhile sees all of it. While a disk fails in six ways no answer changes, losses equal gaps, and in strict mode nothing is
handled that is not logged. Fuzzed records read as they were written. For the assembler: after each kill the draft is whole
or absent, and the next assembly makes the same bytes. Prints counts; exit code 1 on a violation.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import http.client
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from assembler import assemble  # noqa: E402
from recorder.captures import close_capture  # noqa: E402
from recorder.log import LOG_NAME, BadLine, Line, Writer, read  # noqa: E402
from recorder.seal import Seal  # noqa: E402
from recorder.tail import tail  # noqa: E402
from recorder.verify import verify  # noqa: E402
from tests.apps import orders_drive  # noqa: E402
from tests.recorder.faults import FAULTS, trial  # noqa: E402
from tests.recorder.fuzzing import anything, as_read, exotic_text, record_of  # noqa: E402
from tests.support import Server, wait_until  # noqa: E402

WORKERS, CLIENTS = 8, 8
KILLS_A_ROUND = 20
PAUSE = 0.6  # seconds between two kills, at most: time for new workers to start
LARGEST = 1_000_000  # characters sent, in fields of a form: such a record is written in many pages, and can tear
FIELD = 60_000  # characters of one field: more would be kept apart from the record
BATCH = 20_000  # fuzzed records in one file
SLUG = "soak"
WAYS: tuple[dict[str, str], ...] = (
    {}, {"RECORDER_SEAL": "seal", "RECORDER_SEAL_KEY": "k"}, {"RECORDER_LOG_PER_PROCESS": "true"}, {"RECORDER_FSYNC": "always"},
)  # fmt: skip
"""Settings of the recorder, which the rounds take in turn."""


COUNTED = (
    "kills", "writers killed", "answers", "records", "torn lines", "largest record",
    "requests on a failing disk", "records lost there", "requests refused there", "fuzzed records",
    "assemblies killed", "assemblies that were faster", "drafts left whole", "drafts left absent", "unfinished folders left",
)  # fmt: skip


@dataclass
class Outcome:
    """What was counted, and what should not have been."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))
    violations: list[str] = field(default_factory=list)


class Load:
    """Clients that send without a pause. `answered` holds the paths whose answers came whole, `pids` who served of late."""

    def __init__(self, port: int, seed: int) -> None:
        self.port = port
        self.answered: list[str] = []
        self.pids: set[int] = set()
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self._client, args=(seed + n, n), daemon=True) for n in range(CLIENTS)]

    def _client(self, seed: int, client: int) -> None:
        chance, number = random.Random(seed), 0
        while not self.stop.is_set():
            number += 1
            path = f"/{client}/{number}"
            sent = _form("abcdefgh " * int(LARGEST ** chance.random() / 9))
            kind = "multipart/form-data; boundary=b"
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            try:
                connection.request("POST", path, sent, {"Content-Type": kind})
                answer = connection.getresponse()
                pid, _, echoed = answer.read().partition(b" ")
            except (OSError, http.client.HTTPException):
                continue  # its worker was killed
            finally:
                connection.close()
            if answer.status == 200 and echoed == sent.encode():
                self.answered.append(path)
                self.pids.add(int(pid))

    @contextlib.contextmanager
    def going(self) -> Iterator[None]:
        """While the block runs."""
        for thread in self.threads:
            thread.start()
        try:
            yield
        finally:
            self.stop.set()
            for thread in self.threads:
                thread.join()


def _form(text: str) -> str:
    head = '--b\r\nContent-Disposition: form-data; name="field"\r\n\r\n'
    parts = [text[at : at + FIELD] for at in range(0, len(text) or 1, FIELD)]
    return "".join(f"{head}{part}\r\n" for part in parts) + "--b--\r\n"


class Follower:
    """Reads the log while it is written: `finished` are the operations whose end it saw."""

    def __init__(self, path: Path) -> None:
        self.finished: set[str] = set()
        self.bad = 0
        self._path = path
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def _follow(self) -> None:
        for _, event in tail(self._path, stop=self._over.is_set):
            if isinstance(event, BadLine):
                self.bad += 1
            elif event["category"] == "http_request" and event["stage"] != "started":
                self.finished.add(event["operation_id"])

    def __enter__(self) -> Follower:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def recorder_round(folder: Path, kills: int, way: dict[str, str], chance: random.Random, outcome: Outcome) -> None:
    """Start a server, kill its workers `kills` times, and look at the log."""
    killed: set[int] = set()
    env = {"RECORDER_ROOT": str(folder), "RECORDER_CAPTURE": SLUG, **way}
    seal = None
    if "RECORDER_SEAL" in way:
        seal = Seal(folder.with_name("seal"), way["RECORDER_SEAL_KEY"].encode())
        env["RECORDER_SEAL"] = str(seal.directory)
    server = Server.gunicorn("tests.apps.echo_wsgi:app", workers=WORKERS, options=["--preload"], env=env)
    with Follower(folder / "_logs" / LOG_NAME) as follower, server:
        load = Load(server.port, chance.randrange(1 << 30))
        with load.going():
            for _ in range(kills):
                load.pids -= killed
                wait_until(lambda: load.pids - killed, "an answer")
                time.sleep(chance.uniform(0.0, PAUSE))
                alive = sorted(load.pids - killed)
                for pid in alive if chance.random() < 0.3 else [chance.choice(alive)]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                        killed.add(pid)
                outcome.counts["kills"] += 1
            enough = len(load.answered) + 4 * CLIENTS
            wait_until(lambda: len(load.answered) >= enough, "those that are left go on")
        outcome.counts["writers killed"] += len(killed)
    check_log(folder / "_logs" / LOG_NAME, load.answered, len(killed), follower, seal, outcome)


def check_log(
    path: Path, answered: list[str], killed: int, follower: Follower, seal: Seal | None, outcome: Outcome
) -> None:
    """What a log must hold after `killed` writers were killed, and who followed it must have seen."""
    started: dict[str, str] = {}
    finished: set[str] = set()
    sequences: dict[str, list[int]] = defaultdict(list)
    torn: list[tuple[Path, int]] = []
    largest = outcome.counts["largest record"]
    for file, line, size in _lines(path):
        largest = max(largest, size)
        if isinstance(line, BadLine):
            torn.append((file, line.offset))
            continue
        event = line.event
        sequences[event["writer"]].append(event["sequence"])
        if event["category"] == "http_request" and event["stage"] == "started":
            started[event["payload"]["path"]] = event["operation_id"]
        elif event["category"] == "http_request":
            finished.add(event["operation_id"])
    lost = [path for path in answered if started.get(path) not in finished]
    gaps = [writer for writer, numbers in sequences.items() if numbers != list(range(1, len(numbers) + 1))]
    outcome.counts["answers"] += len(answered)
    outcome.counts["records"] += sum(map(len, sequences.values()))
    outcome.counts["torn lines"] += len(torn)
    outcome.counts["largest record"] = largest
    problems = verify(path, seal).problems
    if lost:
        outcome.violations.append(f"{path}: {len(lost)} answered requests are not in the log, such as {lost[0]}")
    if len(torn) > killed:
        outcome.violations.append(f"{path}: {len(torn)} torn lines of {killed} killed writers")
    if [(problem.file, problem.offset) for problem in problems] != torn:
        outcome.violations.append(f"{path}: verify tells of {problems}, a reader of torn lines at {torn}")
    if follower.finished != finished or follower.bad > len(torn):
        outcome.violations.append(f"{path}: who followed saw {len(follower.finished)} of {len(finished)} requests end")
    if gaps:
        outcome.violations.append(f"{path}: {len(gaps)} writers have a gap in their sequence")


def _lines(log: Path) -> Iterator[tuple[Path, Line | BadLine, int]]:
    """Every line of every file of a log, and about how long the one before it is."""
    for file in sorted(log.parent.glob("profile.events*.jsonl")):
        before = 0
        for line in read(file):
            yield file, line, line.offset - before
            before = line.offset


def faulty_disk(folder: Path, requests: int, chance: random.Random, outcome: Outcome) -> None:
    """Requests under every fault of the disk, in both modes."""
    for fault in FAULTS:
        for mode in ("best_effort", "strict"):
            found = trial(folder / f"{fault}-{mode}", fault, mode, requests, chance.randrange(1 << 30))
            outcome.counts["requests on a failing disk"] += found.requests
            outcome.counts["records lost there"] += found.lost
            outcome.counts["requests refused there"] += found.refused
            where = f"{fault}, {mode}"
            if found.changed:
                outcome.violations.append(f"{where}: {found.changed} answers changed")
            if found.lost != found.missing:
                outcome.violations.append(f"{where}: {found.lost} records counted as lost, {found.missing} are missing")
            if mode == "strict" and not found.handled <= found.logged:
                outcome.violations.append(
                    f"{where}: {len(found.handled - found.logged)} requests were handled unlogged"
                )
            if not found.lost:
                outcome.violations.append(f"{where}: nothing was lost, so nothing was tried")


def fuzzed(folder: Path, records: int, chance: random.Random, outcome: Outcome) -> None:
    """Write records of anything, and read them."""
    while outcome.counts["fuzzed records"] < records:
        writer = Writer(folder / "_logs", folder)
        written = []
        for number in range(min(BATCH, records - outcome.counts["fuzzed records"])):
            headers = [["x-a", exotic_text(chance)] for _ in range(chance.randrange(3))]
            if number == 0:
                headers.append(["x-large", exotic_text(chance) + "h" * (10 << 20)])
            value = anything(chance)
            written.append((as_read([value]), as_read(headers)))
            writer.append(record_of(value, headers))
        lines = [line for line in read(writer.path) if isinstance(line, Line)][1:]
        found = [(line.event["payload"]["args"], line.event["payload"]["headers"]) for line in lines]
        if found != written:
            outcome.violations.append(f"{len(written)} fuzzed records were read as {len(found)} others")
        outcome.counts["fuzzed records"] += len(written)
        writer.close()
        writer.path.unlink()


def digest(draft: Path) -> str | None:
    """Names and contents of a draft; None when there is none. `status.json` tells the time, and is left out."""
    if not draft.exists():
        return None
    found = hashlib.sha256()
    for path in sorted(path for path in draft.rglob("*") if path.is_file() and path.name != "status.json"):
        found.update(f"{path.relative_to(draft)}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()


def assembler_rounds(folder: Path, kills: int, chance: random.Random, outcome: Outcome) -> None:
    """Record once; then kill the assembler `kills` times, each time on the recording as it was."""
    root, pristine, data = folder / "recorder", folder / "pristine", folder / "data"
    recording = {"RECORDER_ROOT": str(root), "RECORDER_CAPTURE": SLUG, "WRAPPED_APP": "tests.apps.orders_asgi:app"}
    env = {"APP_STATE": str(folder), **recording}
    with Server.uvicorn("tests.apps.wrapped:app", env=env, path="/health") as server:
        orders_drive.drive(server.url)
    close_capture(root)  # the first assembly would, at a moment of its own
    shutil.copytree(root, pristine)
    draft = data / "profiles" / "_drafts" / SLUG
    assemble(root, SLUG, data)
    began = time.monotonic()
    assemble(root, SLUG, data)
    takes, whole = time.monotonic() - began, digest(draft)
    for number in range(kills):
        if number % 2 == 0:
            shutil.rmtree(root)
            shutil.copytree(pristine, root)
            shutil.rmtree(data)
        killed_assembly(root, data, chance.uniform(0.0, 1.2 * takes), outcome)
        left = digest(draft)
        outcome.counts["drafts left whole" if left == whole else "drafts left absent"] += 1
        outcome.counts["unfinished folders left"] += len(list(draft.parent.glob(f".{SLUG}.*")))
        if left not in (None, whole):
            outcome.violations.append(f"assembly {number}: a draft that is neither whole nor absent")
        if number % 2 == 0:
            continue  # the next one is killed on what this one left
        assemble(root, SLUG, data)
        if digest(draft) != whole:
            outcome.violations.append(f"assembly {number}: after the kill another draft is made")


def killed_assembly(root: Path, data: Path, after: float, outcome: Outcome) -> None:
    """Assemble in a second process, which is killed after so many seconds."""
    child = os.fork()
    if child == 0:
        try:
            assemble(root, SLUG, data)
        finally:
            os._exit(0)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    outcome.counts["assemblies killed" if os.WIFSIGNALED(status) else "assemblies that were faster"] += 1


def main(arguments: list[str] | None = None) -> int:
    """Soak; returns 1 when something was lost or broken."""
    parser = argparse.ArgumentParser(description="Kill recorder and assembler again and again.")
    parser.add_argument("--kills", type=int, default=200, metavar="N", help="of web workers (default: 200)")
    parser.add_argument("--assemblies", type=int, default=100, metavar="N", help="killed assemblies (default: 100)")
    parser.add_argument("--faulty", type=int, default=2000, metavar="N", help="requests under each fault of a disk")
    parser.add_argument("--records", type=int, default=100_000, metavar="N", help="fuzzed records")
    parser.add_argument("--seed", type=int, default=None, help="repeat the moments of an earlier run")
    chosen = parser.parse_args(arguments)
    seed = chosen.seed if chosen.seed is not None else random.randrange(1 << 30)
    chance, outcome = random.Random(seed), Outcome()
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="pte-soak-") as name:
        left = chosen.kills
        while left > 0 and not outcome.violations:
            round_folder = Path(name) / f"round{left}"
            way = WAYS[left // KILLS_A_ROUND % len(WAYS)]
            recorder_round(round_folder / "root", min(KILLS_A_ROUND, left), way, chance, outcome)
            shutil.rmtree(round_folder)
            left -= KILLS_A_ROUND
        if chosen.faulty:
            faulty_disk(Path(name), chosen.faulty, chance, outcome)
        fuzzed(Path(name) / "fuzzed", chosen.records, chance, outcome)
        if chosen.assemblies:
            assembler_rounds(Path(name), chosen.assemblies, chance, outcome)
    for what, count in outcome.counts.items():
        print(f"{what:<28}{count:>10,}")
    for violation in outcome.violations:
        print(f"VIOLATION: {violation}")
    print("violations: " + str(len(outcome.violations) or "none"))
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    sys.exit(main())
