"""From logs to a draft: which capture, which logs, and what of a crash, a restart or a foreign line is left to see."""

from __future__ import annotations

import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from assembler import AssemblyError, DraftStatus
from assembler.assembly import Assembly
from assembler.document import load_profile
from assembler.following import follow_one
from recorder.captures import Subject, close_capture
from tests.assembler.deployment import SLUG, Deployment, contents, paths, status_of
from tests.support import ROOT, clean_environ

LOGIN = "user=ada&password=open+sesame+42"
SESSION = "sid=a8f3d9c27be4415f; Path=/"
SENT = [("cookie", "sid=a8f3d9c27be4415f")]


# ---------------------------------------------------------------------------------------------------- which capture


def test_a_capture_is_found_by_its_name_and_the_newest_wins(site: Deployment) -> None:
    for path in ("/first", "/second"):
        capture = site.start()
        site.send("GET", path)
        site.end(capture)
    assert paths(site.profile()) == ["/second"]
    assert status_of(site.draft)["capture_id"] == capture["capture_id"]


def test_a_name_that_no_capture_has(site: Deployment) -> None:
    site.end(site.start("small-watershed"))
    site.end(site.start("login"))
    with pytest.raises(AssemblyError, match="no capture called 'small-watersheds'; did you mean 'small-watershed'"):
        site.assemble(slug="small-watersheds")
    with pytest.raises(AssemblyError, match=r"no capture called 'zzz'; there are: login, small-watershed\."):
        site.assemble(slug="zzz")
    with pytest.raises(AssemblyError, match="is not a profile name"):
        site.assemble(slug="../login")
    assert not site.data_root.exists()


def test_a_discarded_capture_has_no_draft(site: Deployment) -> None:
    site.captures.discard(Subject(), site.start()["capture_id"])
    with pytest.raises(AssemblyError, match=r"'work' in .* was discarded; record it anew"):
        site.assemble()


def test_no_capture_at_all(site: Deployment) -> None:
    site.send("GET", "/")
    with pytest.raises(AssemblyError, match=r"has no capture\. Start one with"):
        site.assemble()


@pytest.mark.parametrize("name", ["empty", "file", "absent"])
def test_a_source_that_is_no_log(site: Deployment, name: str) -> None:
    (site.folder / "empty").mkdir()
    (site.folder / "file").write_text("x")
    with pytest.raises(AssemblyError, match="holds no audit log: it is neither a RECORDER_ROOT"):
        site.assemble(site.folder / name)


# ---------------------------------------------------------------------------------------------------- which logs


def test_a_run_directory_leads_to_everything_else(site: Deployment) -> None:
    run = site.run("dry-creek", {"active.cfg": "a"})
    capture = site.start()
    site.send("GET", "/hello")
    site.send("GET", "/runs/dry-creek/active/")
    site.end(capture)
    assert paths(site.profile(source=run)) == ["/hello", "/runs/{{ run_id }}/active/"]


def test_a_link_to_the_root_is_the_root(site: Deployment) -> None:
    capture = site.start()
    site.send("GET", "/")
    site.end(capture)
    (site.folder / "link").symlink_to(site.root)
    status = site.assemble(site.folder / "link")
    records = (status.directory / "events.jsonl").read_text().splitlines()
    assert len(records) == len(set(records))
    assert contents(status.directory) == contents(site.assemble().directory)


def test_a_log_that_is_known_by_two_names_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    site = Deployment(tmp_path / "link")
    capture = site.start()
    site.send("GET", "/")
    site.end(capture)
    records = (site.assemble().directory / "events.jsonl").read_text().splitlines()
    assert len(records) == len(set(records))


def test_what_happens_later_changes_no_draft(site: Deployment) -> None:
    token = "tok8f3d9c27be4415fA"
    capture = site.start()
    site.send("GET", "/", f"<script>boot('{token}')</script>")
    site.end(capture)
    before = contents(site.assemble().directory)
    site.send("POST", "/save", headers=[("x-csrftoken", token)])
    assert contents(site.assemble().directory) == before


