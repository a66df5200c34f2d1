"""Housekeeping: what is due goes, what is not due stays, and a promoted profile is never touched."""

from __future__ import annotations

import json
import time
from datetime import date
from pathlib import Path

import pytest

from playback import catalogue
from playback.archive import NoReason, archive
from playback.errors import UnknownProfile
from playback.housekeeping import AlreadyRunning, housekeeping
from playback.underway import Claim, Entry, claim_folder
from playback.whole_numbers import BadSetting
from tests.playback.serving import promote

DAY = 86_400.0
NOW = time.time()
HEX = "0123456789abcdef" * 2


def put(path: Path, content: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def draft(root: Path, slug: str, days: float) -> Path:
    made = {"state": "ready", "steps": 1, "made": NOW - days * DAY}
    return put(root / f"profiles/_drafts/{slug}/status.json", json.dumps(made)).parent


def tidy(root: Path, *, later: float = 0.0, dry_run: bool = False, **environ: str) -> list[str]:
    told: list[str] = []
    housekeeping(root, environ, NOW + later * DAY, dry_run=dry_run, tell=lambda a: told.append(a.line(dry_run=dry_run)))
    return told


def everything(root: Path) -> set[str]:
    return {p.relative_to(root).as_posix() for p in root.rglob("*") if not p.name.startswith(".housekeeping")}


def test_drafts(tmp_path: Path) -> None:
    kept = [draft(tmp_path, "new", 22.9), draft(tmp_path, "soon", 23.1), draft(tmp_path, "late", 29.9)]
    gone = draft(tmp_path, "old", 30.1)
    snapshot = put(tmp_path / "profiles/_drafts/.snapshots/old/c1/main.cfg")
    waiting = put(tmp_path / "profiles/_drafts/.snapshots/new/c1/main.cfg")
    told = tidy(tmp_path)
    assert [line.partition(",")[0] for line in told] == [
        "removed draft old",
        "notice: draft late",
        "notice: draft soon",
    ]
    assert "wctl promote late" in told[1]
    assert all(folder.is_dir() for folder in kept)
    assert (gone.exists(), snapshot.exists(), waiting.exists()) == (False, False, True)


def test_replaced_drafts_and_snapshots_without_one(tmp_path: Path) -> None:
    put(tmp_path / "profiles/_drafts/.previous/a/c1/profile.yaml")
    put(tmp_path / "profiles/_drafts/.snapshots/b/c1/main.cfg")
    assert tidy(tmp_path, later=29) == []
    assert [line.partition(",")[0] for line in tidy(tmp_path, later=31)] == [
        "removed replaced draft a/c1",
        "removed snapshot b/c1",
    ]


def test_results(tmp_path: Path) -> None:
    folder = tmp_path / "profiles/results/shop"
    names = [f"20261101T1200{n:02}.000Z" for n in range(22)]
    for name in names:
        put(folder / name / "report.json", "{}")
    put(folder / "notes/report.json", "{}")
    put(folder / "20261101T130000.000Z/diagnostics/x")
    put(tmp_path / "profiles/results/latest.json")
    assert tidy(tmp_path) == []
    assert len(tidy(tmp_path, later=2)) == 1, "a result without a report goes after a day"
    assert tidy(tmp_path, later=6.9) == [], "the last days stay, however many results they have"
    told = tidy(tmp_path, later=7.1)
    assert [line.partition(",")[0].rpartition("/")[2] for line in told] == [names[1], names[0]]
    assert tidy(tmp_path, later=4000) == [], "the last results stay, however old they are"
    assert sorted(p.name for p in folder.iterdir()) == sorted([*names[2:], "notes"])
    assert (tmp_path / "profiles/results/latest.json").exists()


def test_how_long_is_a_setting(tmp_path: Path) -> None:
    names = [f"20261101T1200{n:02}.000Z" for n in range(5)]
    for name in names:
        put(tmp_path / "profiles/results/shop" / name / "report.json", "{}")
    put(tmp_path / "playback_runs" / HEX / "main.cfg")
    kept = {"PROFILE_PLAYBACK_KEEP_RUNS": "3", "PROFILE_PLAYBACK_KEEP_DAYS": "2"}
    assert tidy(tmp_path, later=1.9, **kept) == []
    assert [line.partition(",")[0] for line in tidy(tmp_path, later=2.1, **kept)] == [
        f"removed result shop/{names[1]}",
        f"removed result shop/{names[0]}",
        f"removed workspace {HEX}",
    ]
    for wrong in ("0", "-1", "many", "²", "9" * 12):
        with pytest.raises(BadSetting, match=r"PROFILE_PLAYBACK_KEEP_RUNS is .* whole number from 1 on, such as 20"):
            tidy(tmp_path, PROFILE_PLAYBACK_KEEP_RUNS=wrong)


def test_what_is_replayed_stays(tmp_path: Path) -> None:
    """By the lock on the workspace, or by the file that a service keeps of its runs."""
    held, asked, dead = HEX, HEX[::-1], "f" * 32
    for run_id in (held, asked, dead):
        put(tmp_path / "playback_runs" / run_id / "main.cfg")
    put(tmp_path / f"playback_runs/.{asked}.cloning/main.cfg")
    put(tmp_path / f"playback_runs/.pictures-{asked}/1.png")
    claim = Claim(tmp_path, Entry(asked, "shop", "2026-11-20T10:41:06.123Z", str(tmp_path / "playback_runs")))
    with claim_folder(tmp_path / "playback_runs" / held):
        assert [line.partition(",")[0] for line in tidy(tmp_path, later=30)] == [f"removed workspace {dead}"]
    assert [line.partition(",")[0] for line in tidy(tmp_path, later=30)] == [f"removed workspace {held}"]
    claim.release()
    assert [line.partition(",")[0] for line in tidy(tmp_path, later=30)] == [
        f"removed leftover .{asked}.cloning",
        f"removed leftover .pictures-{asked}",
        f"removed workspace {asked}",
    ]


def test_workspaces(tmp_path: Path) -> None:
    root = tmp_path / "elsewhere"
    workspace = put(root / HEX / "main.cfg").parent
    put(root / f".{HEX}.cloning/main.cfg")
    put(root / ".trash/01K/main.cfg")
    put(root / "somebody-elses/main.cfg")
    environ = {"PROFILE_PLAYBACK_RUN_ROOT": str(root)}
    assert tidy(tmp_path, **environ) == ["removed trash, one discarded workspace"]
    assert [line.partition(",")[0] for line in tidy(tmp_path, later=6, **environ)] == [
        f"removed leftover .{HEX}.cloning"
    ]
    assert workspace.exists()
    assert [line.partition(",")[0] for line in tidy(tmp_path, later=8, **environ)] == [f"removed workspace {HEX}"]
    assert sorted(p.name for p in root.iterdir()) == [".trash", "somebody-elses"]


def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    draft(tmp_path, "old", 31)
    put(tmp_path / f"playback_runs/{HEX}/main.cfg")
    put(tmp_path / "playback_runs/.trash/01K/x")
    before = everything(tmp_path)
    told = tidy(tmp_path, later=8, dry_run=True)
    assert [line.partition(",")[0] for line in told] == [
        "would remove draft old",
        f"would remove workspace {HEX}",
        "would remove trash",
    ]
    assert everything(tmp_path) == before


def test_profiles_and_what_links_lead_to_stay(tmp_path: Path) -> None:
    promote(tmp_path, "shop")
    promote(tmp_path, HEX)
    put(tmp_path / "profiles/archived/old/2020-01-01/profile.yaml")
    outside = put(tmp_path / "outside/20200101T000000.000Z/report.json").parent.parent
    for link in ("profiles/results/linked", "profiles/_drafts/linked", f"playback_runs/{HEX}"):
        (tmp_path / link).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / link).symlink_to(outside)
    for number in range(25):
        put(outside / f"20200101T0000{number:02}.000Z/report.json")
    before = everything(tmp_path)
    tidy(tmp_path, later=4000)
    assert everything(tmp_path) == before


