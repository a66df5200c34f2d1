"""What the first screen of a very long run, profile, draft or audit log costs beside that of a short one: time in the service, and
bytes.

python benchmarks/pages.py               some seconds
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # not the folder of this file: it holds another `recorder`

import httpx  # noqa: E402

from assembler.document import dump  # noqa: E402
from benchmarks._measure import Limits, Table, in_turn, timed  # noqa: E402
from benchmarks.documents import document  # noqa: E402
from playback.report import JobOutcome, Masked, Mismatch, Report, StepOutcome  # noqa: E402
from playback.results import write  # noqa: E402
from playback.service import create_app  # noqa: E402
from recorder.events import encode, envelope, ulid  # noqa: E402

SHORT, LONG = 20, 2000
EVENTS = 100_000
ROUNDS = 21
SLOWER, LARGER = (
    3.0,
    2.5,
)  # times what the page of the short one takes and weighs: it shows 20 steps of 20, the long one 50
FIRST = 0.5  # seconds for the first look of all, at files that nobody has read yet


def furnish(root: Path, steps: int) -> dict[str, str]:
    """A profile of so many steps and a failed run of it; returns the pages."""
    slug, run_id = f"long-{steps}", f"{steps:032x}"
    path = root / "profiles" / slug / "profile.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(dump({**document(steps), "metadata": {"slug": slug}}, "A profile."), encoding="utf-8")
    job = JobOutcome("4f2c", "tasks.run", "finished", 800.0)
    outcomes = [StepOutcome(f"s{n}", "GET", f"/x/{n}", 200, 200, "passed", 1.0, 0.0, [job]) for n in range(steps)]
    outcomes[-1].result, outcomes[-1].mismatches = "failed", [Mismatch("body:/n", n, n + 1) for n in range(20)]
    write(
        Report(
            slug, f"profile;;tmp;;{run_id}", "failed", "2026-11-20T10:41:06.123Z", 4.2, "http://127.0.0.1:8000", None,
            f"s{steps - 1}", masked=Masked(9 * steps, 5), steps=outcomes,
        ),
        root,
    )  # fmt: skip
    draft = root / "profiles" / "_drafts" / slug
    draft.mkdir(parents=True)
    (draft / "profile.yaml").write_bytes(path.read_bytes())
    (draft / "status.json").write_text(json.dumps({"state": "ready", "steps": steps, "problems": [], "warnings": []}))
    return {"a run": f"/ui/runs/{run_id}", "a profile": f"/ui/profiles/{slug}", "a draft": f"/ui/drafts/{slug}"}


def record(root: Path, events: int) -> None:
    """An audit log of so many records: requests of about 1 KB with their answers."""
    log = root / "runs" / f"run-{events}" / "_logs" / "profile.events.jsonl"
    log.parent.mkdir(parents=True)
    writer, sequence = ulid(), 0
    with log.open("wb") as file:
        for number in range(events // 2):
            asked = {"method": "GET", "path": f"/items/{number}", "query": "", "headers": [["user-agent", "x" * 300]]}
            begun = envelope("http_request", "started", asked)
            told = {"status": 200, "duration_ms": 3.2, "error": None, "body": {"text": "y" * 500}}
            for event in (begun, envelope("http_request", "finished", told, operation_id=begun["operation_id"])):
                sequence += 1
                file.write(b"\n" + encode(event | {"writer": writer, "sequence": sequence}) + b"\n")
    (root / ".recorder").mkdir(exist_ok=True)
    with (root / ".recorder" / "logs.jsonl").open("a") as file_:
        file_.write(json.dumps({"v": 1, "log": str(log), "run_id": f"run-{events}"}) + "\n")


def main() -> int:
    """Measure; returns 1 when a long page is slower or larger than the limits."""
    limits = Limits()
    with tempfile.TemporaryDirectory(prefix="pte-bench-") as folder, asyncio.Runner() as loop:
        root = Path(folder)
        short, long = furnish(root, SHORT), furnish(root, LONG)
        through = httpx.ASGITransport(create_app({"PROFILE_DATA_ROOT": folder}))
        client = httpx.AsyncClient(transport=through, base_url="http://127.0.0.1")

        def get(path: str) -> bytes:
            answer = loop.run(client.get(path))
            assert answer.status_code == 200, answer.text
            return answer.content

        def look(table: Table, what: str, both: Sequence[str]) -> None:
            first = [timed(partial(get, path)) for path in both]
            bare, ours = in_turn([partial(timed, partial(get, path)) for path in both], ROUNDS, min)
            sizes = [len(get(path)) / 1000 for path in both]
            table.row(f"{what}, looked at for the first time", first[0] * 1000, first[1] * 1000, "ms")
            limits.most(f"{what}, the first time", first[1], FIRST)
            table.row(f"{what}, from then on", bare * 1000, ours * 1000, "ms")
            limits.most(f"{what}, from then on", ours / bare, SLOWER)
            table.row(f"{what}, its size", *sizes, "kB")
            limits.most(f"{what}, its size", sizes[1] / sizes[0], LARGER)

        for path in [*furnish(root, 1).values(), "/ui/audit"]:
            get(path)  # the templates are compiled
        table = Table("The first screen", f"{SHORT} steps", f"{LONG:,} steps")
        for what in short:
            look(table, what, [short[what], long[what]])
        for events in (2, 2 * SHORT, EVENTS):  # of a request and its answer
            record(root, events)
        logs = dict(re.findall(r'href="(/ui/audit/\w{16})">(run-\d+)', get("/ui/audit").decode()))
        named = {name: path for path, name in logs.items()}
        get(named["run-2"])  # the template is compiled
        look(
            Table("The first screen", f"{2 * SHORT} events", f"{EVENTS:,} events"), "an audit log",
            [named[f"run-{2 * SHORT}"], named[f"run-{EVENTS}"]],
        )  # fmt: skip
    return int(bool(limits.missed))


if __name__ == "__main__":
    sys.exit(main())
