"""An application whose pages need a login, in the test's hand: how one signs in, what it does with a wrong password,
when it forgets a session, whether its cookie is Secure.
"""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import httpx

from tests.apps.browser import Page

USER, PASSWORD = "ada", "correct horse battery"
Reply = tuple[str, str, str, list[tuple[str, str]]]


@dataclass
class Members:
    """`refuses`: what a wrong password is answered with (`sent back`, `form`, `401`). `forgets`: requests after which a
    session is forgotten, by how many came before in all. `denies`: a path that nobody may see."""

    token_field: str = "csrf_token"
    refuses: str = "sent back"
    forgets: list[int] = field(default_factory=list)
    denies: str = ""
    secure: bool = False
    password: str = PASSWORD
    sessions: dict[str, dict[str, Any]] = field(default_factory=dict)
    bearers: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        self.asked.append(f"{method} {path}")
        if len(self.asked) in self.forgets:
            self.sessions.clear()
            self.bearers.clear()
        cookie = SimpleCookie(environ.get("HTTP_COOKIE", "")).get("sid")
        session = self.sessions.get(cookie.value) if cookie else None
        status, kind, text, headers = self.route(f"{method} {path}", environ, body.decode(), session)
        start_response(status, [("Content-Type", kind), ("Content-Length", str(len(text.encode()))), *headers])
        return [text.encode()]

    def route(self, asked: str, environ: dict[str, Any], body: str, session: dict[str, Any] | None) -> Reply:
        signed = session is not None and session["user"] is not None
        if asked == "GET /logo.svg":
            return "200 OK", "image/svg+xml", "<svg/>", []
        if asked == "GET /login":
            return self.form()
        if asked == "POST /login":
            return self.sign_in(parse_qs(body), session)
        if asked == "POST /api/login":
            if json.loads(body) != {"name": USER, "password": self.password}:
                return "401 Unauthorized", "application/json", '{"error": "who?"}', []
            token = secrets.token_urlsafe(24)
            self.bearers.add(token)
            return "200 OK", "application/json", json.dumps({"access_token": token}), []
        signed = signed or self.bears(environ.get("HTTP_AUTHORIZATION", ""))
        if not signed and asked == "GET /":
            return "302 Found", "text/html", "", [("Location", "/login")]
        if not signed or asked.endswith(self.denies or "nothing"):
            return "401 Unauthorized", "application/json", '{"error": "sign in"}', []
        if asked == "GET /":
            page = f'<meta name="csrf-token" content="{session["csrf"] if session else ""}"><h1>Hello {USER}</h1>'
            return "200 OK", "text/html", page, []
        if asked == "POST /notes":
            if session is not None and environ.get("HTTP_X_CSRF_TOKEN") != session["csrf"]:
                return "403 Forbidden", "application/json", '{"error": "token"}', []
            self.notes.append(json.loads(body)["text"])
            return "201 Created", "application/json", json.dumps({"count": len(self.notes)}), []
        return "200 OK", "application/json", json.dumps({"notes": self.notes}), []

    def bears(self, authorization: str) -> bool:
        scheme, _, credential = authorization.partition(" ")
        if scheme == "Basic":
            return base64.b64decode(credential).decode() == f"{USER}:{self.password}"
        return scheme == "Bearer" and credential in self.bearers

    def form(self) -> Reply:
        sid, csrf = secrets.token_urlsafe(18), secrets.token_hex(20)
        self.sessions[sid] = {"user": None, "csrf": csrf}
        page = f'<form method=post><input type=hidden name="{self.token_field}" value="{csrf}">'
        page += "<input name=user><input type=password name=password></form>"
        return "200 OK", "text/html", page, [self.cookie(sid)]

    def sign_in(self, form: dict[str, list[str]], session: dict[str, Any] | None) -> Reply:
        if session is None or form.get(self.token_field) != [session["csrf"]]:
            return "403 Forbidden", "text/html", "token", []
        if form["user"] != [USER] or form["password"] != [self.password]:
            if self.refuses == "form":
                return self.form()
            code = "302 Found" if self.refuses == "sent back" else "401 Unauthorized"
            return code, "text/html", "", [("Location", "/login")] if code.startswith("3") else []
        sid = secrets.token_urlsafe(18)
        self.sessions[sid] = {"user": USER, "csrf": secrets.token_hex(20)}
        return "302 Found", "text/html", "", [("Location", "/"), self.cookie(sid)]

    def cookie(self, sid: str) -> tuple[str, str]:
        return "Set-Cookie", f"sid={sid}; Path=/; HttpOnly{'; Secure' if self.secure else ''}"


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64  # connections that may wait to be taken


@contextlib.contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve a WSGI application on a free port; yields its URL."""
    with make_server("127.0.0.1", 0, app, server_class=_Threads, handler_class=_Quiet) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def work(client: httpx.Client, headers: dict[str, str]) -> None:
    """What one does who is signed in."""
    for text in ("one", "two", "three"):
        assert client.post("/notes", json={"text": text}, headers=headers).status_code == 201
    assert client.get("/notes", headers=headers).json() == {"notes": ["one", "two", "three"]}


def by_form(client: httpx.Client) -> None:
    """Sign in by the form, whatever its token is called."""
    fields = Page(client.get("/login").text).fields
    client.get("/logo.svg")
    answer = client.post("/login", data={**fields, "user": USER, "password": PASSWORD})
    assert answer.headers["location"] == "/"
    client.get("/logo.svg")
    work(client, {"X-CSRF-Token": Page(client.get("/").text).meta["csrf-token"]})


def by_document(client: httpx.Client) -> None:
    """Sign in with JSON for a bearer token."""
    token = client.post("/api/login", json={"name": USER, "password": PASSWORD}).json()["access_token"]
    work(client, {"Authorization": f"Bearer {token}"})


def by_basic(client: httpx.Client) -> None:
    """Every request bears the password."""
    client.auth = (USER, PASSWORD)
    work(client, {})
