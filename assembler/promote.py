"""Make a draft a profile: validated, complete, without open questions. The draft stays until the profile stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from assembler.document import load_profile
from assembler.drafts import discard, folder_of, json_object
from assembler.profile import Profile, Step
from assembler.shapes import SECRET
from assembler.storage import digest, manifest_of, replace_tree

__all__ = ["NotPromotable", "promote"]

_WARN, _LIMIT = 50 * 1024 * 1024, 100 * 1024 * 1024
_OF_DRAFTS = ("status.json", "preview.json", "manifest.json")
"""Files that a draft has for itself; the profile gets a manifest of its own, since the draft may have been edited."""
_NOT_SENT = {"expect", "extract", "wait", "title", "note"}


class NotPromotable(ValueError):
    """A draft that must not become a profile yet; the message says where and what to do."""


def promote(slug: str, data_root: Path, *, reviewed: bool = False) -> Path:
    """Move the draft `slug` to `profiles/<slug>/` and return that folder. An older profile of that name is replaced whole.

    `reviewed` says that files of more than 50 MiB were looked at and are wanted. Raises `NotPromotable`, `BadDocument`,
    ValueError for a name no draft can have, or LookupError naming the nearest draft.
    """
    draft = folder_of(slug, data_root)
    status = json_object(draft / "status.json")
    if status.get("state") != "ready":
        raise NotPromotable(
            f"The draft {slug} is not ready: {draft / 'status.json'} does not say so. Run `wctl assemble` again."
        )
    profile = load_profile(draft / "profile.yaml")
    if profile.metadata.slug != slug:
        raise NotPromotable(
            f"{draft / 'profile.yaml'} calls itself {profile.metadata.slug!r}, and the draft is {slug!r}: "
            "write the draft's name under metadata, slug."
        )
    _refuse_secrets(profile, draft / "profile.yaml")
    problems = status.get("problems")
    if isinstance(problems, list) and problems and not _edited(draft):
        more = f" ({len(problems) - 1} more: wctl drafts show {slug})" if len(problems) > 1 else ""
        raise NotPromotable(f"{problems[0]}{more}")
    files = _files(draft)
    _refuse_sizes(files, reviewed=reviewed)
    for named in _named(profile):
        if named not in files:
            raise NotPromotable(f"{named} is named in profile.yaml and is not in the draft.")
    target = data_root / "profiles" / slug
    replace_tree(target, {**files, "manifest.json": manifest_of(files)})
    discard(slug, data_root)
    return target


def _files(draft: Path) -> dict[str, Path]:
    """The files of the profile to be, by name. Raises `NotPromotable` for a link: it may lead anywhere."""
    found = {}
    for path in sorted(draft.rglob("*")):
        name = path.relative_to(draft).as_posix()
        if path.is_symlink():
            raise NotPromotable(f"{name} is a link; put the file itself into the draft.")
        if path.is_file() and name not in _OF_DRAFTS:
            found[name] = path
    return found


def _refuse_sizes(files: Mapping[str, Path], *, reviewed: bool) -> None:
    sizes = {name: path.stat().st_size for name, path in files.items()}
    for name, size in sizes.items():
        if size > _LIMIT:
            raise NotPromotable(
                f"{name} has {size >> 20} MiB; files over {_LIMIT >> 20} MiB belong in Git LFS. "
                "Trim the seed, or track the path with `git lfs track`."
            )
    for name, size in sizes.items():
        if size > _WARN and not reviewed:
            raise NotPromotable(
                f"{name} has {size >> 20} MiB. Review whether the profile needs it, then promote with --reviewed."
            )


def _refuse_secrets(profile: Profile, path: Path) -> None:
    """Raises `NotPromotable` for a step that would send a pseudonym: it stands for a secret that was never resolved."""
    for step in [*profile.prologue, *profile.steps]:
        for text in _texts(step.model_dump(exclude=_NOT_SENT)):
            if found := SECRET.search(text):
                raise NotPromotable(
                    f"{path}, line {_line(path, step, found.group())}: a secret of the recording is not resolved "
                    f"(step {step.id}). Put {{{{ secrets.NAME }}}}, {{{{ generated.NAME }}}} or a value from an earlier "
                    "step in its place."
                )


def _line(path: Path, step: Step, pseudonym: str) -> int:
    """The line of a step that holds `pseudonym` outside of remarks."""
    begun = 1
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        bare = re.sub(r"(?:^|\s)#.*", "", line)
        if re.search(rf"\bid:\s*[\"']?{re.escape(step.id)}[\"']?\s*(?:[,}}]|$)", bare):
            begun = number
        elif begun > 1 and pseudonym in bare:
            return number
    return begun


def _named(profile: Profile) -> Iterator[str]:
    """Files that a replay of the profile's steps will look for."""
    for step in [*profile.prologue, *profile.steps]:
        for part in step.multipart or []:
            if part.file is not None:
                yield part.file
        if step.body is not None:
            yield step.body
        if step.expect is not None and step.expect.body is not None:
            yield step.expect.body


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(key)
            yield from _texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)


def _edited(draft: Path) -> bool:
    """Problems are answered by editing: the document, or a file beside it, is another than the one that was written."""
    written = json_object(draft / "manifest.json").get("files")
    known = written if isinstance(written, dict) else {}
    return any((draft / name).is_file() and digest(draft / name) != sum_ for name, sum_ in known.items())
