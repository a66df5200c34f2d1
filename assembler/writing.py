"""A draft on the disk: the folder replaced whole, with its manifest and status."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from assembler.document import dump
from assembler.draft import Built
from assembler.live import finished_capture
from assembler.readme import preview, readme
from assembler.schema import place
from assembler.sizes import to_review
from assembler.storage import manifest_of, replace_tree

__all__ = ["DraftStatus", "draft_folder", "previous_folder", "write_draft"]


@dataclass(frozen=True)
class DraftStatus:
    """What became of a draft."""

    state: str
    directory: Path
    steps: int = 0
    warnings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    events: int = 0
    late_secrets: int = 0


def draft_folder(data_root: Path, slug: str) -> Path:
    """Where the draft of `slug` is written."""
    return data_root / "profiles" / "_drafts" / slug


def previous_folder(data_root: Path, slug: str) -> Path:
    """Where finished drafts of `slug` are moved to when another capture takes their place."""
    return data_root / "profiles" / "_drafts" / ".previous" / slug


def write_draft(
    data_root: Path, capture: Mapping[str, Any], built: Built, events: Iterable[Mapping[str, Any]], late: int, began: float
) -> DraftStatus:
    """Write the draft of a capture, whole or not at all. `late` secrets were found; `began` is a `time.monotonic`."""
    directory = draft_folder(data_root, capture["slug"])
    files: dict[str, Path | bytes] = dict(built.files)
    sizes = {name: len(f) if isinstance(f, bytes) else f.stat().st_size for name, f in files.items()}
    built.warnings.extend(f"{sentence}; promoting it asks for --reviewed." for sentence in to_review(sizes))
    files["profile.yaml"] = dump(
        built.document,
        head=f"Profile {capture['slug']}, drafted from a recording. Every value beside a # comment was worked out; edit what is wrong.",
    ).encode()
    lines = [orjson.dumps(e) + b"\n" for e in sorted(events, key=lambda e: e["id"])]
    files["README.md"] = readme(built).encode()
    files["events.jsonl"] = b"".join(lines)
    files["preview.json"] = orjson.dumps(preview(built), option=orjson.OPT_INDENT_2)
    files["manifest.json"] = manifest_of(files)
    status = DraftStatus("ready", directory, built.steps, tuple(built.warnings), tuple(built.problems), len(lines), late)
    told = {
        "v": 1, "state": status.state, "slug": capture["slug"], "capture_id": capture["capture_id"], "steps": status.steps,
        "events": status.events, "warnings": list(status.warnings), "problems": list(status.problems),
        "late_secrets": status.late_secrets, "revision": capture.get("revision", 0), "made": time.time(),
        "assembled_in_s": round(time.monotonic() - began, 3),
    }  # fmt: skip
    files["status.json"] = orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    place(data_root)
    replace_tree(
        directory,
        files,
        keep=finished_capture(directory),
        previous=previous_folder(data_root, capture["slug"]),
        current=str(capture["capture_id"]),
    )
    return status
