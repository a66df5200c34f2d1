"""GraphQL requests: an id in a variable or in the query is what the argument it goes into says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from assembler.graphql import graphql_slots
from assembler.profile import Profile
from tests.assembler.recorded import Call, api, profile_of

ADDED = '{"data": {"addBook": {"id": "Qm9vazo3", "pk": 7, "pages": 3}}}'


def ask(query: str, answer: str = "{}", **variables: Any) -> Call:
    return api("POST", "/graphql", answer, json.dumps({"query": query, "variables": variables}))


def second(profile: Profile) -> str:
    return profile.steps[1].json_ or ""


def recorded(folder: Path, query: str, **variables: Any) -> str:
    return second(profile_of(folder, [ask("mutation { addBook { id pk pages } }", ADDED), ask(query, **variables)]))


def test_a_variable_is_named_by_its_argument(tmp_path: Path) -> None:
    sent = recorded(tmp_path, "query ($p: Int!) { book(pk: $p) { title } }", p=7)
    assert '"variables": {"p": {{ steps.' in sent


def test_ids_in_the_query_itself(tmp_path: Path) -> None:
    sent = recorded(tmp_path, '{ node(id: "Qm9vazo3") { id } book(pk: 7, first: 7) { title } }')
    assert 'node(id: \\"{{ steps.' in sent
    assert "book(pk: {{ steps." in sent
    assert "first: 7" in sent


def test_a_number_that_is_no_id_stays(tmp_path: Path) -> None:
    sent = recorded(tmp_path, "query ($n: Int!) { books(first: $n, pages: 7) { title } }", n=7)
    assert "steps." not in sent


def test_a_document_that_only_has_a_query_member_is_read_as_json() -> None:
    text = '{"query": "{ book(pk: 7) }", "author_id": 4}'
    assert [s.name for s in graphql_slots(text)] == ["query", "author_id"]
