"""How large a file of a profile may be: looked at by somebody from 50 MiB on, in Git LFS from 100 MiB on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from assembler.lfs import tracks

__all__ = ["refused", "to_review"]

LOOKED_AT, LARGEST = 50 << 20, 100 << 20
"""Bytes. Git hosts warn from the one on and refuse from the other."""


def refused(sizes: Mapping[str, int], folder: Path, data_root: Path) -> Iterator[str]:
    """Why these files (name below the profile's `folder` → bytes) may not stand there, a sentence each."""
    for name, size in sizes.items():
        if size > LARGEST and not tracks(folder / name, data_root):
            top = name.partition("/")[0] if "/" in name else ""
            pattern = f"{folder.relative_to(data_root).as_posix()}/{f'{top}/**' if top else name}"
            yield (
                f"{name} has {size >> 20} MiB; files over {LARGEST >> 20} MiB belong in Git LFS. Trim it, or track it: "
                f'git lfs track "{pattern}" (in {data_root}).'
            )


def to_review(sizes: Mapping[str, int]) -> Iterator[str]:
    """What somebody should have looked at before it is committed, a sentence each."""
    for name, size in sizes.items():
        if size > LOOKED_AT:
            yield f"{name} has {size >> 20} MiB. Review whether the profile needs it"
