"""A total that many add to, and things with counted ids, for one process of many threads.

AT_ONCE is how many come together: a request that acts goes on when so many are inside, whatever the machine's load. ORDER
says in which order things are then counted, `arrival` or `reversed`; without it, as it happens.

MUTANT: 1 adding is no longer guarded, so that of two at once one is lost · 2 the total is wrong whoever adds.
"""

from __future__ import annotations

import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from tests.apps.state import MUTANT, SHIFT

AT_ONCE = int(os.environ.get("AT_ONCE", "1"))
ORDER = os.environ.get("ORDER")
LONGER = 0.01
"""Seconds that they stay together at least: more than the times of a recording are rounded by."""

total = 0
things: dict[int, str] = {}
counter, arrivals = itertools.count(SHIFT + 1), itertools.count()
inside = threading.Barrier(AT_ONCE, timeout=60)
turn = threading.Condition()


def meet() -> None:
    inside.wait()
    time.sleep(LONGER)


def add(number: int) -> dict[str, Any]:
    global total
    if MUTANT == 1:
        before = total
        meet()
        total = before + number
    else:
        meet()
        with turn:
            total += number + (MUTANT == 2)
    return {"added": number}


def make(name: str) -> dict[str, Any]:
    place = next(arrivals) % AT_ONCE
    if ORDER == "reversed":
        place = AT_ONCE - 1 - place
    meet()
    with turn:
        if ORDER is not None:
            turn.wait_for(lambda: len(things) % AT_ONCE == place)
        number = next(counter)
        things[number] = name
        turn.notify_all()
    return {"id": number, "url": f"/things/{number}"}


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path, posted = environ["PATH_INFO"], environ["REQUEST_METHOD"] == "POST"
    sent = json.loads(environ["wsgi.input"].read() or b"{}") if posted else {}
    if path == "/add" and posted:
        answer = add(sent["number"])
    elif path == "/total":
        answer = {"total": total}
    elif path == "/things" and posted:
        answer = make(sent["name"])
    elif path.startswith("/things/"):
        answer = {"id": int(path.rpartition("/")[2]), "name": things[int(path.rpartition("/")[2])]}
    else:
        answer = {"things": len(things)}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]
