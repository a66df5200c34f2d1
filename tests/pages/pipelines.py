"""Pipelines of GitHub and GitLab that a page shows: checked against the schemas of their makers, and their commands as one script.

The schemas are those of https://www.schemastore.org, out of the package `check-jsonschema`.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import jsonschema_rs
import yaml

__all__ = ["script_of"]

SCHEMAS = files("check_jsonschema.builtin_schemas") / "vendor"


class _Words(yaml.SafeLoader):
    """YAML whose `on` is a word."""


_Words.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def script_of(path: str, text: str, secrets: dict[str, str]) -> str:
    """The commands of the pipeline in the file `path`, its jobs one after the other. Raises ValidationError of `jsonschema_rs`."""
    document = yaml.load(text, _Words)
    if path.startswith(".github/workflows/"):
        _validate(document, "github-workflows.json")
        return _github(document, secrets)
    _validate(document, "gitlab-ci.json")
    return _gitlab(document, secrets)


def _validate(document: Any, schema: str) -> None:
    jsonschema_rs.validator_for(json.loads((SCHEMAS / schema).read_text())).validate(document)


def _github(document: dict[str, Any], secrets: dict[str, str]) -> str:
    script = ""
    for job in document["jobs"].values():
        for step in job["steps"]:
            variables = document.get("env", {}) | job.get("env", {}) | step.get("env", {})
            if "run" in step:
                script += _part(variables, secrets, step["run"])
    return script


def _gitlab(document: dict[str, Any], secrets: dict[str, str]) -> str:
    script = ""
    for name, job in document.items():
        if isinstance(job, dict) and "script" in job and not name.startswith("."):
            variables = secrets | document.get("variables", {}) | job.get("variables", {})
            script += _part(variables, secrets, "\n".join([*job.get("before_script", []), *job["script"]]))
    return script


def _part(variables: dict[str, Any], secrets: dict[str, str], commands: str) -> str:
    exported = "".join(f"export {name}='{_filled(str(value), secrets)}'\n" for name, value in variables.items())
    return f"( set -e\n{exported}{_filled(commands, secrets)}\n)\n"


def _filled(text: str, secrets: dict[str, str]) -> str:
    for name, value in secrets.items():
        text = text.replace(f"${{{{ secrets.{name} }}}}", value)
    assert "${{" not in text, f"an expression that the test cannot fill in: {text}"
    return text
