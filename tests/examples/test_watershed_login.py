"""Logging in to the sample application: cookies, CSRF, coming back to where one was."""

from __future__ import annotations

import re
from uuid import uuid4

import httpx
import pytest

from tests.examples.watershed_site import WATERSHED, Browser, Site, seed
from tests.support import Server


def test_strangers_are_asked_to_log_in(site: Site) -> None:
    stranger = Browser(site.url).http
    answer = stranger.get("/weppcloud/runs/backed-globule/rusle-90m/?tab=dem")
    assert answer.status_code == 302
    next_page = "/weppcloud/runs/backed-globule/rusle-90m/?tab%3Ddem"
    assert answer.headers["location"] == f"/weppcloud/login?next={next_page}"
    answer = stranger.get("/weppcloud/runs/backed-globule/rusle-90m/rq/status")
    assert answer.status_code == 401
    assert answer.json() == {"Success": False, "Error": "Log in first."}


def test_login_leads_back_to_the_page_asked_for(site: Site) -> None:
    for wanted, reached in {
        "/weppcloud/runs/": "/weppcloud/runs/",
        "": "/weppcloud/",
        "https://elsewhere.example/": "/weppcloud/",
        "//elsewhere.example/weppcloud/": "/weppcloud/",
    }.items():
        answer = Browser(site.url).log_in(next=wanted)
        assert (answer.status_code, answer.headers["location"]) == (302, reached)


@pytest.mark.parametrize("wrong", [{"password": "guess"}, {"email": "someone@example.org"}, {"password": ""}])
def test_wrong_credentials_get_the_form_again(site: Site, wrong: dict[str, str]) -> None:
    browser = Browser(site.url)
    answer = browser.log_in(**wrong)
    assert answer.status_code == 200
    assert "do not belong together" in answer.text
    assert 'name="password"' in answer.text
    assert browser.http.get("/weppcloud/").status_code == 302


def test_cookies_are_not_for_scripts_and_not_for_other_sites(site: Site) -> None:
    cookies = {
        cookie.split("=")[0]: cookie for cookie in Browser(site.url).log_in(remember="y").headers.get_list("set-cookie")
    }
    assert set(cookies) == {"session", "remember_token"}
    for cookie in cookies.values():
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "Secure" not in cookie
    assert len(Browser(site.url).log_in().headers.get_list("set-cookie")) == 1


def test_remembered_without_a_session(site: Site) -> None:
    browser = Browser(site.url)
    browser.log_in(remember="y")
    browser.http.cookies.delete("session")
    assert browser.http.get("/weppcloud/").status_code == 200


def test_unsafe_calls_need_the_token(browser: Browser) -> None:
    page = browser.create()
    assert browser.http.post(f"{page}rq/api/run-wepp").status_code == 400
    answer = browser.http.post(f"{page}tasks/set-climate", json={}, headers={"X-CSRFToken": "forged"})
    assert answer.status_code == 400
    assert browser.http.post("/weppcloud/create/rusle-90m").status_code == 400


def test_logout(site: Site) -> None:
    browser = site.browser()
    assert browser.post("/weppcloud/logout").status_code == 302
    assert browser.http.get("/weppcloud/").status_code == 302


def test_behind_https_cookies_are_secure_and_clones_off_by_default(site: Site, redis_url: str) -> None:
    env = {
        "PYTHONPATH": str(WATERSHED),
        "WATERSHED_RUN_ROOT": str(site.run_root),
        "WATERSHED_PUBLIC_ORIGIN": "https://soil.example",
        "REDIS_URL": redis_url,
        "RECORDER_ENABLED": "false",
        "ADMIN_EMAIL": "ada@example.org",
        "ADMIN_PASSWORD": "of one's own",
    }
    with Server.gunicorn("app:app", env=env, path="/health") as server:
        public = {
            "Host": "soil.example",
            "X-Forwarded-Proto": "https",
            "Referer": "https://soil.example/weppcloud/login",
        }
        with httpx.Client(base_url=server.url, headers=public) as http:
            form = http.get("/weppcloud/login")
            assert "Secure" in form.headers["set-cookie"]
            sent_back = {"Cookie": form.headers["set-cookie"].split(";")[0]}
            token = re.search(r'name="csrf-token" content="([^"]+)"', form.text)[1]
            data = {"csrf_token": token, "email": "ada@example.org", "password": "of one's own", "remember": "y"}
            answer = http.post("/weppcloud/login", data=data, headers=sent_back)
            assert answer.status_code == 302
            cookies = answer.headers.get_list("set-cookie")
            assert len(cookies) == 2
            assert all("Secure" in cookie for cookie in cookies)
            sent_back = {"Cookie": "; ".join(cookie.split(";")[0] for cookie in cookies)}
            clone = site.clone_root / uuid4().hex
            seed(clone)
            page = f"/weppcloud/runs/profile;;tmp;;{clone.name}/rusle-90m/"
            assert http.get(page, headers=sent_back).status_code == 404
