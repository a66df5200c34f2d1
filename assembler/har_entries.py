"""Which entries of a HAR become a recording, at which times, with which header fields; and what is left out, told in notes.

A draft is of one origin, and of what that application was really asked: answers from a cache, broken connections and
streams are left out.
"""

from __future__ import annotations

import bisect
import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from assembler.har import Entry, Har, NotHar, Url

__all__ = ["Chosen", "Told", "choose"]

Headers = list[tuple[str, str]]

_MILLISECOND = 1_000_000
_NAMED = 3
"""Places of entries that were left out which a note names."""
_NO_REQUEST = "that are no requests of HTTP (data:, blob: and the like)"
_WEBSOCKET = "that are websocket connections, which are not replayed"
_STREAM = "that are server-sent events, which are not replayed"
_ABORTED = "that were aborted or never answered"
_OWN = "that are calls of the recorder itself"
_CACHED = "that the browser answered from its cache"
_TIMELESS = "The HAR does not say how long requests took; they are taken for one after the other."
_UNCHANGED = "that were answered 304, unchanged since before the HAR begins, without the content"
_CONDITIONAL = {"if-none-match": "etag", "if-modified-since": "last-modified"}


@dataclass(frozen=True)
class Told:
    """One entry as it is recorded. Times are nanoseconds since 1970."""

    entry: Entry
    url: Url
    status: int
    sent: Headers
    got: Headers
    started_ns: int = 0
    ended_ns: int = 0

    @property
    def before(self) -> bool:
        """True when the request led up to the capture and is not part of it."""
        return self.entry.node.at("_before_capture").value is True


@dataclass
class Chosen:
    """What becomes a recording, in order of time, and what a reviewer is to know of the rest."""

    origin: str
    told: list[Told]
    notes: list[str] = field(default_factory=list)


def choose(har: Har, origin: str | None) -> Chosen:
    """The entries of one origin: the given one, else that of most entries. Raises `NotHar` when there is nothing."""
    left: dict[str, list[Entry]] = {}
    urls = [(entry, entry.url) for entry in har.entries]
    left[_NO_REQUEST] = [entry for entry, url in urls if url is None]
    origins = Counter(url.origin for _, url in urls if url is not None)
    chosen = _origin(har, origins, origin)
    entries = sorted(
        ((entry, url) for entry, url in urls if url is not None and url.origin == chosen), key=lambda e: e[0].started_ns
    )
    # Playwright's minimal mode writes no times at all; otherwise an entry without one never ended.
    timeless = all(entry.unfinished for entry, _ in entries if entry.status > 0)
    told: list[Told] = []
    seen: dict[tuple[str, str, str], list[Told]] = {}
    for entry, url in entries:
        earlier = seen.setdefault((entry.method, url.path, url.query), [])
        reason = _left_out(entry, timeless) or (_CACHED if earlier and _cached(entry) else None)
        found = None if reason else _told(entry, url, earlier)
        if found is None:
            left.setdefault(reason or _UNCHANGED, []).append(entry)
        else:
            told.append(found)
            earlier.append(found)
    if not any(not each.before for each in told):
        raise NotHar(f"{har.path} holds no answered request to {chosen}; there is nothing to replay.")
    notes = [*_other_origins(origins, chosen), *_notes(left), *_without_cookies(har, told)]
    notes += [_TIMELESS] if timeless else []
    return Chosen(chosen, _timed(told), notes)


# ---------------------------------------------------------------------- origins


