"""The toolbar in real pages: what it shows, what it lets people do, and that the pages do not notice it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Route

from tests.browser.recording import Recorded, Toolbar, expect, recorded
from tests.support import wait_until


@pytest.fixture(scope="module", params=["asgi", "wsgi"])
def either(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    with recorded(tmp_path_factory.mktemp(request.param), request.param) as site:
        yield site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "runs" / "dry-creek").mkdir(parents=True)
    runs = {"RECORDER_RUN_PATTERN": "/runs/(?P<run_id>[^/]+)/", "RECORDER_RUN_ROOT": f"{folder}/runs/{{run_id}}"}
    with recorded(folder, drafts=False, **runs) as running:
        yield running


def faults_of(page: Page) -> list[str]:
    """What goes wrong in a page from now on: exceptions, and whatever a policy forbids."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on(
        "console",
        lambda said: (
            found.append(said.text) if said.type == "error" and "favicon" not in said.location.get("url", "") else None
        ),
    )
    return found


def test_from_start_to_end_over_pages_and_reloads(either: Recorded, page: Page) -> None:
    faults = faults_of(page)
    page.goto(either.url)
    toolbar = Toolbar(page)
    expect(toolbar.state).to_have_text("Recording")
    toolbar.start("story", "the whole way")
    page.get_by_role("link", name="second").click()
    expect(page.get_by_role("heading", name="Second")).to_be_visible()
    expect(toolbar.state).to_have_text("Capturing story")
    page.reload()
    expect(toolbar.state).to_have_text("Capturing story")
    toolbar.button("Pause").click()
    expect(toolbar.state).to_have_text("Paused story")
    page.goto(either.url + "/?while=paused")
    expect(toolbar.state).to_have_text("Paused story")
    toolbar.button("Resume").click()
    expect(toolbar.state).to_have_text("Capturing story")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Second")).to_be_visible()
    toolbar.end()
    expect(toolbar.dialog.get_by_role("heading")).to_have_text("Review story")
    paths = toolbar.dialog.locator("li.step .path").all_text_contents()
    assert paths == ["/second", "/second", "/save", "/second"]
    assert faults == []


def test_two_tabs_agree(site: Recorded, context: BrowserContext) -> None:
    one, other = context.new_page(), context.new_page()
    for page in (one, other):
        page.goto(site.url)
        expect(Toolbar(page).state).to_have_text("Recording")
    Toolbar(one).start("tabs")
    expect(Toolbar(other).state).to_have_text("Capturing tabs")
    Toolbar(other).button("Pause").click()
    expect(Toolbar(one).state).to_have_text("Paused tabs")
    Toolbar(one).button("Hide the recorder's toolbar").click()
    expect(Toolbar(other).button("Show the recorder's toolbar")).to_be_visible()


def test_a_run_is_offered_where_the_page_belongs_to_one(site: Recorded, page: Page) -> None:
    page.goto(site.url + "/runs/dry-creek/page")
    toolbar = Toolbar(page)
    toolbar.button("Mark profile start").click()
    expect(toolbar.host.get_by_label("This run (dry-creek)")).to_be_checked()
    toolbar.host.get_by_label("Name").fill("of-the-run")
    toolbar.host.get_by_role("button", name="Start", exact=True).click()
    expect(toolbar.state).to_have_text("Capturing of-the-run")
    manifest = json.loads((site.folder / "runs/dry-creek/_logs/profile.captures.json").read_text())
    assert [capture["scope"] for capture in manifest["captures"]] == ["run"]
    page.goto(site.url)
    expect(toolbar.state).to_have_text("Recording")


def test_what_the_recorder_refuses_is_said(site: Recorded, context: BrowserContext) -> None:
    first, second = context.new_page(), context.new_page()
    first.goto(site.url)
    second.goto(site.url)
    toolbar = Toolbar(second)
    toolbar.button("Mark profile start").click()
    toolbar.host.get_by_role("button", name="Start", exact=True).click()
    expect(toolbar.host.get_by_role("alert").filter(has_text="needs a name")).to_be_visible()
    toolbar.host.get_by_label("Name").fill("A Name, with Söme letters")
    expect(toolbar.host.get_by_text("It will be called a-name-with-some-letters.")).to_be_visible()
    with first.expect_response("**/captures/start"):
        first.evaluate("profileRecorder.start('meanwhile')")
    toolbar.host.get_by_role("button", name="Start", exact=True).click()
    expect(toolbar.host.get_by_role("alert").filter(has_text="(meanwhile) is open since")).to_be_visible()


def test_by_keyboard_alone(site: Recorded, page: Page) -> None:
    page.goto(site.url)
    toolbar = Toolbar(page)
    grip = toolbar.button("Move the toolbar: drag, or use the arrow keys")
    grip.focus()
    before = toolbar.bar.bounding_box()
    for key in ("ArrowLeft", "ArrowLeft", "Shift+ArrowUp"):
        page.keyboard.press(key)
    after = toolbar.bar.bounding_box()
    assert before
    assert after
    assert (round(before["x"] - after["x"]), round(before["y"] - after["y"])) == (32, 64)
    page.reload()
    assert toolbar.bar.bounding_box() == after
    grip.press("Home")
    assert toolbar.bar.bounding_box() == before
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(toolbar.host.get_by_label("Name")).to_be_focused()
    page.keyboard.press("Escape")
    expect(toolbar.button("Mark profile start")).to_be_focused()
    expect(toolbar.host.get_by_label("Name")).to_have_count(0)


