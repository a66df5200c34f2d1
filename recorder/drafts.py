"""Drafts as the recorder's API shows them: read from the files that the assembler writes, and nothing else.

A draft is `PROFILE_DATA_ROOT/profiles/_drafts/<slug>/`; it is whole once its `status.json` says `ready`.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import orjson

__all__ = ["LARGEST_EXPORT", "export", "folder", "preview"]

LARGEST_EXPORT = 256 << 20  # bytes of a draft that are packed in memory


def folder(data_root: Path, slug: str, capture_id: str | None = None) -> Path:
    """Return where the draft of a slug is; that of an earlier capture is kept beside it once a newer one is ready."""
    drafts = data_root / "profiles" / "_drafts"
    older = drafts / ".previous" / slug / (capture_id or "")
    return older if capture_id is not None and older.is_dir() else drafts / slug


def preview(data_root: Path, slug: str, capture_id: str, revision: int = 0) -> dict[str, Any] | None:
    """Return what the assembler says about a capture: its status and its steps; None while it is not ready.

    `revision` is what the capture was last committed as: an earlier draft is not the one that was asked for.
    """
    draft = folder(data_root, slug, capture_id)
    status = _document(draft / "status.json")
    if status.get("state") != "ready" or status.get("capture_id") != capture_id:
        return None
    if status.get("revision", 0) < revision:
        return None
    return {"state": "ready", "status": status, "preview": _document(draft / "preview.json")}


def export(data_root: Path, slug: str) -> bytes | None:
    """Return the draft as a zip archive, files in order of name below `<slug>/`; None while it is not ready.

    Links are left out. Raises ValueError when the draft is larger than can be packed in memory.
    """
    draft = folder(data_root, slug)
    if _document(draft / "status.json").get("state") != "ready":
        return None
    files = sorted(path for path in draft.rglob("*") if path.is_file() and not path.is_symlink())
    size = sum(path.stat().st_size for path in files)
    if size > LARGEST_EXPORT:
        raise ValueError(f"The draft has {size >> 20} MiB, too much for one answer; use `wctl drafts export {slug}`.")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, f"{slug}/{path.relative_to(draft).as_posix()}")
    return packed.getvalue()


def _document(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty when there is none, or the assembler is writing another."""
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
