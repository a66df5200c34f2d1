"""Ids are only names: a recording in which all of them are others gives the same profile, up to these names."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assembler.profile import Profile
from assembler.shapes import looks_opaque
from tests.assembler.recorded import Call, api, form, get, profile_of

KINDS = ("uuid", "token", "count")
USES = ("path", "query", "json", "form", "header", "list", "address")
GIVEN = ("json", "nested", "location", "page", "rows")


def names(kind: str, seed: int, count: int) -> list[str]:
    """Ids of a kind, as a server might give them; those of two seeds share none."""
    generator = Random(f"{kind} {seed}")
    if kind == "uuid":
        return [str(uuid.UUID(int=generator.getrandbits(128), version=4)) for _ in range(count)]
    if kind == "count":
        return [str(4_017 + 1_300 * seed + number) for number in range(count)]
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz23456789"
    found: list[str] = []
    while len(found) < count:
        token = "".join(generator.choices(letters, k=22))
        if looks_opaque(token):
            found.append(token)
    return found


def given_by(how: str, noun: str, identity: str) -> Call:
    """A request that makes something, and the answer that names it."""
    value: Any = int(identity) if identity.isdigit() else identity
    if how == "json":
        return api("POST", f"/{noun}s", json.dumps({"id": value, "made": True}), '{"name": "Ada"}', status=201)
    if how == "nested":
        return api("POST", f"/{noun}s", json.dumps({"ok": True, noun: {"id": value}}), '{"name": "Ada"}')
    if how == "rows":
        return api("POST", f"/{noun}s", json.dumps([{"name": "Ada", "id": value}]), '{"name": "Ada"}')
    if how == "location":
        return form(f"/{noun}s", "name=Ada", status=303, headers=[("location", f"/{noun}s/{identity}/")])
    page = f'<h1>Ada</h1><a href="/{noun}s/{identity}/">open</a><input name="{noun}_id" value="{identity}">'
    return form(f"/{noun}s", "name=Ada", page)


def used_in(where: str, noun: str, identity: str) -> Call:
    """A request that names what was made."""
    value: Any = int(identity) if identity.isdigit() else identity
    if where == "path":
        return get(f"/{noun}s/{identity}/edit", "<p>edit")
    if where == "query":
        return get(f"/search?{noun}_id={identity}&sort=up", "<p>found")
    if where == "json":
        return api("POST", "/link", '{"ok": true}', json.dumps({f"{noun}_id": value, "kind": "own"}))
    if where == "form":
        return form("/choose", f"{noun}_id={identity}&kind=own", "<p>chosen")
    if where == "list":
        return api("POST", "/order", '{"ok": true}', json.dumps({f"{noun}_ids": [value], "kind": "own"}))
    if where == "address":
        return api("POST", "/follow", '{"ok": true}', json.dumps({"address": f"/{noun}s/{identity}/"}))
    return get("/whoami", "<p>you", sent=[(f"x-{noun}-id", identity)])


def calls(story: Sequence[tuple[str, str, Sequence[str]]], seed: int) -> tuple[list[Call], list[str]]:
    """A story (kind of id, how it is given, where it is used) as requests, and the ids in it."""
    made: list[Call] = []
    found: list[str] = []
    nouns = ("order", "member", "parcel")
    for noun, (kind, how, uses) in zip(nouns, story, strict=False):
        (identity,) = names(kind, seed * 7 + len(found), 1)
        found.append(identity)
        made.append(given_by(how, noun, identity))
        made.extend(used_in(where, noun, identity) for where in uses)
    return made, found


def skeleton(profile: Profile, found: Sequence[str]) -> str:
    """What a profile says, with numbers for names, and without the times at which it was recorded."""
    steps = [s.model_dump(by_alias=True, exclude_none=True, exclude={"at", "took", "settle"}) for s in profile.steps]
    text = json.dumps(steps, indent=1, sort_keys=True)
    for number, identity in enumerate(found):
        text = re.sub(rf'"?(?<![0-9A-Za-z]){re.escape(identity)}(?![0-9A-Za-z])"?', f"<{number}>", text)
    return text


stories = st.lists(
    st.tuples(
        st.sampled_from(KINDS), st.sampled_from(GIVEN), st.lists(st.sampled_from(USES), min_size=1, max_size=3, unique=True)
    ),
    min_size=1,
    max_size=3,
)  # fmt: skip


@given(stories)
@settings(max_examples=40, deadline=None, derandomize=True, database=None)
def test_other_ids_make_the_same_profile(
    tmp_path_factory: pytest.TempPathFactory, story: list[tuple[str, str, list[str]]]
) -> None:
    told = []
    for seed in (1, 2):
        made, found = calls(story, seed)
        profile = profile_of(tmp_path_factory.mktemp("renamed"), made)
        told.append(skeleton(profile, found))
    assert told[0] == told[1]


@pytest.mark.parametrize("where", USES)
@pytest.mark.parametrize("how", GIVEN)
@pytest.mark.parametrize("kind", KINDS)
def test_each_id_is_taken_from_the_answer_that_gave_it(tmp_path: Path, kind: str, how: str, where: str) -> None:
    made, (identity,) = calls([(kind, how, [where])], 3)
    first, second = profile_of(tmp_path, made).steps
    sent = second.model_dump_json(exclude={"expect", "id"})
    assert "{{ steps." in sent
    assert identity not in sent
    assert first.extract
