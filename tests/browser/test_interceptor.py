"""The interceptor in real pages: calls do what they did without it, and the recorder hears what only a browser knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route

from tests.browser.recording import Recorded, Toolbar, expect, recorded
from tests.support import wait_until


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    with recorded(tmp_path_factory.mktemp("site"), drafts=False) as running:
        yield running


@pytest.fixture
def watched(site: Recorded, page: Page) -> Page:
    """A page with the interceptor in it, of a tab that knows its role already."""
    page.goto(site.url)
    Toolbar(page).bar.wait_for()
    return page


# Calls do what they did

ENDS = """async promise => { try { const found = await promise; return found instanceof Response
  ? [found.status, found.type, found.redirected, new URL(found.url).pathname, await found.json().catch(() => null)] : String(found) }
  catch (error) { return [error.constructor.name, error.name, error.message] } }"""
CALLS = {
    "text": "fetch('/echo?a=1')",
    "an address": "fetch(new URL('/echo?b', location))",
    "a form": "fetch('/echo', {method: 'POST', body: new URLSearchParams({a: 'ü'})})",
    "JSON and own headers": "fetch('/echo', {method: 'PUT', headers: {'X-Own': 'x', 'Content-Type': 'application/json'}, body: '{}'})",
    "headers as pairs": "fetch('/echo', {headers: [['X-Own', 'a'], ['x-own', 'b']]})",
    "a request": "fetch(new Request('/echo', {method: 'POST', body: 'abc', headers: {'X-Own': 'r'}}))",
    "a request and more": "fetch(new Request('/echo', {headers: {'X-Own': 'r'}}), {method: 'POST', body: 'later'})",
    "a request with another referrer": "fetch(new Request('/echo', {referrer: '/from-here', referrerPolicy: 'origin-when-cross-origin'}))",
    "a request without a referrer": "fetch(new Request('/echo', {referrerPolicy: 'no-referrer'}))",
    "a request as the second argument": "fetch('/echo', new Request('/other', {method: 'POST', body: 'abc', headers: {'X-Own': 'r'}}))",
    "an object of a class": "fetch('/echo', new (class { get method() { return 'PUT' } get body() { return 'c' } })())",
    "a stream": "fetch('/echo', {method: 'POST', duplex: 'half', body: new Blob(['stream']).stream()})",
    "kept alive": "fetch('/echo', {method: 'POST', keepalive: true, body: 'k'})",
    "without cors": "fetch('/echo', {mode: 'no-cors'})",
    "a refusal": "fetch('/echo?status=403')",
    "data": "fetch('data:application/json,[1]')",
    "a blob": "fetch(URL.createObjectURL(new Blob(['[1]'])))",
    "a stopped redirect": "fetch('/elsewhere', {redirect: 'manual'}).then(found => found.type)",
    "a refused redirect": "fetch('/elsewhere', {redirect: 'error'})",
    "a bad header": "fetch('/echo', {headers: {'bad header': 'x'}})",
    "a bad address": "fetch('http://:::')",
    "a bad method": "fetch('/echo', {method: 'TRACE'})",
    "a body with GET": "fetch('/echo', {body: 'x'})",
    "nothing": "fetch()",
    "something else": "fetch({toString: () => '/echo?object'})",
    "another scheme": "fetch('ftp://127.0.0.1/x')",
    "aborted before": "fetch('/slow', {signal: AbortSignal.abort()})",
    "aborted with a reason": "fetch('/slow', {signal: AbortSignal.abort('because')})",
    "timed out": "fetch('/slow', {signal: AbortSignal.timeout(50)})",
    "another origin": "fetch(OTHER + '/echo?cross')",
    "a post to another origin": "fetch(OTHER + '/echo', {method: 'POST', body: 'simple'})",
    "another origin, out of reach": "fetch(OTHER + '/')",
}


@pytest.fixture(scope="module")
def both_ways(site: Recorded, chromium: Any) -> dict[str, tuple[Any, Any]]:
    """What each call comes to in a page without the interceptor, and in one with it."""
    found: list[dict[str, Any]] = []
    for path in ("/plain", "/"):
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        page.goto(site.url + path)
        if path == "/":
            Toolbar(page).bar.wait_for()
        page.evaluate("other => { window.OTHER = other }", site.other)
        ends = {name: page.evaluate(f"() => ({ENDS})({call})") for name, call in CALLS.items()}
        found.append(ends)
        page.close()
    return {name: (found[0][name], found[1][name]) for name in CALLS}


def known(answer: Any) -> Any:
    """An answer without what tells the two pages apart."""
    if (
        isinstance(answer, list) and len(answer) == 5 and answer[3].startswith("http")
    ):  # a blob, which has a name of its own
        return [*answer[:3], answer[4]]
    if isinstance(answer, list) and len(answer) == 5 and isinstance(answer[4], dict):
        headers = {
            k: v for k, v in answer[4].pop("headers").items() if not (k == "referer" and v.endswith(("/plain", "/")))
        }
        return [*answer[:4], {**answer[4], "headers": headers, "preflights": None}]
    return answer


@pytest.mark.parametrize("name", CALLS)
def test_a_call_ends_as_it_would(both_ways: dict[str, tuple[Any, Any]], name: str) -> None:
    without, with_it = both_ways[name]
    assert known(with_it) == known(without)


def test_the_application_never_sees_the_header(watched: Page) -> None:
    told = watched.evaluate("fetch('/echo').then(answer => answer.json())")
    assert "x-recorder-request" not in told["headers"]


def test_functions_look_and_behave_as_the_browsers_own(watched: Page) -> None:
    assert watched.evaluate("""() => [
        /\\[native code\\]/.test(fetch.toString()), /\\[native code\\]/.test(String(XMLHttpRequest.prototype.send)),
        fetch.name, fetch.length, XMLHttpRequest.prototype.open.length, Object.keys(window).includes('fetch'),
        fetch('/echo') instanceof Promise, navigator.sendBeacon('/echo', 'b'),
        (() => { try { XMLHttpRequest.prototype.open.call({}, 'GET', '/') } catch (error) { return error.name } })(),
        (() => { try { new XMLHttpRequest().send() } catch (error) { return error.name } })(),
    ]""") == [True, True, "fetch", 1, 2, True, True, True, "TypeError", "InvalidStateError"]


def test_a_rejection_that_nobody_handles_is_still_told_of(watched: Page) -> None:
    with watched.expect_event("pageerror") as told:
        watched.evaluate("void fetch('http://:::')")
    assert "Failed to parse URL" in str(told.value) or "Invalid URL" in str(told.value) or "fetch" in str(told.value)


def test_a_stream_is_read_while_it_comes(watched: Page) -> None:
    pieces = watched.evaluate("""async () => {
        const reader = (await fetch('/pieces')).body.getReader(), found = [];
        for (let step; !(step = await reader.read()).done;) found.push(new TextDecoder().decode(step.value));
        return found.join('');
    }""")
    assert pieces == "0 1 2 "


XHR = """(how) => new Promise(done => {
    const asked = new XMLHttpRequest(), heard = [];
    for (const kind of ['loadstart', 'progress', 'load', 'error', 'abort', 'timeout', 'loadend'])
        asked.addEventListener(kind, () => heard.push(kind));
    asked.addEventListener('loadend', () => done([asked.status, heard.filter(kind => kind !== 'progress'),
        asked.responseType, asked.response && asked.response.method]));
    asked.open(how.method || 'GET', how.url);
    asked.responseType = 'json';
    if (how.timeout) asked.timeout = how.timeout;
    asked.setRequestHeader('X-Own', 'x');
    asked.send(how.body);
    if (how.abort) asked.abort();
})"""


@pytest.mark.parametrize(
    ("how", "ends"),
    [
        ({"url": "/echo"}, [200, ["loadstart", "load", "loadend"], "json", "GET"]),
        ({"url": "/echo", "method": "POST", "body": "b"}, [200, ["loadstart", "load", "loadend"], "json", "POST"]),
        ({"url": "/slow", "abort": True}, [0, ["loadstart", "abort", "loadend"], "json", None]),
        ({"url": "/slow", "timeout": 50}, [0, ["loadstart", "timeout", "loadend"], "json", None]),
        ({"url": "http://127.0.0.1:1/"}, [0, ["loadstart", "error", "loadend"], "json", None]),
    ],
)
def test_xml_http_requests(watched: Page, how: dict[str, Any], ends: list[Any]) -> None:
    assert watched.evaluate(XHR, how) == ends
    assert (
        watched.evaluate(
            "() => { const a = new XMLHttpRequest(); a.open('GET', '/echo', false); a.send(); return a.status }"
        )
        == 200
    )


# Other origins are left alone


def test_calls_of_other_origins_need_no_permission_more(site: Recorded, watched: Page) -> None:
    watched.evaluate("other => { window.OTHER = other }", site.other)
    for call in (
        "fetch(OTHER + '/echo?x', {method: 'POST', body: 'simple'})",
        "new Promise(done => { const a = new XMLHttpRequest(); a.open('GET', OTHER + '/echo?y'); a.onloadend = done; a.send() })",
        "fetch(OTHER + '/echo?z').then(answer => answer.json())",
    ):
        found = watched.evaluate(f"async () => {{ const found = await {call}; return found.preflights || null }}")
    assert found == []
    sent = [
        name
        for event in site.requests("/echo")
        if event["payload"]["query"] in ("x", "y", "z")
        for name, _ in event["payload"]["headers"]
    ]
    assert sent
    assert "x-recorder-request" not in sent


def test_a_path_that_leads_to_another_origin_still_does(site: Recorded, watched: Page) -> None:
    for _ in range(2):
        found = watched.evaluate("fetch('/elsewhere').then(answer => answer.json())")
        assert (found["query"], found["method"]) == ("left=1", "GET")
    carried = [
        any(name == "x-recorder-request" for name, _ in e["payload"]["headers"]) for e in site.requests("/elsewhere")
    ]
    assert carried[-2:] == [False, False]


# What is reported


def test_each_request_is_joined_by_its_id(site: Recorded, watched: Page) -> None:
    watched.evaluate("fetch('/echo/joined', {method: 'POST', body: 'x'})")
    event = site.wait_for("request", lambda event: event["path"] == "/echo/joined")
    assert (event["method"], event["via"], event["status"]) == ("POST", "fetch", 404)
    assert 0 < event["ms"] < 20_000
    (started,) = site.requests("/echo/joined")
    assert dict(started["payload"]["headers"])["x-recorder-request"].startswith(event["request"] + ";")
    assert started["session"]["viewport"] == "1280x900"
    assert started["session"]["theme"] == "light"


def test_what_the_server_cannot_see(site: Recorded, watched: Page) -> None:
    watched.evaluate("""async () => {
        const abort = new AbortController();
        setTimeout(() => abort.abort(), 30);
        await fetch('/slow?seen', {signal: abort.signal}).catch(() => {});
        await fetch('http://127.0.0.1:1/away?key=hidden').catch(() => {});
        navigator.sendBeacon('/echo', 'beacon');
        const asked = new XMLHttpRequest();
        asked.open('GET', '/slow'); asked.send(); asked.abort();
    }""")
    site.wait_for("aborted", lambda event: event["via"] == "fetch" and event["path"] == "/slow")
    site.wait_for("aborted", lambda event: event["via"] == "xhr")
    site.wait_for("failed", lambda event: event["path"] == "http://127.0.0.1:1/away")
    assert "hidden" not in str(site.events())
    assert site.wait_for("beacon")["queued"] is True
    page = site.wait_for("page")
    assert (page["path"], page["viewport"], page["theme"]) == ("/", "1280x900", "light")
    assert "Chrome" in page["browser"]
    assert page["load_ms"] >= page["first_byte_ms"] > 0


def test_forms_are_told_in_order_with_the_pages_they_lead_to(site: Recorded, watched: Page) -> None:
    tab = watched.evaluate("JSON.parse(sessionStorage['profile-recorder.tab'])")
    watched.get_by_role("button", name="Save").click()
    expect(watched.get_by_role("heading", name="Second")).to_be_visible()
    wait_until(
        lambda: any(e["tab"] == tab and e["path"] == "/second" for e in site.reported("page")), "the page is told of"
    )
    watched.evaluate("""() => {
        const form = document.querySelector('form');
        form.addEventListener('submit', event => event.preventDefault());
        form.requestSubmit();  // taken by a script: it leads nowhere
        form.action = '/save?by-script';
        form.submit();
    }""")
    wait_until(
        lambda: [e["kind"] for e in site.reported("form") if e["tab"] == tab] == ["form"] * 2, "two forms are told of"
    )
    # What a page could not be sure of to have arrived, the next one tells again, under the same number.
    told = {e["n"]: e for kind in ("form", "page") for e in site.reported(kind) if e["tab"] == tab}
    ways = [(told[n]["kind"], told[n]["path"]) for n in sorted(told)]
    assert ways[:4] == [("page", "/"), ("form", "/save"), ("page", "/second"), ("form", "/save")]


def test_nothing_of_a_form_is_reported(site: Recorded, watched: Page) -> None:
    watched.get_by_role("button", name="Save").click()
    site.wait_for("form")
    assert "correct horse" not in str(site.reported("form"))


# When the recorder cannot be reached


def refuse(page: Page, *, status: int | None = None) -> list[Route]:
    """Keep reports from arriving from now on; what was tried."""
    tried: list[Route] = []

    def fail(route: Route) -> None:
        if route.request.method != "POST":
            route.continue_()
            return
        tried.append(route)
        if status is None:
            route.abort()
        else:
            route.fulfill(status=status, json={"error": "no"}, headers={"Retry-After": "1"})

    page.route("**/recorder/events*", fail)
    return tried


@pytest.mark.parametrize("status", [None, 503, 429])
def test_what_could_not_be_sent_comes_later_once(site: Recorded, watched: Page, status: int | None) -> None:
    tried = refuse(watched, status=status)
    mark = f"later-{status}"
    watched.evaluate(f"fetch('/echo/{mark}')")
    wait_until(lambda: watched.evaluate("1") and len(tried) > 1, "it was tried again")
    watched.goto(site.url + "/second")  # and it survives the page
    assert not [e for e in site.reported("request") if e["path"] == f"/echo/{mark}"]
    watched.unroute("**/recorder/events*")
    wait_until(
        lambda: watched.evaluate("1") and [e for e in site.reported("request") if e["path"] == f"/echo/{mark}"],
        "it came",
    )
    assert len([e for e in site.reported("request") if e["path"] == f"/echo/{mark}"]) == 1


def test_it_is_tried_less_and_less_often(site: Recorded, page: Page) -> None:
    page.clock.install()
    page.goto(site.url)
    Toolbar(page).bar.wait_for()
    failed: list[str] = []
    page.on("requestfailed", lambda request: failed.append(request.url))
    tried = refuse(page)
    page.evaluate("fetch('/echo')")

    def a_minute_passes() -> None:
        for _ in range(60):
            page.clock.run_for(1000)
            wait_until(lambda: page.evaluate("1") and len(failed) == len(tried), "what was tried has failed")

    a_minute_passes()
    first_minute = len(tried)
    a_minute_passes()
    assert 3 <= first_minute <= 8
    assert len(tried) - first_minute <= 2


def test_the_buffer_is_bounded_and_what_is_dropped_is_counted_and_told(site: Recorded, watched: Page) -> None:
    refuse(watched)
    watched.evaluate("""async () => {
        for (let n = 0; n < 45; n++) await Promise.all(Array.from({length: 10}, () => fetch('/echo?flood').then(found => found.text())));
    }""")
    toolbar = Toolbar(watched)
    expect(toolbar.bar.get_by_text("dropped here")).to_be_visible()
    watched.goto(site.url + "/second")
    expect(toolbar.bar.get_by_text("dropped here")).to_be_visible()
    shown = int((toolbar.bar.get_by_text("dropped here").text_content() or "").split()[0])
    assert shown >= 50
    watched.unroute("**/recorder/events*")
    assert site.wait_for("dropped")["count"] >= 50


def test_a_token_that_has_become_stale_is_renewed(site: Recorded, watched: Page) -> None:
    watched.context.clear_cookies()
    watched.evaluate("fetch('/echo/stale')")
    site.wait_for("request", lambda event: event["path"] == "/echo/stale")
