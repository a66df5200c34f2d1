"""What looks like a secret in the files of a profile to be, and where it stands.

The recorder has taken out what it knew. What is left came in by hand, in files of the run, or is of a kind that only shows
when somebody looks; a repository keeps it for good. Shapes and names are the recorder's own rules, and a few tokens whose
issuers gave them a spelling by which they can be told. UUIDs, digests and pseudonyms are none.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from assembler.document import lines_of, steps_by_line
from assembler.guessed import GUESSED
from assembler.profile import Profile, Step
from recorder.media import Kind
from recorder.names import Names
from recorder.pseudonyms import PSEUDONYM, Pseudonyms
from recorder.redaction import Redactor

__all__ = ["Leak", "leaks", "named_files"]

_WINDOW, _CONTEXT = 1 << 22, 1 << 15
"""Characters looked at together, and those looked at twice: more than the longest private key."""

_SHAPES = {
    "jwt": "a JSON Web Token",
    "pem": "a private key",
    "bearer": "a bearer token",
    "password": "credentials, a password among them",
    "signature": "the signature of an address",
    "apikey": "a key that a service issued",
    "code": "an authorization code",
}
_ISSUED = {
    "an AWS access key": re.compile(r"(?<![A-Za-z0-9+/])A(?:KIA|SIA)[0-9A-Z]{16}(?![A-Za-z0-9+/])"),
    "a GitHub token": re.compile(r"\b(?:gh[opsur]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})\b"),
    "a GitLab token": re.compile(r"\bglpat-[A-Za-z0-9_-]{20,}"),
    "a Slack token": re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    "a Stripe key": re.compile(r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}\b"),
}
_HINT = re.compile(r"AKIA|ASIA|gh[opsur]_|github_pat_|glpat-|xox[abeoprs]-|[rs]k_(?:live|test)_")
_ASKS_AGAIN = re.compile(r"<input\b[^>]*\btype=[\"']?password", re.IGNORECASE)
_EMPTY = frozenset({"", "true", "false", "null", "undefined"})

Place = tuple[str | int, ...]
"""Keys and indices that lead to a value of the document."""


@dataclass(frozen=True, order=True)
class Leak:
    """Something that looks like a secret: the file (below the profile), the line, the steps it belongs to."""

    file: str
    line: int
    what: str
    steps: str = ""

    @property
    def where(self) -> str:
        """The place, in words."""
        return f"{self.file}, line {self.line}{f' (step {self.steps})' if self.steps else ''}"


def leaks(profile: Profile, files: Mapping[str, Path]) -> Iterator[Leak]:
    """What looks like a secret in `files` (name below the profile → file), the document's first. Raises OSError."""
    used: dict[str, list[str]] = {}
    for step in [*profile.prologue, *profile.steps]:
        for name in named_files(step):
            used.setdefault(name, []).append(step.id)
    for name, path in sorted(files.items(), key=lambda item: (item[0] != "profile.yaml", item[0])):
        if name == "profile.yaml":
            yield from _in_document(name, path, profile, files)
        else:
            for line, what in _in_text(path):
                yield Leak(name, line, what, ", ".join(used.get(name, [])[:3]))


def named_files(step: Step) -> Iterator[str]:
    """Files that a replay of a step will look for."""
    for part in step.multipart or []:
        if part.file is not None:
            yield part.file
    if step.body is not None:
        yield step.body
    if step.expect is not None and step.expect.body is not None:
        yield step.expect.body


def _in_document(name: str, path: Path, profile: Profile, files: Mapping[str, Path]) -> Iterator[Leak]:
    """By shape wherever it stands, remarks included; by name in what is sent."""
    found = dict(_in_text(path))
    named = list(_by_name(profile, files))
    if not found and not named:
        return
    text = path.read_text("utf-8")
    for line, (_, what, _) in zip(lines_of(text, [(place, value) for place, _, value in named]), named, strict=True):
        found.setdefault(line, what)
    steps = steps_by_line(text)
    for line, what in sorted(found.items()):
        yield Leak(name, line, what, next((step for lines, step in steps if line in lines), ""))


