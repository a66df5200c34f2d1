"""Logs, lists of logs and lists of captures in which anything may stand: told and passed over, and nothing else is touched."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assembler import AssemblyError, DraftStatus
from assembler.document import load_profile
from assembler.soundness import fault
from recorder.log import LOG_NAME
from recorder.manifest import CAPTURES_NAME
from tests.assembler.busy import busy, logs
from tests.assembler.deployment import SLUG, Deployment, contents, paths

NAMES = [
    "../../x", "..", "/etc/passwd", "a;;b", "x" * 300, "\u202egpj", "a\u2066b", "\x01\x02", "\x00", "%00", "%2e%2e%2f",
    "{{ secrets.X }}", "{{", "'\"<>&", "a\u2028b", "[::1", "http://[", "é", "", ";;=", "null", "1e999", "%zz", "\\", "//", "#",
]  # fmt: skip
HEADERS = [
    "host", "x-forwarded-proto", "x-forwarded-host", "cookie", "content-type", "content-length", "content-encoding", "location",
    "referer", "origin", "authorization", "user-agent", "x-csrf-token", "content-disposition", "if-none-match", "etag", "set-cookie",
    "x-recorder-request", "transfer-encoding", "expires",
]  # fmt: skip
SETTINGS = settings(
    max_examples=80, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
WRONG = st.sampled_from(
    [
        None, "x", "", -1, 2**63, 1.5, 1e300, True, "../../etc/passwd", "\0", "\u202e", "9" * 400, [], [None], [[]], [["a", 1]],
        {}, {"a": 1}, {"kind": "tombstone"}, "2026-11-20T10:41:06Z",
    ]
)  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    site = Deployment(tmp_path_factory.mktemp("recorded"))
    busy(site)
    return site


def places(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The way to everything inside of a JSON value."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*at, key)
        yield from places(inner, (*at, key))


def changed(event: dict[str, Any], place: tuple[str | int, ...], value: Any, *, gone: bool) -> dict[str, Any]:
    copy: Any = json.loads(json.dumps(event))
    inner = copy
    for step in place[:-1]:
        inner = inner[step]
    if gone:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return dict(copy)


def made(site: Deployment) -> DraftStatus:
    """The draft of the site as it is now, which can be loaded; nothing outside of it was made or removed."""
    shutil.rmtree(site.data_root, ignore_errors=True)
    before = set(site.folder.rglob("*"))
    status = site.assemble()
    load_profile(status.directory / "profile.yaml")
    assert {p for p in site.folder.rglob("*") if not p.is_relative_to(site.data_root)} == before
    assert {p.name for p in (site.data_root / "profiles").iterdir()} <= {"_drafts", "profile.schema.json"}
    assert {p.name for p in (site.data_root / "profiles/_drafts").iterdir()} <= {SLUG, ".snapshots"}
    return status


# ---------------------------------------------------------------------------------------------------- events


@given(data=st.data())
@SETTINGS
def test_any_field_of_an_event_may_hold_anything(site: Deployment, data: st.DataObject) -> None:
    whole = logs(site)
    log = data.draw(st.sampled_from(sorted(whole)))
    lines = [line for line in whole[log].split(b"\n") if line]
    number = data.draw(st.integers(0, len(lines) - 1))
    event = orjson.loads(lines[number])
    place = data.draw(st.sampled_from([*places(event)]))
    event = changed(event, place, data.draw(WRONG), gone=data.draw(st.booleans()))
    lines[number] = orjson.dumps(event)
    try:
        log.write_bytes(b"".join(b"\n%b\n" % line for line in lines))
        told = " ".join(made(site).warnings)
    finally:
        for path, content in whole.items():
            path.write_bytes(content)
    if {"v", "id", "category"} <= event.keys() and event["v"] == 1 and fault(event) is not None:
        assert "no events and were skipped: foreign: " in told or "it holds no event" in told


def test_every_event_of_a_recording_is_one(site: Deployment) -> None:
    for content in logs(site).values():
        assert [why for line in content.split(b"\n") if line and (why := fault(orjson.loads(line)))] == []


def test_the_field_that_is_wrong_is_named(tmp_path: Path) -> None:
    site = Deployment(tmp_path)
    capture = site.start()
    site.send("GET", "/kept")
    site.send("GET", "/lost")
    site.end(capture)
    log = site.log().read_bytes()
    place = log.rindex(b"\n{", 0, log.index(b"/lost")) + 1
    head, tail = log[:place], log[place:]
    site.log().write_bytes(head + tail.replace(b'"headers":[[', b'"headers":[[7],[', 1))
    status = site.assemble()
    assert paths(load_profile(status.directory / "profile.yaml")) == ["/kept"]
    assert any(f"its payload's headers is missing or of the wrong kind, at byte {place}" in w for w in status.warnings)


# ---------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("name", NAMES)
def test_any_name_may_stand_anywhere_in_a_request(tmp_path: Path, name: str) -> None:
    site = Deployment(tmp_path)
    site.run("dry-creek", {"active.cfg": "a"})
    capture = site.start()
    for header in HEADERS:
        site.send("POST", "/header", headers=[("host", "x"), (header, name)], body=b"x=1")
        site.send("GET", "/answer", "x", cookies=[f"{name}={name}; Path={name}; Domain={name}"])
    for path in (f"/{name}", f"/q?{name}={name}", f"/runs/{name}/active/x", f"/runs/dry-creek/{name}/x"):
        site.send("GET", path, "x")
    site.form("/form", f"{name}={name}", "x")
    site.send(
        "POST", "/json", json.dumps({name: name, "id": name}), kind="application/json", body=json.dumps({name: [name]})
    )
    site.upload("/file", (name, b"abc"), fields={name: name})
    site.send(name or "-", "/method")
    site.end(capture)
    status = made(site)
    assert len(load_profile(status.directory / "profile.yaml").steps) == len(HEADERS) * 2 + 8
    assert not any("no events" in warning for warning in status.warnings)
    assert site.recorder.faults == site.recorder.lost == 0


# ---------------------------------------------------------------------------------------------------- lists of logs and captures


def entry(site: Deployment, **changes: Any) -> dict[str, Any]:
    (known,) = orjson.loads((site.root / "_logs" / CAPTURES_NAME).read_bytes())["captures"]
    return {**known, **changes}


@pytest.mark.parametrize(
    "changes",
    [
        {"capture_id": "../../../../gone"}, {"capture_id": "."}, {"capture_id": ""}, {"capture_id": 7}, {"capture_id": None},
        {"slug": "../x"}, {"slug": None}, {"slug": "a\0b"}, {"slug": ["work"]}, {"state": "open"}, {"state": []}, {"scope": {}},
        {"started": None}, {"ended": 5}, {"windows": None}, {"run_id": []}, {"notes": 1}, {"unsnapshotted": "no"},
    ],
    ids=str,
)  # fmt: skip
def test_a_capture_that_is_none_is_passed_over_and_told(tmp_path: Path, changes: dict[str, Any]) -> None:
    site = Deployment(tmp_path)
    busy(site)
    (tmp_path / "gone").mkdir()
    whole = made(site)
    document = {"v": 1, "captures": [entry(site), entry(site, **changes), None, "x", []]}
    (site.root / "_logs" / CAPTURES_NAME).write_bytes(orjson.dumps(document))
    status = made(site)
    assert (status.steps, status.events) == (whole.steps, whole.events)
    assert (
        "The captures listed in RECORDER_ROOT are not all known: profile.captures.json names 4 captures that are none."
        in (status.warnings)
    )


BROKEN = [
    (b"", "is no JSON"), (b'{"v":1,"captures":[{"capture_id":"01', "is no JSON"), (b"[]", "is no list of captures"),
    (b"null", "is no list of captures"), (b'{"v":1}', "is no list of captures"), (b'{"v":1,"captures":{}}', "is no list"),
    (b'{"v":2,"captures":[]}', "is of the format version 2, not 1"), (b"\xff\xfe", "is no JSON"), (b"[" * 100_000, "is no JSON"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "words"), BROKEN, ids=[repr(content[:30]) for content, _ in BROKEN])
def test_a_list_of_captures_that_is_none_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    site = Deployment(tmp_path)
    busy(site)
    manifest = site.root / "_logs" / CAPTURES_NAME
    manifest.write_bytes(content)
    with pytest.raises(AssemblyError) as refused:
        site.assemble()
    assert f"no capture called 'work' that is known, but {manifest} {words}" in str(refused.value)
    assert manifest.read_bytes() == content
    assert not site.data_root.exists()


def test_the_captures_of_one_run_do_not_stop_those_of_another(tmp_path: Path) -> None:
    site = Deployment(tmp_path)
    busy(site)
    (site.log("dry-creek").parent / CAPTURES_NAME).write_bytes(b"{")
    assert (
        "The captures listed in the run dry-creek are not all known: profile.captures.json is no JSON: it was cut short or overwritten."
        in made(site).warnings
    )


@pytest.mark.parametrize(
    "listed",
    [
        {"log": "/etc/passwd"}, {"log": "../../x"}, {"log": "a\0b"}, {"log": "x" * 5000}, {"log": None}, {"log": 5}, {}, [], 7, None,
        {"log": f"/{'x' * 300}/_logs/{LOG_NAME}"}, {"log": f"/proc/self/_logs/{LOG_NAME}", "run_id": ["x"]},
        {"log": f"/nowhere/_logs/{LOG_NAME}", "run_id": "../../x"}, {"log": f"/etc/hosts/_logs/{LOG_NAME}", "run_id": "\0"},
    ],
    ids=str,
)  # fmt: skip
def test_a_line_that_names_no_log_is_passed_over(tmp_path: Path, listed: Any) -> None:
    site = Deployment(tmp_path)
    busy(site)
    whole = contents(made(site).directory)
    with (site.root / "logs.jsonl").open("ab") as file:
        file.write(b"\n%b\n\xff\xfe\n{\n" % orjson.dumps(listed))
    assert contents(made(site).directory) == whole


@pytest.mark.parametrize("root", [None, 5, "a\0b", "/nowhere", "x" * 5000])
def test_a_run_that_does_not_know_its_root(tmp_path: Path, root: Any) -> None:
    site = Deployment(tmp_path)
    busy(site)
    lines = [orjson.loads(line) for line in site.log("dry-creek").read_bytes().split(b"\n") if line]
    lines[0]["payload"]["recorder_root"] = root
    site.log("dry-creek").write_bytes(b"".join(b"\n%b\n" % orjson.dumps(line) for line in lines))
    with pytest.raises(AssemblyError, match=r"has no capture\."):
        site.assemble(site.folder / "runs/dry-creek")


def test_a_status_that_names_another_folder_moves_nothing_there(tmp_path: Path) -> None:
    site = Deployment(tmp_path)
    busy(site)
    draft = made(site).directory
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("kept")
    (draft / "status.json").write_text('{"state":"ready","capture_id":"../../../../../mine"}')
    site.assemble()
    assert (tmp_path / "mine" / "file").read_text() == "kept"
    assert not (draft.parent / ".previous").exists()
