"""A walk through JSON text that knows where everything stands.

`json.loads` forgets positions; redaction must replace a value in place and leave every other byte alone. The walk is
only taken by documents in which something has to be replaced.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

__all__ = ["Path", "Scalar", "decode_string", "pointer", "walk"]

Path: TypeAlias = "tuple[Path, str | int] | None"
"""Where a value stands: the path of what holds it, and its key or index; None is the document itself."""

_TOKEN = re.compile(
    r'[ \t\r\n]*(?:("(?:[^"\\]|\\.)*+")|([{}\[\],:])|(true|false|null)|(-?[0-9][0-9.eE+-]*))', re.DOTALL
)
_MEMBER = re.compile(  # `"key": scalar,` at once, which is what most of a document is made of
    r'[ \t\r\n]*"((?:[^"\\]|\\.)*+)"[ \t\r\n]*:[ \t\r\n]*'
    r'(?:"((?:[^"\\]|\\.)*+)"|(true|false|null)|(-?[0-9][0-9.eE+-]*))(?:[ \t\r\n]*(,))?',
    re.DOTALL,
)
_FLAT = re.compile(  # an object of scalars under plain names, nothing of it escaped
    r'\{(?:[ \t\r\n]*"[\w.$-]*+"[ \t\r\n]*:[ \t\r\n]*(?:"[^"\\]*+"|true|false|null|-?[0-9][0-9.eE+-]*+)[ \t\r\n]*,?)*+'
    r"[ \t\r\n]*\}",
    re.ASCII,
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_DEEPEST = 1024  # objects and lists within each other; what reads JSON takes no more (json, orjson)
_SIMPLE = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Scalar(NamedTuple):
    """A string or number: its place in the text (a string's without the quotes), and the key it stands under.

    `key` is None at the top level; the items of a list have the list's key. `label` is the value of a sibling `name`,
    `key` or `field` where this is its `value`, as in `{"name": "password", "value": "…"}`.
    """

    start: int
    end: int
    is_string: bool
    path: Path
    key: str | None
    label: str | None = None


class _Frame:
    """An object or list that is open."""

    __slots__ = ("index", "inherited", "is_object", "key", "label", "path", "value")

    def __init__(self, is_object: bool, path: Path, inherited: str | None) -> None:
        self.is_object = is_object
        self.path = path
        self.inherited = inherited
        self.key: str | None = None
        self.index = 0
        self.label: str | None = None
        self.value: Scalar | None = None

    def note(self, scalar: Scalar, text: str) -> None:
        """Keep a string that names the object's value, or is that value."""
        if scalar.key in ("name", "key", "field"):
            self.label = decode_string(text[scalar.start : scalar.end])[0]
        elif scalar.key == "value":
            self.value = scalar


def walk(text: str, dull: Callable[[int, int, str | None], bool] | None = None) -> Iterator[Scalar]:
    """Yield the strings and numbers of a JSON text (RFC 8259); keys are not yielded.

    `dull` is asked about objects that hold nothing but scalars, with their start, end and key: those of which it says True
    are passed over, which takes a tenth of the time. Raises ValueError where the text is not JSON, or nested deeper than
    anybody reads; what was yielded before is right.
    """
    frames: list[_Frame] = []
    position = 0
    complete = False
    while True:
        frame = frames[-1] if frames else None
        if frame is not None and frame.is_object and frame.key is None and (member := _MEMBER.match(text, position)):
            frame.key = name = decode_string(member[1])[0]
            if member[3] is None:
                is_string = member[2] is not None
                scalar = Scalar(*member.span(2 if is_string else 4), is_string, (frame.path, name), name)
                yield scalar
                if is_string:
                    frame.note(scalar, text)
            if member[5] is not None:
                frame.index += 1
                frame.key = None
            position = member.end()
            continue
        found = _TOKEN.match(text, position)
        if found is None:
            break
        kind = found.lastindex or 0
        sign = found[2]
        if kind == 2 and sign not in "{[":
            if frame is None:
                break
            if sign == ",":
                frame.index += 1
                frame.key = None
            elif sign == ":":
                if frame.key is None:
                    break
            elif (sign == "}") != frame.is_object:
                break
            else:
                frames.pop()
                complete = not frames
                if frame.value is not None and frame.label is not None:
                    yield frame.value._replace(label=frame.label)
        elif complete:
            break
        elif frame is not None and frame.is_object and frame.key is None:
            if kind != 1:
                break
            frame.key = decode_string(found[1][1:-1])[0]
        else:
            path, key = _place(frame)
            flat = _FLAT.match(text, found.start(2)) if sign == "{" and dull is not None else None
            if flat is not None and dull is not None and dull(*flat.span(), key):
                complete = frame is None
                position = flat.end()
                continue
            if kind == 2:
                if len(frames) == _DEEPEST:
                    break
                frames.append(_Frame(sign == "{", path, None if sign == "{" else key))
            else:
                complete = frame is None
            if kind in (1, 4):
                quote = 1 if kind == 1 else 0
                scalar = Scalar(found.start(kind) + quote, found.end(kind) - quote, kind == 1, path, key)
                yield scalar
                if frame is not None and frame.is_object and kind == 1:
                    frame.note(scalar, text)
        position = found.end()
    if not complete or text[position:].strip(" \t\r\n"):
        raise ValueError(f"not JSON at character {position}")


def _place(frame: _Frame | None) -> tuple[Path, str | None]:
    if frame is None:
        return None, None
    if frame.is_object:
        return (frame.path, frame.key or ""), frame.key
    return (frame.path, frame.index), frame.inherited


def pointer(path: Path) -> str:
    """Return the path as a JSON pointer (RFC 6901); the document itself is the empty string."""
    parts: list[str] = []
    while path is not None:
        path, part = path
        parts.append(str(part).replace("~", "~0").replace("/", "~1"))
    return "".join("/" + part for part in reversed(parts))


def decode_string(raw: str) -> tuple[str, list[int] | None]:
    """Return what a JSON string (given without its quotes) says, and for each of its characters where it stood.

    The positions have one entry more than there are characters; None means that nothing was escaped.
    """
    if "\\" not in raw:
        return raw, None
    text: list[str] = []
    places: list[int] = []
    position = 0
    for found in _ESCAPE.finditer(raw):
        text.append(raw[position : found.start()])
        places.extend(range(position, found.start()))
        char = chr(int(found[1], 16)) if found[1] else _SIMPLE.get(found[2], found[2])
        position = found.end()
        if (
            "\udc00" <= char <= "\udfff"
            and text
            and text[-1] == ""
            and len(text) > 1
            and "\ud800" <= text[-2] <= "\udbff"
        ):
            text[-2:] = [chr(0x10000 + (ord(text[-2]) - 0xD800 << 10) + ord(char) - 0xDC00)]
            continue
        text.append(char)
        places.append(found.start())
    text.append(raw[position:])
    places.extend(range(position, len(raw) + 1))
    return "".join(text), places
