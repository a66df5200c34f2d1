"""The line that sends a request again: what a shell reads back is what was sent, and no secret stands in it."""

from __future__ import annotations

import base64
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assembler.profile import Part
from playback.curl import BODY, curl, inline
from playback.target import Target
from playback.wire import FileBody, Multipart, Request

TARGET = Target("http://127.0.0.1:5000", "", "http://127.0.0.1:5000", "127.0.0.1", 5000)
URL = "http://127.0.0.1:5000"
PLAIN = ("text/plain", "application/json", "application/x-www-form-urlencoded")
# Names and values without what redaction would take for a secret are left as they are: letters that spell nothing.
HARMLESS = st.text(st.sampled_from("aö'\"$`\\ !*?[]{}<>|&;()~#%\n\t-=@"), max_size=30)


def request(path: str = "/orders", query: str = "", **fields: object) -> Request:
    given = {"method": "GET", "headers": [], "cookies": {}, **fields}
    return Request(path=path, query=query, **given)  # type: ignore[arg-type]


def read_by_a_shell(line: str, **environ: str) -> list[str]:
    """The words that a program called `curl` would get from a POSIX shell."""
    script = f'curl() {{ printf "%s\\0" "$@"; }}\n{line}'
    ran = subprocess.run(["sh", "-c", script], env=environ, capture_output=True, check=True, timeout=180)
    return ran.stdout.decode().split("\0")[:-1]


@given(text=HARMLESS, value=HARMLESS)
def test_a_shell_reads_back_what_was_sent(text: str, value: str) -> None:
    value = value.replace("\n", " ")
    sent = request(method="POST", headers=[("X-Note", value), ("Content-Type", PLAIN[0])], content=text.encode())
    words = shlex.split(curl(TARGET, sent))
    assert words[:4] == ["curl", "-i", "-X", "POST"]
    assert words[-1] == f"{URL}/orders"
    assert ("X-Note;" if not value else f"X-Note: {value}") in words
    if text:
        assert words[words.index("--data-raw") + 1] == text
    else:
        assert "--data-raw" not in words


@given(path=st.text(max_size=30), query=HARMLESS)
def test_any_address_stays_one_word_of_printable_ascii(path: str, query: str) -> None:
    path = path.replace("?", "").encode("utf-8", "replace").decode()
    last = shlex.split(curl(TARGET, request(f"/{path}", query)))[-1]
    assert last.startswith(f"{URL}/")
    assert last.isascii()
    assert " " not in last
    assert last.isprintable()


@pytest.mark.parametrize(
    ("sent", "word"),
    [
        (request(headers=[("Authorization", "Bearer hunt'er2 $x")]), "Authorization: Bearer hunt'er2 $x"),
        (
            request(
                headers=[("Authorization", f"Basic {base64.b64encode(b'ada:hunt' + bytes([39]) + b'er2 $x').decode()}")]
            ),
            "ada:hunt'er2 $x",
        ),
        (
            request(method="POST", content=b'{"password": "hunt\'er2 $x"}', headers=[("Content-Type", PLAIN[1])]),
            '{"password": "hunt\'er2 $x"}',
        ),
        (
            request(method="POST", content=b"a=1&password=hunt%27er2+%24x&b=2", headers=[("Content-Type", PLAIN[2])]),
            "password=hunt'er2 $x",
        ),
    ],
)
def test_secrets_of_the_environment_are_its_variables(sent: Request, word: str) -> None:
    line = curl(TARGET, sent, secrets={"PASSWORD": "hunt'er2 $x"})
    assert "er2" not in line
    assert '"$PROFILE_SECRET_PASSWORD"' in line
    assert word in read_by_a_shell(line, PROFILE_SECRET_PASSWORD="hunt'er2 $x")


