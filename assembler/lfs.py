"""Does Git LFS keep a file? As gitattributes(5) says it, without asking git, which need not be there.

What counts is the attribute `filter` of a path: the last line that mentions it, in the attributes files from the root
of the work tree down to the file's folder and then in the repository's own `info/attributes`.
"""

from __future__ import annotations

import codecs
import functools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

__all__ = ["NOT_FETCHED", "is_pointer", "tracks"]

_POINTER = b"version https://git-lfs.github.com/spec/v1\n"
_LARGEST_POINTER = 1024  # bytes, as the pointer's specification has it
NOT_FETCHED = "is only Git LFS's pointer to its content; run `git lfs pull`"

_LINE = re.compile(r'[ \t]*(?P<pattern>"(?:[^"\\]|\\.)*"|[^"#\s]\S*)[ \t]+(?P<attributes>\S.*)')
_MACRO = "[attr]"
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_CLASSES = {
    "alnum": "A-Za-z0-9", "alpha": "A-Za-z", "blank": " \\t", "cntrl": "\\x00-\\x1f\\x7f", "digit": "0-9", "graph": "!-~",
    "lower": "a-z", "print": " -~", "punct": "!-/:-@\\[-`{-~", "space": "\\s", "upper": "A-Z", "xdigit": "0-9A-Fa-f",
}  # fmt: skip


def is_pointer(path: Path) -> bool:
    """Whether a file holds no content of its own, but says where Git LFS has it; not so of one that cannot be read."""
    try:
        if path.stat().st_size > _LARGEST_POINTER:
            return False
        with path.open("rb") as file:
            return file.read(len(_POINTER)) == _POINTER
    except OSError:
        return False


def tracks(path: Path, data_root: Path) -> bool:
    """Whether the attributes of `path`, which need not exist, send it through Git LFS.

    Where there is no work tree around it, the attributes files count from the data root on.
    """
    path = path.resolve()
    root = next((folder for folder in path.parents if (folder / ".git").exists()), data_root.resolve())
    inner = path.relative_to(root)
    sources = [root, *(root / folder for folder in reversed(inner.parents[:-1]))]
    files = [(folder / ".gitattributes", path.relative_to(folder).as_posix()) for folder in sources]
    files.append((_repository(root) / "info" / "attributes", inner.as_posix()))
    # Git compares bytes; as Latin-1 each of them is a character.
    named = [(file, os.fsencode(name).decode("latin-1")) for file, name in files]
    lines = [(pattern, attributes, name) for file, name in named for pattern, attributes in _lines(file)]
    macros = {pattern.removeprefix(_MACRO): given for pattern, given, _ in lines if pattern.startswith(_MACRO)}
    decided: dict[str, str] = {}
    for pattern, attributes, name in reversed(lines):
        if _matches(pattern, name):
            _decide(attributes, macros, decided)
    return decided.get("filter") == "lfs"


def _repository(root: Path) -> Path:
    """The folder of what all work trees of a repository share; `.git` is a file in the others, and in submodules."""
    own = root / ".git"
    if not own.is_file():
        return own
    own = root / own.read_text("utf-8", "replace").partition("gitdir:")[2].strip()
    common = own / "commondir"
    return own / common.read_text("utf-8", "replace").strip() if common.is_file() else own


def _lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Pattern and attributes of each line; none where there is no such file."""
    try:
        text = path.read_bytes().removeprefix(codecs.BOM_UTF8).decode("latin-1")
    except OSError:
        return
    for line in text.split("\n"):
        if found := _LINE.match(line):
            pattern = found["pattern"]
            if pattern.startswith('"'):
                pattern = re.sub(r"\\([0-7]{3}|.)", _unescaped, pattern[1:-1])
            yield pattern, found["attributes"].split()


def _unescaped(found: re.Match[str]) -> str:
    code = found[1]
    return chr(int(code, 8)) if len(code) == 3 else _ESCAPES.get(code, code)


def _decide(attributes: Sequence[str], macros: Mapping[str, Sequence[str]], decided: dict[str, str]) -> None:
    """Add what these attributes say of what no later line has decided. A macro that is set says what it stands for."""
    for attribute in reversed(attributes):
        name, equals, value = attribute.partition("=")
        bare = name.lstrip("-!")
        if bare not in decided:
            decided[bare] = value
            if name == bare and not equals and name in macros:
                _decide(macros[name], macros, decided)


def _matches(pattern: str, name: str) -> bool:
    """Whether a pattern matches a file's path, both from the folder of the attributes file."""
    if pattern.startswith("!") or pattern.endswith("/"):  # negative ones are forbidden, and no file is a folder
        return False
    if "/" not in pattern:
        found, name = _compiled(pattern), PurePosixPath(name).name
    else:  # what is literal in front is compared first, so that `**` behind it stands at a beginning
        pattern = pattern.removeprefix("/")
        prefix = re.match(r"[^*?\[\\]*", pattern)
        literal = prefix[0] if prefix else ""
        found = _compiled(pattern.removeprefix(literal)) if name.startswith(literal) else None
        name = name.removeprefix(literal)
    return found is not None and found.fullmatch(name) is not None


@functools.lru_cache(1024)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """A pattern of git's `wildmatch` as a regular expression; None for one that matches nothing."""
    out: list[str] = []
    at = 0
    while at < len(pattern):
        sign, rest = pattern[at], pattern[at:]
        if sign == "*":
            after = rest.lstrip("*")
            stars = len(rest) - len(after)
            whole = stars > 1 and (at == 0 or pattern[at - 1] == "/")
            at += stars
            if whole and after.startswith("/"):
                out.append("(?:.*/)?")
                at += 1
            else:
                out.append(".*" if whole and not after else "[^/]*")
        elif sign == "?":
            out.append("[^/]")
            at += 1
        elif sign == "[":
            found = _bracket(rest)
            if found is None:
                return None
            out.append(found[0])
            at += found[1]
        elif sign == "\\" and len(rest) > 1:
            out.append(re.escape(rest[1]))
            at += 2
        else:
            out.append(re.escape(sign))
            at += 1
    return re.compile("".join(out), re.DOTALL | re.ASCII)


def _one(text: str, at: int) -> tuple[str, int]:
    """The character of a bracket expression at `at`, and where the next begins; a backslash takes its meaning."""
    at += text[at] == "\\"
    return text[at : at + 1], at + 1


def _bracket(text: str) -> tuple[str, int] | None:
    """A bracket expression at the beginning of `text`, and its length; None where it does not end."""
    at, negative = 1, text[1:2] in ("!", "^")
    at += negative
    out: list[str] = []
    first = at
    while at < len(text) and (text[at] != "]" or at == first):
        if text.startswith("[:", at) and (end := text.find(":]", at)) > 0:
            if text[at + 2 : end] not in _CLASSES:
                return None
            out.append(_CLASSES[text[at + 2 : end]])
            at = end + 2
            continue
        low, at = _one(text, at)
        high = low
        if text[at : at + 1] == "-" and text[at + 1 : at + 2] not in ("", "]"):
            high, at = _one(text, at + 1)
        if low <= high:  # a range that runs backwards holds nothing
            out.append(f"{re.escape(low)}-{re.escape(high)}" if low != high else re.escape(low))
    if at >= len(text):
        return None
    if not out:
        return "(?!/)." if negative else "(?!)", at + 1
    return f"(?!/)[{'^' if negative else ''}{''.join(out)}]", at + 1
