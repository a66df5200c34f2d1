"""`run-test-profile` and `run-suite` by exit code and output: with the engine in process, and with a service."""

from __future__ import annotations

import json
import signal
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from playback.logbook import log_path
from tests.support import Server, free_port, wait_until
from tests.wctl.conftest import ITEMS, Wctl, add_profile


def test_green(wctl: Wctl, tiny: str, root: Path, tmp_path: Path) -> None:
    add_profile(root)
    ran = wctl("run-test-profile", "tiny", "--base-url", tiny, "--json", "--junit", "j.xml")
    assert (ran.code, json.loads(ran.out)["result"]) == (0, "passed")
    assert "PASSED  tiny  3 steps" in ran.err
    assert "tiny: step items (2 of 3): passed, 200" in ran.err
    assert ElementTree.parse(tmp_path / "j.xml").getroot().find("testsuite[@failures='0'][@tests='3']") is not None


def test_red(wctl: Wctl, wrong: str, root: Path, tmp_path: Path) -> None:
    add_profile(root)
    ran = wctl("run-test-profile", "tiny", "--base-url", wrong, "--junit", "j.xml")
    assert (ran.code, ran.out) == (1, "")
    assert "FAILED at step items  tiny  2 steps" in ran.err
    assert "expected 3, got 4" in ran.err
    assert "Diagnostics: " in ran.err
    assert "Next: " in ran.err
    assert "home-again" not in ran.err
    assert ElementTree.parse(tmp_path / "j.xml").getroot().find("testsuite[@failures='1']") is not None
    assert (
        "step home-again (3 of 3): passed" in wctl("run-test-profile", "tiny", "--base-url", wrong, "--keep-going").err
    )


def test_verbose_tells_every_event(wctl: Wctl, tiny: str, root: Path) -> None:
    add_profile(root)
    ran = wctl("run-test-profile", "tiny", "--base-url", tiny, "--verbose")
    assert "tiny: run started: " in ran.err
    assert "tiny: step home (1 of 3): GET /" in ran.err


def test_an_unknown_profile(wctl: Wctl, root: Path) -> None:
    add_profile(root)
    ran = wctl("run-test-profile", "tinny", "--base-url", "http://127.0.0.1:1")
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "There is no profile 'tinny'" in ran.err
    assert "did you mean 'tiny'?" in ran.err


def test_machines_are_told_of_an_error_too(wctl: Wctl, root: Path, tmp_path: Path) -> None:
    add_profile(root)
    ran = wctl("run-test-profile", "tinny", "--base-url", "http://127.0.0.1:1", "--json", "--junit", "j.xml")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert (json.loads(ran.out)["result"], json.loads(ran.out)["error"]) == ("error", ran.err.strip())
    assert ElementTree.parse(tmp_path / "j.xml").getroot().find("testsuite[@errors='1']") is not None


def test_a_slug_that_leads_elsewhere(wctl: Wctl, tmp_path: Path) -> None:
    add_profile(tmp_path)
    for slug in ("../tiny", "../../etc/passwd", ".hidden", ""):
        ran = wctl("run-test-profile", slug, "--base-url", "http://127.0.0.1:1")
        assert (ran.code, ran.err.count("\n")) == (2, 1)
        assert "is not a profile name" in ran.err


def test_a_slip_in_a_key(wctl: Wctl, tiny: str, root: Path) -> None:
    add_profile(root, text=ITEMS.replace("expect:", "expct:", 1))
    ran = wctl("run-test-profile", "tiny", "--base-url", tiny)
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "line 8: unknown key" in ran.err
    assert "did you mean 'expect'?" in ran.err


def test_a_profile_that_is_no_mapping(wctl: Wctl, tiny: str, root: Path) -> None:
    add_profile(root, text="- a\n- list\n")
    ran = wctl("run-test-profile", "tiny", "--base-url", tiny)
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "profile.yaml" in ran.err


def test_a_missing_file(wctl: Wctl, tiny: str, root: Path) -> None:
    (add_profile(root) / "bodies" / "items.json").unlink()
    ran = wctl("run-test-profile", "tiny", "--base-url", tiny)
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "bodies/items.json" in ran.err


