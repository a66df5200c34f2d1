"""docker-compose.dev.yml, Dockerfile and docker/.env.example, without Docker: the files keep to the specification, everything
that they name exists, and their commands work together, run as plain programs.

That an image can be built from them is not tested here.
"""

from __future__ import annotations

import fnmatch
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
import redis
import typer
import yaml

from playback.envfile import read_env_file
from playback.logbook import PORT
from playback.redis_server import running_redis
from scripts.settings_table import TABLES
from tests.playback.serving import serving
from tests.support import ROOT, Server, clean_environ, free_port, wait_until
from wctl.cli import app

TEXT = (ROOT / "docker-compose.dev.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
EXAMPLE = ROOT / "docker/.env.example"
IGNORED = (ROOT / ".dockerignore").read_text().splitlines()
OF_OTHERS = {"PYTHONPATH", "PYTHONUNBUFFERED", "RQ_CONFIG"}
"""Variables that Python and RQ read."""
TAG = re.compile(r"[a-z0-9./-]+:\d+\.\d+\.\d+-[a-z0-9.-]+")


def known_variables() -> set[str]:
    """Those of our settings table, and those of the sample application's README."""
    ours = {name for entries in TABLES.values() for name, _, _ in entries}
    sample = (ROOT / "examples/watershed/README.md").read_text()
    return ours | set(re.findall(r"`([A-Z][A-Z_]+)`", sample)) | OF_OTHERS


def instructions(keyword: str) -> list[str]:
    """The arguments of the Dockerfile's instructions of one kind."""
    joined = DOCKERFILE.replace("\\\n", " ")
    return re.findall(rf"^{keyword} (.*)$", joined, re.MULTILINE)


def allowed(path: str) -> bool:
    """Whether .dockerignore lets a path into the build; the last line that fits decides."""
    parts = Path(path).parts
    folders = ["/".join(parts[: n + 1]) for n in range(len(parts))]

    def fits(pattern: str) -> bool:
        if pattern.startswith("**/"):
            return pattern.removeprefix("**/") in parts
        return any(fnmatch.fnmatch(f, pattern) and f.count("/") == pattern.count("/") for f in folders)

    lines = [line for line in IGNORED if line and not line.startswith("#")]
    fitting = [line for line in lines if fits(line.removeprefix("!"))]
    return not fitting or fitting[-1].startswith("!")


# ------------------------------------------------------------------------------------------------ what the files say


def test_it_keeps_to_the_compose_specification() -> None:
    schema = json.loads((ROOT / "tests/compose/compose-spec.json").read_text())
    validator = jsonschema_rs.validator_for(schema)
    assert [f"{'/'.join(map(str, e.instance_path))}: {e.message}" for e in validator.iter_errors(COMPOSE)] == []
    wrong = {**COMPOSE, "services": {"web": {"comand": ["x"]}}}
    assert not validator.is_valid(wrong), "the schema tells a wrong key"


def test_the_services_are_those_of_the_design() -> None:
    assert SERVICES.keys() == {"redis", "web", "worker", "assembler", "profile_playback"}
    volumes = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert volumes == COMPOSE["volumes"].keys()
    for name, service in SERVICES.items():
        assert set(service.get("depends_on", {})) <= SERVICES.keys(), name
        for other in service.get("depends_on", {}):
            assert "healthcheck" in SERVICES[other], f"{name} waits until {other} is healthy"


def test_images_are_pinned_and_nobody_is_root() -> None:
    for image in [*instructions("FROM"), SERVICES["redis"]["image"]]:
        assert TAG.fullmatch(image), image
    assert instructions("USER") == ["profile"]
    assert DOCKERFILE.index("\nUSER ") < DOCKERFILE.index("\nCMD ")
    assert not any("user" in service or service.get("privileged") for service in SERVICES.values())


def test_ports_are_published_on_this_machine_only() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"web": ["127.0.0.1:8000:8000"], "profile_playback": [f"127.0.0.1:{PORT}:{PORT}"]}
    assert instructions("EXPOSE") == [str(PORT)]


