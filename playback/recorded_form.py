"""A live answer, written as the recording would hold it: with recorded ids, pseudonyms and times in their old places.

What still corresponds to the recorded answer stays as it was recorded, to the letter; only what differs is taken from
the live one, with every live value that stands for a recorded one turned back, and every secret as a pseudonym.
"""

from __future__ import annotations

import difflib
import html
import json
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus

from assembler.profile import Ignore
from assembler.shapes import SECRET, pieces
from playback.answers import Comparer
from playback.bijection import Bijection, Moment
from playback.clocks_back import moved, moved_number
from playback.documents import read_json
from playback.ignoring import applies
from playback.report import Mismatch
from playback.roles import key_role, place_of
from playback.wording import escape, shape
from recorder.media import kind
from recorder.names import Names
from recorder.pseudonyms import Pseudonyms
from recorder.redaction import Redactor

__all__ = ["Differing", "RecordedForm"]


_PATH = re.compile(r"(?<![\w.])(?:https?://[^/\s\"'<>]+)?(?:/[^/\s\"'<>?#,;)\]}]+)+")
_NUMBER = re.compile(r"(?<=/)\d+(?=/|\.[A-Za-z]|$)")
_LONG = 4
"""Digits from which on a number in running text that is known as an id is one; a shorter one may be any count."""
_TRIES = 50


class Differing(Comparer):
    """A comparer that lists every place that differs, however many."""

    def differs(self, where: str, expected: Any, actual: Any, message: str | None = None) -> None:
        where = f"body:{self.within}{where.removeprefix('body:')}" if self.within else where
        if not any(applies(rule, self.step, where) for rule in self.ignore):
            self.mismatches.append(Mismatch(where, expected, actual, message))

    def places(self, media_type: str, recorded: bytes, live: bytes, charset: str = "utf-8") -> set[str]:
        """Where two bodies differ."""
        self.body(media_type, recorded, live, charset)
        self.settle()
        return {mismatch.where for mismatch in self.mismatches}


@dataclass(frozen=True)
class Place:
    """Whose answer it is: the step's id and path, when it came, and which differences are not looked at."""

    step: str
    path: str
    moment: Moment
    ignore: Sequence[Ignore] = ()


