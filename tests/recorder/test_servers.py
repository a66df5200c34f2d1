"""Real servers: several gunicorn workers write one log, and uvicorn serves FastAPI as if nobody watched."""

from __future__ import annotations

import http.client
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.recorder import site
from tests.recorder.watching import events, exchanges
from tests.support import ROOT, Server, clean_environ


def call(
    server: Server, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request("POST" if body is not None else "GET", path, body, headers or {})
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def test_four_workers_write_one_log(tmp_path: Path) -> None:
    pytest.importorskip("gunicorn")
    root, meeting = tmp_path / "root", tmp_path / "meeting"
    meeting.mkdir()
    env = {"RECORDER_ROOT": str(root), "MEETING": str(meeting)}
    with Server.gunicorn("tests.recorder.site:wsgi", workers=site.WORKERS, env=env) as server:
        with ThreadPoolExecutor(8) as pool:
            assert {status for status, _, _ in pool.map(lambda n: call(server, "/meet"), range(site.WORKERS))} == {200}
            answers = list(pool.map(lambda n: call(server, f"/{n}%2Fx?n={n}", b"%d" % n), range(160)))
        assert [body for _, _, body in answers] == [b"hello %d" % number for number in range(160)]
        recorded = {
            record["payload"]["query"]: record["operation_id"]
            for record in events(root / "_logs", "http_request")
            if record["stage"] == "started"
        }
        assert {f"n={number}" for number in range(160)} <= recorded.keys()
        assert call(server, "/file")[2] == Path(site.__file__).read_bytes()
    # Every answer implies both records; nobody tore, overwrote or lost one.
    pairs = [pair for pair in exchanges(root / "_logs") if pair[0]["payload"]["query"]]
    for started, finished in pairs:
        number = re.fullmatch(r"n=(\d+)", started["payload"]["query"])[1]  # type: ignore[index]
        assert started["payload"]["path"] == f"/{number}%2Fx"
        assert finished["payload"]["body"]["text"] == f"hello {number}"
    sequences: dict[str, list[int]] = {}
    for record in events(root / "_logs"):
        sequences.setdefault(record["writer"], []).append(record["sequence"])
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in sequences.values())
    assert len(sequences) == site.WORKERS
    assert len(set(re.findall(r'"log":"[^"]+"', (root / "logs.jsonl").read_text()))) == 1
    file = exchanges(root / "_logs")[-1][1]["payload"]["body"]
    assert file["text"] == Path(site.__file__).read_text()


def test_fastapi_on_uvicorn(tmp_path: Path) -> None:
    pytest.importorskip("fastapi")
    served = Path(site.__file__).with_name("site_fastapi.py")
    boundary = "----x"
    upload = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="d.bin"\r\n'
        f"Content-Type: application/x-thing\r\n\r\n"
    ).encode()
    upload += b"\0" * 200_000 + f"\r\n--{boundary}--\r\n".encode()
    with Server.uvicorn("tests.recorder.site_fastapi:asgi", env={"RECORDER_ROOT": str(tmp_path)}) as server:
        status, _, body = call(server, "/upload", upload, {"Content-Type": f"multipart/form-data; boundary={boundary}"})
        assert (status, body) == (200, b'{"name":"d.bin","size":200000}')
        assert call(server, "/stream")[2] == b"0\n1\n2\n"
        status, headers, body = call(server, "/file")
        assert body == served.read_bytes()
        assert headers["content-length"] == str(len(body))
        by_path = {first["payload"]["path"]: second["payload"] for first, second in exchanges(tmp_path / "_logs")}
    assert by_path["/stream"]["body"]["text"] == "0\n1\n2\n"
    assert by_path["/file"]["body"]["text"] == served.read_text()
    (part,) = by_path["/upload"]["request_body"]["parts"]
    assert (tmp_path / "_logs/profile.bodies" / part["ref"]).read_bytes() == b"\0" * 200_000
    assert [event["payload"]["sha256"] for event in events(tmp_path / "_logs", "file_upload")] == [part["sha256"]]


def refused(command: list[str], **environ: str) -> str:
    """What a server says that does not come up."""
    env = {**clean_environ(), "PYTHONPATH": str(ROOT), **environ}
    ran = subprocess.run([sys.executable, "-m", *command], env=env, capture_output=True, text=True, timeout=180)
    assert ran.returncode
    return ran.stdout + ran.stderr


def test_a_bad_setting_is_the_last_word_of_a_server_that_does_not_start() -> None:
    sentence = "RECORDER_MODE='strickt' is not known; did you mean 'strict'? (valid: best_effort, strict)."
    added = refused(["uvicorn", "tests.recorder.site_added:app", "--port", "0"], RECORDER_MODE="strickt")
    assert added.splitlines()[-2:] == [f"ERROR:    {sentence}", "ERROR:    Application startup failed. Exiting."]
    assert "Traceback" not in added
    wrapped = refused(["uvicorn", "tests.recorder.site_fastapi:asgi", "--port", "0"], RECORDER_MODE="strickt")
    assert wrapped.splitlines()[-1] == f"ValueError: {sentence}"
    pytest.importorskip("gunicorn")
    under = refused(["gunicorn", "tests.recorder.site:wsgi", "-b", "127.0.0.1:0"], RECORDER_MODE="strickt")
    assert sentence in under.rpartition("Traceback")[2]
