"""Whatever was sent, answered and recorded: a report comes of it, in every form, and no secret stands in it."""

from __future__ import annotations

import html
import json
import shlex
import tempfile
from pathlib import Path
from urllib.parse import quote, quote_plus

from hypothesis import given, settings
from hypothesis import strategies as st

from playback.annotations import markdown, workflow_command
from playback.curl import curl
from playback.evidence import Evidence
from playback.redact import Redaction, redacted
from playback.report import Mismatch
from playback.results import write
from playback.summary import render
from playback.target import Target
from playback.trail import Exchange
from playback.wire import Request
from tests.playback.reports import failed

TARGET = Target("http://127.0.0.1:1", "", "http://127.0.0.1:1", "127.0.0.1", 1)
SECRET = "zq9X'k\"w7%ü&P z"
SPELLED = (SECRET, html.escape(SECRET), quote(SECRET, safe=""), quote_plus(SECRET), json.dumps(SECRET)[1:-1])
ODD = [
    "password=\ud800abcdefgh1234",
    '{"password": "\\ud800abcdefgh1234"}',
    "<input name=password value='\ud800xxxxxxxxx'>",
    "csrf_token=\ud800&b",
    "a=%zz&%=&&=",
    "[" * 3000 + "]" * 3000,
    "token: abc\ud83d\udeff",
    f"login as ada with {SECRET}!",
    "",
]
TEXTS = st.one_of(st.text(st.characters(exclude_categories=()), max_size=40), st.sampled_from(ODD))
STEPS = TEXTS.filter(lambda text: SECRET not in text)  # the profile's own
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["content-type", "content-encoding", "cookie", "authorization", "x-csrf", "x-note"]),
        TEXTS
        | st.sampled_from(["application/json", "text/html", "application/x-www-form-urlencoded", "gzip", "Basic dTpw"]),
    ),
    max_size=4,
)
BODIES = st.binary(max_size=60) | TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass"))


@settings(max_examples=25, deadline=None)
@given(
    path=TEXTS,
    query=TEXTS,
    step=STEPS,
    sent=HEADERS,
    got=HEADERS,
    body=BODIES,
    answer=BODIES,
    known=st.dictionaries(TEXTS, TEXTS, max_size=3),
)
def test_every_form_of_a_report_takes_anything(
    path: str, query: str, step: str, sent: list[tuple[str, str]], got: list[tuple[str, str]], body: bytes, answer: bytes,
    known: dict[str, str],
) -> None:  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "expected").write_bytes(answer[::-1])
        report = failed(failing_step=step, notes=[path], error=query)
        report.steps[1].id = step
        request = Request("POST", f"/{path}", query, sent, {}, body)
        report.steps[1].curl = curl(TARGET, request, secrets={"PASSWORD": SECRET})
        shlex.split(report.steps[1].curl)
        report.steps[1].mismatches = [Mismatch(path, {query: [path]}, answer.decode("utf-8", "replace"), query)]
        report.comparisons[0].details = [path, query]
        evidence = Evidence(Redaction([SECRET]))
        exchange = Exchange(step, request, 200, got, answer, len(answer), root / "expected")
        redacted(report, {SECRET})
        evidence.look_at(report, [exchange, exchange], known)
        folder = write(report, root, evidence)
        forms = [path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file()]
        forms += [render(report), markdown(report), workflow_command(report, root, {})]
        for form in forms:
            assert [spelled for spelled in SPELLED if spelled in form] == []
