"""Which parts of a text can differ between two correct runs: ids, tokens, clocks, counters.

The assembler asks this to decide what must be taken from an answer; playback asks it to compare two texts.
A shape alone proves nothing: it only says *how* a value may vary, evidence decides *whether* (see `playback.bijection`).
"""

from __future__ import annotations

import base64
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple

from assembler.months import DAY_NAMES, MONTH_NAMES, month_number
from assembler.spelling import misspelt

__all__ = [
    "AGO",
    "SECRET",
    "TEMPORARY",
    "Piece",
    "age",
    "age_unit",
    "clock",
    "clock_of_parts",
    "code_like",
    "counted_token",
    "holds_code",
    "id_like",
    "looks_opaque",
    "measured",
    "packed_number",
    "pieces",
    "skeleton",
    "timed_name",
    "validator_name",
]

Kind = Literal["text", "secret", "uuid", "clock", "ago", "opaque", "int", "number", "code"]
"""`code` is never told from the shape alone: `playback.codes` knows what the server makes."""


class Piece(NamedTuple):
    """A stretch of a text and what it looks like."""

    kind: Kind
    text: str


SECRET = re.compile(r"secret-[a-z]+-([0-9a-f]{32})")
_MONTH = (
    r"(?:Jan(?:uary|\.)?|Feb(?:ruary|\.)?|Mar(?:ch|\.)?|Apr(?:il|\.)?|May|June?\.?|July?\.?|Aug(?:ust|\.)?|"
    r"Sept?(?:ember|\.)?|Oct(?:ober|\.)?|Nov(?:ember|\.)?|Dec(?:ember|\.)?)"
)
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*"
_TIME = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:\s?[apAP]\.?[mM]\.?(?![A-Za-z]))?"
_CLOCKS = (
    rf"\d{{4}}-\d{{2}}-\d{{2}}[T ]{_TIME}(?:\s?(?:Z\b|UTC\b|[+-]\d{{2}}:?\d{{2}}\b))?",
    rf"{_DAY},? \d{{1,2}}[ -]{_MONTH}[ -]\d{{4}}(?: {_TIME})?(?: (?:GMT|UTC|[+-]\d{{4}}))?",
    rf"{_DAY},? {_MONTH} {{1,2}}\d{{1,2}},? (?:{_TIME} \d{{4}}|\d{{4}}(?:,? (?:at )?{_TIME})?)",
    rf"{_MONTH} \d{{1,2}},? \d{{4}}(?:,? (?:at )?(?:{_TIME}|noon|midnight|\d{{1,2}} ?[ap]\.m\.))?",
    rf"(?:{DAY_NAMES},? (?:den |le )?)?\d{{1,2}}\.?(?: de)? (?:{_MONTH}|{MONTH_NAMES}),?(?: de| del)? \d{{4}}"
    rf"(?:,? (?:(?:at|um|à|a las|alle|om|às) )?{_TIME})?",
    rf"\d{{4}}/\d{{2}}/\d{{2}}(?: {_TIME})?",
    rf"\d{{1,2}}[./]\d{{1,2}}[./]\d{{4}}(?:,? {_TIME})?",
    r"\d{4}-\d{2}-\d{2}",
    r"\d{8}T\d{2}(?::?\d{2}){2}(?:\.\d+)?Z?",
    _TIME,
    r"1[5-9]\d{8}(?:\.\d+|\d{3}|\d{6})?(?![\d.])|2[01]\d{8}(?:\.\d+|\d{3}|\d{6})?(?![\d.])",
)
_SPANS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800, "month": 2629800, "year": 31557600}
_SPANS |= {"sec": 1, "min": 60, "hr": 3600, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31557600}
_LONG_SPAN = r"(?:\d+(?:\.\d+)?|an?|a few)[ \u00a0](?:second|minute|hour|day|week|month|year|sec|min|hr)s?"
_SPAN = rf"(?:{_LONG_SPAN}|\d+(?:\.\d+)?(?:secs?|mins?|hrs?|[smhdwy]))"
_AGO = rf"(?:just now|now|(?:(?:a )?moments?|seconds|(?:less than )?{_SPAN}(?:,? (?:and )?{_SPAN})?)[ \u00a0](?:ago|from now))"
AGO = re.compile(rf"(?<![\w-]){_AGO}(?![\w-])", re.IGNORECASE)
"""How long ago something was, as pages say it."""
_FOLDER = r"/(?:tmp|T)/[A-Za-z0-9._-]*?[a-z0-9_]{8}(?![A-Za-z0-9_.-])"
"""A temporary folder as `tempfile.mkdtemp` names it: eight characters at random behind a prefix."""
TEMPORARY = re.compile(r"(?:/private|/var(?:/folders/\w+/\w+)?)?" + _FOLDER)
"""A path in such a folder."""
_SIGNED = r"(?<![\w:.-])\.?[\w-]{2,}(?:\.[\w-]+)?:[0-9A-Za-z]{6}:[\w-]{27,86}(?![\w-])"
"""A value with the time it was signed at, as Django's `signing` writes it: `MQ:1xUPSJ:BC60_o-t5…`."""
_PIECE = re.compile(
    rf"(?P<folder>{_FOLDER})|(?P<ago>(?i:(?<![\w-]){_AGO}(?![\w-])))|"
    r"(?P<secret>secret-[a-z]+-[0-9a-f]{32})"
    r"|(?P<uuid>(?<![0-9a-fA-F-])[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}(?![0-9a-fA-F-]))"
    r"|(?P<clock>(?<![\w:.-])(?:" + "|".join(_CLOCKS) + r")(?![\w:]))"
    rf"|(?P<signed>{_SIGNED})"
    r"|(?P<port>(?:(?<=127\.0\.0\.1:)|(?<=localhost:)|(?<=\[::1\]:))[1-9]\d{3,4}(?!\d))"
    r"|(?P<opaque>(?<![A-Za-z0-9_-])(?:[A-Za-z0-9_-]{8,}|W[yz][A-Za-z0-9]{2,5})(?:\.[A-Za-z0-9_-]{6,}){0,2}={0,2}(?![A-Za-z0-9_-]))"
    r"|(?P<number>(?<![\w.])-?\d+\.\d+(?:[eE][-+]?\d+)?(?![\w.]*\d))"
    r"|(?P<int>\d+)"
)


