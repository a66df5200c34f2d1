"""Accepting what an application answers now: only what was chosen, in the recording's own terms, all or nothing."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from assembler import sizes
from assembler.document import load_profile
from playback.engine import Options, replay
from playback.update import NotAcceptable, Pending, replay_for_update
from tests.playback.site import PAGE, RESULT, Answer, Site, computes, profile, run_profile

SECRET = "secret-csrf-0123456789abcdef0123456789abcdef"
LIVE = "Zx81-Live9Token-77qQpw"
SESSION = "Qm5x9a-SessionValue-1vB7"
RECORDED_ID = "9b2fbe0c-7b0e-4c3e-9d55-0f4ad4c1f001"

DOCUMENT = """# With care.
metadata:
  slug: shop
  recorded_with: {origin: "http://127.0.0.1:1", started: "2026-01-05T10:00:00Z", ended: "2026-01-05T10:00:05Z"}
steps:
  - id: form
    at: 0.0
    took: 0.01
    path: /form
    expect: {status: 200, media_type: text/html, cookies: [session], body: baseline/answers/form.html}
    extract:
      csrf: {css: "input[name=csrf_token]", attr: value, was: "SECRET"}
  - id: order   # the one that matters
    at: 1.0
    took: 0.01
    method: POST
    path: /order
    form: [[csrf_token, "{{ steps.form.csrf }}"]]
    expect: {status: 200, media_type: application/json, body: baseline/answers/order.json}
    extract:
      id: {json: id, was: "RECORDED"}
  - id: gone
    at: 2.0
    took: 0.01
    path: /gone
    expect: {status: 204, empty: true}
