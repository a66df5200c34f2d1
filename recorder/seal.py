"""Tamper evidence, where RECORDER_SEAL asks for it: a chain through each writer's records, and signed checkpoints elsewhere.

Each record carries `chain`: where the record before it stands in its file, and that record's digest. Every 1,000 records,
or after 60 s, a checkpoint with the newest digest is signed and appended to a file in RECORDER_SEAL, which is to be a
place that whoever can write the log cannot. `recorder.verify` finds what was changed since.

Digests are keyed (HMAC, RFC 2104). A plain digest of a line in which the assembler overwrites a secret later would let
anybody guess that secret and try; and nobody without the key can make a chain that fits. Overwriting is lawful: it leaves
a tombstone that tells the line's digest before and after, signed, too.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from recorder.events import VERSION, now
from recorder.pseudonyms import load_key
from recorder.settings import Settings

__all__ = ["Checkpoint", "Link", "Seal"]

logger = logging.getLogger("recorder")

EVERY = 1000
"""Records after which a checkpoint is signed."""
SECONDS = 60.0
"""Time after which one is signed when there were fewer."""
_CHECKPOINTS = "checkpoints"


class Checkpoint(NamedTuple):
    """What was signed: that the newest record of a writer had this sequence and digest, and where it stood.

    Of `kind` `expired`: that the records up to this one were removed because of their age.
    """

    kind: str
    log: str
    writer: str
    sequence: int
    offset: int
    digest: str
    timestamp: str


class Seal:
    """The key and the place of a deployment's seal."""

    def __init__(self, directory: Path, key: bytes) -> None:
        self.directory = directory
        self._key = key

    @classmethod
    def of_settings(cls, settings: Settings) -> Seal | None:
        """Return the seal that RECORDER_SEAL and RECORDER_SEAL_KEY ask for, or None.

        Without RECORDER_SEAL_KEY the key is a file beside the checkpoints, made when it is not there. Raises OSError.
        """
        if settings.seal is None:
            return None
        return cls(settings.seal, load_key(settings.seal, settings.seal_key))

    @classmethod
    def of_environ(cls) -> Seal | None:
        """As `of_settings`, of this program's environment, for those who need no other settings."""
        directory = os.environ.get("RECORDER_SEAL", "").strip()
        key = os.environ.get("RECORDER_SEAL_KEY", "").strip() or None
        return cls(Path(directory).absolute(), load_key(Path(directory), key)) if directory else None

    def digest(self, record: bytes) -> str:
        """The keyed digest of a record's line, without its newline and the spaces before it: 32 hex digits."""
        return self._mac(b"record", record)

    def link(self, log: Path, writer: str, name: str) -> Link:
        """The beginning of a writer's chain."""
        return Link(self, log, writer, name)

    def beginning(self, writer: str) -> str:
        """What a writer's first record carries instead of the digest of the one before."""
        return self._mac(b"writer", writer.encode())

    def redaction(self, tombstone: Mapping[str, Any], lines: tuple[bytes, bytes] | None) -> dict[str, str | None]:
        """What a tombstone carries as proof that it is lawful: the digests of its record's line before and after.

        Without `lines` when what was overwritten stands apart from the record.
        """
        before, after = map(self.digest, lines) if lines else (None, None)
        return {"before": before, "after": after, "mac": self._redaction(tombstone, before, after)}

    def attests(self, tombstone: Mapping[str, Any]) -> bool:
        """Whether the proof that a tombstone carries was made by `redaction`."""
        proof = tombstone.get("seal")
        if not isinstance(proof, dict):
            return False
        mac = self._redaction(tombstone, proof.get("before"), proof.get("after"))
        return hmac.compare_digest(mac.encode(), str(proof.get("mac")).encode("utf-8", "replace"))

    def _redaction(self, tombstone: Mapping[str, Any], before: object, after: object) -> str:
        told = [tombstone.get(key) for key in ("record", "pointer", "length", "sha256")]
        return self._mac(b"redaction", orjson.dumps([*told, before, after]))

    def sign(self, checkpoint: Checkpoint, name: str = "") -> None:
        """Append a checkpoint, in the file `name` of those that hold checkpoints. Raises OSError."""
        document = {"v": VERSION, **checkpoint._asdict()}
        document["mac"] = self._mac(b"checkpoint", orjson.dumps(document))
        self.directory.mkdir(0o750, parents=True, exist_ok=True)
        path = self.directory / f"{_CHECKPOINTS}{name}.jsonl"
        line = b"\n%b\n" % orjson.dumps(document)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            if os.write(descriptor, line) != len(line):
                raise OSError(f"{path}: a checkpoint was written in part.")
        finally:
            os.close(descriptor)

    def checkpoints(self) -> Iterator[Checkpoint | tuple[Path, int]]:
        """Every checkpoint; path and byte offset of a line that is none, or whose signature does not fit.

        Raises OSError when one of the files cannot be read.
        """
        for path in sorted(self.directory.glob(f"{_CHECKPOINTS}*.jsonl")):
            offset = 0
            with path.open("rb") as file:
                for line in file:
                    start, offset = offset, offset + len(line)
                    if line.strip():
                        yield self._checked(line) or (path, start)

    def _checked(self, line: bytes) -> Checkpoint | None:
        try:
            document: dict[str, Any] = orjson.loads(line)
            mac = str(document.pop("mac"))
            if document.pop("v") != VERSION:
                return None
            found = Checkpoint(**document)
        except (ValueError, TypeError, KeyError, AttributeError):
            return None
        signed = self._mac(b"checkpoint", orjson.dumps({"v": VERSION, **found._asdict()}))
        return found if hmac.compare_digest(signed.encode(), mac.encode()) else None

    def _mac(self, purpose: bytes, content: bytes) -> str:
        return hmac.digest(self._key, purpose + b"\0" + content, hashlib.sha256).hex()[:32]


