"""One recorded exchange as a step of the profile: request with templates, expectation, extractors, wait.

Files that a step names (uploads, bodies, expected answers) are collected by their path below the profile.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_plus

from assembler.clients import Owner, RecordedClient
from assembler.cookies import SESSION_NAME
from assembler.correlation import Correlation
from assembler.document import Noted
from assembler.job_trees import expected_jobs
from assembler.parts import Extraction, Filled, Generated, Part, Ref, Secret, generated
from assembler.polling import Poll
from assembler.prologue import script_cookies
from assembler.recording import Exchange, Recording
from assembler.requests import canonical
from assembler.shapes import looks_opaque
from assembler.slots import Slot, query_slots, rejoin
from assembler.sources import locate

__all__ = ["StepWriter", "step_id"]

_NOT_SENT = {
    "host", "content-length", "cookie", "connection", "accept-encoding", "keep-alive", "te", "upgrade",
    "proxy-connection", "x-recorder-request", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port",
    "x-real-ip", "forwarded", "via",
}  # fmt: skip
_CONDITIONAL = {"if-none-match", "if-modified-since"}
_EXTENSIONS = {
    "text/html": "html", "application/json": "json", "text/csv": "csv", "text/plain": "txt", "application/xml": "xml",
    "text/xml": "xml", "text/css": "css", "image/png": "png", "image/tiff": "tif", "application/zip": "zip", "application/pdf": "pdf",
}  # fmt: skip
_LONGEST_NAME = 120
"""Bytes of a file's name; file systems keep 255, encrypted ones 143."""
_LONGEST_TEXT = 1 << 20
"""Characters of a request's body; a longer one, in which nothing is to be put in, stands in a file beside the profile."""
_LIMITED = 429
"""The status of a limit, which is behaviour: 503 tells how busy an application was, and need not come again."""
_FEWEST_ATTEMPTS = 5
"""How busy an application is differs from one day to the next."""
_PAUSE = 0.25
"""Seconds between two requests of one client from which on a pause is a pause, and not the client's own speed."""


