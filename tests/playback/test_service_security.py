"""What the service must not do, whoever asks: answer a page of somebody else, leave its folders, tell of its inside."""

from __future__ import annotations

import http.client
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from playback import access, catalogue
from tests.playback.reports import failed
from tests.playback.serving import FakeEngine, promote, serving

TOKEN = "s3cret"


@pytest.fixture
def service(fake: FakeEngine, tmp_path: Path) -> Iterator[httpx.Client]:
    promote(tmp_path, "shop")
    with serving({"PROFILE_DATA_ROOT": str(tmp_path)}) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def raw(url: httpx.URL, method: str, path: str, headers: list[tuple[str, str]]) -> tuple[int, bytes]:
    """The answer to a request with exactly this path and these headers, as no client library would send it."""
    connection = http.client.HTTPConnection(str(url.host), url.port, timeout=60)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


# ------------------------------------------------------------------------------------------------ foreign pages


def test_a_name_that_was_bound_to_this_machine_reaches_nothing(service: httpx.Client, fake: FakeEngine) -> None:
    """DNS rebinding: the browser thinks it asks the page's own server, and sends neither Origin nor Sec-Fetch-Site."""
    calls = [("GET", "/"), ("GET", "/profiles"), ("GET", "/runs"), ("GET", "/openapi.json"), ("POST", "/run/shop")]
    for method, path in calls:
        for host in (
            "evil.example",
            "evil.example:8070",
            "127.0.0.1.evil.example",
            "127.0.0.1@evil.example",
            "[::1",
            "",
        ):
            answer = service.request(method, path, headers={"Host": host})
            assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json"), host
    assert service.get("/health", headers={"Host": "probe.internal"}).status_code == 200
    assert fake.calls == []


def test_of_two_hosts_none_counts(service: httpx.Client) -> None:
    for hosts in (["evil.example", "127.0.0.1"], ["127.0.0.1", "evil.example"], ["127.0.0.1", "127.0.0.1"]):
        status, _ = raw(service.base_url, "GET", "/profiles", [("Host", host) for host in hosts])
        assert status in (400, 403), hosts


