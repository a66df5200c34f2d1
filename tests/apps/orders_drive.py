"""Uses `orders_asgi` as a person and a script would: every value that the server issues is taken from an answer.

`drive(base_url)` works and looks at every answer; `check(base_url)` asks for the end state alone, in a session of its
own. Both raise AssertionError. From a shell: `python -m tests.apps.orders_drive BASE_URL [--check]`.
"""

from __future__ import annotations

import csv
import hashlib
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from tests.apps.browser import Page

USER, PASSWORD = "ada@example.org", "correct horse battery"
PHOTO = bytes(range(256)) * 40
ORDERS: list[dict[str, Any]] = [
    {"customer": "Émile & Söhne", "purchase_number": "PO-1001", "lines": [("bolt", 2, 1.5), ("anvil", 1, 120.0)]},
    {"customer": "Bertha <b>", "purchase_number": "PO-1002", "lines": [("washer", 100, 0.05), ("nut", 3, 0.2)]},
    {"customer": "Carl", "purchase_number": "PO-1003", "lines": [("rope", 1, 9.99)]},
]
TOTALS = [123.0, 5.6, 9.99]
REPORT = [["anvil", "1", "120.00", "120.00"], ["bolt", "2", "1.50", "3.00"]]


def sign_in(client: httpx.Client) -> str:
    """Fill in the login form; returns the CSRF token of the page behind it."""
    form = Page(client.get("/login").text).fields
    home = client.post("/login", data={**form, "username": USER, "password": PASSWORD})
    assert home.status_code == 200, home.text
    assert f"Signed in as {USER}" in home.text
    return Page(home.text).meta["csrf-token"]


def browser(base_url: str) -> httpx.Client:
    return httpx.Client(base_url=base_url, follow_redirects=True, trust_env=False, timeout=60)


def body_of(order: dict[str, Any]) -> dict[str, Any]:
    lines = [{"sku": sku, "quantity": quantity, "price": price} for sku, quantity, price in order["lines"]]
    return {**order, "lines": lines, "client_ref": str(uuid.uuid4())}


def drive(base_url: str) -> None:
    with browser(base_url) as client:
        client.headers["X-CSRF-Token"] = sign_in(client)
        made = []
        for order, total in zip(ORDERS, TOTALS, strict=True):
            answer = client.post("/api/orders", json=body_of(order))
            assert answer.status_code == 201, answer.text
            made.append(answer.json())
            assert answer.headers["Location"] == made[-1]["url"]
            assert made[-1]["total"] == total, made[-1]
        with ThreadPoolExecutor(2) as both:
            pages = list(both.map(lambda url: client.get(url).json(), [order["url"] for order in made[:2]]))
        assert [page["customer"] for page in pages] == [order["customer"] for order in ORDERS[:2]]
        again = client.post("/api/orders", json=body_of(ORDERS[1]))
        assert again.status_code == 409, again.status_code
        assert again.json()["existing"] == made[1]["url"]
        listed = client.get("/api/orders").json()
        assert [order["ref"] for order in listed["orders"]] == [order["ref"] for order in made]
        attach(client, made[0]["url"])
        assert report_rows(client, made[0]) == REPORT
        gone = client.delete(made[2]["url"])
        assert gone.status_code == 204, gone.status_code
        assert client.get(made[2]["url"]).status_code == 404


def attach(client: httpx.Client, url: str) -> None:
    answer = client.post(f"{url}/attachment", files={"file": ("photo of “it”.png", PHOTO, "image/png")})
    assert answer.status_code == 201, answer.text
    stored = answer.json()
    assert (stored["size"], stored["sha256"]) == (len(PHOTO), hashlib.sha256(PHOTO).hexdigest())
    assert client.get(f"{url}/attachment").content == PHOTO


def report_rows(client: httpx.Client, order: dict[str, Any]) -> list[list[str]]:
    """Ask for a report and wait for it as a page would; returns its rows without the order's own columns."""
    task = client.post(f"{order['url']}/report").json()["task_id"]
    end = time.monotonic() + 60
    while (state := client.get(f"/api/tasks/{task}").json())["state"] == "running":
        assert time.monotonic() < end, "the report was not ready in 20 s"
        time.sleep(0.1)
    rows = list(csv.reader(client.get(state["report"]).text.splitlines()))
    assert rows[0] == ["order", "ref", "sku", "quantity", "price", "subtotal"]
    assert all(row[:2] == [str(order["id"]), order["ref"]] for row in rows[1:])
    return [row[2:] for row in rows[1:]]


def check(base_url: str) -> None:
    """The end state: two orders with their totals, the attachment whole, the third order gone."""
    with browser(base_url) as client:
        sign_in(client)
        orders = client.get("/api/orders").json()["orders"]
        found = [(order["customer"], order["purchase_number"], order["total"]) for order in orders]
        wanted = [(order["customer"], order["purchase_number"]) for order in ORDERS]
        assert found == [(*wanted[0], TOTALS[0]), (*wanted[1], TOTALS[1])], found
        assert client.get(f"{orders[0]['url']}/attachment").content == PHOTO
        assert client.get(f"{orders[1]['url']}/attachment").status_code == 404


if __name__ == "__main__":
    (check if "--check" in sys.argv else drive)(sys.argv[1])
