"""Orders: FastAPI, a login form with a CSRF field, a JSON API, uploads, background reports.

MUTANT: 1 wrong total · 2 deleting answers 500 · 3 a duplicate answers 200 instead of 409 · 4 the list drops its last
order · 5 the report lists its rows in another order · 6 attachments are stored truncated.
"""

from __future__ import annotations

import csv
import hashlib
import html
import io
import secrets
import threading
import time
import uuid
from datetime import UTC, datetime
from sqlite3 import Row
from typing import Annotated, Any

from fastapi import Cookie, Depends, FastAPI, Form, Header, HTTPException, Request, Response, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel

from tests.apps.state import MUTANT, create, database, folder

USER, PASSWORD = "ada@example.org", "correct horse battery"
REPORT_SECONDS = 0.3

TABLES = [
    "CREATE TABLE session (id TEXT PRIMARY KEY, csrf TEXT, user TEXT)",
    "CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, ref TEXT, created_at TEXT, customer TEXT,"
    " purchase_number TEXT UNIQUE, client_ref TEXT, total REAL)",
    "CREATE TABLE line (order_id INTEGER, sku TEXT, quantity INTEGER, price REAL)",
    "CREATE TABLE attachment (order_id INTEGER PRIMARY KEY, filename TEXT, media_type TEXT)",
    "CREATE TABLE task (id TEXT PRIMARY KEY, order_id INTEGER, began REAL, ended REAL, report INTEGER)",
    "CREATE TABLE report (number INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT)",
]
create(TABLES, counted=["orders", "report"])
app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)


class Line(BaseModel):
    sku: str
    quantity: int
    price: float


class NewOrder(BaseModel):
    customer: str
    purchase_number: str
    client_ref: str
    lines: list[Line]


def new_session(response: Response, user: str | None) -> str:
    """Open a session, set its cookie, return its CSRF token."""
    name, csrf = secrets.token_urlsafe(24), secrets.token_hex(16)
    with database() as db:
        db.execute("INSERT INTO session VALUES (?, ?, ?)", (name, csrf, user))
    response.set_cookie("session", name, httponly=True, samesite="lax")
    return csrf


def session_of(session: Annotated[str | None, Cookie()] = None) -> Row | None:
    with database() as db:
        row: Row | None = db.execute("SELECT * FROM session WHERE id = ?", (session,)).fetchone()
        return row


Session = Annotated[Row | None, Depends(session_of)]


def signed_in(session: Session) -> Row:
    if session is None or session["user"] is None:
        raise HTTPException(401, "sign in first")
    return session


def signed_request(session: Annotated[Row, Depends(signed_in)], x_csrf_token: Annotated[str, Header()] = "") -> None:
    if not secrets.compare_digest(session["csrf"], x_csrf_token):
        raise HTTPException(403, "the CSRF token is missing or wrong")


Reader = [Depends(signed_in)]
Writer = [Depends(signed_request)]


def page(title: str, body: str, csrf: str = "") -> HTMLResponse:
    head = f'<title>{title}</title><meta name="csrf-token" content="{csrf}">'
    return HTMLResponse(f"<!doctype html><html><head>{head}</head><body><h1>{title}</h1>{body}</body></html>")


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/login")
def login_form() -> Response:
    answer = Response(media_type="text/html")
    csrf = new_session(answer, None)
    form = (
        '<form method="post" action="/login">'
        f'<input type="hidden" name="csrf_token" value="{csrf}">'
        '<input name="username"><input type="password" name="password"><button>Sign in</button></form>'
    )
    answer.body = page("Sign in", form).body
    answer.headers["content-length"] = str(len(answer.body))
    return answer


@app.post("/login")
def login(
    session: Session,
    csrf_token: Annotated[str, Form()],
    username: Annotated[str, Form()],
    password: Annotated[str, Form()],
) -> Response:
    if session is None or not secrets.compare_digest(session["csrf"], csrf_token):
        raise HTTPException(403, "the CSRF token is missing or wrong")
    if (username, password) != (USER, PASSWORD):
        return page("Sign in", "<p>Wrong name or password.</p>")
    with database() as db:
        db.execute("DELETE FROM session WHERE id = ?", (session["id"],))
    answer = RedirectResponse("/", 303)
    new_session(answer, username)
    return answer


@app.get("/")
def home(session: Session) -> Response:
    if session is None or session["user"] is None:
        return RedirectResponse("/login", 303)
    with database() as db:
        rows = db.execute("SELECT id, customer FROM orders ORDER BY id").fetchall()
    items = "".join(f'<li><a href="/api/orders/{row["id"]}">{html.escape(row["customer"])}</a></li>' for row in rows)
    return page("Orders", f"<p>Signed in as {html.escape(session['user'])}</p><ul>{items}</ul>", session["csrf"])


def as_json(request: Request, row: Row, lines: list[Row]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "ref": row["ref"],
        "created_at": row["created_at"],
        "url": str(request.url_for("one_order", number=row["id"])),
        "customer": row["customer"],
        "purchase_number": row["purchase_number"],
        "client_ref": row["client_ref"],
        "lines": [dict(line) for line in lines],
        "total": row["total"],
    }


def find(request: Request, number: int) -> dict[str, Any]:
    with database() as db:
        row = db.execute("SELECT * FROM orders WHERE id = ?", (number,)).fetchone()
        if row is None:
            raise HTTPException(404, "no such order")
        query = "SELECT sku, quantity, price FROM line WHERE order_id = ? ORDER BY rowid"
        lines = db.execute(query, (number,)).fetchall()
    return as_json(request, row, lines)


