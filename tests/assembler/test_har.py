"""HARs as browsers write them become drafts; one of an application's traffic replays, green and red."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from assembler import DraftStatus, assemble
from assembler.document import load_profile
from assembler.har_export import export_har
from assembler.har_import import import_har
from assembler.profile import Profile
from assembler.promote import NotPromotable, promote
from playback.engine import Options, replay
from tests.apps import orders_drive
from tests.assembler.har_making import GOLDEN, written
from tests.assembler.har_traffic import Traffic
from tests.sample import settings, site_of_its_own
from tests.support import ROOT
from tests.test_roundtrip import SLUG, SUBJECTS

SECRETS = {
    "chromium": ["Zp3kQ9vT1xYw7LmN4rB8sD2f", "Hq6uW0eR5tGy8JkL1zXc3VbN", "c0ffee12c0ffee34c0ffee56c0ffee78", "hunter2"],
    "firefox": ["kV9s2LxQ7wTz4HnB", "9f8e7d6c5b4a39281706f5e4d3c2b1a0", "s3same-Open"],
    "playwright": ["mW3nE8rT5yU1iO6pA9sD", "T0k3n-6fK2sJ8dH4gF1aZ7xC"],
}


def imported(name: str, folder: Path) -> tuple[DraftStatus, Profile]:
    status = import_har(GOLDEN / f"{name}.har", name, folder)
    return status, load_profile(status.directory / "profile.yaml")


def requests(profile: Profile) -> list[str]:
    return [f"{step.method} {step.path} {step.expect.status if step.expect else None}" for step in profile.steps]


def test_chromium(tmp_path: Path) -> None:
    status, profile = imported("chromium", tmp_path)
    assert requests(profile) == [
        "GET /login 200",
        "POST /login 302",
        "GET / 200",
        "GET /static/shop.css 200",
        "GET /static/logo.png 200",
        "POST /api/items 201",
        "POST /items/{{ steps.post-api-items.item_id }}/photo 200",
        "GET /items/{{ steps.post-api-items.item_id }} 200",
        "GET /static/shop.js 200",  # 304 about what the browser had from before: a fresh one is given it
        "GET /static/shop.css 304",
    ]
    steps = {step.id: step for step in profile.steps}
    assert steps["post-login"].form == [
        ("csrf_token", "{{ steps.get-login.csrf_token }}"),
        ("email", "ada@example.org"),
        ("password", "{{ secrets.PASSWORD }}"),
    ]
    assert steps["get-login"].expect
    assert steps["get-login"].expect.cookies == ["session", "theme"]
    assert steps["get-static-shop-css-2"].headers == {"if-none-match": "{{ steps.get-static-shop-css.etag }}"}
    assert {step.client for step in profile.steps} == {"main"}
    assert profile.metadata.recorded_with.origin == "https://shop.example"
    text = (status.directory / "profile.yaml").read_text()
    assert not re.search(r"^ +:?(authority|scheme|method): [^GP]", text, re.MULTILINE)
    assert (status.directory / "baseline/answers/get-static-logo-png.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert status.warnings[:5] == (
        "Of the HAR only requests to https://shop.example are in here; 1 to others were left out: https://fonts.example (1).",
        "Left out of the HAR, that are no requests of HTTP (data:, blob: and the like): /log/entries/1.",
        "Left out of the HAR, that are websocket connections, which are not replayed: /log/entries/9.",
        "Left out of the HAR, that were aborted or never answered: /log/entries/10.",
        "Left out of the HAR, that the browser answered from its cache: /log/entries/12.",
    )
    assert len(status.problems) == 1
    assert "step post-items-photo: the file 'lamp.png' was not stored (unavailable)" in status.problems[0]
    with pytest.raises(NotPromotable, match=r"lamp\.png"):
        promote("chromium", tmp_path)
    missing = re.search(r"put it at (\S+) in", status.problems[0])
    assert missing
    (status.directory / missing[1]).write_bytes(b"\x89PNG")
    promote("chromium", tmp_path)


def test_firefox(tmp_path: Path) -> None:
    status, profile = imported("firefox", tmp_path)
    assert (status.problems, len(profile.steps)) == ((), 5)
    assert "server-sent events" in status.warnings[0]
    upload = next(step for step in profile.steps if step.multipart)
    assert upload.multipart
    assert [(part.name, part.value, part.filename) for part in upload.multipart] == [
        ("token", "{{ steps.get-in.token }}", None),
        ("file", None, "grüße.txt"),
        ("empty", None, ""),
    ]
    assert upload.multipart[1].file
    assert (status.directory / upload.multipart[1].file).read_text() == "Grüße aus dem Norden\nzweite Zeile\n"
    login = profile.steps[1]
    assert login.form == [
        ("login", "bob"),
        ("password", "{{ secrets.PASSWORD }}"),
        ("token", "{{ steps.get-in.token }}"),
    ]
    assert profile.metadata.recorded_with.started == "2026-03-02T09:30:00.000000Z"  # written with +01:00


def test_playwright(tmp_path: Path) -> None:
    status, profile = imported("playwright", tmp_path)
    assert len(profile.steps) == 4
    assert status.warnings == (
        "Left out of the HAR, that were aborted or never answered: /log/entries/4, /log/entries/5.",
    )
    assert "Tables" in (status.directory / "baseline/answers/get.html").read_text()  # attached in a file of its own
    assert profile.steps[1].headers == {"x-csrf-token": "{{ steps.get.x_csrf_token }}"}
    assert [problem.partition(";")[0] for problem in status.problems] == [
        "step post-tables: the file 'p.png' was not stored (unavailable)",
        "step post-blob: the request's body was not stored (unavailable)",
    ]


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_secrets_are_nowhere(tmp_path: Path, name: str) -> None:
    imported(name, tmp_path)
    source = (GOLDEN / f"{name}.har").read_text() + (GOLDEN / "page.html").read_text()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    for secret in SECRETS[name]:
        assert secret in source
        assert [path.name for path in files if secret.encode() in path.read_bytes()] == []
    assert [path.name for path in (tmp_path / "profiles/_drafts").iterdir()] == [name]


def test_secrets_never_reach_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even the place where the draft is made, which is gone afterwards."""
    seen: list[Path] = []

    def look(root: Path, slug: str, data_root: Path) -> DraftStatus:
        seen.extend(path for path in tmp_path.rglob("*") if path.is_file())
        for path in seen:
            content = path.read_bytes()
            assert not any(secret.encode() in content for secret in SECRETS["chromium"]), path
        return assemble(root, slug, data_root)

    monkeypatch.setattr("assembler.har_import.assemble", look)
    imported("chromium", tmp_path)
    assert any(path.name == "profile.events.jsonl" for path in seen)
    assert not any(path.exists() for path in seen)


