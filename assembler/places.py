"""Where a record stands, and reading or overwriting it there, whatever became of the file.

A log is renamed, copied and compressed while it is read. So a place names a generation (recorder/generations.py) and the
offset in its text; which file that is, is looked up when it is needed.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Set
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

from recorder.generations import BrokenFileError, File, Generations, chunks, cut

__all__ = ["Place", "overwrite", "record_at", "records_at"]

_BEGINNING = b'{"v":1,"id":"'
_ID = slice(len(_BEGINNING), len(_BEGINNING) + 26)
"""Where the recorder writes the id of a record (docs/formats.md)."""
_LOOKS = 10
_ASIDE = ".aside"
_STALE = 3600.0
"""Seconds after which a file being written aside is one that a killed writer left."""


class Place(NamedTuple):
    """Where a record stands: its log, the offset of its line in the text of one file, the identity of that file."""

    log: Path
    offset: int
    generation: str


def record_at(place: Place) -> dict[str, Any]:
    """The record at a place, as it is on the disk now. Raises OSError when it is not there."""
    return next(records_at([place]))[1]


def records_at(places: Iterable[Place]) -> Iterator[tuple[Place, dict[str, Any]]]:
    """The records at places, as they are on the disk now; each file is read once, in its own order.

    Raises FileNotFoundError when a file has gone for good, another OSError when a record cannot be read.
    """
    for (log, generation), offsets in _by_generation(places).items():
        file, text = _opened(log, generation)
        with text:
            for offset in sorted(offsets):
                try:
                    record = orjson.loads(_line(file, text, offset))
                except ValueError:
                    raise BrokenFileError(f"{file.path} holds no record at byte {offset} any more.") from None
                yield Place(log, offset, generation), record


def overwrite(records: Mapping[Place, Mapping[str, Any]]) -> dict[str, tuple[bytes, bytes]]:
    """Put each record in the place of what stands there, and wherever else its log holds it. It takes as many bytes.

    A record can stand in two files: rotation came while it was written, or a file was copied. A compressed file is
    replaced whole. Returns the line of each record that was changed, by id, as it was and as it is. Raises OSError when a
    record cannot be overwritten; others may be by then, and doing it again does the rest.
    """
    lines: dict[str, tuple[bytes, bytes]] = {}
    by_log: dict[Path, dict[bytes, bytes]] = {}
    for place, record in records.items():
        by_log.setdefault(place.log, {})[str(record["id"]).encode()] = orjson.dumps(record)
    for log, fresh in by_log.items():
        files, missing = Generations(log), set(fresh)
        for _ in range(_LOOKS):
            if not any(_changed(file, fresh, missing, lines) for file in files.look() if file.first):
                break  # and whoever renames, copies or compresses a file now does so with what stands there now
        else:
            raise OSError(f"{log}: a secret could not be overwritten, since the log's files changed all the time.")
        if missing:
            raise FileNotFoundError(f"{log}: {len(missing)} records that hold a secret have gone elsewhere.")
    return lines


def _by_generation(places: Iterable[Place]) -> dict[tuple[Path, str], set[int]]:
    found: dict[tuple[Path, str], set[int]] = {}
    for log, offset, generation in places:
        found.setdefault((log, generation), set()).add(offset)
    return found


def _files(log: Path, generation: str) -> list[File]:
    """The files that hold a generation, the best to read from first."""
    files = [file for file in Generations(log).look() if file.first and file.first.id == generation]
    return sorted(files, key=lambda file: file.rank, reverse=True)


def _opened(log: Path, generation: str) -> tuple[File, BinaryIO]:
    for _ in range(_LOOKS):
        for file in _files(log, generation):
            if (text := file.opened()) is not None:
                return file, text
    raise FileNotFoundError(f"{log}: the file that began with the record {generation} has gone.")


def _line(file: File, text: BinaryIO, offset: int) -> bytes:
    """The line at an offset, without its newline. Raises BrokenFileError when the file breaks off before."""
    try:
        text.seek(offset)
        return text.readline().rstrip(b"\n")
    except Exception as error:  # each compression has its own
        raise BrokenFileError(f"{file.path} cannot be read at byte {offset} of its text: {error}") from error


def _changed(
    file: File, fresh: Mapping[bytes, bytes], missing: set[bytes], lines: dict[str, tuple[bytes, bytes]]
) -> bool:
    """Overwrite what is not yet as it shall be. False when all of it was, so that nothing had to be done.

    `fresh` are the records by id; those that are found are no longer `missing`. `lines` gets what is changed.
    """
    text = file.opened()
    if text is None:
        return True
    stale: dict[int, bytes] = {}
    with text, contextlib.suppress(BrokenFileError):  # what cannot be read there is not there
        for offset, id, line in _found(chunks(text), fresh.keys()):
            missing.discard(id)
            indent = line[: len(line) - len(line.lstrip())]
            if line.strip() == fresh[id]:
                continue
            if len(indent + fresh[id]) > len(line):
                raise OSError(
                    f"{file.path}: a secret in the record at byte {offset} cannot be overwritten; "
                    "it is no line of the recorder's."
                )
            stale[offset] = (indent + fresh[id]).ljust(len(line))
            lines[id.decode()] = line[len(indent) :], stale[offset][len(indent) :]
    if stale:
        (_replace if file.compression else _write)(file, stale)
    return bool(stale)


def _found(text: Iterator[bytes], ids: Set[bytes]) -> Iterator[tuple[int, bytes, bytes]]:
    """Offset, id and line of each record that has one of these ids."""
    for offset, lines in cut(text):
        for line in lines:
            id = line[_ID]
            if id not in ids and line and not line.startswith(_BEGINNING):
                id = _id_of(line)
            if id in ids:
                yield offset, id, line
            offset += len(line) + 1


def _id_of(line: bytes) -> bytes:
    """The id of a record that the recorder did not write like this, or that is none."""
    try:
        return str(orjson.loads(line)["id"]).encode()
    except (ValueError, TypeError, KeyError):
        return b""


def _write(file: File, fresh: Mapping[int, bytes]) -> None:
    text = file.opened("r+b")
    if text is None:
        return
    with text:
        for offset, line in fresh.items():
            text.seek(offset)
            text.write(line)
        text.flush()
        os.fsync(text.fileno())


def _replace(file: File, fresh: Mapping[int, bytes]) -> None:
    """Write a compressed file anew beside itself, and put it in its own place."""
    _sweep(file.path.parent)
    aside = file.path.with_name(f".{file.path.name}.{secrets.token_hex(8)}{_ASIDE}")
    text = file.opened()
    if text is None:
        return
    try:
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with text, os.fdopen(descriptor, "wb") as raw:
            with import_module(str(file.compression)).open(raw, "wb") as out:
                for chunk in _patched(chunks(text), fresh):
                    out.write(chunk)
            raw.flush()
            os.fsync(raw.fileno())
            found = os.fstat(text.fileno())
        with contextlib.suppress(PermissionError):
            os.chown(aside, found.st_uid, found.st_gid)
        shutil.copystat(file.path, aside)
        if os.path.samestat(found, os.lstat(file.path)):
            aside.replace(file.path)
    except BrokenFileError as error:
        raise OSError(
            f"{file.path} holds a secret and breaks off; wait until it is compressed, or remove it, and assemble again."
        ) from error
    except FileNotFoundError:
        return  # renamed; the next look finds it
    finally:
        aside.unlink(missing_ok=True)


def _patched(text: Iterator[bytes], fresh: Mapping[int, bytes]) -> Iterator[bytes]:
    """A text with what is fresh in its places."""
    at = 0
    for chunk in text:
        end = at + len(chunk)
        for offset, line in fresh.items():
            start, stop = max(at, offset), min(end, offset + len(line))
            if start < stop:
                chunk = chunk[: start - at] + line[start - offset : stop - offset] + chunk[stop - at :]
        yield chunk
        at = end


def _sweep(folder: Path) -> None:
    for path in folder.glob(f".*{_ASIDE}"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _STALE:
                path.unlink()
