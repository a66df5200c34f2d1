"""What runs beside the application, and the doctor who says what does not."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import redis

from playback.logbook import logging_to
from tests.support import ROOT, clean_environ, free_port, wait_until
from tests.wctl.conftest import Wctl, add_profile
from tests.wctl.test_lifecycle import TOKEN, recorded, use
from wctl.tailing import Tail


def test_up_brings_everything_and_takes_it_along(wctl: Wctl, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    data_root = tmp_path / "data"
    environ = {"PROFILE_DATA_ROOT": str(data_root)}
    running = wctl.start("up", "--port", str(port), "--from", str(tmp_path / ".recorder"), **environ)
    assert running.stderr is not None
    try:
        found = re.search(r"export REDIS_URL=(\S+)", running.stderr.readline())
        assert found is not None
        assert redis.Redis.from_url(found[1]).ping()
        with recorded(tmp_path, RECORDER_CAPTURE="shop") as server:
            use(server.url)
            ended = wctl("capture", "end", "--base-url", server.url, RECORDER_TOKEN=TOKEN)
            assert ended.code == 0, ended.err
            wait_until(lambda: "Draft shop: ready, " in wctl("logs", "assembler", **environ).out, "the draft")
            wait_until(lambda: _healthy(url), "the service")
        assert "profiles of" in wctl("logs", "profile_playback", "-n", "1", **environ).out
        assert "outside of runs" in httpx.get(f"{url}/ui/audit").text, "the pages show what is recorded there"
    finally:
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=120)
    assert (running.returncode, out) == (0, ""), err
    assert "Draft shop: ready, " in err
    assert "Traceback" not in err
    assert not _healthy(url)
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(found[1]).ping()


def test_up_says_when_the_port_is_taken(wctl: Wctl, service: tuple[str, Path]) -> None:
    url, _ = service
    running = wctl.start("up", "--port", str(httpx.URL(url).port), REDIS_URL="redis://127.0.0.1:1")
    _, err = running.communicate(timeout=120)
    assert running.returncode == 2
    assert "taken? Choose another with --port" in err
    assert "Traceback" not in err


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").status_code == 200
    except httpx.TransportError:
        return False


def test_logs_are_followed_over_a_rotation(wctl: Wctl, tmp_path: Path) -> None:
    log = tmp_path / "playback_runs" / "profile_playback.log"
    log.parent.mkdir()
    log.write_text("".join(f"line {n}\n" for n in range(200)))
    assert wctl("logs", "profile_playback", "-n", "2").out == "line 198\nline 199\n"
    running = wctl.start("logs", "profile_playback", "-f", "-n", "1")
    assert running.stdout is not None
    assert running.stdout.readline() == "line 199\n"
    with log.open("a") as file:
        file.write("line 200\n")
    assert running.stdout.readline() == "line 200\n"
    (tmp_path / "new").write_text("line 201\n" + "line 202\n" * 1000)
    (tmp_path / "new").rename(log)
    assert running.stdout.readline() == "line 201\n"
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=120)
    assert running.returncode == 0


def test_no_line_is_lost_when_the_log_is_rotated(tmp_path: Path) -> None:
    """By the service's own rotation, with lines on both sides of it between two looks."""
    log = tmp_path / "playback_runs" / "profile_playback.log"
    shown: list[str] = []
    tail = Tail(log, shown.append)
    tail.last(5)
    tail.more()  # there is no log yet
    assert shown == []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("playback.logbook.LIMIT", 400)
        for start in (0, 40):  # the service, and the service started again
            with logging_to(tmp_path) as service:
                for number in range(start, start + 40):
                    service.info("line %d: ä", number)
                    if number % 7 == 0:
                        tail.more()
    tail.more()
    tail.close()
    assert log.with_name("profile_playback.log.2").exists()
    assert re.findall(r"line (\d+): ä\n", "".join(shown)) == [str(number) for number in range(80)]


def test_half_a_character_is_waited_for_and_a_log_that_was_cut_begins_anew(tmp_path: Path) -> None:
    log = tmp_path / "some.log"
    shown: list[str] = []
    tail = Tail(log, shown.append)
    log.write_bytes(b"one\ntwo \xc3")
    tail.last(1)
    assert "".join(shown) == "two "
    with log.open("ab") as file:
        file.write(b"\xa4\n")
    tail.more()
    assert "".join(shown) == "two ä\n"
    log.write_bytes(b"new\n")
    tail.more()
    log.unlink()
    tail.more()
    log.write_bytes(b"and another\n")
    tail.more()
    tail.close()
    assert "".join(shown) == "two ä\nnew\nand another\n"


def test_logs_that_are_not_there(wctl: Wctl) -> None:
    ran = wctl("logs", "profile_playback")
    assert (ran.code, "There is no log yet" in ran.err) == (2, True)
    ran = wctl("logs", "asembler")
    assert (ran.code, ran.err) == (2, "No service is called 'asembler'; did you mean 'assembler'?\n")


def test_assembling_without_a_name_means_following_all(wctl: Wctl, tmp_path: Path) -> None:
    ran = wctl("assemble", "--from", ".recorder")
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "Which capture? Name it with --slug" in ran.err
    running = wctl.start("assemble", "--from", ".recorder", "--follow")
    assert running.stderr is not None
    assert running.stderr.readline() == f"Following {tmp_path}/.recorder\n"
    for slug in ("first", "second"):
        with recorded(tmp_path, RECORDER_CAPTURE=slug) as server:
            use(server.url)
            assert wctl("capture", "end", "--base-url", server.url, RECORDER_TOKEN=TOKEN).code == 0
        ready = f"Draft {slug}: ready"
        wait_until(lambda: ready in wctl("logs", "assembler").out, "the draft")  # noqa: B023 - asked at once
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=120)
    assert running.returncode == 0
    assert ("Draft first: ready" in err, "Draft second: ready" in err) == (True, True), err
    assert "Draft second: ready" in wctl("logs", "assembler").out


