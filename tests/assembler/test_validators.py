"""What a browser gives back to ask whether a file changed comes from the answer that gave it, whatever else has the same."""

from __future__ import annotations

from pathlib import Path

from tests.assembler.recorded import Call, get, profile_of

CHANGED = "Fri, 20 Nov 2026 19:01:16 GMT"  # both files are of one checkout
STYLE, SCRIPT = '"1795201276.6786504-9890-707073180"', '"1795201276.6772654-3344-2709459390"'


def given(path: str, tag: str) -> Call:
    return get(path, "a file", kind=("content-type", "text/css"), headers=[("etag", tag), ("last-modified", CHANGED)])


def repeated(path: str, tag: str) -> Call:
    sent = [("if-none-match", tag), ("if-modified-since", CHANGED)]
    return get(path, "", status=304, headers=[("etag", tag)], sent=sent)


def test_each_file_has_its_own(tmp_path: Path) -> None:
    style, script = "/static/site.css", "/static/site.js"
    calls = [
        given(style, STYLE),
        repeated(style, STYLE),
        given(script, SCRIPT),
        repeated(style, STYLE),
        repeated(script, SCRIPT),
    ]
    steps = profile_of(tmp_path, calls).steps
    assert [step.headers.get("if-modified-since") for step in steps] == [
        None,
        "{{ steps.get-static-site-css.last_modified }}",
        None,
        "{{ steps.get-static-site-css.last_modified }}",
        "{{ steps.get-static-site-js.last_modified }}",
    ]
    tags = [step.headers.get("if-none-match") for step in steps]
    assert tags[1] == "{{ steps.get-static-site-css.etag }}"
    assert tags[3] == "{{ steps.get-static-site-css-2.etag }}"
    assert tags[4] == "{{ steps.get-static-site-js.etag }}"


def test_what_was_known_before_the_recording_is_not_sent(tmp_path: Path) -> None:
    steps = profile_of(tmp_path, [repeated("/static/site.css", STYLE)]).steps
    assert "if-none-match" not in steps[0].headers
    assert "if-modified-since" not in steps[0].headers