@pytest.mark.parametrize("token", [None, TOKEN])
def test_pages_of_others_start_and_end_nothing(token: str | None, fake: FakeEngine, tmp_path: Path) -> None:
    """Also where the browser sends the password along that its user once typed in."""
    promote(tmp_path, "shop")
    fake.go.clear()
    environ = {"PROFILE_DATA_ROOT": str(tmp_path)} | ({"PROFILE_PLAYBACK_TOKEN": token} if token else {})
    with (
        serving(environ) as url,
        httpx.Client(base_url=url, auth=("anybody", token) if token else None, timeout=60) as client,
    ):
        own = url.partition("://")[2]
        run_id = client.post("/run/shop", json={"background": True}).json()["run_id"]
        foreign: list[Mapping[str, str]] = [
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "cross-site", "Origin": url},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": f"http://{own}.evil.example"},
            {"Origin": f"http://evil.example/{own}"},
        ]
        for headers in foreign:
            for path in ("/run/shop", f"/runs/{run_id}/cancel"):
                assert client.post(path, headers=headers).status_code == 403, headers
        assert client.get(f"/runs/{run_id}").json()["state"] == "running"
        assert client.get("/profiles", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200, (
            "a link may lead here"
        )
        for headers in ({"Origin": url, "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {}):
            assert client.post("/run/none", headers=headers).status_code == 404, headers
        assert (
            "access-control-allow-origin"
            not in client.get("/profiles", headers={"Origin": "https://evil.example"}).headers
        )
    assert len(fake.calls) == 1


def test_the_token_is_compared_in_constant_time(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    compared: list[tuple[bytes, bytes]] = []
    original = access.hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return original(one, other)

    monkeypatch.setattr(access.hmac, "compare_digest", compare)
    with serving({"PROFILE_DATA_ROOT": str(tmp_path), "PROFILE_PLAYBACK_TOKEN": TOKEN}) as url:
        for offered, status in ((TOKEN, 200), ("s", 401), ("", 401), ("s3cret\xe4", 401)):
            headers = [("Host", "127.0.0.1"), ("Authorization", f"Bearer {offered}")]
            assert raw(httpx.URL(url), "GET", "/profiles", headers)[0] == status
            assert compared.pop() == (offered.encode("latin-1"), TOKEN.encode())


# ------------------------------------------------------------------------------------------------ files


def test_nothing_but_the_files_of_a_result_can_be_fetched(
    service: httpx.Client, fake: FakeEngine, tmp_path: Path
) -> None:
    fake.report = failed()
    run_id = service.post("/run/shop", json={"background": True}).json()["run_id"]
    service.get(f"/runs/{run_id}/events")
    (folder,) = (tmp_path / "profiles/results/shop").iterdir()
    (tmp_path / "secret.txt").write_text("hunter2")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "folder").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")
    names = service.get(f"/runs/{run_id}/files/").json()
    assert "report.json" in names
    assert not {"link.txt", "pipe", "folder/secret.txt"} & set(names)
    up = "/".join([".."] * 12)
    for path in (
        "../../../../secret.txt", f"{up}/etc/passwd", "%2e%2e/%2e%2e/secret.txt", "..%2f..%2f..%2f..%2fsecret.txt",
        "/etc/passwd", "%2fetc%2fpasswd", "diagnostics/../report.json", "./report.json", "diagnostics//summary.txt",
        "link.txt", "folder/secret.txt", "pipe", "diagnostics", "report.json%00", "..\\..\\secret.txt", "report.json/",
    ):  # fmt: skip
        status, content = raw(service.base_url, "GET", f"/runs/{run_id}/files/{path}", [("Host", "127.0.0.1")])
        assert (status, b"hunter2" in content, b"root:" in content) == (404, False, False), path
    for odd in (f"{up}/profiles/results/shop", "..", "%2e%2e", "*", "profile;;tmp;;"):
        assert raw(service.base_url, "GET", f"/runs/{odd}/files/report.json", [("Host", "127.0.0.1")])[0] == 404, odd


def test_a_file_is_kept_and_never_shown(service: httpx.Client, fake: FakeEngine, tmp_path: Path) -> None:
    run_id = service.post("/run/shop", json={"background": True}).json()["run_id"]
    service.get(f"/runs/{run_id}/events")
    (folder,) = (tmp_path / "profiles/results/shop").iterdir()
    (folder / "diagnostics").mkdir(exist_ok=True)
    for name in ("page.html", "picture.svg", "a;b=c.js", 'quoted".txt', "diagnostics/report.html", "REPORT.html"):
        (folder / name).write_text("<script>alert(1)</script>")
        answer = service.get(f"/runs/{run_id}/files/{quote(name)}")
        assert answer.status_code == 200, name
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"].startswith("attachment; filename")
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"


def test_the_report_is_shown_and_may_do_nothing(service: httpx.Client, fake: FakeEngine) -> None:
    fake.report = failed(error="<script>alert(1)</script>")
    run_id = service.post("/run/shop", json={"background": True}).json()["run_id"]
    service.get(f"/runs/{run_id}/events")
    answer = service.get(f"/runs/{run_id}/files/report.html")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "content-disposition" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "style-src 'unsafe-inline'", "img-src data:", "sandbox"} <= set(policy)
    assert not [part for part in policy if part.startswith(("script-src", "sandbox "))]
    assert "<script" not in answer.text
    assert f'href="/ui/runs/{run_id}"' in service.get("/").text


# ------------------------------------------------------------------------------------------------ every answer


def test_every_answer_forbids_to_guess_what_it_is(service: httpx.Client) -> None:
    for method, path in (("GET", "/"), ("GET", "/health"), ("GET", "/runs"), ("GET", "/none"), ("PUT", "/runs")):
        assert service.request(method, path).headers["x-content-type-options"] == "nosniff", path
    assert service.get("/runs", headers={"Host": "evil.example"}).headers["x-content-type-options"] == "nosniff"


def test_every_refusal_is_one_sentence(service: httpx.Client) -> None:
    for method, path, status, beginning in (
        ("GET", "/nothing", 404, "There is nothing at /nothing; /openapi.json lists what there is."),
        ("DELETE", "/profiles", 405, "DELETE is not what /profiles takes; it takes GET."),
        ("GET", "/profiles/shpo", 404, "There is no profile 'shpo' in "),
        ("GET", "/runs/none", 404, "There is no run 'none', or it has no report yet; see /runs."),
        ("GET", "/runs/none/events?after=x", 422, "'after': input should be a valid integer"),
    ):
        answer = service.request(method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
        assert answer.json().keys() == {"title", "status", "detail"}
        assert answer.json()["status"] == status
        assert answer.json()["detail"].startswith(beginning)


def test_a_fault_of_ours_tells_nothing_of_our_inside(
    service: httpx.Client, monkeypatch: pytest.MonkeyPatch, fake: FakeEngine
) -> None:
    def broken(*args: object) -> None:
        raise LookupError("the secret is hunter2")

    monkeypatch.setattr(catalogue, "catalogue", broken)
    answer = service.get("/profiles")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert answer.json()["detail"] == "The service failed: LookupError. Its log has more."
    assert "Traceback" not in answer.text
    assert "hunter2" not in answer.text
