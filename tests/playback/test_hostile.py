"""Profiles and answers that mean harm, or are broken, end in a sentence: no traceback, no file of another folder."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import httpx
import pytest
import yaml
from starlette.responses import PlainTextResponse

from assembler.extractors import Answer, evaluate
from assembler.profile import Extract, Step
from playback import validation
from playback.access import OPERATOR, Access
from playback.commands import ALLOWED, Commands
from playback.documents import read_json
from playback.engine import Options, replay
from playback.errors import BadProfile, Unjudgeable
from playback.file_waits import FileWaits
from playback.job_sources import connect
from playback.session import _text
from playback.template import Scope


def problems(root: Path, step: dict[str, object], metadata: dict[str, object] | None = None) -> list[str]:
    folder = root / "p"
    folder.mkdir(exist_ok=True)
    document = {"metadata": {"slug": "p", **(metadata or {})}, "steps": [{"id": "a", "path": "/", **step}]}
    (folder / "profile.yaml").write_text(yaml.safe_dump(document))
    return validation.problems(folder / "profile.yaml")[1]


@pytest.mark.parametrize("step", [{"method": "POST", "body": "in/it"}, {"expect": {"body": "in/it"}}])
def test_a_link_does_not_lead_out_of_the_profile(tmp_path: Path, step: dict[str, object]) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "it").write_text("private")
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "in").symlink_to(tmp_path / "outside")
    (sentence,) = problems(tmp_path, step)
    assert "needs in/it, which is, or lies behind, a symbolic link" in sentence


@pytest.mark.parametrize(
    ("extract", "sentence"),
    [
        ({"css": "a[[[:::"}, "'a[[[:::' is no CSS selector"),
        ({"css": ""}, "is no CSS selector"),
        ({"json": "a[[?!"}, "is no JMESPath"),
        ({"json": ""}, "is no JMESPath"),
        ({"json": "(" * 5000}, "is no JMESPath"),
        ({"regex": "((("}, "is no regular expression"),
        ({"regex": "(" * 5000}, "is no regular expression"),
        ({"regex": "hello"}, "has no group"),
        ({"css": "a", "nth": -5}, "nth is -5; it counts from 0"),
    ],
)
def test_what_finds_nothing_ever_is_said_before(tmp_path: Path, extract: dict[str, object], sentence: str) -> None:
    (found,) = problems(tmp_path, {"extract": {"token": extract}})
    assert found.startswith("Step a: extract.token: ")
    assert sentence in found
    assert "\n" not in found


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        ({"timeout": -1}, "timeout is -1; it is in seconds"),
        ({"timeout": 1e300}, "timeout is 1e+300; it is in seconds"),
        ({"wait": {"type": "poll", "interval": -1, "until": {"status": 200}}}, "wait.interval is -1"),
        ({"wait": {"type": "poll", "until": {"json": "a[["}}}, "wait.until.json: 'a[[' is no JMESPath"),
        ({"wait": {"type": "file", "path": "../../etc/passwd"}}, "would leave the run directory"),
        ({"wait": {"type": "file", "path": "/etc/passwd"}}, "would leave the run directory"),
    ],
)
def test_what_no_step_can_mean(tmp_path: Path, step: dict[str, object], sentence: str) -> None:
    (found,) = problems(tmp_path, step)
    assert sentence in found


@pytest.mark.parametrize("moment", ["nonsense", "0001-01-01T00:00:00"])
def test_a_recording_made_at_no_time(tmp_path: Path, moment: str) -> None:
    (found,) = problems(tmp_path, {}, {"recorded_with": {"started": moment}})
    assert "metadata.recorded_with.started" in found


def test_a_wait_stays_in_the_run(tmp_path: Path) -> None:
    (tmp_path / "private").write_text("root")
    (tmp_path / "run").mkdir()
    waits = FileWaits(tmp_path / "run", threading.Event())
    with pytest.raises(BadProfile, match="outside the run directory"):
        waits.wait("a", "../private", None, 1.0, {})


def test_json_deeper_than_the_interpreter_goes_is_text() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    assert read_json("application/json", deep) is None
    assert read_json("text/event-stream", f"data: {deep}\n") is None
    page = Answer(200, [("content-type", "text/html")], f"<i data-x='{deep}'></i>")
    assert evaluate(Extract(css="i", attr="data-x", json_="a"), page) is None


def test_an_expression_that_does_not_fit_the_answer_finds_nothing() -> None:
    answer = Answer(200, [("content-type", "application/json")], '{"n": 1}')
    assert evaluate(Extract(json_="length(n)"), answer) is None


def test_a_charset_of_which_the_codec_fails() -> None:
    headers = {"content-type": "text/html; charset=punycode"}
    assert _text(httpx.Response(200, headers=headers, content=b"abc-99999999999a")) is None


def test_a_command_with_a_nul(tmp_path: Path) -> None:
    step = Step.model_validate({"id": "x", "action": "command", "command": ["i\0d"]})
    with pytest.raises(BadProfile, match="cannot be run"):
        Commands({ALLOWED: "*"}, tmp_path).run(step, Scope())


def test_a_redis_address_that_is_none(tmp_path: Path) -> None:
    problems(tmp_path, {})
    profile = validation.problems(tmp_path / "p" / "profile.yaml")[0]
    with pytest.raises(Unjudgeable, match="REDIS_URL is 'nonsense'"):
        connect(profile, {"REDIS_URL": "nonsense"})


async def passed(access: Access, *headers: tuple[bytes, bytes]) -> int:
    """The status of a POST with these headers, from this machine."""
    told: list[dict[str, object]] = []
    scope = {"type": "http", "method": "POST", "path": "/run/x", "headers": headers, "client": ("127.0.0.1", 5)}

    async def send(message: dict[str, object]) -> None:
        told.append(message)

    await access(scope, None, send)  # type: ignore[arg-type]
    status = told[0]["status"]
    assert isinstance(status, int)
    return status


@pytest.mark.parametrize("odd", [(b"host", b"[bad"), (b"origin", b"http://[bad")])
def test_addresses_that_are_none_are_refused(odd: tuple[bytes, bytes]) -> None:
    access = Access(PlainTextResponse("in"), {})
    assert asyncio.run(passed(access, (b"host", b"127.0.0.1"))) == 200
    assert asyncio.run(passed(access, (b"host", b"127.0.0.1"), odd)) == 403


@pytest.mark.parametrize(
    ("offered", "status"),
    [
        (b"Basic \xff\xfe", 401),
        (b"Bearer \xff", 401),
        (b"Bearer x", 401),
        (b"Bearer \xe9", 401),
        (b"Bearer \xc3\xa9", 200),
    ],
)
def test_a_token_is_compared_by_its_bytes(offered: bytes, status: int) -> None:
    assert asyncio.run(passed(Access(PlainTextResponse("in"), {OPERATOR: "\xe9"}), (b"authorization", offered))) == status


@pytest.mark.parametrize(
    ("body", "step"),
    [
        ('{"t": "a\\r\\nX-More: 1"}', {"headers": {"X-T": "{{ steps.a.t }}"}}),
        ('{"t": "\\ud800"}', {"headers": {"X-T": "{{ steps.a.t }}"}}),
        ('{"t": "\\ud800"}', {"method": "POST", "form": [["t", "{{ steps.a.t }}"]]}),
        ('{"t": "http://[bad/"}', {"path": "{{ steps.a.t }}"}),
    ],
)
def test_a_value_that_no_request_can_carry_fails_its_step(tmp_path: Path, body: str, step: dict[str, object]) -> None:
    asked: list[str] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        asked.append(environ["PATH_INFO"])
        start_response("200 OK", [("Content-Type", "application/json")])
        return [body.encode()]

    folder = tmp_path / "profiles" / "p"
    folder.mkdir(parents=True)
    steps = [{"id": "a", "path": "/a", "extract": {"t": {"json": "t"}}}, {"id": "b", "path": "/b", **step}]
    (folder / "profile.yaml").write_text(yaml.safe_dump({"metadata": {"slug": "p"}, "steps": steps}))
    with make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        report = replay("p", tmp_path, Options(base_url=f"http://127.0.0.1:{server.server_port}"), {})
        server.shutdown()
    assert (report.result, report.failing_step) == ("failed", "b")
    assert "cannot be sent" in str(report.steps[-1].mismatches[0].message)
    assert "/b" not in asked


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
