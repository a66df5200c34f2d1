"""What becomes of discarded workspaces; tests/playback/test_clone.py has those that resist."""

from __future__ import annotations

from pathlib import Path

import pytest

from playback import trash


def test_what_is_discarded_meanwhile_was_not_kept_from_deletion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second"):
        (tmp_path / name / "below").mkdir(parents=True)
    deleted = trash.delete

    def delete(path: Path) -> None:
        deleted(path)
        trash.discard(tmp_path / "second")

    monkeypatch.setattr(trash, "delete", delete)
    trash.discard(tmp_path / "first")
    assert trash.empty_trash(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == [trash.TRASH]
    monkeypatch.undo()
    assert trash.empty_trash(tmp_path) == []
    assert list((tmp_path / trash.TRASH).iterdir()) == []