""".replace("SECRET", SECRET).replace("RECORDED", RECORDED_ID)
FORM = '<form action="/order" method="post"><input name="csrf_token" value="{}"></form><p>Total {}</p>'
ORDER = {
    "id": RECORDED_ID,
    "number": 17,
    "order_id": 17,
    "total": 3,
    "made": "2026-01-05T10:00:01Z",
    "lines": ["a", "b"],
}


@pytest.fixture
def site() -> Iterator[Site]:
    routes = {
        "/form": lambda sent: Answer(FORM.format(LIVE, 3), PAGE, headers={"set-cookie": f"session={SESSION}; Path=/"}),
        "/order": lambda sent: Answer(live()),
        "/gone": lambda sent: Answer("", status=204),
    }
    with Site(routes) as running:
        yield running


def live(**changes: object) -> dict[str, object]:
    """The order as another instance answers it, a year later."""
    return {**ORDER, "id": str(uuid.uuid4()), "order_id": 42, "made": "NOW", **changes}


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    """Answers tell the time of their request where `NOW` stands."""
    from datetime import UTC, datetime

    original = Answer.content.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(
        Answer, "content", property(lambda self: original(self).replace(b"NOW", datetime.now(UTC).strftime("%FT%TZ").encode()))
    )  # fmt: skip


def shop(root: Path) -> Path:
    files = {
        "baseline/answers/form.html": FORM.format(SECRET, 3),
        "baseline/answers/order.json": json.dumps(ORDER, indent=2),
    }
    return profile(root, DOCUMENT, files)


def pending(root: Path, site: Site) -> Pending:
    return replay_for_update("shop", root, Options(site.url), {})


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def green(root: Path, site: Site) -> bool:
    return replay("shop", root, Options(site.url), {}).result == "passed"


def test_nothing_differs(tmp_path: Path, site: Site) -> None:
    shop(tmp_path)
    found = pending(tmp_path, site)
    assert (found.report.result, found.steps, found.comparisons) == ("passed", {}, {})


def test_a_value_is_accepted_and_everything_else_stays_recorded(tmp_path: Path, site: Site) -> None:
    folder = shop(tmp_path)
    before = tree(folder)
    site.routes["/order"] = lambda sent: Answer(live(total=4, note="for NOW", twin={"order_id": 42}))
    found = pending(tmp_path, site)
    assert list(found.steps) == ["order"]
    revision = found.revision(["order"], [])
    assert tree(folder) == before, "nothing is written before it is accepted"
    revision.write()
    after = tree(folder)
    assert {n for n in after if after[n] != before.get(n)} == {"baseline/answers/order.json", "manifest.json"}
    text = after["baseline/answers/order.json"].decode()
    order = json.loads(text)
    assert {k: order[k] for k in ORDER} == {**ORDER, "total": 4}
    assert order["twin"] == {"order_id": 17}
    assert order["note"].startswith("for 2026-01-05T10:0")
    assert text.startswith('{\n  "id"'), "laid out as before"
    assert green(tmp_path, site)
    site.routes["/order"] = lambda sent: Answer(live(total=5, note="for NOW", twin={"order_id": 42}))
    assert not green(tmp_path, site)


def test_secrets_never_reach_the_disk(tmp_path: Path, site: Site) -> None:
    folder = shop(tmp_path)
    page = FORM.format(LIVE, 4) + f'<input name="api_key" value="Fresh-{uuid.uuid4().hex}"><p>{LIVE} {SESSION}</p>'
    site.routes["/form"] = lambda sent: Answer(page, PAGE, headers={"set-cookie": f"session={SESSION}; Path=/"})
    site.routes["/order"] = lambda sent: Answer(live(total=4, token=LIVE, password="hunter2hunter2", echo=[SESSION]))
    found = pending(tmp_path, site)
    found.revision(list(found.steps), []).write()
    for name, content in tree(folder).items():
        for secret in (LIVE, SESSION, "hunter2hunter2", "Fresh-"):
            assert secret.encode() not in content, (name, secret)
    html = (folder / "baseline/answers/form.html").read_text()
    assert html.startswith(FORM.format(SECRET, 4))
    assert f"<p>{SECRET} secret-" in html
    assert json.loads((folder / "baseline/answers/order.json").read_text())["token"] == SECRET
    assert green(tmp_path, site)


def test_only_what_was_chosen(tmp_path: Path, site: Site) -> None:
    folder = shop(tmp_path)
    site.routes["/order"] = lambda sent: Answer(live(total=4))
    site.routes["/gone"] = lambda sent: Answer({"deleted": True}, status=200)
    found = pending(tmp_path, site)
    assert list(found.steps) == ["order", "gone"]
    found.revision(["gone"], []).write()
    assert not green(tmp_path, site)
    step = load_profile(folder / "profile.yaml").steps[2]
    assert step.expect is not None
    assert step.expect.model_dump(exclude_defaults=True) == {"status": 200, "body": "baseline/answers/gone.json"}
    text = (folder / "profile.yaml").read_text()
    assert text == DOCUMENT.replace("{status: 204, empty: true}", "{status: 200, body: baseline/answers/gone.json}")
    found = pending(tmp_path, site)
    found.revision(list(found.steps), []).write()
    assert green(tmp_path, site)


def test_an_answer_without_a_body_now(tmp_path: Path, site: Site) -> None:
    folder = shop(tmp_path)
    site.routes["/form"] = lambda sent: Answer(
        FORM.format(LIVE, 3), "text/html", headers={"set-cookie": f"theme={SESSION}"}
    )
    found = pending(tmp_path, site)
    revision = found.revision(["form"], [])
    assert "expected cookie session: no longer" in revision.changes.steps[0].details
    revision.write()
    assert green(tmp_path, site)
    site.routes["/gone"] = lambda sent: Answer({"deleted": True}, status=200)
    found = pending(tmp_path, site)
    found.revision(["gone"], []).write()
    site.routes["/gone"] = lambda sent: Answer("", status=204)
    found = pending(tmp_path, site)
    found.revision(["gone"], []).write()
    assert not (folder / "baseline/answers/gone.json").exists()
    assert green(tmp_path, site)


def test_a_list_that_grew(tmp_path: Path, site: Site) -> None:
    folder = shop(tmp_path)
    site.routes["/order"] = lambda sent: Answer(live(lines=["new", "a", "b"]))
    pending(tmp_path, site).revision(["order"], []).write()
    assert json.loads((folder / "baseline/answers/order.json").read_text()) == {**ORDER, "lines": ["new", "a", "b"]}
    assert green(tmp_path, site)


def test_what_is_broken_is_not_accepted(tmp_path: Path, site: Site) -> None:
    folder = shop(tmp_path)
    before = tree(folder)
    site.routes["/form"] = lambda sent: Answer("<p>no form</p>", PAGE)
    found = pending(tmp_path, site)
    with pytest.raises(NotAcceptable, match="extract:csrf"):
        found.revision(["form"], [])
    site.server.shutdown()
    site.server.server_close()
    found = pending(tmp_path, site)
    assert found.report.result == "error"
    with pytest.raises(NotAcceptable, match="no verdict"):
        found.revision([], [])
    assert tree(folder) == before


def test_all_or_nothing(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shop(tmp_path)
    before = tree(folder)
    site.routes["/order"] = lambda sent: Answer(live(total=4))
    site.routes["/gone"] = lambda sent: Answer({"deleted": True}, status=200)
    found = pending(tmp_path, site)
    revision = found.revision(list(found.steps), [])

    def full(*args: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(OSError, match="No space"):
        revision.write()
    assert tree(folder) == before
    assert sorted(p.name for p in folder.parent.iterdir()) == ["results", "shop"]


def test_files_of_the_run(tmp_path: Path, site: Site) -> None:
    folder = run_profile(tmp_path)
    before = tree(folder)
    site.routes["/compute"] = computes(tmp_path)
    assert green(tmp_path, site)
    site.routes["/compute"] = computes(tmp_path, "a,b\n1,3\n", loss=13.0)
    found = pending(tmp_path, site)
    assert (list(found.steps), list(found.comparisons)) == ([], ["out/result.json", "out/table.csv"])
    revision = found.revision([], ["out/result.json"])
    assert "  body:/loss: 12.5 → 13.0" in revision.changes.comparisons[0].details
    revision.write()
    found.close()
    after = tree(folder)
    assert {n for n in after if after[n] != before.get(n)} == {"baseline/run/out/result.json", "manifest.json"}
    assert json.loads(after["baseline/run/out/result.json"]) == {**RESULT, "loss": 13.0}
    assert not green(tmp_path, site)
    found = pending(tmp_path, site)
    found.revision([], ["out/table.csv"]).write()
    found.close()
    assert green(tmp_path, site)
    assert (folder / "baseline/run/out/table.csv").read_text() == "a,b\n1,3\n"
    kept = [p for p in (tmp_path / "playback_runs").iterdir() if not p.name.startswith(".")]
    assert len(kept) == 1, "of the red replay between the two updates"


@pytest.mark.parametrize("place", ["profiles/shop/baseline", "elsewhere"])
def test_a_baseline_that_lies_where_the_document_says(tmp_path: Path, site: Site, place: str) -> None:
    folder = run_profile(tmp_path)
    if place == "elsewhere":
        shutil.copytree(folder / "baseline", tmp_path / place)
    document = (folder / "profile.yaml").read_text()
    (folder / "profile.yaml").write_text(document.replace("  run: clone\n", f"  run: clone\n  baseline_dir: {place}\n"))
    site.routes["/compute"] = computes(tmp_path, loss=13.0)
    found = pending(tmp_path, site)
    if place == "elsewhere":
        with pytest.raises(NotAcceptable, match="outside the profile"):
            found.revision([], ["out/result.json"])
        return
    revision = found.revision([], ["out/result.json"])
    assert "  body:/loss: 12.5 → 13.0" in revision.changes.comparisons[0].details
    revision.write()
    assert green(tmp_path, site)


def test_files_of_an_overlay_go_to_its_own_baseline(tmp_path: Path, site: Site) -> None:
    folder = run_profile(tmp_path)
    shutil.copytree(folder / "baseline" / "run", folder / "lab" / "run")
    path = folder / "profile.yaml"
    path.write_text(path.read_text() + "overlays:\n  lab: {baseline_dir: profiles/shop/lab}\n")
    site.routes["/compute"] = computes(tmp_path, loss=13.0)
    found = replay_for_update("shop", tmp_path, Options(site.url, overlay="lab"), {})
    revision = found.revision([], ["out/result.json"])
    assert "  body:/loss: 12.5 → 13.0" in revision.changes.comparisons[0].details
    revision.write()
    assert json.loads((folder / "lab/run/out/result.json").read_text())["loss"] == 13.0
    assert replay("shop", tmp_path, Options(site.url, overlay="lab"), {}).result == "passed"
    assert not green(tmp_path, site)


def test_a_file_that_became_large(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run_profile(tmp_path)
    before = tree(folder)
    site.routes["/compute"] = computes(tmp_path, "a,b\n" + "1,3\n" * 1000)
    monkeypatch.setattr(sizes, "LOOKED_AT", 1000)
    found = pending(tmp_path, site)
    assert "baseline/run/out/table.csv has 0 MiB. Review whether the profile needs it." in (
        found.revision([], ["out/table.csv"]).notes
    )
    monkeypatch.setattr(sizes, "LARGEST", 2000)
    with pytest.raises(NotAcceptable, match=r'belong in Git LFS\. .*git lfs track "profiles/shop/baseline/\*\*"'):
        found.revision([], ["out/table.csv"])
    assert tree(folder) == before
    (tmp_path / ".gitattributes").write_text("*.csv filter=lfs\n")
    found.revision([], ["out/table.csv"]).write()
    assert green(tmp_path, site)


def test_a_file_that_was_not_written(tmp_path: Path, site: Site) -> None:
    run_profile(tmp_path)
    site.routes["/compute"] = lambda sent: Answer({"ok": True})
    found = pending(tmp_path, site)
    with pytest.raises(NotAcceptable, match=r"out/table\.csv was not written"):
        found.revision([], ["out/table.csv"])


def test_a_file_that_holds_a_secret(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run_profile(tmp_path)
    document = (folder / "profile.yaml").read_text()
    (folder / "profile.yaml").write_text(document.replace("form: [", 'form: [[password, "{{ secrets.PASSWORD }}"], '))
    site.routes["/compute"] = computes(tmp_path, "a,b\n1,hunter2hunter2\n")
    found = replay_for_update("shop", tmp_path, Options(site.url), {"PROFILE_SECRET_PASSWORD": "hunter2hunter2"})
    with pytest.raises(NotAcceptable, match="secret"):
        found.revision([], ["out/table.csv"])
