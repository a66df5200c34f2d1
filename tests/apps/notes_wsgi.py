"""Notes: Flask, slugs made of words, masked CSRF tokens, a double-submit cookie, ETags, cursors, bearer tokens.

MUTANT: 1 wrong word count · 2 deleting answers 500 · 3 a duplicate title answers 200 instead of 409 · 4 the list drops
its last note · 5 the export lists its rows in another order · 6 edited notes are stored truncated.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import secrets
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import wraps
from html import escape
from sqlite3 import Row
from typing import Any

from flask import Flask, Response, abort, g, redirect, request, url_for

from tests.apps.state import MUTANT, create, database

USER, PASSWORD = "grace", "wave after wave"
ADJECTIVES = ("brave", "calm", "eager", "fuzzy", "gentle", "happy", "jolly", "keen", "lucky", "merry", "quiet", "swift")
ANIMALS = ("badger", "crane", "dingo", "egret", "ferret", "gecko", "heron", "ibis", "lynx", "newt", "otter", "raven")

TABLES = [
    "CREATE TABLE session (id TEXT PRIMARY KEY, user TEXT)",
    "CREATE TABLE notebook (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT)",
    "CREATE TABLE note (slug TEXT PRIMARY KEY, title TEXT UNIQUE, text TEXT, notebook INTEGER, version TEXT,"
    " changed REAL)",
]
NOTEBOOKS = ["INSERT INTO notebook (name) VALUES ('Field book'), ('Letters'), ('Recipes')"]
KEY = create(TABLES, counted=["notebook"], fill=NOTEBOOKS).encode()
app = Flask(__name__, static_folder=None)


# --- tokens -----------------------------------------------------------------------------------------------------------


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def sign(text: str) -> str:
    return encode(hmac.digest(KEY, text.encode(), "sha256"))


def masked(secret: str) -> str:
    """The CSRF secret under a fresh one-time mask, so that no two pages carry the same token (as Django does)."""
    plain = secret.encode()
    mask = secrets.token_bytes(len(plain))
    return encode(mask + bytes(a ^ b for a, b in zip(mask, plain, strict=True)))


def unmasked(token: str) -> bytes:
    """The secret of a masked token; a bare secret, as a script reads it from the cookie, is its own."""
    if len(token) == 32:
        return token.encode()
    raw = decode(token)
    mask, cipher = raw[: len(raw) // 2], raw[len(raw) // 2 :]
    return bytes(a ^ b for a, b in zip(mask, cipher, strict=True))


def check_csrf() -> None:
    """Double submit: the token of the form or the header must carry the secret of the cookie."""
    given = request.headers.get("X-CSRFToken") or request.form.get("csrf_token", "")
    secret = request.cookies.get("csrftoken", "")
    if not secret or not given or not hmac.compare_digest(unmasked(given), secret.encode()):
        abort(403, "the CSRF token is missing or wrong")


def bearer_token(user: str) -> str:
    """A JSON Web Token signed with this instance's key (RFC 7519, HS256)."""
    now = int(time.time())
    claims = {"sub": user, "iat": now, "exp": now + 3600, "jti": str(uuid.uuid4())}
    text = ".".join(encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{text}.{sign(text)}"


def bearer_user() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    text, _, signature = token.rpartition(".")
    if scheme != "Bearer" or not hmac.compare_digest(sign(text), signature):
        abort(401, "a valid bearer token is needed")
    return str(json.loads(decode(text.split(".")[1]))["sub"])


def signed_in(view: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(view)
    def inner(*args: Any, **kwargs: Any) -> Any:
        with database() as db:
            row = db.execute("SELECT user FROM session WHERE id = ?", (request.cookies.get("sid"),)).fetchone()
        if row is None:
            return redirect(url_for("login_form"))
        g.user = row["user"]
        if request.method not in ("GET", "HEAD"):
            check_csrf()
        return view(*args, **kwargs)

    return inner


# --- pages ------------------------------------------------------------------------------------------------------------


def page(title: str, body: str) -> Response:
    """A page with a fresh masked token in every form, and the secret in the cookie that scripts read."""
    secret = request.cookies.get("csrftoken") or secrets.token_hex(16)
    hidden = f'<input type="hidden" name="csrf_token" value="{masked(secret)}">'
    answer = Response(f"<!doctype html><title>{title}</title><h1>{title}</h1>{body.replace('<!--csrf-->', hidden)}")
    if "csrftoken" not in request.cookies:
        answer.set_cookie("csrftoken", secret, samesite="Lax")
    return answer


@app.get("/health")
def health() -> str:
    return "ok"


@app.get("/login")
def login_form() -> Response:
    fields = '<!--csrf--><input name="user"><input type="password" name="password"><button>Sign in</button>'
    return page("Sign in", f'<form method="post" action="/login">{fields}</form>')


@app.post("/login")
def login() -> Any:
    check_csrf()
    if (request.form["user"], request.form["password"]) != (USER, PASSWORD):
        return page("Sign in", "<p>Wrong name or password.</p>")
    name = secrets.token_urlsafe(24)
    with database() as db:
        db.execute("INSERT INTO session VALUES (?, ?)", (name, USER))
    answer = redirect(url_for("notes"))
    answer.set_cookie("sid", name, httponly=True, samesite="Lax")
    answer.set_cookie("csrftoken", secrets.token_hex(16), samesite="Lax")
    return answer


@app.get("/notes")
@signed_in
def notes() -> Response:
    with database() as db:
        rows = db.execute("SELECT slug, title FROM note ORDER BY title").fetchall()
    items = "".join(f'<li><a href="/notes/{row["slug"]}">{escape(row["title"])}</a></li>' for row in rows)
    return page("Notes", f'<p>Hello {escape(g.user)}</p><ul>{items}</ul><a href="/notes/new">New</a>')


@app.get("/notes/new")
@signed_in
def new_form() -> Response:
    with database() as db:
        rows = db.execute("SELECT id, name FROM notebook ORDER BY name").fetchall()
    options = "".join(f'<option value="{row["id"]}">{escape(row["name"])}</option>' for row in rows)
    fields = f'<input name="title"><textarea name="text"></textarea><select name="notebook">{options}</select>'
    return page("New note", f'<form method="post" action="/notes"><!--csrf-->{fields}<button>Save</button></form>')


@app.post("/notes")
@signed_in
def new_note() -> Any:
    form = request.form
    with database() as db:
        if db.execute("SELECT 1 FROM note WHERE title = ?", (form["title"],)).fetchone():
            return page("Taken", "<p>There is a note with that title.</p>"), 200 if MUTANT == 3 else 409
        taken = {row["slug"] for row in db.execute("SELECT slug FROM note")}
        free = sorted({f"{a}-{b}" for a in ADJECTIVES for b in ANIMALS} - taken)
        slug = random.SystemRandom().choice(free)
        row = (slug, form["title"], form["text"], int(form["notebook"]), secrets.token_hex(8), time.time())
        db.execute("INSERT INTO note VALUES (?, ?, ?, ?, ?, ?)", row)
    return redirect(url_for("note", slug=slug))


def find(slug: str) -> Row:
    query = "SELECT note.*, name FROM note JOIN notebook ON notebook.id = notebook WHERE slug = ?"
    with database() as db:
        row: Row | None = db.execute(query, (slug,)).fetchone()
    if row is None:
        abort(404, "no such note")
    return row


def words(row: Row) -> int:
    return len(row["text"].split()) + (1 if MUTANT == 1 else 0)


@app.get("/notes/<slug>")
@signed_in
def note(slug: str) -> Response:
    row = find(slug)
    changed = datetime.fromtimestamp(row["changed"], UTC)
    answer = page(
        escape(row["title"]),
        f'<p id="text">{escape(row["text"])}</p><p>{words(row)} words in {escape(row["name"])}</p>'
        f'<p>Changed <time datetime="{changed.isoformat(timespec="seconds")}">{changed:%d %b %Y, %H:%M}</time></p>',
    )
    answer.headers["Last-Modified"] = format_datetime(changed, usegmt=True)
    return answer


@app.delete("/notes/<slug>")
@signed_in
def delete(slug: str) -> Any:
    find(slug)
    if MUTANT == 2:
        abort(500, "the note could not be deleted")
    with database() as db:
        db.execute("DELETE FROM note WHERE slug = ?", (slug,))
    return "", 204


@app.get("/export.csv")
@signed_in
def export() -> Response:
    with database() as db:
        rows = db.execute("SELECT slug, title, text FROM note ORDER BY title").fetchall()
    if MUTANT == 5:
        rows.reverse()
    lines = ["slug,title,characters", *(f"{row['slug']},{row['title']},{len(row['text'])}" for row in rows)]
    return Response("\r\n".join(lines) + "\r\n", mimetype="text/csv")


# --- API --------------------------------------------------------------------------------------------------------------


def etag(row: Row) -> str:
    return f'"{row["version"]}"'


def as_json(row: Row) -> dict[str, Any]:
    changed = datetime.fromtimestamp(row["changed"], UTC)
    return {
        "slug": row["slug"],
        "title": row["title"],
        "text": row["text"],
        "notebook": row["notebook"],
        "words": words(row),
        "self": url_for("api_note", slug=row["slug"], _external=True),
        "changed": {
            "iso": changed.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "local": changed.strftime("%Y-%m-%d %H:%M:%S"),
            "http": format_datetime(changed, usegmt=True),
            "epoch": int(row["changed"]),
            "epoch_ms": int(row["changed"] * 1000),
        },
    }


@app.post("/api/session")
def api_session() -> Any:
    given = request.get_json()
    if (given.get("user"), given.get("password")) != (USER, PASSWORD):
        abort(401, "wrong name or password")
    return {"access_token": bearer_token(USER), "token_type": "bearer", "expires_in": 3600}


@app.get("/api/notes")
def api_notes() -> Any:
    """One page by title; `next` is an absolute address with an opaque cursor, null on the last page."""
    bearer_user()
    limit, after = int(request.args.get("limit", 10)), ""
    if cursor := request.args.get("cursor"):
        text, _, signature = decode(cursor).decode().rpartition("|")
        if not hmac.compare_digest(sign(text), signature):
            abort(400, "that cursor is not from here")
        after = json.loads(text)["after"]
    with database() as db:
        rows = db.execute("SELECT slug, title FROM note ORDER BY title").fetchall()
    if MUTANT == 4:
        del rows[-1:]
    rest = [row for row in rows if row["title"] > after]
    answer: dict[str, Any] = {"items": [as_json(find(row["slug"])) for row in rest[:limit]], "next": None}
    if len(rest) <= limit:
        return answer
    text = json.dumps({"after": rest[limit - 1]["title"], "nonce": secrets.token_hex(4)})
    cursor = encode(f"{text}|{sign(text)}".encode())
    answer["next"] = url_for("api_notes", limit=limit, cursor=cursor, _external=True)
    return answer, 200, {"Link": f'<{answer["next"]}>; rel="next"'}


@app.get("/api/notes/<slug>")
def api_note(slug: str) -> Any:
    bearer_user()
    row = find(slug)
    return as_json(row), 200, {"ETag": etag(row)}


@app.put("/api/notes/<slug>")
def api_edit(slug: str) -> Any:
    bearer_user()
    row, given = find(slug), request.headers.get("If-Match")
    if given is None:
        abort(428, "send If-Match")
    if given != etag(row):
        abort(412, "the note was changed in the meantime")
    text = request.get_json()["text"]
    if MUTANT == 6:
        text = text[: len(text) // 2]
    version = hashlib.sha256(secrets.token_bytes(16)).hexdigest()[:16]
    with database() as db:
        values = (text, version, time.time(), slug)
        db.execute("UPDATE note SET text = ?, version = ?, changed = ? WHERE slug = ?", values)
    row = find(slug)
    return {"slug": slug, "words": words(row)}, 200, {"ETag": etag(row)}
