"""Change a profile that stands: its document by hand's rules (comments and layout stay), its files all or none.

`edited` reads the document as a tree that remembers how it was written (ruamel.yaml's round trip), so a change shows in
a review as the lines it is about. `revise` puts a new version of the whole folder in place of the old one.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from assembler.document import BadDocument, loads_profile
from assembler.profile import Expect, Ignore, Profile, Step
from assembler.storage import manifest_of, replace_tree

__all__ = ["edited", "revise", "with_expectations", "with_rules"]

_LAST_KEYS = ("overlays", "notes")
"""Sections that stand behind the rules."""
_FIRST_ITEM = re.compile(r"^[A-Za-z_]+:[^\n]*\n(?:[ ]*#[^\n]*\n)*( *)- ", re.MULTILINE)


def edited(text: str, change: Callable[[CommentedMap], None], name: str = "profile.yaml") -> str:
    """`text` with `change` made to its tree. Raises BadDocument when the text, before or after it, is no profile."""
    loads_profile(text, name)
    yaml = _as_written(text)
    tree = yaml.load(text)
    change(tree)
    out = io.StringIO()
    yaml.dump(tree, out)
    loads_profile(out.getvalue(), name)
    return out.getvalue()


def with_rules(text: str, rules: Sequence[Ignore], name: str = "profile.yaml", overlay: str | None = None) -> str:
    """The document with `rules` behind those it has, or those its `overlay` has. Raises BadDocument.

    Raises KeyError for an overlay that the document does not have.
    """

    def add(document: CommentedMap) -> None:
        tree = document if overlay is None else document["overlays"][overlay]
        rows = tree.get("ignore")
        if not isinstance(rows, CommentedSeq):
            tree.pop("ignore", None)
            rows = CommentedSeq()
            place = next((n for n, key in enumerate(tree) if key in _LAST_KEYS), len(tree))
            tree.insert(place, "ignore", rows)
        if not rows:
            rows.fa.set_block_style()
        rows.extend(CommentedMap(rule.model_dump(exclude_defaults=True)) for rule in rules)

    before, after = loads_profile(text, name), edited(text, add, name)
    added: dict[str, Any] = {"ignore": [*(before if overlay is None else before.overlays[overlay]).ignore, *rules]}
    if overlay is not None:
        added = {"overlays": {**before.overlays, overlay: before.overlays[overlay].model_copy(update=added)}}
    wanted = before.model_copy(update=added)
    return _only(wanted, after, name)


def with_expectations(text: str, expectations: Mapping[str, Mapping[str, Any]], name: str = "profile.yaml") -> str:
    """The document with these keys of steps' `expect` set, by step id; a value of None takes the key away.

    Raises BadDocument, and KeyError for a step that the document does not have.
    """
    before = loads_profile(text, name)

    def set_all(tree: CommentedMap) -> None:
        steps = {row["id"]: row for section in ("prologue", "steps") for row in tree.get(section) or []}
        for step, keys in expectations.items():
            expect = steps[step].setdefault("expect", CommentedMap())
            for key, value in keys.items():
                if value is None:
                    expect.pop(key, None)
                elif expect.get(key) != value:
                    expect[key] = _in_order(value)

    def expected(step: Step) -> Step:
        if step.id not in expectations:
            return step
        was = {key: getattr(step.expect, key) for key in step.expect.model_fields_set} if step.expect else {}
        set_keys = {k: v for k, v in (was | dict(expectations[step.id])).items() if v is not None}
        return step.model_copy(update={"expect": Expect.model_validate(set_keys)})

    wanted = before.model_copy(
        update={"prologue": [expected(s) for s in before.prologue], "steps": [expected(s) for s in before.steps]}
    )
    return _only(wanted, edited(text, set_all, name), name)


def revise(folder: Path, files: Mapping[str, bytes | None]) -> None:
    """Replace the profile in `folder` by one in which `files` (names below it) have these contents; None removes one.

    `manifest.json` is written anew. All or nothing: the folder is exchanged whole. Raises OSError, ValueError.
    """
    kept: dict[str, Path | bytes] = {
        path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()
    }
    empty = [path.relative_to(folder) for path in folder.rglob("*") if path.is_dir() and not any(path.iterdir())]
    for name, content in files.items():
        if content is None:
            kept.pop(name, None)
        else:
            kept[name] = content
    kept.pop("manifest.json", None)
    kept["manifest.json"] = manifest_of(kept)
    replace_tree(folder, kept)
    for path in empty:  # a seed may hold folders that the application wants to find
        (folder / path).mkdir(parents=True, exist_ok=True)


def _in_order(value: Any) -> Any:
    """Mappings that are written in their own order."""
    if isinstance(value, dict):
        return CommentedMap((key, _in_order(inner)) for key, inner in value.items())
    return [_in_order(item) for item in value] if isinstance(value, list) else value


def _only(wanted: Profile, text: str, name: str) -> str:
    """`text`, when it says what is wanted and nothing else: another reader may take a word for a number."""
    if loads_profile(text, name) != wanted:
        raise BadDocument(
            f"{name} is written in a way that cannot be changed here without changing more; edit it by hand."
        )
    return text


def _as_written(text: str) -> YAML:
    """A reader and writer that keeps quotes, long lines and the indentation of lists."""
    yaml: Any = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1 << 30
    first = _FIRST_ITEM.search(text)
    offset = len(first[1]) if first else 2
    yaml.indent(mapping=2, sequence=offset + 2, offset=offset)
    return yaml  # type: ignore[no-any-return]