class Link:
    """One writer's chain. Not thread-safe: the writer holds its lock, for `checkpoint`, too."""

    def __init__(self, seal: Seal, log: Path, writer: str, name: str) -> None:
        self._seal = seal
        self._log = str(log)
        self._writer = writer
        self._name = name
        self._sequence = 0
        self._offset: int | None = None
        self._digest = seal.beginning(writer)
        self._unsealed = 0
        self._since = 0.0

    def chained(self, record: bytes) -> bytes:
        """The record with what ties it to the one before."""
        before = b"null" if self._offset is None else b"%d" % self._offset
        return b'%b,"chain":[%b,"%b"]}' % (record[:-1], before, self._digest.encode())

    def wrote(self, record: bytes, sequence: int, offset: int) -> None:
        """Note that the record stands at an offset; of one that was written again, the last."""
        if not self._unsealed:
            self._since = time.monotonic()
        self._unsealed += sequence != self._sequence or not self._unsealed
        self._sequence, self._offset, self._digest = sequence, offset, self._seal.digest(record)

    @property
    def due(self) -> bool:
        """Whether a checkpoint is to be signed now."""
        return self._unsealed >= EVERY or (self._unsealed > 0 and time.monotonic() - self._since >= SECONDS)

    @property
    def first(self) -> bool:
        """Whether the newest record is the first since the last checkpoint."""
        return self._unsealed == 1

    def checkpoint(self) -> None:
        """Sign what was written since the last one, if anything was. What cannot be signed is tried again later."""
        if not self._unsealed or self._offset is None:
            return
        signed = Checkpoint("checkpoint", self._log, self._writer, self._sequence, self._offset, self._digest, now())
        try:
            self._seal.sign(signed, self._name)
            self._unsealed = 0
        except OSError as error:
            self._since = time.monotonic()
            logger.error("recorder: a checkpoint could not be kept in %s: %s", self._seal.directory, error)


def after_a_while(call: Any) -> None:
    """Call it in `SECONDS`, in a thread of its own, unless the program ends before."""
    timer = threading.Timer(SECONDS, call)
    timer.daemon = True
    timer.start()
