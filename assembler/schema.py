"""The JSON Schema of `profile.yaml` where editors find it: in `profiles/`, named by the first line of each document.

Editors with a YAML language server (VS Code's YAML extension among them) read that line and resolve it against the
document's own folder, without asking the network. So the schema lies beside the profiles, in a place that drafts and
profiles reach by a relative path on every machine that has a copy of them.
"""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from assembler.storage import write_text

__all__ = ["OF_DRAFT", "OF_PROFILE", "SCHEMA", "place", "referring"]

SCHEMA = "profile.schema.json"

_SERVER = "# yaml-language-server: $schema="
OF_DRAFT = f"{_SERVER}../../{SCHEMA}"
"""The first line of `profiles/_drafts/<slug>/profile.yaml`."""
OF_PROFILE = f"{_SERVER}../{SCHEMA}"
"""The first line of `profiles/<slug>/profile.yaml`."""

_ANY = re.compile(rf"^{re.escape(_SERVER)}", re.MULTILINE)
_OURS = re.compile(rf"^{re.escape(_SERVER)}(?:\.\./)*{re.escape(SCHEMA)}[ \t]*$", re.MULTILINE)


def place(data_root: Path) -> Path:
    """Lay the schema of this version beside the profiles of `data_root`, and return where. Raises OSError."""
    path = data_root / "profiles" / SCHEMA
    content = files("assembler").joinpath(SCHEMA).read_bytes()
    if not path.is_file() or path.read_bytes() != content:
        write_text(path, content)
    return path


def referring(text: str, line: str) -> str:
    """The document with `line` as its reference to the schema; one that somebody wrote to another schema stays."""
    if _OURS.search(text):
        return _OURS.sub(line, text, count=1)
    return text if _ANY.search(text) else f"{line}\n{text}"
