"""Hooks of the documentation site (mkdocs.yml): pages that lie outside of docs/, links to them, marks of the tests.

The site's root stands for docs/ and for the repository at once: docs/formats.md and ARCHITECTURE.md lie side by side in it. So
links that lead somewhere in a clone lead somewhere in the site, too.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

DOCS = "docs/"
ALSO = (
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "examples/comparator/pyproject.toml",
    "examples/comparator/unordered_lines.py",
    "examples/watershed/README.md",
    "examples/watershed/data/ATTRIBUTION.md",
    "profiles/profile.schema.json",
)
"""What is published beside docs/, by its path in the repository."""
MARK = re.compile(r"^<!-- test: .*? -->\n", re.MULTILINE)
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#|/)([^()\s#]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is published from outside of docs/."""
    root = posixpath.dirname(str(config.config_file_path))
    for path in ALSO:
        files.append(File.generated(config, path, abs_src_path=posixpath.join(root, path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: object) -> str:
    """Lead links from a clone's layout to the site's, and leave out what only the tests read."""
    here: str = page.file.src_uri
    place = posixpath.dirname(here if here in ALSO else DOCS + here)

    def led(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(place, match[1]))
        target = target.removeprefix(DOCS)
        return posixpath.relpath(target, posixpath.dirname(here) or ".")

    return LINK.sub(led, MARK.sub("", markdown))
