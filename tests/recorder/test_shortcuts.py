"""The shortcuts of redaction: what is passed over, or remembered, is what the whole of the rules would have made of it."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder import Settings, redaction, wrap
from recorder.headers import Fields
from recorder.heads import Heads
from recorder.jsonwalk import walk
from recorder.known import Known
from recorder.media import Kind
from recorder.names import Names
from recorder.pseudonyms import Pseudonyms
from recorder.redaction import Redactor
from tests.recorder.watching import on_disk

PSEUDONYMS = Pseudonyms(b"a key")
TEXTS: tuple[Kind, ...] = ("json", "html", "xml", "script", "text", "unknown")
EXTRA = ("ssn", "größe", "Matrikel-Nr")
FRAGMENTS = st.sampled_from(
    [
        *(
            "password",
            "PassWord",
            "csrf_token",
            "XSRF",
            "api-key",
            "apiKey",
            "secret",
            "SESSIONID",
            "otp",
            "pwd",
            "Pw",
            "jwt",
        ),
        *(
            "credential",
            "Authorization",
            "__forgery",
            "antiForgery",
            "monkey",
            "address",
            "to_ken",
            "p_w",
            "ssn",
            "Größe",
        ),
        *("matrikelNr", "MATRIKEL_NR", "to\u212aen", "pa\u017fsword", "İd_token", "ß", "\u2028", "\ud800"),
        *("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcDEF-_123", "Bearer abcdefghijklmnop1234", "basic dXNlcjpwYXNzMTIz"),
        *(
            "postgres://me:hunter22@db/x",
            "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----",
            "https://x.y/@me",
        ),
        *(
            '"',
            "'",
            "\\",
            "=",
            ":",
            " : ",
            ",",
            "&",
            "?",
            "<",
            ">",
            "</",
            "{",
            "}",
            "[",
            "]",
            "\n",
            " ",
            "`",
            "(",
            ");",
            "&quot;",
        ),
        *(
            "abcdEFGH1234",
            "hunter2hunter2",
            "true",
            "null",
            "12",
            '<input type="password" value="',
            '<meta name="',
            'content="',
        ),
        *('"name": "', '"value": "', '{"a": [', "<![CDATA[", "<textarea name=", "<name>", "</name><value>", "export "),
    ]
)
SOUP = st.lists(st.one_of(FRAGMENTS, st.text(max_size=5)), max_size=12).map("".join)


class Thorough(Names):
    """Names that have every text looked into."""

    def hinted(self, text: str) -> bool:
        """Whether it may hold a secret: always."""
        return True


@settings(max_examples=1500)
@given(SOUP, st.sampled_from(TEXTS), st.sampled_from([(), EXTRA]))
def test_what_the_first_question_lets_pass_holds_no_secret(text: str, kind: Kind, extra: tuple[str, ...]) -> None:
    if not Names(extra).hinted(text):
        redactor = Redactor(Thorough(extra), PSEUDONYMS)
        assert redactor.render(redactor.scan(text, kind)) == (text, [])
        assert not redactor.secrets


@pytest.mark.parametrize(
    "text",
    [
        *(
            f'{{"{name}": "hunter2hunter2"}}'
            for name in ("password", "xsrf", "pwd", "jwt", "otp", "api_key", "sessid", "token")
        ),
        *(
            f'{{"{name}": "hunter2hunter2"}}'
            for name in ("my_secret", "credential", "authorization", "antiforgery", "Größe")
        ),
        *("see me:eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "Bearer abcdefghijklmnop1", "Basic dXNlcjpwYXNzMTIz"),
        *("x://me:hunter22@db/x", "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----"),
    ],
)
def test_each_secret_raises_the_first_question(text: str) -> None:
    redactor = Redactor(Names(EXTRA), PSEUDONYMS)
    assert redactor.render(redactor.scan(text, "json"))[1]


@settings(max_examples=600)
@given(SOUP, st.sampled_from(TEXTS), st.sampled_from([(), EXTRA]))
def test_what_it_does_not_let_pass_is_redacted_as_ever(text: str, kind: Kind, extra: tuple[str, ...]) -> None:
    asked, thorough = (Redactor(names, PSEUDONYMS) for names in (Names(extra), Thorough(extra)))
    assert asked.render(asked.scan(text, kind)) == thorough.render(thorough.scan(text, kind))


@given(
    st.text("abXY09+/=&<>\"' %é€-_.;", min_size=12, max_size=20),
    st.sampled_from([str, quote, quote_plus, json.dumps, lambda value: base64.b64encode(value.encode()).decode()]),
    st.integers(0, 2),
    SOUP,
)
def test_a_known_value_is_never_passed_over(value: str, escaped: Any, shift: int, around: str) -> None:
    known = Known(value, "secret-known-0")
    text = f"{around}{'x' * shift}{escaped(value)}{around}"
    assert any(probe in text for probe in known.probes) or not list(known.find(text))


@settings(max_examples=600)
@given(st.lists(SOUP, min_size=1, max_size=4), st.data(), st.sampled_from([(), EXTRA, ("2fa",)]))
def test_what_differs_in_its_digits_is_told_as_if_it_came_first(
    texts: list[str], drawn: st.DataObject, extra: tuple[str, ...]
) -> None:
    """Some of them come again, with digits between their characters, or without those they had."""
    names = Names(extra)
    for text in [*texts, *texts]:
        digits = drawn.draw(st.lists(st.sampled_from(["", "", "", "7", "20"]), min_size=len(text), max_size=len(text)))
        other = "".join(digit + char for digit, char in zip(digits, text, strict=True))
        for each in (text, other, "".join(char for char in text if not char.isdigit())):
            assert names.hinted(each) == Names(extra).hinted(each)


MEMBERS = st.sampled_from(
    [
        *("password", "name", "key", "field", "value", "id", "secrets", "pass word", "apiKey", "mail", "größe", "a.b"),
        *("pass\\word", "ssn", "next", ""),
    ]
)
SCALARS = st.sampled_from(
    [
        *(
            "password",
            "hunter22hunter22",
            "Zk83Zk83Zk83aB1",
            "a",
            "",
            7,
            1234567,
            -1.5e3,
            True,
            None,
            "x}y",
            "{",
            'q"r',
        ),
        *("see https://me:hunter22@x.y/z", "token=abcDEF123456", "pw: hunter22hunter"),
    ]
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(MEMBERS, inner, max_size=4)),
    max_leaves=24,
)


@settings(max_examples=500)
@given(DOCUMENTS, st.sampled_from([None, 1]), st.booleans(), st.sampled_from([(), EXTRA]))
def test_of_json_no_object_is_passed_over_that_matters(
    document: Any, indent: int | None, ascii_only: bool, extra: tuple[str, ...]
) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    short, thorough = (Redactor(Names(extra), PSEUDONYMS) for _ in range(2))
    written = short.render(short.scan(text, "json"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(redaction, "walk", lambda text, dull=None: walk(text))
        assert written == thorough.render(thorough.scan(text, "json"))
    assert list(short.secrets) == list(thorough.secrets)


NAMES = st.sampled_from(
    [
        *("cookie", "set-cookie", "authorization", "proxy-authorization", "x-csrftoken", "x-api-key", "x-my-auth"),
        *("referer", "accept", "location", "x-request-id", "content-length", "ssn", "Cookie"),
    ]
)
VALUES = st.one_of(
    st.sampled_from(
        [
            *("session=abcdefghijklmnop; theme=dark; run=zK83-run", "run=zK83-run; other=qwertyuiop1234"),
            *("Bearer abcdefghijklmnop1", "Basic dXNlcjpwYXNzMTIz", "Basic ekszODMtcnVuOg==", "dXNlcjpwYXNzMTIz"),
            *("http://a.b/?token=abcdefghijklmnop", "https://me:hunter22@x.y/", "abcdefghijklmnop", "zK83-run"),
            *("", "12", "true", 'sid="abcdefghijklmnop"; Path=/'),
        ]
    ),
    st.text(st.characters(max_codepoint=255), max_size=20),
)


@settings(max_examples=400)
@given(st.lists(st.lists(st.tuples(NAMES, VALUES), max_size=6), min_size=1, max_size=4), st.booleans())
def test_a_field_that_is_remembered_is_written_as_one_that_is_read(
    requests: list[list[tuple[str, str]]], as_octets: bool
) -> None:
    """Whatever came before it, in whichever request, on whichever path."""
    names = Names(EXTRA)
    remembered = Heads(Fields(names, PSEUDONYMS))
    for number, headers in enumerate([*requests, *requests]):
        path = ("/runs/zK83-run/", "/other")[number % 2]
        given_ = (
            [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers] if as_octets else headers
        )
        first, second = (Redactor(names, PSEUDONYMS, heads, path) for heads in (remembered, None))
        assert first.headers(given_) == second.headers(headers)
        assert list(first.secrets) == list(second.secrets)


def test_what_is_remembered_of_headers_is_bounded() -> None:
    fields = Fields(Names(), PSEUDONYMS)
    for number in range(3 * Fields.MOST):
        assert fields["x-request-id", str(number)].shown == ("x-request-id", str(number))
    assert fields["x-long", "y" * 5000].value == "y" * 5000
    assert len(fields) <= Fields.MOST
    assert ("x-long", "y" * 5000) not in fields
    heads = Heads(fields)
    for number in range(3 * Heads.MOST):
        assert heads[(("x-request-id", str(number)),)].shown == [("x-request-id", str(number))]
    long = tuple(("x-long", f"{'y' * 2000}{number}") for number in range(5))
    assert heads[long].shown == list(long)
    assert len(heads) <= Heads.MOST
    assert long not in heads


# Canaries: each request twice, since what came before is remembered


def _canary(number: int) -> str:
    return f"cAnary{number:02d}zQ9xT4kV7wB2"


def _script(secret: str) -> bytes:
    return f"var settings = {{csrfToken: '{secret}', version: 3}};".encode()


PLACES: dict[str, Any] = {
    "cookie": lambda s: {"headers": [("cookie", f"theme=dark; session={s}")]},
    "cookie of no name that is known": lambda s: {"headers": [("cookie", f"zz={s}")]},
    "cookie that comes back in a header": lambda s: {"headers": [("cookie", f"zz={s}"), ("x-anything", s)]},
    "bearer": lambda s: {"headers": [("authorization", f"Bearer {s}")]},
    "basic": lambda s: {"headers": [("authorization", "Basic " + base64.b64encode(f"me:{s}".encode()).decode())]},
    "header of an application's own": lambda s: {"headers": [("x-acme-auth", s)]},
    "api key": lambda s: {"headers": [("x-api-key", s)]},
    "referer": lambda s: {"headers": [("referer", f"http://x/?access_token={s}")]},
    "cookie in the path": lambda s: {"headers": [("cookie", f"session={s}")], "path": f"/a/{s}"},
    "query": lambda s: {"query": f"a=1&token={s}"},
    "cookie in the query": lambda s: {"headers": [("cookie", f"session={s}")], "query": f"back={s}"},
    "form": lambda s: {"body": f"a=b&password={s}".encode(), "kind": "application/x-www-form-urlencoded"},
    "JSON": lambda s: {"body": json.dumps({"password": s}).encode(), "kind": "application/json"},
    "nested JSON": lambda s: {"body": json.dumps({"a": [{"b": {"api_key": s}}]}).encode(), "kind": "application/json"},
    "JSON in JSON": lambda s: {
        "body": json.dumps({"a": json.dumps({"secret": s})}).encode(),
        "kind": "application/json",
    },
    "JSON without a type": lambda s: {"body": json.dumps({"password": s}).encode()},
    "XML": lambda s: {"body": f"<a><password>{s}</password></a>".encode(), "kind": "text/xml"},
    "multipart": lambda s: {
        "body": f'--b\r\nContent-Disposition: form-data; name="password"\r\n\r\n{s}\r\n--b--\r\n'.encode(),
        "kind": "multipart/form-data; boundary=b",
    },
    "cookie in the body": lambda s: {
        "headers": [("cookie", f"session={s}")],
        "body": f"x {s} y".encode(),
        "kind": "text/plain",
    },
    "cookie in base64 in the body": lambda s: {
        "headers": [("cookie", f"session={s}")],
        "body": base64.b64encode(f"ab{s}cd".encode()),
        "kind": "text/plain",
    },
    "answered cookie": lambda s: {"answer": [("set-cookie", f"zz={s}; Path=/")]},
    "answered cookie in a later header": lambda s: {"answer": [("set-cookie", f"zz={s}"), ("location", f"/x/{s}")]},
    "answered form": lambda s: {
        "answered": f"<form><input type=hidden name=csrf_token value={s}></form>",
        "as": "text/html",
    },
    "answered script": lambda s: {"answered": _script(s), "as": "text/javascript"},
    "answered JSON": lambda s: {"answered": json.dumps({"access_token": s, "type": "x"}), "as": "application/json"},
    "answered URL": lambda s: {"answered": f"see https://me:{s}@db.example/x", "as": "text/plain"},
    "password that the answer repeats": lambda s: {
        "body": json.dumps({"password": s}).encode(),
        "kind": "application/json",
        "answered": f"you sent {quote(s)}",
        "as": "text/plain",
    },
    "compressed": lambda s: {
        "answered": gzip.compress(_script(s)),
        "as": "text/javascript",
        "answer": [("content-encoding", "gzip")],
    },
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("long", [False, True], ids=["short", "long"])
def test_no_canary_reaches_the_disk(tmp_path: Path, place: str, long: bool) -> None:
    """In every place, among other text, twice each with the same value and once with another."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        told = scope["told"]
        answered = told.get("answered", b"fine")
        answered = answered if isinstance(answered, bytes) else answered.encode()
        fields = [("content-type", told.get("as", "text/plain")), *told.get("answer", ())]
        headers = [(name.encode(), value.encode()) for name, value in fields]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answered})

    recorded = wrap(app, Settings(root=tmp_path))
    canaries = [_canary(1), _canary(1), _canary(2)]
    for canary in canaries:
        told = PLACES[place](canary)
        if long and told.get("as") not in (None, "application/json") and isinstance(told.get("answered"), str):
            told["answered"] = "x" * 70_000 + "\n" + told["answered"]
        asyncio.run(_call(recorded, told))
    written = on_disk(tmp_path)
    assert written
    for canary in canaries:
        for spelled in (canary, quote(canary), base64.b64encode(canary.encode()).decode().rstrip("=")[2:-2]):
            assert spelled.encode() not in written


async def _call(app: Any, told: dict[str, Any]) -> None:
    body = told.get("body", b"")
    fields = [("host", "x"), *told.get("headers", ()), ("content-length", str(len(body)))]
    fields += [("content-type", told["kind"])] if "kind" in told else []
    path = told.get("path", "/a")

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None: ...

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": told.get("query", "").encode(), "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in fields], "client": None, "server": None,
        "told": told,
    }  # fmt: skip
    await app(scope, receive, send)