def test_the_demo_is_part_of_the_repository(wctl: Wctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wctl.__file__", str(tmp_path / "site-packages" / "wctl" / "__init__.py"))
    ran = wctl("demo")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "run `make demo` there" in ran.err
    script = tmp_path / "site-packages" / "examples" / "demo.py"
    script.parent.mkdir(parents=True)
    script.write_text("import sys; print(sys.argv[1:]); sys.exit(1)")
    ran = wctl("demo", "--", "--quick")
    assert (ran.code, ran.out) == (1, "['--quick']\n")


# ------------------------------------------------------------------------------------------------------- doctor


def _lines(out: str) -> dict[str, tuple[str, str]]:
    """What the doctor said of each subject: state and sentence."""
    found = re.findall(r"^(ok|note|problem) +([a-z ]+): (.*)$", out, re.MULTILINE)
    return {subject: (state, sentence) for state, subject, sentence in found}


def test_all_is_well(wctl: Wctl, tmp_path: Path, redis_url: str) -> None:
    add_profile(tmp_path)
    worker = [sys.executable, "-m", "rq.cli", "worker", "--url", redis_url, "doctors"]
    with (
        recorded(tmp_path) as server,
        subprocess.Popen(
            worker, cwd=ROOT, env=clean_environ(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as rq,
    ):
        try:
            environ = {"REDIS_URL": redis_url, "ADMIN_EMAIL": "ada", "ADMIN_PASSWORD": "correct"}
            wait_until(lambda: _lines(wctl("doctor", **environ).out)["worker"][0] == "ok", "the worker")
            use(server.url)
            ran = wctl("doctor", "--base-url", server.url, RECORDER_ROOT=str(tmp_path / ".recorder"))
        finally:
            rq.terminate()
    assert ran.code == 0, ran.out
    assert {state for state, _ in _lines(ran.out).values()} == {"ok"}
    assert _lines(ran.out)["worker"] == ("ok", "listening on doctors")
    assert _lines(ran.out)["login"] == ("ok", "ada may log in")


def test_everything_is_wrong(wctl: Wctl, tiny: str, tmp_path: Path, redis_url: str) -> None:
    (tmp_path / "profiles" / "bad").mkdir(parents=True)
    (tmp_path / "profiles" / "bad" / "profile.yaml").write_text("- a list")
    (tmp_path / "key").mkdir()
    environ = {"ADMIN_EMAIL": "ada", "ADMIN_PASSWORD": "hunter2", "RECORDER_ROOT": str(tmp_path)}
    ran = wctl("doctor", "--base-url", tiny, REDIS_URL="redis://:hunter2@127.0.0.1:1/0", **environ)
    told = _lines(ran.out)
    assert ran.code == 2
    assert told["profiles"][0] == "problem"
    assert told["key"][0] == "problem"
    assert told["redis"] == ("problem", told["redis"][1])
    assert told["application"][0] == "ok"
    assert told["recorder"][0] == "problem"
    assert told["login"][0] == "problem"
    assert "Check ADMIN_EMAIL and ADMIN_PASSWORD" in told["login"][1]
    assert "hunter2" not in ran.out + ran.err
    idle = _lines(wctl("doctor", REDIS_URL=f"{redis_url}&db=9" if "?" in redis_url else redis_url).out)
    assert idle["redis"][0] == "ok"


def test_nobody_and_nothing(wctl: Wctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("playback.redis_server._bundled_binary", lambda: None)
    url = f"http://127.0.0.1:{free_port()}"
    ran = wctl("doctor", "--data-root", "nowhere", "--base-url", url)
    told = _lines(ran.out)
    assert ran.code == 2
    assert (told["data root"][0], "does not exist" in told["data root"][1]) == ("problem", True)
    assert (told["redis"][0], "No Redis was found" in told["redis"][1]) == ("problem", True)
    assert told["worker"][0] == "note"
    assert (told["application"][0], f"nothing answers at {url}" in told["application"][1]) == ("problem", True)
    assert "recorder" not in told
    refused = _lines(wctl("doctor", "--base-url", "http://10.1.2.3").out)["application"]
    assert (refused[0], "PROFILE_PLAYBACK_ALLOWED_ORIGINS" in refused[1]) == ("problem", True)


@pytest.mark.skipif(os.geteuid() == 0, reason="absent: a user whom permissions bind (running as root)")
def test_a_data_root_that_cannot_be_written(wctl: Wctl, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    told = _lines(wctl("doctor", "--data-root", "locked").out)["data root"]
    assert (told[0], "cannot be written" in told[1]) == ("problem", True)


# --------------------------------------------------------------------------------------------------------- usage


def test_usage_is_one_sentence_and_exit_code_2(wctl: Wctl) -> None:
    for arguments, sentence in (
        (["run-test-profil"], "Did you mean 'run-test-profile'"),
        (["run-test-profile"], "Missing argument 'SLUG'."),
        (["run-test-profile", "x", "--base-ulr", "y"], "--base-url"),
        (["run-suite", "--workers", "0"], "Invalid value for '--workers'"),
    ):
        ran = wctl(*arguments)
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
        assert sentence in ran.err
    assert "run-test-profile" in wctl("--help").out
    assert "Commands:" in wctl("drafts").err