@dataclass
class StepWriter:
    """Writes steps. `ids` names every exchange that has one; `folded` maps earlier reads of a poll to the last."""

    recording: Recording
    owners: Sequence[Owner]
    clients: Mapping[str, RecordedClient]
    correlation: Correlation
    ids: dict[int, str]
    folded: Mapping[int, int]
    run_extraction: tuple[int, str] | None
    """The exchange whose answer names the run that later steps work on, and the run's recorded id."""
    begun: float
    files: dict[str, Path | bytes] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    _quiet: float = 0.0
    """The longest pause since the last request that acted."""

    def write(self, poll: Poll, previous: Exchange | None) -> Noted:
        """The step for one exchange. `previous` is the one before it, for the pause between them."""
        index = poll.index
        exchange, filled = self.recording.exchanges[index], self.correlation.filled(index)
        step: dict[str, Any] = {"id": self.ids[index]}
        if self.owners[index].client != "main":
            step["client"] = self.owners[index].client
        step["at"] = round(exchange.timestamp - self.begun, 3)
        step["took"] = round((exchange.duration_ms or 0) / 1000, 4)
        step["method"] = exchange.method
        step["path"] = self._templated(exchange.path, filled, "path")
        if exchange.query:
            step["query"] = self._templated(exchange.query, filled, "query")
        if headers := self._headers(exchange, filled):
            step["headers"] = headers
        if cookies := self._cookies(index):
            step["cookies"] = cookies
        self._body(step, exchange, filled)
        step["expect"] = self._expect(exchange, step["id"])
        if extract := self._extract(index):
            step["extract"] = extract
        if wait := self._wait(poll, exchange, step):
            step["wait"] = wait
        if poll.refused:
            attempts = max(_FEWEST_ATTEMPTS, len(poll.earlier) + 1)
            retry = {"on": poll.refused, "attempts": attempts} | ({"limited": True} if _LIMITED in poll.refused else {})
            step["retry"] = Noted(retry, f"sent {len(poll.earlier) + 1} times until then")
        if exchange.disconnected and exchange.response_header("content-length") is None:
            size = (exchange.body or {}).get("size") or 0
            left = {"bytes": size, "seconds": max(0.1, round((exchange.duration_ms or 0) / 1000, 3))}
            step["leave"] = Noted(left, "its reader left before the answer was complete")
        if (pause := self._settling(poll, exchange, previous)) >= _PAUSE:
            step["settle"] = round(min(pause, 60.0), 3)
        for place in filled.unresolved:
            self.problems.append(
                f"step {step['id']}: the {place} holds a secret that no recorded answer gave and that has no name of a password or key; "
                "record the page it came from too, or put `{{ secrets.… }}` or `{{ generated.… }}` in its place."
            )
        return Noted(step, _headline(exchange, poll))

    def _settling(self, poll: Poll, exchange: Exchange, previous: Exchange | None) -> float:
        """Seconds of quiet that this step may owe to work going on behind: a pause before it, for a read also one before
        the reads that led to it. Who fills in a form pauses, too: a request that acts waits only straight after another."""
        pause = _pause(previous, exchange)
        if exchange.safe:
            self._quiet = max(self._quiet, pause)
            return self._quiet
        self._quiet = 0.0
        straight = previous is not None and not previous.safe and not previous.jobs and (previous.status or 0) < 300
        return pause if straight and poll.until is None else 0.0

    # ------------------------------------------------------------------ request

    def _headers(self, exchange: Exchange, filled: Filled) -> dict[str, Any]:
        headers: dict[str, Any] = {}
        multipart = bool(exchange.request_body and exchange.request_body.get("parts") is not None)
        agent = self.clients[self.owners[exchange.index].client].agent
        for name, value in exchange.headers:
            if name in _NOT_SENT or (name == "user-agent" and value == agent) or (name == "content-type" and multipart):
                continue
            if name == "transfer-encoding" and not exchange.request_body:
                continue
            # A validator from before the recording names a state that no fresh instance has.
            if name in _CONDITIONAL and not any(
                isinstance(p, Ref) for _, parts in filled.of("header", name) for p in parts
            ):
                continue
            text = self._templated(value, filled, "header", name)
            if name in ("origin", "referer") and text.startswith(exchange.origin):
                text = "{{ origin }}" + text[len(exchange.origin) :]
            known = headers.get(name)
            headers[name] = text if known is None else [*known, text] if isinstance(known, list) else [known, text]
        return headers

    def _cookies(self, index: int) -> dict[str, str]:
        """Cookies that no recorded answer set. A script may have made them; a session cookie must not be guessed."""
        cookies: dict[str, str] = {}
        exchange = self.recording.exchanges[index]
        for name, value in self.owners[index].extra.items():
            token = canonical(value)
            if name in self._from_answers[index]:
                cookies[name] = self._render([self._from_answers[index][name]])
            elif token and any(s.value == token for s in self.correlation.slots[index]):
                cookies[name] = self._render([generated(name)])
            elif SESSION_NAME.search(name):
                self.problems.append(
                    f"step {self.ids[index]}: {exchange.method} {exchange.path} sent the cookie {name!r}, which no recorded answer set; "
                    "record the login too, or replay with --cookie."
                )
            else:
                self._warn(f"The cookie {name!r} was made in the browser and is not sent at replay.")
        return cookies

    def _body(self, step: dict[str, Any], exchange: Exchange, filled: Filled) -> None:
        body = exchange.request_body
        if not body:
            return
        if _broken_off(body):
            self.problems.append(
                f"step {step['id']}: the request's body broke off: not all of the {body['size']} bytes that were announced reached "
                "the application. What did is in the draft; record the request anew, or take the step out."
            )
        if body.get("parts") is not None:
            step["multipart"] = self._parts(step["id"], exchange, body["parts"], filled)
            return
        stored = self.recording.bodies.text(body)
        text = None if stored is None else canonical(stored)
        media_type = (body.get("media_type") or "").partition(";")[0].strip().lower()
        if text is None:
            self._stored_body(step, body)
        elif len(text) > _LONGEST_TEXT and not any(
            filled.of(place) for place in ("form", "name", "json", "xml", "text")
        ):
            step["body"] = self._file(f"seed/bodies/{step['id']}.{_EXTENSIONS.get(media_type, 'bin')}", text.encode())
        elif (
            media_type == "application/x-www-form-urlencoded" and text and all("=" in pair for pair in text.split("&"))
        ):
            step["form"] = self._form(text, filled)
        elif media_type.endswith("json"):
            step["json"] = self._templated(text, filled, "json")
        else:
            slots = [slot for place in ("json", "xml", "text") for slot in filled.of(place)]
            step["text"] = self._with_templates(text, slots)

    def _stored_body(self, step: dict[str, Any], body: Mapping[str, Any]) -> None:
        """A body that is no text: sent from a file, when it was stored."""
        source = self.recording.bodies.path(body["ref"]) if body.get("ref") else None
        if source is not None:
            step["body"] = self._file(f"seed/bodies/{step['id']}.bin", source)
        elif body.get("omitted") == "not_read":
            self._warn(f"step {step['id']}: the application answered without reading the body; it is sent without one.")
        else:
            reason = body.get("omitted") or "missing"
            self.problems.append(
                f"step {step['id']}: the request's body was not stored ({reason}); it cannot be sent again."
            )

    def _form(self, text: str, filled: Filled) -> list[list[str]]:
        templates = {slot.start: parts for slot, parts in filled.of("form")}
        names = {slot.end: parts for slot, parts in filled.of("name")}
        rows = []
        for slot in query_slots(text, "form"):
            raw = text[: slot.start - 1].rpartition("&")[2]
            name = self._render(names.get(slot.start - 1, [unquote_plus(raw)]))
            rows.append([name, self._render(templates.get(slot.start, [slot.value]))])
        return rows

    def _parts(
        self, step: str, exchange: Exchange, parts: Sequence[Mapping[str, Any]], filled: Filled
    ) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        templates = {slot.start: values for slot, values in filled.of("multipart")}
        names = {slot.start: values for slot, values in filled.of("name")}
        stamp = datetime.fromtimestamp(exchange.timestamp, UTC).strftime("%Y%m%dT%H%M%SZ")
        for number, part in enumerate(parts):
            name, filename, text = part["name"] or "", part.get("filename"), part.get("text")
            row: dict[str, Any] = {"name": self._render(names.get(number, [name]))}
            if filename is None and text is not None:
                row["value"] = self._render(templates.get(number, [canonical(text)]))
            else:
                source = self.recording.bodies.path(part["ref"]) if part.get("ref") else None
                content: Path | bytes | None = (
                    source
                    if source is not None
                    else text.encode()
                    if text is not None
                    else b""
                    if part.get("size") == 0 and not part.get("omitted")
                    else None
                )
                stored, content = content is not None, content or b""
                digest = (
                    part.get("sha256")
                    or hashlib.sha256(content if isinstance(content, bytes) else content.read_bytes()).hexdigest()
                )
                if filename is not None:
                    row["filename"] = filename
                row["file"] = self._file(f"seed/uploads/{stamp}-{digest[:12]}/{_safe_name(filename)}", content)
                if not stored:
                    what = f"field {name!r}" if filename is None else f"file {filename!r}"
                    self.problems.append(
                        f"step {step}: the {what} was not stored ({part.get('omitted') or 'missing'}); "
                        f"put it at {row['file']} in the draft, in the place of the empty one."
                    )
            if part.get("media_type"):
                row["media_type"] = part["media_type"]
            rows.append(row)
        return rows

    # ------------------------------------------------------------------ expectation

    def _expect(self, exchange: Exchange, step: str) -> dict[str, Any]:
        expect: dict[str, Any] = {"status": exchange.status}
        if exchange.media_type:
            expect["media_type"] = exchange.media_type
        if (location := exchange.response_header("location")) is not None:
            expect["location"] = canonical(location)
        names = {canonical(v).partition("=")[0].strip() for n, v in exchange.response_headers if n == "set-cookie"} - {
            "recorder_session"
        }
        if names:
            expect["cookies"] = sorted(names)
        body = exchange.body
        if not body and not exchange.disconnected:
            expect["empty"] = True
        elif body and exchange.method != "HEAD":
            ending = _EXTENSIONS.get(exchange.media_type, "json" if exchange.media_type.endswith("+json") else "bin")
            name = f"baseline/answers/{step}.{ending}"
            text = self.recording.bodies.text(body)
            source = self.recording.bodies.path(body["ref"]) if text is None and body.get("ref") else None
            if text is not None:
                expect["body"] = self._file(name, text.encode("utf-8", "surrogatepass"))
            elif source is not None:
                expect["body"] = self._file(name, source)
            else:
                self._warn(
                    f"step {step}: the answer's body was not stored ({body.get('omitted') or 'missing'}) and is not compared."
                )
        heard = any(job.executions for job in self.recording.jobs.values())
        expect |= expected_jobs(exchange.jobs, heard=heard)
        return expect

    def __post_init__(self) -> None:
        self._from_answers = {index: script_cookies(index, self.owners, self.correlation) for index in self.ids}
        self._used: dict[int, set[str]] = {}
        """Answer to the names that some step takes from it."""
        for index in self.ids:
            parts = [part for _, filled in self.correlation.filled(index).slots for part in filled]
            for part in [*parts, *self._from_answers[index].values()]:
                if isinstance(part, Ref):
                    self._used.setdefault(self._last(part.source), set()).add(part.name)

    def _extract(self, index: int) -> dict[str, Any]:
        """The extractors of this answer that a step of the profile uses."""
        used = self._used.get(index, set())
        result: dict[str, Any] = {n: _noted(e) for n, e in self._extractions(index).items() if n in used}
        if self.run_extraction is not None and self.run_extraction[0] == index:
            extract = locate(self.correlation.answers[index], self.run_extraction[1])
            if extract is not None:
                result["run_id"] = _noted(Extraction("run_id", extract, "the run that the following steps work on"))
        return result

    def _extractions(self, index: int) -> dict[str, Extraction]:
        found = dict(self.correlation.extractions[index])
        for earlier, last in self.folded.items():
            if last == index:
                found.update(self.correlation.extractions[earlier])
        return found

    def _last(self, source: int) -> int:
        return self.folded.get(source, source)

    # ------------------------------------------------------------------ waits

    def _wait(self, poll: Poll, exchange: Exchange, step: dict[str, Any]) -> Noted | None:
        if poll.until is not None:
            wait: dict[str, Any] = {"type": "poll", "until": _until_row(poll)}
            if poll.interval is not None:
                wait["interval"] = poll.interval
            if poll.recorded:
                wait["recorded"] = poll.recorded
            count = len(poll.earlier) + 1
            return Noted(
                wait,
                f"read {count} times until then"
                if count > 1
                else "found finished at once; another run may have to wait",
            )
        names: list[str] = []
        for root in exchange.jobs:
            extract = locate(self.correlation.answers[exchange.index], root.job_id)
            if extract is None:
                continue
            known = {**self.correlation.extractions[exchange.index], **step.get("extract", {})}
            alike = (n for n, e in self.correlation.extractions[exchange.index].items() if e.extract == extract)
            free = (
                n
                for n in (f"job_id_{count}" if count > 1 else "job_id" for count in itertools.count(1))
                if n not in known
            )
            name = next(alike, None) or next(free)
            extraction = self.correlation.extractions[exchange.index].get(name) or Extraction(
                name, extract, "the background job that this request enqueued"
            )
            step.setdefault("extract", {}).setdefault(name, _noted(extraction))
            names.append(f"{{{{ steps.{step['id']}.{name} }}}}")
        if not names:
            return None
        wait = {"type": "job", "job": names[0]}
        if names[1:]:
            wait["also"] = names[1:]
        ends = [job.finished_ns for root in exchange.jobs for job in root.tree() if job.finished_ns is not None]
        if ends and exchange.finished_ns:
            wait["recorded"] = round(max(0, max(ends) - exchange.finished_ns) / 1e9, 3)
        functions = ", ".join(dict.fromkeys(root.function for root in exchange.jobs))
        return Noted(wait, f"enqueued {functions}; {'their whole trees' if names[1:] else 'its whole tree'} must end")

    # ------------------------------------------------------------------ templates

    def _templated(self, text: str, filled: Filled, place: str, name: str | None = None) -> str:
        return self._with_templates(text, filled.of(place, name))

    def _with_templates(self, text: str, slots: Sequence[tuple[Slot, list[Part]]]) -> str:
        if not slots:
            return _literal(canonical(text))
        return rejoin(
            canonical(text),
            [
                (slot, [_literal(p) if isinstance(p, str) else _Place(self._part(p)) for p in parts])
                for slot, parts in slots
            ],
        )

    def _render(self, parts: Sequence[Part]) -> str:
        return "".join(_literal(p) if isinstance(p, str) else self._part(p) for p in parts)

    def _part(self, part: Part) -> str:
        if isinstance(part, Secret):
            return f"{{{{ secrets.{part.name} }}}}"
        if isinstance(part, Generated):
            return f"{{{{ generated.{part.name} }}}}"
        if isinstance(part, Ref):
            return (
                f"{{{{ {part.name} }}}}"
                if part.source < 0
                else f"{{{{ steps.{self.ids[self._last(part.source)]}.{part.name} }}}}"
            )
        assert isinstance(part, str), "a settled correlation has named every secret"
        return part

    def _file(self, name: str, source: Path | bytes) -> str:
        self.files[name] = source
        return name

    def _warn(self, sentence: str) -> None:
        if sentence not in self.warnings:
            self.warnings.append(sentence)


