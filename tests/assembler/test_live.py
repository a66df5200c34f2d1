"""While a capture goes on its draft can be looked at, and what is worked out early changes nothing in the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from queue import Queue

import orjson
import pytest

from assembler import DraftStatus
from assembler.assembly import Assembly
from assembler.correlation import Correlation
from assembler.drafts import json_object, list_drafts
from assembler.promote import NotPromotable, promote
from assembler.recording import Exchange
from recorder.captures import Subject
from recorder.manifest import Capture
from tests.assembler.deployment import JSON, SLUG, Deployment, contents, status_of
from tests.support import ROOT, clean_environ, wait_until

FOLLOW = (
    "import sys, threading; from pathlib import Path; from assembler.following import follow; "
    "follow(Path(sys.argv[1]), Path(sys.argv[2]), threading.Event(), lambda status: print(status.state, flush=True))"
)


def shown(site: Deployment) -> list[str]:
    """The ids of the records that the draft has so far."""
    path = site.draft / "events.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [orjson.loads(line)["id"] for line in lines]


def shown_capture(site: Deployment) -> object:
    """The capture whose draft stands there; None while one takes the place of another."""
    return json_object(site.draft / "status.json").get("capture_id")


def captured(site: Deployment, capture: Capture) -> list[str]:
    return [event["id"] for event in site.events() if capture["capture_id"] in event["capture_ids"]]


def without_status(directory: Path) -> dict[str, bytes]:
    return {name: content for name, content in contents(directory).items() if name != "status.json"}


# ---------------------------------------------------------------------------------------------------- to be looked at


def test_records_are_in_the_draft_while_the_capture_goes_on(site: Deployment, told: Queue[DraftStatus]) -> None:
    capture = site.start()
    for number in range(3):
        site.send("GET", f"/{number}")
        wait_until(lambda: shown(site) == captured(site, capture), "the draft has every record")
    assert status_of(site.draft)["state"] == "assembling"
    assert [(d.slug, d.state) for d in list_drafts(site.data_root)] == [(SLUG, "assembling")]
    with pytest.raises(NotPromotable, match="still being recorded"):
        promote(SLUG, site.data_root)
    site.end(capture)
    assert told.get(timeout=60).state == "ready"
    assert status_of(site.draft)["steps"] == 3
    assert sorted(shown(site)) == sorted(captured(site, capture))


def test_a_discarded_capture_leaves_the_draft_that_was_there(site: Deployment, told: Queue[DraftStatus]) -> None:
    first = site.start()
    site.send("GET", "/kept")
    site.end(first)
    told.get(timeout=60)
    before = contents(site.draft)
    second = site.start()
    site.send("GET", "/thrown/away")
    wait_until(lambda: shown_capture(site) == second["capture_id"], "the new capture is shown")
    site.captures.discard(Subject(), second["capture_id"])
    wait_until(lambda: shown_capture(site) == first["capture_id"], "the old draft is back")
    assert contents(site.draft) == before


def test_two_captures_of_one_name_do_not_write_into_one_draft(site: Deployment, told: Queue[DraftStatus]) -> None:
    site.run("one", {"active.cfg": "a"})
    site.run("two", {"active.cfg": "a"})
    first, second = site.start(run_id="one"), site.start(run_id="two")
    site.send("GET", "/runs/one/active/a")
    site.send("GET", "/runs/two/active/b")
    site.send("GET", "/runs/two/active/c")
    site.end(first)
    assert told.get(timeout=60).steps == 1
    site.end(second)
    assert told.get(timeout=60).steps == 2
    previous = site.draft.parent / ".previous" / SLUG
    assert [status_of(folder)["steps"] for folder in previous.iterdir()] == [1]


# ---------------------------------------------------------------------------------------------------- killed and started again


@pytest.fixture
def follower(site: Deployment) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts a follower of the site in a process of its own."""
    running: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", FOLLOW, str(site.root), str(site.data_root)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=clean_environ())
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_a_killed_follower_goes_on_and_shows_each_record_once(
    site: Deployment, follower: Callable[[], subprocess.Popen[str]]
) -> None:
    def follows(number: int) -> bool:
        return len(shown(site)) >= 4 * number

    process = follower()
    capture = site.start()
    for number in range(6):
        site.form("/things", f"name=thing{number}", f'{{"id": {number + 40}}}', kind=JSON)
        site.send("GET", f"/things/{number + 40}")
        wait_until(partial(follows, number), "the draft follows")
        if number % 2:
            process.kill()
            process.wait()
            if number == 3:  # as if it had been killed in the middle of a line
                with (site.draft / "events.jsonl").open("r+b") as file:
                    file.truncate(file.seek(0, os.SEEK_END) - 7)
            process = follower()
    wait_until(lambda: len(shown(site)) == len(captured(site, capture)), "the draft has every record")
    assert shown(site) == captured(site, capture)
    process.kill()
    process.wait()
    site.end(capture)  # while nobody follows
    process = follower()
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    made = without_status(site.draft)
    site.assemble(rebuild=True)
    assert without_status(site.draft) == made


