"""Body descriptors: every way a body is stored, and every reason it is not."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder import bodies
from recorder.bodies import INLINE, MEMORY, BodyTee
from recorder.names import Names
from recorder.pseudonyms import Pseudonyms
from recorder.redaction import Redactor
from recorder.store import Store
from tests.recorder.watching import on_disk

PSEUDONYMS = Pseudonyms(b"key")
KEYS = ["size", "sha256", "media_type", "encoding", "stored_encoding", "truncated", "redactions"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "_logs")


def describe(
    store: Store, content: bytes | list[bytes], media_type: str | None, encoding: str | None = None, **more: Any
) -> dict[str, Any]:
    tee = BodyTee(store, Redactor(Names(), PSEUDONYMS), media_type, encoding, **more)
    for chunk in [content] if isinstance(content, bytes) else content:
        tee.feed(chunk)
    tee.close()
    body = tee.describe()
    assert body is not None
    assert [key for key in body if key not in ("text", "ref", "parts", "omitted")] == KEYS
    assert sum(key in body for key in ("text", "ref", "parts", "omitted")) == 1
    if "text" in body:
        assert body["sha256"] == hashlib.sha256(body["text"].encode()).hexdigest()
    if "ref" in body:
        assert body["ref"] == f"{body['sha256'][:2]}/{body['sha256']}"
        assert hashlib.sha256(stored(store, body)).hexdigest() == body["sha256"]
    if "omitted" in body:
        assert body["sha256"] is None
        assert body["truncated"]
    assert not list(store.directory.glob(".partial-*"))
    return body


def stored(store: Store, body: dict[str, Any]) -> bytes:
    return (store.directory / body["ref"]).read_bytes()


def test_an_empty_body_is_null(store: Store) -> None:
    tee = BodyTee(store, Redactor(Names(), PSEUDONYMS), "text/plain")
    tee.close()
    assert tee.describe() is None


def test_small_text_stands_in_the_record(store: Store) -> None:
    assert describe(store, b'{"name":"Ada"}', "application/json") == {
        "size": 14,
        "sha256": hashlib.sha256(b'{"name":"Ada"}').hexdigest(),
        "media_type": "application/json",
        "encoding": None,
        "stored_encoding": None,
        "text": '{"name":"Ada"}',
        "truncated": False,
        "redactions": [],
    }
    assert not store.directory.exists()


@pytest.mark.parametrize("size", [INLINE, INLINE + 1, MEMORY, MEMORY + 1])
def test_larger_text_goes_into_a_file(store: Store, size: int) -> None:
    content = b'[{"n":1},\n' * (size // 10 + 1)
    body = describe(store, content[:size], "text/plain")
    assert body["size"] == size
    assert ("text" in body) == (size <= INLINE)
    if "ref" in body:
        assert stored(store, body) == content[:size]


@pytest.mark.parametrize("chunk", [1 << 10, 1 << 20])
def test_secrets_in_a_long_text_never_reach_the_disk(store: Store, tmp_path: Path, chunk: int) -> None:
    line = '{"id": 1, "password": "hunter2hunter2", "é": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcDEF-_123"}\n'
    content = (line * 12_000).encode()
    body = describe(store, [content[at : at + chunk] for at in range(0, len(content), chunk)], "application/json")
    assert b"hunter2hunter2" not in on_disk(tmp_path)
    assert b"eyJ" not in on_disk(tmp_path)
    text = stored(store, body).decode()
    assert text.count(PSEUDONYMS.of("hunter2hunter2", "password")) == 12_000
    assert len(body["redactions"]) == 24_000
    for redaction in body["redactions"][::997]:
        assert text[int(redaction["pointer"][2:]) :].startswith(redaction["pseudonym"])


@pytest.mark.parametrize("size", [10, 300 << 10])
def test_binary_content_is_stored_exactly_and_once(store: Store, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    body = describe(store, content, "image/png")
    assert stored(store, body) == content
    assert describe(store, [content[:100], content[100:]], "image/png")["ref"] == body["ref"]
    assert len([path for path in store.directory.rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize(
    ("content", "media_type", "stands"),
    [
        (b"hello", None, "text"),
        (b"hello", "application/octet-stream", "text"),
        (b"\x89PNG\0\xff", None, "ref"),
        (b"\xff\xfe", None, "ref"),
        (b"a=1&password=hunter2", None, "text"),
        (b"%PDF-1.4 text", "application/pdf", "ref"),
        ("é".encode("latin-1"), "text/plain; charset=iso-8859-1", "text"),
        (b"\xff broken", "text/plain", "ref"),
        (b"\xff broken", "text/plain; charset=rot13", "ref"),
    ],
)
def test_what_is_text_and_what_is_not(store: Store, content: bytes, media_type: str | None, stands: str) -> None:
    body = describe(store, content, media_type)
    assert stands in body
    if stands == "ref":
        assert stored(store, body) == content
    assert "hunter2" not in str(body)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw deflate"])
def test_compressed_text_is_stored_decoded(store: Store, encoding: str) -> None:
    content = json.dumps({"password": "hunter2", "n": list(range(50_000))}).encode()
    if encoding == "gzip":
        wire = gzip.compress(content)
    else:
        packer = zlib.compressobj(wbits=15 if encoding == "deflate" else -15)
        wire = packer.compress(content) + packer.flush()
    body = describe(store, [wire[:7], wire[7:]], "application/json", encoding.removeprefix("raw "))
    assert (body["size"], body["encoding"], body["stored_encoding"]) == (len(wire), encoding.split()[-1], None)
    assert json.loads(stored(store, body))["password"] == PSEUDONYMS.of("hunter2", "password")


def test_compressed_text_larger_than_memory(store: Store) -> None:
    content = b'{"password": "hunter2", "x": 1}\n' * 60_000
    body = describe(store, gzip.compress(content), "text/plain", "gzip")
    assert stored(store, body) == content.replace(b"hunter2", PSEUDONYMS.of("hunter2", "password").encode())


def test_a_large_text_that_is_remembered_as_clean_is_still_redacted(store: Store) -> None:
    content = (b"/* " + b"x" * INLINE + b" knownknown12 */") * 2

    def stored_by(redactor: Redactor) -> bytes:
        tee = BodyTee(store, redactor, "text/javascript")
        tee.feed(content)
        tee.close()
        body = tee.describe()
        assert body is not None
        return stored(store, body)

    assert stored_by(Redactor(Names(), PSEUDONYMS)) == content
    knowing = Redactor(Names(), PSEUDONYMS)
    knowing.secret("knownknown12", "token")
    assert b"knownknown12" not in stored_by(knowing)
    named = content + b"\nxxxx = 'abcdefgh1'"
    for names, expected in ((Names(), True), (Names(["xxxx"]), False)):
        tee = BodyTee(store, Redactor(names, PSEUDONYMS), "text/javascript")
        tee.feed(named)
        tee.close()
        body = tee.describe()
        assert body is not None
        assert (b"abcdefgh1" in stored(store, body)) == expected


def test_a_bomb_is_omitted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_DECODED", 4 << 20)
    assert describe(store, gzip.compress(bytes(b"a" * (8 << 20))), "text/plain", "gzip")["omitted"] == "too_large"


@pytest.mark.parametrize(
    ("content", "media_type", "encoding", "reason"),
    [
        (b"\x0b\x02\x80", "text/html", "br", "redaction"),
        (b"not gzip", "text/html", "gzip", "redaction"),
        (b"0123456789", "image/png", None, "too_large"),
    ],
)
def test_what_cannot_be_looked_into_or_is_too_large(
    store: Store, content: bytes, media_type: str, encoding: str | None, reason: str
) -> None:
    assert describe(store, content, media_type, encoding, max_size=9)["omitted"] == reason


@pytest.mark.parametrize("encoding", ["None", "utf-8", "binary"])
def test_a_content_encoding_that_is_no_coding_is_none(store: Store, encoding: str) -> None:
    assert describe(store, b"password=hunter2hunter2&note=plain", "application/x-www-form-urlencoded", encoding)[
        "redactions"
    ]
    assert describe(store, b"some notes", "text/plain", encoding)["text"] == "some notes"


def test_compressed_binary_is_stored_as_it_was_sent(store: Store) -> None:
    wire = gzip.compress(b"\0\1\2")
    body = describe(store, wire, "application/octet-stream", "gzip")
    assert (body["encoding"], body["stored_encoding"], stored(store, body)) == ("gzip", "gzip", wire)


def test_too_large_leaves_no_file(store: Store) -> None:
    body = describe(store, [b"\0" * 100_000] * 10, "image/png", max_size=900_000)
    assert (body["omitted"], body["size"]) == ("too_large", 1_000_000)


def test_a_disk_that_takes_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "gone" / "_logs")
    tee = BodyTee(store, Redactor(Names(), PSEUDONYMS), "image/png")
    tee.feed(b"\0")
    tee.close()
    body = tee.describe()
    assert body is not None
    assert (body["omitted"], tee.failed) == ("write_failed", True)
    assert not (tmp_path / "gone").exists()


def test_what_was_not_read_is_said(store: Store) -> None:
    tee = BodyTee(store, Redactor(Names(), PSEUDONYMS), "text/plain")
    tee.close()
    body = tee.describe(10)
    assert body is not None
    assert (body["size"], body["omitted"], body["truncated"]) == (10, "not_read", True)
    tee = BodyTee(store, Redactor(Names(), PSEUDONYMS), "text/plain")
    tee.feed(b"abc")
    tee.close()
    body = tee.describe(10)
    assert body is not None
    assert (body["size"], body["text"], body["truncated"]) == (10, "abc", True)


@given(st.binary(max_size=40), st.sampled_from(["text/plain", "application/octet-stream", "image/png", None]))
def test_nothing_is_lost_where_nothing_is_secret(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, media: str
) -> None:
    store = Store(tmp_path_factory.mktemp("x") / "_logs")
    if content:
        body = describe(store, content, media)
        assert (body["text"].encode() if "text" in body else stored(store, body)) == content
