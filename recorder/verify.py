"""Is an audit log whole? Looks at every byte of it, and says of each fault in which file it is and at which byte.

| kind | fault |
|---|---|
| `torn`, `foreign` | a line that is no event: cut short, or not ours |
| `unreadable` | a file that cannot be read, or breaks off |
| `gap` | records that their writer numbered are not there |
| `duplicate`, `disorder` | a record stands twice, or behind a later one of its writer |
| `missing_body`, `wrong_body` | a body is not there, or is not the one whose digest was recorded |

and in a log that is sealed (`recorder.seal`), with its key:

| `altered` | a record is not what its writer wrote |
| `cut` | records of which a checkpoint tells are missing at the end |
| `moved` | something was put in or taken out before this place |
| `framing` | the blank line before a record is missing, or there are several; or its newline is missing |
| `checkpoint` | a checkpoint's signature does not fit |
| `no_key` | the log is sealed and nobody said with which key |

What a redaction overwrote is no fault, if its tombstone proves it. Records after the last checkpoint are told as
`unsealed`: of the newest of them nobody can say whether it is what was written.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from recorder.chains import Chain, Spot
from recorder.events import Event
from recorder.generations import BrokenFileError, File, Generations, chunks, cut
from recorder.log import LOG_NAME, parse
from recorder.reader import Seen
from recorder.seal import Checkpoint, Seal
from recorder.stored import StoredBodies

__all__ = ["Finding", "Verdict", "logs_below", "verify"]

_STILL = 0.1
"""Seconds after which a line without its end is not being written any more."""


@dataclass(frozen=True)
class Finding:
    """A fault, or something to know, at bytes `offset` to `end` of the text of a file."""

    kind: str
    file: Path
    offset: int
    end: int
    message: str
    writer: str | None = None
    sequence: int | None = None


@dataclass
class Verdict:
    """What was found in one log. It is whole when there are no `problems`; `remarks` are no faults."""

    log: Path
    files: int = 0
    records: int = 0
    sealed: int = 0
    """Records that a checkpoint covers."""
    problems: list[Finding] = field(default_factory=list)
    remarks: list[Finding] = field(default_factory=list)

    @property
    def document(self) -> dict[str, Any]:
        """The verdict as JSON has it."""

        def told(findings: Iterable[Finding]) -> list[dict[str, Any]]:
            return [{**vars(each), "file": str(each.file)} for each in findings]

        return {
            "log": str(self.log), "ok": not self.problems, "files": self.files, "records": self.records,
            "sealed": self.sealed, "problems": told(self.problems), "remarks": told(self.remarks),
        }  # fmt: skip


def logs_below(path: Path) -> list[Path]:
    """The logs that a path means: of a RECORDER_ROOT all that it lists, of a run or a `_logs` its own, or a log itself.

    Raises LookupError, in a sentence, when there is none.
    """
    path = path.absolute()
    if path.name.startswith(LOG_NAME.removesuffix("jsonl")) and path.parent.is_dir():
        return [path.parent / LOG_NAME]
    found = [path / LOG_NAME] if path.name == "_logs" else [path / "_logs" / LOG_NAME]
    try:
        lines = (path / "logs.jsonl").read_bytes().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        lines = []
    for line in filter(None, lines):
        try:
            found.append(Path(orjson.loads(line)["log"]))
        except (ValueError, TypeError, KeyError):
            continue
    there = [log for log in dict.fromkeys(found) if log.parent.is_dir()]
    if not there:
        raise LookupError(
            f"{path} holds no audit log; name a RECORDER_ROOT (default: .recorder where the application runs), "
            "the directory of a run, or a log."
        )
    return there


def verify(log: Path, seal: Seal | None = None) -> Verdict:
    """Look at all files of a log. Raises OSError when the log itself, or the seal, cannot be read."""
    return _Inspection(log, seal).verdict()


class _Inspection:
    def __init__(self, log: Path, seal: Seal | None) -> None:
        self._seal = seal
        self._found = Verdict(log)
        self._bodies = StoredBodies(log.parent / "profile.bodies")
        self._seen = Seen()
        self._last: dict[str, Spot] = {}
        self._gaps: dict[str, list[tuple[int, int, Spot, Spot]]] = {}
        self._chains: dict[str, Chain] = {}
        self._redacted: dict[str, set[str]] = {}
        """Digest of a line as it is to what it was, as tombstones prove it."""
        self._signed: dict[str, dict[int, Checkpoint]] = {}
        self._expired: dict[str, int] = {}
        self._compressed = False
        if seal is not None:
            self._read_checkpoints(seal)

    def verdict(self) -> Verdict:
        files = _distinct(Generations(self._found.log).look())
        self._compressed = any(file.compression for file in files)
        for file in files:
            self._found.files += 1
            if file.problem:
                self._add("unreadable", Spot(file.path, 0, 0, "", 0), f"the file cannot be read: {file.problem}")
                continue
            try:
                self._read(file)
            except BrokenFileError as error:
                self._add("unreadable", Spot(file.path, 0, 0, "", 0), f"the file breaks off: {error}")
        self._tell_gaps()
        for chain in self._chains.values():
            self._close(chain)
        self._tell_moved()
        self._tell_vanished(files)
        for kind, spot, message in self._bodies.faults():
            self._add(kind, spot, message)
        self._found.problems.sort(key=lambda each: (str(each.file), each.offset))
        return self._found

    # ------------------------------------------------------------------ reading

    def _read(self, file: File) -> None:
        text = file.opened()
        if text is None:
            raise BrokenFileError("it was moved while it was looked at")
        seen, blanks, after_bad = Seen(), 0, False
        with text:
            size = -1 if file.compression else os.fstat(text.fileno()).st_size
            for start, lines in cut(chunks(text)):
                offset = start
                for line in lines:
                    spot = Spot(file.path, offset, offset + len(line), "", 0)
                    offset += len(line) + 1
                    if not line:
                        blanks += 1
                        continue
                    event = _event(line)
                    if spot.end == size and _is_being_written(file, size):
                        return
                    if isinstance(event, str):
                        self._add(event.partition(":")[0], spot, event.partition(": ")[2] or "a record that breaks off")
                    else:
                        if "chain" in event and (spot.end == size or (blanks != 1 and not after_bad)):
                            self._add("framing", spot._replace(offset=spot.offset - blanks), _FRAMED)
                        self._take(event, line, spot, seen)
                    blanks, after_bad = 0, isinstance(event, str)

    def _take(self, event: Event, line: bytes, spot: Spot, seen: Seen) -> None:
        record = line.lstrip(b" ")
        digest = self._seal.digest(record) if self._seal is not None else ""
        spot = spot._replace(writer=event["writer"], sequence=event["sequence"], digest=digest)
        self._found.records += 1
        again, last = self._seen.again(spot.writer, spot.sequence), self._last.get(spot.writer)
        if seen.again(spot.writer, spot.sequence) or (again and len(record) == len(line)):
            self._add("duplicate", spot, "the record stands here once more")
            return
        chain = self._chain(event, spot)
        if again:
            if chain is not None and not chain.copy(spot):
                self._add("duplicate", spot, "the record stands here once more")
            return
        if len(record) < len(line) and chain is not None and last is not None and not self._compressed:
            self._add("altered", spot, "it is marked as written again, and stands nowhere else")
        if last is not None and spot.sequence < last.sequence:
            self._fill_gap(spot)
            self._add("disorder", spot, f"it stands behind record {last.sequence} of its writer")
        else:
            if last is not None and spot.sequence > last.sequence + 1:
                self._gaps.setdefault(spot.writer, []).append((last.sequence + 1, spot.sequence - 1, last, spot))
            self._last[spot.writer] = spot
            if chain is not None:
                chain.take(spot, event.get("chain"))
        self._bodies.take(event, spot)
        if event["payload"].get("kind") == "tombstone":
            self._bury(event["payload"])

    def _chain(self, event: Event, spot: Spot) -> Chain | None:
        """The chain of the record's writer; None where the log is not sealed."""
        chain = self._chains.get(spot.writer)
        if chain is not None or self._seal is None:
            if self._seal is None and "chain" in event and not any(f.kind == "no_key" for f in self._found.problems):
                self._add("no_key", spot, "from here on the log is sealed; say where its seal is (RECORDER_SEAL)")
            return chain
        if "chain" not in event and spot.writer not in self._signed:
            if not any(remark.writer == spot.writer for remark in self._found.remarks):
                self._remark("unsealed", spot, "its writer does not seal what it writes")
            return None
        signed, expired = self._signed.get(spot.writer, {}), self._expired.get(spot.writer, 0)
        chain = self._chains[spot.writer] = Chain(spot.writer, self._seal, signed, expired)
        return chain

    def _bury(self, tombstone: dict[str, Any]) -> None:
        if self._seal is None:
            self._bodies.redacted.add(str(tombstone.get("sha256")))
        elif self._seal.attests(tombstone):
            self._bodies.redacted.add(str(tombstone.get("sha256")))
            proof = tombstone["seal"]
            if proof["before"] is not None:
                self._redacted.setdefault(proof["after"], set()).add(proof["before"])

    def _read_checkpoints(self, seal: Seal) -> None:
        for found in seal.checkpoints():
            if not isinstance(found, Checkpoint):
                self._add(
                    "checkpoint", Spot(*found, found[1], "", 0), "its signature does not fit (or the key is another)"
                )
            elif found.kind == "expired":
                self._expired[found.writer] = max(found.sequence, self._expired.get(found.writer, 0))
            else:
                self._signed.setdefault(found.writer, {})[found.sequence] = found

    # ------------------------------------------------------------------ what came of it

    def _fill_gap(self, spot: Spot) -> None:
        """A record that was missed came late."""
        gaps = self._gaps.get(spot.writer, [])
        for index, (first, last, before, behind) in enumerate(gaps):
            if first <= spot.sequence <= last:
                parts = [(first, spot.sequence - 1), (spot.sequence + 1, last)]
                gaps[index : index + 1] = [(a, b, before, behind) for a, b in parts if a <= b]
                return

    def _tell_gaps(self) -> None:
        for writer, gaps in self._gaps.items():
            chain = self._chains.get(writer)
            for first, last, before, behind in gaps:
                count = f"record {first} is" if first == last else f"records {first} to {last} are"
                why = (
                    "; their writer could not write them" if chain is not None and chain.lost_by_writer(behind) else ""
                )
                start = before.end if before.file == behind.file else 0
                spot = Spot(behind.file, start, behind.offset, writer, first)
                self._add("gap", spot, f"{count} missing{why}")

    def _close(self, chain: Chain) -> None:
        for kind, spot, message in chain.close(self._is_lawful):
            self._add(kind, spot, message)
        last = chain.last
        if chain.unsealed is not None and last is not None:
            count = last.sequence - chain.unsealed.sequence + 1
            why = (
                f"{count} record{'s' if count > 1 else ''} of its writer, from here on, came after the last checkpoint"
            )
            self._remark("unsealed", chain.unsealed, why)
        if last is not None and chain.first is not None:
            sealed = chain.unsealed.sequence if chain.unsealed is not None else last.sequence + 1
            self._found.sealed += sealed - chain.first.sequence

    def _is_lawful(self, digest: str, expected: str) -> bool:
        """Whether tombstones prove that a line of the expected digest became this one."""
        reached, open_ = {digest}, [digest]
        while open_:
            for before in self._redacted.get(open_.pop(), ()):
                if before == expected:
                    return True
                if before not in reached:
                    reached.add(before)
                    open_.append(before)
        return False

    def _tell_moved(self) -> None:
        """Where the distance from where records were written changes, something was put in or taken out."""
        moved = sorted({pair for chain in self._chains.values() for pair in chain.moved})
        known: dict[Path, int] = {}
        for spot, shift in moved:
            if known.get(spot.file, 0) != shift:
                known[spot.file] = shift
                where = f"{abs(shift)} bytes {'further on' if shift > 0 else 'before the place'}"
                self._add("moved", spot, f"it stands {where} {'than' if shift > 0 else 'where'} it was written")

    def _tell_vanished(self, files: list[File]) -> None:
        """Writers of this log of which there are checkpoints and no record."""
        for writer, signed in self._signed.items():
            newest = signed[max(signed)]
            if (
                writer in self._last
                or newest.log != str(self._found.log)
                or self._expired.get(writer, 0) >= newest.sequence
            ):
                continue
            size = next((file.stamp.size for file in files if file.live), 0)
            spot = Spot(self._found.log, newest.offset if newest.offset < size else size, size, writer, 1)
            self._add("cut", spot, f"nothing is left of the {newest.sequence} records of a writer")

    def _add(self, kind: str, spot: Spot, message: str) -> None:
        self._found.problems.append(_finding(kind, spot, message))

    def _remark(self, kind: str, spot: Spot, message: str) -> None:
        self._found.remarks.append(_finding(kind, spot, message))


_FRAMED = "a record should stand behind one blank line, and end with a newline"


def _finding(kind: str, spot: Spot, message: str) -> Finding:
    return Finding(kind, spot.file, spot.offset, spot.end, message, spot.writer or None, spot.sequence or None)


def _event(line: bytes) -> Event | str:
    event = parse(line)
    if isinstance(event, str):
        return event
    if not (isinstance(event.get("writer"), str) and type(event.get("sequence")) is int):
        return "foreign: it has no writer or no sequence"
    return event if isinstance(event.get("payload"), dict) else "foreign: it has no payload"


def _distinct(files: list[File]) -> list[File]:
    """The files without those that hold the same as another: a copy, or one that is being compressed."""
    best: dict[str, File] = {}
    for file in files:
        if file.first is not None:
            other = best.get(file.first.id, file)
            best[file.first.id] = max(file, other, key=lambda each: each.rank)
    return [file for file in files if file.first is None or best[file.first.id] is file]


def _is_being_written(file: File, end: int) -> bool:
    """Whether a line at the end of a file that grows goes on: it had no newline when it was read, and soon more follows."""
    if not file.grows or file.path.stat().st_size != end:
        return False
    time.sleep(_STILL)
    return file.path.stat().st_size > end
