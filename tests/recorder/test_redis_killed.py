"""A Redis that is killed, stands still or loses its sockets while jobs are enqueued: each job it has is told, or doubted."""

from __future__ import annotations

from pathlib import Path

import pytest

import recorder.rq  # noqa: F401 - wraps RQ
from recorder.core import get_recorder
from scripts.soak_redis_killed import Server, soak


def test_a_redis_that_is_killed_leaves_no_job_untold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A share of what `scripts/soak_redis_killed.py` does."""
    monkeypatch.setenv("RECORDER_ROOT", str(tmp_path / "root"))
    kept = tmp_path / "kept"
    kept.mkdir()
    with Server(kept) as server:
        counts, wrong = soak(server, get_recorder().settings.root, 45, seed=3)
    assert wrong == []
    assert counts["killed"] == counts["stood still"] == counts["socket torn"] == 15
    assert counts["broke off"] > 10
    assert counts["doubts told"] > 0
    assert counts["jobs in redis"] > 45
