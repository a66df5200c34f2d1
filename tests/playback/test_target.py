"""A replay reaches what the allow-list names, by address, and never production."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from playback.engine import Options, replay
from playback.errors import TargetRefused, Unjudgeable
from playback.target import ALLOWED, Target, check_target, refuse_production
from tests.playback.members import serving
from tests.playback.site import profile
from tests.support import free_port

NAMES = {"app.example": ["10.1.2.3"], "rebound.example": ["127.0.0.1"], "both.example": ["127.0.0.1", "10.1.2.3"]}


@pytest.fixture(autouse=True)
def resolver(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A name service of our own; returns the names it was asked for."""
    asked: list[str] = []
    original = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *rest: Any, **options: Any) -> Any:
        asked.append(host)
        if host in NAMES:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in NAMES[host]]
        if host.endswith(".example"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return original(host, port, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("http://127.8.9.1:5000/", "http://127.8.9.1:5000"),
        ("http://[::1]:5000", "http://[::1]:5000"),
        ("HTTP://LocalHost.:80", "http://localhost"),
        ("https://localhost:443", "https://localhost"),
        ("http://2130706433:5000", "http://127.0.0.1:5000"),
        ("http://0x7f000001:5000", "http://127.0.0.1:5000"),
        ("http://0177.0.0.1:5000", "http://127.0.0.1:5000"),
        ("http://127.1:5000", "http://127.0.0.1:5000"),
        ("http://[::ffff:127.0.0.1]:5000", "http://127.0.0.1:5000"),
        ("http://[::ffff:7f00:1]:5000", "http://127.0.0.1:5000"),
        ("http://rebound.example:5000", "http://rebound.example:5000"),
    ],
)
def test_loopback_is_allowed_however_it_is_spelled(url: str, origin: str) -> None:
    target = check_target(url, None, {})
    assert (target.origin, target.internal_origin, target.base_path) == (origin, origin, "")
    assert target.address == "::1" or target.address.startswith("127.")


@pytest.mark.parametrize(
    "url",
    [
        "http://10.1.2.3:5000",
        "http://167838211:5000",
        "http://0x0a010203:5000",
        "http://012.1.2.3:5000",
        "http://[::ffff:10.1.2.3]:5000",
        "http://[fe80::1]:5000",
        "http://169.254.169.254",
        "http://app.example:5000",
        "http://both.example:5000",
        "http://0.0.0.0:5000",
        "http://[::]:5000",
        "https://app.example",
    ],
)
def test_everything_else_is_refused_and_the_sentence_says_what_to_set(url: str) -> None:
    with pytest.raises(TargetRefused, match=rf"is not on {ALLOWED} \(loopback\)") as caught:
        check_target(url, None, {})
    sentence = str(caught.value)
    assert "connect to http://" in sentence or f"set {ALLOWED}=loopback," in sentence


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://127.0.0.1/", "http:// or https://"),
        ("file:///etc/passwd", "http:// or https://"),
        ("127.0.0.1:5000", "http:// or https://"),
        ("http://", "names no host"),
        ("http://127.0.0.1:0", "names no host and port"),
        ("http://127.0.0.1:99999", "is not a URL"),
        ("http://[::1", "is not a URL"),
        ("http://ada:hunter2@127.0.0.1:5000", "carries a user name or password"),
        ("http://127.0.0.1:5000@evil.example", "carries a user name or password"),
        ("http://127.0.0.1\\@evil.example", "backslash"),
        ("http://127.0.0.1\t:5000", "control character"),
        ("http://127.0.0.1:5000/?x=1", "query or fragment"),
        ("http://127.0.0.1:5000/a/../b", "in its path"),
        ("http://127.0.0.1:5000/%2e%2e", "in its path"),
        ("http://%31%32%37.0.0.1", "is not a host name"),
        ("http://exa mple", "a space"),
        ("http://a..b", "is not a host name"),
    ],
)
def test_what_two_parsers_could_read_in_two_ways_is_refused(url: str, why: str) -> None:
    with pytest.raises(TargetRefused, match=why) as caught:
        check_target(url, None, {ALLOWED: f"loopback,{'http://app.example'}"})
    assert "hunter2" not in str(caught.value)


