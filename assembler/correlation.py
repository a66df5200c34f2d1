"""Which values of a request were taken from an earlier answer, with the evidence for each.

A value that first stood in an *answer* and later in a *request* is correlated; a value that a request brought first
is the client's own and stays literal. Random-looking values need no more than that; counted ids need evidence of role
(`assembler.numbers`), words only count when the answer to an unsafe request brought them into the world.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from urllib.parse import unquote

from assembler.clients import OWN_COOKIE, Clients, Owner
from assembler.extractors import Answer
from assembler.given import Given
from assembler.kinds import Kinds
from assembler.links import is_code, is_cursor, locate_beside, locate_with, stands_beside
from assembler.naming import name_of
from assembler.nouns import ID_ENDING, Wanted, id_name, noun_of
from assembler.numbers import STRENGTHS, Strength, locate_choice, locate_name, locate_number
from assembler.parts import CHALLENGE, Extraction, Filled, Generated, Part, Ref, Unnamed, minted
from assembler.profile import Extract
from assembler.recording import Bodies, Exchange
from assembler.refusals import refused_secrets
from assembler.requests import canonical, request_slots
from assembler.rpc import called_path
from assembler.secret_names import SecretNames
from assembler.shapes import SECRET, TEMPORARY, clock, holds_code, id_like, looks_opaque, packed_number, pieces
from assembler.slots import Slot, encoded, nested_slots, url_slots
from assembler.sources import json_leaves, locate, urls_in
from assembler.validators import CONDITIONAL, Validators

__all__ = ["Correlation", "canonical", "request_slots"]

_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_STAMP = re.compile(r"\d{10,}(?:\.\d+)?")
"""A number so long that chance cannot make two of it equal: a time in seconds or less, a revision, a snowflake id."""
_VERSION = re.compile(r"v\d{1,2}")
_ID_LIST = re.compile(r"\d{1,18}(?:,\d{1,18})+")
_MINTED = re.compile(r"(?:x-)?idempotency-key")
"""Headers whose value a client makes up so that the server can tell a request from its repetition (the IETF's draft
"The Idempotency-Key HTTP Header Field"). Sent again by another run, it would be answered from memory."""
_HASHED = re.compile(r"[A-Za-z0-9_-]{43}")
"""A SHA-256 in base64url: the challenge of RFC 7636 by its method S256."""
_FIELDS = {"query", "form", "multipart", "json", "xml"}
"""Places whose value may be a JSON document of its own."""
_CHOICES = 20
"""Pages back to which a control is looked for: what somebody chose stood on a page seen lately."""


class Correlation:
    """Correlates the requests of a recording, in order. `bound` are values with a name of their own (run id, config)."""

    def __init__(self, bodies: Bodies, bound: Mapping[str, str]) -> None:
        self.bodies = bodies
        self.bound = bound
        self.clients = Clients()
        self.exchanges: list[Exchange] = []
        self.owners: list[Owner] = []
        self.answers: list[Answer] = []
        self.paths: list[str] = []
        """The address of each exchange, with what the method is about that it calls."""
        self.slots: list[list[Slot]] = []
        self._filled: dict[int, Filled] = {}
        self.extractions: dict[int, dict[str, Extraction]] = defaultdict(dict)
        self._located: dict[tuple[int, str], Extraction | None] = {}
        self._extraction_names: dict[tuple[int, str], str] = {}
        """Exchange and extractor (as JSON) to the name of the extraction."""
        self._counts: dict[tuple[int, str], int] = {}
        """Exchange and name to the number of its extractions that would be called so."""
        self._first_request: dict[str, int] = {}
        self._first_role: dict[tuple[str, ...], int] = {}
        self._first_named: dict[tuple[str, str], int] = {}
        self._given = Given(self.exchanges, self.paths, self.owners, self.answers)
        self._visited: dict[tuple[str, str], list[Part]] = {}
        self._sent: dict[tuple[str, str], list[Part]] = {}
        """Numbers of the request that is being filled, by their names: what it says once more in a text, it says of the same."""
        self._kinds = Kinds()
        self._validators = Validators()
        self._anchors: list[str] = []
        self._made: dict[str, tuple[str, Generated]] = {}
        """Values that a client minted, with the header they were sent in."""

    def add(self, exchange: Exchange) -> None:
        """Take in the next exchange. Its `index` is its place in the order."""
        index = len(self.exchanges)
        assert exchange.index == index
        self.exchanges.append(exchange)
        self.owners.append(self.clients.owner(exchange))
        self.answers.append(_answer(exchange, self.bodies))
        self.slots.append(list(request_slots(exchange, self.bodies)))
        self.paths.append(called_path(exchange.path, self.slots[-1]))
        if exchange.captured:
            self._index_request(index)
        self._given.add(index)
        self._validators.add(index, exchange.path, self.answers[index])
        if exchange.captured:
            self.filled(index)

    def filled(self, index: int) -> Filled:
        """The request of an exchange with its varying values marked. Of those before the window only what is asked for is
        worked out: there may be thousands, and few of them matter."""
        if index not in self._filled:
            self._filled[index] = self._fill(index)
        return self._filled[index]

    def settle(self, digest: Callable[[str], str]) -> None:
        """Give the secrets that no answer gave their names; `digest` makes the pseudonym of a text (its hex). After that
        nothing is added or filled any more."""
        unnamed = [p for filled in self._filled.values() for _, parts in filled.slots for p in parts if isinstance(p, Unnamed)]
        names = SecretNames(refused_secrets(self.exchanges, self.answers, self.slots, digest), unnamed)
        for index, filled in sorted(self._filled.items()):
            for _, parts in filled.slots:
                for position, part in enumerate(parts):
                    if isinstance(part, Generated):
                        names.made(part)
                    elif isinstance(part, Unnamed):
                        parts[position], unresolved = names.of(part, self.owners[index])
                        filled.unresolved.extend(unresolved)

    # ------------------------------------------------------------------ indexes

    def _index_request(self, index: int) -> None:
        """Who named a value first counts within the window: what others sent before it explains nothing there."""
        slots = self.slots[index]
        for slot in (*slots, *(inner for s in slots if s.place in _FIELDS for inner in nested_slots(s.value))):
            for atom in _atoms(slot.value):
                self._first_request.setdefault(atom, index)
            wanted = Wanted(slot.place, slot.role, _spoken(slot), slot.value, self.paths[index])
            self._first_role.setdefault(_mark(wanted), index)
            self._first_named.setdefault((slot.name, slot.value), index)

    # ------------------------------------------------------------------ filling

    def _fill(self, index: int) -> Filled:
        filled = Filled()
        self._sent.clear()
        for slot in self.slots[index]:
            parts = self._parts(slot, index)
            if parts is not None:
                filled.slots.append((slot, parts))
                if slot.number:
                    self._sent[slot.name, slot.value] = parts
                if slot.place == "path":
                    self._visited[slot.role, slot.value] = parts
        filled.slots.extend(self._alike(filled, index))
        for slot in self.slots[index]:
            if (
                slot.place in ("form", "multipart", "json", "xml")
                and not slot.number
                and 3 <= len(slot.value) <= 80
                and not _varying(slot.value)
            ):
                self._anchors.append(slot.value)
        return filled

    def _alike(self, filled: Filled, index: int) -> Iterator[tuple[Slot, list[Part]]]:
        """Numbers under one name are of one kind: where one is the answer that made a member (`POST /members` → `7`), so are
        the others members, whatever the name says (`owers=7`, `owers=3`)."""
        kinds: dict[str, str] = {}
        for slot, parts in filled.slots:
            ref = parts[0] if len(parts) == 1 else None
            if isinstance(ref, Ref) and ref.source >= 0 and self.extractions[ref.source][ref.name].extract.json_ == "@":
                kinds[slot.name] = noun_of(self.exchanges[ref.source].path.rstrip("/").rpartition("/")[2])
        known = {slot for slot, _ in filled.slots}
        for slot in self.slots[index] if kinds else ():
            if slot.name in kinds and slot.value.isdigit() and slot not in known:
                named = replace(slot, name=f"{kinds[slot.name]}_id")
                if ref := self._number(named, slot.value, slot.role, index):
                    yield slot, [ref]

    def _parts(self, slot: Slot, index: int) -> list[Part] | None:
        """The slot's value as literal and referring parts, or None when it is wholly literal."""
        value = slot.value
        if not value:
            return None
        if slot.place == "name":
            return self._name_parts(slot, index)
        if value in self.bound:
            return [Ref(-1, self.bound[value])]
        if slot.place == "header" and (visited := self._visited.get((slot.role, value))):
            # A Referer repeats an address that was asked for: whatever stood there stands here.
            return visited
        if slot.place == "header" and slot.name == "authorization":
            return self._authorization(value, index)
        if (whole := self.refer(slot, value, index)) is not None:
            return [whole]
        if SECRET.fullmatch(value):
            return [_unnamed(slot, value)]
        if slot.place == "header" and _MINTED.fullmatch(slot.name):
            quote = '"' if len(value) > 2 and value[0] == value[-1] == '"' else ""
            return [quote, self._minted(slot, value.strip(quote)), quote] if quote else [self._minted(slot, value)]
        if slot.name == CHALLENGE and _HASHED.fullmatch(value):
            return [self._minted(slot, value)]
        if slot.place not in ("path", "text") and (address := self._address(value, index)) is not None:
            return address
        if slot.place in _FIELDS and (filled := self._filled_in(nested_slots(value), value, index, [], 0)) is not None:
            return filled
        parts: list[Part] = []
        found = False
        for piece in self._cut(value):
            ref: Part | None = None
            if piece in self.bound:
                ref = Ref(-1, self.bound[piece])
            elif SECRET.fullmatch(piece):
                ref = self.refer(slot, piece, index) or _unnamed(slot, piece)
            elif piece != value and (_UUID.fullmatch(piece) or looks_opaque(piece) or _STAMP.fullmatch(piece)):
                ref = self.refer(slot, piece, index)
            elif slot.place == "path" and piece.isdigit() and piece != value and not _VERSION.fullmatch(value):
                ref = self._number(slot, piece, slot.role + value[: value.index(piece)], index)
            elif piece.isdigit() and ID_ENDING.search(id_name(slot.name)) and _ID_LIST.fullmatch(value):
                ref = self._number(slot, piece, slot.role, index)
            found = found or ref is not None
            parts.append(ref if ref is not None else piece)
        return parts if found else None

    def _minted(self, slot: Slot, value: str) -> Generated:
        """What the server must see as new in each run, and as the same where the client sent it again."""
        if value not in self._made:
            count = 1 + sum(name == slot.name for name, _ in self._made.values())
            self._made[value] = (slot.name, minted(slot.name, count, is_uuid=_UUID.fullmatch(value) is not None))
        return self._made[value][1]

    def _name_parts(self, slot: Slot, index: int) -> list[Part] | None:
        """The name of a field with an id in it (`quantity_17`), as the page that offered the field had it."""
        for number in self._given.holding(slot.value, index, latest=True):
            key = (number, f"name:{slot.value}")
            if key not in self._located:
                found = locate_name(self.answers[number], slot.value, slot.role)
                self._located[key] = self._named(number, found[0], found[1], slot) if found else None
            if extraction := self._located[key]:
                return self._around(slot, Ref(number, extraction.name))
        return None

    @staticmethod
    def _around(slot: Slot, ref: Ref) -> list[Part]:
        before, _, after = slot.value.partition(slot.role)
        return [part for part in (before, ref, after) if part]

    def _address(self, value: str, index: int) -> list[Part] | None:
        """An address of the application inside a header, field or document, cut up as a request's own address is."""
        own = next((b for b in self.bound if "://" in b and re.match(rf"{re.escape(b)}(?![\w.:@-])", value)), "")
        if not own and not re.match(r"(?:[a-z][a-z0-9+.-]*:/{1,3}|/)[^/\s]\S*$", value):
            return None
        parts: list[Part] = [Ref(-1, self.bound[own])] if own else []
        return self._filled_in(url_slots(value), value, index, parts, len(own))

    def _filled_in(
        self, slots: Iterable[Slot], value: str, index: int, parts: list[Part], position: int
    ) -> list[Part] | None:
        """`value` from `position` on, behind `parts`, with what its slots refer to; None where nothing refers to anything."""
        for slot in slots:
            again = self._sent.get((slot.name, slot.value)) if slot.number else None
            if (found := self._parts(slot, index) or again) is not None:
                parts.append(value[position : slot.start])
                parts.extend(encoded(slot.place, p) if isinstance(p, str) else p for p in found)
                position = slot.end
        return [*parts, value[position:]] if parts else None

    def _cut(self, value: str) -> Iterator[str]:
        if self.bound and any(b in value for b in self.bound):
            pattern = "|".join(re.escape(b) for b in sorted(self.bound, key=len, reverse=True))
            for chunk in re.split(rf"((?<![A-Za-z0-9])(?:{pattern})(?![A-Za-z0-9]))", value):
                if chunk in self.bound:
                    yield chunk
                elif chunk:
                    yield from (p.text for p in pieces(chunk))
            return
        yield from (p.text for p in pieces(value))

    def _authorization(self, value: str, index: int) -> list[Part] | None:
        scheme, _, credential = value.partition(" ")
        if scheme.lower() == "basic" and (match := SECRET.search(credential)):
            slot = Slot("header", "password", match.group(), 0, 0)
            ref = self.refer(slot, match.group(), index)  # a personal access token, shown once
            return [f"Basic {credential[: match.start()]}", ref or _unnamed(slot, match.group())]
        if match := SECRET.search(credential):
            slot = Slot("header", "token", match.group(), 0, 0)
            ref = self.refer(slot, match.group(), index)
            return [f"{scheme} {credential[: match.start()]}", ref or _unnamed(slot, match.group())]
        return None

    def refer(self, slot: Slot, value: str, index: int) -> Ref | None:
        """The answer that gave the client `value`, when there is one."""
        if SECRET.fullmatch(value):
            for number in self._given.holding(value, index, latest=True):
                if ref := self._extracted(number, value, slot):
                    return ref
            return None
        tagged = slot.place == "header" and slot.name in CONDITIONAL
        for number in self._validators.given(self.exchanges[index].path, value) if tagged else ():
            if self._given.known(number, index, True) and (ref := self._extracted(number, value, slot)):
                return ref
        if value.isdigit() and len(value) < 19 and (counted := self._number(slot, value, slot.role, index)):
            return counted
        stamp, code = _STAMP.fullmatch(value) is not None, is_code(slot)
        if (slot.number or value.isdigit()) and not stamp and not code:
            return None
        if slot.place in ("json", "form", "multipart", "query") and (given := self._packed(slot, index)):
            return given
        if len(value) > 4096 or (len(value) < 3 and not stands_beside(slot)):
            return None
        if stands_beside(slot) and (given := self._beside(slot, index)):
            return given
        source = next(self._given.holding(value, index), None)
        if source is None or self._first_request.get(value, index) <= source:
            return None
        random = bool(_UUID.fullmatch(value)) or looks_opaque(value) or TEMPORARY.match(value) is not None
        random = random or code or holds_code(value)
        timely = stamp or (not random and len(value) >= 8 and clock(value) is not None)
        if not (random or timely or tagged):
            coined = is_cursor(slot) or self._coined(slot, value, source) or self._followed(slot, index, source)
            return self._extracted(source, value, slot) if coined else self._chosen(slot, value, index)
        for number in itertools.islice(self._given.holding(value, index, latest=tagged), 8):
            if ref := self._extracted(number, value, slot):
                return ref
        return None

    def _beside(self, slot: Slot, index: int) -> Ref | None:
        """A code that stood in the same address as the random segment behind it."""
        for number in itertools.islice(self._given.holding(slot.follow, index, latest=True), _CHOICES):
            key = (number, f"beside:{slot.role}{slot.value}")
            if key not in self._located:
                found = locate_beside(self.answers[number], slot)
                self._located[key] = self._named(number, found[0], found[1], slot) if found else None
            if extraction := self._located[key]:
                return Ref(number, extraction.name)
        return None

    def _packed(self, slot: Slot, index: int) -> Ref | None:
        """A number in base64 that stood in an address of a mail, before a secret that this request sends, too."""
        if packed_number(slot.value) is None:
            return None
        sent = [other.value for other in self.slots[index] if other.place == slot.place]
        for number in itertools.islice(self._given.holding(slot.value, index, latest=True), _CHOICES):
            key = (number, f"packed:{slot.value}")
            if key not in self._located:
                found = locate_with(self.answers[number], slot.value, sent)
                self._located[key] = self._named(number, found[0], found[1], slot) if found else None
            if extraction := self._located[key]:
                return Ref(number, extraction.name)
        return None

    def _chosen(self, slot: Slot, value: str, index: int) -> Ref | None:
        """A value with an id in it (`17:tea`) that the page seen last had in a control of that name."""
        if slot.place not in ("form", "multipart") or not any(c.isdigit() for c in value):
            return None
        for number in itertools.islice(self._given.holding(value, index, latest=True), _CHOICES):
            key = (number, f"choice:{slot.name}:{value}")
            if key not in self._located:
                found = locate_choice(self.answers[number], slot.name, value)
                self._located[key] = self._named(number, found[0], found[1], slot) if found else None
            if extraction := self._located[key]:
                return Ref(number, extraction.name)
        return None

    def _followed(self, slot: Slot, index: int, source: int) -> bool:
        """True for what stands in the query of an address that an answer led to, as it was: `state=EkGM-Rave` may be random
        and look like a name. Words in small letters and numbers say what is wanted."""
        if slot.place != "query" or re.fullmatch(r"[a-z_]+|\d+", slot.value):
            return False
        exchange = self.exchanges[index]
        return (self.answers[source].first("location") or "").endswith(f"{exchange.path}?{exchange.query}")

    def _coined(self, slot: Slot, value: str, source: int) -> bool:
        """True for a word that the answer to an unsafe request brought into the world as a name: in its Location,
        as a whole JSON value, or as a segment of an address there."""
        answer = self.answers[source]
        if self.exchanges[source].safe or slot.place == "header" or answer.status >= 400:
            return False
        for where, url in urls_in(answer):
            if "css" in where:
                continue
            segments = [s for s in re.split(r"[/?#&=;]", unquote(url)) if s]
            # A bare lower-case word is a place (`/jobs/…`, `/home`); at the end of a longer address it may be a name,
            # unless it is what belongs to something (`/jobs/17/logs`).
            named = len(segments) > 1 and segments[-1] == value and re.search(r"\d", segments[-2]) is None
            if value in segments and (named or not re.fullmatch(r"[a-z]+", value)):
                return True
        return any(value == str(leaf) for leaf in _leaf_values(answer) if not isinstance(leaf, bool))

    def _number(self, slot: Slot, value: str, role: str, index: int) -> Ref | None:
        if slot.place == "header" and not id_like(slot.name):
            return None
        wanted = Wanted(slot.place, role, _spoken(slot), value, self.paths[index], slot.follow)
        client = self.owners[index].client
        if ref := self._evident(wanted, slot, index):
            if wanted.is_id:
                self._kinds.learn(client, wanted.noun, value, ref)
            return ref
        whole = slot.place == "path" and slot.value == value and not wanted.is_amount
        return self._kinds.only(client, wanted.noun, value) if whole else None

    def _evident(self, wanted: Wanted, slot: Slot, index: int) -> Ref | None:
        first = min(self._first_role.get(_mark(wanted), index), index)
        earlier = self._given.mentioning(wanted, first, index)
        for strength in STRENGTHS:
            for number in earlier if strength == "sure" else reversed(earlier):
                if extraction := self._counted(number, wanted, slot, strength):
                    return Ref(number, extraction.name)
        return None

    def _counted(self, number: int, wanted: Wanted, slot: Slot, strength: Strength) -> Extraction | None:
        fresh = number < self._first_named.get((wanted.name, wanted.value), len(self.exchanges))
        key = (number, f"{strength} {fresh} {_mark(wanted)}")
        if key not in self._located:
            answer, path = self.answers[number], self.paths[number]
            found = locate_number(answer, replace(wanted, fresh=fresh), path, self._anchors[-40:], strength)
            self._located[key] = self._named(number, found[0], found[1], slot) if found else None
        return self._located[key]

    def _extracted(self, number: int, value: str, slot: Slot) -> Ref | None:
        key = (number, value)
        if key not in self._located:
            extract = locate(self.answers[number], value, self._anchors[-40:], slot.name)
            self._located[key] = (
                self._named(number, extract, _evidence(extract, self.exchanges[number]), slot) if extract else None
            )
        extraction = self._located[key]
        return Ref(number, extraction.name) if extraction else None

    def _named(self, number: int, extract: Extract, evidence: str, slot: Slot) -> Extraction:
        key = (number, extract.model_dump_json())
        if key not in self._extraction_names:
            wanted = name_of(extract, slot)
            taken = self.extractions[number]
            name, count = wanted, self._counts.get((number, wanted), 1)
            while name in taken:
                count += 1
                name = f"{wanted}_{count}"
            self._counts[number, wanted] = count
            self._extraction_names[key] = name
            taken[name] = Extraction(name, extract, evidence)
        return self.extractions[number][self._extraction_names[key]]


