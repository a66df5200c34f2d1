"""Whatever the disk does, the application answers as it would without a recorder, and every loss is counted and proven."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.recorder.faults import FAULTS, trial


@pytest.mark.parametrize("fault", FAULTS)
def test_no_answer_changes_and_losses_equal_gaps(tmp_path: Path, fault: str) -> None:
    found = trial(tmp_path, fault, "best_effort", 400, seed=1)
    assert (found.requests, found.changed, found.refused) == (401, 0, 0)
    assert len(found.handled) == 401
    assert found.lost == found.missing > 0
    assert found.told == found.lost  # the last request came when all was well, and what was lost before is in the log


@pytest.mark.parametrize("fault", FAULTS)
def test_in_strict_mode_nothing_is_handled_that_is_not_logged(tmp_path: Path, fault: str) -> None:
    found = trial(tmp_path, fault, "strict", 400, seed=2)
    assert (found.requests, found.changed) == (401, 0)
    assert found.refused > 0
    assert found.handled <= found.logged
    assert len(found.handled) == 401 - found.refused
    assert found.lost == found.missing
