"""The review in real pages: from the end of a recording to its draft, or to none."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route

from assembler.document import load_profile
from tests.browser.recording import Recorded, Toolbar, expect, recorded
from tests.support import wait_until

HOSTILE = "<img src=x onerror=pwned=1><script>pwned=1</script>"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    with recorded(tmp_path_factory.mktemp("site")) as running:
        yield running


def work(site: Recorded, page: Page, slug: str) -> Toolbar:
    """A recording of a page, a form, a call of a script, an upload."""
    page.goto(site.url)
    toolbar = Toolbar(page)
    toolbar.start(slug, "from the start")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Second")).to_be_visible()
    page.evaluate("""async () => {
        const headers = {'Content-Type': 'application/json'};
        await fetch('/echo', {method: 'POST', headers, body: JSON.stringify({who: 'Ada Lovelace', where: 'London'})});
        const form = new FormData();
        form.append('photo', new File(['PNG of Ada Lovelace'], 'me.png'));
        await fetch('/echo?upload', {method: 'POST', body: form});
        await fetch('/echo?last');
    }""")
    return toolbar


def files_of(site: Recorded, slug: str) -> str:
    """Everything that the draft holds."""
    return "".join(path.read_text("latin-1") for path in (site.drafts / slug).rglob("*") if path.is_file())


def test_from_the_end_to_the_draft(site: Recorded, page: Page) -> None:
    toolbar = work(site, page, "whole")
    dialog = toolbar.end()
    summary = dialog.get_by_role("status")
    expect(summary).to_have_text("5 steps")
    expect(toolbar.step("/save")).to_contain_text("2 values sent")
    expect(dialog.locator("li.step").filter(has_text="file me.png")).to_have_count(1)

    dialog.get_by_role("searchbox").fill("post lovelace")
    expect(summary).to_have_text("5 steps · 2 found")
    toolbar.step("/save").get_by_text("What was sent").click()
    fields = toolbar.step("/save").locator(".sent li")
    expect(fields.nth(0)).to_contain_text("Ada Lovelace")
    expect(fields.nth(1)).to_contain_text("a secret: it was never written down")
    fields.nth(0).get_by_role("button", name="Redact name").click()
    expect(fields.nth(0)).to_contain_text("redacted")
    toolbar.step("/echo").get_by_text("What was sent").click()
    expect(toolbar.step("/echo").locator(".sent li").first).to_contain_text("redacted")  # the same value

    dialog.get_by_role("searchbox").fill("me.png")
    dialog.get_by_label("All", exact=True).check()
    dialog.get_by_role("button", name="Drop selected").click()
    dialog.get_by_role("searchbox").fill("")
    expect(summary).to_have_text("5 steps · 1 dropped · 1 value redacted everywhere")
    notes = dialog.get_by_role("textbox", name="Notes")
    expect(notes).to_have_value("from the start")
    notes.fill("what a review is for")
    dialog.get_by_role("button", name="Create draft").click()
    expect(dialog.get_by_role("heading")).to_have_text("The draft whole is ready")

    profile = load_profile(site.drafts / "whole" / "profile.yaml")
    assert [step.path for step in profile.steps] == ["/save", "/second", "/echo", "/echo"]
    assert profile.notes == "what a review is for"
    assert profile.steps[0].form[0] == ("name", "redacted")  # type: ignore[index]
    assert "Lovelace" not in files_of(site, "whole")
    with page.expect_download() as download:
        dialog.get_by_role("link", name="Export").click()
    names = zipfile.ZipFile(download.value.path()).namelist()
    assert "whole/profile.yaml" in names
    dialog.get_by_role("button", name="Close").last.click()
    expect(toolbar.button("Mark profile start")).to_be_visible()


def test_what_was_decided_survives_escape_and_a_reload(site: Recorded, page: Page) -> None:
    toolbar = work(site, page, "kept")
    dialog = toolbar.end()
    toolbar.step("/save").get_by_role("button", name="Drop POST /save").click()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(toolbar.button("Review kept")).to_be_focused()
    page.goto(site.url + "/second")
    toolbar.button("Review kept").click()
    expect(dialog.get_by_role("status")).to_have_text("5 steps · 1 dropped")
    toolbar.step("/save").get_by_role("button", name="Keep POST /save").click()
    expect(dialog.get_by_role("status")).to_have_text("5 steps")


def test_the_focus_stays_in_the_dialog(site: Recorded, page: Page) -> None:
    toolbar = work(site, page, "focus")
    dialog = toolbar.end()
    expect(dialog.get_by_role("searchbox")).to_be_focused()
    for _ in range(30):
        page.keyboard.press("Tab")
        inside = page.evaluate(
            "() => document.activeElement === document.body || document.activeElement.matches('profile-recorder')"
        )
        assert inside
    assert page.evaluate("document.querySelector('profile-recorder').shadowRoot.querySelector('dialog').open")


def test_a_recording_that_is_discarded_leaves_no_draft(site: Recorded, page: Page) -> None:
    toolbar = work(site, page, "gone")
    dialog = toolbar.end()
    assert site.status_of("gone")["state"] == "ready"
    dialog.get_by_role("button", name="Discard recording").click()
    dialog.get_by_role("button", name="Keep it").click()
    dialog.get_by_role("button", name="Discard recording").click()
    dialog.get_by_role("button", name="Discard it").click()
    expect(dialog).to_have_count(0)
    expect(toolbar.button("Mark profile start")).to_be_visible()
    wait_until(lambda: not (site.drafts / "gone").exists(), "the draft is gone")


def test_nothing_can_be_made_of_nothing(site: Recorded, page: Page) -> None:
    toolbar = work(site, page, "nothing")
    dialog = toolbar.end()
    dialog.get_by_label("All", exact=True).check()
    dialog.get_by_role("button", name="Drop selected").click()
    expect(dialog.get_by_role("button", name="Create draft")).to_be_disabled()


def test_hostile_recordings_are_text(site: Recorded, page: Page) -> None:
    page.goto(site.url)
    toolbar = Toolbar(page)
    toolbar.start("hostile", HOSTILE)
    page.evaluate(
        """async text => {
        const form = new FormData();
        form.append(text, text);
        form.append('file', new File([text], text + '.html', {type: 'text/html'}));
        await fetch('/' + encodeURIComponent(text));
        await fetch('/echo?' + new URLSearchParams([[text, text]]), {method: 'POST', body: form});
        await fetch('/echo', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify({[text]: text})});
    }""",
        HOSTILE,
    )
    toolbar.button("Log").click()
    expect(toolbar.host.locator(".log li").first).to_be_visible()
    toolbar.button("Log").click()
    dialog = toolbar.end()
    for opener in dialog.locator("summary").all():
        opener.click()
    expect(dialog.locator(".sent li").filter(has_text="onerror=pwned")).to_have_count(4)
    expect(dialog.get_by_role("textbox", name="Notes")).to_have_value(HOSTILE)
    toolbar.step("/echo").last.get_by_role("button", name="Redact").click()
    dialog.get_by_role("button", name="Create draft").click()
    expect(dialog.get_by_role("heading")).to_have_text("The draft hostile is ready")
    assert page.evaluate("typeof pwned") == "undefined"
    assert dialog.locator("img, script").count() == 0


# Recordings that are made up


def made_up(page: Page, steps: list[dict[str, Any]], **more: Any) -> list[dict[str, Any]]:
    """Answer for an assembler; what is asked of it meanwhile."""
    asked: list[dict[str, Any]] = []

    def answer(route: Route) -> None:
        name = route.request.url.partition("?")[0].rsplit("/", 1)[1]
        if name != "preview":
            asked.append({"call": name, **(route.request.post_data_json or {})})
            route.fulfill(status=202, json={"state": "assembling"})
            return
        status = {"slug": "made-up", "steps": len(steps)}
        preview = {"steps": steps, "warnings": [], "problems": [], **more}
        route.fulfill(json={"state": "ready", "status": status, "preview": preview})

    page.route("**/recorder/captures/*/*", answer)
    return asked


def step(number: int) -> dict[str, Any]:
    sent = [
        {"name": f"field-{n}", "pointer": f"/field-{n}", "in": "form", "value": f"value {number}.{n}", "cut": False}
        for n in range(5)
    ]
    return {
        "id": f"step-{number}", "method": "POST", "path": f"/step/{number}", "asked": f"/step/{number}", "status": 200, "files": [],
        "jobs": {"work": 2} if number % 10 == 0 else {}, "records": [f"01{number:024d}"], "sent": sent, "more": 0,
    }  # fmt: skip


def test_two_thousand_steps_show_their_first_screen_as_few_do(site: Recorded, page: Page) -> None:
    asked = made_up(page, [step(number) for number in range(2000)])
    page.goto(site.url)
    toolbar = Toolbar(page)
    toolbar.start("many")
    dialog = toolbar.end()
    expect(dialog.get_by_role("status")).to_have_text("2000 steps")
    rows = dialog.locator("li.step .path")
    assert rows.count() <= 200
    dialog.get_by_role("list", name="Steps").evaluate("list => list.scrollTo(0, 1e9)")
    wait_until(lambda: rows.count() >= 200, "more steps come when they are looked for")
    dialog.get_by_role("searchbox").fill("1999.3")
    expect(dialog.get_by_role("status")).to_have_text("2000 steps · 1 found")
    expect(rows).to_have_text(["/step/1999"])
    dialog.get_by_role("searchbox").fill("/step/1")
    expect(dialog.get_by_role("status")).to_have_text("2000 steps · 1111 found")
    dialog.get_by_label("All", exact=True).check()
    dialog.get_by_role("button", name="Drop selected").click()
    expect(dialog.get_by_role("status")).to_have_text("2000 steps · 1111 dropped · 1111 found")
    dialog.get_by_role("button", name="Create draft").click()
    expect(dialog.get_by_role("heading")).to_have_text("The draft made-up is ready")
    assert [(each["call"], len(each.get("records", []))) for each in asked] == [
        ("drop", 1000),
        ("drop", 111),
        ("commit", 0),
    ]
    assert max(len(json.dumps(each)) for each in asked) < 64 << 10


def test_jobs_problems_and_old_previews_are_told(site: Recorded, page: Page) -> None:
    old = {"id": "get", "method": "GET", "path": "/old", "status": 200, "fields": [], "files": [], "jobs": {}}
    made_up(page, [step(0), old], problems=["Something is to be mended."])
    page.goto(site.url)
    toolbar = Toolbar(page)
    toolbar.start("told")
    dialog = toolbar.end()
    expect(toolbar.step("/step/0")).to_contain_text("job work, 2 times")
    expect(toolbar.step("/old")).to_be_visible()
    expect(dialog.get_by_text("Something is to be mended.")).to_be_visible()


def test_a_refusal_is_said_and_nothing_is_lost(site: Recorded, page: Page) -> None:
    toolbar = work(site, page, "refused")
    dialog = toolbar.end()
    toolbar.step("/save").get_by_role("button", name="Drop POST /save").click()
    page.route("**/commit", lambda route: route.fulfill(status=500, json={"error": "The recorder failed."}))
    dialog.get_by_role("button", name="Create draft").click()
    expect(dialog.get_by_role("alert")).to_have_text("The recorder failed.")
    page.unroute("**/commit")
    dialog.get_by_role("button", name="Create draft").click()
    expect(dialog.get_by_role("heading")).to_have_text("The draft refused is ready")
    expect(dialog.get_by_role("status").first).to_have_text("4 steps")


def test_who_may_not_export_is_offered_none(site: Recorded, context: BrowserContext) -> None:
    page = context.new_page()
    page.route(
        "**/recorder/status*",
        lambda route: route.fulfill(json={**(route.fetch().json()), "roles": ["capture"]}),
    )
    made_up(page, [step(0)])
    page.goto(site.url)
    toolbar = Toolbar(page)
    expect(toolbar.button("Mark profile start")).to_be_visible()
    expect(toolbar.button("Log")).to_be_hidden()
    toolbar.start("no-export")
    dialog = toolbar.end()
    dialog.get_by_role("button", name="Create draft").click()
    expect(dialog.get_by_role("heading")).to_have_text("The draft made-up is ready")
    expect(dialog.get_by_role("link", name="Export")).to_have_count(0)


def test_it_says_who_makes_drafts_when_nobody_does(tmp_path_factory: pytest.TempPathFactory, page: Page) -> None:
    with recorded(tmp_path_factory.mktemp("alone"), drafts=False) as alone:
        page.goto(alone.url)
        toolbar = Toolbar(page)
        toolbar.start("alone")
        toolbar.button("Mark profile end").click()
        expect(toolbar.dialog.get_by_text("wctl assemble")).to_be_visible()
        page.keyboard.press("Escape")
        expect(toolbar.button("Review alone")).to_be_visible()
