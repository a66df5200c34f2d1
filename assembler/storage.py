"""Documents and folders are replaced whole: written aside, flushed, renamed."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import orjson

__all__ = ["digest", "manifest_of", "replace_tree", "write_json", "write_text"]

_STALE = 3600.0
"""Seconds after which a folder being written is one that a killed writer left."""


def digest(source: Path | bytes) -> str:
    """The sha256 of a content, or of a file without reading it whole into memory. Raises OSError."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def manifest_of(files: Mapping[str, Path | bytes]) -> bytes:
    """`manifest.json` of a draft or profile: the sha256 of every file beside it."""
    sums = {name: digest(source) for name, source in files.items()}
    return orjson.dumps({"v": 1, "files": sums}, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"


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

    At every moment `target` is the old folder, the new one, or (where the system cannot swap two folders) absent.
    A finished folder of another capture (`keep` differs from `current`) moves to `previous/<keep>` first.
    Names that would leave the folder are refused with ValueError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target)
    fresh = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        folders = set()
        for name, source in files.items():
            relative = PurePosixPath(name)
            if relative.is_absolute() or ".." in relative.parts:
                raise ValueError(f"{name!r} would leave {target}.")
            destination = fresh / relative
            if relative.parent not in folders:
                destination.parent.mkdir(parents=True, exist_ok=True)
                folders.add(relative.parent)
            if isinstance(source, bytes):
                with open(destination, "wb", buffering=0) as file:
                    file.write(source)
            else:
                shutil.copyfile(source, destination)
        fresh.chmod(0o755)
        if target.exists() and keep is not None and keep != current and previous is not None:
            previous.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(previous / keep, ignore_errors=True)
            target.rename(previous / keep)
        elif target.exists():
            if not _swap(fresh, target):
                old = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.")) / "old"
                target.rename(old)
                fresh.rename(target)
                fresh = old.parent
            shutil.rmtree(fresh, ignore_errors=True)
            return
        fresh.rename(target)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def _swap(one: Path, other: Path) -> bool:
    """Exchange two folders in one step (renameat2 with RENAME_EXCHANGE, Linux 3.15). Returns whether it was done."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    here, exchange = -100, 2
    return bool(rename(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0)


def _sweep(target: Path) -> None:
    """Remove what killed writers of `target` left behind."""
    for left in target.parent.glob(f".{target.name}.*"):
        if left.is_dir() and time.time() - left.stat().st_mtime > _STALE:
            shutil.rmtree(left, ignore_errors=True)
