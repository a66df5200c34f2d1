"""Multipart bodies: the same parts as python-multipart finds, however the body is cut; and what is stored of them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_multipart.multipart import MultipartParser

from recorder import multipart
from recorder.bodies import BodyTee
from recorder.multipart import Parser, disposition
from recorder.names import Names
from recorder.pseudonyms import Pseudonyms
from recorder.redaction import Redactor
from recorder.store import Store
from tests.recorder.watching import on_disk

PSEUDONYMS = Pseudonyms(b"key")
BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"


class Collected:
    """Parts as (headers, content)."""

    def __init__(self) -> None:
        self.parts: list[tuple[list[tuple[str, str]], bytes]] = []
        self.complete: list[int] = []

    def begin(self, headers: list[tuple[str, str]]) -> None:
        self.parts.append((headers, b""))

    def content(self, chunk: bytes) -> None:
        headers, content = self.parts.pop()
        self.parts.append((headers, content + chunk))

    def end(self) -> None:
        self.complete.append(len(self.parts))


def parse(body: bytes, cuts: list[int], boundary: str = BOUNDARY) -> tuple[Parser, Collected]:
    collected = Collected()
    parser = Parser(boundary, collected)
    position = 0
    for cut in cuts:
        parser.feed(body[position : position + cut])
        position += cut
    parser.feed(body[position:])
    return parser, collected


def theirs(body: bytes, boundary: str) -> list[tuple[list[tuple[str, str]], bytes]]:
    parts: list[tuple[list[tuple[str, str]], bytes]] = []
    name, value = b"", b""

    def on_part_begin() -> None:
        parts.append(([], b""))

    def on_part_data(data: bytes, start: int, end: int) -> None:
        headers, content = parts.pop()
        parts.append((headers, content + data[start:end]))

    def on_header_field(data: bytes, start: int, end: int) -> None:
        nonlocal name
        name += data[start:end]

    def on_header_value(data: bytes, start: int, end: int) -> None:
        nonlocal value
        value += data[start:end]

    def on_header_end() -> None:
        nonlocal name, value
        parts[-1][0].append((name.decode().lower(), value.decode()))
        name = value = b""

    callbacks: Any = {
        "on_part_begin": on_part_begin,
        "on_part_data": on_part_data,
        "on_header_field": on_header_field,
        "on_header_value": on_header_value,
        "on_header_end": on_header_end,
    }
    parser = MultipartParser(boundary.encode(), callbacks)
    parser.write(body)
    parser.finalize()
    return parts


boundaries = st.text("abcXYZ019'()+_,-./:=?", min_size=1, max_size=12)
tricky = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b"-", b"--", b"\r\n-", b"\r\n--", b"a", b"\0", b"bc"]), max_size=12
)
contents = tricky.map(b"".join) | st.binary(max_size=30)
names = st.text(
    st.characters(exclude_characters='"\r\n\\', exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=8
)


@st.composite
def multipart_bodies(draw: st.DrawFn) -> tuple[bytes, str, int]:
    boundary = draw(boundaries)
    body = b""
    count = 0
    for name, content in draw(st.lists(st.tuples(names, contents), min_size=1, max_size=4)):
        if b"--" + boundary.encode() in b"\r\n" + content:
            continue
        count += 1
        headers = f'Content-Disposition: form-data; name="{name}"\r\n'
        if draw(st.booleans()):
            headers += "Content-Type: text/plain\r\n"
        body += b"--" + boundary.encode() + b"\r\n" + headers.encode() + b"\r\n" + content + b"\r\n"
    return body + b"--" + boundary.encode() + b"--\r\n", boundary, count


@given(multipart_bodies(), st.lists(st.integers(1, 9), max_size=60))
def test_the_same_parts_as_python_multipart_finds(made: tuple[bytes, str, int], cuts: list[int]) -> None:
    body, boundary, count = made
    parser, collected = parse(body, cuts, boundary)
    assert parser.complete
    assert not parser.broken
    assert len(collected.parts) == len(collected.complete) == count
    if count:  # theirs refuses a body without parts
        assert collected.parts == theirs(body, boundary)


@given(multipart_bodies(), st.integers(0, 400))
def test_a_body_that_breaks_off_keeps_what_was_complete(made: tuple[bytes, str, int], at: int) -> None:
    body, boundary, _ = made
    _, whole = parse(body, [], boundary)
    parser, collected = parse(body[:at], [3, 5, 7], boundary)
    complete = collected.parts[: len(collected.complete)]
    assert complete == whole.parts[: len(complete)]
    assert parser.complete == (b"--" + boundary.encode() + b"--" in body[:at])


@given(st.binary(max_size=80), st.lists(st.integers(1, 9), max_size=10))
def test_anything_may_come(body: bytes, cuts: list[int]) -> None:
    """In whatever pieces."""
    parser, found = parse(b"--b\r\n" + body, cuts, "b")
    at_once, whole = parse(b"--b\r\n" + body, [], "b")
    assert (found.parts, found.complete) == (whole.parts, whole.complete)
    assert (parser.complete, parser.broken) == (at_once.complete, at_once.broken)


def test_preamble_epilogue_padding_and_folded_headers() -> None:
    body = b'before\r\n--b \t\r\nContent-Disposition: form-data;\r\n name="a"\r\nX:\r\n\r\n1\r\n'
    body += b"--b\r\n\r\n\r\n--b--\r\nafter --b\r\n"
    parser, collected = parse(body, [1] * len(body), "b")
    assert parser.complete
    assert collected.parts == [([("content-disposition", 'form-data; name="a"'), ("x", "")], b"1"), ([], b"")]


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    parser, _ = parse(b"--b\r\nX: " + b"y" * (17 << 10), [], "b")
    assert parser.broken
    monkeypatch.setattr(multipart, "MAX_PARTS", 2)
    parser, collected = parse(b"--b\r\n\r\n\r\n" * 9, [], "b")
    assert parser.broken
    assert len(collected.parts) == 2
    assert parse(b"", [], "")[0].broken


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('form-data; name="a"', ("a", None)),
        ("form-data; name=a; filename=x.csv", ("a", "x.csv")),
        ('form-data; name="a"; filename=""', ("a", "")),
        ('form-data; name="a"; filename="dé m.tif"', ("a", "dé m.tif")),
        ('form-data; name="a"; filename="a\\"b;c.txt"', ("a", 'a"b;c.txt')),
        ('form-data; name="a"; filename="C:\\dir\\x.txt"', ("a", "C:\\dir\\x.txt")),
        ('form-data; name="a"; filename="a%22b.txt"', ("a", "a%22b.txt")),
        ('form-data; name="a"; filename="x"; filename*=UTF-8\'\'na%C3%AFve.txt', ("a", "naïve.txt")),
        ("form-data; filename*=iso-8859-1'en'%E9; name=a", ("a", "é")),
        ("form-data; filename*=nonsense'en'%E9; filename=f; name=a", ("a", "f")),
        ("attachment", (None, None)),
        ("", (None, None)),
    ],
)
def test_dispositions(value: str, expected: tuple[str | None, str | None]) -> None:
    assert disposition(value) == expected


def tee(tmp_path: Path, *chunks: bytes, media_type: str = f"multipart/form-data; boundary={BOUNDARY}") -> BodyTee:
    (tmp_path / "_logs").mkdir(exist_ok=True)
    tee = BodyTee(Store(tmp_path / "_logs"), Redactor(Names(), PSEUDONYMS), media_type)
    for chunk in chunks:
        tee.feed(chunk)
    tee.close()
    return tee


def part(headers: str, content: bytes) -> bytes:
    return f"--{BOUNDARY}\r\nContent-Disposition: form-data; {headers}\r\n\r\n".encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


def test_what_is_stored(tmp_path: Path) -> None:
    picture = bytes(range(256)) * 2000
    body = (
        part('name="csrf_token"', b"tok-tok-tok-1")
        + part('name="tag"', b"a")
        + part('name="tag"', b"see tok-tok-tok-1")
        + part('name="f"; filename="dem.tif"\r\nContent-Type: image/tiff', picture)
        + part('name="g"; filename=""\r\nContent-Type: application/octet-stream', b"")
        + part('name="h"; filename="empty.txt"', b"")
        + part('name="notes"; filename="n.txt"\r\nContent-Type: text/plain', b"password=tok-tok-tok-1")
        + END
    )
    made = tee(tmp_path, body[:700], body[700:])
    described = made.describe()
    assert described is not None
    pseudonym = PSEUDONYMS.of("tok-tok-tok-1", "csrf")
    assert (described["size"], described["sha256"], described["truncated"]) == (len(body), None, False)
    assert described["redactions"] == [
        {"pointer": "/csrf_token", "pseudonym": pseudonym},
        {"pointer": "/tag/1", "pseudonym": pseudonym},
    ]
    parts = described["parts"]
    assert [(item["name"], item["filename"], item["media_type"], item["size"]) for item in parts] == [
        ("csrf_token", None, None, 13),
        ("tag", None, None, 1),
        ("tag", None, None, 17),
        ("f", "dem.tif", "image/tiff", len(picture)),
        ("g", "", "application/octet-stream", 0),
        ("h", "empty.txt", None, 0),
        ("notes", "n.txt", "text/plain", 22),
    ]
    assert [item.get("text") for item in parts] == [pseudonym, "a", f"see {pseudonym}", None, "", None, None]
    assert parts[3]["headers"][1] == ("content-type", "image/tiff")
    for item in parts:
        content = (
            item["text"].encode() if "text" in item else (tmp_path / "_logs/profile.bodies" / item["ref"]).read_bytes()
        )
        assert item["sha256"] == hashlib.sha256(content).hexdigest()
    assert (tmp_path / "_logs/profile.bodies" / parts[3]["ref"]).read_bytes() == picture
    assert (tmp_path / "_logs/profile.bodies" / parts[6]["ref"]).read_bytes() == b"password=tok-tok-tok-1"  # exactly
    assert [upload["filename"] for upload in made.uploads()] == ["dem.tif", "empty.txt", "n.txt"]
    assert set(made.uploads()[0]) == {"field", "filename", "media_type", "size", "sha256", "ref"}


@pytest.mark.parametrize(
    "body",
    [
        part('name="a"', b"1") + part('name="b"; filename="x"', b"\0" * 300_000)[:-5],
        part('name="a"', b"1") + part('name="b"; filename="x"', b"\0" * 300_000),
        part('name="a"', b"1") + f"--{BOUNDARY}xyz\r\n".encode(),
        part('name="a"', b"1")[:-2] + b"",
    ],
)
def test_a_truncated_body_keeps_what_was_complete(tmp_path: Path, body: bytes) -> None:
    described = tee(tmp_path, body).describe()
    assert described is not None
    assert described["truncated"]
    assert [item["name"] for item in described["parts"]] in (["a"], ["a", "b"], [])
    assert not list((tmp_path / "_logs").rglob(".partial-*"))


def test_without_a_boundary_nothing_is_stored(tmp_path: Path) -> None:
    described = tee(tmp_path, part('name="password"', b"hunter2"), media_type="multipart/form-data").describe()
    assert described is not None
    assert (described["parts"], described["truncated"]) == ([], True)
    assert b"hunter2" not in on_disk(tmp_path)


def test_fields_in_memory_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "MAX_FIELDS", 1000)
    described = tee(tmp_path, *[part('name="a"', b"x" * 400)] * 5, END).describe()
    assert described is not None
    assert described["truncated"]
    assert len(described["parts"]) <= 3
