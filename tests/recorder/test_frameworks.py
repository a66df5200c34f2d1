"""Every framework under every server that people run it with: what a client gets is byte for byte what it gets from the
bare application, and the log has each request once, whole, by the worker that served it."""

from __future__ import annotations

import json
import re
import socket
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from recorder.pseudonyms import Pseudonyms, load_key
from tests.apps.frameworks.story import MISHAP, PIECES, described, token
from tests.recorder.watching import events, exchanges
from tests.support import Server

WORKERS = 4

WSGI: dict[str, Callable[..., Server]] = {
    "gunicorn sync, 4 workers": lambda app, **more: Server.gunicorn(app, workers=WORKERS, **more),
    "gunicorn gthread": lambda app, **more: Server.gunicorn(app, options=["--threads", "4"], **more),
    "gunicorn gevent": lambda app, **more: Server.gunicorn(app, options=["--worker-class", "gevent"], **more),
    "gunicorn preload, 4 workers": lambda app, **more: Server.gunicorn(
        app, workers=WORKERS, options=["--preload"], **more
    ),
    "waitress": lambda app, **more: Server(
        [sys.executable, "-m", "waitress", "--listen=127.0.0.1:{port}", app], **more
    ),
}
ASGI: dict[str, Callable[..., Server]] = {
    "uvicorn h11": lambda app, **more: Server.uvicorn(app, options=["--http", "h11"], **more),
    "uvicorn httptools": lambda app, **more: Server.uvicorn(app, options=["--http", "httptools"], **more),
    "uvicorn, 2 workers": lambda app, **more: Server.uvicorn(app, workers=2, **more),
    "hypercorn": lambda app, **more: Server(
        [sys.executable, "-m", "hypercorn", "--bind", "127.0.0.1:{port}", app], **more
    ),
}
PAIRS = [(app, name) for app in ("flask_app", "django_wsgi", "pyramid_app", "bottle_app") for name in WSGI] + [
    (app, name) for app in ("fastapi_app", "starlette_app", "quart_app", "django_asgi") for name in ASGI
]
BY_PATTERN = {"flask_app", "django_wsgi", "fastapi_app", "quart_app"}
"""Those whose runs a pattern tells; the others name them by a callable."""
RAISES = {"pyramid_app", "fastapi_app", "starlette_app"}
"""Those that let an exception through to whatever is around the recorder; the others answer it with a page of their own."""

UPLOADED = bytes(range(256)) * 900
FORM = "application/x-www-form-urlencoded"
ADA = f"Cookie: login={token('ada')}"
ROOT = f"Cookie: login={token('root')}"