def test_a_form_keeps_its_order_around_a_secret() -> None:
    sent = request(method="POST", content=b"a=1&c=x+y&password=hunter22&b=2", headers=[("Content-Type", PLAIN[2])])
    words = shlex.split(curl(TARGET, sent, secrets={"PASSWORD": "hunter22"}))
    at = words.index("--data-raw")
    assert words[at : at + 6] == [
        "--data-raw", "a=1&c=x+y", "--data-urlencode", "password=$PROFILE_SECRET_PASSWORD", "--data-raw", "b=2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "sent",
    [
        request(headers=[("X-CSRFToken", "a8f5f167f44f4964e6c998dee827110c")]),
        request(headers=[("Authorization", "Bearer a8f5f167f44f4964e6c998dee827110c")]),
        request(
            headers=[("Authorization", f"Basic {base64.b64encode(b'u:a8f5f167f44f4964e6c998dee827110c').decode()}")]
        ),
        request(query="access_token=a8f5f167f44f4964e6c998dee827110c"),
        request(cookies={"session": "a8f5f167f44f4964e6c998dee827110c"}),
        request(
            method="POST",
            content=b"csrf_token=a8f5f167f44f4964e6c998dee827110c&x=1",
            headers=[("Content-Type", PLAIN[2])],
        ),
        request(
            method="POST",
            content=b'{"api_key": "a8f5f167f44f4964e6c998dee827110c"}',
            headers=[("Content-Type", PLAIN[1])],
        ),
        request(
            method="POST",
            stream=Multipart([(Part(name="csrf_token"), "a8f5f167f44f4964e6c998dee827110c")], Path("p")),
        ),
    ],
)
def test_what_was_issued_to_this_replay_is_left_out(sent: Request) -> None:
    line = curl(TARGET, sent, cookies=bool(sent.cookies))
    assert "a8f5f167" not in line
    assert "4964e6c9" not in line
    assert "…" in line or "-b cookies.txt" in line


def test_a_body_that_is_no_line_lies_in_a_file() -> None:
    for content in (b"\xff\x00", b"x" * 5000, "\x1b[31m\u202e".encode()):
        assert inline(content) is None
        assert f"--data-binary @{BODY}" in curl(TARGET, request(method="POST", content=content))


def test_files_are_sent_from_where_they_lie(tmp_path: Path) -> None:
    (tmp_path / "seed").mkdir()
    (tmp_path / "seed" / 'a "b".csv').write_text("1,2\n")
    parts = [
        (Part(name="note"), "@not a file"),
        (Part(name="table", file='seed/a "b".csv', filename='a "b".csv', media_type="text/csv"), ""),
    ]
    sent = request(
        method="POST",
        headers=[("content-type", "multipart/form-data; boundary=x")],
        stream=Multipart(parts, tmp_path),
    )
    words = shlex.split(curl(TARGET, sent))
    assert words[words.index("--form-string") + 1] == "note=@not a file"
    named = '\\"b\\".csv"'
    assert words[words.index("-F") + 1] == f'table=@"{tmp_path}/seed/a {named};filename="a {named};type=text/csv'
    assert not any(word.lower().startswith("content-type") for word in words)
    whole = request(method="PUT", stream=FileBody(tmp_path / "seed" / 'a "b".csv'))
    words = shlex.split(curl(TARGET, whole))
    assert words[words.index("--data-binary") + 1] == f'@{tmp_path}/seed/a "b".csv'
    assert "Content-Type:" in words  # else curl would call it a form


def test_it_goes_where_the_bytes_went_under_the_public_name() -> None:
    target = Target("https://shop.example", "", "http://127.0.0.1:8000", "127.0.0.1", 8000)
    words = shlex.split(curl(target, request("/a/../b[1]")))
    assert words[-1] == "http://127.0.0.1:8000/a/../b[1]"
    assert "Host: shop.example" in words
    assert {"--globoff", "--path-as-is"} <= set(words)


def test_what_the_client_always_sends_is_there_but_for_noise() -> None:
    standing: dict[str, str | list[str]] = {
        "accept": "text/html",
        "user-agent": "Mozilla",
        "sec-fetch-mode": "navigate",
    }
    line = curl(TARGET, request(headers=[("Accept", "application/json")]), standing=standing)
    assert line == f"curl -i -X GET -H 'Accept: application/json' {URL}/orders"
    assert "-H 'accept: text/html'" in curl(TARGET, request(), standing=standing)
    assert curl(TARGET, request(method="HEAD")).startswith("curl -i --head http")
