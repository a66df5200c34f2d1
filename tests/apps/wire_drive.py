"""Uses `wire_asgi` or `wire_wsgi` with everything that HTTP has: `drive(base_url)`."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import closing

import httpx

PASSWORD = "correct horse battery"
FILES = [
    ("note", (None, "first")),
    ("file", ('grün & „quoted".txt', b"one", "text/plain")),
    ("note", (None, "second")),
    ("file", ("same.bin", bytes(range(256)) * 2000, "application/x-thing; v=1")),
    ("file", ("same.bin", b"", "application/octet-stream")),
]
ROWS = json.dumps({"rows": [f"row {number}" for number in range(50)]}).encode()


def pieces() -> Iterator[bytes]:
    """A body whose length nobody knows when it begins."""
    for number in range(10):
        yield f"piece {number}\n".encode() * 100


def drive(base_url: str) -> None:
    with httpx.Client(base_url=base_url, trust_env=False, timeout=60) as client:
        assert client.post("/login", data={"user": "ada", "password": PASSWORD}).status_code == 200
        # httpx keeps one cookie of a name; browsers send both, the longer path first (RFC 6265, 5.4).
        sid = next(cookie.value for cookie in client.cookies.jar if cookie.name == "sid")
        with httpx.Client(base_url=base_url, trust_env=False, timeout=60) as browser:
            browser.headers["cookie"] = f"sid={sid}; pref=outer"
            use(browser)
            browser.headers["cookie"] = f"pref=inner; sid={sid}; pref=outer"
            assert len(browser.get("/area/cookies").json()["cookies"]) == 3


def use(client: httpx.Client) -> None:
    methods(client)
    bodies(client)
    answers(client)


def methods(client: httpx.Client) -> None:
    assert client.get("/cookies").json()["cookies"] == [["sid", "…"], ["pref", "outer"]]
    many = [
        ("X-Trace", "b"),
        ("X-Place", "café".encode()),
        ("X-Trace", "a"),
        ("X-Empty", ""),
        ("Accept", "text/html, */*;q=0.1"),
    ]
    assert client.get("/headers", headers=many).status_code == 200
    for method in ("PROPFIND", "REPORT"):
        body = '<?xml version="1.0"?><propfind><prop><name>é</name></prop></propfind>'.encode()
        headers = {"Depth": "1", "Content-Type": "application/xml"}
        assert client.request(method, "/dav/", content=body, headers=headers).status_code == 207
    assert client.request("PATCH", "/any", content=b"").json()["body"] == ""
    assert client.request("DELETE", "/any", content=b"why").json()["body"] == "why"
    assert client.request("OPTIONS", "/any").json()["method"] == "OPTIONS"
    assert client.request("MKCOL", "/any").json()["method"] == "MKCOL"
    odd = "/p%2Fq/%C3%A9;v=1?a=1&a=2&b=%20+&c&d="
    assert client.get(odd).json()["target"] == odd


def bodies(client: httpx.Client) -> None:
    parts = client.post("/upload", files=FILES).json()["parts"]
    assert len(parts) == 5
    assert client.post("/received", content=pieces(), headers={"content-type": "text/plain"}).json()["size"] == 8000
    for media_type in ("application/json", "application/octet-stream", "text/csv"):
        headers = {"content-encoding": "gzip", "content-type": media_type}
        got = client.post("/received", content=gzip.compress(ROWS), headers=headers).json()
        assert got["size"] == len(ROWS), got
    form = [("a", "1"), ("b", "x y+&="), ("a", "2"), ("empty", "")]
    content = str(httpx.QueryParams(form)).encode()
    assert client.post(
        "/received", content=content, headers={"content-type": "application/x-www-form-urlencoded"}
    ).json()


def answers(client: httpx.Client) -> None:
    assert client.get("/none").status_code == 204
    whole = client.get("/file")
    assert client.get("/file", headers={"Range": "bytes=10-99"}).status_code == 206
    tagged = {"Range": "bytes=300-301", "If-Range": whole.headers["etag"]}
    assert client.get("/file", headers=tagged).status_code == 206
    assert client.get("/file", headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    assert client.head("/file").headers["content-length"] == str(len(whole.content))
    assert client.get("/packed").json()["rows"][-1] == 199
    assert client.get("/packed", headers={"accept-encoding": "identity"}).json()["rows"][-1] == 199
    assert client.get("/stream").text.count("\n") == 50
    for status in (301, 302, 303, 307, 308):
        assert client.post(f"/moved/{status}", content=b"x").status_code == status
    assert client.get("/caf%C3%A9/landed?x=1").status_code == 200
    assert client.get("/events").text.count("data:") == 3
    with client.stream("GET", "/events/forever") as opened, closing(opened):
        assert next(opened.iter_raw())
