"""The documentation: generated pages are what the code says, links lead somewhere, examples outside of docs/ load.

What the pages in docs/ say is done in `tests.pages.test_pages`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import typer

from assembler.document import loads_profile
from playback import comparators
from playback.validation import MAPPED
from tests.support import ROOT, clean_environ
from wctl.cli import app

DOCS = ROOT / "docs"
OUTSIDE = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")]
PAGES = OUTSIDE + sorted(DOCS.rglob("*.md"))
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^()\s]+)\)")
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def prose(text: str) -> str:
    """A page without its code: brackets and parentheses there are no links."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))


def anchors(text: str) -> set[str]:
    """The fragments that lead to headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.*)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield name, command
    for part, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, f"{name} {part}")


def test_generated_pages_are_what_the_code_says(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts/docs.py"), "--out", str(tmp_path)]
    ran = subprocess.run(command, cwd=tmp_path, env=clean_environ(), capture_output=True, text=True, timeout=180)
    assert ran.returncode == 0, ran.stderr
    written = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.*") if path.is_file())
    assert len(written) == 9
    stale = [str(path) for path in written if (tmp_path / path).read_text() != _kept(path)]
    assert stale == [], "run `make reference` and commit what it writes"


def _kept(path: Path) -> str | None:
    return (ROOT / path).read_text() if (ROOT / path).exists() else None


def test_every_command_and_option_is_named() -> None:
    page = (DOCS / "reference/cli.md").read_text()
    for name, command in commands(typer.main.get_command(app), "wctl"):
        heading = f"\n## {name}\n"
        assert heading in page
        section = page.partition(heading)[2].partition("\n## ")[0]
        for parameter in command.params:
            for option in parameter.opts if parameter.param_type_name == "option" else []:
                assert f"`{option}" in section or option == "--help", f"{name} {option}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_mentioned_exists(page: Path) -> None:
    known = {name for name, _ in commands(typer.main.get_command(app), "wctl")}
    # In code: between backticks, or at the beginning of an indented line.
    mentioned = re.findall(r"(?:`|^ {4}|^)wctl ([a-z][a-z-]+)(?: ([a-z]+)\b)?", page.read_text(), re.MULTILINE)
    groups = {name.split()[1] for name in known if name.count(" ") == 2}
    words = {f"wctl {first} {second}" if first in groups and second else f"wctl {first}" for first, second in mentioned}
    assert words - known == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text()
    dead = []
    for link in LINK.findall(prose(text)):
        path, _, fragment = unquote(link).partition("#")
        if "://" in path or path.startswith("mailto:"):
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (fragment and fragment not in anchors(target.read_text())):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("page", OUTSIDE, ids=lambda page: page.name)
def test_every_profile_loads(page: Path) -> None:
    """A YAML example is a profile, or sections and keys of one."""
    for language, text in FENCE.findall(page.read_text()):
        if language == "yaml":
            for comparison in loads_profile(_whole(text), page.name).comparisons:
                if comparison.method != MAPPED:
                    comparators.validate_params(comparison.method, comparison.params)


@pytest.mark.parametrize("page", OUTSIDE, ids=lambda page: page.name)
def test_every_program_runs(page: Path, tmp_path: Path) -> None:
    """Python examples, each in a process of its own; for Django there is a project to be found."""
    (tmp_path / "mysite").mkdir()
    (tmp_path / "mysite" / "settings.py").write_text("SECRET_KEY = 'only here'\n")
    env = {**clean_environ(), "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    for language, text in FENCE.findall(page.read_text()):
        if language == "python":
            ran = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, env=env, capture_output=True, text=True)
            assert ran.returncode == 0, f"{text}\n{ran.stderr}"


def _whole(text: str) -> str:
    """An example made a profile: what it leaves out is put around it."""
    if text.startswith("- "):  # steps
        return f"metadata: {{slug: example}}\nsteps:\n{text}"
    return text if re.search(r"^metadata:", text, re.MULTILINE) else f"metadata: {{slug: example}}\n{text}"