def test_a_name_on_the_list_is_allowed_and_pinned(resolver: list[str]) -> None:
    target = check_target("https://App.example/weppcloud/", None, {ALLOWED: "loopback, https://app.example:443"})
    assert target == Target("https://app.example", "/weppcloud", "https://app.example", "10.1.2.3", 443)
    assert target.connect_origin == "https://10.1.2.3:443"
    assert (target.host, target.tls_name) == ("app.example", "app.example")
    assert resolver == ["app.example"]


def test_scheme_and_port_belong_to_an_origin() -> None:
    environ = {ALLOWED: "https://app.example"}
    for url in ("http://app.example", "https://app.example:8443", "http://127.0.0.1:5000"):
        with pytest.raises(TargetRefused):
            check_target(url, None, environ)


def test_bytes_go_to_the_internal_url_and_the_public_name_need_not_resolve(resolver: list[str]) -> None:
    target = check_target("https://public.example/app", "http://127.0.0.1:5000", {})
    assert target == Target("https://public.example", "/app", "http://127.0.0.1:5000", "127.0.0.1", 5000)
    assert target.host == "public.example"
    assert resolver == []


def test_an_internal_url_is_judged_whatever_the_public_one() -> None:
    with pytest.raises(TargetRefused, match=r"http://10\.1\.2\.3"):
        check_target("http://127.0.0.1", "http://10.1.2.3", {})
    with pytest.raises(TargetRefused, match="has a path"):
        check_target("http://127.0.0.1", "http://127.0.0.1/x", {})


def test_an_unknown_name_cannot_be_judged() -> None:
    with pytest.raises(Unjudgeable, match=r"'nowhere\.example' does not resolve here"):
        check_target("http://nowhere.example", None, {})


@pytest.mark.parametrize(
    ("listed", "sentence"),
    [
        ("lopback", "did you mean 'loopback'"),
        ("staging.example", "did you mean 'https://staging.example'"),
        ("https://staging.example/app", "an origin has no path: https://staging.example"),
        ("http://10.1.2.4:5000", "did you mean http://10.1.2.4:5000"),
    ],
)
def test_a_slip_in_the_list_is_named(listed: str, sentence: str) -> None:
    with pytest.raises(TargetRefused, match=sentence):
        check_target("http://10.1.2.3:5000", None, {ALLOWED: listed})


def test_of_several_addresses_the_one_that_listens_is_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setitem(NAMES, "both.example", ["127.0.0.9", "127.0.0.1"])
        assert check_target(f"http://both.example:{port}", None, {}).address == "127.0.0.1"


TARGET = Target("https://public.example", "/app", "http://127.0.0.1:5000", "127.0.0.1", 5000)


