"""Pseudonyms: what stands in the log where a secret stood.

`secret-<kind>-<32 hex>`: HMAC-SHA256 (RFC 2104) under the deployment's key over the decoded value. The same value has
the same hex wherever it stood, so it can be followed from a page into a form without being known; without the key it
cannot be guessed and tried.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from recorder.settings import Settings

__all__ = ["PSEUDONYM", "Pseudonyms", "canonical", "load_key"]

PSEUDONYM = re.compile(r"secret-([a-z]+)-([0-9a-f]{32})")
_ESCAPED = re.compile(r"%[0-9A-Fa-f]{2}")


def canonical(value: str) -> str:
    """Return the value that is hashed: without a cookie's quotes, and with percent-encoding undone.

    A CSRF cookie is often percent-encoded where the header that repeats it is not (Laravel, Angular).
    """
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = value[1:-1]
    return unquote(value) if "%" in value and _ESCAPED.search(value) else value


class Pseudonyms:
    """Makes pseudonyms under one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._digest = functools.lru_cache(1024)(self._hmac)

    @classmethod
    def of_settings(cls, settings: Settings) -> Pseudonyms:
        """Return the pseudonyms of a deployment; makes the key file if there is none. Raises OSError if it cannot."""
        return cls(load_key(settings.root, settings.key))

    def digest(self, value: str) -> str:
        """Return the 32 hex digits of a decoded value."""
        return self._digest(canonical(value))

    def of(self, value: str, kind: str) -> str:
        """Return the pseudonym of a decoded value; one that is a pseudonym already stays as it is."""
        return value if PSEUDONYM.fullmatch(value) else f"secret-{kind}-{self.digest(value)}"

    def _hmac(self, value: str) -> str:
        return hmac.digest(self._key, value.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()[:32]


def load_key(root: Path, key: str | None = None) -> bytes:
    """Return the deployment's key: `key` (RECORDER_KEY), or the text of the file `root/key`, which is made (0600).

    The bytes of the text are the key, in both cases. Raises OSError when the file can be neither read nor made.
    """
    if key:
        return key.strip().encode()
    path = root / "key"
    with suppress(FileNotFoundError):
        return path.read_bytes().strip()
    root.mkdir(0o750, parents=True, exist_ok=True)
    draft = root / f".key.{os.getpid()}.{secrets.token_hex(4)}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, secrets.token_hex(32).encode())
        os.fsync(descriptor)
        with suppress(FileExistsError):  # another worker was first: its key is everyone's
            os.link(draft, path)
    finally:
        os.close(descriptor)
        draft.unlink()
    return path.read_bytes().strip()
