"""The applications that recordings are made of: green on fresh instances, red on every regression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.apps import notes_drive, orders_drive
from tests.apps.browser import Page
from tests.support import Server


@dataclass(frozen=True)
class Subject:
    """An application, how it is served, and its driver."""

    app: str
    server: Callable[..., Server]
    drive: Callable[[str], None]
    check: Callable[[str], None]

    def fresh(self, state: Path, *, workers: int = 1, mutant: int = 0, shift: int = 0) -> Server:
        env = {"APP_STATE": str(state), "MUTANT": str(mutant), "SHIFT": str(shift)}
        return self.server(self.app, workers=workers, env=env, path="/health")


ORDERS = Subject("tests.apps.orders_asgi:app", Server.uvicorn, orders_drive.drive, orders_drive.check)
NOTES = Subject("tests.apps.notes_wsgi:app", Server.gunicorn, notes_drive.drive, notes_drive.check)
SUBJECTS = pytest.mark.parametrize("subject", [ORDERS, NOTES], ids=["orders", "notes"])


@SUBJECTS
def test_green_on_a_fresh_instance_with_two_workers(subject: Subject, tmp_path: Path) -> None:
    with subject.fresh(tmp_path, workers=2, shift=7) as server:
        with pytest.raises(AssertionError):
            subject.check(server.url)  # nothing was done yet: the oracle can tell
        subject.drive(server.url)
        subject.check(server.url)


@SUBJECTS
@pytest.mark.parametrize("mutant", range(1, 7))
def test_red_on_every_regression(subject: Subject, mutant: int, tmp_path: Path) -> None:
    with subject.fresh(tmp_path, mutant=mutant) as server, pytest.raises(AssertionError):
        subject.drive(server.url)


def test_counted_ids_start_elsewhere(tmp_path: Path) -> None:
    found = []
    for shift in (0, 7):
        with (
            ORDERS.fresh(tmp_path / str(shift), shift=shift) as server,
            httpx.Client(base_url=server.url, follow_redirects=True, trust_env=False) as client,
        ):
            client.headers["X-CSRF-Token"] = orders_drive.sign_in(client)
            found.append(client.post("/api/orders", json=orders_drive.body_of(orders_drive.ORDERS[0])).json()["id"])
    assert found == [1, 8]


def test_every_page_has_a_csrf_token_of_its_own(tmp_path: Path) -> None:
    with NOTES.fresh(tmp_path) as server, notes_drive.browser(server.url) as client:
        pages = [Page(client.get("/login").text).fields["csrf_token"] for _ in range(3)]
        assert len(set(pages)) == 3
        assert client.post("/login", data={"user": "grace", "password": "?", "csrf_token": "x" * 86}).status_code == 403
