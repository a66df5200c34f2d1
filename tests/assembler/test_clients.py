"""Recorded requests told apart into clients, each with the cookies that its own answers gave it."""

from __future__ import annotations

from pathlib import Path

import pytest

from assembler.document import load_profile
from assembler.profile import Profile
from tests.assembler.deployment import Deployment

AGENT = ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)")


class Browser:
    """Somebody who sends a given cookie header: a browser's jar is what is under test, so it has none."""

    def __init__(self, site: Deployment) -> None:
        self.site = site
        self.capture = site.start()

    def get(
        self, path: str, cookie: str = "", *, sets: tuple[str, ...] = (), agent: tuple[str, str] = AGENT, **rest: str
    ) -> None:
        headers = [
            agent,
            *([("cookie", cookie)] if cookie else []),
            *((n.replace("_", "-"), v) for n, v in rest.items()),
        ]
        self.site.send("GET", path, f"<p>{path}</p>", headers=headers, cookies=sets)

    def login(self, path: str, value: str) -> None:
        self.site.form(
            path, "user=ada&password=open-sesame-42", headers=[AGENT], cookies=[f"sid={value}; Path=/; HttpOnly"]
        )

    def profile(self) -> Profile:
        self.site.end(self.capture)
        self.status = self.site.assemble()
        return load_profile(self.status.directory / "profile.yaml")


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    return Browser(Deployment(tmp_path))


def clients(profile: Profile) -> list[tuple[str | None, str]]:
    return [(step.path, step.client) for step in profile.steps]


ONE, TWO, THREE = "aaaa1111bbbb2222", "cccc3333dddd4444", "eeee5555ffff6666"


def test_two_browsers_of_one_kind_are_told_apart_by_their_cookies(browser: Browser) -> None:
    browser.login("/login", ONE)
    browser.login("/login-too", TWO)
    for number in range(2):
        browser.get(f"/one/{number}", f"sid={ONE}")
        browser.get(f"/two/{number}", f"sid={TWO}")
    profile = browser.profile()
    assert browser.status.problems == ()
    assert clients(profile) == [
        ("/login", "main"), ("/login-too", "client-2"),
        ("/one/0", "main"), ("/two/0", "client-2"), ("/one/1", "main"), ("/two/1", "client-2"),
    ]  # fmt: skip
    assert all(client.headers == {"user-agent": AGENT[1]} for client in profile.metadata.clients.values())
    assert all(not step.cookies and "cookie" not in step.headers for step in profile.steps)


def test_programs_of_two_kinds_are_two_clients(browser: Browser) -> None:
    for number in range(2):
        browser.get(f"/page/{number}")
        browser.get(f"/api/{number}", agent=("user-agent", "curl/8"))
    profile = browser.profile()
    assert [client for _, client in clients(profile)] == ["main", "client-2", "main", "client-2"]
    assert {n: c.headers["user-agent"] for n, c in profile.metadata.clients.items()} == {
        "main": AGENT[1],
        "client-2": "curl/8",
    }


@pytest.mark.parametrize(
    "gone",
    ["sid=; Max-Age=0; Path=/", "sid=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/", 'sid=""; Max-Age=0; Path=/'],
)
def test_who_logs_out_and_in_again_is_one_client(browser: Browser, gone: str) -> None:
    browser.login("/login", ONE)
    browser.get("/home", f"sid={ONE}")
    browser.get("/logout", f"sid={ONE}", sets=(gone,))
    browser.get("/anonymous")
    browser.login("/again", TWO)
    browser.get("/home/2", f"sid={TWO}")
    profile = browser.profile()
    assert {client for _, client in clients(profile)} == {"main"}
    assert browser.status.problems == ()


def test_a_session_that_is_rotated_stays_with_its_client(browser: Browser) -> None:
    browser.login("/login", ONE)
    browser.get("/a", f"sid={ONE}", sets=(f"sid={TWO}; Path=/",))
    browser.get("/b", f"sid={TWO}", sets=(f"sid={THREE}; Path=/",))
    browser.get("/c", f"sid={THREE}")
    profile = browser.profile()
    assert {client for _, client in clients(profile)} == {"main"}
    assert all(not step.cookies for step in profile.steps)
    assert browser.status.problems == ()


