"""Texts made to keep whoever searches them for secrets busy: time goes with their length, and memory is bounded."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from recorder.bodies import BodyTee
from recorder.media import Kind
from recorder.names import Names
from recorder.pseudonyms import Pseudonyms
from recorder.redaction import Redactor
from recorder.store import Store
from recorder.streams import StreamRedactor

SIZE = 128 << 10
LIMIT = 4.0  # seconds of processor time; what goes with the square of the length takes minutes


@pytest.fixture
def redactor() -> Redactor:
    return Redactor(Names(), Pseudonyms(b"k" * 32))


@contextmanager
def in_time() -> Iterator[None]:
    def over(*_: object) -> None:
        raise AssertionError(f"not within {LIMIT:g} s of processor time")

    before = signal.signal(signal.SIGVTALRM, over)
    signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


REPEATED: list[tuple[Kind, str]] = [
    ("text", "eyJ"),
    ("text", "eyJaaaaaa."),
    ("text", "-----BEGIN PRIVATE KEY-----"),
    ("text", "token="),
    ("text", "://a:"),
    ("text", "Bearer a "),
    ("text", "\ntoken:aaaaaaaaaaaaaa"),
    ("html", "?token="),
    ("html", "<input name='token "),
    ("html", "<textarea name=token>"),
    ("html", "token=&quot;"),
    ("script", "token=`"),
    ("script", "token='aaa\n"),
    ("xml", "<password>"),
    ("xml", "<password "),
    ("json", '{"token":'),
    ("json", "["),
    ("form", "token=1&"),
]
ONCE: list[tuple[Kind, str]] = [
    ("text", "token" + " " * SIZE),
    ("text", "basic" + " " * SIZE),
    ("text", "\ntoken:" + "a" * SIZE + '"'),
    ("text", ("token" + " " * 200) * (SIZE // 205)),
    ("text", "token" + "\\" * SIZE),
    ("json", '{"token"' + " " * SIZE),
    ("json", '["token",' + "[" * SIZE),
]


@pytest.mark.parametrize(
    ("kind", "text"), [(kind, part * (SIZE // len(part))) for kind, part in REPEATED] + ONCE, ids=lambda each: each[:30]
)
def test_no_text_takes_longer_than_its_length(redactor: Redactor, kind: Kind, text: str) -> None:
    with in_time():
        redactor.render(redactor.scan(text, kind))


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ("a-" * 4000, ("a-" * 3999 + "b") * 131),
        ("a" * 8000, ("a" * 7999 + "b") * 131),
        ("a" * 4000 + "b" + "a" * 3999, "a" * (1 << 20)),
        ("<" * 2000 + "x", "<" * (1 << 20)),
    ],
    ids=["pairs", "one letter", "rest", "signs"],
)
def test_a_secret_that_repeats_itself_is_found_as_fast(redactor: Redactor, secret: str, text: str) -> None:
    with in_time():
        redactor.headers([("authorization", f"Bearer {secret}")])
        shown, redactions = redactor.render(redactor.scan(f"{text} {secret} %22", "text"))
    assert shown.endswith(f"{redactions[-1]['pseudonym']} %22")


@pytest.mark.parametrize(
    ("kind", "beginning", "piece"),
    [
        ("text", "password=", "a1" * 500),
        ("form", "user=ada&password=", "a1" * 500),
        ("text", "eyJaaaaaaaa.aaaaaaa.", "aB1_" * 250),
    ],
)
def test_a_secret_without_end_is_neither_kept_in_memory_nor_stored(
    redactor: Redactor, tmp_path: Path, kind: Kind, beginning: str, piece: str
) -> None:
    types = {"text": "text/plain", "form": "application/x-www-form-urlencoded"}
    body = BodyTee(Store(tmp_path), redactor, types[kind])
    with in_time():
        body.feed(beginning.encode())
        for _ in range(4000):
            body.feed(piece.encode())
        body.close()
    described = body.describe()
    assert described is not None
    assert described["omitted"] == "redaction"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_table_with_a_column_of_secrets_that_is_too_long_for_memory_is_not_stored(
    redactor: Redactor, tmp_path: Path
) -> None:
    for head, reason in ((b"user,password\n", "redaction"), (b"user,colour\n", None)):
        body = BodyTee(Store(tmp_path / str(reason)), redactor, "text/csv")
        body.feed(head)
        for number in range(100_000):
            body.feed(b"ada,Zq7kW2mTx9Lp%d\n" % number)
        body.close()
        assert (body.describe() or {}).get("omitted") == reason


def test_a_long_secret_at_the_edge_of_a_window_is_replaced(redactor: Redactor) -> None:
    stream, out = StreamRedactor(redactor, "text"), ""
    secret = "aB1" * 2500
    text = "x " * ((StreamRedactor.WINDOW - 8000) // 2) + f"\npassword={secret}\n" + "y " * StreamRedactor.WINDOW
    for at in range(0, len(text), 1000):
        out += stream.feed(text[at : at + 1000])
    out += stream.close()
    assert secret[:100] not in out
    assert out.replace(stream.redactions[0]["pseudonym"], secret) == text
