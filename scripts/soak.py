"""Kill -9, again and again, and look what is left: of a recorder under load, and of an assembler while it writes.

    python scripts/soak.py [--kills 200] [--assemblies 100] [--seed 1]

For the recorder: every request whose answer reached its client has a `finished` record; a killed writer leaves one torn
line at most, which the reader reports; no writer has a gap in its sequence. For the assembler: after each kill the
draft is whole or absent, and the next assembly makes the same bytes. Prints counts; exit code 1 on a violation.
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
from recorder.log import LOG_NAME, BadLine, read  # noqa: E402
from tests.apps import orders_drive  # noqa: E402
from tests.support import Server, wait_until  # noqa: E402

WORKERS, CLIENTS = 4, 6
KILLS_A_ROUND = 10
PAUSE = 0.8  # seconds between two kills, at most: time for new workers to start
LARGEST = 60_000  # characters sent: such a record is written in several pages, and can tear
SLUG = "soak"


COUNTED = (
    "kills", "writers killed", "answers", "records", "torn lines",
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
            sent = "abcdefgh " * chance.randrange(LARGEST // 9)
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            try:
                connection.request("POST", path, sent, {"Content-Type": "text/plain"})
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


def recorder_round(folder: Path, kills: int, chance: random.Random, outcome: Outcome) -> None:
    """Start a server, kill its workers `kills` times, and look at the log."""
    killed: set[int] = set()
    with Server.gunicorn(
        "tests.apps.echo_wsgi:app", workers=WORKERS, env={"RECORDER_ROOT": str(folder), "RECORDER_CAPTURE": SLUG}
    ) as server:
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
            time.sleep(0.2)
        outcome.counts["writers killed"] += len(killed)
    check_log(folder / "_logs" / LOG_NAME, load.answered, len(killed), outcome)


def check_log(path: Path, answered: list[str], killed: int, outcome: Outcome) -> None:
    """What a log must hold after `killed` writers were killed."""
    started: dict[str, str] = {}
    finished: set[str] = set()
    sequences: dict[str, list[int]] = defaultdict(list)
    bad = 0
    for line in read(path):
        if isinstance(line, BadLine):
            bad += 1
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
    outcome.counts["torn lines"] += bad
    if lost:
        outcome.violations.append(f"{path}: {len(lost)} answered requests are not in the log, such as {lost[0]}")
    if bad > killed:
        outcome.violations.append(f"{path}: {bad} torn lines of {killed} killed writers")
    if gaps:
        outcome.violations.append(f"{path}: {len(gaps)} writers have a gap in their sequence")


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
    parser.add_argument("--seed", type=int, default=None, help="repeat the moments of an earlier run")
    chosen = parser.parse_args(arguments)
    seed = chosen.seed if chosen.seed is not None else random.randrange(1 << 30)
    chance, outcome = random.Random(seed), Outcome()
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="pte-soak-") as name:
        left = chosen.kills
        while left > 0 and not outcome.violations:
            round_folder = Path(name) / f"round{left}"
            recorder_round(round_folder, min(KILLS_A_ROUND, left), chance, outcome)
            shutil.rmtree(round_folder)
            left -= KILLS_A_ROUND
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
