"""A place that can have no value is refused before anything is sent, with the nearest name that has one."""

from __future__ import annotations

import pytest

from assembler.profile import Profile
from playback.references import broken_references


def profile(path: str) -> Profile:
    return Profile.model_validate(
        {
            "metadata": {"slug": "x"},
            "steps": [
                {"id": "get-login", "path": "/login", "extract": {"csrf_token": {"css": "input"}}},
                {"id": "next", "path": path},
                {
                    "id": "run",
                    "action": "enqueue_rq",
                    "job": "tasks.run",
                    "wait": {"type": "job", "job": "{{ steps.run.job_id }}"},
                },
            ],
        }
    )


@pytest.mark.parametrize(
    "path",
    [
        "/x",
        "/{{ steps.get-login.csrf_token }}",
        "/{{ run_id }}/{{ config }}",
        "{{ origin }}/",
        "/{{ secrets.PIN }}",
        '/{{ "{{" }}',
    ],
)
def test_fine(path: str) -> None:
    assert list(broken_references(profile(path))) == []


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (
            "/{{ steps.get-logn.csrf_token }}",
            "Step next: {{ steps.get-logn.csrf_token }} names no earlier step; did you mean 'get-login'?",
        ),
        ("/{{ steps.get-login.csrf_tokn }}", "step get-login extracts no 'csrf_tokn'; did you mean 'csrf_token'?"),
        ("/{{ steps.next.id }}", "names no earlier step"),
        ("/{{ secret.PIN }}", "is no name a profile knows; did you mean 'secrets'?"),
        ("/{{ runid }}", "did you mean 'run_id'?"),
    ],
)
def test_broken(path: str, sentence: str) -> None:
    assert sentence in next(iter(broken_references(profile(path))))
