"""The page of a draft over HTTP: what it shows, what its forms change, what is refused, and who may."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import pytest

from assembler.document import load_profile
from assembler.storage import manifest_of
from playback import rehearsal
from playback.calibrate import Calibration, Proposal
from playback.report import Masked
from tests.playback.pages import HARM, attributes, texts
from tests.playback.reports import passed
from tests.playback.serving import serving
from tests.support import wait_until

TEXT = """metadata:
  slug: shop
steps:
  # POST /login → 302
  - id: log-in
    method: POST
    path: /login
    form:
      - [password, "{{ secrets.PASSWORD }}"]
    expect:
      status: 302
    extract:
      # first stood in the answer to POST /login
      token: {header: x-token, was: abc}
  - id: pay
    method: POST
    path: /pay
    headers:
      x-token: "{{ steps.log-in.token }}"
    expect:
      status: 200  # as it was
comparisons:
  - target: out.csv
    method: tabular_diff  # by its ending .csv
ignore:
  - step: pay
    where: body:/clock
    why: a clock
"""
DRAFT = "/ui/drafts/shop"


def drafted(root: Path, text: str = TEXT, slug: str = "shop", **status: object) -> Path:
    """Put a draft below a data root."""
    folder = root / "profiles/_drafts" / slug
    folder.mkdir(parents=True)
    (folder / "profile.yaml").write_text(text, "utf-8")
    (folder / "manifest.json").write_bytes(manifest_of({"profile.yaml": folder / "profile.yaml"}))
    told = {"state": "ready", "slug": slug, "steps": 2, "problems": [], "warnings": [], "made": 1_800_000_000.0}
    (folder / "status.json").write_text(json.dumps(told | status))
    return folder


@pytest.fixture
def service(tmp_path: Path) -> Iterator[httpx.Client]:
    with (
        serving({"PROFILE_DATA_ROOT": str(tmp_path), "PROFILE_SECRET_PASSWORD": "x"}) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client


def looked(service: httpx.Client, address: str = DRAFT) -> httpx.Response:
    """The page, when its files were looked through."""
    pages: list[httpx.Response] = []

    def ready() -> bool:
        pages.append(service.get(address))
        return "being looked through" not in pages[-1].text

    wait_until(ready, "the look through the files")
    return pages[-1]


def version(service: httpx.Client) -> str:
    return attributes(service.get(DRAFT), "input[name=version]", "value")[0] or ""


def test_what_a_draft_would_do_and_why(service: httpx.Client, tmp_path: Path) -> None:
    drafted(tmp_path, warnings=["The clock was late."])
    page = looked(service)
    assert page.status_code == 200
    assert "Nothing stands in the way" in page.text
    assert texts(page, ".step .what strong") == ["log-in", "pay"]
    assert texts(page, ".step .why")[:2] == ["# POST /login → 302", "# first stood in the answer to POST /login"]
    assert texts(page, ".yaml .n")[:2] == ["4", "5"]
    assert texts(page, ".secrets li") == ["PROFILE_SECRET_PASSWORD this service has it"]
    assert "The clock was late." in page.text
    assert texts(page, "table.compared th .sub") == ["by its ending .csv"]


def test_what_stands_in_the_way_has_its_place(service: httpx.Client, tmp_path: Path) -> None:
    text = TEXT.replace("path: /pay", "path: /pay\n    query: key=secret-key-" + "b" * 32)
    folder = drafted(tmp_path, text, problems=["Which key is that?"])
    (folder / "seed").mkdir()
    (folder / "seed/notes.txt").write_text("\nAKIAABCDEFGHIJKLMNOP\n")
    page = looked(service)
    assert [row.split(" profile")[0].split(" seed")[0] for row in texts(page, ".obstacles li")] == [
        "A secret of the recording is not resolved (step pay). Put {{ secrets.NAME }}, {{ generated.NAME }} or a value "
        "from an earlier step in its place.",
        "Which key is that?",
        "This looks like an AWS access key.",
    ]
    assert texts(page, ".obstacles .sub") == ["profile.yaml, line 18 · step pay", "seed/notes.txt, line 2"]
    assert attributes(page, ".obstacles .sub a", "href") == [f"{DRAFT}?page=1#step-pay"]
    assert attributes(page, "#step-pay", "open") == [None], "what is wrong is open"
    answer = service.post(f"{DRAFT}/promote", data={"version": version(service), "answered": "1", "reviewed": "1"})
    assert answer.status_code == 409
    assert "line 18: a secret of the recording is not resolved (step pay)" in texts(answer, "[role=alert]")[0]
    assert folder.is_dir()
    answer = service.post(f"{DRAFT}/secret", data={"version": version(service), "step": "pay", "secret": "PAY_KEY"})
    assert answer.status_code == 303
    assert texts(looked(service), ".secrets code") == ["PROFILE_SECRET_PASSWORD", "PROFILE_SECRET_PAY_KEY"]
    answer = service.post(f"{DRAFT}/promote", data={"version": version(service), "answered": "1", "reviewed": "1"})
    assert answer.headers["location"] == "/ui/profiles/shop"


def test_a_document_that_cannot_be_read(service: httpx.Client, tmp_path: Path) -> None:
    drafted(tmp_path, TEXT.replace("path: /pay", "pat: /pay"))
    page = looked(service)
    assert page.status_code == 200
    assert "line 17: unknown key 'steps.1.pat'; did you mean 'path'?" in texts(page, ".obstacles li")[0]
    assert "disabled" in page.text
    answer = service.post(
        f"{DRAFT}/discard", data={"version": attributes(page, "input[name=version]", "value")[0] or ""}
    )
    assert answer.status_code == 303, "it can be thrown away all the same"


def test_a_draft_that_is_still_being_recorded(service: httpx.Client, tmp_path: Path) -> None:
    folder = drafted(tmp_path, state="assembling")
    (folder / "profile.yaml").unlink()
    page = service.get(DRAFT)
    assert page.status_code == 200
    assert texts(page, "#standing .verdict") == ["being recorded"]
    assert texts(page, ".obstacles li") == []
    assert "Its steps are shown here when the capture has ended." in page.text
    refused = service.post(f"{DRAFT}/promote", data={"version": ""})
    assert refused.status_code == 409
    assert "still being recorded" in texts(refused, "[role=alert]")[0]


def test_a_step_is_changed_with_every_comment_kept(service: httpx.Client, tmp_path: Path) -> None:
    folder = drafted(tmp_path)
    fields = {"version": version(service), "step": "log-in", "name": "sign-in", "title": "Sign in", "status": "303"}
    answer = service.post(f"{DRAFT}/step", data=fields)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{DRAFT}?done=saved#steps")
    text = (folder / "profile.yaml").read_text()
    assert text == TEXT.replace("id: log-in", "id: sign-in\n    title: Sign in").replace(
        "302\n    ex", "303\n    ex"
    ).replace("steps.log-in", "steps.sign-in")
    assert texts(service.get(answer.headers["location"]), "[role=status]")[0] == "Saved."


@pytest.mark.parametrize(
    ("path", "fields", "sentence"),
    [
        ("step", {"step": "pay", "name": "log-in"}, "another step called 'log-in'"),
        ("step", {"step": "gone", "name": "x"}, "no step 'gone'"),
        ("step", {"step": "pay", "name": "pay", "status": "ok"}, "A status is a number"),
        ("drop", {"step": "log-in"}, "log-in cannot go: pay sends 'token'"),
        ("file", {"target": "out.csv", "method": "tabular_diff", "params": "{"}, "must be JSON"),
        ("file", {"target": "out.csv", "method": "raster_stat", "params": ""}, "did you mean 'raster_stats'"),
        ("file", {"target": "out.csv", "method": "tabular_diff", "params": '{"x": 1}'}, "x"),
        ("ignore", {"step": "pay", "where": "body:/a"}, "Fill in why it is not looked at"),
        ("compare-again", {"step": "pay", "where": "body:/x"}, "There is no rule"),
        ("accept", {"proposal": "0"}, "no calibration"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(
    service: httpx.Client, tmp_path: Path, path: str, fields: dict[str, str], sentence: str
) -> None:
    folder = drafted(tmp_path)
    answer = service.post(f"{DRAFT}/{path}", data={"version": version(service), **fields})
    assert answer.status_code == 422
    assert sentence in texts(answer, "[role=alert]")[0]
    assert (folder / "profile.yaml").read_text() == TEXT


def test_files_and_rules(service: httpx.Client, tmp_path: Path) -> None:
    folder = drafted(tmp_path)

    def post(path: str, **fields: str) -> None:
        answer = service.post(f"{DRAFT}/{path}", data={"version": version(service), **fields})
        assert answer.status_code == 303, texts(answer, "[role=alert]")

    post("file", target="out.csv", method="text_diff", params="", act="save")
    post("ignore", step="pay", where="body:/at", why="another clock")
    post("compare-again", step="pay", where="body:/clock")
    profile = load_profile(folder / "profile.yaml")
    assert [c.method for c in profile.comparisons] == ["text_diff"]
    assert [(r.where, r.why) for r in profile.ignore] == [("body:/at", "another clock")]
    assert "# as it was" in (folder / "profile.yaml").read_text()
    post("file", target="out.csv", act="drop")
    post("drop", step="pay")
    assert [s.id for s in load_profile(folder / "profile.yaml").steps] == ["log-in"]


def test_of_two_people_the_second_is_told(service: httpx.Client, tmp_path: Path) -> None:
    folder = drafted(tmp_path)
    seen = version(service)
    assert service.post(f"{DRAFT}/drop", data={"version": seen, "step": "pay"}).status_code == 303
    text = (folder / "profile.yaml").read_text()
    for path in ("drop", "promote", "discard"):
        answer = service.post(f"{DRAFT}/{path}", data={"version": seen, "step": "log-in"})
        assert answer.status_code == 409
        assert "changed by somebody else since you looked at it" in texts(answer, "[role=alert]")[0]
    assert (folder / "profile.yaml").read_text() == text


def test_promotion_and_its_questions(service: httpx.Client, tmp_path: Path) -> None:
    folder = drafted(tmp_path, problems=["Which key is that?"])
    assert service.post(f"{DRAFT}/drop", data={"version": version(service), "step": "pay"}).status_code == 303
    refused = service.post(f"{DRAFT}/promote", data={"version": version(service)})
    assert refused.status_code == 409
    assert "Which key is that? Mend it, then say that the questions are answered." in texts(refused, "[role=alert]")
    done = service.post(f"{DRAFT}/promote", data={"version": version(service), "answered": "1"})
    assert (done.status_code, done.headers["location"]) == (303, "/ui/profiles/shop")
    assert not folder.exists()
    assert (tmp_path / "profiles/shop/profile.yaml").is_file()
    assert service.get(DRAFT).status_code == 404


def test_an_unedited_draft_does_not_answer_its_questions(service: httpx.Client, tmp_path: Path) -> None:
    drafted(tmp_path, problems=["Which key is that?"])
    refused = service.post(f"{DRAFT}/promote", data={"version": version(service), "answered": "1"})
    assert (refused.status_code, texts(refused, "[role=alert]")) == (409, ["Which key is that?"])


def test_discarded(service: httpx.Client, tmp_path: Path) -> None:
    folder = drafted(tmp_path)
    answer = service.post(f"{DRAFT}/discard", data={"version": version(service)})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert not folder.exists()


def test_proposals_are_accepted_one_by_one(
    service: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = drafted(tmp_path)
    asked: list[str | None] = []
    found = Calibration(
        [passed(masked=Masked(10, 0))], [Proposal("pay", f"body:/{name}", "recorded <b>1</b>, 2") for name in "abc"]
    )

    def rehearse(slug: str, *given: object, **named: object) -> Calibration:
        asked.append(given[1].base_url)  # type: ignore[attr-defined]
        return found

    monkeypatch.setattr(rehearsal, "rehearse", rehearse)
    answer = service.post(f"{DRAFT}/calibrate", data={"base_url": "http://127.0.0.1:9"})
    assert answer.status_code == 303
    wait_until(lambda: "Accept the marked rules" in service.get(DRAFT).text, "the proposals")
    assert asked == ["http://127.0.0.1:9"]
    answer = service.post(f"{DRAFT}/accept", data={"version": version(service), "proposal": ["0", "2"]})
    assert answer.status_code == 303
    rules = load_profile(folder / "profile.yaml").ignore
    assert [(r.where, r.proposed_by) for r in rules] == [
        ("body:/clock", "hand"), ("body:/a", "calibrate"), ("body:/c", "calibrate"),
    ]  # fmt: skip
    assert "proposals" not in service.get(DRAFT).text


def test_a_draft_is_handed_over_as_a_download(service: httpx.Client, tmp_path: Path) -> None:
    folder = drafted(tmp_path)
    (folder / "page.html").write_text("<script>")
    answer = service.get(f"{DRAFT}/export")
    assert answer.headers["content-disposition"] == 'attachment; filename="shop.zip"'
    assert "shop/profile.yaml" in zipfile.ZipFile(BytesIO(answer.content)).namelist()
    one = service.get(f"{DRAFT}/files/page.html")
    assert one.headers["content-disposition"].startswith("attachment")
    assert one.headers["content-type"] == "application/octet-stream"
    assert one.headers["x-content-type-options"] == "nosniff"
    assert service.get(f"{DRAFT}/files/..%2F..%2Fstatus.json").status_code == 404


def test_who_may_only_look_changes_nothing(tmp_path: Path) -> None:
    folder = drafted(tmp_path)
    environ = {
        "PROFILE_DATA_ROOT": str(tmp_path), "PROFILE_PLAYBACK_TOKEN": "a" * 20, "PROFILE_PLAYBACK_VIEW_TOKEN": "b" * 20,
    }  # fmt: skip
    with serving(environ) as url, httpx.Client(base_url=url, timeout=60) as client:
        client.headers["authorization"] = f"Bearer {'b' * 20}"
        page = looked(client)
        assert attributes(page, "main form", "action") == []
        assert client.get(f"{DRAFT}/export").status_code == 403
        for path in (
            "step",
            "secret",
            "drop",
            "file",
            "ignore",
            "compare-again",
            "accept",
            "calibrate",
            "promote",
            "discard",
        ):
            assert client.post(f"{DRAFT}/{path}", data={}).status_code == 403
        client.headers["authorization"] = f"Bearer {'a' * 20}"
        cross = client.post(f"{DRAFT}/discard", headers={"origin": "http://evil.example"})
        assert cross.status_code == 403
    assert folder.is_dir()


def test_recorded_text_is_text(service: httpx.Client, tmp_path: Path) -> None:
    harm = HARM.replace("\ud800", "").replace("\x00", "").replace("\x1b", "").replace("\u202e", "")
    text = TEXT.replace("path: /pay", f"path: {json.dumps(harm)}\n    title: {json.dumps(harm)}  # {harm}").replace(
        "why: a clock", f"why: {json.dumps(harm)}"
    )
    drafted(tmp_path, text, warnings=[harm], problems=[harm])
    page = looked(service)
    assert "<script>document" not in page.text
    assert "<img" not in page.text
    assert attributes(page, "[style], [onclick], script:not([src])", "id") == []
    assert harm in attributes(page, "input[name=title]", "value")


def test_every_act_is_in_the_log(service: httpx.Client, tmp_path: Path) -> None:
    drafted(tmp_path)
    service.post(f"{DRAFT}/drop", data={"version": version(service), "step": "pay"})
    service.post(f"{DRAFT}/discard", data={"version": version(service)})
    log = next(tmp_path.rglob("*.log"))
    assert "draft shop: dropped step pay" in log.read_text()
    assert "draft shop discarded" in log.read_text()


def test_a_large_draft_is_paged(service: httpx.Client, tmp_path: Path) -> None:
    steps = "".join(f"  - id: step-{n}\n    path: /{n}\n    expect: {{status: 200}}\n" for n in range(2000))
    drafted(tmp_path, f"metadata:\n  slug: shop\nsteps:\n{steps}")
    page = looked(service, f"{DRAFT}?page=80")
    assert texts(page, ".step .what strong")[-1] == "step-1999"
    assert len(page.content) < 400_000
