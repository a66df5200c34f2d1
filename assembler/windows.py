"""The captures that a log's manifest names (docs/formats.md, Captures), as far as they are captures.

Ids and slugs become names of folders, some of which are replaced or removed: what is not as the recorder writes it is
passed over and told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

import orjson

from assembler.profile import slug_problem
from recorder.events import VERSION
from recorder.manifest import CAPTURES_NAME, Scope, State

__all__ = ["CLOSED", "Windows", "capture_id_of", "captures_in"]

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


CLOSED = ("ended", "discarded")
"""States of a capture that gets no more records."""


class Windows:
    """The captures of many logs. A manifest is read again when another file stands in its place."""

    def __init__(self) -> None:
        self._read: dict[Path, tuple[tuple[int, int, int], list[dict[str, Any]]]] = {}
        self.faults: dict[Path, str] = {}
        """Manifests that are none, or not in whole, each with what it is: the end of a sentence."""

    def of(self, directories: Iterable[Path]) -> list[dict[str, Any]]:
        """Every capture that a manifest in one of the `_logs` directories names, the oldest first, with that directory."""
        found: dict[str, dict[str, Any]] = {}
        for directory in sorted(directories, reverse=True):
            for entry in self._captures(directory):
                found[entry["capture_id"]] = {**entry, "_logs": directory}
        return sorted(found.values(), key=lambda c: str(c["capture_id"]))

    def _captures(self, directory: Path) -> list[dict[str, Any]]:
        manifest = directory / CAPTURES_NAME
        try:
            stat = manifest.stat()
        except OSError:
            self.faults.pop(manifest, None)
            return []
        stamp = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        known = self._read.get(directory)
        if known is None or known[0] != stamp:
            found, fault = captures_in(directory)
            known = self._read[directory] = (stamp, found)
            if fault is None:
                self.faults.pop(manifest, None)
            else:
                self.faults[manifest] = fault
        return known[1]

    def missing(self, root: Path) -> list[str]:
        """What is not known of the captures, in sentences without a path of this machine."""
        return [
            f"The captures listed in {'RECORDER_ROOT' if path.parent.parent == root else f'the run {path.parent.parent.name}'} "
            f"are not all known: {path.name} {fault}."
            for path, fault in sorted(self.faults.items())
        ]


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
        and type(entry.get("revision", 0)) is int
    )
