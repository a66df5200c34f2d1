"""Make a draft a profile: validated, complete, without open questions. The draft stays until the profile stands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from assembler.document import BadDocument, load_profile
from assembler.drafts import discard, folder_of, json_object
from assembler.leaks import Leak, leaks, named_files
from assembler.profile import Profile, Step
from assembler.schema import OF_PROFILE, place, referring
from assembler.shapes import SECRET
from assembler.sizes import refused, to_review
from assembler.storage import digest, manifest_of, replace_tree

__all__ = ["NotPromotable", "Obstacle", "edited", "obstacles", "promote"]

_OF_DRAFTS = ("status.json", "preview.json", "manifest.json")
"""Files that a draft has for itself; the profile gets a manifest of its own, since the draft may have been edited."""
_NOT_SENT = {"expect", "extract", "wait", "title", "note"}
_UPLOADS = "seed/uploads/"
"""Files that the user chose to send: what they hold is asked about, and is theirs."""
_SHOWN = 5
"""Places that one sentence names."""


class NotPromotable(ValueError):
    """A draft that must not become a profile yet; the message says where and what to do."""


@dataclass(frozen=True)
class Obstacle:
    """One thing that stands between a draft and its promotion: a sentence, and where it is about, as far as is known.

    `kind`: `question` (of the assembler; an edited draft has answered it), `review` (goes when somebody has looked at it
    and wants it), `secret` (one is sent that was never resolved) and `fault` (both go by editing alone).
    """

    kind: str
    sentence: str
    file: str = ""
    line: int = 0
    step: str = ""


def obstacles(slug: str, data_root: Path) -> list[Obstacle]:
    """All that `promote` would refuse, each by itself. Raises ValueError for no name, LookupError for no draft, OSError."""
    draft = folder_of(slug, data_root)
    status = json_object(draft / "status.json")
    found = [Obstacle("question", str(sentence)) for sentence in status.get("problems") or []]
    try:
        profile = load_profile(draft / "profile.yaml")
        files = _files(draft)
    except (BadDocument, NotPromotable) as error:
        line = re.search(r"profile\.yaml, line (\d+)", str(error))
        return [*found, Obstacle("fault", str(error), "profile.yaml", int(line[1]) if line else 0)]
    path = draft / "profile.yaml"
    if profile.metadata.slug != slug:
        found.append(Obstacle("fault", _misnamed(path, profile, slug), "profile.yaml"))
    found += [
        Obstacle("secret", _unresolved(step.id), "profile.yaml", line, step.id)
        for step, line in _secrets(profile, path)
    ]
    sizes = {name: file.stat().st_size for name, file in files.items()}
    target = data_root / "profiles" / slug
    found += [Obstacle("fault", sentence) for sentence in refused(sizes, target, data_root)]
    found += [Obstacle("review", f"{sentence}.") for sentence in to_review(sizes)]
    for step in [*profile.prologue, *profile.steps]:
        for name in named_files(step):
            if name not in files:
                found.append(Obstacle("fault", _absent(name), name, 0, step.id))
    found += [
        Obstacle("review", f"This looks like {leak.what}.", leak.file, leak.line, leak.steps)
        for leak in leaks(profile, files)
        if not leak.file.startswith(_UPLOADS)
    ]
    return found


def promote(
    slug: str, data_root: Path, *, reviewed: bool = False, tell: Callable[[str], None] = lambda sentence: None
) -> Path:
    """Move the draft `slug` to `profiles/<slug>/` and return that folder. An older profile of that name is replaced whole.

    `reviewed` says that files of more than 50 MiB, and what looks like a secret, were looked at and are wanted; `tell`
    gets a sentence for what looks like a secret in an upload. Raises `NotPromotable`, `BadDocument`, ValueError for a
    name no draft can have, or LookupError naming the nearest draft.
    """
    draft = folder_of(slug, data_root)
    status = json_object(draft / "status.json")
    if status.get("state") != "ready":
        raise NotPromotable(
            f"The draft {slug} is still being recorded: end its capture first."
            if status.get("state") == "assembling"
            else f"The draft {slug} is not ready: {draft / 'status.json'} does not say so. Run `wctl assemble` again."
        )
    profile = load_profile(draft / "profile.yaml")
    if profile.metadata.slug != slug:
        raise NotPromotable(_misnamed(draft / "profile.yaml", profile, slug))
    _refuse_secrets(profile, draft / "profile.yaml")
    problems = status.get("problems")
    if isinstance(problems, list) and problems and not edited(draft):
        more = f" ({len(problems) - 1} more: wctl drafts show {slug})" if len(problems) > 1 else ""
        raise NotPromotable(f"{problems[0]}{more}")
    files = _files(draft)
    target = data_root / "profiles" / slug
    _refuse_sizes(files, target, data_root, reviewed=reviewed)
    for named in (name for step in [*profile.prologue, *profile.steps] for name in named_files(step)):
        if named not in files:
            raise NotPromotable(_absent(named))
    if not reviewed:
        _refuse_leaks([*leaks(profile, files)], tell)
    text = referring((draft / "profile.yaml").read_text("utf-8"), OF_PROFILE)
    contents: dict[str, Path | bytes] = {**files, "profile.yaml": text.encode()}
    replace_tree(target, {**contents, "manifest.json": manifest_of(contents)})
    place(data_root)
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


def _refuse_sizes(files: Mapping[str, Path], target: Path, data_root: Path, *, reviewed: bool) -> None:
    sizes = {name: path.stat().st_size for name, path in files.items()}
    for sentence in refused(sizes, target, data_root):
        raise NotPromotable(sentence)
    for sentence in () if reviewed else to_review(sizes):
        raise NotPromotable(f"{sentence}, then promote with --reviewed.")


def _refuse_leaks(found: Sequence[Leak], tell: Callable[[str], None]) -> None:
    """Raises `NotPromotable` for what looks like a secret and would be committed; of uploads it is only told."""
    for leak in found:
        if leak.file.startswith(_UPLOADS):
            tell(f"{leak.where} holds what looks like {leak.what}; it becomes part of the profile.")
    ours = [leak for leak in found if not leak.file.startswith(_UPLOADS)]
    if not ours:
        return
    first, more = ours[0], [leak.where for leak in ours[1:]]
    also = (
        f" Also: {'; '.join(more[:_SHOWN])}{f'; {len(more) - _SHOWN} more' if more[_SHOWN:] else ''}." if more else ""
    )
    raise NotPromotable(
        f"{first.where}: this looks like {first.what}.{also} Put {{{{ secrets.NAME }}}} where it is sent, take it out where it "
        "is not (or out of the recording: POST captures/<id>/redact, then `wctl assemble` again). If it is none, "
        "promote with --reviewed."
    )


def _refuse_secrets(profile: Profile, path: Path) -> None:
    for step, line in _secrets(profile, path):
        raise NotPromotable(f"{path}, line {line}: {_unresolved(step.id)[0].lower()}{_unresolved(step.id)[1:]}")


def _secrets(profile: Profile, path: Path) -> Iterator[tuple[Step, int]]:
    """Steps that would send a pseudonym, which stands for a secret that was never resolved, and the line of it."""
    for step in [*profile.prologue, *profile.steps]:
        found = {mark.group() for text in _texts(step.model_dump(exclude=_NOT_SENT)) for mark in SECRET.finditer(text)}
        yield from ((step, line) for line in sorted({_line(path, step, pseudonym) for pseudonym in found}))


def _unresolved(step: str) -> str:
    return (
        f"A secret of the recording is not resolved (step {step}). Put {{{{ secrets.NAME }}}}, {{{{ generated.NAME }}}} or a "
        "value from an earlier step in its place."
    )


def _misnamed(path: Path, profile: Profile, slug: str) -> str:
    return (
        f"{path} calls itself {profile.metadata.slug!r}, and the draft is {slug!r}: "
        "write the draft's name under metadata, slug."
    )


def _absent(name: str) -> str:
    return f"{name} is named in profile.yaml and is not in the draft."


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


def edited(draft: Path) -> bool:
    """Problems are answered by editing: the document, or a file beside it, is another than the one that was written."""
    written = json_object(draft / "manifest.json").get("files")
    known = written if isinstance(written, dict) else {}
    return any((draft / name).is_file() and digest(draft / name) != sum_ for name, sum_ in known.items())
