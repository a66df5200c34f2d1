"""A HAR becomes a draft like any capture: what it tells is recorded once more, by the recorder, as if it passed now.

Everything goes through the recorder's own redaction on its way to the disk, into a RECORDER_ROOT of its own that is
gone when the draft stands. The times are those of the HAR.
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from pathlib import Path

from assembler.assembly import AssemblyError, DraftStatus, assemble
from assembler.har import Har, read_har
from assembler.har_bodies import answer_content, request_content
from assembler.har_entries import Chosen, Told, choose
from assembler.profile import slug_problem
from assembler.schema import place
from recorder.captures import ANYTHING, Captures
from recorder.core import Recorder
from recorder.events import Clock, Event
from recorder.settings import Settings

__all__ = ["import_har"]


def import_har(path: Path, slug: str, data_root: Path, *, origin: str | None = None) -> DraftStatus:
    """Make the draft `slug` of the requests that the HAR at `path` holds to one origin, and return what became of it.

    `origin` is a scheme, host and port; without one, that of most requests. What is left out is named in the draft's
    warnings; a body that the HAR does not have, in its problems. Raises `AssemblyError`, in one sentence, for what is
    no HAR 1.2 or has nothing to replay, and OSError for what cannot be read or written.
    """
    if problem := slug_problem(slug):
        raise AssemblyError(f"{problem}.")
    har = read_har(path)
    chosen = choose(har, origin)
    drafts = data_root / "profiles" / "_drafts"
    drafts.mkdir(parents=True, exist_ok=True)
    # Named so that a later writer of the draft sweeps it away if we are killed.
    root = Path(tempfile.mkdtemp(dir=drafts, prefix=f".{slug}.har-"))
    try:
        _record(har, chosen, slug, _settings(root))
        del har, chosen  # as large as the file; assembling needs room of its own
        status = assemble(root, slug, data_root)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    place(data_root)
    return status


def _settings(root: Path) -> Settings:
    """The deployment's rules of redaction, and nothing that would lead out of `root`."""
    try:
        known = Settings.from_env()
    except ValueError as error:
        raise AssemblyError(str(error)) from None
    return Settings(root=root, key=known.key, run_pattern=known.run_pattern, redact=known.redact)


class _Past(Clock):
    """The clock of the HAR: it stands where it was put."""

    def __init__(self) -> None:
        self.boot_id = str(uuid.uuid4())
        self.now = 0

    def unix_ns(self) -> int:
        return self.now

    def mono_ns(self) -> int:
        return self.now


class _Teller(Recorder):
    """A recorder that is told of the past, and says of files whose content nobody has that it is not there."""

    def __init__(self, settings: Settings) -> None:
        self.past = _Past()
        super().__init__(settings, clock=self.past)
        self.absent: frozenset[int] = frozenset()
        self._uploads = 0

    def append(self, event: Event, log_dir: Path) -> bool:
        """Append an event to the log in `log_dir`."""
        payload = event["payload"]
        if event["stage"] == "started":
            self._uploads = 0
        elif event["category"] == "file_upload":
            if self._uploads in self.absent:
                payload.update(size=0, sha256=None, ref=None, omitted="unavailable")
            self._uploads += 1
        elif self.absent and (payload.get("request_body") or {}).get("parts"):
            files = [part for part in payload["request_body"]["parts"] if part["filename"]]
            for part in (part for number, part in enumerate(files) if number in self.absent):
                part.pop("ref", None)
                part.update(size=0, sha256=None, omitted="unavailable")
            payload["request_body"]["truncated"] = True
        return super().append(event, log_dir)


def _record(har: Har, chosen: Chosen, slug: str, settings: Settings) -> None:
    """Record the chosen entries as the capture `slug`. Raises OSError when they cannot all be written."""
    teller = _Teller(settings)
    captures = Captures(teller)
    before = [told for told in chosen.told if told.before]
    during = [told for told in chosen.told if not told.before]
    for told in before:
        _tell(teller, told)
    teller.past.now = during[0].started_ns
    written = f", written by {har.creator}" if har.creator else ""
    capture = captures.start(slug, ANYTHING, "all", f"Imported from a HAR{written}.")
    for note in chosen.notes:
        teller.emit("system_log", None, {"kind": "note", "message": note}, capture_ids=[capture["capture_id"]])
    for told in during:
        _tell(teller, told)
    teller.past.now = max(told.ended_ns for told in during)
    captures.end(ANYTHING, capture["capture_id"])
    if teller.lost:
        raise OSError(f"{teller.lost} records could not be written below {settings.root.parent}")


def _tell(teller: _Teller, told: Told) -> None:
    """Record one request and its answer, at their times."""
    sent, got = request_content(told.entry), answer_content(told.entry, told.status)
    headers = [(name, value) for name, value in told.sent if name != "content-type" or sent.media_type is None]
    if sent.media_type is not None:
        headers.append(("content-type", sent.media_type))
    if sent.size:
        headers.append(("content-length", str(sent.size)))
    teller.past.now, teller.absent = told.started_ns, sent.absent
    url = told.url
    exchange = teller.begin(told.entry.method, url.scheme, url.path, url.query, headers, told.entry.http_version)
    exchange.leave()
    if sent.content is None:
        exchange.request_omitted(sent.reason, sent.size)
    else:
        exchange.request_chunk(sent.content)
    exchange.response_start(told.status, told.got)
    teller.past.now = told.ended_ns
    if got.content is None:
        exchange.response_omitted(got.reason, got.size)
    else:
        exchange.response_chunk(got.content, last=True)
    exchange.finish()