def test_logs_of_several_runs_and_processes_are_one_draft(site: Deployment) -> None:
    for run_id in ("one", "two", "three"):
        site.run(run_id, {"active.cfg": run_id})
    capture = site.start()
    site.send("GET", "/before")
    code = (
        "import sys\nfrom pathlib import Path\nfrom tests.assembler.deployment import Deployment\n"
        "site = Deployment(Path(sys.argv[1]))\n"
        "for path in sys.argv[2:]: site.send('GET', path)\n"
    )
    env = {**clean_environ(), "PYTHONPATH": str(ROOT)}
    for sent in (["/runs/one/active/a", "/runs/two/active/b"], ["/runs/three/active/c", "/d"]):
        subprocess.run([sys.executable, "-c", code, str(site.folder), *sent], env=env, cwd=ROOT, check=True, timeout=180)
    site.send("GET", "/after")
    site.end(capture)
    found = [path or "" for path in paths(site.profile())]
    assert [path.rsplit("/", 1)[-1] for path in found] == ["before", "a", "b", "c", "d", "after"]


def test_what_came_before_the_window_is_the_prologue_as_far_as_it_is_needed(site: Deployment) -> None:
    site.send("GET", "/nothing-to-do-with-it")
    site.form("/login", LOGIN, cookies=[SESSION])
    capture = site.start()
    site.send("GET", "/home", headers=SENT)
    site.end(capture)
    site.send("GET", "/later", headers=SENT)
    profile = site.profile()
    assert [step.path for step in profile.prologue] == ["/login"]
    assert paths(profile) == ["/home"]
    draft = site.draft
    events = (draft / "events.jsonl").read_text()
    assert "/login" in events
    assert "nothing-to-do-with-it" not in events
    assert "/later" not in events
    assert status_of(draft)["problems"] == []


def test_a_login_of_an_earlier_capture_is_found_too(site: Deployment) -> None:
    first = site.start("first")
    site.form("/login", LOGIN, cookies=[SESSION])
    site.end(first)
    second = site.start()
    site.send("GET", "/home", headers=SENT)
    site.end(second)
    profile = site.profile()
    assert [step.path for step in profile.prologue] == ["/login"]
    assert paths(profile) == ["/home"]


@pytest.mark.parametrize("follow", [False, True], ids=["afterwards", "while it happens"])
def test_a_login_is_not_lost_in_what_others_do_meanwhile(
    site: Deployment, monkeypatch: pytest.MonkeyPatch, follow: bool
) -> None:
    monkeypatch.setattr("assembler.logs._KEPT", 10)
    own = "s" * 22
    site.form("/login", LOGIN, cookies=[SESSION])
    assembly = Assembly(site.root, site.data_root, SLUG) if follow else None
    site.send("GET", "/others")
    capture = site.captures.start(SLUG, Subject(None, own))
    for _ in range(3):
        for _ in range(20):
            site.send("GET", "/others")
        if assembly:
            assembly.read()
        site.send("GET", "/home", headers=[("cookie", f"{SENT[0][1]}; recorder_session={own}")])
    site.captures.end(Subject(None, own), capture["capture_id"])
    if assembly:
        assembly.read()
        profile = load_profile(assembly.finish(assembly.capture(SLUG), fresh=False).directory / "profile.yaml")
    else:
        profile = site.profile()
    assert [step.path for step in profile.prologue] == ["/login"]
    assert {*paths(profile)} == {"/home"}


# ---------------------------------------------------------------------------------------------------- lines that are none


def test_torn_and_foreign_lines_are_skipped_and_named(site: Deployment) -> None:
    site.run("dry-creek", {"active.cfg": "a"})
    capture = site.start()
    site.send("GET", "/one")
    foreign = (
        b'{"v":1,"id":"x"',
        b"hello",
        b'{"v":1,"id":"y","category":"http_request"}',
        b'{"v":9,"id":"z","category":"q"}',
    )
    offset = site.log().stat().st_size
    with site.log().open("ab") as log:
        log.write(b"".join(b"\n%b\n" % line for line in foreign) + b"[1]\n\xff\n")
    site.send("GET", "/two")
    site.send("GET", "/runs/dry-creek/active/three")
    with site.log("dry-creek").open("ab") as log:
        log.write(b"noise\n")
    site.end(capture)
    status = site.assemble()
    assert len(paths(load_profile(status.directory / "profile.yaml"))) == 3
    (root,) = [w for w in status.warnings if "log of RECORDER_ROOT" in w]
    assert f"torn, at byte {offset + 1}" in root
    assert "and 3 more" in root
    (own,) = [w for w in status.warnings if "log of run dry-creek" in w]
    assert "foreign: not JSON" in own
    assert str(site.folder) not in root + own


