"""The page of a profile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from playback.report import Masked
from playback.web.markdown import rendered
from playback.web.remarks import remarks
from tests.playback.pages import HARM, SCRIPT, attributes, keep, texts
from tests.playback.serving import FakeEngine, serving

PROFILE = """
metadata:
  slug: shop
  title: An order
  tags: [orders]
prologue:
  # GET /login → 200
  - id: login-page
    path: /login
    extract:
      # first stood in the answer to GET /login
      csrf_token:
        css: 'input[name="csrf_token"]'
        attr: value
steps:
  # POST /login → 302
  - id: sign-in
    method: POST
    path: /login
    form:
      - [csrf_token, "{{ steps.login-page.csrf_token }}"]
      - [email, ada@example.org]
    expect: {status: 302, location: /, cookies: [session]}
  - id: order
    method: POST
    path: /orders
    json: '{"item": 7}'
    expect:
      status: 201
      media_type: application/json
      jobs: {tasks.bill: finished}
    wait: {type: job, job: "{{ steps.order.job_id }}", recorded: 2.5}
    extract:
      job_id: {json: job.id}  # a UUID that came back in 2 requests
comparisons:
  - target: out/bill.json
    method: json_tolerance  # JSON with fractions
    params: {tolerance: 0.01}
ignore:
  - step: order
    where: body:/made
    why: the clock of the till
  - step: "*"
    where: header:x-build
    why: the build
overlays:
  staging: {base_url: "http://127.0.0.1:9"}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "profiles" / "shop"
    (folder / "baseline" / "run" / "out").mkdir(parents=True)
    (folder / "profile.yaml").write_text(PROFILE)
    (folder / "baseline" / "run" / "out" / "bill.json").write_text("{}")
    (folder / "README.md").write_text(
        f"# The shop\n\n{SCRIPT}\n\n[run](javascript:alert(1)) | [docs](https://example.org)\n"
    )
    (folder / "elsewhere").symlink_to("/etc/hostname")
    return tmp_path


@pytest.fixture
def service(root: Path, fake: FakeEngine) -> Iterator[httpx.Client]:
    with serving({"PROFILE_DATA_ROOT": str(root)}) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def test_steps_with_what_they_send_and_expect(service: httpx.Client) -> None:
    page = service.get("/ui/profiles/shop")
    assert texts(page, "h1") == ["An order"]
    before, sign_in, order = texts(page, "#steps tbody tr")
    assert before.startswith("before login-page GET /login")
    assert "email = ada@example.org" in sign_in
    assert "redirect to / cookie session" in sign_in
    assert 'JSON {"item": 7}' in order
    assert "job tasks.bill finished waits: job, 2.5 s when recorded" in order


def test_where_values_come_from_with_the_evidence(service: httpx.Client) -> None:
    token, job = texts(service.get("/ui/profiles/shop"), "#values tbody tr")
    assert token == (
        'csrf_token login-page css input[name="csrf_token"], attr value sign-in first stood in the answer to GET /login'
    )
    assert job == "job_id order json job.id order a UUID that came back in 2 requests"


def test_rules_and_how_much_they_masked_in_the_last_run(service: httpx.Client, root: Path) -> None:
    rows = "section[aria-labelledby=rules] tbody tr"
    assert [row.split()[-2:] for row in texts(service.get("/ui/profiles/shop"), rows)] == [["not", "run"]] * 2
    keep(root, "shop", 1, masked=Masked(200, 8, {"ignored: the clock of the till": 5, "secret": 3}))
    page = service.get("/ui/profiles/shop")
    assert [row.split("hand ")[1] for row in texts(page, rows)] == ["5", "0 (not needed)"]
    assert "8 of 200 values (4.0%) were not compared" in " ".join(texts(page, "section[aria-labelledby=rules] p"))


def test_compared_files_with_their_evidence(service: httpx.Client) -> None:
    assert texts(service.get("/ui/profiles/shop"), "section[aria-labelledby=compared] tbody tr") == [
        "out/bill.json json_tolerance tolerance 0.01 JSON with fractions"
    ]


