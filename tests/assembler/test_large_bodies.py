"""Bodies of very many lines, sent and answered: all of them is in the draft, and the profile stays readable."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from assembler.document import load_profile
from tests.assembler.deployment import JSON, Deployment, contents

LINES = 50_000
BODIES = {
    "text/plain": "\n".join(f"line {number}" for number in range(LINES)),
    JSON: json.dumps([{"n": number} for number in range(LINES)], indent=0),
    "text/html": "<ul>\n" + "\n".join(f"<li>{number}" for number in range(LINES)) + "\n</ul>",
    "text/csv": "\n".join(f"{number},{number}" for number in range(LINES)),
}
ORDER = "5f0c9f1e-8d6b-4a59-9a6b-1f1f3d6a3f10"


@pytest.fixture
def site(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path)


@pytest.mark.parametrize("kind", BODIES)
def test_an_answer(site: Deployment, kind: str) -> None:
    capture = site.start()
    site.send("GET", "/long", BODIES[kind], kind=kind)
    site.send("GET", "/row/49999?n=5", "x")
    site.end(capture)
    status = site.assemble()
    assert (status.warnings, status.problems) == ((), ())
    long, row = load_profile(status.directory / "profile.yaml").steps
    assert (status.directory / str(long.expect.body)).read_text() == BODIES[kind]
    assert row.query == "n=5"


@pytest.mark.parametrize("kind", ["text/plain", JSON])
def test_a_request(site: Deployment, kind: str) -> None:
    text = BODIES[kind] + "\n" * (1 << 20)
    capture = site.start()
    site.send("POST", "/long", "ok", headers=[("content-type", kind)], body=text)
    site.end(capture)
    status = site.assemble()
    assert (status.warnings, status.problems) == ((), ())
    (step,) = load_profile(status.directory / "profile.yaml").steps
    assert (status.directory / str(step.body)).read_text() == text
    assert step.headers["content-type"] == kind
    assert (status.directory / "profile.yaml").stat().st_size < 2000


def test_a_request_with_an_id_in_it_takes_it_from_the_answer_all_the_same(site: Deployment) -> None:
    capture = site.start()
    site.send("POST", "/orders", f'{{"id":"{ORDER}"}}', kind=JSON)
    body = json.dumps({"order": ORDER, "text": "word " * 250_000})
    site.send("POST", "/rows", "ok", headers=[("content-type", JSON)], body=body)
    site.end(capture)
    step = site.profile().steps[1]
    assert step.body is None
    assert str(step.json_).startswith('{"order": "{{ steps.post-orders.order_id }}"')
    assert str(step.json_).endswith(body[-100:])


# ---------------------------------------------------------------------------------------------------- compressed


@pytest.mark.parametrize(
    ("kind", "times"),
    [(JSON, 1_000), ("application/octet-stream", 80_000), ("text/plain", 80_000)],
)
def test_an_answer_that_inflates_a_thousandfold(site: Deployment, kind: str, times: int) -> None:
    packed = gzip.compress(b"0123456789abcdef" * times * 64, 9)
    capture = site.start()
    exchange = site.recorder.begin("GET", "http", "/bomb", "", [("host", "x")], "1.1")
    exchange.response_start(200, [("content-type", kind), ("content-encoding", "gzip")])
    exchange.response_chunk(packed, last=True)
    exchange.leave()
    site.end(capture)
    status = site.assemble()
    (step,) = load_profile(status.directory / "profile.yaml").steps
    sizes = [len(content) for content in contents(status.directory).values()]
    if kind == "application/octet-stream":
        assert max(sizes) < 2 * len(packed) + 10_000
    elif times == 1_000:
        assert step.expect.body is not None
        assert max(sizes) == 16 * times * 64
    else:
        assert step.expect.body is None
        assert "the answer's body was not stored (too_large) and is not compared" in " ".join(status.warnings)
        assert sum(sizes) < 20_000
    assert sum(path.stat().st_size for path in site.root.rglob("*") if path.is_file()) < 70 << 20


def test_a_request_that_inflates_a_thousandfold(site: Deployment) -> None:
    packed = gzip.compress(bytes(100 << 20), 9)
    capture = site.start()
    headers = [("content-type", JSON), ("content-encoding", "gzip"), ("content-length", str(len(packed)))]
    site.send("POST", "/bomb", "ok", headers=headers, body=packed)
    site.end(capture)
    status = site.assemble()
    assert status.problems == (
        "step post-bomb: the request's body was not stored (too_large); it cannot be sent again.",
    )
    assert sum(path.stat().st_size for path in site.root.rglob("*") if path.is_file()) < 1 << 20
