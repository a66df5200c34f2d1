"""From a recording to a draft: steps in order, values correlated, waits inferred, files laid out beside them.

Everything here is a function of the recorded events, bodies and snapshots, so a rebuilt draft is the same to the byte.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from assembler.baselines import Baseline
from assembler.clients import Owner, RecordedClient, tell_apart
from assembler.correlation import Correlation, Extraction, Filled, Generated, Part, Ref, Secret, canonical
from assembler.document import Noted
from assembler.polling import Poll, collapse
from assembler.recording import Bodies, Exchange, Recording
from assembler.shapes import SECRET
from assembler.slots import rejoin

__all__ = ["Built", "build"]

_NOT_SENT = {
    "host", "content-length", "cookie", "connection", "transfer-encoding", "accept-encoding", "keep-alive", "te", "upgrade",
    "proxy-connection", "x-recorder-request", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port",
    "x-real-ip", "forwarded", "via",
}  # fmt: skip
_CONDITIONAL = {"if-none-match", "if-modified-since"}
_EXTENSIONS = {
    "text/html": "html", "application/json": "json", "text/csv": "csv", "text/plain": "txt", "application/xml": "xml",
    "text/xml": "xml", "text/css": "css", "image/png": "png", "image/tiff": "tif", "application/zip": "zip", "application/pdf": "pdf",
}  # fmt: skip
_SESSION_NAME = re.compile(r"sess|sid|auth|token|csrf|xsrf|login|jwt|remember", re.IGNORECASE)


@dataclass
class Built:
    """A draft in memory: the document, the files it names (path below the profile → source or bytes), and what to tell."""

    document: dict[str, Any]
    files: dict[str, Path | bytes]
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    steps: int = 0
    late_secrets: int = 0


def build(recording: Recording, slug: str, capture: Mapping[str, Any], baseline: Baseline) -> Built:
    """The draft of one capture. `capture` is its entry in the manifest; `baseline` what its run left on the disk."""
    return _Builder(recording, slug, capture, baseline).build()


class _Builder:
    def __init__(self, recording: Recording, slug: str, capture: Mapping[str, Any], baseline: Baseline) -> None:
        self.recording = recording
        self.exchanges = recording.exchanges
        self.bodies: Bodies = recording.bodies
        self.slug = slug
        self.capture = capture
        self.baseline = baseline
        self.owners, self.clients = tell_apart(self.exchanges)
        bound = {run_id: "run_id" for run_id in list(recording.runs)[:1]}
        self.run_id = next(iter(bound), None)
        self.config = recording.runs.get(self.run_id) if self.run_id else None
        self.correlation = Correlation(self.exchanges, self.owners, self.bodies, bound)
        self.built = Built({}, {}, warnings=list(recording.notes))
        self.ids: dict[int, str] = {}
        captured = [e.index for e in self.exchanges if e.captured]
        self.creator = self._creator(captured)
        self.mode = "none" if self.run_id is None else "clone" if baseline.seeded else "created"
        self.prologue = self._prologue(captured)
        self.polls = collapse(self.exchanges, self.owners, self.correlation.answers, captured)
        self.begun = self.exchanges[captured[0]] if captured else None

    # ------------------------------------------------------------------ what belongs to the profile

    def _creator(self, captured: Sequence[int]) -> int | None:
        """The exchange whose answer first named the run, unless a request knew it before."""
        if self.run_id is None:
            return None
        for index in captured:
            exchange, answer = self.exchanges[index], self.correlation.answers[index]
            if self.run_id in unquote(exchange.path) or any(self.run_id in s.value for s in self.correlation.slots[index]):
                return None
            if self.run_id in (answer.text or "") or any(self.run_id in unquote(v) for _, v in answer.headers):
                return index if not exchange.safe else None
        return None

    def _prologue(self, captured: Sequence[int]) -> list[int]:
        """Exchanges before the window that gave it cookies and tokens: logins, and the pages their forms stood on."""
        needed: set[int] = set()
        stack = list(captured)
        inside = set(captured)
        while stack:
            index = stack.pop()
            wanted = [self._login_before(n) for n in self.owners[index].needs if n not in inside]
            wanted += [p.source for _, parts in self.correlation.filled[index].slots for p in parts if isinstance(p, Ref)]
            for source in wanted:
                if source >= 0 and source not in inside and source not in needed:
                    needed.add(source)
                    stack.append(source)
        return sorted(needed)

    def _login_before(self, setter: int) -> int:
        """The login that a session cookie goes back to: later answers only refresh it."""
        client = self.owners[setter].client
        for index in range(setter, -1, -1):
            if self.owners[index].client == client and any(
                isinstance(p, Secret) for _, parts in self.correlation.filled[index].slots for p in parts
            ):
                return index
        return setter

    # ------------------------------------------------------------------ document

    def build(self) -> Built:
        taken: set[str] = set()
        for index in [*self.prologue, *(p.index for p in self.polls)]:
            self.ids[index] = _step_id(self.exchanges[index], taken, self.run_id, self.config)
        folded = {e: p.index for p in self.polls for e in p.earlier}
        for earlier, last in folded.items():
            self.ids[earlier] = self.ids[last]
            self.correlation.extractions[last].update(self.correlation.extractions[earlier])
        prologue = [self._step(Poll(index), None) for index in self.prologue]
        steps: list[Any] = []
        previous: Exchange | None = None
        for poll in self.polls:
            if poll.index == self.creator and self.mode == "clone":
                previous = self.exchanges[poll.index]
                continue
            steps.append(self._step(poll, previous))
            previous = self.exchanges[poll.index]
        self.built.steps = len(steps)
        if not steps:
            self.built.problems.append("The capture holds no answered request; there is nothing to replay.")
        document: dict[str, Any] = {
            "metadata": self._metadata(),
            "prerequisites": self._prerequisites(),
        }
        if prologue:
            document["prologue"] = Noted(prologue, "From before the capture began: what its first requests already had.")
        document["steps"] = steps
        document["comparisons"] = self._comparisons()
        document["ignore"] = []
        document["notes"] = str(self.capture.get("notes") or "")
        self.built.document = {k: v for k, v in document.items() if v not in ([], "", {}) or k == "steps"}
        return self.built

    def _metadata(self) -> dict[str, Any]:
        rq = any(e.jobs for e in self.recording.captured)
        metadata: dict[str, Any] = {
            "slug": self.slug,
            "title": self.slug.replace("-", " ").replace("_", " ").capitalize(),
            "tags": [],
            "rq_required": rq,
            "run": self.mode,
        }
        if self.run_id and self.begun is not None and (page := self._run_page()):
            metadata["run_page"] = page
        recorded: dict[str, Any] = {"origin": self.begun.origin if self.begun else None}
        if self.run_id:
            recorded["run_id"] = self.run_id
            recorded["config"] = self.config
        recorded["capture_id"] = self.capture.get("capture_id")
        if self.begun is not None:
            recorded["started"] = _iso(self.begun.timestamp)
            last = self.recording.captured[-1]
            recorded["ended"] = _iso(last.timestamp + (last.duration_ms or 0) / 1000)
        metadata["recorded_with"] = recorded
        metadata["clients"] = {
            name: {"headers": {"user-agent": client.agent}} for name, client in self.clients.items() if client.agent and self._used(name)
        }
        return {k: v for k, v in metadata.items() if v not in (None, {}, [])}

    def _used(self, client: str) -> bool:
        return any(self.owners[i].client == client for i in self.ids)

    def _run_page(self) -> str | None:
        for exchange in self.recording.captured:
            path = unquote(exchange.path)
            marker = f"/{self.run_id}/"
            if self.run_id and marker in path:
                page = path[: path.index(marker) + len(marker)].replace(self.run_id, "{{ run_id }}")
                return f"{page}{{{{ config }}}}/" if self.config and f"{marker}{self.config}" in path else page
        return None

    def _prerequisites(self) -> dict[str, Any]:
        names = sorted(f"PROFILE_SECRET_{name}" for name in self._secrets_used())
        prerequisites: dict[str, Any] = {}
        if names:
            prerequisites["environment"] = names
        queues = sorted({job.queue for e in self.recording.captured for root in e.jobs for job in root.tree()})
        if queues:
            prerequisites["services"] = ["redis", *(f"rq worker on queue {q}" for q in queues)]
        return prerequisites

    def _secrets_used(self) -> set[str]:
        return {p.name for i in self.ids for _, parts in self.correlation.filled[i].slots for p in parts if isinstance(p, Secret)}

    def _comparisons(self) -> list[Any]:
        entries = []
        for item in self.baseline.outputs:
            self.built.files[f"baseline/run/{item.path}"] = item.source
            entries.append({"target": item.path, "method": Noted(item.method, item.evidence)})
        for name, source in self.baseline.seed.items():
            self.built.files[f"seed/run/{name}"] = source
        return entries

    # ------------------------------------------------------------------ steps

    def _step(self, poll: Poll, previous: Exchange | None) -> Any:
        index = poll.index
        exchange, filled = self.exchanges[index], self.correlation.filled[index]
        step: dict[str, Any] = {"id": self.ids[index]}
        if self.owners[index].client != "main":
            step["client"] = self.owners[index].client
        if self.begun is not None:
            step["at"] = round(exchange.timestamp - self.begun.timestamp, 3)
        step["took"] = round((exchange.duration_ms or 0) / 1000, 4)
        pause = (exchange.started_ns - previous.finished_ns) / 1e9 if previous and previous.finished_ns and previous.boot == exchange.boot else 0
        step["method"] = exchange.method
        step["path"] = self._templated(exchange.path, filled, "path")
        if exchange.query:
            step["query"] = self._templated(exchange.query, filled, "query")
        headers = self._headers(exchange, filled)
        if headers:
            step["headers"] = headers
        if cookies := self._cookies(index):
            step["cookies"] = cookies
        self._body(step, exchange, filled)
        step["expect"] = self._expect(exchange, step["id"])
        if extract := self._extract(index):
            step["extract"] = extract
        if wait := self._wait(poll, exchange, step):
            step["wait"] = wait
        if exchange.safe and pause >= 0.25:
            step["settle"] = round(min(pause, 60.0), 3)
        for place in filled.unresolved:
            self.built.problems.append(
                f"step {step['id']}: the {place} holds a secret that no recorded answer gave and that has no name of a password or key; "
                "record the page it came from too, or put `{{ secrets.… }}` or `{{ generated.… }}` in its place."
            )
        return Noted(step, _headline(exchange, poll))

    def _headers(self, exchange: Exchange, filled: Filled) -> dict[str, Any]:
        headers: dict[str, Any] = {}
        multipart = bool(exchange.request_body and exchange.request_body.get("parts") is not None)
        for name, value in exchange.headers:
            if name in _NOT_SENT or (name == "user-agent" and value == self.clients[self.owners[exchange.index].client].agent):
                continue
            if name == "content-type" and multipart:
                continue
            if name in _CONDITIONAL and not any(isinstance(p, Ref) for _, parts in filled.of("header", name) for p in parts):
                continue
            if name in ("origin", "referer"):
                text: Any = self._templated(value, filled, "header", name)
                if text == "null":
                    pass
                elif str(text).startswith(exchange.origin):
                    text = "{{ origin }}" + str(text)[len(exchange.origin) :]
                elif name == "origin":
                    continue
            else:
                text = self._templated(value, filled, "header", name)
            if name in headers:
                known = headers[name]
                headers[name] = [*known, text] if isinstance(known, list) else [known, text]
            else:
                headers[name] = text
        return headers

    def _cookies(self, index: int) -> dict[str, Any]:
        """Cookies that no recorded answer set. A script may have made them; a session cookie must not be guessed."""
        cookies: dict[str, Any] = {}
        exchange = self.exchanges[index]
        for name, value in self.owners[index].extra.items():
            token = canonical(value)
            sent_too = [s for s in self.correlation.slots[index] if token and s.value == token]
            source = None
            if SECRET.fullmatch(token):
                from assembler.slots import Slot

                source = self.correlation._refer(Slot("cookie", name, token, 0, 0), token, index)
            if source is not None:
                cookies[name] = self._render([source])
            elif sent_too:
                cookies[name] = f"{{{{ generated.{re.sub(r'[^A-Za-z0-9_]', '_', name)} }}}}"
            elif _SESSION_NAME.search(name):
                self.built.problems.append(
                    f"step {self.ids[index]}: {exchange.method} {exchange.path} sent the cookie {name!r}, which no recorded answer set; "
                    "record the login too, or replay with --cookie."
                )
            else:
                self.built.warnings.append(f"The cookie {name!r} was made in the browser and is not sent at replay.")
        return cookies

    def _body(self, step: dict[str, Any], exchange: Exchange, filled: Filled) -> None:
        body = exchange.request_body
        if not body:
            return
        if body.get("parts") is not None:
            step["multipart"] = self._parts(step["id"], exchange, body["parts"], filled)
            return
        text = self.bodies.text(body)
        media_type = (body.get("media_type") or "").partition(";")[0].strip().lower()
        if text is None:
            if body.get("ref") and (source := self.bodies.path(body["ref"])):
                name = f"seed/bodies/{step['id']}.bin"
                self.built.files[name] = source
                step["body"] = name
            else:
                self.built.problems.append(f"step {step['id']}: the request's body was not stored ({body.get('omitted') or 'missing'}); it cannot be sent again.")
        elif media_type == "application/x-www-form-urlencoded" and _form_is_plain(text):
            step["form"] = self._form(text, filled)
        elif media_type.endswith("json"):
            step["json"] = self._templated(text, filled, "json")
        else:
            place = "json" if filled.of("json") else "text"
            step["text"] = self._templated(text, filled, place)

    def _form(self, text: str, filled: Filled) -> list[Any]:
        from assembler.slots import query_slots
        from urllib.parse import unquote_plus

        by_start = {slot.start: parts for slot, parts in filled.of("form")}
        fields: list[Any] = []
        slots = {slot.start: slot for slot in query_slots(text, "form")}
        position = 0
        for pair in text.split("&"):
            name, _, value = pair.partition("=")
            start = position + len(name) + 1
            position += len(pair) + 1
            if start in by_start:
                fields.append([unquote_plus(name), self._render(by_start[start])])
            else:
                fields.append([unquote_plus(name), _literal(slots[start].value if start in slots else unquote_plus(value))])
        return fields

    def _parts(self, step_id: str, exchange: Exchange, parts: Sequence[Mapping[str, Any]], filled: Filled) -> list[Any]:
        rows: list[Any] = []
        templates = {slot.name: values for slot, values in filled.of("multipart")}
        stamp = datetime.fromtimestamp(exchange.timestamp, UTC).strftime("%Y%m%dT%H%M%SZ")
        for part in parts:
            row: dict[str, Any] = {"name": part["name"] or ""}
            if part.get("filename") is None and part.get("text") is not None:
                row["value"] = self._render(templates[part["name"]]) if part["name"] in templates else _literal(canonical(part["text"]))
            elif part.get("size") == 0:
                row.update(filename=part.get("filename") or "", file=self._seed(f"seed/uploads/{stamp}-empty", "empty", b""))
            elif (ref := part.get("ref")) and (source := self.bodies.path(ref)):
                digest = str(part["sha256"])
                row.update(filename=part.get("filename"), file=self._seed(f"seed/uploads/{stamp}-{digest[:12]}", part.get("filename") or "upload", source))
            elif part.get("text") is not None:
                content = str(part["text"]).encode()
                digest = hashlib.sha256(content).hexdigest()
                row.update(filename=part.get("filename"), file=self._seed(f"seed/uploads/{stamp}-{digest[:12]}", part.get("filename") or "upload", content))
            else:
                self.built.problems.append(f"step {step_id}: the file {part.get('filename')!r} was not stored ({part.get('omitted') or 'missing'}).")
            if part.get("media_type"):
                row["media_type"] = part["media_type"]
            rows.append(row)
        return rows

    def _seed(self, folder: str, filename: str, source: Path | bytes) -> str:
        """The path of an uploaded file below the profile; its name made safe for any file system, kept readable."""
        base = filename.replace("\\", "/").rsplit("/", 1)[-1]
        safe = re.sub(r"[^\w.() +-]", "_", base).strip(". ")[:120] or "upload"
        path = f"{folder}/{safe}"
        self.built.files[path] = source
        return path

    def _expect(self, exchange: Exchange, step_id: str) -> dict[str, Any]:
        expect: dict[str, Any] = {"status": exchange.status}
        if exchange.media_type:
            expect["media_type"] = exchange.media_type
        if (location := exchange.response_header("location")) is not None:
            expect["location"] = _literal(canonical(location))
        names = sorted({canonical(v).partition("=")[0].strip() for n, v in exchange.response_headers if n == "set-cookie"} - {"recorder_session"})
        if names:
            expect["cookies"] = names
        body = exchange.body
        if body and exchange.method != "HEAD":
            name = f"baseline/answers/{step_id}.{_EXTENSIONS.get(exchange.media_type, 'json' if exchange.media_type.endswith('+json') else 'bin')}"
            text = self.bodies.text(body)
            if text is not None:
                self.built.files[name] = text.encode("utf-8", "surrogatepass")
                expect["body"] = name
            elif body.get("ref") and (source := self.bodies.path(body["ref"])):
                self.built.files[name] = source
                expect["body"] = name
            else:
                self.built.warnings.append(f"step {step_id}: the answer's body was not stored ({body.get('omitted') or 'missing'}) and is not compared.")
        if exchange.jobs:
            expect["jobs"] = _job_statuses(exchange)
        return expect

    def _extract(self, index: int) -> dict[str, Any]:
        used = {p.name for i in self.ids for _, parts in self.correlation.filled[i].slots for p in parts if isinstance(p, Ref) and self._target(p.source) == index}
        result: dict[str, Any] = {}
        for name, extraction in self.correlation.extractions[index].items():
            if name in used or name in self._forced.get(index, ()):
                result[name] = Noted(_extract_row(extraction), extraction.evidence)
        if index == self.creator and self.mode == "created" and self.run_id:
            from assembler.sources import locate

            if extract := locate(self.correlation.answers[index], self.run_id):
                result["run_id"] = Noted(_extract_row(Extraction("run_id", extract, "")), "the run that the following steps work on")
        return result

    @property
    def _forced(self) -> dict[int, set[str]]:
        """Extractions that a wait needs though no request does."""
        return self.__dict__.setdefault("_waits", {})

    def _target(self, source: int) -> int:
        return next((p.index for p in self.polls if source in p.earlier), source)

    def _wait(self, poll: Poll, exchange: Exchange, step: dict[str, Any]) -> dict[str, Any] | None:
        if poll.until is not None:
            until = {k: v for k, v in poll.until.model_dump(by_alias=True).items() if v not in (None, []) or (k == "differs" and "differs" in poll.until.model_fields_set)}
            wait: dict[str, Any] = {"type": "poll", "until": until}
            if poll.interval is not None:
                wait["interval"] = poll.interval
            if poll.recorded:
                wait["recorded"] = poll.recorded
            return Noted(wait, f"read {len(poll.earlier) + 1} times until then" if poll.earlier else "found finished at once; another run may have to wait")  # type: ignore[return-value]
        for root in exchange.jobs:
            from assembler.sources import locate

            extract = locate(self.correlation.answers[exchange.index], root.job_id)
            if extract is None:
                continue
            names = self.correlation.extractions[exchange.index]
            name = next((n for n, e in names.items() if e.extract == extract), None)
            if name is None:
                name = "job_id" if "job_id" not in names else "root_job_id"
                row = _extract_row(Extraction(name, extract, ""))
                step.setdefault("extract", {})[name] = Noted(row, "the background job that this request enqueued")
            elif name not in step.get("extract", {}):
                step.setdefault("extract", {})[name] = Noted(_extract_row(names[name]), names[name].evidence)
            ends = [j.finished_ns for j in root.tree() if j.finished_ns is not None]
            wait = {"type": "job", "job": f"{{{{ steps.{step['id']}.{name} }}}}"}
            if ends and exchange.finished_ns:
                wait["recorded"] = round(max(0, max(ends) - exchange.finished_ns) / 1e9, 3)
            return wait
        return None

    # ------------------------------------------------------------------ templates

    def _templated(self, text: str, filled: Filled, place: str, name: str | None = None) -> str:
        text = canonical(text)
        slots = [(slot, parts) for slot, parts in filled.of(place, name)]
        return rejoin(_Escaped.text(text), []) if not slots else _rejoin_escaped(text, slots, self._part)

    def _render(self, parts: Sequence[Part]) -> str:
        return "".join(_literal(p) if isinstance(p, str) else self._part(p) for p in parts)

    def _part(self, part: Part) -> str:
        if isinstance(part, Secret):
            return f"{{{{ secrets.{part.name} }}}}"
        if isinstance(part, Generated):
            return f"{{{{ generated.{part.name} }}}}"
        if isinstance(part, Ref):
            return f"{{{{ {part.name} }}}}" if part.source < 0 else f"{{{{ steps.{self.ids[self._target(part.source)]}.{part.name} }}}}"
        return part


class _Escaped:
    """Recorded text that looks like a template must be sent as it was: `{{` is written `{{ "{{" }}`."""

    @staticmethod
    def text(text: str) -> str:
        return _literal(text)


def _literal(text: str) -> str:
    return text.replace("{{", '{{ "{{" }}')


def _rejoin_escaped(text: str, slots: Sequence[tuple[Any, list[Part]]], render: Any) -> str:
    class Rendered:
        def __init__(self, part: Part) -> None:
            self.part = part

        def __str__(self) -> str:
            return str(render(self.part))

    return rejoin(text, [(slot, [p if isinstance(p, str) else Rendered(p) for p in parts]) for slot, parts in slots])


def _extract_row(extraction: Extraction) -> dict[str, Any]:
    row = extraction.extract.model_dump(by_alias=True, exclude_none=True)
    if not row.get("nth"):
        row.pop("nth", None)
    return row


def _form_is_plain(text: str) -> bool:
    """True where splitting and joining again gives the same fields: no part without `=`."""
    return bool(text) and all("=" in pair for pair in text.split("&"))


def _job_statuses(exchange: Exchange) -> dict[str, str]:
    statuses: dict[str, str] = {}
    for root in exchange.jobs:
        for job in root.tree():
            name, count = job.function, 2
            while name in statuses:
                name, count = f"{job.function}#{count}", count + 1
            statuses[name] = job.status
    return statuses


def _headline(exchange: Exchange, poll: Poll) -> str:
    what = f"{exchange.method} {unquote(exchange.path)} → {exchange.status}"
    if exchange.jobs:
        what += f", enqueued {', '.join(j.function for j in exchange.jobs)}"
    if poll.earlier:
        what += f", read {len(poll.earlier) + 1} times"
    return what.replace("\n", " ")


def _step_id(exchange: Exchange, taken: set[str], run_id: str | None, config: str | None) -> str:
    """A short name: the method for what changes something, and the last telling words of the path."""
    words = []
    for segment in unquote(exchange.path).split("/"):
        if not segment or segment in (run_id, config, "runs") or re.search(r"\d{2,}|^\d+$", segment) or len(segment) > 40:
            continue
        words.append(re.sub(r"[^A-Za-z0-9]+", "-", segment).strip("-").lower())
    base = "-".join([w for w in [exchange.method.lower(), *words[-2:]] if w])[:60] or "request"
    name, count = base, 2
    while name in taken:
        name, count = f"{base}-{count}", count + 1
    taken.add(name)
    return name


def _iso(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
