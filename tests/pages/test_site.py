"""The site: it is built strictly, has every page, and loads nothing from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from selectolax.lexbor import LexborHTMLParser

from tests.support import ROOT, clean_environ

DOCS = ROOT / "docs"
LOADS = (
    ("script", "src"),
    ("img", "src"),
    ("iframe", "src"),
    ("link[rel=stylesheet]", "href"),
    ("link[rel~=icon]", "href"),
    ("source", "src"),
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` does, with every warning an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, env=clean_environ(), capture_output=True, text=True, timeout=600)
    assert built.returncode == 0, built.stderr
    return folder


def trees(site: Path) -> list[tuple[Path, LexborHTMLParser]]:
    return [(path, LexborHTMLParser(path.read_text(encoding="utf-8"))) for path in sorted(site.rglob("*.html"))]


def test_every_page_is_in_it(site: Path) -> None:
    pages = {path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md")}
    assert pages <= {path.relative_to(site) for path in site.rglob("*.html")}
    assert (site / "ARCHITECTURE.html").exists()
    assert (site / "profiles/profile.schema.json").read_bytes() == (ROOT / "profiles/profile.schema.json").read_bytes()


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    elsewhere = [
        (path.name, node.attributes[attribute])
        for path, tree in trees(site)
        for selector, attribute in LOADS
        for node in tree.css(selector)
        if re.match(r"(?:https?:)?//", node.attributes.get(attribute) or "")
    ]
    assert elsewhere == []
    styles = "\n".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert re.findall(r"(?:url\(|@import\s+)[\"']?(?:https?:)?//[^)\"']*", styles) == []


def test_what_only_tests_read_is_not_in_it(site: Path) -> None:
    assert [path.name for path in site.rglob("*.html") if "<!-- test:" in path.read_text(encoding="utf-8")] == []


def test_code_is_shown_as_code(site: Path) -> None:
    """What Markdown would take apart, were a fence not seen: no page has a bare fence or a table's line in its text."""
    for path, tree in trees(site):
        for node in tree.css("article p"):
            text = node.text()
            assert "```" not in text, (path.name, text)
            assert not text.lstrip().startswith("| "), (path.name, text)
