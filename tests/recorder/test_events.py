"""The event: every key, and one line of JSON whatever a value is."""

from __future__ import annotations

import json
import math
import os
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.events import Clock, boot_id, encode, envelope, jsonable, now, ulid


def test_every_key_is_always_there() -> None:
    event = envelope("system_log", None, {"kind": "error"})
    assert list(event) == [
        *("v", "id", "operation_id", "parent_id", "writer", "sequence", "timestamp", "boot_id", "mono_ns"),
        *("category", "stage", "payload", "session", "run_context", "capture_ids"),
    ]
    assert event["v"] == 1
    assert event["operation_id"] == event["id"]
    assert event["boot_id"] == boot_id
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", event["timestamp"])


def test_who_tells_of_the_past_brings_a_clock() -> None:
    class Past(Clock):
        boot_id = "another"

        def unix_ns(self) -> int:
            return 1_000_000_123_456_789_000 + 999

        def mono_ns(self) -> int:
            return 7

    event = envelope("system_log", None, {}, clock=Past())
    assert (event["timestamp"], event["boot_id"], event["mono_ns"]) == ("2001-09-09T01:48:43.456789Z", "another", 7)
    assert event["id"][:10] == ulid(1_000_000_123_456)[:10]


def test_ulids_sort_by_time_and_are_unique() -> None:
    assert ulid(0).startswith("0" * 10)
    assert ulid(1) < ulid(2) < ulid(1 << 47)
    assert len({ulid() for _ in range(5000)}) == 5000
    assert re.fullmatch("[0-9A-HJKMNP-TV-Z]{26}", ulid())


def test_now_is_utc_with_microseconds() -> None:
    assert len(now()) == 27


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.nan, {"repr": "NaN", "type": "builtins.float"}),
        (-math.inf, {"repr": "-Infinity", "type": "builtins.float"}),
        (1 << 70, {"repr": str(1 << 70), "type": "builtins.int"}),
        (b"\xff", {"repr": "b'\\xff'", "type": "builtins.bytes"}),
        ((1, "a", None, True), [1, "a", None, True]),
        ({1: 2, None: 3, False: 4, (1,): 5}, {"1": 2, "null": 3, "false": 4, "(1,)": 5}),
        ("a\ud800b", "a\ufffdb"),
        ("\ud83d\ude00", "\U0001f600"),
        (Hostile(), {"repr": "<repr failed: RuntimeError>", "type": f"{__name__}.Hostile"}),
    ],
)
def test_what_json_has_no_form_for(value: Any, expected: Any) -> None:
    assert jsonable(value) == expected


def test_deep_and_cyclic_values_end() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    assert json.loads(encode({"payload": cycle}))


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.binary(max_size=8)
    | st.text(st.characters(exclude_categories=[]), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=3),
    max_leaves=12,
)


@given(anything)
def test_encoding_never_raises_and_is_one_line(value: Any) -> None:
    line = encode(envelope("system_log", None, {"kind": "x", "value": jsonable(value)}))
    assert b"\n" not in line
    assert json.loads(line)["payload"]["value"] == jsonable(value)
    assert json.loads(encode(envelope("system_log", None, {"value": value})))


def test_ids_are_unique_across_threads_and_forks() -> None:
    """What is made in advance belongs to one thread of one process."""
    ulid()  # some are made in advance, which a child must not go on with
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writing, "".join(ulid(0) for _ in range(100)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reading, 2600).decode()
    os.close(reading)
    os.close(writing)
    with ThreadPoolExecutor(8) as pool:
        ours = list(pool.map(lambda _: ulid(0), range(20_000)))
    assert len({*ours, *(theirs[at : at + 26] for at in range(0, 2600, 26))}) == 20_100
