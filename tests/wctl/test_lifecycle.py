"""From a capture to a replayed profile with nothing but the command line, the application really running."""

from __future__ import annotations

import json
import signal
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.assembler.deployment import Deployment
from tests.support import Server
from tests.wctl.conftest import Wctl

TOKEN = "recorder-token"


def recorded(folder: Path, **environ: str) -> Server:
    """The tiny application with the recorder around it, which keeps its logs in `folder/.recorder`."""
    env = {"WRAPPED_APP": "tests.wctl.tiny_asgi:app", "RECORDER_ROOT": str(folder / ".recorder"), **environ}
    return Server.uvicorn(
        "tests.apps.wrapped:app", env={"RECORDER_TOKEN": TOKEN, "RECORDER_ENVIRONMENT": "test", **env}
    )


def use(url: str) -> None:
    """What the user of the application does."""
    with httpx.Client(base_url=url) as browser:
        assert browser.get("/").text == "hello"
        assert browser.post("/login", data={"email": "ada", "password": "correct"}).text == "welcome"
        assert browser.get("/items").json() == {"total": 3}


def test_a_profiles_life(wctl: Wctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECORDER_TOKEN", TOKEN)
    with recorded(tmp_path) as server:
        begun = wctl("capture", "start", "shop", "--base-url", server.url, "--notes", "a small one")
        assert begun.code == 0, begun.err
        again = wctl("capture", "start", "shop", "--base-url", server.url)
        assert (again.code, begun.out.strip() in again.err) == (2, True)
        use(server.url)
        ended = wctl("capture", "end", PROFILE_PLAYBACK_BASE_URL=server.url)
        assert (ended.code, ended.out) == (0, begun.out)
        assert f"Make the draft with: wctl assemble --from {tmp_path}/.recorder --slug shop" in ended.err
        assert wctl("capture", "end").code == 2

        wrong = wctl("assemble", "--from", ".recorder", "--slug", "shoq")
        assert (wrong.code, "did you mean 'shop'?" in wrong.err) == (2, True)
        made = wctl("assemble", "--from", ".recorder", "--slug", "shop")
        assert (made.code, made.out) == (0, f"{tmp_path}/profiles/_drafts/shop\n")
        assert "Draft shop: ready, 3 steps" in made.err
        assert (tmp_path / "profiles" / "profile.schema.json").is_file()

        assert wctl("drafts", "list").out.startswith("shop  ready, 3 steps, made ")
        assert json.loads(wctl("drafts", "list", "--json").out)[0]["slug"] == "shop"
        assert "POST /login → 200 (email, password)" in wctl("drafts", "show", "shop").out
        assert json.loads(wctl("drafts", "show", "shop", "--json").out)["status"]["steps"] == 3
        assert wctl("drafts", "export", "shop").out == "shop.zip\n"
        assert "shop/profile.yaml" in zipfile.ZipFile(tmp_path / "shop.zip").namelist()
        assert wctl("drafts", "export", "shop").code == 2
        missing = wctl("drafts", "show", "shap")
        assert (missing.code, "did you mean 'shop'?" in missing.err) == (2, True)
        waiting = wctl("run-test-profile", "shop")
        assert (waiting.code, "wctl promote shop" in waiting.err) == (2, True)

        promoted = wctl("promote", "shop")
        assert (promoted.code, promoted.out) == (0, f"{tmp_path}/profiles/shop\n")
        assert "it needs PROFILE_SECRET_PASSWORD" in promoted.err
        assert wctl("promote", "shop").code == 2
        assert wctl("validate").out == "shop: ok, 3 steps, 0 files compared\n"
        assert wctl("secrets", "shop").out == "PROFILE_SECRET_PASSWORD  missing\n"
        known = wctl("secrets", "shop", PROFILE_SECRET_PASSWORD="correct")
        assert (known.code, known.out) == (0, "PROFILE_SECRET_PASSWORD  set\n")
        assert wctl("run-test-profile", "shop", "--base-url", server.url).code == 0
    with recorded(tmp_path, MUTANT="1") as server:
        assert wctl("run-test-profile", "shop", "--base-url", server.url).code == 1
    with recorded(tmp_path, RECORDER_ENVIRONMENT="production") as server:
        refused = wctl("run-test-profile", "shop", "--base-url", server.url)
        assert (refused.code, "says that it is production" in refused.err) == (2, True)


def test_a_capture_is_ended_while_the_application_is_down(wctl: Wctl, tmp_path: Path) -> None:
    with recorded(tmp_path, RECORDER_CAPTURE="night") as server:
        use(server.url)
    ended = wctl("capture", "end", "--from", ".recorder", "--notes", "found it open")
    assert ended.code == 0, ended.err
    assert wctl("assemble", "--from", ".recorder", "--slug", "night").err.count("still open") == 0
    again = wctl("capture", "end", "--from", ".recorder")
    assert (again.code, again.err.count("\n")) == (2, 1)
    nowhere = wctl("capture", "end", "--from", "nowhere")
    assert (nowhere.code, "neither a RECORDER_ROOT" in nowhere.err) == (2, True)
    assert wctl("drafts", "discard", "night").code == 0
    assert wctl("drafts", "list").out == ""


def test_what_came_before_the_capture_is_told(wctl: Wctl, tmp_path: Path) -> None:
    site = Deployment(tmp_path)
    site.form("/login", "email=ada&password=correct-horse", "in", cookies=["session=Qm5x9a-Session7vB7kk; Path=/"])
    capture = site.start("shop")
    site.send("GET", "/items", "three", headers=[("cookie", "session=Qm5x9a-Session7vB7kk")])
    site.end(capture)
    made = wctl("assemble", "--from", "recorder", "--slug", "shop")
    assert "Draft shop: ready, 1 step, after a prologue of 1 from before the capture began\n" in made.err
    shown = wctl("drafts", "show", "shop").out
    assert "  before the capture, post-login: POST /login → 200 (email, password)\n  get-items: GET /items" in shown


def test_why_a_capture_did_not_start(wctl: Wctl, tiny: str, tmp_path: Path) -> None:
    absent = wctl("capture", "start", "shop", "--base-url", tiny)
    assert (absent.code, "not as a recorder" in absent.err) == (2, True)
    with recorded(tmp_path) as server:
        locked = wctl("capture", "start", "shop", "--base-url", server.url)
        assert (locked.code, "wants a RECORDER_TOKEN" in locked.err) == (2, True)
        wrong = wctl("capture", "start", "shop", "--base-url", server.url, RECORDER_TOKEN="other")
        assert (wrong.code, "does not accept this RECORDER_TOKEN" in wrong.err) == (2, True)
        bad = wctl("capture", "start", "../shop", "--base-url", server.url, RECORDER_TOKEN=TOKEN)
        assert (bad.code, bad.err.count("\n"), "shop" in bad.err) == (2, 1, True)


def test_what_is_wrong_with_a_profile(wctl: Wctl, tmp_path: Path) -> None:
    folder = tmp_path / "profiles" / "shop"
    folder.mkdir(parents=True)
    (folder / "profile.yaml").write_text("""
metadata: {slug: shop-2, run: clone}
steps:
  - {id: a, path: /, expect: {body: bodies/a.json}}
  - {id: b, path: /, multipart: [{name: f, file: ../../etc/passwd}]}
comparisons:
  - {target: ../out.json, method: json_exakt}
""")
    ran = wctl("validate", "shop")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines() == [
        "shop: metadata.slug is 'shop-2', but the directory is called 'shop'.",
        "shop: Step a needs bodies/a.json, which does not exist.",
        "shop: Step b needs ../../etc/passwd, which lies outside the profile.",
        "shop: The comparison of '../out.json' would leave the run directory.",
        ran.err.splitlines()[4],
        "shop: metadata.run is clone, and there is no seed/run to clone.",
    ]
    assert "did you mean 'json_exact'" in ran.err
    (folder / "profile.yaml").write_text("metadata: {slug: shop, tgas: [x]}\n")
    ran = wctl("validate")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "did you mean 'tags'?" in ran.err


def test_the_draft_is_waited_for_before_the_application_is_there(wctl: Wctl, tmp_path: Path) -> None:
    with wctl.start("assemble", "--follow", "--from", ".recorder", "--slug", "shop") as following:
        assert following.stderr is not None
        assert f"Waiting for an application that records to {tmp_path}/.recorder" in following.stderr.readline()
        with recorded(tmp_path) as server:
            assert wctl("capture", "start", "shop", "--base-url", server.url, RECORDER_TOKEN=TOKEN).code == 0
            use(server.url)
            assert wctl("capture", "end", "--base-url", server.url).code == 0
            out, err = following.communicate(timeout=120)
    assert (following.returncode, out) == (0, f"{tmp_path}/profiles/_drafts/shop\n")
    assert "Draft shop: ready, 3 steps" in err


def test_waiting_for_an_application_can_be_ended(wctl: Wctl, tmp_path: Path) -> None:
    with wctl.start("assemble", "--follow", "--from", "nowhere", "--slug", "shop") as following:
        assert following.stderr is not None
        assert "nowhere" in following.stderr.readline()
        following.send_signal(signal.SIGINT)
        out, err = following.communicate(timeout=120)
    assert (following.returncode, out) == (2, "")
    assert "Stopped before anything was recorded" in err
    assert "Traceback" not in err
    assert wctl("assemble", "--follow", "--from", "nowhere", "--slug", "../shop").code == 2
