"""Documents and folders are replaced whole: written aside, flushed, renamed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import orjson

__all__ = ["replace_tree", "write_json", "write_text"]


def write_text(path: Path, content: str | bytes) -> None:
    """Replace `path` atomically. Raises OSError; then the old content stands."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_json(path: Path, document: Any) -> None:
    """Replace `path` by `document` as indented JSON."""
    write_text(path, orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def replace_tree(
    target: Path,
    files: Mapping[str, Path | bytes],
    *,
    keep: str | None = None,
    previous: Path | None = None,
    current: str = "",
) -> None:
    """Replace the folder `target` by one that holds `files` (relative name → source or content).

    A finished folder of another capture (`keep` differs from `current`) moves to `previous/<keep>` first.
    Names that would leave the folder are refused with ValueError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        for name, source in files.items():
            relative = PurePosixPath(name)
            if relative.is_absolute() or ".." in relative.parts:
                raise ValueError(f"{name!r} would leave {target}.")
            destination = fresh / relative
            destination.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(source, bytes):
                destination.write_bytes(source)
            else:
                shutil.copyfile(source, destination)
        fresh.chmod(0o755)
        if target.exists():
            if keep is not None and keep != current and previous is not None:
                previous.mkdir(parents=True, exist_ok=True)
                shutil.rmtree(previous / keep, ignore_errors=True)
                target.rename(previous / keep)
            else:
                old = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.old."))
                target.rename(old / "x")
                fresh.rename(target)
                shutil.rmtree(old, ignore_errors=True)
                return
        fresh.rename(target)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