def test_it_is_moved_by_the_pointer_and_stays_on_the_screen(site: Recorded, page: Page) -> None:
    page.goto(site.url)
    toolbar = Toolbar(page)
    grip = toolbar.button("Move the toolbar: drag, or use the arrow keys").bounding_box()
    assert grip
    page.mouse.move(grip["x"] + 5, grip["y"] + 5)
    page.mouse.down()
    page.mouse.move(300, 200, steps=5)
    page.mouse.up()
    box = toolbar.bar.bounding_box()
    assert box
    assert (abs(box["x"] - 290) < 12, abs(box["y"] - 190) < 12) == (True, True)
    toolbar.button("Mark profile start").click()
    panel = toolbar.host.get_by_role("form", name="Start of a profile").bounding_box()
    assert panel
    assert panel["y"] > box["y"]  # below it, in the upper half of the window
    page.set_viewport_size({"width": 390, "height": 700})

    def on_the_screen(part: Locator) -> bool:
        seen = part.bounding_box()
        assert seen
        return seen["x"] >= 0 and seen["x"] + seen["width"] <= 390 and seen["y"] + seen["height"] <= 700

    for part in (toolbar.bar, toolbar.host.get_by_role("form", name="Start of a profile")):
        wait_until(lambda: on_the_screen(part), "it is on the smaller screen")  # noqa: B023 - asked at once


def test_it_stays_folded(site: Recorded, page: Page) -> None:
    page.goto(site.url)
    toolbar = Toolbar(page)
    toolbar.button("Hide the recorder's toolbar").click()
    expect(toolbar.button("Mark profile start")).to_be_hidden()
    page.goto(site.url + "/second")
    show = toolbar.button("Show the recorder's toolbar")
    expect(show).to_be_visible()
    assert show.get_attribute("aria-expanded") == "false"
    show.click()
    expect(toolbar.button("Mark profile start")).to_be_visible()


# Who sees it


def test_visitors_without_a_role_see_nothing_and_report_nothing(
    tmp_path_factory: pytest.TempPathFactory, page: Page
) -> None:
    with recorded(tmp_path_factory.mktemp("public"), drafts=False, RECORDER_ENVIRONMENT="production") as public:
        with page.expect_response("**/recorder/status*"):
            page.goto(public.url)
        page.evaluate("fetch('/echo?first')")
        page.goto(public.url + "/second")
        found = page.evaluate("fetch('/echo').then(answer => answer.json())")
        page.goto(public.url)
        assert page.locator("profile-recorder").count() == 0
        assert "x-recorder-request" not in found["headers"]
        wait_until(lambda: len(public.requests("/")) > 1, "the second look at the page is logged")
        assert public.reported("page") == []
        sent = [name for event in public.requests("/echo")[1:] for name, _ in event["payload"]["headers"]]
        assert "x-recorder-request" not in sent


# The pages do not notice it


@pytest.mark.parametrize("policy", ["strict", "nonce"])
def test_a_policy_that_admits_the_script_forbids_nothing_it_does(site: Recorded, page: Page, policy: str) -> None:
    faults = faults_of(page)
    page.goto(f"{site.url}/policy/{policy}")
    toolbar = Toolbar(page)
    toolbar.start(f"policy-{policy}")
    grip = toolbar.button("Move the toolbar: drag, or use the arrow keys")
    grip.press("ArrowLeft")
    toolbar.button("Log").click()
    expect(toolbar.host.get_by_text("capture started").first).to_be_visible()
    toolbar.button("Mark profile end").click()
    expect(toolbar.dialog).to_be_visible()
    assert faults == []
    toolbar.dialog.get_by_role("button", name="Close").click()
    assert page.evaluate("document.querySelector('profile-recorder').getAttribute('style')") is None


def test_a_policy_that_forbids_it_is_not_provoked(site: Recorded, page: Page) -> None:
    faults = faults_of(page)
    page.goto(f"{site.url}/policy/forbidden")
    expect(page.get_by_role("heading", name="Policy")).to_be_visible()
    assert page.locator("script[src*=recorder]").count() == 0
    assert faults == []


STYLES = """element => {
  const style = getComputedStyle(element);
  return Object.fromEntries([...style].map(name => [name, style.getPropertyValue(name)]));
}"""


