"""Audit logs entered from the end, at a moment, and from cause to effect: joined, filtered, paged, rotated, torn."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from playback import audit_search
from playback.audit_files import Place, lines_back, lines_from, offset_at
from playback.audit_logs import AuditLogs
from playback.audit_search import Act, Sought, search, status_of
from playback.audit_tree import tree_of
from recorder.events import encode, envelope, ulid

START = 1_790_000_000_000  # milliseconds since 1970


class Told:
    """A clock that goes on by ten milliseconds whenever it is looked at for an event."""

    boot_id = "boot"

    def __init__(self) -> None:
        self.now = START

    def unix_ns(self) -> int:
        self.now += 10
        return self.now * 1_000_000

    def mono_ns(self) -> int:
        return self.now * 1_000_000


class Log:
    """An audit log that a test writes."""

    def __init__(self, folder: Path, clock: Told | None = None) -> None:
        self.path = folder / "_logs/profile.events.jsonl"
        self.path.parent.mkdir(parents=True)
        self.clock = clock or Told()
        self.writer, self.sequence = ulid(START), 0

    def put(self, category: str, stage: str | None = None, **given: Any) -> str:
        """Append a record; returns its operation."""
        named = {name: given.pop(name) for name in ("operation_id", "parent_id", "capture_ids") if name in given}
        event = envelope(category, stage, given, clock=self.clock, **named)  # type: ignore[arg-type]
        self.sequence += 1
        event |= {"writer": self.writer, "sequence": self.sequence}
        with self.path.open("ab") as file:
            file.write(b"\n" + encode(event) + b"\n")
        return str(event["operation_id"])

    def request(self, path: str, status: int = 200, parent: str | None = None, **more: Any) -> str:
        """A request with its answer."""
        operation = self.put("http_request", "started", method="GET", path=path, query="", parent_id=parent, **more)
        ends = {"status": status, "duration_ms": 1.5, "error": None, "body": {"text": f"answer to {path}"}}
        self.put("http_request", "finished", operation_id=operation, parent_id=parent, **ends)
        return operation

    def job(self, function: str, parent: str, status: str = "finished") -> str:
        """An enqueue and the job; returns the job's operation."""
        enqueued = self.put("rq_enqueue", function=function, queue="work", args=[1], parent_id=parent)
        operation = self.put("rq_job", "started", function=function, parent_id=enqueued)
        stage = "finished" if status == "finished" else "failed"
        self.put("rq_job", stage, function=function, status=status, operation_id=operation, parent_id=enqueued)
        return operation


def paths(acts: Sequence[Act]) -> list[str]:
    return [str(act.begun["payload"].get("path") or act.begun["payload"].get("function")) for act in acts]


def all_of(log: Path, sought: Sought, most: int = 7) -> list[Act]:
    """Every page of a search, one after the other."""
    found = search(log, sought, None, most)
    acts = list(found.acts)
    while found.older is not None:
        found = search(log, sought, Place.of(str(found.older)), most)
        acts += found.acts
    return acts


