"""Whether the bodies that records tell of are there, and are what was recorded."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recorder.chains import Spot
from recorder.events import Event

__all__ = ["StoredBodies", "descriptors"]

_REF = re.compile(r"[0-9a-f]{2}/[0-9a-f]{64}")


def descriptors(event: Event) -> Iterator[dict[str, Any]]:
    """Everything in an event that describes stored content: bodies, the parts of multipart ones, uploads."""
    payload = event["payload"]
    found = [payload] if event["category"] == "file_upload" else [payload.get("request_body"), payload.get("body")]
    for each in found:
        if isinstance(each, dict):
            yield each
            parts = each.get("parts")
            if isinstance(parts, list):
                yield from (part for part in parts if isinstance(part, dict))


class StoredBodies:
    """The bodies of one log. `redacted` are the digests of those that were lawfully overwritten."""

    def __init__(self, directory: Path) -> None:
        self.redacted: set[str] = set()
        self._directory = directory
        self._named: dict[str, tuple[str, Spot]] = {}
        """What a record says of a file: its digest, and where the first such record stands."""
        self._faults: list[tuple[str, Spot, str]] = []

    def take(self, event: Event, spot: Spot) -> None:
        """Look at the text in a record, and note the files that it names."""
        if event["category"] not in ("http_request", "file_upload"):
            return
        for each in descriptors(event):
            text, ref, sha256 = each.get("text"), each.get("ref"), str(each.get("sha256"))
            if isinstance(text, str):
                if hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() != sha256:
                    self._faults.append(("wrong_body", spot, "a text is not what its sha256 says"))
            elif isinstance(ref, str):
                if not _REF.fullmatch(ref):
                    self._faults.append(("wrong_body", spot, "a ref is no name of a body"))
                elif self._named.setdefault(ref, (sha256, spot))[0] != sha256:
                    self._faults.append(
                        ("wrong_body", spot, f"the digest of {ref} is another one in an earlier record")
                    )

    def faults(self) -> Iterator[tuple[str, Spot, str]]:
        """What is wrong: kind, the first record that names the body, and a sentence."""
        yield from self._faults
        for ref, (sha256, spot) in self._named.items():
            try:
                with (self._directory / ref).open("rb") as file:
                    actual = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                yield "missing_body", spot, f"the body {ref} cannot be read: {error.strerror}"
                continue
            if actual != sha256 and actual not in self.redacted:
                yield "wrong_body", spot, f"the body {ref} is not what its sha256 says"
