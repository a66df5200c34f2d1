"""Make a draft a profile: validated, complete, without open questions. The draft stays until the profile stands."""

from __future__ import annotations

import shutil
from pathlib import Path

import orjson

from assembler.document import load_profile
from assembler.drafts import folder_of
from assembler.shapes import SECRET
from assembler.storage import replace_tree

__all__ = ["NotPromotable", "promote"]

_WARN, _LIMIT = 50 * 1024 * 1024, 100 * 1024 * 1024


class NotPromotable(ValueError):
    """A draft that must not become a profile yet; the message says where and what to do."""


def promote(slug: str, data_root: Path, *, reviewed: bool = False) -> Path:
    """Move the draft `slug` to `profiles/<slug>/` and return that folder. An older profile of that name is replaced whole.

    Raises `NotPromotable`, `BadDocument`, or LookupError naming the nearest draft.
    """
    draft = folder_of(slug, data_root)
    try:
        status = orjson.loads((draft / "status.json").read_bytes())
    except (OSError, ValueError):
        raise NotPromotable(
            f"The draft {slug} is not ready: {draft / 'status.json'} does not say so. Run `wctl assemble` again."
        ) from None
    profile = load_profile(draft / "profile.yaml")
    text = (draft / "profile.yaml").read_text("utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.split("  # ")[0]
        if SECRET.search(bare) and "was:" not in bare and "location:" not in bare:
            raise NotPromotable(
                f"{draft / 'profile.yaml'}, line {number}: a secret of the recording is not resolved. Put {{{{ secrets.NAME }}}}, "
                "{{ generated.NAME }} or a value from an earlier step in its place."
            )
    if status.get("problems") and not _mended(draft, status):
        first, *more = status["problems"]
        raise NotPromotable(f"{first}" + (f" ({len(more)} more: wctl drafts show {slug})" if more else ""))
    files = {p.relative_to(draft).as_posix(): p for p in sorted(draft.rglob("*")) if p.is_file()}
    kept = {
        n: p for n, p in files.items() if not n.startswith("snapshots/") and n not in ("status.json", "preview.json")
    }
    for name, path in kept.items():
        size = path.stat().st_size
        if size > _LIMIT:
            raise NotPromotable(
                f"{name} has {size >> 20} MiB; files over 100 MiB belong in Git LFS. Trim the seed, or track the path with `git lfs track`."
            )
        if size > _WARN and not reviewed:
            raise NotPromotable(
                f"{name} has {size >> 20} MiB. Review whether the profile needs it, then promote with --reviewed."
            )
    missing = [
        s for step in profile.steps for s in [*(p.file for p in step.multipart or []), step.body] if s and s not in kept
    ]
    if missing:
        raise NotPromotable(f"{missing[0]} is named in profile.yaml and is not in the draft.")
    target = data_root / "profiles" / slug
    replace_tree(target, dict(kept))
    shutil.rmtree(draft)
    return target


def _mended(draft: Path, status: dict[str, object]) -> bool:
    """Problems are answered by editing: the document is newer than the status that lists them."""
    return (draft / "profile.yaml").stat().st_mtime > float(str(status.get("made", 0))) + 0.5
