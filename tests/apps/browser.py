"""What a browser knows of a page: its form fields, select options and meta tags. For the drivers."""

from __future__ import annotations

from html.parser import HTMLParser


class Page(HTMLParser):
    """`fields` by name, `options` as {select: {label: value}}, `meta` by name, `links` in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.fields: dict[str, str] = {}
        self.options: dict[str, dict[str, str]] = {}
        self.meta: dict[str, str] = {}
        self.links: list[str] = []
        self._select = self._value = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "input" and "name" in given:
            self.fields[given["name"]] = given.get("value", "")
        elif tag == "meta" and "name" in given:
            self.meta[given["name"]] = given.get("content", "")
        elif tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "select":
            self._select = given["name"]
            self.options[self._select] = {}
        elif tag == "option":
            self._value = given["value"]

    def handle_data(self, data: str) -> None:
        if self._value:
            self.options[self._select][data.strip()] = self._value

    def handle_endtag(self, tag: str) -> None:
        if tag == "option":
            self._value = ""