def test_every_variable_is_one_that_somebody_reads() -> None:
    named = set(read_env_file(EXAMPLE))
    for service in SERVICES.values():
        named |= service.get("environment", {}).keys()
    named |= set(re.findall(r"([A-Z_]+)=", " ".join(instructions("ENV"))))
    assert named - known_variables() == set()


def test_no_secret_is_in_any_of_the_files() -> None:
    for name, value in read_env_file(EXAMPLE).items():
        assert value == "" or not re.search("TOKEN|PASSWORD|SECRET|KEY", name), name
    assert not re.search(r"(?:TOKEN|PASSWORD|SECRET|_KEY)\w*\s*[:=]", TEXT + DOCKERFILE)
    assert "docker/.env" in (ROOT / ".gitignore").read_text().splitlines()
    assert not allowed("docker/.env")
    assert {service["env_file"] for name, service in SERVICES.items() if name != "redis"} == {"docker/.env"}


def test_what_is_copied_exists_and_may_go_in() -> None:
    sources = [word for copy in instructions("COPY") for word in copy.split()[:-1]]
    assert {"recorder/", "assembler/", "playback/", "wctl/", "examples/watershed/"} < set(sources)
    for source in sources:
        assert (ROOT / source).exists(), source
        assert allowed(source.rstrip("/")), source
    assert allowed("playback/service.py")
    for out in (
        ".git/config",
        "profiles/results/x/report.json",
        "tests/conftest.py",
        "wctl/__pycache__/cli.pyc",
        ".recorder/key",
    ):
        assert not allowed(out), out
    (extras,) = re.findall(r"pip install --no-cache-dir '\.\[([a-z,]+)\]'", DOCKERFILE)
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras.split(",")) <= declared.keys()


def commands() -> Iterator[tuple[str, list[str]]]:
    yield "Dockerfile", json.loads(instructions("CMD")[0])
    for name, service in SERVICES.items():
        if name != "redis":
            yield name, [str(word) for word in service["command"]]


@pytest.mark.parametrize(("name", "command"), list(commands()))
def test_every_command_and_its_options_exist(name: str, command: list[str]) -> None:
    program, *arguments = command
    if program == "wctl":
        group = typer.main.get_command(app)
        context = group.make_context("wctl", [*arguments])
        inner = group.get_command(context, arguments[0])  # type: ignore[attr-defined]
        inner.make_context(arguments[0], arguments[1:], parent=context)  # an unknown option is an exception
        return
    if program == "python":
        assert importlib.util.find_spec(arguments[1]) is not None
        program, arguments = f"python -m {arguments[1]}", arguments[2:]
        asked = [sys.executable, "-m", command[2], "--help"]
    else:
        asked = [str(Path(sysconfig.get_path("scripts"), program)), *arguments[: program == "rq"], "--help"]
    shown = subprocess.run(asked, cwd=ROOT, env=clean_environ(), capture_output=True, text=True, timeout=180, check=True)
    for option in (word for word in arguments if word.startswith("--")):
        assert re.search(rf"(?<![\w-]){option}(?![\w-])", shown.stdout), f"{program} has no {option}"


def test_the_health_check_tells_health() -> None:
    kind, python, *arguments = SERVICES["profile_playback"]["healthcheck"]["test"]
    assert (kind, python) == ("CMD", "python")

    def healthy(port: int) -> bool:
        asked = [word.replace(f":{PORT}/", f":{port}/") for word in arguments]
        return (
            subprocess.run([sys.executable, *asked], env=clean_environ(), capture_output=True, timeout=180).returncode
            == 0
        )

    with serving({"PROFILE_PLAYBACK_TOKEN": "s3cret"}) as url:
        assert healthy(httpx.URL(url).port or 0)
    assert not healthy(free_port())


