"""The captures that a log's manifest names (docs/formats.md, Captures), as far as they are captures.

Ids and slugs become names of folders, some of which are replaced or removed: what is not as the recorder writes it is
passed over and told.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import orjson

from assembler.profile import slug_problem
from recorder.events import VERSION
from recorder.manifest import CAPTURES_NAME, Scope, State

__all__ = ["capture_id_of", "captures_in"]

_ID = re.compile(r"[0-9A-Za-z]{1,64}")
_KINDS: dict[str, tuple[type, ...]] = {
    "run_id": (str, type(None)),
    "session": (str, type(None)),
    "started": (str,),
    "ended": (str, type(None)),
    "notes": (str,),
    "unsnapshotted": (bool,),
    "windows": (list,),
}


def captures_in(logs: Path) -> tuple[list[dict[str, Any]], str | None]:
    """The captures of the `_logs` directory `logs`, and what of its manifest is none, as a clause; no manifest: none."""
    try:
        document = orjson.loads((logs / CAPTURES_NAME).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return [], None
    except OSError as error:
        return [], f"cannot be read ({error.strerror})"
    except ValueError:
        return [], "is no JSON: it was cut short or overwritten"
    if not isinstance(document, dict) or not isinstance(document.get("captures"), list):
        return [], "is no list of captures"
    if document.get("v") != VERSION:
        return [], f"is of the format version {str(document.get('v'))[:40]}, not {VERSION}"
    listed = document["captures"]
    found = [entry for entry in listed if _sound(entry)]
    return found, f"names {len(listed) - len(found)} captures that are none" if len(found) < len(listed) else None


def capture_id_of(value: object) -> str | None:
    """`value` when it can be the id of a capture, and so the name of a folder."""
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


def _sound(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and capture_id_of(entry.get("capture_id")) is not None
        and isinstance(entry.get("slug"), str)
        and slug_problem(entry["slug"]) is None
        and entry.get("scope") in get_args(Scope)
        and entry.get("state") in get_args(State)
        and all(key in entry and isinstance(entry[key], kinds) for key, kinds in _KINDS.items())
    )