def test_a_follower_that_is_started_again_does_not_read_everything_again(
    site: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assembler.logs._KEPT", 10)
    site.form("/login", "password=correct-horse-9", cookies=[f"session={'s' * 40}"])
    for _ in range(100):
        site.send("GET", "/others")
    earlier = Assembly(site.root, site.data_root)
    everything = earlier.read()
    capture = site.start()
    site.send("GET", "/mine")
    earlier.read()
    earlier.save_place()
    site.send("GET", "/mine/too")
    later = Assembly(site.root, site.data_root, resume=True)
    assert later.read() < 30 < everything
    site.end(capture)
    later.read()
    resumed = later.finish(later.capture(SLUG), fresh=False)
    made = without_status(resumed.directory)
    site.assemble(rebuild=True)
    assert without_status(resumed.directory) == made


@pytest.mark.parametrize("content", [b"", b"[]", b'{"logs": 3}', b'{"logs": {"x": {"offset": "y"}}}', b"\xff{"])
def test_a_ledger_that_is_none_only_costs_time(site: Deployment, content: bytes) -> None:
    site.send("GET", "/one")
    assembly = Assembly(site.root, site.data_root)
    seen = assembly.read()
    assembly.save_place()
    (ledger,) = (site.data_root / "profiles/_drafts/.ledgers").iterdir()
    ledger.write_bytes(content)
    assert Assembly(site.root, site.data_root, resume=True).read() == seen


# ---------------------------------------------------------------------------------------------------- worked out early


def shopping(site: Deployment, number: int) -> None:
    """Requests whose ids, tokens and clients depend on each other."""
    token = f"{number:02d}kq7Zx1"[:8] * 4
    agent = ("user-agent", f"Browser/{number % 2}")
    cookie = f"session=c{number % 2}{'s' * 30}"
    site.send("GET", "/form", f'<input type="hidden" name="csrf_token" value="{token}">', cookies=[cookie], headers=[agent])
    sent = [agent, ("cookie", cookie), ("referer", f"http://127.0.0.1:8000/things/{number + 70}")]
    site.form("/things", f"csrf_token={token}&name=thing{number}", f'{{"id": {number + 71}}}', kind=JSON, headers=sent)
    site.send("GET", f"/things/{number + 71}", f"<a href='/things/{number + 71}/edit'>thing{number}</a>", headers=sent)


@pytest.mark.parametrize("every", [1, 3, 1000], ids=["after each", "now and then", "only at the end"])
def test_what_was_worked_out_early_changes_nothing(site: Deployment, every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assembler.growing._BEHIND", 2)
    site.run("dry-creek", {"active.cfg": "a"})
    site.form("/login", "username=ann&password=correct-horse-9", cookies=[f"session=c0{'s' * 30}"])
    assembly = Assembly(site.root, site.data_root)
    capture = site.start()
    for number in range(12):
        shopping(site, number)
        if number == 6:  # words that are bound, and were not known until now
            site.send("GET", "/runs/dry-creek/active/page", "dry-creek")
            site.send("GET", "/elsewhere", headers=[("x-forwarded-host", "other.example")])
        if number % every == 0:
            assembly.read()
            assembly.watch(assembly.capture(SLUG))
            while assembly.work(time.monotonic() + 1):
                pass
    site.end(capture)
    assembly.read(rest=True)
    early = without_status(assembly.finish(assembly.capture(SLUG), fresh=True).directory)
    assert len(early) > 30
    site.assemble()
    assert without_status(site.draft) == early


def test_little_is_left_to_be_worked_out_at_the_end(site: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    capture = site.start()
    for number in range(40):
        shopping(site, number)
    assembly = Assembly(site.root, site.data_root)
    assembly.read()
    assembly.watch(assembly.capture(SLUG))
    while assembly.work(time.monotonic() + 1):
        pass
    left: list[int] = []
    add = Correlation.add

    def counted(self: Correlation, exchange: Exchange) -> None:
        left.append(exchange.index)
        add(self, exchange)

    monkeypatch.setattr(Correlation, "add", counted)
    site.end(capture)
    assembly.read(rest=True)
    assert assembly.finish(assembly.capture(SLUG), fresh=True).steps == 120
    assert 0 < len(left) < 40


def test_a_request_that_was_given_up_and_then_answered_is_not_lost(
    site: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that takes so long that it was taken for a stream without an end."""
    monkeypatch.setattr("assembler.growing._BEHIND", 1)
    monkeypatch.setattr("assembler.growing._PATIENCE", 3)
    capture = site.start()
    assembly = Assembly(site.root, site.data_root)
    slow = site.recorder.begin("POST", "http", "/slow", "", [("host", "127.0.0.1:8000")], "1.1")
    for number in range(12):
        site.send("GET", f"/{number}")
    assembly.read()
    assembly.watch(assembly.capture(SLUG))
    while assembly.work(time.monotonic() + 1):
        pass
    slow.response_start(200, [("content-type", "application/json")])
    slow.response_chunk(b'{"id": "7d1c2a5e-1111-4222-8333-944455556666"}', last=True)
    slow.finish()
    site.send("GET", "/things/7d1c2a5e-1111-4222-8333-944455556666")
    site.end(capture)
    assembly.read(rest=True)
    early = assembly.finish(assembly.capture(SLUG), fresh=True)
    assert early.steps == 14
    made = without_status(early.directory)
    site.assemble()
    assert without_status(site.draft) == made


def test_a_follower_that_gets_a_signal_ends(site: Deployment, follower: Callable[[], subprocess.Popen[str]]) -> None:
    process = follower()
    site.start()
    wait_until(lambda: site.draft.exists(), "the follower is at work")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == -signal.SIGTERM