def test_the_latest_come_first_each_with_its_end(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for number in range(120):
        log.request(f"/{number}", 200 + number % 2)
    open_ = log.put("http_request", "started", method="GET", path="/open", query="")
    found = search(log.path, Sought(), None, 50)
    assert paths(found.acts) == ["/open", *(f"/{n}" for n in range(119, 70, -1))]
    assert [status_of(act) for act in found.acts[:3]] == [None, 201, 200]
    assert found.acts[0].operation == open_
    acts = all_of(log.path, Sought())
    assert paths(acts) == ["/open", *(f"/{n}" for n in range(119, -1, -1))]
    assert all(act.ended for act in acts[1:]), "the end of what began before a page stands behind it"


@pytest.mark.parametrize(
    ("sought", "wanted"),
    [
        (Sought(text="ANSWER to /a"), ["/a"]),
        (Sought(text='"quoted"'), ['/"quoted"']),
        (Sought(category="rq_job"), ["w.fail", "w.run"]),
        (Sought(outcome="5"), ["/b"]),
        (Sought(outcome="failed"), ["w.fail", "/b"]),
        (Sought(outcome="open"), ["/left"]),
        (Sought(capture="01CAPTURE"), ["/b"]),
        (Sought(text="nowhere"), []),
    ],
)
def test_what_is_sought(tmp_path: Path, sought: Sought, wanted: list[str]) -> None:
    log = Log(tmp_path)
    log.request("/a")
    log.request('/"quoted"')
    cause = log.request("/b", 503, capture_ids=["01CAPTURE"])
    log.job("w.run", cause)
    log.job("w.fail", cause, "failed")
    log.put("http_request", "started", method="GET", path="/left", query="")
    assert paths(all_of(log.path, sought)) == wanted


def test_a_moment_is_found_without_reading_what_is_behind_it(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for number in range(500):
        log.request(f"/{number}")
    with log.path.open("rb") as text:
        whole = [json.loads(line) for _, line in lines_from(text, 0)]
        for event in whole[::97]:
            line = text.seek(offset_at(text, event["timestamp"]))
            assert next(json.loads(row) for _, row in lines_from(text, line))["id"] == event["id"]
        back = list(lines_back(text, text.seek(0, 2)))
        assert all(text.seek(offset) == offset and text.readline() == line + b"\n" for offset, line in back)
    assert [json.loads(line)["id"] for _, line in back] == [event["id"] for event in reversed(whole)]
    at = whole[400]["timestamp"]
    assert paths(search(log.path, Sought(before=at), None, 2).acts) == ["/199", "/198"]


def test_rotated_and_compressed_files_are_one_log(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for number in range(90):
        log.request(f"/{number}")
        if number == 29:
            log.path.with_name(f"{log.path.name}.2.gz").write_bytes(gzip.compress(log.path.read_bytes()))
            log.path.unlink()
        elif number == 59:
            log.path.rename(log.path.with_name(f"{log.path.name}.1"))
    assert paths(all_of(log.path, Sought())) == [f"/{n}" for n in range(89, -1, -1)]
    assert paths(all_of(log.path, Sought(text="/1"))) == [
        "/19",
        "/18",
        "/17",
        "/16",
        "/15",
        "/14",
        "/13",
        "/12",
        "/11",
        "/10",
        "/1",
    ]


def test_lines_that_are_no_events_are_passed_over(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.request("/a")
    with log.path.open("ab") as file:
        file.write(b'\n{"v":1,"id":"torn\n\xff\xfe\n[]\n' + b"x" * 300_000 + b"\n")
    log.request("/b")
    assert paths(search(log.path, Sought()).acts) == ["/b", "/a"]


def test_a_search_that_finds_little_says_how_far_it_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(tmp_path)
    for number in range(300):
        log.request(f"/{number}")
    monkeypatch.setattr(audit_search, "_SECONDS", 0.0)
    found = search(log.path, Sought(text="answer to /7 "))
    assert found.until
    assert found.older
    assert [path for path in paths(all_of(log.path, Sought(text="answer to /77"))) if path == "/77"] == ["/77"]


def test_an_end_without_its_beginning_is_shown(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.put("rq_job", "finished", function="w.old", status="finished", operation_id=ulid(START))
    assert [(status_of(act)) for act in search(log.path, Sought()).acts] == ["finished"]


def test_from_a_cause_to_its_effects_through_several_logs(tmp_path: Path) -> None:
    root = Log(tmp_path / "root")
    for number in range(50):
        root.request(f"/before/{number}")
    cause = root.request("/create")
    run = Log(tmp_path / "run", root.clock)
    outer = run.job("w.outer", cause)
    inner = run.job("w.inner", outer, "failed")
    for number in range(50):
        run.request(f"/after/{number}")
    for asked in (cause, outer, inner):
        tree = tree_of(asked, [run.path, root.path])
        assert tree is not None
        assert (tree.root.id, tree.cause_missing, tree.cut) == (cause, False, False)
        assert len(tree.members) == 5
        names = []
        node = tree.root
        while node.children:
            node = node.children[0]
            names.append((node.records[0]["category"], node.records[0]["payload"]["function"]))
        assert names == [
            ("rq_enqueue", "w.outer"),
            ("rq_job", "w.outer"),
            ("rq_enqueue", "w.inner"),
            ("rq_job", "w.inner"),
        ]
        assert [record["stage"] for record in node.records] == ["started", "failed"]


def test_a_cause_that_is_gone_and_an_operation_that_never_was(tmp_path: Path) -> None:
    log = Log(tmp_path)
    job = log.job("w.orphan", ulid(START))
    tree = tree_of(job, [log.path])
    assert tree is not None
    assert tree.cause_missing
    assert tree.root.records[0]["category"] == "rq_enqueue"
    for odd in (ulid(START), "x", "../../etc/passwd", "I" * 26, "Z" * 26):
        assert tree_of(odd, [log.path]) is None


def test_only_logs_that_the_recorder_listed_are_there(tmp_path: Path) -> None:
    recorder = tmp_path / ".recorder"
    run, other = Log(tmp_path / "runs/one"), Log(tmp_path / "runs/other")
    Log(recorder)
    logs = AuditLogs(tmp_path, {})
    assert logs.all() == [], "without logs.jsonl it is no RECORDER_ROOT"

    def listed(*paths_: object) -> None:
        with (recorder / "logs.jsonl").open("a") as file:
            file.writelines(json.dumps({"v": 1, "log": str(path), "run_id": "one"}) + "\n" for path in paths_)

    listed(run.path, "/etc/passwd", tmp_path / "secret.jsonl")
    assert [entry.run_id for entry in logs.all()] == [None, "one"]
    assert logs.find("..") is None
    listed(other.path)
    assert [entry.path for entry in logs.all()][1:] == [other.path, run.path]
    assert {logs.find(entry.key) for entry in logs.all()} == set(logs.all())


def test_places_survive_the_address(tmp_path: Path) -> None:
    place = Place("01ARZ3NDEKTSV4RRFFQ69G5FAV++", 12)
    assert Place.of(str(place)) == place
    make: Callable[[str], Place | None] = Place.of
    assert [make(odd) for odd in ("", "x.1", "../x.1", f"{'A' * 26}.-1", f"{'A' * 26}.{'9' * 30}")] == [None] * 5
