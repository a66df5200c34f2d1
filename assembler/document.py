"""Read `profile.yaml` safely, with errors a person can act on; write it with a comment beside each decision.

Reading: YAML with what JSON has (`assembler.plain_yaml`), at most 64 MiB; where a fault stands is looked up when there
is one. Writing: plain block style, deterministic, byte for byte; what YAML cannot carry (lone surrogates) becomes U+FFFD.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from assembler.plain_yaml import BadDocument, nodes, read
from assembler.profile import Profile
from assembler.schema import OF_DRAFT
from recorder.events import clean_text

__all__ = ["BadDocument", "Noted", "dump", "lines_of", "load_profile", "loads_profile", "scalar", "steps_by_line"]

LIMIT = 64 * 1024 * 1024


def load_profile(path: Path) -> Profile:
    """The profile at `path` (a `profile.yaml`). Raises `BadDocument` with one sentence; OSError becomes one too."""
    try:
        if path.stat().st_size > LIMIT:
            raise BadDocument(f"{path} is larger than {LIMIT >> 20} MiB; a profile keeps bodies in files beside it.")
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise BadDocument(f"{path} does not exist.") from None
    except UnicodeDecodeError as error:
        raise BadDocument(f"{path} is not UTF-8 at byte {error.start}.") from None
    except OSError as error:
        raise BadDocument(f"{path} cannot be read: {error.strerror}.") from None
    return loads_profile(text, str(path))


def loads_profile(text: str, name: str = "profile.yaml") -> Profile:
    """The profile in `text`; `name` is used in messages. Raises `BadDocument`."""
    document = read(text, name)
    try:
        return Profile.model_validate(document)
    except ValidationError as error:
        raise BadDocument(_sentence(error, nodes(text), name)) from None


_MEANT = {"model_type": "a mapping", "dict_type": "a mapping", "list_type": "a list", "tuple_type": "a list"}


def _sentence(error: ValidationError, root: yaml.Node, name: str) -> str:
    """The first fault of a document as one sentence; the number of further ones behind it."""
    faults = error.errors(include_url=False)
    # A misspelled key also shows as the missing one: what was written is what to look at.
    fault = next((f for f in faults if f["type"] == "extra_forbidden"), faults[0])
    raised = fault.get("ctx", {}).get("error")
    location, line = _where(root, [*fault["loc"], *getattr(raised, "location", ())], fault["type"])
    place = ".".join(str(part) for part in location) or "the document"
    if fault["type"] == "extra_forbidden":
        valid = _valid_keys(location[:-1])
        near = difflib.get_close_matches(str(location[-1]), valid, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"valid keys: {', '.join(valid)}."
        sentence = f"unknown key {place!r}; {hint}"
    elif fault["type"] == "missing":
        sentence = f"{place!r} is missing."
    elif fault["type"] == "value_error":
        sentence = f"{' '.join(place.split())} {str(raised).rstrip('.')}."
    elif fault["type"] == "literal_error":
        valid = re.findall(r"'([^']*)'", str(fault["ctx"]["expected"]))
        near = difflib.get_close_matches(str(fault["input"]), valid, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"valid values: {', '.join(valid)}."
        sentence = f"{place!r} is {_shown(fault['input'])}; {hint}"
    elif meant := _MEANT.get(fault["type"]):
        sentence = f"{place!r} is {_shown(fault['input'])}, but must be {meant}."
    else:
        sentence = (
            f"{place!r} is {_shown(fault['input'])}, but {fault['msg'][0].lower()}{fault['msg'][1:].rstrip('.')}."
        )
    more = f" ({len(faults) - 1} more after it)" if len(faults) > 1 else ""
    return f"{name}, line {line}: {sentence}{more}"


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=True)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _where(root: yaml.Node, location: Sequence[Any], kind: str) -> tuple[list[Any], int]:
    """The parts of a fault's location that stand in the document (pydantic also names types), and the line."""
    node, line, kept = root, root.start_mark.line, []
    for depth, part in enumerate(location):
        last = depth == len(location) - 1
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
        elif isinstance(node, yaml.MappingNode) and (found := _entry_of(node, str(part))):
            line = found[0 if last and kind == "extra_forbidden" else 1].start_mark.line
            node = found[1]
        elif not (last and kind == "missing"):
            continue
        kept.append(part)
    return kept, int(line) + 1


def _entry_of(node: yaml.MappingNode, key: str) -> tuple[yaml.Node, yaml.Node] | None:
    return next(((k, v) for k, v in node.value if k.value == key), None)


def lines_of(text: str, places: Sequence[tuple[Sequence[str | int], str]]) -> list[int]:
    """The line of each place (keys and indices) of a document that was read, where it can be the one with the words."""
    rows, root, found = text.split("\n"), nodes(text), []
    for place, words in places:
        node: yaml.Node = root
        for part in place:
            if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
                node = node.value[part]
            elif isinstance(node, yaml.MappingNode) and (entry := _entry_of(node, str(part))):
                node = entry[1]
        first, last = node.start_mark.line, node.end_mark.line
        found.append(next((n for n in range(first, min(last + 1, len(rows))) if words in rows[n]), first) + 1)
    return found


def steps_by_line(text: str) -> list[tuple[range, str]]:
    """The lines of each step of a document that was read, and its id, from top to bottom."""
    root, found = nodes(text), []
    for section in (_entry_of(root, name) for name in ("prologue", "steps")):
        for node in section[1].value if section else []:
            if name := _entry_of(node, "id"):
                first, after = node.start_mark.line + 1, node.end_mark.line + 1
                found.append((range(first, max(first + 1, after)), str(name[1].value)))
    return found


