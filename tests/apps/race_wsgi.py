"""A total that many add to, and things with counted ids, for one process of many threads.

LAST names the thing that takes longest to make.

MUTANT: 1 adding is no longer guarded, so that of two at once one is lost · 2 the total is wrong whoever adds.
"""

from __future__ import annotations

import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any

from tests.apps.state import MUTANT, SHIFT

WORK = 0.15
"""Seconds that adding takes, between looking and writing."""

total = 0
things: dict[int, str] = {}
counter = itertools.count(SHIFT + 1)
guard = threading.Lock()


def add(number: int) -> dict[str, Any]:
    global total
    with nullcontext() if MUTANT == 1 else guard:
        before = total
        time.sleep(WORK)
        total = before + number + (MUTANT == 2)
    return {"added": number}


def make(name: str) -> dict[str, Any]:
    time.sleep(WORK * 3 if name == os.environ.get("LAST") else WORK)
    number = next(counter)
    things[number] = name
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
