"""Counted ids in calls of methods through one address, with and without names of their own."""

from __future__ import annotations

import json
import xmlrpc.client
from pathlib import Path
from typing import Any

import pytest

from assembler.rpc import method_noun
from tests.assembler.recorded import Call, api, profile_of
from tests.assembler.test_correlation_numbers import sources

XML = ("content-type", "text/xml")


def xml(method: str, sent: tuple[Any, ...], answer: Any) -> Call:
    body, said = xmlrpc.client.dumps(sent, method), xmlrpc.client.dumps((answer,), methodresponse=True)
    return Call("POST", "/rpc", said, kind=XML, sent=[XML], body=body)


def rpc(method: str, sent: Any, answer: Any) -> Call:
    said = json.dumps({"jsonrpc": "2.0", "id": 1, "result": answer})
    return api("POST", "/rpc", said, json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": sent}))


@pytest.mark.parametrize(
    ("method", "noun"),
    [
        ("ship.rename", "ship"),
        ("getShip", "ship"),
        ("wp.getPost", "post"),
        ("rename_ship", "ship"),
        ("ship.ids", "ship"),
        ("ship.count", ""),
        ("ping", ""),
    ],
)
def test_what_a_method_is_about(method: str, noun: str) -> None:
    assert method_noun(method) == noun


@pytest.mark.parametrize("call", [xml, rpc])
@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("ship.create", {"id": 42, "tons": 9}),
        ("ship.create", 42),
        ("ship.ids", [41, 42, 43]),
        ("fleet.get", {"ship_id": 42}),
    ],
)
def test_the_first_number_of_a_call_is_an_id(tmp_path: Path, call: Any, method: str, answer: Any) -> None:
    profile = profile_of(
        tmp_path, [call(method, [] if call is rpc else (), answer), call("ship.rename", (42, "Dove", 42), True)]
    )
    assert sources(profile) == {"post-rpc": ["42"]}
    sent = profile.steps[1].json_ or profile.steps[1].text or ""
    assert sent.count("{{ steps.post-rpc.") == 1
    assert "42" in sent.split("Dove")[1]


@pytest.mark.parametrize("call", [xml, rpc])
@pytest.mark.parametrize(
    ("method", "answer"),
    [("ship.count", 42), ("fleet.create", {"id": 42}), ("ship.get", {"tons": 42}), ("ship.loads", [{"tons": 42}])],
)
def test_another_number_is_none(tmp_path: Path, call: Any, method: str, answer: Any) -> None:
    calls = [call(method, [] if call is rpc else (), answer), call("ship.rename", (42, "Dove"), True)]
    assert sources(profile_of(tmp_path, calls)) == {}


@pytest.mark.parametrize("call", [xml, rpc])
def test_an_id_with_a_name_is_taken_by_its_name(tmp_path: Path, call: Any) -> None:
    named = {"ship_id": 42, "tons": 42}
    calls = [
        call("ship.create", {} if call is rpc else (), {"id": 42}),
        call("fleet.add", named if call is rpc else (named,), True),
    ]
    assert sources(profile_of(tmp_path, calls)) == {"post-rpc": ["42"]}
