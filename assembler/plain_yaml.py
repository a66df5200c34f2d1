"""YAML with what JSON has and nothing else: no tags, no aliases (so no alias bombs), no duplicate keys, no depth.

The document is built straight from libyaml's events. Its composer would first make a node of every word, which costs
more than all the rest, and it calls itself, so that deep nesting would end the interpreter.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

__all__ = ["BadDocument", "nodes", "read"]

DEEPEST = 60

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_WORDS = {"null": None, "~": None, "": None, "true": True, "false": False}
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+]?[0-9]+)?")
_NUMERIC = frozenset("-0123456789")
_CORE = "tag:yaml.org,2002:"
_NO_KEY = object()


class BadDocument(ValueError):
    """A profile that cannot be read; the message names file, line, key and the nearest valid key."""


def read(text: str, name: str) -> dict[str, Any]:
    """The mapping that `text` holds; `name` is used in messages. Raises `BadDocument`, one sentence.

    Typed is what JSON types, spelled as JSON spells it: `no`, `12:30:45`, `1e3`, `002299` are strings.
    """
    loader: Any = None
    try:
        loader = _Loader(text)
        return _built(loader, name)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise BadDocument(f"{name}{where}: this is not YAML: {error.problem or error.context}.") from None
    except yaml.reader.ReaderError as error:
        line = text.encode("utf-8", "surrogatepass")[: error.position].count(b"\n") + 1
        raise BadDocument(
            f"{name}, line {line}: the character U+{error.character:04X} may not stand in YAML."
        ) from None
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, BadDocument):
            raise
        raise BadDocument(f"{name} is not YAML: {' '.join(str(error).split())}.") from None
    finally:
        if loader is not None:
            loader.dispose()


def nodes(text: str) -> yaml.MappingNode:
    """The nodes of a text that `read` has read, for the places of things in it."""
    root = yaml.compose(text, _Loader)
    assert isinstance(root, yaml.MappingNode)
    return root


def _built(loader: Any, name: str) -> dict[str, Any]:
    """The root mapping; what is open around the current collection waits on `outer`."""
    scalar, mapping, sequence = yaml.ScalarEvent, yaml.MappingStartEvent, yaml.SequenceStartEvent
    root: Any = None
    here: Any = None
    key: Any = _NO_KEY
    outer: list[tuple[Any, Any]] = []
    for event in iter(loader.get_event, None):
        kind = type(event)
        if kind is scalar:
            if key is _NO_KEY and type(here) is dict:  # keys are names, whatever they look like: `404:` and `true:`
                if event.tag is not None:
                    _tagged(event, name)
                key = event.value
                if key in here:
                    raise BadDocument(f"{name}, line {_line(event)}: the key {key!r} stands twice.")
                here[key] = None
                continue
            if event.tag is not None:
                value = _tagged(event, name)
            else:
                value = _typed(event.value) if event.implicit[0] else event.value
        elif kind is mapping or kind is sequence:
            if key is _NO_KEY and type(here) is dict:
                raise BadDocument(f"{name}, line {_line(event)}: a key must be a single word or string.")
            if event.tag is not None and event.tag != f"{_CORE}{'map' if kind is mapping else 'seq'}":
                raise _foreign(event, name)
            outer.append((here, key))
            if len(outer) > DEEPEST:
                raise BadDocument(f"{name}, line {_line(event)}: nested more than {DEEPEST} deep.")
            here, key = {} if kind is mapping else [], _NO_KEY
            if root is None:
                if kind is sequence:
                    raise _no_mapping(event, name, "list")
                root = here
            continue
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            value = here
            here, key = outer.pop()
        elif kind is yaml.AliasEvent:
            raise BadDocument(
                f"{name}, line {_line(event)}: anchors and aliases (& and *) are not allowed; write the value out."
            )
        elif kind is yaml.StreamEndEvent:
            break
        elif kind is yaml.DocumentStartEvent and root is not None:
            raise BadDocument(f"{name}, line {_line(event)}, column 1: this is not YAML: but found another document.")
        else:
            continue
        if type(here) is list:
            here.append(value)
        elif key is not _NO_KEY:
            here[key] = value
            key = _NO_KEY
        elif root is None:
            raise _no_mapping(event, name, "single value")
    if root is None:
        raise BadDocument(f"{name} is empty; a profile is a mapping with `metadata` and `steps`.")
    return root  # type: ignore[no-any-return]


def _typed(word: str) -> Any:
    """What an unquoted scalar stands for."""
    if word in _WORDS:
        return _WORDS[word]
    if word[0] in _NUMERIC:
        if _INTEGER.fullmatch(word):
            return int(word)
        if _FLOAT.fullmatch(word):
            return float(word)
    return word


def _tagged(event: yaml.ScalarEvent, name: str) -> Any:
    """A scalar whose tag says what its spelling says; `!!int five` and all other tags are refused."""
    if event.tag == f"{_CORE}str":
        return event.value
    value = _typed(event.value)
    said = {type(None): "null", bool: "bool", int: "int", float: "float"}.get(type(value))
    if said is None or event.tag != f"{_CORE}{said}":
        raise _foreign(event, name)
    return value


def _foreign(event: Any, name: str) -> BadDocument:
    tag = str(event.tag).replace(_CORE, "!!")
    return BadDocument(f"{name}, line {_line(event)}: the tag {tag} is not allowed here.")


def _no_mapping(event: Any, name: str, found: str) -> BadDocument:
    return BadDocument(
        f"{name}, line {_line(event)}: a profile is a mapping with `metadata` and `steps`, not a {found}."
    )


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