@dataclass(frozen=True)
class _Place:
    """A template among recorded text: it is written as it is, the text around it in the encoding of its place."""

    template: str

    def __str__(self) -> str:
        return self.template


def _literal(text: str) -> str:
    """Recorded text that looks like a template is sent as it was."""
    return text.replace("{{", '{{ "{{" }}')


def _noted(extraction: Extraction) -> Noted:
    row = extraction.extract.model_dump(by_alias=True, exclude_none=True)
    if not row.get("nth"):
        row.pop("nth", None)
    return Noted(row, extraction.evidence)


def _until_row(poll: Poll) -> dict[str, Any]:
    assert poll.until is not None
    row = poll.until.model_dump(by_alias=True, exclude_unset=True)
    if not row.get("stop_on"):
        row.pop("stop_on", None)
    return row


def _pause(previous: Exchange | None, exchange: Exchange) -> float:
    """Seconds between the end of one exchange and the start of the next; 0 across a restart."""
    if previous is None or previous.finished_ns is None or previous.boot != exchange.boot:
        return 0.0
    return (exchange.started_ns - previous.finished_ns) / 1e9


def _broken_off(body: Mapping[str, Any]) -> bool:
    """True where the stored part of a body would be sent as if it were the whole."""
    return bool(body.get("truncated")) and not any(c.get("omitted") for c in (body, *(body.get("parts") or ())))


