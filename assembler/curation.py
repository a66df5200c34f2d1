"""Curating a draft: its document changed place by place, with every comment kept, and put in place of the old one whole.

Each change says what the document is to mean afterwards, and the changed text is read to see that it means that and
nothing else. Two people at one draft do not overwrite each other: who changes it names the version that he has seen.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from assembler.document import BadDocument, loads_profile, scalar
from assembler.drafts import folder_of, json_object
from assembler.leaks import named_files
from assembler.profile import Comparison, Expect, Profile, Step
from assembler.shapes import SECRET
from assembler.storage import write_text
from assembler.yaml_text import YamlText

__all__ = [
    "Outdated", "ask_for_secrets", "curate", "drop_comparison", "drop_rule", "drop_step", "expect", "rename_step", "set_comparison",
    "title_step", "version_of",
]  # fmt: skip

_STEP_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,119}")
_SECRET_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,59}")
_NOT_SENT = {"id", "expect", "extract", "wait", "title", "note"}
_EXPECTED = ("status", "media_type", "location", "contains")
"""What can be expected of an answer in one line."""

Change = Callable[[str], str]
"""The text of a document to the changed one."""


class Outdated(ValueError):
    """The draft is not what it was when it was looked at; nothing was written."""


def version_of(text: str) -> str:
    """What tells one version of a document from another."""
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def curate(slug: str, data_root: Path, version: str, change: Change) -> None:
    """Change the document of a draft, all or nothing. `version` is the one that was looked at.

    Files that no step names any more are taken out: what was dropped is not to be committed. The manifest stays that of
    the assembler; by it one can tell that the draft was edited. Raises Outdated, BadDocument or ValueError with a sentence,
    LookupError naming the nearest draft, OSError.
    """
    draft = folder_of(slug, data_root)
    with _alone(draft.parent):
        if json_object(draft / "status.json").get("state") != "ready":
            raise ValueError(f"The draft {slug} is still being recorded: end its capture first.")
        path = draft / "profile.yaml"
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            raise BadDocument(f"{path} cannot be read.") from None
        if version_of(text) != version:
            raise Outdated(
                f"The draft {slug} was changed by somebody else since you looked at it; nothing was written. "
                "Look at it as it is now, and make your change again."
            )
        before = {name for step in _steps(loads_profile(text)) for name in named_files(step)}
        changed = change(text)
        write_text(path, changed)
        after = {name for step in _steps(loads_profile(changed)) for name in named_files(step)}
        for name in before - after:
            if (draft / name).resolve().is_relative_to(draft.resolve()):
                (draft / name).unlink(missing_ok=True)


@contextlib.contextmanager
def _alone(drafts: Path) -> Iterator[None]:
    """One change at a time, whichever program makes it."""
    lock = os.open(drafts / ".curation.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


# ---------------------------------------------------------------------- steps


def rename_step(text: str, step: str, name: str) -> str:
    """The document with another id for a step, also where others name it. Raises ValueError with a sentence, BadDocument."""
    before = loads_profile(text)
    _known(before, step)
    if not _STEP_ID.fullmatch(name):
        raise ValueError(
            f"{name!r} is no name for a step: letters, digits, '_', '.' and '-', beginning with a letter, a digit or '_'."
        )
    if name == step:
        return text
    if any(other.id == name for other in _steps(before)):
        raise ValueError(f"There is another step called {name!r}; names tell steps apart.")
    uses = re.compile(rf"(\{{\{{\s*steps\.){re.escape(step)}(?=\.[A-Za-z0-9_]+\s*\}}\}})")

    def renamed(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {k: renamed(v, k) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [renamed(v, key) for v in value]
        if not isinstance(value, str):
            return value
        return name if key in ("id", "after", "step") and value == step else uses.sub(rf"\g<1>{name}", value)

    document = before.model_dump(by_alias=True, exclude_unset=True)
    wanted = document | {
        section: [{k: renamed(v, k) for k, v in row.items()} for row in document[section]]
        for section in ("prologue", "steps", "ignore")
        if section in document
    }
    edit = YamlText(text)
    for section in ("prologue", "steps"):
        for row in edit.items(edit.root, section):
            for text_node in edit.scalars(row):
                written = edit.written(text_node)
                if "steps." in written and (new := uses.sub(rf"\g<1>{name}", written)) != written:
                    edit.put(text_node, new)
            if (found := edit.entry(row, "id")) and found[1].value == step:
                edit.put(found[1], scalar(name))
            for node in edit.items(row, "after"):
                if node.value == step:
                    edit.put(node, scalar(name))
    for row in edit.items(edit.root, "ignore"):
        if (found := edit.entry(row, "step")) and found[1].value == step:
            edit.put(found[1], scalar(name))
    return _only(Profile.model_validate(wanted), edit)


def title_step(text: str, step: str, title: str | None) -> str:
    """The document with a title, for people, of a step. Raises ValueError with a sentence, BadDocument."""
    before = loads_profile(text)
    _known(before, step)
    edit = YamlText(text)
    row = _row(edit, step)
    if title is None or edit.entry(row, "title"):
        edit.set(row, "title", title)
    elif found := edit.entry(row, "id"):
        pad = " " * found[0].start_mark.column
        edit.put(found[1], f"{scalar(step)}\n{pad}title: {scalar(title)}")
    return _only(_each(before, lambda s: s.model_copy(update={"title": title}) if s.id == step else s), edit)


def drop_step(text: str, step: str) -> str:
    """The document without a step; who waited for it waits for what it waited for.

    Raises ValueError, in a sentence, where another step sends a value that this one's answer gave; BadDocument.
    """
    before = loads_profile(text)
    _known(before, step)
    every = _steps(before)
    uses = re.compile(rf"\{{\{{\s*steps\.{re.escape(step)}\.([A-Za-z0-9_]+)\s*\}}\}}")
    for other in every:
        found = uses.search(other.model_dump_json()) if other.id != step else None
        if found:
            raise ValueError(
                f"{step} cannot go: {other.id} sends {found[1]!r}, which is taken from its answer. Drop {other.id} first."
            )
    place = next(n for n, s in enumerate(every) if s.id == step)
    instead = every[place].after
    if instead is None:
        instead = [every[place - 1].id] if place else []
    sections = {s.id: name for name, some in (("prologue", before.prologue), ("steps", before.steps)) for s in some}
    edit = YamlText(text)

    def without(other: Step) -> Step:
        if step not in (other.after or []):
            return other
        kept = [name for name in other.after or [] if name != step]
        after = [*kept, *(name for name in instead if name not in kept)]
        found = edit.entry(_row(edit, other.id), "after")
        if found and isinstance(found[1], yaml.SequenceNode):
            edit.put_list(found[1], after)
        return other.model_copy(update={"after": after})

    wanted = _each(before, without)
    for section in ("prologue", "steps"):
        setattr(wanted, section, [s for s in getattr(wanted, section) if s.id != step])
    rows = edit.items(edit.root, sections[step])
    number = next(n for n, row in enumerate(rows) if (f := edit.entry(row, "id")) and f[1].value == step)
    edit.drop_item(edit.root, sections[step], number)
    return _only(wanted, edit)


def expect(text: str, step: str, keys: Mapping[str, str | int | None]) -> str:
    """The document with these of `status`, `media_type`, `location`, `contains` expected of a step; None takes one away.

    Raises ValueError with a sentence, BadDocument.
    """
    before = loads_profile(text)
    _known(before, step)
    unknown = set(keys) - {*_EXPECTED}
    if unknown:
        raise ValueError(f"{sorted(unknown)[0]!r} cannot be changed here; edit profile.yaml.")

    def expected(other: Step) -> Step:
        if other.id != step:
            return other
        was = {key: getattr(other.expect, key) for key in other.expect.model_fields_set} if other.expect else {}
        wanted = {key: value for key, value in (was | dict(keys)).items() if value is not None}
        return other.model_copy(update={"expect": Expect.model_validate(wanted)})

    wanted = _each(before, expected)
    edit = YamlText(text)
    row = _row(edit, step)
    found = edit.entry(row, "expect")
    if found is None or not isinstance(found[1], yaml.MappingNode):
        if found is not None:
            edit.drop_entry(row, found)
        some = [f"  {key}: {scalar(value)}" for key, value in keys.items() if value is not None]
        edit.add(row, ["expect:", *some] if some else ["expect: {}"])
        return _only(wanted, edit)
    there = [key for key in keys if edit.entry(found[1], key)]
    if len(found[1].value) == sum(keys[key] is None for key in there) and there:
        edit.put_entry(found, "{}")
        return _only(wanted, edit)
    for key, value in keys.items():
        old = edit.entry(found[1], key)
        if (old is None and value is not None) or (old is not None and _value_of(before, step, key) != value):
            edit.set(found[1], key, value)
    return _only(wanted, edit)


def ask_for_secrets(text: str, step: str, name: str) -> str:
    """The document in which the secrets that a step would send are asked for at replay, as `{{ secrets.NAME }}`.

    Wherever else the same secret is sent, it is asked for by the same name; further ones of the step are NAME_2 and so on.
    Raises ValueError with a sentence, BadDocument.
    """
    before = loads_profile(text)
    _known(before, step)
    if not _SECRET_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name for a secret: capital letters, digits and '_', such as API_KEY.")
    mine = next(s for s in _steps(before) if s.id == step).model_dump_json(exclude=_NOT_SENT)
    values = dict.fromkeys(found.group()[-32:] for found in SECRET.finditer(mine))
    if not values:
        raise ValueError(f"{step} sends no secret that is not resolved.")
    asked = {v: f"{{{{ secrets.{name}{f'_{n}' if n > 1 else ''} }}}}" for n, v in enumerate(values, 1)}

    def replaced(value: Any) -> Any:
        if isinstance(value, dict):
            return {replaced(k): replaced(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [replaced(v) for v in value]
        return SECRET.sub(lambda m: asked.get(m.group()[-32:], m.group()), value) if isinstance(value, str) else value

    document = before.model_dump(by_alias=True, exclude_unset=True)
    for section in ("prologue", "steps"):
        if section in document:
            document[section] = [
                {key: value if key in _NOT_SENT else replaced(value) for key, value in row.items()}
                for row in document[section]
            ]
    edit = YamlText(text)
    for section in ("prologue", "steps"):
        for row in edit.items(edit.root, section):
            for key, value in row.value if isinstance(row, yaml.MappingNode) else []:
                for node in edit.scalars(value) if key.value not in _NOT_SENT else ():
                    if (new := replaced(node.value)) != node.value:
                        edit.put(node, replaced(edit.written(node)) if node.style in ("|", ">") else scalar(new))
    return _only(Profile.model_validate(document), edit)


# ---------------------------------------------------------------------- files and rules


def drop_comparison(text: str, target: str) -> str:
    """The document without the comparison of a file. Raises ValueError with a sentence, BadDocument."""
    before = loads_profile(text)
    number = _compared(before, target)
    edit = YamlText(text)
    edit.drop_item(edit.root, "comparisons", number)
    rest = [c for n, c in enumerate(before.comparisons) if n != number]
    return _only(before.model_copy(update={"comparisons": rest}), edit)


def set_comparison(text: str, target: str, method: str, params: Mapping[str, Any]) -> str:
    """The document with another way to compare a file. Raises ValueError with a sentence, BadDocument."""
    before = loads_profile(text)
    number = _compared(before, target)
    was = before.comparisons[number]
    edit = YamlText(text)
    row = edit.items(edit.root, "comparisons")[number]
    if not isinstance(row, yaml.MappingNode):
        raise BadDocument("This comparison is written in a way that cannot be changed here; edit profile.yaml.")
    if method != was.method:
        edit.set(row, "method", method)
    found = edit.entry(row, "params")
    if dict(params) != was.params:
        if found is None:
            edit.add(row, [f"params: {_flow(params)}"])
        elif params:
            edit.put_entry(found, _flow(params))
        else:
            edit.drop_entry(row, found)
    wanted = Comparison(target=was.target, method=method, params=dict(params))
    every = [wanted if n == number else c for n, c in enumerate(before.comparisons)]
    return _only(before.model_copy(update={"comparisons": every}), edit)


def drop_rule(text: str, step: str, where: str) -> str:
    """The document without an ignore rule. Raises ValueError with a sentence, BadDocument."""
    before = loads_profile(text)
    number = next((n for n, r in enumerate(before.ignore) if (r.step, r.where) == (step, where)), None)
    if number is None:
        raise ValueError(f"There is no rule for {where} of {step}.")
    edit = YamlText(text)
    edit.drop_item(edit.root, "ignore", number)
    rest = [r for n, r in enumerate(before.ignore) if n != number]
    return _only(before.model_copy(update={"ignore": rest}), edit)


# ---------------------------------------------------------------------- what they share


def _only(wanted: Profile, edit: YamlText) -> str:
    """The changed text, when it says what is wanted and nothing else."""
    try:
        text = edit.changed()
        found = loads_profile(text)
    except ValueError:  # BadDocument is one
        found = None
    if found != wanted:
        raise BadDocument("profile.yaml is written in a way that cannot be changed here; edit it by hand.")
    return text


def _steps(profile: Profile) -> list[Step]:
    return [*profile.prologue, *profile.steps]


def _each(profile: Profile, change: Callable[[Step], Step]) -> Profile:
    prologue, steps = [change(s) for s in profile.prologue], [change(s) for s in profile.steps]
    return profile.model_copy(update={"prologue": prologue, "steps": steps})


def _known(profile: Profile, step: str) -> None:
    if all(other.id != step for other in _steps(profile)):
        raise ValueError(f"There is no step {step!r} in this draft any more.")


def _compared(profile: Profile, target: str) -> int:
    number = next((n for n, c in enumerate(profile.comparisons) if c.target == target), None)
    if number is None:
        raise ValueError(f"The file {target!r} is not compared in this draft.")
    return number


def _value_of(profile: Profile, step: str, key: str) -> object:
    found = next(s for s in _steps(profile) if s.id == step).expect
    return getattr(found, key) if found else None


def _row(edit: YamlText, step: str) -> yaml.MappingNode:
    for section in ("prologue", "steps"):
        for row in edit.items(edit.root, section):
            if isinstance(row, yaml.MappingNode) and (found := edit.entry(row, "id")) and found[1].value == step:
                return row
    raise BadDocument(f"The step {step} is written in a way that cannot be changed here; edit profile.yaml.")


def _flow(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(str(k))}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return scalar(value)
