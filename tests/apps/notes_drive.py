"""Uses `notes_wsgi` as a person and a script would: every value that the server issues is taken from an answer.

`drive(base_url)` works and looks at every answer; `check(base_url)` asks for the end state alone, in a session of its
own. Both raise AssertionError. From a shell: `python -m tests.apps.notes_drive BASE_URL [--check]`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.apps.browser import Page

USER, PASSWORD = "grace", "wave after wave"
NOTES = [
    ("Bread & butter", "Flour, water, salt.", "Recipes"),
    ("Estuary", "Two herons at low tide.", "Field book"),
    ("To Ada", "Dear Ada, the engine runs.", "Letters"),
    ("Draft", "never mind", "Letters"),
    ("Zebra mussels", "None seen this year.", "Field book"),
]
EDITED = "Two herons at low tide, and later an otter."


def browser(base_url: str) -> httpx.Client:
    return httpx.Client(base_url=base_url, follow_redirects=True, trust_env=False, timeout=60)


def sign_in(client: httpx.Client) -> None:
    form = Page(client.get("/login").text).fields
    home = client.post("/login", data={**form, "user": USER, "password": PASSWORD})
    assert f"Hello {USER}" in home.text, home.text


@contextmanager
def api_client(base_url: str) -> Iterator[httpx.Client]:
    """A script without cookies: signs in with JSON, sends what it was given as a bearer token."""
    with browser(base_url) as client:
        answer = client.post("/api/session", json={"user": USER, "password": PASSWORD}).json()
        assert answer["token_type"] == "bearer"
        client.headers["Authorization"] = f"Bearer {answer['access_token']}"
        yield client


def write(client: httpx.Client, title: str, text: str, notebook: str) -> httpx.Response:
    """Fill in the form of a new note; the answer is the note's page."""
    form = Page(client.get("/notes/new").text)
    fields = {**form.fields, "title": title, "text": text, "notebook": form.options["notebook"][notebook]}
    return client.post("/notes", data=fields)


def all_pages(client: httpx.Client, url: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    following: str | None = url
    while following:
        answer = client.get(following).json()
        items += answer["items"]
        following = answer["next"]
    return items


def drive(base_url: str) -> None:
    with browser(base_url) as client:
        sign_in(client)
        for title, text, notebook in NOTES:
            shown = write(client, title, text, notebook)
            assert shown.status_code == 200, shown.text
            assert re.fullmatch(r"/notes/[a-z]+-[a-z]+", shown.url.path)
            assert f"{len(text.split())} words in {notebook}" in shown.text, shown.text
        assert write(client, *NOTES[0]).status_code == 409
        with api_client(base_url) as api:
            listed = all_pages(api, "/api/notes?limit=2")
            assert [note["title"] for note in listed] == sorted(title for title, _, _ in NOTES)
            edit(api, next(note["self"] for note in listed if note["title"] == "Estuary"))
        draft = next(note["slug"] for note in listed if note["title"] == "Draft")
        gone = client.delete(f"/notes/{draft}", headers={"X-CSRFToken": client.cookies["csrftoken"]})
        assert gone.status_code == 204, gone.status_code
        assert client.get(f"/notes/{draft}").status_code == 404
        exported = [line.split(",")[1] for line in client.get("/export.csv").text.splitlines()]
        assert exported == ["title", "Bread & butter", "Estuary", "To Ada", "Zebra mussels"], exported


def edit(api: httpx.Client, url: str) -> None:
    """Edit with the ETag just read; the same ETag again is stale."""
    etag = api.get(url).headers["ETag"]
    edited = api.put(url, json={"text": EDITED}, headers={"If-Match": etag})
    assert edited.status_code == 200, edited.text
    assert edited.headers["ETag"] != etag
    assert api.put(url, json={"text": "too late"}, headers={"If-Match": etag}).status_code == 412
    assert api.get(url).json()["text"] == EDITED


def check(base_url: str) -> None:
    """The end state: four notes, one of them edited, each in its notebook."""
    with browser(base_url) as client, api_client(base_url) as api:
        sign_in(client)
        notebooks = {value: name for name, value in Page(client.get("/notes/new").text).options["notebook"].items()}
        listed = all_pages(api, "/api/notes")
    found = {note["title"]: (note["text"], notebooks[str(note["notebook"])]) for note in listed}
    wanted = {title: (text, name) for title, text, name in NOTES if title != "Draft"}
    assert found == {**wanted, "Estuary": (EDITED, "Field book")}, found


if __name__ == "__main__":
    (check if "--check" in sys.argv else drive)(sys.argv[1])
