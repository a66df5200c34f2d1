"""What the first screen of a very long run or profile costs beside that of a short one: time in the service, and bytes.

python benchmarks/pages.py               some seconds
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
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

SHORT, LONG = 20, 2000
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
    return {"a run": f"/ui/runs/{run_id}", "a profile": f"/ui/profiles/{slug}"}


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

        for path in furnish(root, 1).values():
            get(path)  # the templates are compiled
        table = Table("The first screen", f"{SHORT} steps", f"{LONG:,} steps")
        for what in short:
            first = [timed(partial(get, pages[what])) for pages in (short, long)]
            bare, ours = in_turn([partial(timed, partial(get, pages[what])) for pages in (short, long)], ROUNDS, min)
            sizes = [len(get(pages[what])) / 1000 for pages in (short, long)]
            table.row(f"{what}, looked at for the first time", first[0] * 1000, first[1] * 1000, "ms")
            limits.most(f"{what}, the first time", first[1], FIRST)
            table.row(f"{what}, from then on", bare * 1000, ours * 1000, "ms")
            limits.most(f"{what}, from then on", ours / bare, SLOWER)
            table.row(f"{what}, its size", *sizes, "kB")
            limits.most(f"{what}, its size", sizes[1] / sizes[0], LARGER)
    return int(bool(limits.missed))


if __name__ == "__main__":
    sys.exit(main())