def test_a_line_that_is_still_being_written_waits(site: Deployment) -> None:
    site.send("GET", "/one")
    assembly = Assembly(site.root, site.data_root)
    seen = assembly.read()
    assert seen > 0
    line = site.log().read_bytes().split(b"\n")[-2].replace(b'"sequence":', b'"sequence":9')
    with site.log().open("ab") as log:
        log.write(b"\n" + line[:100])
        log.flush()
        assert assembly.read() == 0
        log.write(line[100:] + b"\n")
    assert assembly.read() == 1
    assert assembly.read() == 0
    assert all(log.skipped() is None for log in assembly.logs.values())


def test_a_log_that_was_replaced_is_read_from_its_beginning(site: Deployment) -> None:
    site.send("GET", "/one")
    assembly = Assembly(site.root, site.data_root)
    assembly.read()
    site.log().rename(site.log().with_suffix(".1"))
    site.restart()
    site.send("GET", "/two")
    assert assembly.read() == 3


def test_events_of_a_later_format_are_named_and_not_guessed_at(site: Deployment) -> None:
    capture = site.start()
    site.send("GET", "/one")
    with site.log().open("ab") as log:
        log.write(site.log().read_bytes().replace(b'"v":1', b'"v":2'))
    site.end(capture)
    status = site.assemble()
    assert len(load_profile(status.directory / "profile.yaml").steps) == 1
    assert "foreign: format version 2" in status.warnings[0]


# ---------------------------------------------------------------------------------------------------- following


def test_following_begins_before_the_capture_and_ends_with_it(site: Deployment) -> None:
    site.send("GET", "/before")
    told: list[DraftStatus | None] = []
    stop = threading.Event()
    follower = partial(follow_one, site.root, SLUG, site.data_root, stop)
    thread = threading.Thread(target=lambda: told.append(follower()), daemon=True)
    thread.start()
    run = site.run("dry-creek", {"active.cfg": "as it was"})
    capture = site.start()
    site.send("POST", "/runs/dry-creek/active/save")
    site.end(capture)
    thread.join(60)
    assert told[0] is not None
    assert told[0].state == "ready"
    assert paths(load_profile(told[0].directory / "profile.yaml")) == ["/runs/{{ run_id }}/active/save"]
    (run / "active.cfg").write_text("changed later")
    again = site.assemble(rebuild=True)
    assert (again.directory / "seed/run/active.cfg").read_text() == "as it was"


def test_following_can_be_ended(site: Deployment) -> None:
    site.start()
    stop = threading.Event()
    stop.set()
    assert follow_one(site.root, SLUG, site.data_root, stop) is None
    assert not (site.draft).exists()


# ---------------------------------------------------------------------------------------------------- restarts


def test_a_capture_goes_on_after_a_restart_and_its_draft_records_the_break(site: Deployment) -> None:
    capture = site.start()
    site.send("GET", "/one")
    site.restart()
    site.send("GET", "/two")
    site.end(capture)
    status = site.assemble()
    assert paths(load_profile(status.directory / "profile.yaml")) == ["/one", "/two"]
    assert [w for w in status.warnings if "was restarted during the capture" in w]


def test_workers_that_take_turns_are_no_restart(site: Deployment) -> None:
    capture = site.start()
    site.send("GET", "/one")
    first = site.recorder
    site.restart()
    site.send("GET", "/two")
    site.recorder = first
    site.send("GET", "/three")
    site.end(capture)
    status = site.assemble()
    assert status.warnings == ()


def test_a_worker_that_was_there_before_is_no_restart(site: Deployment) -> None:
    one = site.recorder
    site.restart()
    other = site.recorder
    site.send("GET", "/health")
    capture = site.start()
    for site.recorder, path in ((one, "/one"), (one, "/two"), (other, "/three")):
        site.send("GET", path)
    site.end(capture)
    assert site.assemble().warnings == ()


def test_a_capture_can_be_closed_while_the_application_is_down(site: Deployment) -> None:
    capture = site.start()
    site.send("GET", "/one")
    assert "still open" in site.assemble().warnings[0]
    closed = close_capture(site.root)
    assert closed["capture_id"] == capture["capture_id"]
    assert site.assemble().warnings == ()


