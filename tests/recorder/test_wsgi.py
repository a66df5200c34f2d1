"""The WSGI middleware: the application and its client notice nothing, and everything is written down first."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import pytest

from recorder import Settings, wrap
from recorder.core import LogUnavailableError, get_recorder
from recorder.events import current_operation
from recorder.log import Writer
from recorder.wsgi import RecorderMiddleware
from tests.recorder.watching import Answer, call_wsgi, environ, events, exchanges, last

Start = Callable[..., Any]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(root=tmp_path)


def logs(settings: Settings) -> Path:
    return settings.root / "_logs"


def hello(made: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    body = made["wsgi.input"].read(int(made.get("CONTENT_LENGTH", 0)))
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Twice", "a"), ("X-Twice", "b")])
    return [b"hello ", body]


def test_every_field_of_a_request(settings: Settings) -> None:
    made = environ(
        "/é".encode().decode("latin-1"),
        "POST",
        b'{"a":1}',
        [
            ("Content-Type", "application/json"),
            ("User-Agent", "probe"),
            ("X-Recorder-Request", "7; viewport=80x24; theme=dark"),
        ],
        "q=%20x",
        REQUEST_URI="/%C3%A9?q=%20x",
    )
    answer = call_wsgi(wrap(hello, settings), made)
    assert answer == Answer(
        "200 OK", [("Content-Type", "text/plain"), ("X-Twice", "a"), ("X-Twice", "b")], [b"hello ", b'{"a":1}']
    )
    ((started, finished),) = exchanges(logs(settings))
    assert started["payload"] == {
        "method": "POST",
        "scheme": "http",
        "path": "/%C3%A9",
        "query": "q=%20x",
        "headers": [
            ["host", "localhost"],
            ["user-agent", "probe"],
            ["x-recorder-request", "7; viewport=80x24; theme=dark"],
            ["content-type", "application/json"],
            ["content-length", "7"],
        ],
        "http_version": "1.1",
    }
    payload = finished["payload"]
    assert list(payload) == ["request_body", "status", "headers", "body", "duration_ms", "error"]
    assert payload["request_body"]["text"] == '{"a":1}'
    assert payload["status"] == 200
    assert payload["headers"] == [["content-type", "text/plain"], ["x-twice", "a"], ["x-twice", "b"]]
    assert payload["body"]["text"] == 'hello {"a":1}'
    assert payload["duration_ms"] > 0
    assert payload["error"] is None
    assert (started["stage"], finished["stage"]) == ("started", "finished")
    assert started["operation_id"] == started["id"] == finished["operation_id"]
    expected = {"recorder_session": None, "user": None, "browser": "probe", "viewport": "80x24", "theme": "dark"}
    assert started["session"] == finished["session"] == expected
    assert finished["mono_ns"] > started["mono_ns"]


def test_our_own_header_is_kept_from_the_application(settings: Settings) -> None:
    def app(made: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [b"seen" if "HTTP_X_RECORDER_REQUEST" in made else b"unseen"]

    assert call_wsgi(wrap(app, settings), environ(headers=[("X-Recorder-Request", "1")])).body == b"unseen"


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"REQUEST_URI": "/a%2Fb?x=1", "PATH_INFO": "/a/b"}, "/a%2Fb"),
        ({"RAW_URI": "http://host/a%2Fb", "PATH_INFO": "/a/b"}, "/a%2Fb"),
        ({"PATH_INFO": "/a b;c"}, "/a%20b;c"),
        ({"SCRIPT_NAME": "/app", "PATH_INFO": "/x", "REQUEST_URI": "/app/x"}, "/app/x"),
        ({"SCRIPT_NAME": "/proxied", "PATH_INFO": "/x", "REQUEST_URI": "/x"}, "/proxied/x"),
        ({"PATH_INFO": "", "REQUEST_URI": ""}, "/"),
    ],
)
def test_the_raw_path(settings: Settings, more: dict[str, str], path: str) -> None:
    call_wsgi(wrap(hello, settings), environ(**more))
    assert exchanges(logs(settings))[0][0]["payload"]["path"] == path


class Pieces:
    """A lazy result that notes what is done to it."""

    def __init__(self, log: list[str], pieces: list[bytes], fail: bool = False) -> None:
        self.log = log
        self.pieces = pieces
        self.fail = fail

    def __iter__(self) -> Iterator[bytes]:
        for number, piece in enumerate(self.pieces):
            self.log.append(f"make {number}")
            yield piece
        if self.fail:
            raise ValueError("broken at password='hunter2hunter2'")

    def close(self) -> None:
        self.log.append("close")


def test_pieces_pass_one_by_one_and_close_is_called(settings: Settings) -> None:
    log: list[str] = []

    def app(made: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return Pieces(log, [b"a", b"b"])

    result = wrap(app, settings)(environ(), lambda *args: None)
    for piece in result:
        log.append(f"got {piece.decode()}")
    assert last(logs(settings))["body"]["text"] == "ab"
    result.close()
    assert log == ["make 0", "got a", "make 1", "got b", "close"]


def test_a_result_is_given_back_as_it_is(settings: Settings) -> None:
    results: list[Any] = [[b"a"], (b"a", b"b"), []]

    class Sized(Pieces):
        def __len__(self) -> int:
            return 1

    for expected in results:

        def app(made: dict[str, Any], start_response: Start, result: Any = expected) -> Any:
            start_response("200 OK", [])
            return result

        assert wrap(app, settings)(environ(), lambda *args: None) is expected

    def sized(made: dict[str, Any], start_response: Start) -> Any:
        start_response("200 OK", [])
        return Sized([], [b"x"])

    result = wrap(sized, settings)(environ(), lambda *args: None)
    assert len(result) == 1
    result.close()
    lazy = wrap(lambda made, start: Pieces([], [b"x"]), settings)(environ(), lambda *args: None)
    assert not hasattr(lazy, "__len__")
    lazy.close()


def finished(settings: Settings) -> list[str]:
    return [record["stage"] for record in events(logs(settings), "http_request")]


@pytest.mark.parametrize(
    ("status", "headers", "method", "pieces"),
    [
        ("200 OK", [("Content-Length", "2")], "GET", [b"a", b"b"]),
        ("200 OK", [], "GET", [b"ab"]),
        ("200 OK", [("Content-Length", "2")], "HEAD", [b""]),
        ("304 Not Modified", [], "GET", [b""]),
        ("200 OK", [("Content-Length", "0")], "GET", [b""]),
    ],
)
def test_answered_implies_logged(
    settings: Settings, status: str, headers: list[tuple[str, str]], method: str, pieces: list[bytes]
) -> None:
    """When the server has the last thing it sends to the client, the record is there."""

    def app(made: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response(status, headers)
        yield from pieces

    result = wrap(app, settings)(environ(method=method), lambda *args: None)
    server = iter(result)
    for _ in pieces:
        next(server)
    if headers or status.startswith("304"):
        assert finished(settings) == ["started", "finished"]
    else:
        assert finished(settings) == ["started"]
        assert list(server) == []
    assert finished(settings) == ["started", "finished"]
    result.close()


def test_the_write_callable(settings: Settings) -> None:
    def app(made: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"a")
        write(b"b")
        return [b"c"]

    assert call_wsgi(wrap(app, settings), environ()).pieces == [b"a", b"b", b"c"]
    assert last(logs(settings))["body"]["text"] == "abc"


def test_exc_info_replaces_the_answer(settings: Settings) -> None:
    seen: list[tuple[Any, ...]] = []

    def app(made: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        try:
            raise ValueError
        except ValueError as error:
            start_response("500 Oops", [("Content-Type", "text/html")], (ValueError, error, None))
        return [b"oops"]

    list(wrap(app, settings)(environ(), lambda *args: seen.append(args)))
    assert [len(args) for args in seen] == [2, 3]
    assert last(logs(settings))["status"] == 500
    assert last(logs(settings))["body"]["media_type"] == "text/html"


@pytest.mark.parametrize("lazily", [False, True])
def test_an_application_that_raises(settings: Settings, lazily: bool) -> None:
    def app(made: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        if not lazily:
            raise ValueError("broken at password='hunter2hunter2'")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return Pieces([], [b"a"], fail=True)

    with pytest.raises(ValueError):
        call_wsgi(wrap(app, settings), environ())
    ((_, failed),) = exchanges(logs(settings))
    assert failed["stage"] == "failed"
    error = failed["payload"]["error"]
    assert error["type"] == "ValueError"
    assert error["message"].startswith("broken at password='secret-password-")
    assert "hunter2" not in error["traceback"]
    assert failed["payload"]["status"] == (200 if lazily else None)
    assert current_operation.get() is None


def test_a_client_that_leaves(settings: Settings) -> None:
    def app(made: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"a"
        yield b"b"

    result = wrap(app, settings)(environ(), lambda *args: None)
    next(iter(result))
    result.close()
    payload = last(logs(settings))
    assert payload["error"]["type"] == "ClientDisconnect"
    assert (payload["body"]["text"], payload["body"]["truncated"]) == ("a", True)


def test_a_body_nobody_reads(settings: Settings) -> None:
    def app(made: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [])
        return []

    call_wsgi(wrap(app, settings), environ(method="POST", body=b"secret stuff"))
    body = last(logs(settings))["request_body"]
    assert (body["size"], body["omitted"], body["truncated"]) == (12, "not_read", True)


@pytest.mark.parametrize(
    "reading",
    [
        lambda stream: stream.read(),
        lambda stream: stream.read(3) + stream.read(-1),
        lambda stream: stream.readline() + stream.readline(2) + stream.read(),
        lambda stream: b"".join(stream.readlines()),
        lambda stream: b"".join(stream),
        lambda stream: stream.read1(4) + b"".join(iter(lambda: stream.read1(4), b"")),
        lambda stream: bytes(bytearray(11)) if stream.readinto(memoryview(bytearray(11))) == 11 else b"",
        lambda stream: (stream.read(5), stream.seek(0), stream.read())[2],
        lambda stream: io.BufferedReader(stream.raw).read() if hasattr(stream, "raw") else stream.read(),
    ],
)
def test_every_way_to_read_the_input(settings: Settings, reading: Callable[[Any], bytes]) -> None:
    got: list[bytes] = []

    def app(made: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        got.append(reading(made["wsgi.input"]))
        start_response("200 OK", [])
        return []

    call_wsgi(wrap(app, settings), environ(method="POST", body=b"ab\ncd\nefghi"))
    assert len(got[0]) == 11
    assert last(logs(settings))["request_body"]["text"] == "ab\ncd\nefghi"


class OtherWrapper(FileWrapper):
    pass


@pytest.mark.parametrize(
    "wrapper", [FileWrapper, OtherWrapper, lambda file, size=8192: iter(lambda: file.read(size), b"")]
)
@pytest.mark.parametrize("on_disk", [True, False])
def test_a_file_wrapper_passes_untouched(settings: Settings, tmp_path: Path, wrapper: Any, on_disk: bool) -> None:
    content = b"\0" + b"x" * 700_000
    (tmp_path / "f").write_bytes(b"skipped" + content)
    returned: list[Any] = []

    def app(made: dict[str, Any], start_response: Start) -> Any:
        file = open(tmp_path / "f", "rb") if on_disk else io.BytesIO(b"skipped" + content)  # noqa: SIM115
        file.seek(7)
        start_response("200 OK", [("Content-Type", "application/x-thing")])
        returned.append(made["wsgi.file_wrapper"](file, 1000))
        return returned[0]

    result = wrap(app, settings)(environ(**{"wsgi.file_wrapper": wrapper}), lambda *args: None)
    assert result is returned[0]
    assert finished(settings) == ["started", "finished"]  # before the server has sent any of it
    assert b"".join(result) == content
    body = last(logs(settings))["body"]
    assert (body["size"], body["truncated"]) == (len(content), False)
    assert (logs(settings) / "profile.bodies" / body["ref"]).read_bytes() == content


def test_a_file_that_cannot_be_read_twice(settings: Settings) -> None:
    class Pipe:
        def read(self, size: int = -1) -> bytes:
            return b""

    def app(made: dict[str, Any], start_response: Start) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
        return made["wsgi.file_wrapper"](Pipe())

    call_wsgi(wrap(app, settings), environ())
    body = last(logs(settings))["body"]
    assert (body["omitted"], body["size"]) == ("unavailable", 5)


def test_the_current_operation_is_known_while_the_application_runs(settings: Settings) -> None:
    seen: list[Any] = []

    def app(made: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        seen.append(current_operation.get())
        start_response("200 OK", [])
        yield b""
        seen.append(current_operation.get())

    call_wsgi(wrap(app, settings), environ())
    assert seen[0] is seen[1]
    assert seen[0].operation_id == exchanges(logs(settings))[0][0]["operation_id"]
    assert seen[0].log_dir == logs(settings)
    assert seen[0].recorder is get_recorder(settings)
    assert current_operation.get() is None


def test_wrapping_twice_records_once(settings: Settings) -> None:
    once = wrap(hello, settings)
    assert wrap(once, settings) is once
    call_wsgi(RecorderMiddleware(RecorderMiddleware(hello, settings), settings), environ())
    assert len(exchanges(logs(settings))) == 1


def test_when_it_is_off_nothing_is_there(tmp_path: Path) -> None:
    off = Settings(enabled=False, root=tmp_path)
    assert wrap(hello, off) is hello
    call_wsgi(RecorderMiddleware(hello, off), environ())
    assert list(tmp_path.iterdir()) == []


def test_strict_mode_refuses_before_the_application_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[bool] = []
    app = wrap(lambda made, start: ran.append(True), Settings(root=tmp_path, mode="strict"))
    monkeypatch.setattr(Writer, "append", lambda self, event: False)
    answer = call_wsgi(app, environ())
    assert answer.status == "503 Service Unavailable"
    assert b"RECORDER_MODE=strict" in answer.body
    assert not ran


def test_best_effort_serves_on_when_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    settings = Settings(root=tmp_path / "file" / "root")
    assert call_wsgi(wrap(hello, settings), environ()).body == b"hello "
    assert get_recorder(settings).lost >= 2
    with pytest.raises(LogUnavailableError):
        get_recorder(Settings(root=tmp_path / "file" / "root", mode="strict")).begin("GET", "http", "/", "", [], "1.1")


def test_a_run_has_its_own_log_until_it_is_gone(tmp_path: Path) -> None:
    settings = Settings(
        root=tmp_path / "root",
        run_pattern="/runs/(?P<run_id>[^/]+)/(?P<config>[^/]+)",
        run_root=f"{tmp_path}/runs/{{run_id}}",
    )
    run = tmp_path / "runs" / "dry-creek"
    run.mkdir(parents=True)

    def app(made: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        if made["REQUEST_METHOD"] == "DELETE":
            for path in sorted(run.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            run.rmdir()
        start_response("200 OK", [])
        return []

    app = wrap(app, settings)
    call_wsgi(app, environ("/runs/dry-creek/rusle/view"))
    ((started, ended),) = exchanges(run / "_logs")
    assert started["run_context"] == ended["run_context"] == {"run_id": "dry-creek", "config": "rusle"}
    call_wsgi(app, environ("/runs/dry-creek/rusle/", "DELETE"))
    assert not run.exists()
    call_wsgi(app, environ("/runs/dry-creek/rusle/"))
    call_wsgi(app, environ("/runs/never-was/rusle/"))
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == []
    stages = [record["stage"] for record in events(settings.root / "_logs", "http_request")]
    assert stages == ["finished", "started", "finished", "started", "finished"]
    assert len((settings.root / "logs.jsonl").read_text().split()) == 2


def test_uploads_are_events_of_their_own(settings: Settings) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\nabcdefabcdef1\r\n'
        b'--b\r\nContent-Disposition: form-data; name="dem"; filename="d.tif"\r\n'
        b"Content-Type: image/tiff\r\n\r\nII*\0\r\n--b--\r\n"
    )
    made = environ(method="POST", body=body, headers=[("Content-Type", "multipart/form-data; boundary=b")])
    call_wsgi(wrap(hello, settings), made)
    ((started, ended),) = exchanges(logs(settings))
    (upload,) = events(logs(settings), "file_upload")
    assert upload["parent_id"] == started["operation_id"]
    assert upload["operation_id"] == upload["id"]
    part = ended["payload"]["request_body"]["parts"][1]
    assert upload["payload"] == {
        "field": "dem",
        "filename": "d.tif",
        "media_type": "image/tiff",
        "size": 4,
        "sha256": part["sha256"],
        "ref": part["ref"],
    }
    assert (logs(settings) / "profile.bodies" / part["ref"]).read_bytes() == b"II*\0"


def test_the_standard_validator_is_content_on_both_sides(settings: Settings) -> None:
    app = validator(wrap(validator(hello_strictly), settings))
    made = environ(method="POST", body=b"xyz", CONTENT_TYPE="text/plain")
    assert call_wsgi(app, made).body == b"xyz"
    assert last(logs(settings))["body"]["text"] == "xyz"


def hello_strictly(made: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [made["wsgi.input"].read(3)]


def test_the_api_is_served_and_not_recorded(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from recorder import core

    asked: list[Any] = []

    def respond(self: core.Recorder, request: core.Request) -> core.Response:
        asked.append(request)
        return 201, [("Content-Type", "application/json")], json.dumps({"path": request.path}).encode()

    monkeypatch.setattr(core.Recorder, "respond", respond)
    app = wrap(hello, settings)
    answer = call_wsgi(
        app, environ("/recorder/captures/start", "POST", b"{}", [("Content-Type", "application/json")], "a=1")
    )
    assert (answer.status, answer.body) == ("201 Created", b'{"path": "/captures/start"}')
    (request,) = asked
    assert (request.method, request.query, request.body, request.header("content-type")) == (
        *("POST", "a=1", b"{}", "application/json"),
    )
    assert call_wsgi(app, environ("/recorderish")).body == b"hello "
    big = call_wsgi(app, environ("/recorder/events", "POST", headers=[("Content-Length", str(17 << 20))]))
    assert big.status.startswith("413")
    assert len(exchanges(logs(settings))) == 1
