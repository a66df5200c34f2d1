"""Compare a live answer with the recorded one: status, media type, redirect, cookies, body.

JSON by value; HTML by visible text, forms and links; other text line by line, all with mapped values (`Bijection`);
everything else byte for byte.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from assembler.correlation import canonical
from assembler.nouns import id_name
from assembler.profile import Ignore
from assembler.shapes import clock, clock_of_parts, id_like, measured, pieces, validator_name
from playback.addresses import is_address, is_signature, query_pairs, signed_at
from playback.bijection import Bijection, Moment
from playback.builds import long_id
from playback.calendars import calendar_number
from playback.documents import read_json
from playback.elements import Element, is_xml, read_elements
from playback.ignoring import applies
from playback.keys import paired
from playback.markup import read_page
from playback.own_marks import KEY, is_mark, without_mark
from playback.page_answers import compare_pages, label
from playback.report import Masked, Mismatch
from playback.roles import key_role, place_of, segment_ids
from playback.unordered import matched, matched_text
from playback.unpacking import compare_encoded, compare_parts
from playback.wording import by_shape, clip, clipped, escape, fingerprint, list_change, numeric, shape

__all__ = ["Comparer", "Difference"]

_LIMIT = 50
"""Mismatches listed for one answer; more would not help anybody."""

_LARGE = 1 << 20
"""Bytes from which on equal bodies are not searched for values that should have changed with the replay."""


@dataclass
class Difference:
    """A pair of numbers that must name the same thing before the answer is done, and where it stands."""

    where: str
    recorded: Any
    live: Any
    pairs: list[tuple[str, str]]


@dataclass
class Comparer:
    """Compares the parts of one answer. `mismatches` and `masked` grow as it goes; call `settle()` at the end."""

    bijection: Bijection
    moment: Moment
    step: str
    ignore: Sequence[Ignore] = ()
    masked: Masked = field(default_factory=Masked)
    mismatches: list[Mismatch] = field(default_factory=list)
    path: str = ""
    """The path that was asked for, as the profile has it: what a bare `id` in the answer counts."""
    created: bool = False
    """True for the answer to a request that made something: when it is a number alone, that is the id of what was made."""
    within: str = ""
    """The member of an archive that is compared, before each place in it."""
    _owed: list[Difference] = field(default_factory=list)
    _clocks: list[tuple[float, float, str]] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)

    # ------------------------------------------------------------------ entry points

    def value(self, where: str, expected: Any, actual: Any, message: str | None = None) -> None:
        """Two plain values that must be equal."""
        self.masked.compared += 1
        if expected != actual:
            self.differs(where, expected, actual, message)

    def body(self, media_type: str, recorded: bytes, live: bytes, charset: str = "utf-8") -> None:
        """Two bodies of one media type."""
        if recorded != live and compare_parts(self, recorded, live):
            return
        expected, actual = _decoded(recorded), _decoded(live, charset)
        if expected is None or actual is None or (recorded == live and len(live) > _LARGE):
            self.masked.compared += 1
            if recorded != live:
                self.differs("body", fingerprint(recorded), fingerprint(live), "the bytes differ")
            return
        self.text_body(media_type, canonical(expected), actual)

    def text_body(self, media_type: str, recorded: str, live: str) -> None:
        """Two textual bodies; what they are is told from the media type and from what the recorded one holds."""
        if (expected := read_json(media_type, recorded)) is not None:
            if (actual := read_json(media_type, live)) is None:
                self.differs("body", clip(recorded), clip(live), "the answer is no longer JSON")
            else:
                self.json("body:", expected.value, actual.value)
        elif media_type in ("text/html", "application/xhtml+xml") or recorded.lstrip()[:15].lower().startswith(
            ("<!doctype html", "<html")
        ):
            compare_pages(self, read_page(recorded), read_page(live))
        elif is_xml(media_type, recorded) and (elements := read_elements(recorded)) is not None:
            self._document(elements, read_elements(live), live)
        else:
            self.lines("body", recorded.splitlines(), live.splitlines(), "line")

    def location(self, recorded: str, live: str | None) -> None:
        """The target of a redirect."""
        if live is None:
            self.value("header:location", recorded, live)
        else:
            self.url("header:location", canonical(recorded), live)

    def names(self, where: str, recorded: Sequence[str], live: Sequence[str]) -> None:
        """Two sets of names. An id inside one (`seen_17`) is bound under the rest of the name."""
        if len(recorded) != len(live):
            self.value(where, sorted(recorded), sorted(live))
            return
        for was, now in zip(sorted(recorded, key=by_shape), sorted(live, key=by_shape), strict=True):
            self.one_name(where, was, now, where)

    def one_name(self, where: str, recorded: str, live: str, role: str) -> None:
        """Two names; the same for one alone."""
        build = shape(recorded)
        before, after = re.findall(r"\d+", recorded), re.findall(r"\d+", live)
        if build == shape(live) and build.count("<int>") == len(before) == len(after) == 1:
            self.masked.compared += 1
            if problem := self.bijection.bind_number(f"name:{role}:{build}", before[0], after[0]):
                self.differs(where, recorded, live, problem)
        else:
            self.text(where, recorded, live)

    def settle(self) -> None:
        """Judge what was owed: numbers that differ must by now be known as the same id, clocks must keep their order."""
        for difference in self._owed:
            if not all(pair in self.bijection.pairs or self.bijection.foretold(*pair) for pair in difference.pairs):
                self.differs(difference.where, difference.recorded, difference.live)
        self._owed.clear()
        if self.bijection.broken is not None:
            self.differs("body", *self.bijection.broken, "another number than an earlier answer showed")
            self.bijection.broken = None
        ordered = sorted(self._clocks)
        for (was, now, _), (later_was, later_now, where) in itertools.pairwise(ordered):
            if later_was - was > 1.0 and now - later_now > 1.0:
                self.differs(
                    where, "a later time than another one here", "an earlier one", "the order of two times changed"
                )
                break
        self._clocks.clear()
        label(self.mismatches, self.shown)

    # ------------------------------------------------------------------ JSON

    def json(self, where: str, recorded: Any, live: Any, name: str = "") -> None:
        """Two JSON values, by value. `name` is the key they stand under."""
        if isinstance(recorded, dict) and isinstance(live, dict):
            self._object(where, recorded, live)
        elif isinstance(recorded, list) and isinstance(live, list):
            was, now = clock_of_parts(recorded), clock_of_parts(live)
            if was is not None and now is not None:
                self.masked.compared += 1
                if not self.moment.fits(was, now):
                    self.differs(where, recorded, live, "a time that did not move with the clock")
                return
            if len(recorded) != len(live):
                self.masked.compared += 1
                self.differs(where, f"{len(recorded)} items", f"{len(live)} items", list_change(recorded, live))
                return
            for index, (expected, actual) in enumerate(zip(recorded, matched(where, recorded, live), strict=True)):
                self.json(f"{where}/{index}", expected, actual, name)
        elif isinstance(recorded, str) and isinstance(live, str):
            if is_address(recorded):
                self.url(where, recorded, live)
            elif not compare_encoded(self, where, recorded, live):
                self.text(where, recorded, live, name)
        elif _number(recorded) and _number(live):
            self._number(where, recorded, live, name)
        else:
            self.value(where, recorded, live)

    def _object(self, where: str, recorded: dict[str, Any], live: dict[str, Any]) -> None:
        if is_mark(recorded.get(KEY)) or is_mark(live.get(KEY)):
            recorded, live = ({k: v for k, v in one.items() if k != KEY} for one in (recorded, live))
        if "jsonrpc" in recorded:  # Its `id` is the client's own.
            self.value(f"{where}/id", recorded.get("id"), live.get("id"))
            recorded, live = ({k: v for k, v in one.items() if k != "id"} for one in (recorded, live))
        missing = [k for k in recorded if k not in live]
        extra = [k for k in live if k not in recorded]
        renamed: dict[str, str] = {}
        if missing and len(missing) == len(extra):
            for was, now in paired(recorded, live, missing, extra, self.bijection.known):
                if was.isdigit() and now.isdigit():
                    if self.bijection.bind_number(f"key:{where}", was, now) is None:
                        renamed[was] = now
                else:
                    match = self.bijection.text(was, now, self.moment)
                    if match.problem is None and not match.owed:
                        renamed[was] = now
        for key in missing:
            if key not in renamed:
                self.masked.compared += 1
                self.differs(f"{where}/{escape(key)}", recorded[key], None, "missing")
        for key in extra:
            if key not in renamed.values():
                self.masked.compared += 1
                self.differs(f"{where}/{escape(key)}", None, live[key], "was not there when recorded")
        # Ids first: they say which numbers elsewhere may differ.
        for key in sorted(recorded, key=lambda k: not self.bijection.is_id(k)):
            now = renamed.get(key, key)
            if now in live:
                self.json(f"{where}/{escape(key)}", recorded[key], live[now], key)

    # ------------------------------------------------------------------ XML

    def _document(self, recorded: Sequence[Element], live: Sequence[Element] | None, source: str) -> None:
        """Two XML documents: the same elements in the same order, their attributes and texts with mapped values."""
        if live is None:
            self.differs("body", str(recorded[0]), clip(source), "the answer is no longer well-formed XML")
        elif [e.tag for e in recorded] != [e.tag for e in live]:
            self.masked.compared += 1
            self._changed("body", [str(e) for e in recorded], [str(e) for e in live], "element")
        else:
            # Ids first: they say which numbers elsewhere may differ.
            for was, now in sorted(
                zip(recorded, live, strict=True), key=lambda pair: not self.bijection.is_id(pair[0].name)
            ):
                self._object(f"body:{was.where}/@", was.attributes, now.attributes)
                if was.text or now.text:
                    self.json(f"body:{was.where}", was.text, now.text, was.name)

    def _number(self, where: str, recorded: int | float, live: int | float, name: str) -> None:
        self.masked.compared += 1
        alone = self.created and where == "body:"
        if isinstance(recorded, int) and isinstance(live, int) and (alone or self._is_id(name, str(recorded))):
            role = f"made:{place_of(self.path)}" if alone else self._role(where, name)
            if problem := self.bijection.bind_number(role, str(recorded), str(live)):
                self.differs(where, recorded, live, problem)
        elif recorded == live:
            return
        elif reason := measured(name, recorded, live):
            self._mask(reason)
        elif (was := clock(repr(recorded))) and (now := clock(repr(live))) and abs(recorded) >= 1e9:
            if not self.moment.fits(was, now):
                self.differs(where, recorded, live, "a time that did not move with the clock")
        elif isinstance(recorded, int) and isinstance(live, int) and long_id(str(recorded), str(live)):
            if problem := self.bijection.bind_number("long", str(recorded), str(live)):
                self.differs(where, recorded, live, problem)
        elif isinstance(recorded, int) and isinstance(live, int) and calendar_number(name, recorded, live, self.moment):
            return
        elif isinstance(recorded, int) and isinstance(live, int):
            self._owe(where, recorded, live, [(str(recorded), str(live))])
        else:
            self.differs(where, recorded, live)

    # ------------------------------------------------------------------ texts

    def text(self, where: str, recorded: str, live: str, name: str = "", role: str = "") -> bool:
        """Two texts with mapped values. `role` says what an id counts here, where its `name` does not.
        Returns True when they correspond so far."""
        self.masked.compared += 1
        recorded, live = without_mark(recorded), without_mark(live)
        live = matched_text(name, recorded, live)
        if name and recorded.isdigit() and live.isdigit() and self._is_id(name, recorded):
            if problem := self.bijection.bind_number(role or self._role(where, name), recorded, live):
                self.differs(where, recorded, live, problem)
                return False
            return True
        if name and recorded != live:
            if numeric(recorded) and numeric(live) and (reason := measured(name, float(recorded), float(live))):
                self._mask(reason)
                return True
            if validator_name(name):
                if problem := self.bijection.validator(recorded, live):
                    self.differs(where, recorded, live, problem)
                return problem is None
        match = self.bijection.text(recorded, live, self.moment, name)
        for reason in match.masked:
            self._mask(reason)
        self._clocks.extend((was, now, where) for was, now in match.clocks)
        if match.problem is not None:
            self.differs(where, recorded, live, None if match.problem == "differs" else match.problem)
            return False
        if match.owed:
            self._owe(where, recorded, live, match.owed)
        return True

    def url(self, where: str, recorded: str, live: str) -> None:
        """Two addresses: origin, path segment by segment (a counted id is bound in its role), query, fragment."""
        try:
            was, now = urlsplit(recorded), urlsplit(live)
        except ValueError:
            self.text(where, recorded, live)
            return
        if bool(was.netloc) != bool(now.netloc) or (was.netloc and not self._same_origin(was, now)):
            self.masked.compared += 1
            self.differs(where, recorded, live, "leads to another place")
            return
        before, after = was.path.split("/"), now.path.split("/")
        if len(before) != len(after):
            self.masked.compared += 1
            self.differs(where, recorded, live)
            return
        role = ""
        for segment, other in zip(before, after, strict=True):
            if not self._segment(where, unquote(segment), unquote(other), role, recorded, live):
                return
            role += "/" + (
                "#"
                if any(p.kind not in ("text", "number") for p in pieces(segment)) or segment in self.bijection.known
                else segment
            )
        self._query(where, recorded, live, was, now)
        if was.fragment or now.fragment:
            self.text(where, was.fragment, now.fragment)

    def _segment(self, where: str, was: str, now: str, role: str, recorded: str, live: str) -> bool:
        if was == now and not any(c.isdigit() for c in was) and was not in self.bijection.known:
            return True
        if ids := segment_ids(was, now):
            self.masked.compared += 1
            if problem := self.bijection.bind_number(f"path:{role}{ids[0]}", ids[1], ids[2]):
                self.differs(where, recorded, live, problem)
                return False
            return True
        self.masked.compared += 1
        match = self.bijection.text(was, now, self.moment, f"path:{role}")
        if match.problem is not None:
            self.differs(where, recorded, live, None if match.problem == "differs" else match.problem)
            return False
        if match.owed:
            self._owe(where, recorded, live, match.owed)
        for reason in match.masked:
            self._mask(reason)
        return True

    def _query(self, where: str, recorded: str, live: str, was: SplitResult, now: SplitResult) -> None:
        if was.query == now.query and not any(c.isdigit() for c in was.query):
            return
        before, after = query_pairs(was.query), query_pairs(now.query)
        place = place_of(was.path or self.path)
        if [k for k, _ in before] != [k for k, _ in after]:
            self.masked.compared += 1
            self.differs(where, recorded, live)
            return
        moment = signed_at(after) if signed_at(before) else None
        for (key, value), (_, other) in zip(before, after, strict=True):
            if moment is not None and is_signature(key, value):
                if problem := self.bijection.signature(value, other, moment):
                    self.differs(where, recorded, live, problem)
            elif is_address(value):
                self.url(where, value, other)
            else:
                self.text(where, value, other, key, f"query:{place}:{key}")

    def _same_origin(self, was: Any, now: Any) -> bool:
        known = self.bijection.known
        origin = known.get(f"{was.scheme}://{was.netloc}", f"{was.scheme}://{was.netloc}")
        return origin == f"{now.scheme}://{now.netloc}" or (
            not was.scheme and known.get(was.netloc, was.netloc) == now.netloc
        )

    def lines(self, where: str, recorded: Sequence[str], live: Sequence[str], unit: str) -> None:
        """Two texts line by line; `unit` is what a line is called."""
        if len(recorded) == len(live):
            for index, (was, now) in enumerate(zip(recorded, live, strict=True)):
                spot = f"{where}:{unit} {index + 1}"
                if is_address(was.strip()):
                    self.url(spot, was.strip(), now.strip())
                else:
                    self.text(spot, was, now)
            return
        self.masked.compared += 1
        self._changed(where, recorded, live, unit)

    def _changed(self, where: str, recorded: Sequence[str], live: Sequence[str], unit: str) -> None:
        # Numbers and ids aside, which lines were added or dropped?
        before, after = [shape(line) for line in recorded], [shape(line) for line in live]
        for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
            if tag != "equal":
                gone, come = (
                    [clip(s, 200) for s in recorded[i1 : i1 + 5][: i2 - i1]],
                    [clip(s, 200) for s in live[j1 : j1 + 5][: j2 - j1]],
                )
                self.differs(
                    f"{where}:{unit} {i1 + 1}",
                    "\n".join(gone) or None,
                    "\n".join(come) or None,
                    f"{len(recorded)} {unit}s became {len(live)}",
                )
                return
        self.differs(where, f"{len(recorded)} {unit}s", f"{len(live)} {unit}s")

    # ------------------------------------------------------------------ bookkeeping

    def _is_id(self, name: str, number: str) -> bool:
        """True for what is called an id; of a list of ids, for those that nothing named before. One that was met, and has
        kept its number, is not another one now."""
        return self.bijection.is_id(name) or (id_like(id_name(name)) and (number, number) not in self.bijection.pairs)

    def _role(self, where: str, name: str) -> str:
        return key_role(place_of(self.path), where, name)

    def _owe(self, where: str, recorded: Any, live: Any, pairs: list[tuple[str, str]]) -> None:
        if not all(pair in self.bijection.pairs for pair in pairs):
            self._owed.append(Difference(where, recorded, live, pairs))

    def _mask(self, reason: str) -> None:
        self.masked.masked += 1
        self.masked.reasons[reason] = self.masked.reasons.get(reason, 0) + 1

    def differs(self, where: str, expected: Any, actual: Any, message: str | None = None) -> None:
        """Note a difference, unless a rule of the profile says that it does not count."""
        where = f"body:{self.within}{where.removeprefix('body:')}" if self.within else where
        for rule in self.ignore:
            if applies(rule, self.step, where):
                self._mask(f"ignored: {rule.why}")
                return
        if len(self.mismatches) < _LIMIT:
            self.mismatches.append(Mismatch(where, clipped(expected), clipped(actual), message))


def _decoded(content: bytes, charset: str = "utf-8") -> str | None:
    if b"\0" in content[:8192]:
        return None
    try:
        return content.decode(charset)
    except (UnicodeDecodeError, LookupError):
        return None


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
