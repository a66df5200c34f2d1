"""Write the generated pages of docs/ from the code: commands, settings, the profile's keys and schema, endpoints.

    python scripts/docs.py [--out DIR]      DIR is this repository unless said otherwise; the same code gives the same bytes

Fails, naming what is missing, when the code reads a variable or serves an address that nobody has described.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import typer  # noqa: E402
from event_page import events_page  # noqa: E402
from pages import GENERATED, Undescribed, cell, row, table  # noqa: E402
from pydantic import BaseModel  # noqa: E402
from settings_table import TABLES  # noqa: E402

import assembler.profile  # noqa: E402
import playback.service  # noqa: E402
from assembler.profile import Profile  # noqa: E402
from assembler.schema import SCHEMA  # noqa: E402
from playback.comparators.registry import BUILT_IN  # noqa: E402
from recorder.api import ROUTES  # noqa: E402
from wctl.cli import app  # noqa: E402

PACKAGES = ("recorder", "assembler", "playback", "wctl")
VARIABLE = re.compile(r"(?:RECORDER|PROFILE|ADMIN|WCTL|GITHUB)_[A-Z_]*[A-Z]|REDIS_URL|PROFILE_(?:SECRET|ENV)_")
SERVICE = {
    "GET /health": "`{\"status\": \"ok\"}`; needs no token.",
    "GET /profiles": "All profiles.",
    "GET /profiles/{slug}": "One profile: its document, and the names of its results.",
    "POST /run/{profile}": (
        "Replay it. Answers the report, 200 whatever the verdict; as lines of JSON while it runs with "
        "`Accept: application/x-ndjson`, as server-sent events with `text/event-stream`; with `background` "
        "202 and `{\"run_id\": …}`. 404: no such profile. 409: a target that may not be reached. 422: a profile or "
        "body that cannot be read. Unless it is in the background, a caller who goes away takes the run along."
    ),
    "GET /runs": "Replays that wait or run, and the latest results.",
    "GET /runs/{run_id}": (
        "One replay: its report, when there is one, and its state: `queued` (PROFILE_PLAYBACK_RUNS others run), `running`, "
        "`finished` (there is a verdict), `interrupted` (it was cancelled, or the service ended) or `refused` (nothing was sent)."
    ),
    "GET /runs/{run_id}/events": (
        "Its progress from the first event on, as server-sent events, or as lines of JSON with `Accept: application/x-ndjson`. "
        "`after=` or `Last-Event-ID` names the last event that was seen: its `id`, or `seq` in a line. 204: nothing is left to tell."
    ),
    "POST /runs/{run_id}/cancel": (
        "End it as `interrupted`, and take its workspace away. Answers the run, when it has ended. 409: it had ended before."
    ),
    "GET /runs/{run_id}/files/": "The names of the files of its result.",
    "GET /runs/{run_id}/files/{path}": "One of them, as a download; `report.html` as a page.",
}  # fmt: skip


WORDS: dict[Any, str] = {str: "text", int: "whole number", float: "number", bool: "yes or no", Any: "anything"}


# ---------------------------------------------------------------------- commands


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command with its whole name, groups before their members."""
    yield name, command
    for part, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, f"{name} {part}")


def cli_page() -> str:
    """Every command and option of `wctl`."""
    page = f"# Commands\n\n{GENERATED}\n\nEach has `-h`, `--help`. "
    page += "Exit codes: 0 done or passed, 1 a replay failed, 2 an error or wrong usage.\n"
    for name, command in commands(typer.main.get_command(app), "wctl"):
        page += f"\n## {name}\n\n{inspect.cleandoc(command.help or '')}\n"
        if hasattr(command, "commands"):
            page += "\n" + "".join(f"- [`{name} {part}`](#{name}-{part})\n" for part in command.commands).replace(
                f"#{name}-", f"#{name.replace(' ', '-')}-"
            )
            continue
        rows = [parameter for parameter in command.params if parameter.name != "help"]
        if rows:
            page += "\n" + table("option", "default", "meaning") + "".join(map(_parameter, rows))
    return page