def test_two_do_not_run_at_once(tmp_path: Path) -> None:
    draft(tmp_path, "old", 31)
    refused: list[str] = []

    def meanwhile(action: object) -> None:
        with pytest.raises(AlreadyRunning) as error:
            housekeeping(tmp_path, {}, NOW)
        refused.append(str(error.value))

    assert housekeeping(tmp_path, {}, NOW, tell=meanwhile) == 1
    assert len(refused) == 1
    assert housekeeping(tmp_path, {}, NOW) == 0, "the lock is let go"


def test_archive(tmp_path: Path) -> None:
    folder = promote(tmp_path, "shop", "The shop")
    for reason in ("", "  \n"):
        with pytest.raises(NoReason):
            archive("shop", tmp_path, reason, date(2026, 11, 20))
    assert sorted(p.name for p in folder.iterdir()) == ["profile.yaml"]
    moved = archive("shop", tmp_path, "The old checkout is gone.", date(2026, 11, 20))
    assert moved == tmp_path / "profiles/archived/shop/2026-11-20"
    text = (moved / "RATIONALE.md").read_text()
    assert text.startswith("# shop, archived 2026-11-20\n\nThe old checkout is gone.\n\n- 1 steps")
    assert (catalogue.slugs(tmp_path), folder.exists()) == ([], False)
    with pytest.raises(UnknownProfile, match=r"archived, RATIONALE\.md"):
        catalogue.find("shop", tmp_path)
    promote(tmp_path, "shop", "The shop again")
    assert archive("shop", tmp_path, "Again.", date(2026, 11, 20)).name == "2026-11-20-2"


def test_a_profile_that_cannot_be_read_can_be_archived(tmp_path: Path) -> None:
    folder = promote(tmp_path, "shop")
    (folder / "profile.yaml").write_text("nonsense: [")
    assert (archive("shop", tmp_path, "Broken.", date(2026, 11, 20)) / "profile.yaml").exists()
