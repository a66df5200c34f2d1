"""What the recorder writes into a job's meta is no work of the application, wherever a dashboard shows it."""

from __future__ import annotations

import html
import json
from typing import Any

import pytest

from playback.answers import Comparer
from playback.bijection import Bijection, Moment

MARK = {"v": 1, "operation_id": "01M7WQR2XNW7PK9ZHHBFSEW75J", "run_id": None, "session": {"user": None, "theme": None}}
OTHER = {**MARK, "operation_id": "01M7WQR298S0AF9PC2PG7E8HYS"}


def differences(kind: str, recorded: Any, live: Any) -> list[str]:
    comparer = Comparer(Bijection(), Moment(0.0, 0.0), "step")
    comparer.body(kind, *(text.encode() for text in (recorded, live)))
    comparer.settle()
    return [m.where for m in comparer.mismatches]


FORMS = {
    "object": ("application/json", lambda meta: json.dumps({"meta": meta})),
    "text in a document": ("application/json", lambda meta: json.dumps({"meta": json.dumps(meta)})),
    "page": ("text/html", lambda meta: f"<pre>{html.escape(repr(meta))}</pre>"),
    "first": (
        "text/html",
        lambda meta: f"<pre>{html.escape(json.dumps(dict(reversed(meta.items())), indent=2))}</pre>",
    ),
}


@pytest.mark.parametrize(("kind", "shown"), FORMS.values(), ids=FORMS)
def test_a_job_without_its_cause_is_the_same_job(kind: str, shown: Any) -> None:
    plain = {"progress": 100}
    with_mark, with_other = shown({"recorder": MARK, **plain}), shown({"recorder": OTHER, **plain})
    assert differences(kind, with_mark, shown(plain)) == []
    assert differences(kind, shown(plain), with_mark) == []
    assert differences(kind, with_mark, with_other) == []
    assert differences(kind, with_mark, shown({"progress": 60})) != []
    assert differences(kind, with_mark, shown({})) != []


def test_another_recorder_is_the_application_s_own() -> None:
    assert differences("application/json", '{"recorder": {"v": 1}}', '{"recorder": {"v": 2}}') != []