def _origin(har: Har, origins: Mapping[str, int], wanted: str | None) -> str:
    if not origins:
        raise NotHar(f"{har.path} holds no request of HTTP (/log/entries has {len(har.entries)} entries).")
    if wanted is None:
        return max(origins, key=lambda name: origins[name])
    try:
        url = Url.parse(wanted)
    except ValueError:
        url = None
    if url is None:
        raise NotHar(f"{wanted!r} is no origin; one is a scheme, host and port, such as {next(iter(origins))!r}.")
    if url.origin not in origins:
        near = difflib.get_close_matches(url.origin, list(origins), 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {_listed(origins)}."
        raise NotHar(f"{har.path} holds no request to {url.origin}; {hint}")
    return url.origin


def _other_origins(origins: Mapping[str, int], chosen: str) -> Iterator[str]:
    others = {name: count for name, count in origins.items() if name != chosen}
    if others:
        total = sum(others.values())
        yield f"Of the HAR only requests to {chosen} are in here; {total} to others were left out: {_listed(others)}."


def _listed(origins: Mapping[str, int]) -> str:
    found = sorted(origins.items(), key=lambda item: -item[1])
    named = ", ".join(f"{name} ({count})" for name, count in found[:10])
    return f"{named} and {len(found) - 10} more" if len(found) > 10 else named


# ---------------------------------------------------------------------- what is left out


def _left_out(entry: Entry, timeless: bool) -> str | None:
    """Why an entry is no request that an application answered whole; None when it is one."""
    kind = entry.node.at("_resourceType").value
    if (
        kind == "websocket"
        or entry.node.at("_webSocketMessages").value
        or entry.request.text("url")[:2].lower() == "ws"
    ):
        return _WEBSOCKET
    if entry.status <= 0 or (entry.unfinished and not timeless):
        return _ABORTED
    if entry.status == 101:
        return _WEBSOCKET
    if kind == "eventsource" or entry.media_type == "text/event-stream":
        return _STREAM
    return _OWN if any(name == "x-recorder" for name, _ in entry.got) else None


def _cached(entry: Entry) -> bool:
    return bool(entry.node.at("_fromCache").value)


def _notes(left: Mapping[str, Sequence[Entry]]) -> Iterator[str]:
    for reason, entries in left.items():
        if entries:
            places = ", ".join(entry.node.pointer for entry in entries[:_NAMED])
            more = f" and {len(entries) - _NAMED} more" if len(entries) > _NAMED else ""
            yield f"Left out of the HAR, {reason}: {places}{more}."


def _without_cookies(har: Har, told: Sequence[Told]) -> Iterator[str]:
    """Chromium takes cookies and credentials out of what it exports, unless it is told not to."""
    if har.creator.startswith("WebInspector") and not any(
        name in ("cookie", "set-cookie") for each in told for name, _ in (*each.sent, *each.got)
    ):
        yield (
            "The HAR holds no cookie at all. If the application sets any, they were taken out: export it with sensitive "
            "data (Chromium: Settings, Preferences, Network) and import it again; here all of it is redacted."
        )


# ---------------------------------------------------------------------- what is kept


def _told(entry: Entry, url: Url, earlier: Sequence[Told]) -> Told | None:
    """The entry with header fields as the application saw and sent them; None for a 304 about something unknown."""
    sent = [(n, v) for n, v in entry.sent if n not in ("content-length", "transfer-encoding")]
    if not any(name == "host" for name, _ in sent):
        sent.insert(0, ("host", url.host))
    if not any(name == "cookie" for name, _ in sent) and (cookies := _cookies(entry)):
        sent.append(("cookie", cookies))
    encoded = any(name == "content-encoding" for name, _ in entry.got)
    dropped = {"content-encoding", "transfer-encoding"} | ({"content-length"} if encoded else set())
    got = [(name, value) for name, value in entry.got if name not in dropped]
    if not any(name == "set-cookie" for name, _ in got):
        got += [("set-cookie", cookie) for cookie in _set_cookies(entry)]
    target = entry.response.text("redirectURL", "")
    if target and 300 <= entry.status < 400 and not any(name == "location" for name, _ in got):
        got.append(("location", target))
    status = entry.status
    if status == 304 and not _validated(sent, earlier):
        # What the browser had from before is what a fresh client will be given.
        if not entry.content.text("text", ""):
            return None
        status = 200
        sent = [(name, value) for name, value in sent if name not in _CONDITIONAL]
    return Told(entry, url, status, sent, got)


def _validated(sent: Headers, earlier: Sequence[Told]) -> bool:
    """True when an answer that is kept gave the validator that a conditional request sends."""
    wanted = {(_CONDITIONAL[name], value) for name, value in sent if name in _CONDITIONAL}
    return any(wanted.intersection(told.got) for told in earlier)


def _cookies(entry: Entry) -> str:
    pairs = [(c.text("name", ""), c.text("value", "")) for c in entry.request.objects("cookies", needed=False)]
    return "; ".join(f"{name}={value}" for name, value in pairs if name)


def _set_cookies(entry: Entry) -> Iterator[str]:
    for cookie in entry.response.objects("cookies", needed=False):
        if name := cookie.text("name", ""):
            path = f"; Path={cookie.text('path', '')}" if cookie.text("path", "") else ""
            flags = [word for key, word in _FLAGS.items() if cookie.at(key).value is True]
            yield "; ".join([f"{name}={cookie.text('value', '')}{path}", *flags])


_FLAGS = {"httpOnly": "HttpOnly", "secure": "Secure"}


# ---------------------------------------------------------------------- times


def _timed(told: list[Told]) -> list[Told]:
    """With their times: no two begin at once, and what a HAR's resolution leaves open is taken for one after the other.

    Chromium and Playwright cut beginnings to whole milliseconds: a request that was sent because of an answer may seem
    to begin up to one before that answer's end.
    """
    starts: list[int] = []
    for each in told:
        starts.append(max(each.entry.started_ns, starts[-1] + 1000 if starts else 0))
    timed = []
    for index, each in enumerate(told):
        begun = starts[index]
        ended = max(begun, each.entry.started_ns + each.entry.duration_ns)
        if each.entry.started_ns % _MILLISECOND == 0:
            after = bisect.bisect_right(starts, ended - _MILLISECOND, index + 1)
            if after < len(starts) and starts[after] < ended:
                ended = starts[after]
        timed.append(Told(each.entry, each.url, each.status, each.sent, each.got, begun, ended))
    return timed