def _in_text(path: Path) -> Iterator[tuple[int, str]]:
    """Line and kind of what looks like a secret in a text; nothing in a file that is none."""
    redactor = Redactor(Names(), Pseudonyms(b"leaks"))
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text, line, told = "", 1, set[tuple[int, str]]()
    with path.open("rb") as file:
        while True:
            block = file.read(_WINDOW)
            if b"\0" in block:
                return
            text += decoder.decode(block, not block)
            end = len(text) - _CONTEXT if block else len(text)
            for start, what in _shapes(text, redactor):
                place = (line + text.count("\n", 0, start), what)
                if place not in told:
                    told.add(place)
                    yield place
            if not block:
                return
            line += text.count("\n", 0, max(0, end))
            text = text[max(0, end) :]


def _shapes(text: str, redactor: Redactor) -> Iterator[tuple[int, str]]:
    for mark in sorted(redactor.by_shape(text)):
        found = text[mark.start : mark.end]
        kind = mark.pseudonyms[0].split("-")[1]
        named = kind == "apikey" and any(pattern.search(found) for pattern in _ISSUED.values())
        if PSEUDONYM.search(found) is None and (kind != "jwt" or _is_jwt(found)) and not named:
            yield mark.start, _SHAPES[kind]
    if _HINT.search(text):
        for what, pattern in _ISSUED.items():
            yield from ((found.start(), what) for found in pattern.finditer(text))


def _is_jwt(text: str) -> bool:
    """Whether the first part of a token is a JSON object (RFC 7519, 7.2)."""
    head = text.partition(".")[0]
    try:
        return isinstance(json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))), dict)
    except (binascii.Error, ValueError, RecursionError):
        return False


# ---------------------------------------------------------------------------------------------------- by name


def _by_name(profile: Profile, files: Mapping[str, Path]) -> Iterator[tuple[Place, str, str]]:
    """Place, kind and text of what is sent under the name of a secret and stands in the document as it is."""
    redactor = Redactor(Names(), Pseudonyms(b"leaks"))
    for section, number, step, place, what, value in _sent_by_name(profile, redactor):
        said = any(sent == value and redactor.kind(name) is None for _, name, sent in _fields(step))
        if not _is_refused(step, value, files, said=said):
            yield (section, number, *place), what, value


def _is_refused(step: Step, value: str, files: Mapping[str, Path], *, said: bool) -> bool:
    """Whether the value is no secret: it is refused by an answer that says it, or anybody would have guessed it, or it is
    `said` by the request under the name of something else."""
    expect = step.expect
    if expect is None or expect.status is None or expect.body is None or expect.body not in files:
        return False
    answer = files[expect.body].read_text("utf-8", "replace")
    if expect.status >= 400:
        return said or value in GUESSED or json.dumps(value, ensure_ascii=False) in answer
    return (said or value in GUESSED) and step.method not in ("GET", None) and _ASKS_AGAIN.search(answer) is not None


def _sent_by_name(profile: Profile, redactor: Redactor) -> Iterator[tuple[str, int, Step, Place, str, str]]:
    for section, steps in (("prologue", profile.prologue), ("steps", profile.steps)):
        for number, step in enumerate(steps):
            for place, name, value in _fields(step):
                if redactor.kind(name) is not None and _literal(value):
                    yield section, number, step, place, f"the value of {name!r}", value
            texts: list[tuple[str, Kind, str | None]] = [("query", "form", step.query), ("json", "json", step.json_)]
            for key, kind, text in texts:
                for value in _marked(text or "", kind, redactor):
                    yield section, number, step, (key,), "a value under the name of a secret", value


def _marked(text: str, kind: Kind, redactor: Redactor) -> Iterator[str]:
    """What stands under the name of a secret in a query or in JSON."""
    shapes = {(mark.start, mark.end) for mark in redactor.by_shape(text)}
    for mark in redactor.scan(text, kind).marks:
        value = text[mark.start : mark.end]
        if (mark.start, mark.end) not in shapes and _literal(value):
            yield value


def _fields(step: Step) -> Iterator[tuple[Place, str, str]]:
    """Place below the step, name and value of what is sent by name."""
    for name, given in step.headers.items():
        yield from ((("headers", name), name, value) for value in ([given] if isinstance(given, str) else given))
    yield from ((("cookies", name), name, value) for name, value in step.cookies.items())
    yield from ((("form", n, 1), name, value) for n, (name, value) in enumerate(step.form or []))
    for number, part in enumerate(step.multipart or []):
        if part.value is not None:
            yield ("multipart", number, "value"), part.name, part.value


def _literal(value: str) -> bool:
    """Whether a value is sent as it stands there: a place is filled in later, and a pseudonym is no secret."""
    return "{{" not in value and PSEUDONYM.search(value) is None and value.strip().lower() not in _EMPTY
