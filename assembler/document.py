"""Read `profile.yaml` safely, with errors a person can act on; write it with a comment beside each decision.

Reading: YAML 1.2's core schema without surprises (`no`, `12:30:45`, `1e3`, `002299` are strings), no tags, no aliases
(so no alias bombs), no duplicate keys, at most 64 MiB. Writing: plain block style, deterministic, byte for byte.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from assembler.profile import Profile

__all__ = ["BadDocument", "Noted", "dump", "load_profile", "loads_profile"]

LIMIT = 64 * 1024 * 1024

_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class BadDocument(ValueError):
    """A profile that cannot be read; the message names file, line, key and the nearest valid key."""


class _CoreLoader(_Loader):  # type: ignore[misc]
    """CSafeLoader with a smaller set of implicit types: what JSON has, spelled as JSON spells it."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}


for _tag, _pattern, _first in (
    ("null", r"^(?:null|~|)$", ["n", "~", ""]),
    ("bool", r"^(?:true|false)$", ["t", "f"]),
    ("int", r"^-?(?:0|[1-9][0-9]*)$", list("-0123456789")),
    ("float", r"^-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+]?[0-9]+)?$", list("-0123456789")),
):
    _CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)

_PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map")}


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
    """The profile in `text`; `name` is used in messages."""
    loader = _CoreLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            raise BadDocument(f"{name} is empty; a profile is a mapping with `metadata` and `steps`.")
        if not isinstance(root, yaml.MappingNode):
            raise BadDocument(
                f"{name}, line {root.start_mark.line + 1}: a profile is a mapping with `metadata` and `steps`, "
                f"not a {'list' if isinstance(root, yaml.SequenceNode) else 'single value'}."
            )
        _refuse_surprises(root, name)
        document = loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise BadDocument(f"{name}{where}: this is not YAML: {error.problem or error.context}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, BadDocument):
            raise
        raise BadDocument(f"{name} is not YAML: {error}.") from None
    finally:
        loader.dispose()
    try:
        return Profile.model_validate(document)
    except ValidationError as error:
        raise BadDocument(_sentence(error, root, name)) from None


def _refuse_surprises(root: yaml.Node, name: str) -> None:
    """Aliases, tags, merge keys, duplicate keys and extreme depth are refused, each with its line."""
    seen: set[int] = set()
    stack: list[tuple[yaml.Node, int]] = [(root, 0)]
    while stack:
        node, depth = stack.pop()
        line = node.start_mark.line + 1
        if id(node) in seen:
            raise BadDocument(
                f"{name}, line {line}: anchors and aliases (& and *) are not allowed; write the value out."
            )
        seen.add(id(node))
        if node.tag not in _PLAIN_TAGS:
            raise BadDocument(
                f"{name}, line {line}: the tag {node.tag.replace('tag:yaml.org,2002:', '!!')} is not allowed."
            )
        if depth > 60:
            raise BadDocument(f"{name}, line {line}: nested more than 60 deep.")
        if isinstance(node, yaml.SequenceNode):
            stack.extend((child, depth + 1) for child in node.value)
        elif isinstance(node, yaml.MappingNode):
            keys: set[str] = set()
            for key, value in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise BadDocument(f"{name}, line {key.start_mark.line + 1}: a key must be a single word or string.")
                if key.value in keys:
                    raise BadDocument(f"{name}, line {key.start_mark.line + 1}: the key {key.value!r} stands twice.")
                keys.add(key.value)
                # Keys are names, whatever they look like: `404:` and `true:` stay text.
                key.tag = "tag:yaml.org,2002:str"
                stack.append((value, depth + 1))


def _sentence(error: ValidationError, root: yaml.Node, name: str) -> str:
    """The first fault of a document as one sentence; the number of further ones behind it."""
    faults = error.errors(include_url=False)
    fault = faults[0]
    location = [part for part in fault["loc"] if part not in ("tuple[str,str]",)]
    unknown = fault["type"] == "extra_forbidden"
    line = _line(root, location, at_key=unknown)
    place = ".".join(str(part) for part in location) or "the document"
    if unknown:
        valid = _valid_keys(location[:-1])
        near = difflib.get_close_matches(str(location[-1]), valid, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"valid keys: {', '.join(valid)}."
        sentence = f"unknown key {place!r}; {hint}"
    elif fault["type"] == "missing":
        sentence = f"{place!r} is missing."
    elif fault["type"] == "value_error":
        sentence = f"{place} {str(fault['ctx']['error']).rstrip('.')}."
    else:
        shown = json.dumps(fault["input"], default=str, ensure_ascii=True)
        sentence = f"{place!r} is {shown[:80]}, but {fault['msg'][0].lower()}{fault['msg'][1:].rstrip('.')}."
    more = f" ({len(faults) - 1} more after it)" if len(faults) > 1 else ""
    return f"{name}, line {line}: {sentence}{more}"


def _line(root: yaml.Node, location: Sequence[Any], *, at_key: bool) -> int:
    node = root
    line = root.start_mark.line
    for depth, part in enumerate(location):
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    line = key.start_mark.line if at_key and depth == len(location) - 1 else value.start_mark.line
                    node = value
                    break
    return int(line) + 1


def _valid_keys(location: Sequence[Any]) -> list[str]:
    """The keys a mapping at `location` may have."""
    model: Any = Profile
    for part in location:
        if isinstance(part, int) or not (isinstance(model, type) and issubclass(model, BaseModel)):
            continue
        for key, field in model.model_fields.items():
            if part in (key, field.alias):
                model = next(iter(_models_in(field.annotation)), None)
                break
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return []
    return [field.alias or key for key, field in model.model_fields.items()]


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
    """`document` as YAML. `head` is written first, as comment lines."""
    lines: list[str] = [f"# {line}".rstrip() for line in head.splitlines()]
    _mapping(document, 0, lines)
    return "\n".join(lines) + "\n"


_PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./+()-]*(?: [A-Za-z0-9_./+()-]+)*")
_RESERVED = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf"}
_UNPRINTABLE = re.compile(r"[^\t\x20-\x7e\xa0-\u2027\u202f-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        text = repr(value)
        return text if re.fullmatch(r"-?\d+\.\d+(e[-+]?\d+)?", text) else json.dumps(text)
    text = str(value)
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
        _entry(f"{lead}{_scalar(key)}:", value, indent, lines, pad)


def _sequence(items: Sequence[Any], indent: int, lines: list[str]) -> None:
    pad = " " * indent
    for item in items:
        inner = item.value if isinstance(item, Noted) else item
        if isinstance(inner, Mapping) and inner and not isinstance(item, Noted):
            _mapping(inner, indent + 2, lines, first=f"{pad}- ")
        elif isinstance(inner, Mapping) and inner:
            lines.extend(f"{pad}# {line}" for line in item.comment.splitlines())
            _mapping(inner, indent + 2, lines, first=f"{pad}- ")
        else:
            _entry(f"{pad}-", item, indent, lines, pad)


def _entry(lead: str, value: Any, indent: int, lines: list[str], pad: str) -> None:
    comment = ""
    if isinstance(value, Noted):
        value, comment = value.value, value.comment
    if isinstance(value, (Mapping, list, tuple)) and value:
        if not isinstance(value, Mapping) and _flat(value):
            lines.append(f"{lead} {_flow(value)}" + (f"  # {comment}" if comment else ""))
            return
        lines.extend(f"{pad}# {line}" for line in comment.splitlines())
        lines.append(lead)
        if isinstance(value, Mapping):
            _mapping(value, indent + 2, lines)
        else:
            _sequence(value, indent + 2, lines)
        return
    if isinstance(value, (Mapping, list, tuple)):
        text = "{}" if isinstance(value, Mapping) else "[]"
    elif isinstance(value, str) and "\n" in value and (block := _block(value, indent + 2)):
        lines.extend(f"{pad}# {line}" for line in comment.splitlines())
        lines.append(f"{lead} {block[0]}")
        lines.extend(block[1:])
        return
    else:
        text = _scalar(value)
    lines.append(f"{lead} {text}" + (f"  # {' '.join(comment.split())}" if comment else ""))


def _flat(value: Any) -> bool:
    """A short pair or list of scalars reads best on one line."""
    if isinstance(value, Mapping):
        return False
    return (
        all(not isinstance(v, (Mapping, list, tuple, Noted)) for v in value)
        and sum(len(str(v)) + 4 for v in value) < 90
    )


def _flow(value: Sequence[Any]) -> str:
    return "[" + ", ".join(_scalar(v) for v in value) + "]"