# ------------------------------------------------------------------------------------------------ what the commands do


@pytest.fixture
def own_redis() -> Iterator[str]:
    """One that no other test's jobs are in."""
    with running_redis() as url:
        yield url


def test_the_commands_work_together(tmp_path: Path, own_redis: str) -> None:
    """As plain programs on this machine, with paths and addresses of their own: what is recorded becomes a draft, and the
    profile of this repository passes."""
    folder, web, playback = tmp_path, free_port(), free_port()
    own = {
        "/srv/": f"{folder}/",
        "/app/": f"{ROOT}/",
        "redis://redis:6379/0": own_redis,
        "http://web:8000": f"http://127.0.0.1:{web}",
        "127.0.0.1:8000": f"127.0.0.1:{web}",
        "0.0.0.0:8000": f"127.0.0.1:{web}",
        "0.0.0.0": "127.0.0.1",
    }
    secrets = {"RECORDER_TOKEN": "r3corder", "PROFILE_PLAYBACK_TOKEN": "s3cret", "ADMIN_PASSWORD": "of-a-test"}
    filled = {name: value or secrets[name] for name, value in read_env_file(EXAMPLE).items()}
    assert secrets.keys() == {name for name, value in read_env_file(EXAMPLE).items() if not value}

    def placed(text: str) -> str:
        return re.sub("|".join(map(re.escape, own)), lambda found: own[found[0]], text)

    def start(name: str, port: int | None = None, *more: str) -> Server:
        environ = {key: placed(value) for key, value in SERVICES[name]["environment"].items()}
        environ["PYTHONPATH"] = ":".join(filter(None, (environ.get("PYTHONPATH"), str(ROOT))))
        environ["GUNICORN_CMD_ARGS"] = f"--config {ROOT / 'tests/gunicorn_conf.py'}"
        program, *arguments = map(placed, SERVICES[name]["command"])
        program = str(Path(sysconfig.get_path("scripts"), program)) if program != "python" else sys.executable
        folder.joinpath("profiles").mkdir(exist_ok=True)
        return Server(
            [program, *arguments, *more], env={**filled, **environ}, cwd=folder / "profiles", port=port, path="/health"
        )

    shutil.copytree(ROOT / "profiles/watershed-small", folder / "profiles/profiles/watershed-small")
    origin, service = f"http://127.0.0.1:{web}", f"http://127.0.0.1:{playback}"
    with ExitStack() as running:
        running.enter_context(start("web", web))
        for name in ("worker", "assembler"):
            silent = start(name)
            silent._answers = lambda: True  # type: ignore[method-assign]
            running.enter_context(silent)
        running.enter_context(start("profile_playback", playback, "--port", str(playback)))
        with redis.Redis.from_url(own_redis) as connection:
            wait_until(lambda: connection.scard("rq:workers"), "the worker")

        with httpx.Client(base_url=origin, headers={"Authorization": "Bearer r3corder"}, timeout=60) as client:
            begun = client.post("/recorder/captures/start", json={"slug": "looked-at", "scope": "all"})
            assert begun.is_success, begun.text
            client.get("/weppcloud/", follow_redirects=True)
            assert client.post("/recorder/captures/end", json={"capture_id": begun.json()["capture_id"]}).is_success
        draft = folder / "profiles/profiles/_drafts/looked-at/status.json"
        wait_until(lambda: draft.exists() and json.loads(draft.read_text())["state"] == "ready", "the draft")

        with httpx.Client(base_url=service, headers={"Authorization": "Bearer s3cret"}, timeout=120) as client:
            assert httpx.get(f"{service}/profiles").status_code == 401
            report = client.post("/run/watershed-small").json()
        assert report["result"] == "passed", json.dumps(report, indent=1)[:4000]
        assert report["run_dir"].startswith(str(folder / "profiles/playback_runs"))