def test_a_capture_of_the_environment_ends_with_the_last_event(tmp_path: Path) -> None:
    site = Deployment(tmp_path, capture=SLUG)
    site.send("GET", "/one")
    site.restart()
    site.send("GET", "/two")
    assert paths(site.profile()) == ["/one", "/two"]  # a restart goes on with it,
    site.restart()
    site.send("GET", "/three")
    assert paths(site.profile()) == ["/three"]  # but what was assembled has ended


# ---------------------------------------------------------------------------------------------------- drafts that follow each other


def test_a_rebuilt_draft_is_the_same_to_the_byte(site: Deployment) -> None:
    site.run("dry-creek", {"active.cfg": "a"})
    capture = site.start()
    site.form("/login", LOGIN, cookies=[SESSION])
    site.send("GET", "/runs/dry-creek/active/", "<h1>Dry Creek</h1>", headers=SENT)
    site.run("dry-creek", {"out/result.csv": "a,b\n1,2\n", "out/map.bin": bytes(range(256))})
    site.end(capture)
    first = site.assemble()
    before = contents(first.directory)
    assert {
        "profile.yaml",
        "README.md",
        "manifest.json",
        "events.jsonl",
        "baseline/run/out/result.csv",
    } <= before.keys()
    site.run("dry-creek", {"out/result.csv": "changed since\n"})
    assert contents(site.assemble(rebuild=True).directory) == before


def test_the_draft_of_an_earlier_capture_is_kept_beside(site: Deployment) -> None:
    drafts = site.data_root / "profiles" / "_drafts"
    seen = []
    for path in ("/one", "/two", "/three"):
        capture = site.start()
        site.send("GET", path)
        site.end(capture)
        seen.append((capture["capture_id"], contents(site.assemble().directory)))
        site.assemble()  # once more: the same capture replaces its own draft
    assert sorted(p.name for p in (drafts / ".previous" / SLUG).iterdir()) == sorted(c for c, _ in seen[:2])
    for capture_id, before in seen[:2]:
        assert contents(drafts / ".previous" / SLUG / capture_id) == before
    assert contents(drafts / SLUG) == seen[2][1]


# ---------------------------------------------------------------------------------------------------- uploads


def test_a_file_that_is_sent_again_with_other_content_is_two_files(site: Deployment) -> None:
    capture = site.start()
    site.upload("/dem", ("dem.tif", b"first"))
    site.upload("/dem", ("dem.tif", b"second"))
    site.end(capture)
    status = site.assemble()
    sent = [part for step in load_profile(status.directory / "profile.yaml").steps for part in step.multipart or []]
    assert [part.filename for part in sent] == ["dem.tif", "dem.tif"]
    assert [(status.directory / str(part.file)).read_bytes() for part in sent] == [b"first", b"second"]


HOSTILE = [
    "../../x", "..", "/etc/passwd", "..\\..\\x", "a;;b", "x" * 300 + ".tif", "é" * 200 + ".tif", "語" * 200 + ".tif",
    "." + "x" * 300, "\u202egpj.exe", "", " ", ".", "a\u2028b", "con", "a b.csv", "~", "-rf", "日本語.csv",
    "{{ secrets.X }}", "a: b # c", "%2e%2e%2fx",
]  # fmt: skip


def test_no_name_of_an_upload_leads_out_of_the_draft_and_each_is_sent_as_it_was(site: Deployment) -> None:
    capture = site.start()
    for number, name in enumerate(HOSTILE):
        site.upload("/dem", (name, b"content %d" % number))
    site.end(capture)
    before = {p for p in site.folder.rglob("*") if site.data_root not in (p, *p.parents)}
    status = site.assemble()
    assert {p for p in site.folder.rglob("*") if site.data_root not in (p, *p.parents)} == before
    sent = [part for step in load_profile(status.directory / "profile.yaml").steps for part in step.multipart or []]
    assert [part.filename for part in sent] == HOSTILE
    uploads = (status.directory / "seed" / "uploads").resolve()
    for number, part in enumerate(sent):
        path = (status.directory / str(part.file)).resolve()
        assert path.parent.parent == uploads
        assert path.read_bytes() == b"content %d" % number
        assert path.name.isprintable()
    assert sum(str(part.file).endswith(".tif") for part in sent) == 3
    assert [Path(str(part.file)).name for part in sent[:5]] == ["x", "upload", "passwd", "x", "a__b"]