def pieces(text: str) -> Iterator[Piece]:
    """`text` cut into pieces, in order; joined they give `text` again."""
    end = 0
    position = 0
    while match := _PIECE.search(text, position):
        kind = match.lastgroup
        found = match.group()
        if kind == "opaque" and not looks_opaque(found):
            # An ordinary word may still hold digits: `order-17`, `levels_2`.
            inner = re.search(r"\d+", found)
            if inner is None:
                position = match.end()
                continue
            start, stop = match.start() + inner.start(), match.start() + inner.end()
            kind, found = "int", inner.group()
        else:
            start, stop = match.span()
            if kind == "folder":
                kind, start, found = "opaque", stop - 8, found[-8:]
            elif kind in ("signed", "port"):
                # A port of this machine is another one wherever the same work runs anew (a Redis of its own, a test server).
                kind = "opaque"
        if start > end:
            yield Piece("text", text[end:start])
        yield Piece(kind, found)  # type: ignore[arg-type]
        end = position = stop
    if end < len(text):
        yield Piece("text", text[end:])


_WORDY = re.compile(r"[A-Za-z]*\d{0,4}")
_CAPITALS = re.compile(r"[A-Z]{4,12}")


_LONGEST_WORD = 32
"""Letters from which on nothing is a word of a language, or a name somebody typed."""


_COUNTED = re.compile(r"""([A-Za-z_][\w.-]*[:|]|\["?)(\d+)("?\])?""")
_SHORTEST_ROW = 4
"""Characters of `[7]` in base64; a kind with its number is longer."""


