"""Who sent which request: recorded exchanges told apart into clients, each with a cookie jar of its own.

A client is known by its cookies: the jar that its earlier answers would have filled must explain what it sends.
Requests without cookies go to the client of the same user agent whose jar owes none, else begin a new one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from assembler.cookies import SESSION_NAME, Jar, parse_cookie, set_cookie_name
from assembler.recording import Exchange

__all__ = ["OWN_COOKIE", "Clients", "Owner", "RecordedClient"]

OWN_COOKIE = "recorder_session"
_LATEST = 8


@dataclass
class RecordedClient:
    """One recorded browser or program."""

    name: str
    agent: str
    jar: Jar = field(default_factory=Jar)
    held: set[tuple[str, str]] = field(default_factory=set)
    """Every cookie it ever had: a request may leave with a value that an answer in flight replaces."""
    own: dict[str, str] = field(default_factory=dict)
    """Cookies it sent that no recorded answer set: made by a script, or from before the log begins."""
    owes: bool = False
    """True while its jar holds any cookie."""
    setters: dict[str, int] = field(default_factory=dict)
    """Cookie name to the exchange that set its current value."""


@dataclass(frozen=True)
class Owner:
    """The client of one exchange, the cookies it sent on its own, and the exchanges that set the others."""

    client: str
    extra: dict[str, str]
    needs: list[int]


class Clients:
    """The clients seen so far."""

    def __init__(self) -> None:
        self._clients: list[RecordedClient] = []
        """Who spoke last is last."""

    @property
    def by_name(self) -> dict[str, RecordedClient]:
        return {client.name: client for client in self._clients}

    def owner(self, exchange: Exchange) -> Owner:
        """The owner of the next exchange, in order."""
        url = f"{exchange.origin}{exchange.path}"
        sent = {n: v for n, v in parse_cookie("; ".join(_all(exchange, "cookie"))) if n != OWN_COOKIE}
        agent = exchange.header("user-agent") or ""
        client = _match(self._clients, agent, url, sent)
        if client is None:
            client = RecordedClient(f"client-{len(self._clients) + 1}" if self._clients else "main", agent)
        else:
            self._clients.remove(client)
        self._clients.append(client)
        owed = client.jar.cookies(url)
        extra = {n: v for n, v in sent.items() if owed.get(n) != v and (n, v) not in client.held}
        needs = sorted({client.setters[n] for n in sent if n in client.setters and n not in extra})
        client.own.update(extra)
        set_cookies = [
            v for n, v in exchange.response_headers if n == "set-cookie" and set_cookie_name(v) != OWN_COOKIE
        ]
        if set_cookies:
            client.jar.receive(url, set_cookies)
            client.held.update(client.jar.cookies(url).items())
        for header in set_cookies:
            name = set_cookie_name(header)
            client.setters[name] = exchange.index
            client.own.pop(name, None)
            client.held.add((name, header.partition("=")[2].partition(";")[0].strip()))
        client.owes = bool(client.jar)
        return Owner(client.name, extra, needs)


def _all(exchange: Exchange, name: str) -> list[str]:
    return [v for n, v in exchange.headers if n == name]


def _eligible(clients: Sequence[RecordedClient], agent: str, sent: dict[str, str]) -> Iterator[RecordedClient]:
    """Clients of that agent that had one of the cookies, or hold none; of those that hold some, a request without any
    may still be from one of the latest: its cookies may not belong to this address."""
    latest = len(clients) - _LATEST
    for position, client in enumerate(clients):
        if client.agent != agent:
            continue
        if not sent:
            if not client.own and (not client.owes or position >= latest):
                yield client
        elif (not client.own and not client.owes) or any(
            (n, v) in client.held or client.own.get(n) == v for n, v in sent.items()
        ):
            yield client


def _match(clients: Sequence[RecordedClient], agent: str, url: str, sent: dict[str, str]) -> RecordedClient | None:
    """The client that `sent` speaks for; the one that spoke last wins among equals."""
    best: tuple[float, RecordedClient] | None = None
    for client in _eligible(clients, agent, sent):
        owed = client.jar.cookies(url)
        known = {**client.own, **owed}
        if not sent:
            score = 1.0 if not owed and not client.own else -1.0
        else:
            agree = sum((n, v) in client.held or known.get(n) == v for n, v in sent.items())
            changed = [n for n, v in sent.items() if n in known and known[n] != v and (n, v) not in client.held]
            # What a page's script counts or remembers may change at any time; who somebody is may not.
            differ = sum(4.0 if n in owed or SESSION_NAME.search(n) else 0.5 for n in changed)
            missing = sum(n not in sent for n in owed)
            # A browser that got its first cookie from elsewhere still is the one whose jar was empty.
            score = agree * 3 - differ - missing if agree else (0.5 if not owed and not client.own else -1.0)
        if score > 0 and (best is None or score >= best[0]):
            best = (score, client)
    return best[1] if best else None