def test_styles_neither_come_in_nor_go_out(site: Recorded, page: Page) -> None:
    looks = {}
    for path in ("/", "/unkind"):
        page.goto(site.url + path)
        toolbar = Toolbar(page)
        label = toolbar.button("Mark profile start")
        label.wait_for()
        looks[path] = (label.evaluate(STYLES), toolbar.bar.evaluate("bar => bar.getBoundingClientRect().height"))
    assert looks["/"] == looks["/unkind"]
    page.goto(site.url)
    Toolbar(page).bar.wait_for()
    with_it = page.locator("#text").evaluate(STYLES)
    page.goto(site.url + "/plain")
    assert page.locator("#text").evaluate(STYLES) == with_it


def test_the_pages_shortcuts_are_not_meant(site: Recorded, page: Page) -> None:
    page.goto(site.url)
    page.evaluate(
        "heard = []; for (const kind of ['keydown', 'click', 'input']) document.addEventListener(kind, () => heard.push(kind))"
    )
    toolbar = Toolbar(page)
    toolbar.button("Mark profile start").click()
    toolbar.host.get_by_label("Name").press_sequentially("abc")
    assert page.evaluate("heard") == []
    page.get_by_label("Name", exact=True).first.press("x")


def test_a_page_whose_body_is_replaced_keeps_it(site: Recorded, page: Page) -> None:
    page.goto(site.url)
    Toolbar(page).bar.wait_for()
    page.evaluate("document.body.replaceWith(Object.assign(document.createElement('body'), {textContent: 'new'}))")
    expect(Toolbar(page).state).to_have_text("Recording")


def test_it_is_there_once(site: Recorded, page: Page) -> None:
    page.goto(site.url)
    Toolbar(page).bar.wait_for()
    page.add_script_tag(url="/recorder/recorder.js")
    assert page.locator("profile-recorder").count() == 1


# What it shows


def answer_status(page: Page, **more: object) -> None:
    """Change what the recorder tells of itself."""

    def changed(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), **more})

    page.route("**/recorder/status*", changed)


def test_losses_are_shown(site: Recorded, page: Page) -> None:
    answer_status(page, lost=3, losses={"No space left on device": 3})
    page.goto(site.url)
    toolbar = Toolbar(page)
    expect(toolbar.bar.get_by_text("3 events lost")).to_be_visible()
    assert "No space left on device" in (toolbar.bar.get_by_text("3 events lost").get_attribute("title") or "")


def test_preparing_is_shown_while_the_start_waits(site: Recorded, page: Page) -> None:
    page.goto(site.url)
    toolbar = Toolbar(page)
    held: list[Route] = []
    page.route("**/captures/start", lambda route: held.append(route))
    toolbar.button("Mark profile start").click()
    toolbar.host.get_by_label("Name").fill("prepared")
    toolbar.host.get_by_role("button", name="Start", exact=True).click()
    expect(toolbar.state).to_have_text("Preparing")
    wait_until(lambda: page.evaluate("1") and held, "the call is held")
    held[0].continue_()
    expect(toolbar.state).to_have_text("Capturing prepared")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_in_both_themes(site: Recorded, page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(site.url)
    toolbar = Toolbar(page)
    toolbar.button("Mark profile start").click()
    for part in (
        toolbar.state,
        toolbar.host.get_by_text("Small letters"),
        toolbar.button("Log"),
        toolbar.button("Mark profile start"),
    ):
        assert part.evaluate(CONTRAST) >= 4.5


CONTRAST = """element => {
  const light = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  let ground = element;
  while (getComputedStyle(ground).backgroundColor === 'rgba(0, 0, 0, 0)') ground = ground.parentElement;
  const [one, other] = [getComputedStyle(element).color, getComputedStyle(ground).backgroundColor].map(light).sort((a, b) => b - a);
  return (one + 0.05) / (other + 0.05);
}"""


def test_the_log_in_plain_words(site: Recorded, page: Page) -> None:
    page.goto(site.url)
    toolbar = Toolbar(page)
    page.evaluate("fetch('/echo?status=418').then(answer => answer.text())")
    toolbar.button("Log").click()
    expect(toolbar.host.get_by_text("GET /echo: 418").first).to_be_visible()
    page.evaluate("fetch('/pieces').then(answer => answer.text())")
    expect(toolbar.host.get_by_text("GET /pieces: 200").first).to_be_visible()


def test_a_tab_that_nobody_sees_asks_nothing(site: Recorded, page: Page) -> None:
    asked: list[str] = []
    page.clock.install()
    page.goto(site.url)
    Toolbar(page).bar.wait_for()
    page.on("request", lambda request: asked.append(request.url) if "/status" in request.url else None)
    page.clock.run_for(30_000)
    wait_until(lambda: page.evaluate("1") and asked, "it asks")
    page.evaluate(
        "Object.defineProperty(document, 'hidden', {get: () => true}); document.dispatchEvent(new Event('visibilitychange'))"
    )
    all_is_heard(page)
    asked.clear()
    page.clock.run_for(300_000)
    all_is_heard(page)
    assert asked == []


def all_is_heard(page: Page) -> None:
    """Every request that the page has sent until now was told to whoever listens: they come in their order."""
    with page.expect_request("**/echo?heard"):
        page.evaluate("void fetch('/echo?heard')")