def _parameter(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        spelled = f"`{parameter.metavar or parameter.name.upper()}`"
    else:
        kind = "" if parameter.is_flag else f" {parameter.metavar or 'N'}"
        spelled = ", ".join(f"`{option}{kind}`" for option in [*parameter.opts, *parameter.secondary_opts])
    default = parameter.default
    if callable(default):
        default = default()
    shown = "" if default is None or default is False or default == () else f"`{default}`"
    if parameter.required:
        shown = "needed"
    if parameter.envvar:
        shown = f"{parameter.envvar}, else {shown}"
    return row(spelled, shown, cell(getattr(parameter, "help", None) or ""))


# ---------------------------------------------------------------------- settings


def variables() -> set[str]:
    """The environment variables that the packages name in their code; docstrings do not count."""
    found: set[str] = set()
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and VARIABLE.fullmatch(node.value):
                found.add(node.value)
            elif isinstance(node, ast.JoinedStr) and isinstance(first := node.values[0], ast.Constant):
                found.update(
                    match[0] for match in [re.fullmatch(r"PROFILE_(?:SECRET|ENV)_", str(first.value))] if match
                )
    return {f"{name}<NAME>" if name.endswith("_") else name for name in found}


def settings_page() -> str:
    """Every variable, with default and meaning."""
    described = {name for entries in TABLES.values() for name, _, _ in entries}
    read = variables()
    if missing := read - described:
        raise Undescribed(f"scripts/settings_table.py says nothing of {', '.join(sorted(missing))}.")
    if gone := described - read:
        raise Undescribed(f"scripts/settings_table.py describes what no code reads: {', '.join(sorted(gone))}.")
    page = (
        f"# Settings\n\n{GENERATED}\n\nEnvironment variables. A replay reads them from the environment, then from `--env-file`, "
        "then (only names that begin with `ADMIN_` or `PROFILE_SECRET_`) from `docker/.env` in the current folder or "
        "the data root. Empty means not set. Yes and no are `true`, `1`, `yes`, `on` and their opposites.\n"
    )
    for title, entries in TABLES.items():
        page += f"\n## {title}\n\n{table('variable', 'default', 'meaning')}"
        page += "".join(row(f"`{name}`", cell(default), cell(meaning)) for name, default, meaning in entries)
    return page


# ---------------------------------------------------------------------- the profile


def models() -> list[type[BaseModel]]:
    """The models of profile.yaml, from the whole to its parts."""
    order: list[type[BaseModel]] = []

    def visit(kind: Any) -> None:
        if inspect.isclass(kind) and issubclass(kind, BaseModel):
            if kind not in order:
                order.append(kind)
                for field in kind.model_fields.values():
                    visit(field.annotation)
            return
        for inner in get_args(kind):
            visit(inner)

    visit(Profile)
    return order


def meanings() -> dict[tuple[str, str], str]:
    """What stands below each field of the models, by class and field."""
    tree = ast.parse(inspect.getsource(assembler.profile))
    found: dict[tuple[str, str], str] = {}
    for model in [node for node in tree.body if isinstance(node, ast.ClassDef)]:
        for field, after in zip(model.body, model.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(after, ast.Expr):
                found[model.name, field.target.id] = str(ast.literal_eval(after.value))
    return found


def profile_page() -> str:
    """Every key of profile.yaml."""
    said = meanings()
    page = (
        f"# profile.yaml\n\n{GENERATED}\n\nUTF-8, at most 64 MiB, no tags, no aliases. An unknown key is an error that names "
        "its line and the nearest valid key. JSON Schema: [profile.schema.json](../../profiles/profile.schema.json).\n"
    )
    for model in models():
        page += f"\n## {model.__name__}\n\n{inspect.cleandoc(model.__doc__ or '')}\n\n"
        page += table("key", "type", "default", "meaning")
        for name, field in model.model_fields.items():
            if (model.__name__, name) not in said:
                raise Undescribed(f"assembler/profile.py does not say what {model.__name__}.{name} means.")
            default = field.get_default(call_default_factory=True)
            plain = default is None or default in ([], {}) or isinstance(default, BaseModel)
            shown = "needed" if field.is_required() else "" if plain else f"`{json.dumps(default)}`"
            page += row(f"`{field.alias or name}`", _kind(field.annotation), shown, cell(said[model.__name__, name]))
    return page


def _kind(annotation: Any) -> str:
    """A type as a writer of YAML thinks of it, linked where it is one of the models."""
    origin, inner = get_origin(annotation), [part for part in get_args(annotation) if part is not NoneType]
    if origin in (Union, UnionType):
        return " or ".join(map(_kind, inner))
    if origin is Literal:
        return " · ".join(f"`{word}`" for word in inner)
    if origin is Annotated:
        return _kind(inner[0])
    if origin is list:
        return f"list of {_kind(inner[0])}"
    if origin is tuple:
        return f"[{', '.join(map(_kind, inner))}]"
    if origin is dict:
        return f"by name: {_kind(inner[1])}"
    if annotation in WORDS:
        return WORDS[annotation]
    return f"[{annotation.__name__}](#{annotation.__name__.lower()})"


def schema() -> str:
    """The JSON Schema of profile.yaml (2020-12), with the meanings of its keys."""
    document = _without_defaults(Profile.model_json_schema(by_alias=True))
    said = meanings()
    for model in models():
        place = document if model is Profile else document["$defs"][model.__name__]
        for name, field in model.model_fields.items():
            place["properties"][field.alias or name]["description"] = said[model.__name__, name]
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "profile.yaml"}
    return json.dumps(head | {k: v for k, v in document.items() if k != "title"}, indent=2, ensure_ascii=False) + "\n"


def _without_defaults(part: Any) -> Any:
    """The schema without what holds anyway, which some versions of pydantic write and others do not."""
    if isinstance(part, list):
        return [_without_defaults(inner) for inner in part]
    if not isinstance(part, dict):
        return part
    return {k: _without_defaults(v) for k, v in part.items() if (k, v) != ("additionalProperties", True)}


def schema_page() -> str:
    """How the schema is used, and what it is made of."""
    document = json.loads(schema())
    page = (
        f"# The JSON Schema\n\n{GENERATED}\n\nOf `profile.yaml`: [profile.schema.json](../../profiles/profile.schema.json), "
        "JSON Schema 2020-12. `wctl assemble`, `import-har` and `promote` lay it into `profiles/`. The first line of every document "
        "names it, so that editors complete keys and underline what is wrong ([how](../authoring.md)). What the schema cannot say "
        "(a step that is named before it is sent, a file that is not there) `wctl validate` says.\n\n"
    )
    page += table("definition", "keys that it needs", "other keys")
    for model in models():
        part = document if model is Profile else document["$defs"][model.__name__]
        needed = part.get("required", [])
        named = [
            ", ".join(f"`{key}`" for key in keys)
            for keys in (needed, [k for k in part["properties"] if k not in needed])
        ]
        page += row(f"[{model.__name__}](profile.md#{model.__name__.lower()})", *named)
    return page


# ---------------------------------------------------------------------- endpoints


def endpoints_page() -> str:
    """What the recorder and the playback service answer."""
    page = f"# Endpoints\n\n{GENERATED}\n\n## The recorder, in the application\n\n"
    page += (
        "Below `RECORDER_PREFIX` (`/recorder`). Answers carry `X-Recorder: 1`; an error is `{\"error\": \"<a sentence>\"}`. "
        "A POST needs the bearer `RECORDER_TOKEN`, or comes from a page of the same origin with `X-Recorder-CSRF`, "
        "which `GET status` tells.\n\n"
    )  # fmt: skip
    page += table("call", "roles, one of which is needed", "does")
    for route in ROUTES:
        said = inspect.cleandoc(route.endpoint.__doc__ or "")
        if not said:
            raise Undescribed(f"{route.method} {route.path} has no docstring.")
        call, _, does = said.partition(": ")
        query = re.search(r"\?\S+", call)
        spelled = f"`{route.method} {route.path}{query[0] if query else ''}`"
        page += row(spelled, ", ".join(sorted(route.roles)) or "—", cell(does[:1].upper() + does[1:]))
    page += "\n## The playback service\n\n`python -m playback.service`, port 8070. "
    page += "With `PROFILE_PLAYBACK_TOKEN` set, everything but `/health` needs it. "
    page += "The pages for people begin at `/` ([what they show](../web.md)); the calls below are for programs. "
    page += "`/openapi.json` describes everything. A refusal is a problem detail (RFC 9457), whose `detail` is one sentence.\n\n"
    page += table("call", "does")
    paths = playback.service.create_app({}).openapi()["paths"]
    served = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    if served != SERVICE.keys():
        raise Undescribed(f"scripts/docs.py and the service differ on {', '.join(sorted(served ^ SERVICE.keys()))}.")
    page += "".join(row(f"`{call}`", cell(does)) for call, does in SERVICE.items())
    page += "\nThe body of `POST /run/{profile}`, a JSON object:\n\n" + table("key", "default")
    for name, field in playback.service.RunRequest.model_fields.items():
        page += row(f"`{name}`", f"`{json.dumps(field.default)}`")
    return page


# ---------------------------------------------------------------------- comparators


def comparators_page() -> str:
    """What the built-in comparators say of themselves."""
    page = f"# Comparators\n\n{GENERATED}\n\nThe methods of `comparisons` in a profile. Beside them there is `mapped`, which compares a "
    page += "text as answers are compared ([how it decides](../how-it-decides.md)).\n"
    for name in BUILT_IN:
        said = inspect.cleandoc(import_module(f"playback.comparators.{name}").__doc__ or "")
        page += f"\n## {name}\n\n```text\n{said}\n```\n"
    return page


def pages() -> dict[str, str]:
    """All pages by their path below the repository.

    The schema twice: as what the assembler lays beside a user's profiles, and beside the profiles of this repository.
    """
    return {
        "docs/reference/cli.md": cli_page(),
        "docs/reference/settings.md": settings_page(),
        "docs/reference/profile.md": profile_page(),
        "docs/reference/endpoints.md": endpoints_page(),
        "docs/reference/comparators.md": comparators_page(),
        "docs/reference/events.md": events_page(),
        "docs/reference/schema.md": schema_page(),
        f"assembler/{SCHEMA}": schema(),
        f"profiles/{SCHEMA}": schema(),
    }


def main(arguments: list[str] | None = None) -> int:
    """Write them; returns 1, with a sentence, when something is not described."""
    parser = argparse.ArgumentParser(description="Write the generated pages from the code.")
    parser.add_argument("--out", type=Path, default=ROOT, metavar="DIR", help="where to (default: here)")
    out = parser.parse_args(arguments).out
    try:
        written = pages()
    except Undescribed as error:
        print(error, file=sys.stderr)
        return 1
    for name, text in written.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(text, encoding="utf-8")
        print(out / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
