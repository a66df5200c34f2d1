"""Secrets by name, by shape, and by what is known: replaced where they stand, and nothing else touched."""

from __future__ import annotations

import base64
import html
import json
import stat
from pathlib import Path
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.jsonwalk import decode_string, pointer, walk
from recorder.media import Kind
from recorder.names import Names
from recorder.pseudonyms import PSEUDONYM, Pseudonyms, load_key
from recorder.redaction import Redactor
from recorder.streams import StreamRedactor

PSEUDONYMS = Pseudonyms(b"a key")
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcDEF-_123"


def redactor(*extra: str) -> Redactor:
    return Redactor(Names(extra), PSEUDONYMS)


def redact(text: str, kind: Kind, by: Redactor | None = None) -> str:
    by = by or redactor()
    return by.render(by.scan(text, kind))[0]


def hexes(text: str) -> list[str]:
    return [found[2] for found in PSEUDONYM.finditer(text)]


# Names


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("password", "password"),
        ("user[password]", "password"),
        ("new_password1", "password"),
        ("pwd", "password"),
        ("csrf_token", "csrf"),
        ("X-CSRFToken", "csrf"),
        ("csrfmiddlewaretoken", "csrf"),
        ("__RequestVerificationToken", "csrf"),
        ("authenticity_token", "csrf"),
        ("_token", "token"),
        ("accessToken", "token"),
        ("X-API-Key", "apikey"),
        ("aws_secret_access_key", "apikey"),
        ("client_secret", "secret"),
        ("JSESSIONID", "session"),
        ("otp", "otp"),
        ("Authorization", "authorization"),
        ("ssn", "configured"),
        ("person[SSN]", "configured"),
        *((name, None) for name in ("token_type", "max_tokens", "tokens", "token_count", "footprint", "passenger")),
        *(
            (name, None)
            for name in ("has_password", "password_policy", "csrf-param", "xsrfHeaderName", "key", "author")
        ),
        *((name, None) for name in ("nextPageToken", "continuation_token", "passport", "tokenizer")),
        *((name, None) for name in ("username", "user_id", "run_id", "secretary", "bypass", "id", "")),
    ],
)
def test_names(name: str, kind: str | None) -> None:
    assert Names(["ssn"]).kind(name) == kind


# Pseudonyms


def test_a_pseudonym_depends_on_the_decoded_value_alone() -> None:
    value = 'aB3/x+9"=='
    encoded = {PSEUDONYMS.digest(form) for form in (value, f'"{value}"', quote(value), quote(value, safe=""))}
    assert len(encoded) == 1
    assert PSEUDONYMS.of(value, "csrf")[-32:] == PSEUDONYMS.of(value, "cookie")[-32:]
    assert PSEUDONYMS.of("other", "csrf") != PSEUDONYMS.of(value, "csrf")
    assert Pseudonyms(b"another key").digest(value) not in encoded


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    key = load_key(tmp_path / "root")
    path = tmp_path / "root" / "key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(bytes.fromhex(path.read_text())) == 32
    assert load_key(tmp_path / "root") == key == path.read_bytes()
    assert load_key(tmp_path / "root", "given") == b"given"
    assert [file.name for file in (tmp_path / "root").iterdir()] == ["key"]


# Headers


