"""Secrets that the recording knows, in files that the run wrote: an application may keep what it was sent.

The log holds pseudonyms. A file of the run is the application's own and holds the value; in the draft, which is meant to
be shared, the pseudonym stands for it there, too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from assembler.disguises import values
from assembler.logs import locate
from assembler.recording import Recording
from assembler.sightings import Sought
from recorder.pseudonyms import Pseudonyms, load_key

__all__ = ["KnownSecrets"]

_NAMED = re.compile(r"secret-(?!cookie-)[a-z]+-([0-9a-f]{32})")
"""Of what stood under a secret's name or had a secret's shape; a cookie may hold a word that files hold, too."""
_LARGEST = 1 << 20
"""Bytes of a file that is searched. What is larger was computed."""


class KnownSecrets:
    """The secrets of a recording; `log_dir` is a `_logs` folder of its deployment, whose key made the pseudonyms."""

    def __init__(self, recording: Recording, log_dir: Path) -> None:
        self._named = {hex for text in _texts(recording) for hex in _NAMED.findall(text)}
        self._log_dir = log_dir
        self._pseudonyms: Pseudonyms | None = None

    def taken_out(self, files: Iterable[tuple[str, Path]]) -> Iterator[tuple[str, bytes]]:
        """Name and new content of each of `files` that holds such a secret."""
        if not self._named:
            return
        for name, path in files:
            text = _text(path)
            found = self._found(text) if text else {}
            if not text or not found:
                continue
            fresh, end = "", 0
            for start, stop, pseudonym in Sought(found, 0).find(text):
                fresh, end = fresh + text[end:start] + pseudonym, stop
            yield name, (fresh + text[end:]).encode()

    def _found(self, text: str) -> dict[str, str]:
        if self._pseudonyms is None:
            root, _ = locate(self._log_dir.parent)
            self._pseudonyms = Pseudonyms(load_key(root, os.environ.get("RECORDER_KEY")))
        digests = {value: self._pseudonyms.digest(value) for value in values(text)}
        return {value: f"secret-late-{digest}" for value, digest in digests.items() if digest in self._named}


def _texts(recording: Recording) -> Iterator[str]:
    for exchange in recording.exchanges:
        yield exchange.query
        yield from (value for _, value in (*exchange.headers, *exchange.response_headers))
        for body in (exchange.request_body, exchange.body):
            yield recording.bodies.text(body) or ""
            yield str((body or {}).get("parts") or "")


def _text(path: Path) -> str | None:
    if path.stat().st_size > _LARGEST:
        return None
    content = path.read_bytes()
    try:
        return None if b"\0" in content else content.decode("utf-8")
    except UnicodeDecodeError:
        return None
