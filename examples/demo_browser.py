"""A browser as far as a server can tell: cookies, forms, redirects, Origin and Referer, and the calls of a page's script.

Whatever the server issues (CSRF tokens, the address of a new run, the id of a job) is taken from its answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import httpx

__all__ = ["Browser", "Form", "Page", "UnexpectedAnswer"]

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PAGES = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
REDIRECTS = (301, 302, 303, 307, 308)


class UnexpectedAnswer(RuntimeError):
    """The application answered otherwise than a person could have gone on with."""


@dataclass
class Form:
    """A form as it stands on a page: where it goes, the values its fields begin with, the name of its file field."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    file: str = ""


class Page(HTMLParser):
    """What is on a page: forms, `<meta>` by name, and the files that it loads."""

    def __init__(self, url: str, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.url = url
        self.forms: list[Form] = []
        self.meta: dict[str, str] = {}
        self.files: list[str] = []
        self.feed(text)

    def form(self, word: str) -> Form:
        """The first form whose address holds `word`."""
        for form in self.forms:
            if word in form.action:
                return form
        raise UnexpectedAnswer(f"{self.url} has no form for {word}.")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by HTMLParser for each tag that begins."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(urljoin(self.url, given.get("action", ""))))
        elif tag == "input" and self.forms and given.get("type") == "file":
            self.forms[-1].file = given["name"]
        elif tag == "input" and self.forms and given.get("type") != "checkbox":
            self.forms[-1].fields[given["name"]] = given.get("value", "")
        elif tag == "meta" and "name" in given:
            self.meta[given["name"]] = given.get("content", "")
        elif file := {"img": "src", "script": "src"}.get(tag) or ("href" if given.get("rel") == "stylesheet" else None):
            self.files.append(urljoin(self.url, given[file]))


class Browser:
    """One window. `saw(what, answer)` is called for every answer that a person would notice."""

    def __init__(self, origin: str, saw: Callable[[str, httpx.Response], None]) -> None:
        self.origin = origin
        self.saw = saw
        self.page = Page(origin, "")
        self.cached: set[str] = set()
        headers = {"User-Agent": AGENT, "Accept-Language": "en-US,en;q=0.5"}
        self.http = httpx.Client(base_url=origin, headers=headers, timeout=60, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()

    def open(self, path: str, what: str) -> Page:
        """Go to a page, as by its address or a link."""
        return self._show(self._send("GET", path, headers={"Accept": PAGES}), what)

    def submit(self, form: Form, what: str, **typed: str) -> Page:
        """Send a form with what was typed into it, and see the page that comes of it."""
        headers = {"Accept": PAGES, "Origin": self.origin}
        return self._show(self._send("POST", form.action, headers=headers, data={**form.fields, **typed}), what)

    def call(self, method: str, path: str, what: str | None = None, **sent: Any) -> Any:
        """A call of the page's script: JSON comes back. Raises UnexpectedAnswer when it did not work."""
        headers = {"Accept": "*/*", **sent.pop("headers", {})}
        if method != "GET":
            headers |= {"Origin": self.origin, "X-CSRFToken": self.page.meta.get("csrf-token", "")}
        answer = self._send(method, urljoin(self.page.url, path), headers=headers, **sent)
        if what:
            self.saw(what, answer)
        document = answer.json() if answer.headers.get("content-type", "").startswith("application/json") else {}
        if not answer.is_success or document.get("Success") is False:
            raise UnexpectedAnswer(f"{method} {path} was answered {answer.status_code}: {answer.text[:200]}")
        return document

    def upload(self, form: Form, what: str, name: str, content: bytes, media_type: str) -> Any:
        """Send a form with a file by script, as `new FormData(form)` does."""
        files = {form.file: (name, content, media_type)}
        return self.call("POST", form.action, what, data=form.fields, files=files)

    def download(self, path: str, what: str) -> bytes:
        """Fetch a file that the page links to."""
        answer = self._send("GET", urljoin(self.page.url, path), headers={"Accept": "*/*"})
        self.saw(what, answer)
        if not answer.is_success:
            raise UnexpectedAnswer(f"GET {path} was answered {answer.status_code}.")
        return answer.content

    def poll(
        self, path: str, done: Callable[[Mapping[str, Any]], bool], every: float, deadline: float
    ) -> tuple[dict[str, Any], int]:
        """Ask until `done(answer)`, with `every` seconds between; returns that answer and how often it was asked for.

        Raises UnexpectedAnswer after `deadline` seconds.
        """
        end, times = time.monotonic() + deadline, 1
        while not done(document := self.call("GET", path)):
            if time.monotonic() > end:
                raise UnexpectedAnswer(f"{path} still says {document} after {deadline:g} s.")
            time.sleep(every)
            times += 1
        return document, times

    def _show(self, answer: httpx.Response, what: str) -> Page:
        self.saw(what, answer)
        while answer.status_code in REDIRECTS:
            answer = self._send("GET", answer.headers["location"], headers={"Accept": PAGES})
        if not answer.is_success:
            raise UnexpectedAnswer(f"{answer.request.method} {answer.url} was answered {answer.status_code}.")
        self.page = Page(str(answer.url), answer.text)
        for file in self.page.files:
            if file not in self.cached:
                self.cached.add(file)
                self._send("GET", file, headers={"Accept": "*/*"})
        return self.page

    def _send(self, method: str, url: str, *, headers: dict[str, str], **sent: Any) -> httpx.Response:
        if urlsplit(self.page.url).path:
            headers = {"Referer": self.page.url, **headers}
        return self.http.request(method, url, headers=headers, **sent)
