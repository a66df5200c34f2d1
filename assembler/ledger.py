"""How far the logs of one deployment were read, so that an assembler that is started again need not read all of them again.

It says where everything begins that a draft may still need, not how far the last look went: what is read twice is taken
once. Lost or stale, it only costs time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assembler.drafts import json_object
from assembler.places import Place
from assembler.storage import write_json

__all__ = ["Ledger"]

_FOLDER = ".ledgers"
_WRITERS = 1000
"""Writers that are told of, the latest: each process that ever wrote to a log was one."""


@dataclass
class Ledger:
    """`places` are where reading has to begin again, by log; `opened` the first record of each writer, with its log."""

    places: dict[Path, Place] = field(default_factory=dict)
    opened: dict[str, tuple[Path, dict[str, Any]]] = field(default_factory=dict)

    @classmethod
    def load(cls, data_root: Path, root: Path) -> Ledger:
        """The ledger of the RECORDER_ROOT `root`; empty where there is none that can be read."""
        document = json_object(_path(data_root, root))
        try:
            places = {
                Path(log): Place(Path(log), int(at["offset"]), str(at["generation"]))
                for log, at in document.get("logs", {}).items()
            }
            opened = {str(w): (Path(log), dict(event)) for w, (log, event) in document.get("opened", {}).items()}
        except (AttributeError, KeyError, TypeError, ValueError):
            return cls()
        return cls(places, opened)

    def save(self, data_root: Path, root: Path) -> None:
        """Replace the ledger on the disk. Raises OSError."""
        logs = {str(log): {"generation": at.generation, "offset": at.offset} for log, at in self.places.items()}
        latest = [*self.opened.items()][-_WRITERS:]
        opened = {writer: [str(log), _first(event)] for writer, (log, event) in latest}
        write_json(_path(data_root, root), {"v": 1, "recorder_root": str(root), "logs": logs, "opened": opened})


def _path(data_root: Path, root: Path) -> Path:
    name = hashlib.sha256(str(root).encode()).hexdigest()[:16]
    return data_root / "profiles" / "_drafts" / _FOLDER / f"{name}.json"


def _first(event: Mapping[str, Any]) -> dict[str, Any]:
    """What `breaks` looks at in a writer's first record."""
    payload = event["payload"]
    told = {"hostname": payload.get("hostname"), "pid": payload.get("pid")}
    return {"timestamp": event["timestamp"], "payload": told}