def _safe_name(filename: str | None) -> str:
    """The name of an uploaded file, made safe for any file system and kept readable; its ending stays."""
    base = (filename or "").replace("\\", "/").rsplit("/", 1)[-1]
    name = re.sub(r"[^\w.() +-]", "_", base).strip(". ")
    stem, dot, ending = name.rpartition(".")
    if not stem or len(ending) > 12:
        stem, dot, ending = name, "", ""
    return (stem.encode()[: _LONGEST_NAME - len(ending.encode())].decode("utf-8", "ignore") + dot + ending) or "upload"


def _headline(exchange: Exchange, poll: Poll) -> str:
    what = f"{exchange.method} {unquote(exchange.path)} → {exchange.status}"
    if exchange.jobs:
        what += f", enqueued {', '.join(j.function for j in exchange.jobs)}"
    if poll.refused:
        what += f", sent {len(poll.earlier) + 1} times"
    elif poll.earlier:
        what += f", read {len(poll.earlier) + 1} times"
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", "?", what)


def step_id(exchange: Exchange, taken: dict[str, int], run_id: str | None, config: str | None) -> str:
    """A short name: the method, and the last telling words of the path. `taken` are names with their highest number."""
    words = []
    for segment in unquote(exchange.path).split("/"):
        if (
            not segment
            or segment in (run_id, config, "runs")
            or re.search(r"\d{2,}|^\d+$", segment)
            or len(segment) > 40
            or looks_opaque(segment)
        ):
            continue
        words.append(re.sub(r"[^A-Za-z0-9]+", "-", segment).strip("-").lower())
    base = "-".join(w for w in [re.sub(r"[^a-z]", "", exchange.method.lower()), *words[-2:]] if w)[:60] or "request"
    name, count = base, taken.get(base, 0)
    while name in taken:
        count += 1
        name = f"{base}-{count}"
    taken[base] = max(count, 1)
    taken.setdefault(name, 1)
    return name
