"""Copies of what a later moment may overwrite: the configuration of a run when it first shows itself, its files at the end."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assembler.baselines import Baseline, config_files, outputs, run_files
from assembler.recording import epoch
from assembler.storage import replace_tree

__all__ = ["baseline", "keep_configuration"]


def keep_configuration(kept: Path, run_id: str, run_dir: Path) -> None:
    """Copy the configuration of a run below `kept`, unless that was done."""
    target = kept / _folder(run_id) / "config"
    if not target.exists() and (files := {path.name: path for path in config_files(run_dir)}):
        replace_tree(target, files)


def baseline(kept: Path, run_id: str, run_dir: Path, before: Path, captured: Sequence[Mapping[str, Any]]) -> Baseline:
    """What a replay begins with and what it is to end with. `before` is where the run was copied to when the capture
    began, if it was there then; `captured` are the capture's records. Files are copied below `kept` once."""
    kept = kept / _folder(run_id)
    if before.is_dir():
        seed = dict(run_files(before))
    else:
        seed = {p.name: p for p in sorted((kept / "config").glob("*"))} if (kept / "config").is_dir() else {}
    if not (kept / "outputs").exists():
        created = 0.0 if before.is_dir() else _created(captured, run_id)
        found = dict(run_files(run_dir))
        old = {name: path for name, path in found.items() if path.stat().st_mtime <= created and name not in seed}
        replace_tree(kept / "created", old)  # first: outputs that are there say that all of it is
        replace_tree(kept / "outputs", {name: path for name, path in found.items() if name not in old})
    created_names = [name for name, _ in run_files(kept / "created")]
    return Baseline(seed, outputs(kept / "outputs", seed), created_names)


def _created(captured: Sequence[Mapping[str, Any]], run_id: str) -> float:
    """When the last request before the run's first was answered: its creation (POSIX seconds; 0 when unknown)."""
    requests = [e for e in captured if e["category"] == "http_request"]
    own = [e["timestamp"] for e in requests if (e.get("run_context") or {}).get("run_id") == run_id]
    answers = [e["timestamp"] for e in requests if e["stage"] == "finished" and own and e["timestamp"] < min(own)]
    return epoch(max(answers)) if answers else 0.0


def _folder(run_id: str) -> str:
    """A run id as the name of one folder, whatever it holds."""
    return hashlib.sha256(run_id.encode()).hexdigest()[:16]