def _client(answer: Callable[[httpx.Request], httpx.Response]) -> tuple[httpx.Client, list[httpx.Request]]:
    asked: list[httpx.Request] = []

    def serve(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return answer(request)

    return httpx.Client(transport=httpx.MockTransport(serve)), asked


def _status(document: Any, **headers: str) -> Callable[[httpx.Request], httpx.Response]:
    body = document if isinstance(document, str) else json.dumps(document)
    return lambda request: httpx.Response(200, headers={"X-Recorder": "1", **headers}, text=body)


@pytest.mark.parametrize("document", [{"environment": "production"}, {"environment": " Production "}])
def test_production_is_refused(document: Any) -> None:
    client, asked = _client(_status(document))
    with pytest.raises(TargetRefused, match=r"says that it is production.*RECORDER_ENVIRONMENT=development"):
        refuse_production(TARGET, client)
    assert (str(asked[0].url), asked[0].headers["host"]) == ("http://127.0.0.1:5000/recorder/status", "public.example")


@pytest.mark.parametrize("document", ["<html>", [], {}, {"environment": None}, {"environment": ""}])
def test_a_recorder_that_does_not_say_is_refused(document: Any) -> None:
    with pytest.raises(TargetRefused, match="does not say which environment"):
        refuse_production(TARGET, _client(_status(document))[0])


@pytest.mark.parametrize("environment", ["development", "test", "staging"])
def test_other_environments_are_fine(environment: str) -> None:
    client, asked = _client(_status({"state": "idle", "environment": environment}))
    refuse_production(TARGET, client)
    assert len(asked) == 1


@pytest.mark.parametrize("status", [404, 302, 500, 200])
def test_without_a_recorder_there_is_nothing_to_refuse(status: int) -> None:
    client, asked = _client(
        lambda request: httpx.Response(status, json={"environment": "production"}, headers={"Location": "/login"})
    )
    refuse_production(TARGET, client)
    assert [request.url.path for request in asked] == ["/recorder/status", "/app/recorder/status"]


def test_a_recorder_below_the_base_path_is_found() -> None:
    def serve(request: httpx.Request) -> httpx.Response:
        if request.url.path != "/app/recorder/status":
            return httpx.Response(404)
        return httpx.Response(200, headers={"X-Recorder": "1"}, json={"environment": "production"})

    with pytest.raises(TargetRefused):
        refuse_production(TARGET, _client(serve)[0])


def test_nobody_there_cannot_be_judged() -> None:
    target = check_target(f"http://127.0.0.1:{free_port()}", None, {})
    with (
        httpx.Client() as client,
        pytest.raises(Unjudgeable, match=r"Nothing answers at http://127\.0\.0\.1:.*refused"),
    ):
        refuse_production(target, client)


def test_a_name_is_resolved_once_and_every_byte_goes_to_that_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resolver: list[str]
) -> None:
    """A name service that changes its mind afterwards (DNS rebinding) has nothing to say any more."""
    hosts: list[str] = []

    class Turning(list[str]):
        """Loopback for who asks first, a metadata service for whoever asks again."""

        def __iter__(self) -> Iterator[str]:
            return iter(["127.0.0.1"] if resolver.count("rebound.example") == 1 else ["169.254.169.254"])

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        hosts.append(environ["HTTP_HOST"])
        start_response("302 Found", [("Location", "http://169.254.169.254/latest/"), ("Content-Type", "text/plain")])
        return [b""]

    monkeypatch.setitem(NAMES, "rebound.example", Turning())
    profile(
        tmp_path,
        "metadata: {slug: shop}\nsteps:\n"
        "  - {id: a, path: /a, expect: {status: 302, location: 'http://169.254.169.254/latest/'}}\n"
        "  - {id: b, path: /b, expect: {status: 302}}\n",
        {},
    )
    with serving(app) as url:
        port = url.rpartition(":")[2]
        report = replay("shop", tmp_path, Options(base_url=f"http://rebound.example:{port}"), {})
    assert report.result == "passed", report.error
    assert resolver.count("rebound.example") == 1
    assert set(hosts) == {f"rebound.example:{port}"}
    assert not any(name.startswith("169.") for name in resolver), "a redirect is judged, never followed"


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://LOCALHOST.:5000", "http://localhost:5000"),
        ("http://127.0.0.1.:5000", "http://127.0.0.1:5000"),
        ("http://[0:0:0:0:0:ffff:127.0.0.1]:5000", "http://127.0.0.1:5000"),
        ("http://017700000001:5000", "http://127.0.0.1:5000"),
        ("http://0x7f.0.0.0x1:5000", "http://127.0.0.1:5000"),
        ("http://１２７.0.0.1:5000", "http://127.0.0.1:5000"),
        ("http://bücher.example:5000", "http://xn--bcher-kva.example:5000"),
        ("http://XN--BCHER-KVA.example.:5000", "http://xn--bcher-kva.example:5000"),
    ],
)
def test_one_host_has_one_spelling(url: str, origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NAMES, "xn--bcher-kva.example", ["127.0.0.1"])
    assert check_target(url, None, {}).origin == origin
    listed = {ALLOWED: url}
    assert check_target(origin, None, listed).internal_origin == origin


@pytest.mark.parametrize(
    "url",
    [
        "http://[::127.0.0.1]:5000",
        "http://[64:ff9b::7f00:1]:5000",
        "http://[2002:7f00:1::]:5000",
        "http://127.0.0.1.example:5000",
        "http://xn--bcher-kva.example:5000",
    ],
)
def test_what_only_looks_like_loopback_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NAMES, "127.0.0.1.example", ["10.1.2.3"])
    monkeypatch.setitem(NAMES, "xn--bcher-kva.example", ["10.1.2.3"])
    with pytest.raises(TargetRefused, match=f"is not on {ALLOWED}"):
        check_target(url, None, {})
