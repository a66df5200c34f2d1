"""What a WSGI application does that PEP 3333 does not know: the server is the one to say so, if anybody."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from recorder import Settings, wrap
from tests.recorder.watching import environ, last


@pytest.mark.parametrize(
    ("status", "headers"),
    [("²00 OK", []), ("200 OK", None), ("200 OK", [("A", "b", "c")]), ("200 OK", [("A", 5)]), (b"200 OK", [])],
)
def test_what_a_server_takes_though_it_is_not_as_it_should_be(tmp_path: Path, status: Any, headers: Any) -> None:
    def odd(made: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response(status, headers)
        return [b"well"]

    taken: list[Any] = []
    assert b"".join(wrap(odd, Settings(root=tmp_path))(environ("/"), lambda *given: taken.append(given))) == b"well"
    assert taken == [(status, headers)]
    assert last(tmp_path / "_logs")["error"] is None