def test_files_are_downloads_and_links_are_none(service: httpx.Client) -> None:
    page = service.get("/ui/profiles/shop")
    listed = attributes(page, "section[aria-labelledby=files] a", "href")
    assert "/ui/profiles/shop/files/baseline/run/out/bill.json" in listed
    assert not any("elsewhere" in str(name) for name in listed)
    answer = service.get("/ui/profiles/shop/files/baseline/run/out/bill.json")
    assert answer.headers["content-disposition"] == 'attachment; filename="bill.json"'
    assert answer.headers["content-type"] == "application/octet-stream"
    for bad in ("elsewhere", "nothing", "..%2F..%2Fshop%2Fprofile.yaml", "%2Fetc%2Fhostname"):
        assert service.get(f"/ui/profiles/shop/files/{bad}").status_code == 404


def test_the_readme_is_rendered_and_its_markup_is_text(service: httpx.Client) -> None:
    page = service.get("/ui/profiles/shop")
    assert texts(page, ".readme h3") == ["The shop"]
    assert SCRIPT in " ".join(texts(page, ".readme"))
    assert attributes(page, ".readme a", "href") == ["https://example.org"]
    assert "<img" not in rendered("![x](https://evil.example/pixel.png)")


def test_the_history_is_paged(service: httpx.Client, root: Path) -> None:
    for number in range(25):
        keep(root, "shop", number, "failed" if number == 3 else "passed")
    page = service.get("/ui/profiles/shop?runs=2")
    assert len(texts(page, "#runs tbody tr")) == 5
    assert [row for row in texts(page, "#runs tbody tr") if "failed" in row]
    assert "21–25 of 25 runs" in texts(page, "#runs .pager")[0]


def test_an_unknown_or_unreadable_profile_is_a_sentence(service: httpx.Client, root: Path) -> None:
    answer = service.get("/ui/profiles/shpo")
    assert (answer.status_code, "did you mean 'shop'?" in answer.text.replace("&#39;", "'")) == (404, True)
    assert service.get("/ui/profiles/..%2F..%2Fetc").status_code == 404
    (root / "profiles" / "shop" / "profile.yaml").write_text("[")
    answer = service.get("/ui/profiles/shop")
    assert answer.status_code == 200
    assert "line 1" in texts(answer, ".note.bad")[0]


def test_remarks_of_another_layout_are_left_out() -> None:
    found = remarks("steps: [{id: a, path: /}]  # all of them\nnotes: |\n  # no remark\n")
    assert (found.steps, found.keys, found.files) == ({}, {}, {})


def test_whatever_is_in_a_profile_is_text(service: httpx.Client, root: Path) -> None:
    harm = HARM.replace("\x00", "").replace("\x1b", "").encode("utf-8", "replace").decode()
    document = {
        "metadata": {
            "slug": "shop",
            "title": harm,
            "tags": [harm],
            "recorded_with": {"origin": harm, "run_id": harm, "config": harm},
            "not_replayed": [harm],
        },
        "prerequisites": {"services": [harm], "environment": [harm]},
        "steps": [
            {
                "id": "a",
                "title": harm,
                "note": harm,
                "method": harm,
                "path": harm,
                "query": harm,
                "form": [[harm, harm]],
                "expect": {"media_type": harm, "location": harm, "contains": harm, "jobs": {harm: harm}},
                "extract": {harm: {"css": harm}},
            }
        ],
        "comparisons": [{"target": harm, "method": harm, "params": {harm: harm}}],
        "ignore": [{"step": harm, "where": harm, "why": harm}],
        "overlays": {harm: {}},
    }
    (root / "profiles" / "shop" / "profile.yaml").write_text(f"# {SCRIPT}\n{json.dumps(document)}")
    for address in ("/", "/ui/profiles/shop", "/?q=%22%3E%3Cscript%3E&tag=%22%3E%3Cscript%3E&sort=%3Cscript%3E"):
        page = service.get(address)
        assert page.status_code == 200
        assert "OWNED" in page.text, address
        assert all(str(source).startswith("/ui/static/") for source in attributes(page, "script", "src")), address
        assert not attributes(page, "[onerror], img, iframe, object, [style]", "class"), address
        assert not [link for link in attributes(page, "a", "href") if "javascript:" in str(link)]
