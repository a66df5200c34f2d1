"""A web application whose answers the test holds in its hand, over a real socket, and profiles of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs

JSON, PAGE, TEXT = "application/json", "text/html", "text/plain"


@dataclass
class Answer:
    """What a path answers with."""

    body: bytes | str | dict[str, Any] | list[Any] = ""
    media_type: str = JSON
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


class Site:
    """Answers as `routes` say: path to a function that is called for each request with the request's body.

    with Site({"/total": lambda sent: Answer({"total": 3})}) as site:
        httpx.get(site.url + "/total")
    """

    def __init__(self, routes: Mapping[str, Callable[[str], Answer]]) -> None:
        self.routes = dict(routes)
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # head and body are two writes; the second would wait 40 ms for the first

            def respond(self) -> None:
                sent = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
                missing = Answer("nothing here", TEXT, 404)
                route = site.routes.get(self.path.partition("?")[0])
                answer = route(sent) if route else missing
                self.send_response(answer.status)
                self.send_header("content-type", answer.media_type)
                self.send_header("content-length", str(len(answer.content)))
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.content)

            do_GET = do_POST = respond  # noqa: N815 - the names of http.server

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def profile(data_root: Path, text: str, files: Mapping[str, bytes | str | dict[str, Any]], slug: str = "shop") -> Path:
    """Put a promoted profile below `data_root`; returns its folder."""
    folder = data_root / "profiles" / slug
    for name, content in {"profile.yaml": text, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(Answer(content).content)
    return folder


RUN_PROFILE = """metadata:
  slug: shop
  run: clone
  recorded_with: {origin: "http://127.0.0.1:1", run_id: bashful-moraine, started: "2026-01-05T10:00:00Z"}
steps:
  - id: compute
    at: 0.0
    took: 0.01
    method: POST
    path: /compute
    form: [[run, "{{ run_id }}"]]
    expect: {status: 200, media_type: application/json, body: baseline/answers/compute.json}
comparisons:
  - {target: out/result.json, method: mapped}
  - {target: out/table.csv, method: exact_hash}
"""
RESULT = {"run": "bashful-moraine", "loss": 12.5, "sample": "recorded"}
TABLE = "a,b\n1,2\n"


def run_profile(data_root: Path) -> Path:
    """A profile whose one step has the application write two files into the run."""
    files: dict[str, Any] = {
        "seed/run/main.cfg": "[run]\n",
        "baseline/answers/compute.json": {"ok": True},
        "baseline/run/out/result.json": RESULT,
        "baseline/run/out/table.csv": TABLE,
    }
    return profile(data_root, RUN_PROFILE, files)


def computes(data_root: Path, table: str = TABLE, **changes: Any) -> Callable[[str], Answer]:
    """What `/compute` does; a change may be a function that is called each time."""

    def route(sent: str) -> Answer:
        run_id = parse_qs(sent)["run"][0]
        folder = data_root / "playback_runs" / run_id.rpartition(";")[2] / "out"
        folder.mkdir(exist_ok=True)
        made = {name: value() if callable(value) else value for name, value in changes.items()}
        (folder / "result.json").write_text(json.dumps({**RESULT, "run": run_id, **made}))
        (folder / "table.csv").write_text(table)
        return Answer({"ok": True})

    return route
