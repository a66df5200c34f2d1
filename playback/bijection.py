"""Recorded values and live values of one replay, matched one to one.

A recorded UUID, token, origin or counted id within its role maps to exactly one live value of its shape for the whole
replay, in both directions, never to a wildcard. Clocks keep their shape and move with the replay's own clock. What is
none of these must be equal.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from assembler.shapes import (
    SECRET,
    Piece,
    age,
    age_unit,
    clock,
    code_like,
    counted_token,
    id_like,
    packed_number,
    pieces,
)
from playback.addresses import random_parts
from playback.alignment import Expected, aligned
from playback.builds import long_id, one_time, unpadded
from playback.calendars import in_step
from playback.codes import Codes
from playback.known_values import KnownValues
from playback.moments import Moment
from playback.packed_ids import packed_numbers, with_packed
from playback.signatures import payload, signed_again

__all__ = ["Bijection", "Moment", "TextMatch"]

_EARLY = "early"
_TELLING = 4
"""Digits of a number that counts orders or invoices rather than what is on the page."""
_DIGEST_LENGTHS = {32, 40, 56, 64, 96, 128}
_INSTANTS = re.compile(r"^\s?(?:ms|µs|us|ns|msecs?|millis|milliseconds?|microseconds?|nanoseconds?)\b")
_SECONDS = re.compile(r"^\s?(?:s|secs?|seconds?)\b")
_TIMED_BEFORE = re.compile(r"(?:took|elapsed|duration|runtime|latency|time|within|\bin)[^\w]{0,3}$", re.IGNORECASE)


@lru_cache(maxsize=65536)
def _cut(text: str) -> tuple[Piece, ...]:
    return tuple(pieces(text))


@dataclass
class TextMatch:
    """The outcome of comparing two texts: why they differ (None: they do not), and what is still owed.

    `owed` are pairs of numbers that may differ only if both are known to name the same thing by the end of the answer.
    """

    problem: str | None = None
    owed: list[tuple[str, str]] = field(default_factory=list)
    masked: list[str] = field(default_factory=list)
    clocks: list[tuple[float, float]] = field(default_factory=list)


class Bijection:
    """What is known so far of how recorded values correspond to live ones."""

    def __init__(self, digests: Callable[[], Iterable[str]] = tuple) -> None:
        self._forward: dict[tuple[str, str], str] = {}
        self._backward: dict[tuple[str, str], str] = {}
        self._numbers: dict[str, list[tuple[int, int]]] = {}
        self.ordered = True  # False: requests go at once, and which of them counts first is open
        self.pairs: set[tuple[str, str]] = set()
        self.known = KnownValues()
        self.broken: tuple[str, str] | None = None
        """A number that an answer showed, and the id that another gives in its place."""
        self._own: set[str] = set()
        self._token_roles: set[str] = set()
        """Places where a value built like a digest was taken from an answer and differed."""
        self._id_names: set[str] = set()
        self._codes = Codes()
        self._coming: set[str] = set()
        self._digests = digests

    # ------------------------------------------------------------------ learning

    def know(self, recorded: str, live: str, name: str = "") -> None:
        """From now on `recorded` (a run id, an origin, an extracted value) reads `live`.

        `name` is the key or field it was taken from: where a number that was sent back stood, ids stand.
        """
        if recorded.isdigit() and live.isdigit():
            early = self._forward.get((_EARLY, recorded), live) if recorded in self._coming else live
            if early != live:
                self.broken = (early, live)
            self._coming.discard(recorded)
            self.pairs.add((recorded, live))
            self._id_names.add(name)
        if recorded.isdigit():
            return
        if SECRET.fullmatch(recorded):
            self._forward.setdefault(("secret", recorded[-32:]), live)
            return
        if (signed := payload(recorded)) and (anew := payload(live)):
            # A page may show it signed anew, a second later.
            self.bind("payload", signed, anew)
            return
        if (was := counted_token(recorded)) and (now := counted_token(live)):
            self.pairs.add((was[1], now[1]))
        if ":" in recorded and "." not in recorded and clock(recorded) is not None:
            return  # Of two things that had one second in the recording, each has its own now.
        if len(recorded) >= 3:
            self._codes.learn(recorded, live)
            self.known[recorded] = live
            for before, after in random_parts(recorded, live) if "/" in recorded else ():
                if before not in self._digests():
                    self.known.setdefault(before, after)

    def expect_codes(self, values: Iterable[str]) -> None:
        """Values that this replay takes from answers, or that the recorded server is known to have made: short codes among
        them tell how the server builds its codes."""
        self._codes.expect(values)

    def expect_numbers(self, values: Iterable[str]) -> None:
        """Counted ids that later answers will be asked for; see `foretold`."""
        self._coming.update(value for value in values if value.isdigit() and len(value) >= _TELLING)

    def foretold(self, recorded: str, live: str) -> bool:
        """True for a number that an answer shows before the one that it is taken from (`your order: 100002`), if it is an id
        of which nothing is known yet. That answer must then say the same, or `broken` says otherwise."""
        return recorded in self._coming and self.bind(_EARLY, recorded, live) is None

    def own(self, values: Iterable[str]) -> None:
        """Values the client itself sent: they must come back as they are."""
        for value in values:
            for piece in _cut(value):
                if piece.kind in ("uuid", "opaque"):
                    self._own.add(piece.text)
            self._own.update(word for word in re.findall(r"[A-Za-z0-9]+", value) if code_like(word))

    def is_id(self, name: str) -> bool:
        """True when whole numbers under `name` are ids: it says so, or one of them was sent back as one."""
        return bool(name) and (id_like(name) or name in self._id_names)

    def bind(self, role: str, recorded: str, live: str) -> str | None:
        """Bind a pair for the rest of the replay; the reason when it contradicts an earlier one."""
        bound = self._forward.setdefault((role, recorded), live)
        if bound != live:
            return f"{_short(recorded)} was {_short(bound)} before and is {_short(live)} now"
        back = self._backward.setdefault((role, live), recorded)
        if back != recorded:
            return f"{_short(live)} already stands for {_short(back)}, so it cannot be {_short(recorded)} too"
        return None

    def bind_number(self, role: str, recorded: str, live: str) -> str | None:
        """Bind a counted id in its role: one to one, and in the same order, for counters only grow."""
        if problem := self.bind(f"#{role}", recorded, live):
            return problem
        was, now = int(recorded), int(live)
        known = self._numbers.setdefault(role, [])  # in order: those beside a new pair tell
        place = bisect_left(known, (was, now))
        for other_was, other_now in known[max(0, place - 1) : place + 1] if self.ordered else []:
            if (was < other_was) != (now < other_now) and was != other_was:
                return f"{recorded} and {other_was} became {live} and {other_now}: their order changed"
        if known[place : place + 1] != [(was, now)]:
            known.insert(place, (was, now))
        self.pairs.add((recorded, live))
        return None

    def validator(self, recorded: str, live: str) -> str | None:
        """Bind two entity tags, however they are built (RFC 9110, 8.8.3); the reason when they cannot correspond.

        A tag that is the digest of what was uploaded must stay; others may hold inodes and times, and are bound whole.
        """
        before, was = _opaque_tag(recorded)
        after, now = _opaque_tag(live)
        if before != after or not was or not now or was in self._digests():
            return "differs"
        return self.bind("etag", was, now)

    def signature(self, recorded: str, live: str, moment: str) -> str | None:
        """Bind two signatures of addresses that are good until `moment` (or since, in the replay), where they are of one build.

        Two addresses that were made in one second of the recording may be a second apart now, and be signed differently.
        """
        if SECRET.fullmatch(recorded):
            self._forward.setdefault(("secret", recorded[-32:]), live)
        elif recorded in self._digests() or aligned([(Piece("opaque", recorded), None)], live) is None:
            return None if recorded == live else "differs"
        return self.bind(f"signed {moment}", recorded, live)

    def forget_secrets(self) -> None:
        """What comes from now on is what the secrets of the recording stand for: a session began anew."""
        self._forward = {key: live for key, live in self._forward.items() if key[0] != "secret"}
        self._backward = {key: was for key, was in self._backward.items() if key[0] != "secret"}

    def secrets(self) -> list[str]:
        """Live values of everything that was recorded as a secret."""
        return [live for (role, _), live in self._forward.items() if role == "secret"]

    def bound(self, role: str) -> dict[str, str]:
        """Recorded to live, for everything that is bound in `role`: `uuid`, `opaque`, `etag`, `secret` (by its hex), or
        `#` and the role of a counted id."""
        return {recorded: live for (name, recorded), live in self._forward.items() if name == role}

    def copy(self) -> Bijection:
        """What is known now, to come back to with `restore`."""
        other = Bijection(self._digests)
        other.restore(self)
        return other

    def restore(self, other: Bijection) -> None:
        """Know what `other` knows, and nothing else."""
        self._forward, self._backward = dict(other._forward), dict(other._backward)
        self._numbers = {role: list(pairs) for role, pairs in other._numbers.items()}
        self.pairs, self.known, self._own = set(other.pairs), other.known.copy(), set(other._own)
        self._id_names, self._codes = set(other._id_names), other._codes.copy()
        self._coming, self.broken = set(other._coming), other.broken

    # ------------------------------------------------------------------ comparing

    def text(self, recorded: str, live: str, moment: Moment, role: str = "") -> TextMatch:
        """Compare two texts, learning from what corresponds. `role` says where they stand, when that has a name."""
        best = self._text(recorded, live, moment, role)
        if best.problem is None and not best.owed:
            return best
        # Only what differs so far is read in other ways: with the codes of the server, as a part of a date.
        later = in_step(recorded, live, moment)
        for was, codes in ((recorded, True), (later, False), (later, True)):
            if (codes and self._codes) or (was is later and later != recorded):
                other = self._text(was, live, moment, role, codes=codes)
                if other.problem is None and (best.problem is not None or len(other.owed) < len(best.owed)):
                    best = other
        return best

    def _text(self, recorded: str, live: str, moment: Moment, role: str, *, codes: bool = False) -> TextMatch:
        if recorded == live and len(recorded) < 6 and recorded not in self.known:
            return TextMatch()
        if SECRET.fullmatch(recorded) and live:
            # A secret that is the whole of a value may be built of anything, a quoted text among it.
            whole = TextMatch()
            self._judge(Piece("secret", recorded), live, "", "", moment, whole)
            return whole
        for packed, other in packed_numbers(recorded, live):
            if problem := self.bind_number("packed", packed_number(packed) or "", packed_number(other) or ""):
                return TextMatch(problem)
            recorded = with_packed(recorded, packed, other)
        expected = self._pieces(recorded, codes=codes)
        if recorded == live:
            return TextMatch(self._unchanged(expected))
        matched = aligned(expected, live)
        if matched is None:
            return self._by_words(recorded, live) or TextMatch("differs")
        result = TextMatch()
        groups = iter(matched)
        before = ""
        for index, (piece, now) in enumerate(expected):
            if piece.kind == "text" or now is not None:
                if now not in (None, piece.text) and _digest_shaped(piece.text):
                    self._token_roles.add(role)
                before = piece.text
                continue
            found = next(groups)
            after = expected[index + 1][0].text if index + 1 < len(expected) else ""
            if piece.kind == "opaque" and ((role and role in self._token_roles) or _signs(expected, index)):
                result.problem = self.bind(piece.kind, piece.text, found)
            else:
                self._judge(piece, found, before, after, moment, result)
            before = piece.text
            if result.problem:
                return result
        return result

    def _by_words(self, recorded: str, live: str) -> TextMatch | None:
        """Two texts that differ in numbers and in short codes only, of a build that the server is known to make."""
        before, after = (re.split(r"([^A-Za-z0-9]+)", text) for text in (recorded, live))
        if len(before) != len(after) or not self._codes:
            return None
        result = TextMatch()
        for was, now in zip(before, after, strict=True):
            if was == now:
                continue
            if was.isdigit() and now.isdigit():
                result.owed.append(unpadded(was, now))
            elif was not in self._own and self._codes.alike(was, now):
                result.problem = result.problem or self.bind("code", was, now)
            else:
                return None
        return result

    def _unchanged(self, expected: Expected) -> str | None:
        """Equal texts agree, unless a value in them should have changed with the replay."""
        for piece, now in expected:
            if now is not None and now != piece.text:
                return f"still {_short(piece.text)}, which is a value of the recording"
            if piece.kind in ("uuid", "opaque") and (problem := self._bind_piece(piece, piece.text)):
                return problem
        return None

    def _judge(self, piece: Piece, live: str, before: str, after: str, moment: Moment, result: TextMatch) -> None:
        recorded = piece.text
        if piece.kind in ("int", "number"):
            if _same_number(recorded, live):
                return
            # Milliseconds are measured; seconds are when the words before them say so.
            if _INSTANTS.match(after) or (_SECONDS.match(after) and _TIMED_BEFORE.search(before)):
                result.masked.append("duration")
            elif piece.kind == "int" and one_time(before, recorded, live):
                result.problem = self.bind("code", recorded, live)
            elif piece.kind == "int" and long_id(recorded, live):
                result.problem = self.bind_number("long", recorded, live)
            elif piece.kind == "int":
                result.owed.append(unpadded(recorded, live))
            else:
                result.problem = "differs"
        elif piece.kind == "clock":
            self._judge_clock(recorded, live, moment, result)
        elif piece.kind == "ago":
            self._judge_age(recorded, live, moment, result)
        elif piece.kind == "secret":
            known = self._forward.get(("secret", recorded[-32:]))
            if known is None:
                self._forward[("secret", recorded[-32:])] = live
                result.masked.append("secret")
            elif known != live and not signed_again(known, live):
                result.problem = "is another secret than the one it was before"
            else:
                self._forward[("secret", recorded[-32:])] = live
        elif piece.kind == "code" and recorded != live:
            alike = recorded not in self._own and self._codes.alike(recorded, live)
            result.problem = self.bind("code", recorded, live) if alike else "differs"
        elif recorded in self._own and recorded != live:
            result.problem = "the client sent this value and got another one back"
        elif piece.kind == "opaque" and recorded != live and self._is_digest(recorded):
            result.problem = "differs (a digest: the content behind it changed)"
        else:
            result.problem = self._bind_piece(piece, live)

    def _bind_piece(self, piece: Piece, live: str) -> str | None:
        """Bind an id made at random; one that holds a number (`Book:7` in base64) as a counted id of its kind."""
        if (signed := payload(piece.text)) and (anew := payload(live)):
            return self.bind("payload", signed, anew)
        was, now = counted_token(piece.text), counted_token(live)
        if was is None:
            return self.bind(piece.kind, piece.text, live)
        if now is None or was[0] != now[0]:
            return "differs"
        return self.bind_number(f"token:{was[0]}", was[1], now[1])

    def _judge_clock(self, recorded: str, live: str, moment: Moment, result: TextMatch) -> None:
        was, now = clock(recorded), clock(live)
        if recorded == live:
            return
        if was is None or now is None:
            result.problem = "differs"
        elif not moment.fits(was, now):
            result.problem = "is a time that did not move with the clock"
        elif not was.daily:
            result.clocks.append((was.seconds, now.seconds))

    def _judge_age(self, recorded: str, live: str, moment: Moment, result: TextMatch) -> None:
        """How long ago something was may differ by as much as the two runs may differ in pace."""
        was, now = age(recorded), age(live)
        if was is None or now is None or not (abs(was - now) <= moment.slack or _aged(recorded, live, moment)):
            result.problem = "differs"
        elif recorded != live:
            result.masked.append("age")

    def _is_digest(self, token: str) -> bool:
        """A value computed from content stays the same when the content does; a random id does not."""
        return token in self._digests() or _digest_shaped(token)

    def _pieces(self, recorded: str, *, codes: bool) -> Expected:
        """The recorded text cut up; a known value with its live counterpart, others with None."""
        cut = (lambda text: list(self._codes.cut(_cut(text)))) if codes else _cut
        if not self.known:
            return [(p, None) for p in cut(recorded)]
        result: Expected = []
        end = 0
        for start, behind in self.known.places(recorded):
            name = recorded[start:behind]
            result.extend((p, None) for p in cut(recorded[end:start]))
            result.append((Piece("text", name), self.known[name]))
            end = behind
        result.extend((p, None) for p in cut(recorded[end:]))
        return result

    def number(self, name: str, recorded: str, live: str) -> str | None:
        """Two different whole numbers under `name`: bound when the name says id, else a reason."""
        return self.bind_number(name, recorded, live) if id_like(name) else "differs"


def _aged(recorded: str, live: str, moment: Moment) -> bool:
    """True for what was there long before either run, and is older now by the time between them."""
    was, now, passed = age(recorded) or 0.0, age(live) or 0.0, moment.live - moment.recorded
    least, most = passed - age_unit(live) - moment.slack, passed + age_unit(recorded) + moment.slack
    return was > moment.slack and least <= now - was <= most


def _signs(expected: Expected, index: int) -> bool:
    """True for what stands behind a random value, joined to it: `rJUizcjsVFnaZGUKiNAPMyqt~242d9f3d…` signs that value."""
    if index < 2 or expected[index - 1][0].text not in ("~", ".", ":", "|", "!", "--"):
        return False
    signed = expected[index - 2][0]
    return signed.kind in ("opaque", "uuid") and not _digest_shaped(signed.text)


def _digest_shaped(token: str) -> bool:
    core = token.lower()
    if not re.fullmatch(r"[0-9a-f]+", core) or len(core) not in _DIGEST_LENGTHS:
        return False
    random_uuid = len(core) == 32 and core[12] in "147" and core[16] in "89ab"
    return not random_uuid


def _opaque_tag(text: str) -> tuple[str, str]:
    """An entity tag cut into what is around its value (`W/"…"`) and the value."""
    match = re.fullmatch(r'((?:W/)?"?)([^"]*)("?)', text.strip())
    return (match[1] + match[3], match[2]) if match else ("", text)


def _same_number(recorded: str, live: str) -> bool:
    return recorded == live or (
        "." in recorded + live and float(recorded) == float(live) and len(recorded) == len(live)
    )


def _short(text: str | None) -> str:
    text = text or ""
    return repr(text if len(text) <= 60 else f"{text[:40]}…{text[-12:]}")
