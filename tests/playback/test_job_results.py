"""What jobs returned and raised, made comparable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from playback.answers import Comparer
from playback.bijection import Bijection, Moment
from playback.job_results import first_line, same_result, without_place
from playback.report import Masked

KILLED = "Work-horse terminated unexpectedly; waitpid returned 9 (signal 9); "
RETRY = "The job returned Retry more often than its limit allows."
TRACE = 'Traceback (most recent call last):\n  File "/app/tasks.py", line 3, in run\n    raise ValueError(x)\n'


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (TRACE + "ValueError: bed 2 is dry\n", "ValueError: bed 2 is dry"),
        (TRACE + "KeyError: 'a'\n\nDuring handling of …:\n\n" + TRACE + "app.Late: 2\nDETAIL: more\n", "app.Late: 2"),
        (TRACE + "AssertionError\n", "AssertionError"),
        (KILLED, f"WorkHorseTerminated: {KILLED.strip()}"),
        (RETRY, f"MaxRetriesExceeded: {RETRY}"),
        ("x" * 4096, None),
        (None, None),
    ],
)  # fmt: skip
def test_what_a_traceback_ends_with(told: str | None, line: str | None) -> None:
    assert first_line(told) == line


def test_where_the_run_lies_is_cut_off_paths(tmp_path: Path) -> None:
    plain = without_place("bashful-moraine", tmp_path)
    recorded = {"file": "/srv/runs/ba/bashful-moraine/out/loss.tif", "said": ["wrote '/srv/runs/ba/bashful-moraine'"]}
    live = {"file": f"{tmp_path}/out/loss.tif", "said": [f"wrote '{tmp_path}'"]}
    assert plain(recorded, False) == plain(live, True) == {"file": "(run)/out/loss.tif", "said": ["wrote '(run)'"]}
    other = f"{tmp_path}/out/gain.tif"
    assert plain(other, True) != plain("/srv/runs/ba/bashful-moraine/out/loss.tif", False)
    assert plain("/srv/runs/bashful-moraine-2/x", False) == "/srv/runs/bashful-moraine-2/x"


def compared(recorded: Any, live: Any, lasted: tuple[float | None, float | None] = (0.5, 0.7)) -> tuple[list[str], int]:
    """Where two results differ, and how many values were masked."""
    comparer = Comparer(Bijection(), Moment(1.7e9, 1.8e9), "start", (), Masked())
    same_result("jobs:run:result", recorded, live, lasted, comparer)
    comparer.settle()
    return [m.where for m in comparer.mismatches], comparer.masked.masked


def test_how_long_a_job_took_may_differ() -> None:
    assert compared([2, 0.4931247711], [2, 0.6822315693]) == ([], 1)
    assert compared({"ms": 493.1247711}, {"ms": 682.2315693}) == ([], 1)


@pytest.mark.parametrize(
    ("recorded", "live"),
    [
        (0.4931247711, 12.6822315693),  # not what the job took now
        (0.45, 0.65),  # no clock is that coarse
        (3.14159265, 2.71828182),
    ],
)
def test_other_numbers_may_not(recorded: float, live: float) -> None:
    assert compared(recorded, live) == (["jobs:run:result"], 0)


def test_without_a_known_duration_no_number_is_one() -> None:
    assert compared(0.4931247711, 0.6822315693, (None, 0.7)) == (["jobs:run:result"], 0)
