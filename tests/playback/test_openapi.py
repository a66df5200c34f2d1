"""What /openapi.json promises: everything is described, every example is one, and the service keeps to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.generation import GenerationMode
from starlette.types import Receive, Scope, Send

from playback import engine
from playback.access import OPEN
from playback.contract import RunRequest
from playback.problems import MEDIA_TYPE
from playback.service import create_app
from tests.playback.serving import FakeEngine, promote, serving

CHECKED = ["not_a_server_error", "status_code_conformance", "response_schema_conformance", "content_type_conformance"]
EXAMPLES = 8  # for each of the calls, good ones and bad ones
CALLS = {
    "GET /health": {200},
    "POST /run/{profile}": {200, 202, 401, 403, 404, 409, 422, 500},
    "GET /runs": {200, 401, 403},
    "GET /runs/{run_id}": {200, 401, 403, 404},
    "GET /runs/{run_id}/events": {200, 204, 401, 403, 404, 422},
    "POST /runs/{run_id}/cancel": {200, 401, 403, 404, 409},
    "GET /runs/{run_id}/files/": {200, 401, 403, 404},
    "GET /runs/{run_id}/files/{path}": {200, 401, 403, 404},
    "GET /profiles": {200, 401, 403},
    "GET /profiles/{slug}": {200, 401, 403, 404},
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """As it is served."""
    with serving({"PROFILE_PLAYBACK_TOKEN": "s3cret"}) as url:
        answer = httpx.get(f"{url}/openapi.json", headers={"Authorization": "Bearer s3cret"})
    return dict(answer.json())


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def validate(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    """Raises when `value` is not what `schema`, a part of `document`, wants."""
    whole = {**document["components"]["schemas"], "it": schema}
    text = json.dumps({"$ref": "#/$defs/it", "$defs": whole}).replace("#/components/schemas/", "#/$defs/")
    jsonschema_rs.validate(json.loads(text), value)


def test_every_call_and_every_status_is_described(document: dict[str, Any]) -> None:
    assert {call: set(map(int, operation["responses"])) for call, operation in operations(document)} == CALLS


def test_every_answer_has_a_schema_and_an_example_of_it(document: dict[str, Any]) -> None:
    for call, operation in operations(document):
        for status, answer in operation["responses"].items():
            where = f"{call} {status}"
            assert answer["description"], where
            assert bool(answer.get("content")) == (status != "204"), where
            for media_type, content in answer.get("content", {}).items():
                assert content["schema"], f"{where} {media_type}"
                validate(document, content["schema"], content["example"])
                if isinstance(content["example"], list) and media_type != "application/json":
                    assert content["example"], where
                    for item in content["example"]:
                        validate(document, content["itemSchema"], item)
            if int(status) >= 400:
                assert list(answer["content"]) == [MEDIA_TYPE], where


def test_the_body_of_a_run_is_described(document: dict[str, Any]) -> None:
    (reference,) = document["paths"]["/run/{profile}"]["post"]["requestBody"]["content"].values()
    schema = document["components"]["schemas"][reference["schema"]["$ref"].rpartition("/")[2]]
    assert schema["properties"].keys() == RunRequest.model_fields.keys()
    RunRequest.model_validate(schema["example"], strict=True)
    validate(document, schema, schema["example"])


def test_everything_but_health_says_that_it_may_need_the_token(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"].keys() == {"bearer", "password"}
    for call, operation in operations(document):
        assert operation["security"] == ([] if call == f"GET {OPEN}" else [{"bearer": []}, {"password": []}, {}])


def test_answers_are_as_described(document: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Real ones, of every call that has something to tell."""
    monkeypatch.setattr(engine, "replay", FakeEngine())
    promote(tmp_path, "shop")
    promote(tmp_path, "broken").joinpath("profile.yaml").write_text("- a list")
    with serving({"PROFILE_DATA_ROOT": str(tmp_path)}) as url, httpx.Client(base_url=url) as client:
        run_id = client.post("/run/shop", json={"background": True}).json()["run_id"]
        client.get(f"/runs/{run_id}/events")
        for call, path in (
            ("POST /run/{profile}", "/run/shop"),
            ("GET /runs", "/runs"),
            ("GET /runs/{run_id}", f"/runs/{run_id}"),
            ("GET /runs/{run_id}/files/", f"/runs/{run_id}/files/"),
            ("GET /profiles", "/profiles"),
            ("GET /profiles/{slug}", "/profiles/shop"),
            ("GET /profiles/{slug}", "/profiles/broken"),
            ("POST /runs/{run_id}/cancel", f"/runs/{run_id}/cancel"),
            ("GET /profiles/{slug}", "/profiles/none"),
        ):
            answer = client.request(call.partition(" ")[0], path)
            described = dict(operations(document))[call]["responses"][str(answer.status_code)]["content"]
            validate(document, described[answer.headers["content-type"]]["schema"], answer.json())
            if "run_id" in answer.text and answer.status_code == 200 and "steps" in answer.json():
                keys = document["components"]["schemas"]["Report"]["properties"].keys()
                assert path.startswith("/profiles") or answer.json().keys() == keys


def test_it_keeps_to_it_whatever_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Schemathesis asks, as callers do and as they should not; the real application answers."""
    fake = FakeEngine()
    monkeypatch.setattr(engine, "replay", fake)
    promote(tmp_path, "shop")
    with serving({"PROFILE_DATA_ROOT": str(tmp_path)}) as url:
        run_id = httpx.post(f"{url}/run/shop", json={"background": True}).json()["run_id"]
    app = create_app({"PROFILE_DATA_ROOT": str(tmp_path)})

    async def requests_only(scope: Scope, receive: Receive, send: Send) -> None:
        """From this machine. Schemathesis would begin the service's life here, and end it with the process."""
        assert scope["type"] == "http"
        await app({**scope, "client": ("127.0.0.1", 1)}, receive, send)

    load_all_checks()
    checks = CHECKS.get_by_names(CHECKED)
    known = {"profile": "shop", "slug": "shop", "run_id": run_id, "path": "report.json"}
    answered: dict[str, set[int]] = {}

    def ask(case: schemathesis.Case) -> None:
        # What is made up is never the name of anything: every second time what there is is asked for.
        for names in (case.path_parameters, {**case.path_parameters, **known}):
            case.path_parameters = {name: names[name] for name in case.path_parameters}
            answer = case.call(headers={"Host": "127.0.0.1"})
            case.validate_response(answer, checks=checks)
            answered.setdefault(f"{case.method} {case.operation.path}", set()).add(answer.status_code)

    bounded = settings(
        max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    schema = schemathesis.openapi.from_asgi("/openapi.json", requests_only, headers={"Host": "127.0.0.1"})
    for result in schema.get_all_operations():
        for mode in GenerationMode:
            try:
                bounded(given(case=result.ok().as_strategy(generation_mode=mode))(ask))()
            except Unsatisfiable:
                assert mode is GenerationMode.NEGATIVE  # nothing that could be sent would be wrong
    assert answered.keys() == CALLS.keys()
    assert {200, 202, 404, 422} <= answered["POST /run/{profile}"]
    for call, statuses in CALLS.items():
        assert 200 in answered[call] or call.endswith("cancel"), call
        assert 404 in answered[call] or 404 not in statuses, call
