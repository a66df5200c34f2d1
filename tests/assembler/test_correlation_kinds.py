"""Counted ids whose place says nothing of what they count: lone answers, lists, other addresses of the same thing."""

from __future__ import annotations

from pathlib import Path

import pytest

from assembler.profile import Step
from tests.assembler.recorded import Call, api, form, get, profile_of

STUDIES = api("GET", "/api/studies", '{"studies": [{"study_id": 3, "name": "seeded"}]}')
STUDY = api("GET", "/api/studies/3", '{"name": "seeded", "trials": [{"trial_id": 21, "value": 5}]}')


def last(folder: Path, *calls: Call) -> Step:
    return profile_of(folder, calls).steps[-1]


def test_a_number_behind_a_thing_is_an_id_that_the_thing_showed(tmp_path: Path) -> None:
    step = last(tmp_path, STUDIES, STUDY, api("PUT", "/api/studies/3/21/note", "{}", '{"body": "x"}'))
    assert step.path == "/api/studies/{{ steps.get-api-studies.study_id }}/{{ steps.get-api-studies-2.trial_id }}/note"


def test_what_is_no_id_of_the_thing_stays(tmp_path: Path) -> None:
    step = last(tmp_path, STUDIES, STUDY, api("PUT", "/api/studies/3/5", "{}", '{"body": "x"}'))
    assert step.path == "/api/studies/{{ steps.get-api-studies.study_id }}/5"


def test_the_same_id_under_another_address(tmp_path: Path) -> None:
    assert last(tmp_path, STUDIES, STUDY, get("/csv/3", "a,b")).path == "/csv/{{ steps.get-api-studies.study_id }}"


@pytest.mark.parametrize("path", ["/page/3", "/year/3", "/csv/4", "/v3/csv"])
def test_a_number_that_no_client_had_as_an_id_stays(tmp_path: Path, path: str) -> None:
    assert last(tmp_path, STUDIES, STUDY, get(path, "a,b")).path == path


def test_a_number_that_two_things_have_stays_where_neither_is_named(tmp_path: Path) -> None:
    users = api("GET", "/api/users", '{"users": [{"user_id": 3}]}')
    calls = [STUDIES, STUDY, users, api("GET", "/api/users/3", "{}")]
    assert last(tmp_path, *calls, get("/csv/3", "a,b")).path == "/csv/3"


def test_a_number_under_a_word_that_names_other_things_stays(tmp_path: Path) -> None:
    users = api("GET", "/api/users", '{"users": [{"user_id": 9}]}')
    calls = [STUDIES, STUDY, users, api("GET", "/api/users/9", "{}")]
    assert last(tmp_path, *calls, api("GET", "/api/users/3", "{}")).path == "/api/users/3"


def test_ids_in_a_list_of_one_parameter(tmp_path: Path) -> None:
    shown = api("GET", "/api/studies/3", '{"trials": [{"trial_id": 21}, {"trial_id": 22}]}')
    step = last(tmp_path, STUDIES, shown, get("/csv?trial_ids=22,21", "a,b"))
    assert step.query == "trial_ids={{ steps.get-api-studies-2.trial_id }}%2C{{ steps.get-api-studies-2.trial_id_2 }}"
    assert last(tmp_path / "sizes", STUDIES, shown, get("/csv?sizes=22,21", "a,b")).query == "sizes=22,21"


MADE = form("/budget/members", "name=Dan", "4", status=201, kind=("content-type", "application/json"))


def test_an_answer_that_is_a_number_alone_is_the_id_of_what_was_made(tmp_path: Path) -> None:
    assert (
        last(tmp_path, MADE, get("/budget/members/4", "x")).path
        == "/budget/members/{{ steps.post-budget-members.member_id }}"
    )
    step = last(tmp_path / "field", MADE, form("/budget/bills", "what=Toll&payer=4&amount=4"))
    assert step.form is not None
    assert step.form[1:] == [("payer", "{{ steps.post-budget-members.payer_id }}"), ("amount", "4")]


def test_an_answer_that_made_nothing_is_a_count(tmp_path: Path) -> None:
    counted = api("GET", "/budget/size", "4")
    step = last(tmp_path, counted, form("/budget/bills", "what=Toll&payer=4"))
    assert step.form == [("what", "Toll"), ("payer", "4")]


def test_numbers_under_one_name_are_of_one_kind(tmp_path: Path) -> None:
    members = api("GET", "/budget/members", '[{"id": 1, "name": "Ann"}, {"id": 4, "name": "Dan"}]')
    step = last(tmp_path, MADE, members, form("/budget/bills", "owers=1&owers=4&days=1"))
    assert step.form is not None
    assert [value.startswith("{{ steps.") for _, value in step.form] == [True, True, False]