class RecordedForm:
    """Turns live texts back, by what one replay has learnt. `recorded` are texts of the profile, for its pseudonyms.

    `hidden` are live values that may not stand anywhere: secrets that were sent, and those that answers gave.
    """

    def __init__(self, bijection: Bijection, recorded: Iterable[str], hidden: Iterable[str]) -> None:
        self.bijection = bijection
        self.pseudonyms = Pseudonyms(secrets.token_bytes(32))
        self.redactor = Redactor(Names(), self.pseudonyms)
        self.notes: list[str] = []
        full = {m[1]: m[0] for text in recorded for m in SECRET.finditer(text)}
        known = {
            live: full.get(hexadecimal, f"secret-known-{hexadecimal}")
            for hexadecimal, live in bijection.bound("secret").items()
        }
        for value in hidden:
            known.setdefault(value, self.pseudonyms.of(value, "known"))
        self._secrets = _replacing(known)
        back = {live: was for role in ("uuid", "opaque", "etag") for was, live in bijection.bound(role).items()}
        back.update((live, was) for was, live in bijection.known.items() if live not in known)
        self._ids: dict[str, set[str]] = {}
        for was, live in bijection.pairs:
            self._ids.setdefault(live, set()).add(was)
        self._names = _replacing({live: was for live, was in back.items() if live != was and len(live) >= 3})

    def begin(self, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Begin another answer, with the secrets that its headers give."""
        self.redactor = Redactor(Names(), self.pseudonyms)
        self.redactor.headers([(name.lower(), value) for name, value in headers])

    # ------------------------------------------------------------------ bodies

    def body(self, place: Place, media_type: str, recorded: bytes | None, live: bytes, charset: str = "utf-8") -> bytes:
        """The new baseline. Raises ValueError when the live answer does not match what would be written."""
        if b"\0" in live[:8192] or (text := _decoded(live, charset)) is None:
            return live
        was = _decoded(recorded or b"", "utf-8")
        tries = [self._merged(place, media_type, was, text)] if was else []
        for content in [*tries, self._whole(place, media_type, text)]:
            found = self.comparer(place).places(media_type, content.encode(), live, charset)
            if not found:
                return content.encode()
        raise ValueError(f"{place.step}: what would be written would differ at {', '.join(sorted(found)[:3])} again")

    def text(self, live: str, moment: Moment, media_type: str = "text/plain") -> str:
        """A live text with recorded values, pseudonyms and times."""
        text = _PATH.sub(lambda m: _NUMBER.sub(lambda n: self._number(n[0]), m[0]), self._names(self._secrets(live)))
        parts = []
        for piece in pieces(text):
            told: str | None = piece.text
            if piece.kind == "clock":
                told = moved(piece.text, moment)
            elif piece.kind == "int" and len(piece.text) >= _LONG:
                told = self._number(piece.text)
            if told is None:
                self.notes.append(f"the time {piece.text!r} stays as it is; a later replay may differ there")
            parts.append(piece.text if told is None else told)
        return self.redactor.render(self.redactor.scan("".join(parts), kind(media_type)))[0]

    def _number(self, live: str) -> str:
        """The recorded number that a live id stands for, where only one can be meant; else itself."""
        known = self._ids.get(live, set())
        return next(iter(known)) if len(known) == 1 else live

    def comparer(self, place: Place) -> Differing:
        """A comparer that knows what the replay has learnt, and keeps what it learns itself to itself."""
        return Differing(self.bijection.copy(), place.moment, place.step, place.ignore, path=place.path)

    def _whole(self, place: Place, media_type: str, live: str) -> str:
        document = read_json(media_type, live)
        if document is None or not _one_document(live):
            return self.text(live, place.moment, media_type)
        return self._rendered(self._back(place, "body:", document.value), live)

    def _merged(self, place: Place, media_type: str, recorded: str, live: str) -> str:
        was, now = read_json(media_type, recorded), read_json(media_type, live)
        if was is not None and now is not None and _one_document(recorded) and _one_document(live):
            places = self.comparer(place).places(media_type, recorded.encode(), live.encode())
            return self._rendered(self._json(place, places, "body:", was.value, now.value), recorded)
        cut = _marked if media_type.endswith(("html", "xml")) or recorded.lstrip()[:1] == "<" else _rows
        return self._aligned(place, media_type, cut(recorded), cut(live))

    # ------------------------------------------------------------------ JSON

    def _json(self, place: Place, places: set[str], where: str, was: Any, now: Any, name: str = "") -> Any:
        """`was` wherever nothing differs, `now` turned back elsewhere."""
        if not any(p == where or p.startswith(where.rstrip("/") + "/") for p in places):
            return was
        if isinstance(was, dict) and isinstance(now, dict):
            gone = [k for k in was if k not in now and f"{where}/{escape(k)}" not in places]
            come = [k for k in now if k not in was and f"{where}/{escape(k)}" not in places]
            renamed: dict[str, str] = dict(zip(come, gone, strict=False))  # keys that are ids correspond in order
            result: dict[str, Any] = {}
            for key, value in now.items():
                old = renamed[key] if key in renamed else str(key)
                spot = f"{where}/{escape(old)}"
                known = old in was
                result[old] = (
                    self._json(place, places, spot, was[old], value, old)
                    if known
                    else self._back(place, spot, value, old)
                )
            return result
        if isinstance(was, list) and isinstance(now, list):
            if len(was) == len(now) and where not in places:
                return [
                    self._json(place, places, f"{where}/{n}", a, b, name)
                    for n, (a, b) in enumerate(zip(was, now, strict=True))
                ]
            return self._items(place, where, was, now, name)
        return self._back(place, where, now, name)

    def _items(self, place: Place, where: str, was: list[Any], now: list[Any], name: str) -> list[Any]:
        """A list that grew or shrank: items that are built alike and agree stay as recorded."""
        before, after = [self._build(v) for v in was], [self._build(v) for v in now]
        items: list[Any] = [None] * len(now)
        kept = set()
        for a, b, size in difflib.SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks():
            for n in range(size):
                comparer = self.comparer(place)
                comparer.json(f"{where}/{a + n}", was[a + n], now[b + n], name)
                comparer.settle()
                if not comparer.mismatches:
                    items[b + n] = was[a + n]
                    kept.add(b + n)
        return [v if n in kept else self._back(place, f"{where}/{n}", now[n], name) for n, v in enumerate(items)]

    def _build(self, value: Any, name: str = "") -> str:
        if isinstance(value, dict):
            return "{" + ",".join(f"{k}:{self._build(v, k)}" for k, v in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ",".join(self._build(v, name) for v in value) + "]"
        return shape(value) if isinstance(value, str) else "#" if self.bijection.is_id(name) else json.dumps(value)

    def _back(self, place: Place, where: str, value: Any, name: str = "") -> Any:
        """A live JSON value, turned back."""
        if isinstance(value, dict):
            return {
                self.text(k, place.moment): self._back(place, f"{where}/{escape(k)}", v, k) for k, v in value.items()
            }
        if isinstance(value, list):
            return [self._back(place, f"{where}/{n}", v, name) for n, v in enumerate(value)]
        if isinstance(value, str):
            return self._id(place, where, value, name) if value.isdigit() else self.text(value, place.moment)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return value
        if isinstance(value, int) and self.bijection.is_id(name):
            return int(self._id(place, where, str(value), name))
        return moved_number(value, place.moment)

    def _id(self, place: Place, where: str, live: str, name: str) -> str:
        """The recorded id that a live one of this role stands for; itself when it is new."""
        bound = self.bijection.bound(f"#{key_role(place_of(place.path), where, name)}")
        return next((was for was, now in bound.items() if now == live), None) or self._number(live)

    def _rendered(self, value: Any, like: str) -> str:
        """JSON in the layout of `like`, its members redacted by their names."""
        indent = re.match(r"\s*[\[{]\r?\n([ \t]+)", like)
        compact = indent is None and re.search(r'":\S|,"', like) is not None
        separators = (",", ":") if compact else (",", ": ") if indent else None
        ascii_only = like.isascii()
        text = json.dumps(value, ensure_ascii=ascii_only, indent=indent[1] if indent else None, separators=separators)
        return self.redactor.render(self.redactor.scan(text, "json"))[0] + ("\n" if like.endswith("\n") else "")

    # ------------------------------------------------------------------ markup and other texts

    def _aligned(self, place: Place, media_type: str, was: Sequence[str], now: Sequence[str]) -> str:
        """The pieces of the recorded text that the live one still has, and the others turned back."""
        learnt = self.bijection.copy()
        back = [self.text(piece, place.moment, media_type) for piece in now]
        before, after = [shape(piece) for piece in was], [shape(piece) for piece in back]
        free, open_ = dict(enumerate(was)), dict(enumerate(now))

        def agrees(a: int, b: int) -> bool:
            state = learnt.copy()
            match = learnt.text(was[a], now[b], place.moment)
            if match.problem is None and all(pair in learnt.pairs for pair in match.owed):
                back[b] = was[a]
                del free[a], open_[b]
                return True
            learnt.restore(state)
            return False

        for a, b, size in difflib.SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks():
            for n in range(size):
                agrees(a + n, b + n)
        for b in list(open_):  # what only changed its place
            alike = [a for a in free if before[a] == after[b] and any(c.isdigit() for c in was[a])]
            any(agrees(a, b) for a in alike[:_TRIES])
        # Once more as a whole: what a secret is called may stand in another piece than the secret.
        return self.redactor.render(self.redactor.scan("".join(back), kind(media_type)))[0]


def _marked(text: str) -> list[str]:
    return re.findall(r"<[^<>]*>|[^<]+|<", text)


def _rows(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _one_document(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _decoded(content: bytes, charset: str) -> str | None:
    try:
        return content.decode(charset)
    except (UnicodeDecodeError, LookupError):
        return None


def _replacing(values: Mapping[str, str]) -> Callable[[str], str]:
    """A function that replaces whole values, in whichever usual escaping they stand, the longest first."""
    spelled: dict[str, str] = {}
    for live, was in values.items():
        for encode in (str, quote_plus, html.escape, lambda v: quote(v, safe=""), lambda v: json.dumps(v)[1:-1]):
            spelled.setdefault(encode(live), encode(was))
    longest = sorted(filter(None, spelled), key=len, reverse=True)
    if not longest:
        return str
    found = re.compile("|".join(rf"(?<![A-Za-z0-9]){re.escape(v)}(?![A-Za-z0-9])" for v in longest))
    return lambda text: found.sub(lambda m: spelled[m[0]], text)