def test_a_request_that_left_with_the_old_cookie_is_of_the_same_client(browser: Browser) -> None:
    """A page asks for two things at once, and the answer to one of them rotates the session."""
    browser.login("/login", ONE)
    browser.get("/first", f"sid={ONE}", sets=(f"sid={TWO}; Path=/",))
    browser.get("/second", f"sid={ONE}")
    browser.get("/third", f"sid={TWO}")
    profile = browser.profile()
    assert {client for _, client in clients(profile)} == {"main"}
    assert all(not step.cookies for step in profile.steps)
    assert browser.status.problems == ()


def test_a_cookie_that_a_script_made_is_told_and_changes_no_client(browser: Browser) -> None:
    browser.login("/login", ONE)
    browser.get("/a", f"sid={ONE}")
    browser.get("/b", f"sid={ONE}; theme=dark")
    browser.get("/c", f"theme=dark; sid={ONE}")
    profile = browser.profile()
    assert {client for _, client in clients(profile)} == {"main"}
    assert browser.status.problems == ()
    assert [w for w in browser.status.warnings if "'theme' was made in the browser" in w]


def test_a_cookie_that_a_script_changes_changes_no_client(browser: Browser) -> None:
    browser.login("/login", ONE)
    for number in range(3):
        browser.get(f"/page/{number}", f"sid={ONE}; _seen={number}")
    assert {client for _, client in clients(browser.profile())} == {"main"}


def test_two_browsers_from_before_the_log_begins_are_told_apart(browser: Browser) -> None:
    for number in range(2):
        browser.get(f"/one/{number}", f"theme=dark; sid={ONE}")
        browser.get(f"/two/{number}", f"theme=dark; sid={TWO}")
    assert [client for _, client in clients(browser.profile())] == ["main", "client-2", "main", "client-2"]


def test_a_session_that_no_answer_gave_is_a_problem(browser: Browser) -> None:
    browser.get("/home", f"sid={ONE}")
    browser.profile()
    (problem,) = browser.status.problems
    assert "GET /home sent the cookie 'sid', which no recorded answer set; record the login too" in problem


def test_the_recorders_own_cookie_is_nobodys(browser: Browser) -> None:
    own = "recorder_session=" + "s" * 22
    browser.get("/a", sets=(f"{own}; Path=/",))
    browser.get("/b", own)
    browser.get("/c", f"{own}; theme=dark")
    browser.get("/d", "theme=dark")
    profile = browser.profile()
    assert {client for _, client in clients(profile)} == {"main"}
    assert all(step.expect is not None and step.expect.cookies is None for step in profile.steps)
    assert browser.status.problems == ()


def test_cookies_are_owed_where_their_path_says(browser: Browser) -> None:
    browser.login("/login", ONE)
    browser.get("/admin/", f"sid={ONE}", sets=("tab=files; Path=/admin",))
    browser.get("/admin/users", f"sid={ONE}; tab=files")
    browser.get("/home", f"sid={ONE}")
    profile = browser.profile()
    assert {client for _, client in clients(profile)} == {"main"}
    assert browser.status.warnings == ()
    assert [step.expect.cookies for step in profile.steps if step.expect] == [["sid"], ["tab"], None, None]


def test_cookies_behind_a_proxy_that_speaks_https(browser: Browser) -> None:
    browser.get(
        "/login", sets=(f"sid={ONE}; Path=/; Secure",), x_forwarded_proto="https", x_forwarded_host="app.example.org"
    )
    browser.get("/home", f"sid={ONE}", x_forwarded_proto="https", x_forwarded_host="app.example.org")
    profile = browser.profile()
    assert {client for _, client in clients(profile)} == {"main"}
    assert profile.metadata.recorded_with.origin == "https://app.example.org"
    assert browser.status.problems == ()


def test_clients_are_counted_among_the_steps_alone(browser: Browser) -> None:
    """Whoever was there before the window and has no part in it takes no name."""
    site = browser.site
    site.end(browser.capture)
    for number in range(3):
        browser.login(f"/others/{number}", f"{number}aaa1111bbbb2222")
    browser.login("/login", THREE)
    browser.capture = site.start()
    browser.get("/home", f"sid={THREE}")
    profile = browser.profile()
    assert [(s.path, s.client) for s in profile.prologue] == [("/login", "main")]
    assert clients(profile) == [("/home", "main")]
    assert list(profile.metadata.clients) == ["main"]