def raw(method: str, target: str, *headers: str, body: bytes = b"") -> bytes:
    """A request as it goes over the wire."""
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
    lines += [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([*lines, "", ""]).encode() + body


def multipart() -> bytes:
    head = (
        b'--cut\r\nContent-Disposition: form-data; name="file"; filename="h\xc3\xb6he.tif"\r\nContent-Type: image/tiff'
    )
    return head + b"\r\n\r\n" + UPLOADED + b"\r\n--cut--\r\n"


STORY: dict[str, bytes] = {
    "page": raw("GET", "/projects/dry-creek/rusle%20a?q=%7e&q=&q=b+c", "X-Twice: 1", "X-Twice: 2"),
    "head": raw("HEAD", "/projects/dry-creek/rusle"),
    "form": raw("POST", "/form", f"Content-Type: {FORM}", body=b"name=Ada+L&tag=1&tag=%C3%BC"),
    "json": raw("POST", "/json", "Content-Type: application/json", body=b'{"deep": [1, {"name": "Ada"}]}'),
    "upload": raw("POST", "/upload", "Content-Type: multipart/form-data; boundary=cut", body=multipart()),
    "stream": raw("GET", "/stream"),
    "missing": raw("GET", "/nowhere/to/be%2Ffound"),
    "wrong": raw("DELETE", "/form"),
    "broken": raw("GET", "/broken"),
    "login": raw("POST", "/login", f"Content-Type: {FORM}", body=b"name=ada"),
    "me": raw("GET", "/me", ADA),
    "anonymous": raw("GET", "/me"),
}


def ask(server: Server, request: bytes) -> bytes:
    """All that comes back over one connection, without what tells the time."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    return re.sub(rb"(?i)\r\ndate: [^\r]*", b"", answer, count=1)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str, str], tuple[Server, Server]]]:
    """Starts one pair twice, bare and recorded."""
    (tmp_path / "runs" / "dry-creek").mkdir(parents=True)
    with ExitStack() as stack:

        def begin(app: str, name: str) -> tuple[Server, Server]:
            make = {**WSGI, **ASGI}[name]
            env = {"RECORDER_ROOT": str(tmp_path / "root"), "RUNS": str(tmp_path / "runs")}
            env["PYTHONHASHSEED"] = "0"  # Werkzeug writes the methods in `Allow` in the order of a set
            if app in BY_PATTERN:
                env["RECORDER_RUN_PATTERN"] = "/projects/(?P<run_id>[^/]+)/(?P<config>[^/]+)"
                env["RECORDER_RUN_ROOT"] = str(tmp_path / "runs" / "{run_id}")
            module = f"tests.apps.frameworks.{app}:app"
            both = make(module, env={**env, "BARE": "1"}), make(module, env=env)
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(stack.enter_context, both))
            return both

        yield begin


def test_the_readme_names_these_frameworks() -> None:
    """The table names what the README does, no more and no less."""
    readme = Path(__file__).parents[2].joinpath("README.md").read_text()
    record = readme.partition("## Record an application")[2].partition("\n## ")[0]
    assert set(re.findall(r"\*\*(Flask|Django|FastAPI|Starlette|Quart|Pyramid|Bottle)\*\*", record)) == {
        app.partition("_")[0].title().replace("Fastapi", "FastAPI") for app, _ in PAIRS
    }


@pytest.mark.parametrize(("app", "name"), PAIRS, ids=[f"{app} on {name}" for app, name in PAIRS])
def test_nothing_is_changed_and_everything_is_told(
    app: str, name: str, start: Callable[[str, str], tuple[Server, Server]], tmp_path: Path
) -> None:
    bare, recorded = start(app, name)
    for part, request in STORY.items():
        expected, answer = ask(bare, request), ask(recorded, request)
        assert answer == expected, part
        assert answer.startswith(b"HTTP/1."), part
    with ThreadPoolExecutor(8) as pool:
        pids = list(pool.map(lambda n: ask(recorded, raw("GET", f"/pid?n={n}")), range(24)))
    status = json.loads(ask(recorded, raw("GET", "/recorder/status", ROOT)).partition(b"\r\n\r\n")[2])
    assert status["roles"] == ["audit", "capture", "export"]
    assert status["lost"] == 0
    assert "roles" not in json.loads(ask(recorded, raw("GET", "/recorder/status", ADA)).partition(b"\r\n\r\n")[2])

    root, run = tmp_path / "root" / "_logs", tmp_path / "runs" / "dry-creek" / "_logs"
    told = {**by_target(root), **by_target(run)}
    check_the_story(app, told, root, Pseudonyms(load_key(tmp_path / "root")).digest("ada"))
    # Each record by the process that served its request, and none of them missing.
    for log_dir in (root, run):
        sequences, writers = defaultdict(list), {}
        for event in events(log_dir):
            sequences[event["writer"]].append(event["sequence"])
            if event["payload"].get("kind") == "log_opened":
                writers[event["writer"]] = event["payload"]["pid"]
        assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in sequences.values())
        assert sequences.keys() == writers.keys()
        assert len(set(writers.values())) == len(writers)
        if log_dir == root:
            for number, answer in enumerate(pids):
                ((first, last),) = told["GET", f"/pid?n={number}"]
                assert b"%d" % writers[first["writer"]] in answer.partition(b"\r\n\r\n")[2].splitlines()
                assert first["writer"] == last["writer"]


def by_target(log_dir: Path) -> dict[tuple[str, str], list[tuple[dict[str, Any], dict[str, Any]]]]:
    """The first and the last record of each request, by method and target."""
    found = defaultdict(list)
    for first, last in exchanges(log_dir):
        sent = first["payload"]
        found[sent["method"], sent["path"] + ("?" + sent["query"] if sent["query"] else "")].append((first, last))
    return found


def check_the_story(app: str, told: dict[tuple[str, str], list[Any]], root: Path, ada: str) -> None:
    """What the log must say about each part of the story."""
    pairs: dict[str, tuple[Any, Any]] = {}
    for part, request in STORY.items():
        method, target, _ = request.decode("latin-1").split(" ", 2)
        found = told[method, target]
        assert len(found) == (2 if target == "/me" else 1), part
        pairs[part] = found[-1 if part == "anonymous" else 0]
    last = {part: pair[1]["payload"] for part, pair in pairs.items()}

    page = pairs["page"][0]
    context = {"run_id": "dry-creek", "config": "rusle a" if app in BY_PATTERN else "own"}
    assert page["run_context"] == pairs["page"][1]["run_context"] == context
    sent = page["payload"]["headers"]
    twice = [value for header, value in sent if header == "x-twice"]
    assert re.split(", ?", ",".join(twice)) == ["1", "2"]  # a WSGI server joins them
    assert pairs["form"][0]["run_context"] is None
    assert last["page"]["body"]["text"] == "dry-creek: rusle a, ['~', '', 'b c']"
    assert last["head"]["body"] is None
    assert last["form"]["request_body"]["text"] == "name=Ada+L&tag=1&tag=%C3%BC"
    assert last["json"]["request_body"]["text"] == '{"deep": [1, {"name": "Ada"}]}'
    (part,) = last["upload"]["request_body"]["parts"]
    expected = described("höhe.tif", UPLOADED)
    assert (part["filename"], part["size"], part["sha256"]) == tuple(expected.values())
    assert (root / "profile.bodies" / part["ref"]).read_bytes() == UPLOADED
    uploads = events(root, "file_upload")
    assert [event["parent_id"] for event in uploads] == [pairs["upload"][0]["operation_id"]]
    assert last["stream"]["body"]["text"].encode() == b"".join(PIECES)
    assert not last["stream"]["body"]["truncated"]
    broken = pairs["broken"][1]
    if app in RAISES:
        assert broken["stage"] == "failed"
        assert broken["payload"]["error"]["message"] == MISHAP
        assert "raise ValueError(MISHAP)" in broken["payload"]["error"]["traceback"]
    else:
        assert (broken["stage"], broken["payload"]["status"]) == ("finished", 500)
    cookie = next(value for header, value in last["login"]["headers"] if header == "set-cookie")
    assert re.match(r"login=secret-cookie-[0-9a-f]{32};", cookie.lstrip())  # Django writes a space before it
    statuses = {part: payload["status"] for part, payload in last.items() if part != "broken"}
    assert statuses.pop("missing") == 404
    assert statuses.pop("wrong") == (200 if app[:6] in ("django", "pyrami") else 405)
    assert set(statuses.values()) == {200}, statuses
    users = {part: pair[0]["session"]["user"] for part, pair in pairs.items()}
    assert users.pop("me") == ada
    assert set(users.values()) == {None}
