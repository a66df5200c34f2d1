"""What reading a profile costs beside the YAML library's own safe loader, which checks nothing.

    python benchmarks/documents.py           some seconds

The document is written as drafts are: ids, comments, headers, forms, expectations, extractors.
"""

from __future__ import annotations

import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # not the folder of this file: it holds another `recorder`

import yaml  # noqa: E402

from assembler.document import BadDocument, Noted, dump, load_profile, loads_profile  # noqa: E402
from benchmarks._measure import Table, in_turn, timed  # noqa: E402
from playback.validation import problems  # noqa: E402

STEPS = 2000
ROUNDS = 7
LIMIT = 2.0  # times what the safe loader takes


def document(steps: int) -> dict[str, Any]:
    """A recorded profile of so many steps, a quarter of them each of a kind."""
    login = {"id": "get-login", "path": "/login", "extract": {"csrf": {"css": "input[name=csrf]", "attr": "value"}}}
    return {"metadata": {"slug": "long"}, "steps": [login, *(step(number) for number in range(steps - 1))]}


def step(number: int) -> Noted:
    """One step: a read, a form, JSON that enqueues a job, or an upload."""
    name, before = f"post-orders-{number}", f"post-orders-{number - 1}"
    path = f"/orders/{{{{ steps.{before}.order }}}}/lines" if number else "/orders"
    headers: dict[str, Any] = {
        "accept": "application/json, text/plain, */*",
        "accept-language": "en-GB,en;q=0.7",
        "referer": "{{ origin }}/orders/",
        "x-csrf-token": Noted("{{ steps.get-login.csrf }}", "hidden field csrf of get-login"),
    }
    content: dict[str, Any] = [
        {},
        {"form": [["csrf", "{{ steps.get-login.csrf }}"], ["name", f"Ada {number}"], ["count", f"{number:06}"]]},
        {
            "json": f'{{"customer": "Ada", "lines": [{{"sku": "A-{number}"}}]}}',
            "wait": {"type": "job", "job": f"{{{{ steps.{name}.order }}}}", "recorded": 1.25},
        },
        {
            "multipart": [
                {"name": "kind", "value": "dem"},
                {"name": "file", "file": "profile.yaml", "filename": "d.tif"},
            ]
        },
    ][number % 4]
    found = {"order": Noted({"json": "order.id", "was": f"{number:032x}"}, f"sent by {name}")}
    expect = {"status": 200, "media_type": "application/json", "body": "profile.yaml"}
    sent = {"method": "POST" if content else "GET", "path": Noted(path, f"order of {before}"), "headers": headers}
    timing = {"at": number / 4, "took": 0.0134}
    return Noted({"id": name, **timing, **sent, **content, "expect": expect, "extract": found}, f"{path} → 200")


def refused(text: str) -> None:
    """Read a document whose last line is wrong."""
    try:
        loads_profile(text + "    methd: GET\n")
    except BadDocument:
        return
    raise AssertionError("the fault was not seen")


def main() -> int:
    """Measure; returns 1 when reading takes longer than the limit."""
    with tempfile.TemporaryDirectory(prefix="pte-bench-") as folder:
        path = Path(folder) / "long" / "profile.yaml"
        path.parent.mkdir()
        path.write_text(dump(document(STEPS), "A long profile."), encoding="utf-8")
        text = path.read_text("utf-8")
        lines = text.count("\n")
        table = Table(
            f"Seconds for a profile of {STEPS:,} steps, {lines:,} lines, {len(text) / 1e6:.1f} MB",
            "CSafeLoader",
            "ours",
        )
        contestants = [
            partial(yaml.load, text, yaml.CSafeLoader),
            partial(load_profile, path),
            partial(problems, path),
            partial(refused, text),
        ]
        clock = time.process_time
        bare, load, validate, wrong = in_turn([partial(timed, work, clock) for work in contestants], ROUNDS, min)
    table.row("read and checked against the schema", bare, load, "s", f"limit {LIMIT:.0f}")
    table.row("all that `wctl validate` asks", bare, validate, "s")
    table.row("refused, with the line of the fault", bare, wrong, "s")
    return int(load > LIMIT * bare)


if __name__ == "__main__":
    sys.exit(main())