@app.post("/api/orders", status_code=201, dependencies=Writer)
def new_order(request: Request, response: Response, order: NewOrder) -> dict[str, Any]:
    with database() as db:
        earlier = db.execute("SELECT id FROM orders WHERE purchase_number = ?", (order.purchase_number,)).fetchone()
        if earlier is not None:
            response.status_code = 200 if MUTANT == 3 else 409
            existing = str(request.url_for("one_order", number=earlier["id"]))
            return {"detail": "that purchase number was ordered before", "existing": existing}
        total = round(sum(line.quantity * line.price for line in order.lines), 2) + (1 if MUTANT == 1 else 0)
        columns = "ref, created_at, customer, purchase_number, client_ref, total"
        values = (order.customer, order.purchase_number, order.client_ref, total)
        number = db.execute(
            f"INSERT INTO orders ({columns}) VALUES (?, ?, ?, ?, ?, ?)",
            (str(uuid.uuid4()), datetime.now(UTC).isoformat(), *values),
        ).lastrowid
        for line in order.lines:
            db.execute("INSERT INTO line VALUES (?, ?, ?, ?)", (number, line.sku, line.quantity, line.price))
    assert number is not None
    answer = find(request, number)
    response.headers["Location"] = answer["url"]
    return {key: answer[key] for key in ("id", "ref", "created_at", "url", "total")}


@app.get("/api/orders", dependencies=Reader)
def orders(request: Request) -> dict[str, Any]:
    with database() as db:
        numbers = [row["id"] for row in db.execute("SELECT id FROM orders ORDER BY id")]
    if MUTANT == 4:
        numbers = numbers[:-1]
    return {"count": len(numbers), "orders": [find(request, number) for number in numbers]}


@app.get("/api/orders/{number}", name="one_order", dependencies=Reader)
def one_order(request: Request, number: int) -> dict[str, Any]:
    return find(request, number)


@app.delete("/api/orders/{number}", status_code=204, dependencies=Writer)
def delete_order(request: Request, number: int) -> None:
    find(request, number)
    if MUTANT == 2:
        raise HTTPException(500, "the order could not be deleted")
    with database() as db:
        db.execute("DELETE FROM orders WHERE id = ?", (number,))
        db.execute("DELETE FROM line WHERE order_id = ?", (number,))


@app.post("/api/orders/{number}/attachment", status_code=201, dependencies=Writer)
def attach(request: Request, number: int, file: UploadFile) -> dict[str, Any]:
    find(request, number)
    content = file.file.read()
    (folder() / f"attachment-{number}").write_bytes(content[: len(content) // 2] if MUTANT == 6 else content)
    with database() as db:
        db.execute("REPLACE INTO attachment VALUES (?, ?, ?)", (number, file.filename, file.content_type))
    return {"filename": file.filename, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


@app.get("/api/orders/{number}/attachment", dependencies=Reader)
def attachment(number: int) -> Response:
    with database() as db:
        row = db.execute("SELECT * FROM attachment WHERE order_id = ?", (number,)).fetchone()
    if row is None:
        raise HTTPException(404, "no attachment")
    return Response((folder() / f"attachment-{number}").read_bytes(), media_type=row["media_type"])


@app.post("/api/orders/{number}/report", status_code=202, dependencies=Writer)
def request_report(request: Request, number: int) -> dict[str, str]:
    order = find(request, number)
    task_id = uuid.uuid4().hex
    with database() as db:
        db.execute("INSERT INTO task VALUES (?, ?, ?, NULL, NULL)", (task_id, number, time.time()))
    threading.Thread(target=write_report, args=(task_id, order), daemon=True).start()
    return {"task_id": task_id}


def write_report(task_id: str, order: dict[str, Any]) -> None:
    """The background work: takes a moment, then stores a CSV file under the next number."""
    time.sleep(REPORT_SECONDS)
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["order", "ref", "sku", "quantity", "price", "subtotal"])
    for line in sorted(order["lines"], key=lambda line: line["sku"], reverse=MUTANT == 5):
        subtotal = f"{line['quantity'] * line['price']:.2f}"
        rows.writerow([order["id"], order["ref"], line["sku"], line["quantity"], f"{line['price']:.2f}", subtotal])
    with database() as db:
        number = db.execute("INSERT INTO report (text) VALUES (?)", (text.getvalue(),)).lastrowid
        db.execute("UPDATE task SET ended = ?, report = ? WHERE id = ?", (time.time(), number, task_id))


@app.get("/api/tasks/{task_id}", dependencies=Reader)
def task(request: Request, task_id: str) -> dict[str, Any]:
    with database() as db:
        row = db.execute("SELECT * FROM task WHERE id = ?", (task_id,)).fetchone()
    if row is None:
        raise HTTPException(404, "no such task")
    ended = row["ended"]
    return {
        "state": "running" if ended is None else "done",
        "report": None if ended is None else str(request.url_for("report", number=row["report"])),
        "elapsed_ms": round(((ended or time.time()) - row["began"]) * 1000, 3),
    }


@app.get("/api/reports/{number}.csv", name="report", dependencies=Reader)
def report(number: int) -> Response:
    with database() as db:
        row = db.execute("SELECT text FROM report WHERE number = ?", (number,)).fetchone()
    if row is None:
        raise HTTPException(404, "no such report")
    return Response(row["text"], media_type="text/csv")
