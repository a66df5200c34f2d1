"""An application as its recorder saw it: real recorder writers, no web server. Runs live below `runs/<run_id>/`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from assembler import DraftStatus, assemble
from assembler.document import load_profile
from assembler.profile import Profile
from recorder.captures import Captures, Subject
from recorder.core import Recorder
from recorder.log import LOG_NAME, BadLine, read
from recorder.manifest import Capture
from recorder.settings import Settings

SLUG = "work"
BOUNDARY = "b-o-u-n-d"
JSON = "application/json"


class Deployment:
    """One RECORDER_ROOT, the processes that write to it (one at a time), and the data root its drafts go to."""

    def __init__(self, folder: Path, capture: str | None = None) -> None:
        self.folder, self.root, self.data_root = folder, folder / "recorder", folder / "data"
        pattern = "/runs/(?P<run_id>[^/]+)/(?P<config>[^/]+)"
        environ = {
            "RECORDER_ROOT": str(self.root),
            "RECORDER_RUN_PATTERN": pattern,
            "RECORDER_RUN_ROOT": f"{folder}/runs/{{run_id}}",
            "RECORDER_CAPTURE": capture or "",
        }
        self.settings = Settings.from_env(environ)
        self.restart()

    def restart(self) -> None:
        """A new process of the application, as far as the log can tell."""
        self.recorder = Recorder(self.settings)
        self.recorder.attach()

    @property
    def captures(self) -> Captures:
        captures = self.recorder.captures
        assert isinstance(captures, Captures)
        return captures

    @property
    def draft(self) -> Path:
        """Where the draft of SLUG is, or is to be."""
        return self.data_root / "profiles" / "_drafts" / SLUG

    def run(self, run_id: str, files: Mapping[str, str | bytes]) -> Path:
        """The directory of a run, holding `files`."""
        directory = self.folder / "runs" / run_id
        for name, content in files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return directory

    def start(self, slug: str = SLUG, run_id: str | None = None) -> Capture:
        return self.captures.start(slug, Subject(run_id))

    def end(self, capture: Capture) -> Capture:
        return self.captures.end(Subject(capture["run_id"]), capture["capture_id"])

    def send(
        self,
        method: str,
        path: str,
        answer: str | bytes = "",
        *,
        status: int = 200,
        kind: str = "text/html; charset=utf-8",
        headers: Iterable[tuple[str, str]] = (),
        cookies: Sequence[str] = (),
        body: str | bytes = b"",
    ) -> None:
        """One request and its answer; `cookies` are Set-Cookie headers of the answer."""
        path, _, query = path.partition("?")
        exchange = self.recorder.begin(method, "http", path, query, [("host", "127.0.0.1:8000"), *headers], "1.1")
        if body:
            exchange.request_chunk(body.encode() if isinstance(body, str) else body)
        exchange.response_start(status, [("content-type", kind), *(("set-cookie", c) for c in cookies)])
        exchange.response_chunk(answer.encode() if isinstance(answer, str) else answer, last=True)
        exchange.finish()
        exchange.leave()

    def upload(self, path: str, *files: tuple[str, bytes], fields: Mapping[str, str] = {}) -> None:
        """Files and fields sent as a browser would."""
        rows = [
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'.encode()
            for n, v in fields.items()
        ]
        for name, content in files:
            head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            rows.append(head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n")
        body = b"".join(rows) + f"--{BOUNDARY}--\r\n".encode()
        length = ("content-length", str(len(body)))
        self.send(
            "POST", path, headers=[("content-type", f"multipart/form-data; boundary={BOUNDARY}"), length], body=body
        )

    def form(self, path: str, body: str, answer: str = "", **rest: Any) -> None:
        """A form that is sent."""
        headers = [("content-type", "application/x-www-form-urlencoded"), *rest.pop("headers", ())]
        self.send("POST", path, answer, headers=[*headers, ("content-length", str(len(body)))], body=body, **rest)

    def log(self, run_id: str | None = None) -> Path:
        return (self.folder / "runs" / run_id if run_id else self.root) / "_logs" / LOG_NAME

    def events(self, run_id: str | None = None) -> list[dict[str, Any]]:
        return [line.event for line in read(self.log(run_id)) if not isinstance(line, BadLine)]

    def assemble(self, source: Path | None = None, slug: str = SLUG, **options: Any) -> DraftStatus:
        return assemble(source or self.root, slug, self.data_root, **options)

    def profile(self, **options: Any) -> Profile:
        return load_profile(self.assemble(**options).directory / "profile.yaml")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a draft but `status.json`, which tells times."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != "status.json"
    }


def everything(folder: Path) -> str:
    return "\n".join(p.read_text("utf-8", "replace") for p in sorted(folder.rglob("*")) if p.is_file())


def paths(profile: Profile) -> list[str | None]:
    return [step.path for step in profile.steps]


def status_of(draft: Path) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads((draft / "status.json").read_bytes())
    return found