@pytest.fixture(scope="module")
def promoted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data root with a profile of what a client of `orders` wrote down; the application was not recorded."""
    root = tmp_path_factory.mktemp("har")
    traffic = Traffic()
    with pytest.MonkeyPatch.context() as patch, SUBJECTS["orders"].fresh(root / "state") as server:
        patch.setattr(orders_drive, "browser", _watched(traffic))
        orders_drive.drive(server.url)
    status = import_har(traffic.write(root / "orders.har"), SLUG, root / "data")
    assert (status.problems, status.warnings) == ((), ())
    assert orders_drive.PASSWORD in (root / "orders.har").read_text().replace("+", " ")
    promote(SLUG, root / "data")
    return root / "data"


def _watched(traffic: Traffic) -> Callable[[str], httpx.Client]:
    def browser(base_url: str) -> httpx.Client:
        return httpx.Client(
            base_url=base_url, follow_redirects=True, trust_env=False, timeout=60, event_hooks=traffic.hooks
        )

    return browser


@pytest.mark.parametrize("mutant", [0, 1, 4, 5, 6])
def test_it_replays_green_and_on_a_mutant_red(promoted: Path, tmp_path: Path, mutant: int) -> None:
    subject = SUBJECTS["orders"]
    with subject.fresh(tmp_path, mutant=mutant, shift=0 if mutant else 7) as server:
        report = replay(SLUG, promoted, Options(base_url=server.url), dict(subject.secrets))
        assert report.result == ("failed" if mutant else "passed"), [
            (s.id, m) for s in report.steps for m in s.mismatches
        ]
        if not mutant:
            subject.check(server.url)


def test_a_workflow_with_jobs_replays_without_the_recorder_having_seen_it(tmp_path: Path) -> None:
    """The jobs are not in a HAR: the replay polls where the page did. Uploads are, byte for byte."""
    har = written(tmp_path, export_har(ROOT / "profiles/watershed-small"))
    assert import_har(har, "watershed", tmp_path / "data").problems == ()
    promote("watershed", tmp_path / "data")
    (tmp_path / "site").mkdir()
    with site_of_its_own(tmp_path / "site") as site:
        environ = settings(site, tmp_path / "data")
        report = replay("watershed", tmp_path / "data", Options(base_url=site.url), environ)
    assert report.result == "passed", [(s.id, m) for s in report.steps for m in s.mismatches]