def _valid_keys(location: Sequence[Any]) -> list[str]:
    """The keys a mapping at `location` may have."""
    annotation: Any = Profile
    for part in location:
        model = next(_models_in(annotation), None)
        if model is None:
            return []
        if get_origin(annotation) in (list, dict):  # the part is an index, or a name that is free to choose
            annotation = get_args(annotation)[-1]
            continue
        annotation = next((f.annotation for n, f in model.model_fields.items() if part in (n, f.alias)), None)
        if get_origin(annotation) in (Union, UnionType):
            annotation = next((a for a in get_args(annotation) if a is not type(None)), None)
    model = next(_models_in(annotation), None)
    return [] if model is None else [field.alias or key for key, field in model.model_fields.items()]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


# ---------------------------------------------------------------------------------------------------- writing


@dataclass(frozen=True)
class Noted:
    """A value with a comment: at the end of the line for a scalar, above it for anything longer."""

    value: Any
    comment: str


def dump(document: Mapping[str, Any], head: str = "") -> str:
    """`document` as the YAML of a draft: the reference to its schema, `head` as comment lines, the mapping."""
    lines = [OF_DRAFT, *_remarks(head, "")]
    _mapping(document, 0, lines)
    return "\n".join(lines) + "\n"


_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./+()-]*(?: [A-Za-z0-9_./+()-]+)*")
_LONGEST_KEY = 1000
"""Characters; YAML 1.2 (7.4.2) allows a key on its value's line 1024 of them."""
_RESERVED = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf"}
_UNPRINTABLE = re.compile(r"[^\t\x20-\x7e\xa0-\u2027\u202f-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def scalar(value: Any) -> str:
    """A text, number, boolean or null as it is written on one line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        text = re.sub(r"^(-?\d+)e", r"\1.0e", repr(value))
        return text if re.fullmatch(r"-?\d+\.\d+(e[-+]?\d+)?", text) else json.dumps(text)
    text = clean_text(str(value))
    if _PLAIN.fullmatch(text) and text.lower() not in _RESERVED:
        return text
    if _UNPRINTABLE.search(text) or "\t" in text:
        escaped = json.dumps(text, ensure_ascii=False)
        return _UNPRINTABLE.sub(lambda m: "".join(_escape(c) for c in m.group()), escaped)
    if '"' in text or "\\" in text:
        return "'" + text.replace("'", "''") + "'"
    return f'"{text}"'


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _block(text: str, indent: int) -> list[str] | None:
    """`text` as a literal block, or None where only quoting keeps it exact."""
    body = text.removesuffix("\n")
    rows = body.split("\n")
    if len(rows) < 2 or _UNPRINTABLE.search(body.replace("\n", "")) or "\t" in body or rows[-1] == "" or text.isspace():
        return None
    pad = " " * indent
    return [f"|2{'' if text.endswith(chr(10)) else '-'}", *(f"{pad}{row}" if row else "" for row in rows)]


def _mapping(mapping: Mapping[str, Any], indent: int, lines: list[str], first: str | None = None) -> None:
    pad = " " * indent
    for key, value in mapping.items():
        lead, first = (first if first is not None else pad), None
        name = scalar(key)
        if len(name) > _LONGEST_KEY:
            lines.append(f"{lead}? {name}")
            lead, name = pad, ""
        _entry(f"{lead}{name}:", value, indent, lines, pad)


def _sequence(items: Sequence[Any], indent: int, lines: list[str]) -> None:
    pad = " " * indent
    for item in items:
        inner = item.value if isinstance(item, Noted) else item
        if isinstance(inner, Mapping) and inner and not isinstance(item, Noted):
            _mapping(inner, indent + 2, lines, first=f"{pad}- ")
        elif isinstance(inner, Mapping) and inner:
            lines.extend(_remarks(item.comment, pad))
            _mapping(inner, indent + 2, lines, first=f"{pad}- ")
        else:
            _entry(f"{pad}-", item, indent, lines, pad)


def _entry(lead: str, value: Any, indent: int, lines: list[str], pad: str) -> None:
    comment = ""
    if isinstance(value, Noted):
        value, comment = value.value, value.comment
    if isinstance(value, (Mapping, list, tuple)) and value:
        if not isinstance(value, Mapping) and _flat(value):
            lines.append(f"{lead} {_flow(value)}{_remark(comment)}")
            return
        lines.extend(_remarks(comment, pad))
        lines.append(lead)
        if isinstance(value, Mapping):
            _mapping(value, indent + 2, lines)
        else:
            _sequence(value, indent + 2, lines)
        return
    if isinstance(value, (Mapping, list, tuple)):
        text = "{}" if isinstance(value, Mapping) else "[]"
    elif isinstance(value, str) and "\n" in value and (block := _block(value, indent + 2)):
        lines.extend(_remarks(comment, pad))
        lines.append(f"{lead} {block[0]}")
        lines.extend(block[1:])
        return
    else:
        text = scalar(value)
    lines.append(f"{lead} {text}{_remark(comment)}")


def _remarks(comment: str, pad: str) -> list[str]:
    """A comment as lines of its own. Nothing in it can end a line early or make the document unreadable."""
    return [f"{pad}# {_UNPRINTABLE.sub('?', line)}".rstrip() for line in comment.splitlines()]


def _remark(comment: str) -> str:
    """A comment at the end of a line."""
    words = " ".join(comment.split())
    return f"  # {_UNPRINTABLE.sub('?', words)}" if words else ""


def _flat(value: Any) -> bool:
    """A short pair or list of scalars reads best on one line."""
    if isinstance(value, Mapping):
        return False
    return (
        all(not isinstance(v, (Mapping, list, tuple, Noted)) for v in value)
        and sum(len(str(v)) + 4 for v in value) < 90
    )


def _flow(value: Sequence[Any]) -> str:
    return "[" + ", ".join(scalar(v) for v in value) + "]"
