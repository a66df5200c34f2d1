"""Logs that a disk damaged or a crash cut short: what still is an event is in the draft, what is not is told."""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from assembler import DraftStatus
from assembler.document import load_profile
from tests.assembler.busy import LONG, TOKEN, busy, logs
from tests.assembler.deployment import BOUNDARY, Deployment, contents, paths

KILOBYTE = 1024


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    site = Deployment(tmp_path_factory.mktemp("recorded"))
    busy(site)
    return site


@pytest.fixture
def site(recorded: Deployment, tmp_path: Path) -> Any:
    """The recording, to be damaged; drafts go elsewhere each time."""
    whole = {p: p.read_bytes() for p in recorded.folder.rglob("*") if p.is_file()}
    recorded.data_root = tmp_path / "data"
    yield recorded
    for path, content in whole.items():
        path.write_bytes(content)


def told(status: DraftStatus) -> str:
    return "\n".join([*status.warnings, *status.problems])


def altered(site: Deployment, old: str, new: str) -> None:
    """Write `new` for `old`, which stands in the log exactly once."""
    log = site.log().read_bytes()
    assert log.count(old.encode()) == 1
    site.log().write_bytes(log.replace(old.encode(), new.encode()))


def lines(content: bytes) -> dict[int, bytes]:
    """Offset to line, blank ones left out."""
    found, offset = {}, 0
    for line in content.split(b"\n"):
        if line:
            found[offset] = line
        offset += len(line) + 1
    return found


@pytest.mark.parametrize("seed", range(25))
def test_a_bit_that_turned_in_every_kilobyte(site: Deployment, seed: int) -> None:
    generator = random.Random(seed)
    damaged: dict[str, list[int]] = {}
    sound: set[str] = set()
    for log, content in logs(site).items():
        broken = bytearray(content)
        for place in range(generator.randrange(KILOBYTE), len(broken), KILOBYTE):
            broken[place] ^= 1 << generator.randrange(8)
        log.write_bytes(broken)
        sound |= {orjson.loads(line)["id"] for at, line in lines(content).items() if lines(broken).get(at) == line}
        damaged[log.parent.parent.name] = [at for at, line in lines(broken).items() if not _json(line)]
    status = site.assemble()
    load_profile(status.directory / "profile.yaml")
    kept = {orjson.loads(line)["id"] for line in (status.directory / "events.jsonl").read_bytes().splitlines()}
    found = [e for name in (None, "dry-creek") for e in site_events(site, name)]
    # A record that a turned bit gave the number of another may be taken for it.
    numbers = Counter((str(e.get("writer")), str(e.get("sequence"))) for e in found)
    captured = {e["id"] for e in found if e["capture_ids"] and numbers[e["writer"], str(e["sequence"])] == 1}
    assert sound & captured <= kept
    for name, places in damaged.items():
        of = "of RECORDER_ROOT" if name == "recorder" else f"of run {name}"
        sentences = " ".join(w for w in status.warnings if w.startswith(f"The log {of}"))
        assert bool(places) <= bool(sentences)
        if len(places) <= 3 and "more" not in sentences and "holds no event" not in sentences:
            assert all(f"at byte {place}" in sentences for place in places)


def site_events(site: Deployment, run_id: str | None) -> list[dict[str, Any]]:
    found = (_json(line) for line in lines(site.log(run_id).read_bytes()).values())
    wanted = {"id", "writer", "sequence", "capture_ids"}
    return [event for event in found if isinstance(event, dict) and event.keys() >= wanted]