def test_headers() -> None:
    by = redactor()
    redacted = dict(
        by.headers(
            [
                ("cookie", 'sid="abc"; last=; theme=dark'),
                ("authorization", "Basic " + base64.b64encode(b"ada:lovelace1815x").decode()),
                ("x-csrftoken", "abc"),
                ("referer", "https://ada:pw1@localhost/a?token=abc&b=1"),
                ("user-agent", "Mozilla/5.0 (token; password)"),
                ("access-control-allow-credentials", "true"),
                ("x-echo", "got lovelace1815x back"),
            ]
        )
    )
    same, word = PSEUDONYMS.digest("abc"), PSEUDONYMS.digest("lovelace1815x")
    assert redacted == {
        "cookie": f"sid=secret-cookie-{same}; last=; theme=secret-cookie-{PSEUDONYMS.digest('dark')}",
        "authorization": f"Basic ada:secret-password-{word}",
        "x-csrftoken": f"secret-csrf-{same}",
        "referer": f"https://ada:secret-password-{PSEUDONYMS.digest('pw1')}@localhost/a?token=secret-token-{same}&b=1",
        "user-agent": "Mozilla/5.0 (token; password)",
        "access-control-allow-credentials": "true",
        "x-echo": f"got secret-password-{word} back",
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("sid=abc; Path=/; HttpOnly", "sid=secret-cookie-{}; Path=/; HttpOnly"),
        ('sid=""; Max-Age=0', 'sid=""; Max-Age=0'),
        ("sid=; expires=Thu, 01 Jan 1970 00:00:00 GMT", "sid=; expires=Thu, 01 Jan 1970 00:00:00 GMT"),
    ],
)
def test_set_cookie(value: str, expected: str) -> None:
    assert redactor().headers([("set-cookie", value)]) == [("set-cookie", expected.format(PSEUDONYMS.digest("abc")))]


@pytest.mark.parametrize("scheme", ["Bearer", "Token", "bearer"])
def test_schemes_stay(scheme: str) -> None:
    ((_, value),) = redactor().headers([("authorization", f"{scheme} abc")])
    assert value.startswith(f"{scheme} secret-")
    assert hexes(value) == [PSEUDONYMS.digest("abc")]


def test_ids_in_cookies_are_not_taken_for_secrets_elsewhere() -> None:
    by = Redactor(Names(), PSEUDONYMS, path="/runs/zK83-run/")
    uuid = "6f1c9a52-0d5c-4a59-9a6b-1f1f3d6a3f10"
    by.headers([("cookie", f"last=backed-globule; uuid={uuid}; run=zK83-run; session=abcdefabcdef")])
    text = f"backed-globule {uuid} zK83-run"
    assert by.known(text) == text
    assert by.known("abcdefabcdef") != "abcdefabcdef"  # but what logs in is


# Forms and queries


def test_forms_and_queries() -> None:
    by = redactor()
    value = 'aB3/x+9"=&Zq-77'
    text = urlencode(
        [("a", "1"), ("csrf_token", value), ("tag", "x"), ("tag", value), ("payload", '{"password":"pw"}')]
    )
    rendered, redactions = by.render(by.scan(text, "form"))
    assert [redaction["pointer"] for redaction in redactions] == ["/csrf_token", "/tag/1", "/payload"]
    assert hexes(rendered) == [PSEUDONYMS.digest(value)] * 2 + [PSEUDONYMS.digest("pw")]
    assert rendered.startswith("a=1&csrf_token=secret-csrf-")
    assert by.query("page=2&q=%20x") == "page=2&q=%20x"
    assert redact("token=&password=&x", "form") == "token=&password=&x"


# JSON


def test_json_changes_the_secret_and_no_other_byte() -> None:
    text = (
        '{ "user" : {"name":"ada" , "Password": "x\\u0041\\/z"},\n "n": 1.50e+01, "tokens": 3, "token_type": "Bearer"}'
    )
    by = redactor()
    rendered, redactions = by.render(by.scan(text, "json"))
    pseudonym = PSEUDONYMS.of("xA/z", "password")
    assert rendered == text.replace("x\\u0041\\/z", pseudonym)
    assert redactions == [{"pointer": "/user/Password", "pseudonym": pseudonym}]


