"""Whatever is in a record: it is one line, it reads as it was written, and nothing in it makes another record."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from recorder.core import get_recorder
from recorder.log import LOG_NAME, Line, Writer, read
from recorder.settings import Settings
from recorder.wsgi import RecorderMiddleware
from tests.recorder.fuzzing import anything, as_read, exotic_text, record_of
from tests.recorder.watching import call_wsgi, environ, exchanges


def test_fuzzed_records_read_as_they_were_written(tmp_path: Path) -> None:
    chance, writer = random.Random(7), Writer(tmp_path / "_logs", tmp_path)
    written: list[tuple[Any, list[list[str]]]] = []
    for number in range(3000):
        value, headers = anything(chance), [["x-a", exotic_text(chance)] for _ in range(chance.randrange(3))]
        if number == 1500:
            headers.append(["x-large", "h" * (10 << 20)])
        written.append((value, headers))
        assert writer.append(record_of(value, headers))
    found = list(read(writer.path))
    assert all(isinstance(line, Line) for line in found)
    assert len(found) == len(written) + 1
    assert writer.path.read_bytes().count(b"\n") == 2 * len(found)
    for (value, headers), line in zip(written, found[1:], strict=True):
        payload = line.event["payload"]  # type: ignore[union-attr]
        assert payload["args"] == [as_read(value)]
        assert payload["headers"] == as_read(headers)


RUDE = "\r\n\x1e\u2028\x1b[2J\x9b31m" + '\n{"v":1,"id":"forged","category":"system_log"}\n'


@pytest.mark.parametrize("where", ["path", "query", "header", "user agent", "body", "answer header"])
def test_what_a_request_brings_forges_no_record(tmp_path: Path, where: str) -> None:
    settings = Settings(root=tmp_path, key="k")
    latin = RUDE.encode().decode("latin-1")  # as servers hand over octets

    def app(made: dict[str, Any], start_response: Any) -> list[bytes]:
        made["wsgi.input"].read()
        start_response(
            "200 OK", [("Content-Type", "text/plain"), ("X-Back", latin if where == "answer header" else "b")]
        )
        return [b"ok"]

    headers = {"header": [("X-Any", latin)], "user agent": [("User-Agent", latin)]}.get(where, [])
    made = environ(
        f"/a{latin}" if where == "path" else "/a", "POST", RUDE.encode() if where == "body" else b"x", headers,
        query=latin if where == "query" else "",
    )  # fmt: skip
    assert call_wsgi(RecorderMiddleware(app, settings), made).pieces == [b"ok"]
    ((started, finished),) = exchanges(tmp_path / "_logs")
    assert finished["payload"]["status"] == 200
    told = {
        "query": started["payload"]["query"],
        "header": dict(started["payload"]["headers"]).get("x-any"),
        "user agent": dict(started["payload"]["headers"]).get("user-agent"),
        "body": finished["payload"]["request_body"]["text"],
        "answer header": dict(finished["payload"]["headers"]).get("x-back"),
    }
    if where in told:
        assert told[where] == (RUDE if where == "body" else latin)
    assert "forged" not in [line.event["id"] for line in read(tmp_path / "_logs" / LOG_NAME) if isinstance(line, Line)]
    assert get_recorder(settings).lost == 0