def _json(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except ValueError:
        return None


# ---------------------------------------------------------------------------------------------------- bodies


def test_an_answer_that_is_not_what_was_recorded_is_not_compared(site: Deployment) -> None:
    altered(site, r"{\"status\":\"queued\"}", r"{\"status\":\"queues\"}")
    altered(site, r'\"n\":17}"', r'\"n\":19}"')
    status = site.assemble()
    assert "step post-orders: the answer's body was not stored (what is in the log no longer has the checksum" in told(
        status
    )
    step = next(s for s in load_profile(status.directory / "profile.yaml").steps if s.id == "post-orders")
    assert step.expect.body is None
    assert step.expect.empty is not True
    assert b'\\"n\\":19' in (status.directory / "events.jsonl").read_bytes()


def test_a_request_that_is_not_what_was_recorded_stops_promotion(site: Deployment) -> None:
    altered(site, r'{\"name\":\"Ada\"}"', r'{\"name\":\"Eda\"}"')
    status = site.assemble()
    assert any(p.startswith("step post-orders: the request's body was not stored (what is in") for p in status.problems)
    assert "Eda" not in (status.directory / "profile.yaml").read_text()


def test_a_checksum_that_is_damaged_itself_proves_nothing_either(site: Deployment) -> None:
    digest = re.search(rb'"sha256":"([0-9a-f]{64})"[^}]{0,200}Ada', site.log().read_bytes())
    assert digest is not None
    altered(site, digest[1].decode(), digest[1].decode()[::-1])
    assert "the request's body was not stored" in told(site.assemble())


@pytest.mark.parametrize(("size", "where"), [(1004, "problems"), (len(LONG), "warnings")])
def test_a_file_of_the_log_that_was_altered(site: Deployment, size: int, where: str) -> None:
    (stored,) = [p for p in site.root.glob("_logs/profile.bodies/*/*") if p.stat().st_size == size]
    content = bytearray(stored.read_bytes())
    content[500] ^= 1
    stored.write_bytes(content)
    status = site.assemble()
    words = {
        "problems": "the file 'dem.tif' was not stored (what is in the log no longer has the checksum",
        "warnings": "step get-long: the answer's body was not stored (what is in the log no longer has the checksum",
    }
    assert any(words[where] in sentence for sentence in getattr(status, where))
    assert bytes(content) not in contents(status.directory).values()


def test_a_field_that_was_altered(site: Deployment) -> None:
    altered(site, '"text":"b"}', '"text":"c"}')
    status = site.assemble()
    assert any("the field 'a' was not stored (what is in the log no longer" in problem for problem in status.problems)


def test_what_was_overwritten_on_purpose_is_not_damaged(tmp_path: Path) -> None:
    site = Deployment(tmp_path)
    capture = site.start()
    site.send("GET", "/", f"<script>boot('{TOKEN}')</script>" + LONG)
    site.send("GET", "/again", f"<script>boot('{TOKEN}')</script>")
    site.send("POST", "/save", headers=[("x-csrftoken", TOKEN)])
    site.end(capture)
    assert site.assemble().late_secrets > 0
    assert "checksum" not in told(site.assemble())


# ---------------------------------------------------------------------------------------------------- halves


def test_an_answer_whose_request_is_lost_is_told(site: Deployment) -> None:
    events = lines(site.log().read_bytes())
    (place,) = [at for at, line in events.items() if b'"started"' in line and b'"/home"' in line]
    log = site.log().read_bytes()
    site.log().write_bytes(log[:place] + log[place + len(events[place]) :])
    assert "An answer (status 200, at 20" in told(site.assemble())


def test_a_job_that_could_not_be_read_where_it_was_enqueued(site: Deployment) -> None:
    log = site.log().read_bytes()
    site.log().write_bytes(log.replace(b'"function":"tasks.work"', b'"function":null'))
    profile = load_profile(site.assemble().directory / "profile.yaml")
    assert [step.expect.jobs for step in profile.steps if step.path == "/jobs"] == [{"(unreadable)": "finished"}]


# ---------------------------------------------------------------------------------------------------- uploads


def upload(content: bytes, *, closed: bool = True) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{{}}"\r\n\r\n'
    body = head.format("whole.bin").encode() + b"whole\r\n" + head.format("half.bin").encode() + content
    return body + (f"\r\n--{BOUNDARY}--\r\n".encode() if closed else b"")


def send(site: Deployment, sent: bytes, announced: int, status: int | None) -> None:
    """An upload of which `sent` arrives; then the client leaves. `status`: what the application answers all the same."""
    headers = [("host", "127.0.0.1:8000"), ("content-type", f"multipart/form-data; boundary={BOUNDARY}")]
    exchange = site.recorder.begin("POST", "http", "/dem", "", [*headers, ("content-length", str(announced))], "1.1")
    exchange.request_chunk(sent)
    if len(sent) < announced:
        exchange.disconnect()
    if status is None:
        exchange.fail(ConnectionError("gone"))
    else:
        exchange.response_start(status, [("content-type", "text/plain")])
        exchange.response_chunk(b"ok", last=True)
    exchange.leave()


@pytest.mark.parametrize("cut", [6, 40, 150, 100_000])
@pytest.mark.parametrize("status", [None, 200, 400])
def test_an_upload_that_broke_off_is_never_sent_as_if_it_were_whole(
    tmp_path: Path, cut: int, status: int | None
) -> None:
    body = upload(b"x" * 100_100)
    site = Deployment(tmp_path)
    capture = site.start()
    send(site, body[:-cut], len(body), status)
    site.send("GET", "/after")
    site.end(capture)
    made = site.assemble()
    profile = load_profile(made.directory / "profile.yaml")
    if status is None:
        assert paths(profile) == ["/after"]
        assert "POST /dem was given up by its client before the answer was complete and is left out." in made.warnings
    else:
        (problem,) = made.problems
        assert re.search(rf"step post-dem: the request's body broke off: not all of the {len(body)} bytes", problem)
    files = [c for name, c in contents(made.directory).items() if name.startswith("seed/uploads/")]
    assert set(files) <= {b"whole"}


def test_a_worker_that_was_killed_in_the_middle_of_an_upload(tmp_path: Path) -> None:
    body = upload(b"x" * 100_000)
    site = Deployment(tmp_path)
    capture = site.start()
    headers = [("content-type", f"multipart/form-data; boundary={BOUNDARY}"), ("content-length", str(len(body)))]
    exchange = site.recorder.begin("POST", "http", "/dem", "", headers, "1.1")
    exchange.request_chunk(body[:50_000])
    site.restart()
    site.send("GET", "/after")
    site.end(capture)
    made = site.assemble()
    assert paths(load_profile(made.directory / "profile.yaml")) == ["/after"]
    assert "POST /dem was never answered and is left out." in made.warnings
    assert not (made.directory / "seed").exists()


def test_what_follows_the_last_part_may_stay_unread(tmp_path: Path) -> None:
    body = upload(b"all of it")
    site = Deployment(tmp_path)
    capture = site.start()
    headers = [("host", "x"), ("content-type", f"multipart/form-data; boundary={BOUNDARY}")]
    exchange = site.recorder.begin("POST", "http", "/dem", "", [*headers, ("content-length", str(len(body)))], "1.1")
    exchange.request_chunk(body[:-2])
    exchange.response_start(200, [])
    exchange.response_chunk(b"", last=True)
    exchange.leave()
    site.end(capture)
    assert site.assemble().problems == ()


def test_a_field_larger_than_a_record_is_sent_as_a_field(tmp_path: Path) -> None:
    site = Deployment(tmp_path)
    capture = site.start()
    site.upload("/notes", fields={"title": "x", "text": LONG})
    site.end(capture)
    made = site.assemble()
    (step,) = load_profile(made.directory / "profile.yaml").steps
    assert step.multipart is not None
    title, text = step.multipart
    assert (title.value, text.filename) == ("x", None)
    assert (made.directory / str(text.file)).read_text() == LONG
    assert "files" in (made.directory / "preview.json").read_text()