@pytest.mark.parametrize(
    ("text", "redacted", "place"),
    [
        ('{"password": 12345}', '{"password": "secret-password-%s"}', "/password"),
        ('{"a/b":[{"apiKey":["x"]}]}', '{"a/b":[{"apiKey":["secret-apikey-%s"]}]}', "/a~1b/0/apiKey/0"),
        ('[{"name":"password","value":"x"}]', '[{"name":"password","value":"secret-password-%s"}]', "/0/value"),
        (
            '{"html":"<input name=\\"csrf\\" value=\\"x\\">"}',
            '{"html":"<input name=\\"csrf\\" value=\\"secret-csrf-%s\\">"}',
            "/html",
        ),
        ('{"url":"/reset?token=x&b=1"}', '{"url":"/reset?token=secret-token-%s&b=1"}', "/url"),
    ],
)
def test_places_in_json(text: str, redacted: str, place: str) -> None:
    by = redactor()
    rendered, redactions = by.render(by.scan(text, "json"))
    assert rendered == redacted % hexes(rendered)[0]
    assert [redaction["pointer"] for redaction in redactions] == [place]


@pytest.mark.parametrize(
    "text",
    [
        '{"password": null, "token": true, "secret": "", "token_count": 5, "token": 7}',
        '["password", "csrf_token", "ada"]',
        '{"id": "6f1c9a52-0d5c-4a59-9a6b-1f1f3d6a3f10", "sha": "0123456789abcdef0123456789abcdef", "user": "ada"}',
        '{"message": "The password must have 8 characters", "max_tokens": "9"}',
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text, "json") == text


def test_broken_json_is_redacted_as_text() -> None:
    assert hexes(redact('{"a": 1, "password": "x", ', "json")) == [PSEUDONYMS.digest("x")]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@given(json_values, st.sampled_from([None, 2]), st.booleans())
def test_the_walk_finds_every_string_where_it_stands(value: object, indent: int | None, escaped: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=escaped)
    found = [scalar for scalar in walk(text) if scalar.label is None]
    expected: list[tuple[str, object]] = []

    def collect(item: object, path: str) -> None:
        if isinstance(item, dict):
            for key, inner in item.items():
                collect(inner, f"{path}/{key.replace('~', '~0').replace('/', '~1')}")
        elif isinstance(item, list):
            for index, inner in enumerate(item):
                collect(inner, f"{path}/{index}")
        elif isinstance(item, str) or (isinstance(item, (int, float)) and not isinstance(item, bool)):
            expected.append((path, item))

    collect(value, "")
    assert [pointer(scalar.path) for scalar in found] == [path for path, _ in expected]
    for scalar, (_, item) in zip(found, expected, strict=True):
        raw = text[scalar.start : scalar.end]
        assert (decode_string(raw)[0] if scalar.is_string else json.loads(raw)) == item


@given(json_values.map(json.dumps), st.text('{}[],:"\\0atrue ', max_size=5), st.integers(0, 40))
def test_the_walk_takes_what_json_takes(text: str, noise: str, at: int) -> None:
    """Every value of it, those of a key that comes twice included."""
    odd = text[:at] + noise + text[at:]
    try:
        value = json.loads(odd, object_pairs_hook=lambda pairs: [inner for _, inner in pairs])
    except ValueError:
        return

    def counted(value: object) -> int:
        if isinstance(value, list):
            return sum(map(counted, value))
        return isinstance(value, (str, int, float)) and not isinstance(value, bool)

    assert len(list(walk(odd))) == counted(value)


# Pages and scripts


TOKEN = 'aB3/x+9"<=&>Zq-77kk'
ESCAPED = html.escape(TOKEN)
IN_SCRIPT = json.dumps(TOKEN)


@pytest.mark.parametrize(
    "text",
    [
        f'<input type="hidden" name="csrf_token" value="{ESCAPED}">',
        f"<input value='{ESCAPED}' name=csrf_token type=hidden />",
        f'<INPUT NAME="user[password]" VALUE="{ESCAPED}">',
        f'<input id="x" type="password" name="p" value="{ESCAPED}">',
        f'<textarea rows=2 name="api_key">{ESCAPED}</textarea>',
        f'<meta name="csrf-token" content="{ESCAPED}">',
        f'<meta content="{ESCAPED}" name="csrf-token">',
        f'<div data-csrf-token="{ESCAPED}" class="x"></div>',
        f"<script>var csrfToken = {IN_SCRIPT};</script>",
        f'<script>window.app = {{"csrfToken": {IN_SCRIPT}}}</script>',
        f"<script>axios.set('X-CSRFToken', {IN_SCRIPT})</script>",
        f'<script>x["csrfToken"]={IN_SCRIPT}</script>',
        f'<div hx-headers="{html.escape(json.dumps({"X-CSRFToken": TOKEN}))}"></div>',
        f'<a href="/x?csrf_token={quote(TOKEN, safe="")}&amp;b=1">x</a>',
    ],
)
def test_places_in_a_page(text: str) -> None:
    by = redactor()
    rendered, redactions = by.render(by.scan(text, "html"))
    assert hexes(rendered) == [PSEUDONYMS.digest(TOKEN)]
    assert rendered[int(redactions[0]["pointer"][2:]) :].startswith(redactions[0]["pseudonym"])
    before, _, after = rendered.partition(redactions[0]["pseudonym"])
    assert text.startswith(before)
    assert text.endswith(after)


@pytest.mark.parametrize(
    "text",
    [
        '<input name="csrf_token" value="">',
        '<button type="submit" name="reset_password" value="Reset">Reset</button>',
        '<input type="submit" name="password" value="Change">',
        '<label for="password">Password: </label><input type="password" name="password" placeholder="Your password">',
        '<script>document.getElementById("password").value = password; token = getToken(); f(a && token == b)</script>',
        '<script>axios.defaults={xsrfCookieName:"XSRF-TOKEN",xsrfHeaderName:"X-XSRF-TOKEN"}</script>',
        '<script>rules=[{token: "constant.character.escape", regex: /x/}]</script>',
        '<meta name="csrf-param" content="authenticity_token">',
        '<style>input[type="password"]{color:"red"}</style>',
        "<p>Password: at least 8 characters; the secret: be kind</p>",
    ],
)
def test_what_is_no_secret_in_a_page_stays(text: str) -> None:
    assert redact(text, "html") == text


def test_xml() -> None:
    text = "<r><ns:password>a&amp;b</ns:password><x token='t1'/><apiKey><![CDATA[k]]></apiKey><password/><n>1</n></r>"
    assert hexes(redact(text, "xml")) == [PSEUDONYMS.digest(value) for value in ("a&b", "t1", "k")]
    member = "<member><name>password</name><value><string>x</string></value></member>"
    assert hexes(redact(member, "xml")) == [PSEUDONYMS.digest("x")]


def test_configuration_files() -> None:
    text = "[db]\nhost = localhost\npassword = hunter2x\nexport API_KEY=abc12345\ntoken: next\n"
    assert hexes(redact(text, "text")) == [PSEUDONYMS.digest("hunter2x"), PSEUDONYMS.digest("abc12345")]


# Shapes


@pytest.mark.parametrize("kind", ["text", "json", "html", "form"])
def test_shapes(kind: Kind) -> None:
    assert redact(JWT, kind) == PSEUDONYMS.of(JWT, "jwt")


def test_more_shapes() -> None:
    pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc=\n-----END RSA PRIVATE KEY-----"
    assert redact(f"x {pem} y", "text") == f"x {PSEUDONYMS.of(pem, 'pem')} y"
    assert hexes(redact(json.dumps({"k": pem}), "json")) == [PSEUDONYMS.digest(pem)]
    assert redact("Authorization: Bearer abc123def456ghi7", "text").startswith("Authorization: Bearer secret-bearer-")
    blob = base64.b64encode(b"ada:secret word").decode()
    assert (
        redact(f"curl -H 'Basic {blob}'", "text") == f"curl -H 'Basic ada:{PSEUDONYMS.of('secret word', 'password')}'"
    )
    assert redact("redis://:pw@host/0", "text") == f"redis://:{PSEUDONYMS.of('pw', 'password')}@host/0"
    for text in (
        "basic training",
        "a bearer of bad tidings",
        "http://host:80/a@b",
        "6f1c9a52-0d5c-4a59-9a6b-1f1f3d6a3f10",
    ):
        assert redact(text, "text") == text


# What is known in the exchange


def every_escaping(value: str) -> list[str]:
    return [
        value,
        quote(value, safe=""),
        quote(value, safe="").lower() if value.islower() else quote(value),
        quote_plus(value),
        html.escape(value),
        html.escape(html.escape(value)),
        json.dumps(value)[1:-1],
        json.dumps(value)[1:-1].replace("/", "\\/"),
        json.dumps(json.dumps(value))[3:-3],
        "".join(f"\\u{ord(char):04X}" if not char.isalnum() else char for char in value),
        "".join(f"&#x{ord(char):x};" if not char.isalnum() else char for char in value),
        base64.b64encode(value.encode()).decode(),
        base64.urlsafe_b64encode(value.encode()).decode().rstrip("="),
        base64.b64encode(b"user:" + value.encode()).decode(),
    ]


@given(st.text("abXY09+/=&<>\"' %é€-_.;", min_size=12, max_size=20).filter(lambda value: value.strip() == value))
def test_a_known_value_is_found_in_every_escaping(value: str) -> None:
    by = redactor()
    by.secret(value, "password")
    if not by.secrets:  # too short once its percent-encoding is undone
        return
    (known,) = by.secrets
    if known != value:
        return
    for form in every_escaping(value):
        rendered = by.known(f"<{form}>")
        assert hexes(rendered) == [PSEUDONYMS.digest(value)], form
        assert form not in rendered


def test_short_values_are_replaced_by_name_only() -> None:
    by = redactor()
    assert by.query("password=abcdefghijk") != "password=abcdefghijk"
    assert by.known("abcdefghijk") == "abcdefghijk"
    by.query("password=abcdefghijkl")
    assert by.known("abcdefghijkl") != "abcdefghijkl"


def test_the_longest_value_wins_and_nothing_is_left_over() -> None:
    by = redactor()
    by.secret("abcdefghijkl", "token")
    by.secret("abcdefghijklmnop", "token")
    assert by.known("abcdefghijklmnop") == PSEUDONYMS.of("abcdefghijklmnop", "token")


def test_what_a_page_reveals_is_known_in_the_whole_exchange() -> None:
    by = redactor()
    request = by.scan("note=abcdefabcdef1", "form")
    page = by.scan('<input name="csrf_token" value="abcdefabcdef1">', "html")
    assert by.render(request) == (
        f"note={PSEUDONYMS.of('abcdefabcdef1', 'csrf')}",
        [{"pointer": "/note", "pseudonym": PSEUDONYMS.of("abcdefabcdef1", "csrf")}],
    )
    assert "abcdefabcdef1" not in by.render(page)[0]


# Streams


@given(st.lists(st.integers(1, 90), max_size=30), st.integers(0, 200))
def test_a_stream_is_redacted_like_a_text(cuts: list[int], offset: int) -> None:
    by = redactor()
    by.secret("knownknown12", "password")
    line = f'<input name="csrf" value="abc{offset}"> {JWT} knownknown12 "password": "x y" \n'
    text = "." * offset + line * 8
    stream = StreamRedactor(by, "html")
    stream.WINDOW, stream.CONTEXT = 256, 128
    out, position = "", 0
    for cut in cuts:
        out += stream.feed(text[position : position + cut])
        position += cut
    out += stream.feed(text[position:]) + stream.close()
    assert out == redact(text, "html", by)
    for redaction in stream.redactions:
        assert out[int(redaction["pointer"][2:]) :].startswith(redaction["pseudonym"])
    assert len(stream.redactions) == 32


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("login of ada failed with password=CanReq81xQzPwL; try again", "CanReq81xQzPwL"),
        ("RuntimeError: api_key=kV8yQ2mXw0Zr5T, retry=3", "kV8yQ2mXw0Zr5T"),
    ],
)
def test_an_assignment_inside_a_message(text: str, secret: str) -> None:
    assert secret not in redact(text, "text")


def test_words_behind_an_equals_sign_stay() -> None:
    for text in ("use password=yourpassword here", "token=getToken() is called", "max_tokens=4096 tokens"):
        assert redact(text, "text") == text