def _spoken(slot: Slot) -> str:
    """The name of a slot as applications say it elsewhere: `X-Order-Id` is `order-id`."""
    return slot.name.removeprefix("x-") if slot.place == "header" else slot.name


def _unnamed(slot: Slot, pseudonym: str) -> Unnamed:
    return Unnamed(pseudonym[-32:], slot.place, slot.name)


def _answer(exchange: Exchange, bodies: Bodies) -> Answer:
    headers = [
        (n, canonical(v)) for n, v in exchange.response_headers if not (n == "set-cookie" and v.startswith(OWN_COOKIE))
    ]
    text = bodies.text(exchange.body)
    return Answer(exchange.status or 0, headers, None if text is None else canonical(text))


def _mark(wanted: Wanted) -> tuple[str, ...]:
    """What makes two numbers of two requests the same one: the place that says what they count."""
    if wanted.place == "path":
        return (wanted.place, wanted.role, wanted.value)
    return (wanted.place, wanted.role, wanted.name, wanted.value, wanted.target)


def _atoms(value: str) -> Iterable[str]:
    yield value
    for piece in pieces(value):
        if piece.kind in ("uuid", "opaque", "secret") and piece.text != value:
            yield piece.text


def _varying(value: str) -> bool:
    return any(piece.kind in ("uuid", "opaque", "secret", "clock") for piece in pieces(value))


def _leaf_values(answer: Answer) -> Iterator[object]:
    for _, leaf in json_leaves(answer.json):
        if leaf is not None:
            yield leaf


def _evidence(extract: Extract, exchange: Exchange) -> str:
    return f"first stood in the answer to {exchange.method} {exchange.path}, and came back in later requests"