@lru_cache(maxsize=4096)
def counted_token(token: str) -> tuple[str, str] | None:
    """The kind and number inside an id in base64, which is `Kind:17` (Relay) or a row's key (`[17]`), or None."""
    core = token.rstrip("=")
    if len(core) < (_SHORTEST_ROW if core.startswith("W") else 8) or not core.isalnum():
        return None
    try:
        match = _COUNTED.fullmatch(base64.b64decode(core + "=" * (-len(core) % 4)).decode("ascii"))
    except ValueError:
        return None
    return (match[1], match[2]) if match and match[1].startswith("[") == bool(match[3]) else None


def packed_number(text: str) -> str | None:
    """The number in base64 as mails say whom they are for (`Mw` is 3, Django's `uidb64`), or None."""
    core = text.rstrip("=")
    if not 2 <= len(core) <= 12 or not re.fullmatch(r"[MNO][A-Za-z0-9]+", core):
        return None
    try:
        found = base64.b64decode(core + "=" * (-len(core) % 4)).decode("ascii")
    except ValueError:
        return None
    return found if found.isdigit() and base64.b64encode(found.encode()).decode().rstrip("=") == core else None


@lru_cache(maxsize=65536)
def looks_opaque(token: str) -> bool:
    """True for what a machine made at random or by digest: long, mixed, not words with a number behind."""
    core = token.rstrip("=")
    if counted_token(token) is not None:
        return True
    if len(core) < 8 or core.isdigit():
        return False
    hexadecimal = re.fullmatch(r"[0-9a-f]+|[0-9A-F]+", core) is not None
    digits = sum(c.isdigit() for c in core)
    if hexadecimal:
        return digits >= 2 and digits < len(core) and len(core) >= 8
    if len(core) >= _LONGEST_WORD and core.isalpha():
        return _unspoken(core.lower())
    if misspelt(core):
        return True
    if all(_WORDY.fullmatch(part) and not _camel_noise(part) for part in re.split(r"[-_.]", core)):
        return False
    return any(_random(part) for part in re.split(r"[-_.]", core)) and _entropy(core) > 2.2


def holds_code(text: str) -> bool:
    """True for a code with a mark around it: `ORD-2026-J4HSZ`. One in five of that length has no digit by chance
    (`ORD-2026-IOEPY`): capitals count, too, where another part is a number."""
    parts = re.split(r"[-_.:#/]", text)
    capitals = any(part.isdigit() for part in parts) and any(_CAPITALS.fullmatch(part) for part in parts)
    return " " not in text and (capitals or any(code_like(part) for part in parts))


def code_like(word: str) -> bool:
    """True for a short code that a machine made up: `57DFIH`, `aB3xY9`. Too short to be told from a model or a grade for sure
    (`h264`, `mp3`, `A4` are no codes), so it only counts where there is evidence that the server gave it to the client."""
    if not 4 <= len(word) <= 12 or not word.isascii() or not word.isalnum() or word.isdigit():
        return False
    return _WORDY.fullmatch(word) is None


def _unspoken(letters: str) -> bool:
    """True for letters that nobody could say: a third of any spoken text are vowels, and they come often."""
    vowels = sum(letter in "aeiou" for letter in letters)
    return len(set(letters)) > 8 and (vowels < 0.28 * len(letters) or re.search(r"[^aeiouy]{6}", letters) is not None)


def _random(part: str) -> bool:
    """A stretch between separators that no writer would type: digits and letters shuffled, or case at random."""
    if len(part) >= 8 and re.fullmatch(r"[0-9a-f]+", part) and any(c.isdigit() for c in part) and not part.isdigit():
        return True
    switches = sum(_class(a) != _class(b) for a, b in itertools.pairwise(part))
    return (len(part) >= 6 and any(c.isdigit() for c in part) and switches >= max(3, len(part) / 6)) or _camel_noise(
        part
    )


def _camel_noise(word: str) -> bool:
    """`XkQzPwRbTnLm` is all letters, but no language switches case at every step."""
    if len(word) < 16:
        return False
    return sum(a.islower() != b.islower() for a, b in itertools.pairwise(word)) > len(word) / 3


def _class(character: str) -> str:
    return "0" if character.isdigit() else "a" if character.islower() else "A" if character.isupper() else "-"


