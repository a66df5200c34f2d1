"""Who may see and start what through the pages, and what the pages may do in a browser."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from playback.access import COOKIE, LASTS, issue
from playback.logbook import log_path
from playback.service import create_app
from playback.whole_numbers import BadSetting
from tests.playback.pages import attributes, keep, texts
from tests.playback.serving import FakeEngine, promote, serving

TOKEN, VIEW = "s3cret-operator", "s3cret-viewer"
PAGE = {"Accept": "text/html,*/*"}
RUN = f"{1:032x}"
PAGES = ["/", "/ui/runs", f"/ui/runs/{RUN}", "/ui/profiles/shop", "/ui/nothing", "/ui/login"]
ACTS = ["/ui/run", f"/ui/runs/{RUN}/cancel", "/ui/theme", "/ui/login", "/ui/logout"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    promote(tmp_path, "shop")
    keep(tmp_path, "shop", 1, "failed")
    return tmp_path


@pytest.fixture
def guarded(root: Path, fake: FakeEngine) -> Iterator[httpx.Client]:
    """A service with both tokens, and a browser that has none yet."""
    environ = {"PROFILE_DATA_ROOT": str(root), "PROFILE_PLAYBACK_TOKEN": TOKEN, "PROFILE_PLAYBACK_VIEW_TOKEN": VIEW}
    with serving(environ) as url, httpx.Client(base_url=url, timeout=60, headers=PAGE) as client:
        yield client


def sign_in(client: httpx.Client, token: str, to: str = "/") -> httpx.Response:
    return client.post("/ui/login", data={"token": token, "next": to})


# ---------------------------------------------------------------------- what a page may do


def test_no_page_may_run_or_load_anything_of_others(root: Path, fake: FakeEngine) -> None:
    with serving({"PROFILE_DATA_ROOT": str(root)}) as url:
        for path in PAGES:
            page = httpx.get(url + path, headers=PAGE)
            policy = page.headers.get("content-security-policy", "")
            if page.status_code == 303:
                assert path == "/ui/login"  # nobody has to sign in here
                continue
            assert {"default-src 'none'", "script-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"} <= set(
                policy.split("; ")
            ), path
            assert "unsafe" not in policy
            assert page.headers["x-content-type-options"] == "nosniff"
            assert page.headers["referrer-policy"] == "same-origin"
            assert page.headers["cache-control"] == "no-store"
            assert all(attributes(page, "script", "src")), path
            assert not attributes(page, "style, [style], [onclick]", "class")


def test_assets_are_kept_and_asked_for_once(root: Path, fake: FakeEngine) -> None:
    with serving({"PROFILE_DATA_ROOT": str(root)}) as url:
        page = httpx.get(url)
        addresses = attributes(page, "script", "src") + attributes(page, "link[rel]", "href")
        assert len(addresses) == 4
        for address in addresses:
            answer = httpx.get(f"{url}{address}")
            assert answer.status_code == 200
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            again = httpx.get(f"{url}{address}", headers={"If-None-Match": answer.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
        old = httpx.get(f"{url}/ui/static/0000/site.css")
        assert (old.status_code, old.headers["cache-control"]) == (200, "no-cache")
        assert old.headers["content-type"] == "text/css; charset=utf-8"
        for bad in ("/ui/static/0000/nothing.css", "/ui/static/0000/..%2Fsite.py", "/ui/static/0000/__init__.py"):
            assert httpx.get(url + bad).status_code == 404


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_a_page_of_another_origin_changes_nothing(root: Path, fake: FakeEngine, headers: dict[str, str]) -> None:
    with serving({"PROFILE_DATA_ROOT": str(root)}) as url:
        for path in ACTS:
            answer = httpx.post(url + path, data={"slug": "shop", "theme": "dark"}, headers=headers)
            assert answer.status_code == 403, path
            assert "set-cookie" not in answer.headers
    assert fake.calls == []


# ---------------------------------------------------------------------- signing in


def test_a_browser_without_the_token_is_asked_for_it(guarded: httpx.Client) -> None:
    for path in ("/", "/ui/runs?q=a%26b", "/ui/profiles/shop"):
        answer = guarded.get(path)
        assert answer.status_code == 303
        to = urlsplit(answer.headers["location"])
        assert (to.path, parse_qs(to.query)["next"]) == ("/ui/login", [path])
    assert guarded.get("/profiles", headers={"Accept": "*/*"}).status_code == 401
    assert guarded.get("/", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert guarded.post("/ui/run", data={"slug": "shop"}).status_code == 401
    form = guarded.get("/ui/login?next=/ui/runs")
    assert attributes(form, ".login input[name=next]", "value") == ["/ui/runs"]


def test_the_token_signs_in_with_a_cookie_that_no_script_and_no_other_site_gets(guarded: httpx.Client) -> None:
    answer = sign_in(guarded, TOKEN, "/ui/runs?q=x")
    assert (answer.status_code, answer.headers["location"]) == (303, "/ui/runs?q=x")
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", f"Max-Age={LASTS}", "Path=/"} <= set(cookie.split("; "))
    assert TOKEN not in cookie
    assert guarded.get("/").status_code == 200
    assert guarded.post("/ui/run", data={"slug": "shop"}).status_code == 303
    assert guarded.post("/ui/logout").headers["location"] == "/ui/login"
    assert guarded.get("/").status_code == 303


def test_a_wrong_token_signs_nobody_in(guarded: httpx.Client) -> None:
    for wrong in ("", "other", TOKEN + "x", "\xe9"):
        answer = sign_in(guarded, wrong)
        assert answer.status_code == 401
        assert texts(answer, "[role=alert]") == ["That is not the token of this service."]
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "to", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/\t/x"]
)
def test_nobody_is_sent_elsewhere_afterwards(guarded: httpx.Client, to: str) -> None:
    assert sign_in(guarded, TOKEN, to).headers["location"] == "/"


def test_a_cookie_that_is_old_or_made_up_is_none(guarded: httpx.Client) -> None:
    good, now = issue("operator", TOKEN), time.time()
    viewer = issue("viewer", VIEW)
    bad = [
        "", "operator", "..", good[:-1], good.replace("operator", "viewer"), viewer.replace("viewer", "operator"),
        issue("operator", "other"), issue("admin", TOKEN), issue("operator", TOKEN, now - LASTS - 120),
        issue("operator", TOKEN, now + 3600),
    ]  # fmt: skip
    for cookie in bad:
        assert guarded.get("/", headers={"Cookie": f"{COOKIE}={cookie}"}).status_code == 303, cookie
    for cookie in (good, viewer):
        assert guarded.get("/", headers={"Cookie": f"{COOKIE}={cookie}"}).status_code == 200


# ---------------------------------------------------------------------- who may look only


def test_who_may_look_only_sees_everything_and_changes_nothing(guarded: httpx.Client, fake: FakeEngine) -> None:
    sign_in(guarded, VIEW)
    for path in ("/", "/ui/runs", f"/ui/runs/{RUN}", "/ui/profiles/shop"):
        page = guarded.get(path)
        assert page.status_code == 200
        acts = [a for a in attributes(page, "form[method=post]", "action") if a not in ("/ui/theme", "/ui/logout")]
        buttons = texts(page, "form[method=post] button:not(.quiet):not([name=theme])")
        assert (acts in ([], ["/ui/run"]), buttons) == (True, []), path
    for path in ("/ui/run", f"/ui/runs/{RUN}/cancel", "/run/shop", f"/runs/{RUN}/cancel"):
        answer = guarded.post(path, data={"slug": "shop"})
        assert (answer.status_code, "look, and change nothing" in answer.text) == (403, True), path
    bearer = {"Authorization": f"Bearer {VIEW}", "Accept": "*/*"}
    guarded.cookies.clear()
    assert guarded.get("/profiles", headers=bearer).status_code == 200
    assert guarded.post("/run/shop", headers=bearer).status_code == 403
    assert fake.calls == []


def test_looking_needs_a_token_for_acting_beside_it(tmp_path: Path) -> None:
    for environ in (
        {"PROFILE_PLAYBACK_VIEW_TOKEN": "x"},
        {"PROFILE_PLAYBACK_VIEW_TOKEN": "x", "PROFILE_PLAYBACK_TOKEN": "x"},
    ):
        with pytest.raises(BadSetting, match="PROFILE_PLAYBACK_VIEW_TOKEN needs PROFILE_PLAYBACK_TOKEN beside it"):
            create_app({"PROFILE_DATA_ROOT": str(tmp_path), **environ})


def test_what_was_done_is_in_the_log(guarded: httpx.Client, root: Path) -> None:
    sign_in(guarded, "a wrong one\n[page] forged")
    sign_in(guarded, VIEW)
    guarded.post("/ui/run", data={"slug": "shop"})
    sign_in(guarded, TOKEN)
    guarded.post("/ui/run", data={"slug": "shop"})
    log = log_path(root).read_text()
    assert "[page] viewer at 127.0.0.1: a wrong token at the login page" in log
    assert "[page] viewer at 127.0.0.1: signed in as viewer" in log
    assert "[asked] viewer at 127.0.0.1: POST /ui/run: 403" in log
    assert "[page] operator at 127.0.0.1: run " in log
    assert "[asked] operator at 127.0.0.1: POST /ui/run: 303" in log
    assert TOKEN not in log
    assert "forged" not in log


def test_a_theme_is_remembered_and_an_unknown_one_is_not(guarded: httpx.Client) -> None:
    sign_in(guarded, VIEW)
    answer = guarded.post("/ui/theme", data={"theme": "dark", "next": "/ui/runs"})
    assert answer.headers["location"] == "/ui/runs"
    assert attributes(guarded.get("/"), "html", "data-theme") == ["dark"]
    assert "set-cookie" not in guarded.post("/ui/theme", data={"theme": 'x"><script>'}).headers
    assert attributes(guarded.get("/", headers={"Cookie": "theme=pink"}), "html", "data-theme")
