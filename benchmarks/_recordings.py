"""Recordings to measure the assembler with: pages of 15 KB with ids and tokens that come back, as a shop has them."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from recorder.core import Recorder
from recorder.settings import Settings

__all__ = ["CAPTURED_EACH", "Shop", "recorder_at"]

CAPTURED_EACH = 5
"""Requests of one order."""
PAGE = 15_000  # characters
_ORDERS = 40
_WORDS = ["river", "slope", "soil", "burn", "severity", "channel", "outlet", "climate", "station", "daily", "sediment", "watershed"]
_HTML = ("content-type", "text/html; charset=utf-8")
_JSON = ("content-type", "application/json")
_FORM = ("content-type", "application/x-www-form-urlencoded")
_SENT = [("host", "127.0.0.1:8000"), ("user-agent", "Mozilla/5.0 benchmark")]


def recorder_at(root: Path, capture: str | None = None) -> Recorder:
    """A recorder as a web process has one; `capture` is opened as RECORDER_CAPTURE does."""
    environ = {"RECORDER_ROOT": str(root), **({"RECORDER_CAPTURE": capture} if capture else {})}
    recorder = Recorder(Settings.from_env(environ))
    recorder.attach()
    return recorder


class Shop:
    """Requests and answers of one browser, one order after the other. `page` characters a page; `after` hears of each."""

    def __init__(self, recorder: Recorder, page: int = PAGE, after: Callable[[], None] = lambda: None) -> None:
        self._recorder = recorder
        self._page = page
        self._after = after
        self._random = random.Random(7)
        self._rows = [(100 + number, f"thing {number}", self._uuid()) for number in range(_ORDERS)]
        self._session = f"{self._random.getrandbits(160):040x}"

    def login(self) -> None:
        """One request."""
        cookie = ("set-cookie", f"sessionid={self._session}; Path=/; HttpOnly")
        self._exchange(
            "POST", "/login", sent=[_FORM], body="username=ann&password=correct-horse-7", status=302, got=[cookie]
        )

    def order(self) -> None:
        """Five requests: the list, a new order, its page, an item of it by JSON, its file."""
        token = f"T{self._random.getrandbits(160):040x}"
        number, code = self._rows[-1][0] + 1, self._uuid()
        self._exchange("GET", f"/orders/?page={number % 7}", self._listed(token))
        self._rows = [*self._rows[1:], (number, f"order number {number}", code)]
        body = f"csrf_token={token}&name=order+number+{number}"
        self._exchange(
            "POST", "/orders/new", sent=[_FORM], body=body, status=302, got=[("location", f"/orders/{number}/")]
        )
        self._exchange("GET", f"/orders/{number}/", self._listed(token))
        item = (
            f'{{"id":"{code}","order":{number},"state":"new","text":"{" ".join(self._random.choices(_WORDS, k=30))}"}}'
        )
        self._exchange(
            "POST", f"/api/orders/{number}/items", item, sent=[_JSON], body='{"sku":"river","qty":2}', got=[_JSON]
        )
        self._exchange("GET", f"/artifacts/{code}/file", self._listed(token))

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128)))

    def _listed(self, token: str) -> str:
        rows = "".join(
            f'<tr data-id="{number}"><td><a href="/orders/{number}/">{name}</a></td><td>2026-11-20 13:00:00</td>'
            f'<td><a href="/artifacts/{code}/file">{self._random.random() * 100:.3f}</a></td></tr>'
            for number, name, code in self._rows[-max(1, self._page // 400) :]
        )
        form = f'<form method="post" action="/orders/new"><input type="hidden" name="csrf_token" value="{token}"><input name="name"></form>'
        text = f"<!doctype html><html><head><title>Orders</title></head><body>{form}<table>{rows}</table>"
        while len(text) < self._page:
            text += f"<p>{' '.join(self._random.choices(_WORDS, k=min(200, self._page // 20)))}</p>"
        return f"{text}</body></html>"

    def _exchange(
        self,
        method: str,
        path: str,
        answer: str = "",
        *,
        sent: Sequence[tuple[str, str]] = (),
        body: str = "",
        status: int = 200,
        got: Sequence[tuple[str, str]] = (_HTML,),
    ) -> None:
        bare, _, query = path.partition("?")
        length = [("content-length", str(len(body)))] if body else []
        cookie = [("cookie", f"sessionid={self._session}")] if path != "/login" else []
        exchange: Any = self._recorder.begin(method, "http", bare, query, [*_SENT, *cookie, *sent, *length], "1.1")
        if body:
            exchange.request_chunk(body.encode())
        exchange.response_start(status, [*got])
        exchange.response_chunk(answer.encode(), last=True)
        exchange.finish()
        self._after()
