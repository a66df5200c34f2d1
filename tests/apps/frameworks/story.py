"""What the applications have in common: what they answer, who their users are, and how their recorder is set up."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

from recorder import Settings
from recorder.runs import Run

BARE = "BARE" in os.environ
PIECES = [b"one\n", b"two\n" * 400, "drei, \N{SNOWMAN}\n".encode()]
"""What is streamed, piece by piece."""
MISHAP = "the mill wheel broke"


def token(user: str) -> str:
    """The value of the login cookie: only the application knows whose it is."""
    return hashlib.sha256(f"cookie of {user}".encode()).hexdigest()


USERS = {token(name): name for name in ("ada", "root")}


def described(name: str, content: bytes) -> dict[str, Any]:
    """What an upload is answered with."""
    return {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def user(native: Mapping[str, Any]) -> str | None:
    """The user of a request, from a WSGI environ or an ASGI scope."""
    cookie = native.get("HTTP_COOKIE") or dict(native.get("headers", ())).get(b"cookie", b"").decode("latin-1")
    login = SimpleCookie(cookie).get("login")
    return USERS.get(login.value) if login is not None else None


def roles(native: Mapping[str, Any]) -> set[str]:
    """One user may do everything with the recorder, the others nothing."""
    return {"capture", "audit", "export"} if user(native) == "root" else set()


def run_of(path: str) -> Run | None:
    """The run of a decoded path: applications whose runs no pattern can tell name them by a callable."""
    found = re.match(r"/projects/([a-z-]+)/", path)
    return Run(found[1], "own", Path(os.environ["RUNS"]) / found[1]) if found else None


def settings() -> Settings:
    """Those of the environment, and the callables, which can only be given in code."""
    found = replace(Settings.from_env(), user=user, roles=roles)
    return found if found.run_pattern else replace(found, resolver=run_of)