def test_nobody_there(wctl: Wctl, root: Path) -> None:
    add_profile(root)
    ran = wctl("run-test-profile", "tiny", "--base-url", f"http://127.0.0.1:{free_port()}")
    assert ran.code == 2
    assert "Nothing answers at http://127.0.0.1:" in ran.err


def test_a_target_that_is_not_allowed(wctl: Wctl, root: Path) -> None:
    add_profile(root)
    ran = wctl("run-test-profile", "tiny", "--base-url", "http://10.1.2.3:5000")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "PROFILE_PLAYBACK_ALLOWED_ORIGINS" in ran.err


def test_nothing_says_where_the_application_is(wctl: Wctl, root: Path) -> None:
    add_profile(root)
    ran = wctl("run-test-profile", "tiny")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "--base-url" in ran.err


LOGIN = """
metadata: {{slug: {slug}, tags: [{tags}]}}
steps:
  - id: login
    method: POST
    path: /login
    form: [[email, ada], [password, "{{{{ secrets.PASSWORD }}}}"]]
    expect: {{status: 200, media_type: text/html, contains: welcome}}
"""


def test_secrets_come_from_the_env_file_and_a_refused_login_is_no_verdict(
    wctl: Wctl, tiny: str, tmp_path: Path
) -> None:
    add_profile(tmp_path, text=LOGIN)
    (tmp_path / "right.env").write_text("PROFILE_SECRET_PASSWORD=correct\n")
    (tmp_path / "bad.env").write_text("PROFILE_SECRET_PASSWORD='hunter2\n")
    assert wctl("run-test-profile", "tiny", "--base-url", tiny, "--env-file", "right.env").code == 0
    bad = wctl("run-test-profile", "tiny", "--base-url", tiny, "--env-file", "bad.env")
    assert (bad.code, bad.err.count("\n")) == (2, 1)
    assert "bad.env, line 1" in bad.err
    assert "hunter2" not in bad.err
    (tmp_path / "other.env").write_text("PROFILE_SECRET_PASSWORD=hunter2\n")
    assert "hunter2" not in wctl("run-test-profile", "tiny", "--base-url", tiny, "--env-file", "other.env").err


def test_a_service_that_is_not_there(wctl: Wctl, tmp_path: Path) -> None:
    add_profile(tmp_path)
    ran = wctl("run-test-profile", "tiny", PROFILE_PLAYBACK_URL=f"http://127.0.0.1:{free_port()}")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "unset PROFILE_PLAYBACK_URL to replay without it" in ran.err


def test_a_service_that_wants_a_token(wctl: Wctl, tiny: str, tmp_path: Path) -> None:
    add_profile(tmp_path)
    command = [sys.executable, "-m", "playback.service", "--port", "{port}"]
    env = {"PROFILE_DATA_ROOT": str(tmp_path), "PROFILE_PLAYBACK_TOKEN": "s3cret"}
    with Server(command, path="/health", env=env) as server:
        ran = wctl("run-test-profile", "tiny", "--base-url", tiny, PROFILE_PLAYBACK_URL=server.url)
        assert (ran.code, ran.err.count("\n")) == (2, 1)
        assert "PROFILE_PLAYBACK_TOKEN" in ran.err
        assert wctl("run-test-profile", "tiny", "--base-url", tiny, PROFILE_PLAYBACK_TOKEN="s3cret").code == 0


SLOW = """
metadata: {{slug: {slug}, tags: [{tags}]}}
steps:
  - {{id: slow, path: /slow}}
  - {{id: home, path: /}}
"""


def test_control_c_ends_it_after_the_step(wctl: Wctl, tmp_path: Path) -> None:
    add_profile(tmp_path, text=SLOW)
    gate = tmp_path / "gate"
    with Server.uvicorn("tests.wctl.tiny_asgi:app", env={"TINY_GATE": str(gate)}) as server:
        running = wctl.start("run-test-profile", "tiny", "--base-url", server.url)
        wait_until(Path(f"{gate}.reached").exists, "the slow step")
        running.send_signal(signal.SIGINT)
        assert running.stderr is not None
        said = running.stderr.readline()
        gate.touch()
        _, err = running.communicate(timeout=120)
    assert said == "Stopping; once more to stop at once.\n"
    assert running.returncode == 2
    assert "INTERRUPTED  tiny  1 step" in err
    assert "Traceback" not in err


