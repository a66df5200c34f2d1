"""Was a login believed, and is it still? What an application refuses tells whether the replay can be judged.

That a login was answered as recorded proves little: many applications answer a wrong password like a right one, and the
next page is the login form again. So it is believed when the first request behind it that is no picture or script was
answered as recorded. Until then a refusal means that credentials are wrong here, which is no verdict on the application.

From then on a 401, or a redirect to the login where the recording had none, is a session that ended on the way: the
recorded login is sent once more, with the pages that gave it tokens, and the refused request after it. It was refused
before it did anything, so it may be sent again whatever it does. If that is refused, too, the application changed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from assembler.extractors import Answer
from assembler.profile import Profile, Step
from playback.errors import Unjudgeable
from playback.template import names_in

__all__ = ["Logins", "referred"]

_SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
_ANYBODYS = ("image/", "font/", "text/css", "text/javascript", "application/javascript", "application/x-javascript")
_HELD = 60.0
"""Seconds that a session must have held before it may be renewed a second time."""


@dataclass
class Logins:
    """The logins of one replay. `cookie`: one was given by hand, in place of the prologue."""

    profile: Profile
    cookie: bool
    recorded: Callable[[Step], Path | None]
    """The file with the recorded answer to a step."""
    withheld: Callable[[str], list[str]]
    """Names of the cookies of a client that plain http keeps from being sent back."""
    origin: str
    lock: threading.RLock = field(default_factory=threading.RLock)
    renewals: dict[str, int] = field(default_factory=dict)
    """How often each client has signed in anew."""

    def __post_init__(self) -> None:
        self._taken: set[str] = set()
        """Secrets (by name) that the application is known to have taken."""
        self._unproved: dict[str, tuple[Step | None, set[str]]] = {"main": (None, set())} if self.cookie else {}
        """By client: a login that was answered as recorded, of which nothing shows yet that it was believed."""
        self._since: dict[str, float] = {}

    def look(self, step: Step, answer: Answer) -> None:
        """Learn from an answer whether credentials were taken. Raises `Unjudgeable` where they never were."""
        sent, borne = self._secrets(step)
        expected = step.expect.status if step.expect is not None else None
        refusal = self.refusal(step, answer)
        if refusal is None and (expected is None or answer.status == expected):
            if expected in (401, 403):
                return
            with self.lock:
                self._taken |= borne
                again = sent <= self._unproved.get(step.client, (None, set()))[1]
                if sent - self._taken and not again:
                    self._unproved[step.client] = (step, sent)
                elif not _anybodys(step):
                    self._taken |= self._unproved.pop(step.client, (None, set()))[1]
            return
        if refusal is None:
            return
        if (sent | borne) - self._taken:
            raise Unjudgeable(
                f"The login (step {step.id}, {step.method} {step.path}) was refused: the application {refusal}. "
                f"{self._plain_http(step.client) or 'Check PROFILE_SECRET_* or ADMIN_EMAIL and ADMIN_PASSWORD.'}"
            )
        login, _ = self._unproved.get(step.client, (None, set()))
        if step.client not in self._unproved:
            if why := self._plain_http(step.client):
                raise Unjudgeable(f"Step {step.id} was refused: the application {refusal}. {why}")
            return
        what = "The cookie given by hand" if login is None else f"The login (step {login.id})"
        check = "Check PROFILE_SECRET_*; if it is right, the application changed."
        if login is None:
            check = "Give one of a session that goes on."
        raise Unjudgeable(
            f"{what} is not believed: step {step.id}, the first that needs it ({step.method} {step.path}), was refused, "
            f"the application {refusal}. {self._plain_http(step.client) or check}"
        )

    def ended(self, step: Step, answer: Answer, renewals: int) -> bool:
        """True when the session of the step's client has ended and may be renewed: it was believed, and the application
        now asks for a login. `renewals` is how many there were when the step was sent."""
        if answer.status in (403, 200) or self.refusal(step, answer) is None or step.client in self._unproved:
            return False
        if not self.steps(step) or self._secrets(step)[0]:
            return False
        if self.renewals.get(step.client, 0) != renewals:
            return True  # a step beside this one has renewed it meanwhile
        since = self._since.get(step.client)
        return since is None or time.monotonic() - since >= _HELD

    def renewed(self, client: str) -> None:
        """Note that the client has signed in anew."""
        self._since[client] = time.monotonic()
        self.renewals[client] = self.renewals.get(client, 0) + 1

    def steps(self, step: Step) -> list[Step]:
        """What signs the client of `step` in: the last recorded login before it, and the steps whose values that sends."""
        before = self._before(step)
        login = next((s for s in reversed(before) if s.client == step.client and self._secrets(s)[0]), None)
        return [*_closure(login, before), login] if login is not None else []

    def pages(self, step: Step) -> list[Step]:
        """Reads behind the login whose answers gave secrets (tokens of the session) that `step` or a later step sends."""
        before = self._before(step)
        known = {s.id for s in self.steps(step)}
        wanted = {name for s in self._every[len(before) :] for name in referred(s)}
        behind = before[max((n + 1 for n, s in enumerate(before) if s.id in known), default=0) :]
        return [
            s
            for s in behind
            if s.client == step.client
            and s.id in wanted
            and s.method in _SAFE
            and any((e.was or "").startswith("secret-") for e in s.extract.values())
        ]

    # ------------------------------------------------------------------ what refuses

    def refusal(self, step: Step, answer: Answer) -> str | None:
        """In words, how an answer refuses where the recorded one did not; None when it does not."""
        expect = step.expect
        if answer.status in (401, 403):
            return None if expect is not None and expect.status == answer.status else f"answered {answer.status}"
        if answer.status == 200 and self._shows_form(answer) and not self._showed_form(step):
            return "showed the form again"
        if answer.status in (301, 302, 303, 307):
            there = urlsplit(answer.first("location") or "").path
            recorded = urlsplit((expect.location if expect is not None else None) or "").path
            if there != recorded and there in self._doors:
                return f"sent it to the login ({there})"
        return None

    def _shows_form(self, answer: Answer) -> bool:
        asks = "password" in (answer.text or "") and answer.is_html and bool(self._doors)
        return asks and answer.html.css_first("input[type=password]") is not None

    def _showed_form(self, step: Step) -> bool:
        path = self.recorded(step)
        return path is not None and b"password" in path.read_bytes()

    @cached_property
    def _doors(self) -> set[str]:
        """Paths at which the recorded work signed in."""
        every = self._every
        found: set[str] = set()
        for number, step in enumerate(every):
            if self._secrets(step)[0]:
                found.update(s.path or "/" for s in [*_closure(step, every[:number]), step])
        return found

    def _plain_http(self, client: str) -> str | None:
        names = self.withheld(client)
        if not names:
            return None
        kept = f"cookie {names[0]!r} is" if len(names) == 1 else f"cookies {', '.join(map(repr, names))} are"
        return (
            f"Its {kept} Secure and {self.origin} is plain http, over which no client sends it back: use an https address, "
            "or give the https origin as PROFILE_PLAYBACK_BASE_URL and the plain address as PROFILE_PLAYBACK_INTERNAL_URL."
        )

    # ------------------------------------------------------------------ the recorded steps

    def _secrets(self, step: Step) -> tuple[set[str], set[str]]:
        """Names of the secrets that a step sends as a form or document, and of those that every request bears itself."""
        if step.id not in self._known:
            # A recorded document with a password may be signed in by; an Authorization header proves itself each time.
            body: list[Any] = [step.form, step.json_, step.text, [p.value for p in step.multipart or []]]
            sent = {n for n in names_in(body) if n.startswith("secrets.")}
            borne = {
                n for n in names_in([step.headers, step.cookies, step.path, step.query]) if n.startswith("secrets.")
            }
            self._known[step.id] = sent, borne - sent
        return self._known[step.id]

    @cached_property
    def _known(self) -> dict[str, tuple[set[str], set[str]]]:
        return {}

    @cached_property
    def _every(self) -> list[Step]:
        return [*([] if self.cookie else self.profile.prologue), *self.profile.steps]

    def _before(self, step: Step) -> list[Step]:
        return self._every[: next((n for n, s in enumerate(self._every) if s.id == step.id), 0)]


def referred(step: Step) -> set[str]:
    """Ids of the steps whose answers gave values that `step` sends."""
    names = names_in(step.model_dump(by_alias=True, exclude={"expect", "extract", "title", "note"}))
    return set(_ids(names))


def _ids(names: Iterator[str]) -> Iterator[str]:
    for name in names:
        head, _, rest = name.partition(".")
        if head == "steps":
            yield rest.rpartition(".")[0]


def _closure(step: Step, before: Sequence[Step]) -> list[Step]:
    """The earlier steps whose values `step` needs, and those that they need, in order."""
    wanted, found = referred(step), []
    for earlier in reversed(before):
        if earlier.id in wanted:
            found.append(earlier)
            wanted |= referred(earlier)
    return found[::-1]


def _anybodys(step: Step) -> bool:
    """True for a picture, a script, a style: what most applications show without a login."""
    media_type = (step.expect.media_type if step.expect is not None else None) or ""
    return step.method in _SAFE and media_type.startswith(_ANYBODYS)