def _entropy(text: str) -> float:
    counts = [text.count(c) / len(text) for c in set(text)]
    return -sum(p * math.log2(p) for p in counts)


def skeleton(text: str) -> str:
    """The build of a text: letters as `a`, digits as `0`, runs folded, the rest as it is (`brave-otter` → `a-a`)."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "0", text))


_ID_NAME = re.compile(r"(?:^|[-_.\[ ])(?:id|pk|uid|oid|I[Dd]|serial(?:[_-]?(?:no|number))?)\]?$|[a-z](?:Id|ID|Pk)$", re.ASCII)


def id_like(name: str) -> bool:
    """True where a name says that its number is an identifier: `id`, `order_id`, `orderId`, `Order ID`, `lines-0-id`, `pk`."""
    return _ID_NAME.search(name) is not None


_TIMED = re.compile(
    r"(?:^|[-_. ])(?:duration|elapsed|took|latency|runtime|uptime|age|timing|time_taken|wall|cpu|ms|msec|millis|usec|us|ns|"
    r"secs?|seconds|milliseconds|rss|memory_usage|load)(?:[-_. ]|$)|(?:duration|elapsed|latency|millis|seconds)",
    re.IGNORECASE,
)


def timed_name(name: str) -> bool:
    """True where a name says that its number is a measured duration or load: `query_ms`, `elapsed`, `duration_s`."""
    return _TIMED.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)) is not None


_GAUGE = re.compile(
    r"(?:quota|free|avail(?:able)?|disk|memory).*(?:bytes|space|memory|size|used|total|free)", re.IGNORECASE
)
_GAUGE_FROM = 100_000_000
"""Bytes from which on a gauge shows the machine; below, it may count what the application itself stores."""


_PROCESS = re.compile(r"(?:[a-z_]+_)?p?pid|process_?id", re.IGNORECASE)
_PROCESS_FROM = 100
"""Numbers below may count things that are called `pid`: products, people."""


def measured(name: str, recorded: float, live: float) -> str | None:
    """Why two different numbers under `name` may differ: they are measured durations, numbers of operating system
    processes, or gauges of the machine that stand near each other (RFC 4331 quotas, free disk space). None: they may not."""
    if timed_name(name):
        return "duration"
    if min(recorded, live) >= _PROCESS_FROM and _PROCESS.fullmatch(name):
        return "process number"
    gauges = _GAUGE.search(name) is not None and min(recorded, live) >= _GAUGE_FROM
    return "gauge" if gauges and max(recorded, live) < 2 * min(recorded, live) else None


_VALIDATOR = re.compile(r"(?:^|[-_.a-z])(?:etag|ETag)$", re.ASCII)


def validator_name(name: str) -> bool:
    """True where a name says that its value is an entity tag: `etag`, `getetag`, `ETag`, `e_tag`."""
    return _VALIDATOR.search(name.replace("e_tag", "etag").replace("eTag", "etag")) is not None


def age(text: str) -> float | None:
    """Seconds that a phrase such as `2 minutes ago`, `5m ago` or `just now` speaks of; None when it is no such phrase."""
    if not AGO.fullmatch(text.strip()):
        return None
    amounts = re.findall(r"\b(\d+(?:\.\d+)?|an?|a few)[ \u00a0]?([a-z]+?)s?\b", text.lower())
    return float(sum((float(n) if n[0].isdigit() else 1) * _SPANS[unit] for n, unit in amounts if unit in _SPANS))


def age_unit(text: str) -> float:
    """Seconds of the shortest unit that such a phrase counts in; what is shorter than that it leaves out."""
    units = re.findall(r"([a-z]+?)s?\b", text.lower())
    return float(min((_SPANS[unit] for unit in units if unit in _SPANS), default=1))


class Clock(NamedTuple):
    """A point in time as far as its text tells it. `resolution` in seconds; `daily` when only the time of day is known."""

    seconds: float
    resolution: float
    daily: bool


def clock(text: str) -> Clock | None:
    """The point in time `text` names, seconds since the epoch (its own zone ignored unless given), or None."""
    text = text.strip()
    if re.fullmatch(r"\d{10}(?:\.\d+)?|\d{13}|\d{16}", text):
        number = float(text)
        scale = 1.0 if number < 1e11 else 1e3 if number < 1e14 else 1e6
        return Clock(number / scale, 1.0, False)
    text = re.sub(r"^(\d{4})(\d{2})(\d{2})T(?=\d{2}:)", r"\1-\2-\3T", text)
    moment = re.search(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(?:\s?([apAP])\.?[mM])?", text)
    rest = text if moment is None else text[: moment.start()] + " " + text[moment.end() :]
    seconds, resolution = 0.0, 86400.0
    if moment is not None:
        hour, minute = int(moment[1]), int(moment[2])
        if moment[5]:
            hour = hour % 12 + (12 if moment[5] in "pP" else 0)
        if hour > 24 or minute > 59:
            return None
        seconds = hour * 3600.0 + minute * 60 + float(f"{moment[3] or 0}.{moment[4] or 0}")
        resolution = 1.0 if moment[3] else 60.0
    elif compact := re.fullmatch(r"(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2}).*", text):
        rest, resolution = "-".join(compact.groups()[:3]), 1.0
        seconds = int(compact[4]) * 3600.0 + int(compact[5]) * 60 + int(compact[6])
    elif hourly := re.search(r"(\d{1,2}) ?([ap])\.m\.|(noon|midnight)", text):
        rest = text[: hourly.start()]
        hour = (
            {"noon": 12, "midnight": 0}.get(hourly[3] or "", 0)
            if hourly[3]
            else int(hourly[1]) % 12 + 12 * (hourly[2] == "p")
        )
        seconds, resolution = hour * 3600.0, 60.0
    day = _day(rest)
    if day is None:
        return Clock(seconds, resolution, True) if moment is not None and not re.search(r"\d", rest) else None
    zone = re.search(r"([+-])(\d{2}):?(\d{2})\s*$", text) if moment is not None else None
    offset = 0 if zone is None else (int(zone[2]) * 60 + int(zone[3])) * 60 * (1 if zone[1] == "+" else -1)
    return Clock(day.timestamp() + seconds - offset, resolution, False)


def _day(text: str) -> datetime | None:
    try:
        if found := re.search(r"(\d{4})[-/](\d{2})[-/](\d{2})", text):
            return datetime(int(found[1]), int(found[2]), int(found[3]), tzinfo=UTC)
        if named := re.search(rf"(?<![^\W\d_])({MONTH_NAMES})", text):
            month = month_number(named[1])
            numbers = re.findall(r"\d+", text)
            year = next(int(n) for n in numbers if len(n) == 4)
            return datetime(year, month, next(int(n) for n in numbers if len(n) <= 2), tzinfo=UTC)
        if found := re.search(r"(\d{1,2})([./])(\d{1,2})[./](\d{4})", text):
            first, second = int(found[1]), int(found[3])
            day, month = (second, first) if found[2] == "/" and second > 12 else (first, second)
            if month > 12:
                day, month = month, day
            if found[2] == "/" and first <= 12 and second <= 12:
                month, day = first, second
            return datetime(int(found[4]), month, day, tzinfo=UTC)
    except (ValueError, StopIteration):
        return None
    return None


def clock_of_parts(parts: Sequence[object]) -> Clock | None:
    """The point in time that a list such as `[2026, 11, 20, 13, 3, 26]` (time.gmtime and its like) names, or None."""
    if not 6 <= len(parts) <= 9 or not all(isinstance(p, int) and not isinstance(p, bool) for p in parts):
        return None
    year, month, day, hour, minute, second = (int(str(p)) for p in parts[:6])
    try:
        moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:
        return None
    return Clock(moment.timestamp(), 1.0, False) if 1990 <= year <= 2100 else None


def near(moment: Clock, other: float, within: timedelta = timedelta(days=2)) -> bool:
    """True when `moment` is within `within` of the epoch time `other`."""
    return moment.daily or abs(moment.seconds - other) <= within.total_seconds()