def test_control_c_stops_the_service_too(wctl: Wctl, service: tuple[str, Path], tmp_path: Path) -> None:
    url, root = service
    add_profile(root, "slow", text=SLOW)
    gate = tmp_path / "gate"
    with Server.uvicorn("tests.wctl.tiny_asgi:app", env={"TINY_GATE": str(gate)}) as server:
        running = wctl.start("run-test-profile", "slow", "--base-url", server.url, PROFILE_PLAYBACK_URL=url)
        wait_until(Path(f"{gate}.reached").exists, "the slow step")
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=120)
        # Before the gate opens: what was under way is cut off, and not waited for.
        wait_until(lambda: "INTERRUPTED  slow" in log_path(root).read_text(), "the service stops the replay")
        gate.touch()
    assert running.returncode == 2
    assert "INTERRUPTED  slow" in err
    assert "The playback service was told to stop" in err


# ------------------------------------------------------------------------------------------------------- suites


def test_a_suite_closes_with_a_table_and_the_worst_exit_code(wctl: Wctl, tiny: str, root: Path, tmp_path: Path) -> None:
    add_profile(root, "one", tags="climate, quick")
    add_profile(root, "two", tags="quick")
    ran = wctl("run-suite", "--base-url", tiny, "--workers", "2", "--json", "--junit", "j.xml")
    assert ran.code == 0
    assert [report["profile"] for report in json.loads(ran.out)] == ["one", "two"]
    assert "2 passed\n" in ran.err
    add_profile(root, "three", ITEMS.replace("hello", "goodbye"), tags="climate")
    assert wctl("run-suite", "--base-url", tiny, "--tag", "quick").code == 0
    red = wctl("run-suite", "--base-url", tiny, "--tag", "climate")
    assert red.code == 1
    assert "1 passed, 1 failed\n" in red.err
    assert "FAILED at step home  three" in red.err
    (root / "profiles" / "two" / "profile.yaml").write_text("- a list\n")
    worst = wctl("run-suite", "--base-url", tiny, "--junit", "j.xml")
    assert worst.code == 2
    assert "1 passed, 1 failed, 1 error\n" in worst.err
    assert wctl("run-suite", "--base-url", tiny, "--tag", "climate").code == 2  # nobody knows the tags of `two` now
    suites = ElementTree.parse(tmp_path / "j.xml").getroot()
    counts = [(s.get("name"), s.get("failures"), s.get("errors")) for s in suites]
    assert counts == [("one", "0", "0"), ("three", "1", "0"), ("two", "0", "1")]


def test_github_is_told_beside_the_answer_for_machines(wctl: Wctl, wrong: str, root: Path, tmp_path: Path) -> None:
    add_profile(root)
    assert "::error" not in wctl("run-test-profile", "tiny", "--base-url", wrong).err
    github = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "GITHUB_WORKSPACE": str(root),
    }
    ran = wctl("run-test-profile", "tiny", "--base-url", wrong, "--json", **github)
    assert (ran.code, json.loads(ran.out)["result"]) == (1, "failed")
    (line,) = [line for line in ran.err.splitlines() if line.startswith("::")]
    assert line.startswith("::error file=profiles/tiny/profile.yaml,")
    assert "title=tiny%3A failed at items::" in line
    add_profile(root, "two")
    suite = wctl("run-suite", "--base-url", wrong, **github)
    assert suite.err.count("\n::error file=profiles/t") == 2
    assert (tmp_path / "summary.md").read_text().count("### ❌") == 3


def test_github_is_told_of_a_profile_that_cannot_be_replayed(wctl: Wctl, tmp_path: Path) -> None:
    add_profile(tmp_path)
    ran = wctl("run-test-profile", "tiny", GITHUB_ACTIONS="true")
    assert ran.code == 2
    assert "::error file=profiles/tiny/profile.yaml,line=1,title=tiny%3A error::Where is the application?" in ran.err


def test_a_suite_of_nothing_is_no_success(wctl: Wctl, tiny: str, tmp_path: Path) -> None:
    ran = wctl("run-suite", "--base-url", tiny)
    assert (ran.code, "There is no profile" in ran.err) == (2, True)
    add_profile(tmp_path, "one", tags="climate")
    ran = wctl("run-suite", "--base-url", tiny, "--tag", "climat")
    assert (ran.code, ran.err) == (2, "No profile has the tag 'climat'; did you mean 'climate'?\n")
