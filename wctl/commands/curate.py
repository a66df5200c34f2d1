"""Curating: drafts that wait for review, and what the promoted profiles need."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

import assembler.drafts
import assembler.promote
import assembler.secrets
from assembler.document import BadDocument, load_profile
from playback import catalogue
from playback.envfile import environment
from playback.validation import problems
from wctl.console import answer, answer_json, refusing, say
from wctl.options import AsJson, DataRoot, EnvFile, Slug

__all__ = ["drafts", "promote", "secrets", "validate"]

drafts = typer.Typer(
    help="Look at drafts, hand them over, throw them away.", no_args_is_help=True, rich_markup_mode=None
)


@drafts.command("list")
def list_(data_root: DataRoot = Path(), as_json: AsJson = False) -> int:
    """All drafts, the oldest first."""
    found = assembler.drafts.list_drafts(data_root.absolute())
    if as_json:
        answer_json([{**vars(draft), "expires": draft.expires} for draft in found])
        return 0
    for draft in found:
        count = f", {len(draft.problems)} problems" if draft.problems else ""
        made = f"made {draft.made:%Y-%m-%d %H:%M} UTC, expires {draft.expires:%Y-%m-%d}"
        answer(f"{draft.slug}  {draft.state}, {draft.steps} steps{count}, {made}")
    if not found:
        say("There is no draft; `wctl assemble` makes one of a capture.")
    return 0


@drafts.command()
def show(slug: Slug, data_root: DataRoot = Path(), as_json: AsJson = False) -> int:
    """What a draft holds: its steps, and what is still wrong with it."""
    with refusing(LookupError, ValueError):
        document = assembler.drafts.show(slug, data_root.absolute())
    if as_json:
        answer_json(document)
        return 0
    status: dict[str, Any] = document.get("status") or {"state": "assembling"}
    answer(f"{slug}  {status['state']}  {document['directory']}")
    preview = document.get("preview") or {}
    for section, before in (("prologue", "before the capture, "), ("steps", "")):
        for step in preview.get(section, []):
            sent = ", ".join([*step.get("fields", []), *(f"file {name}" for name in step.get("files", []))])
            answer(f"  {before}{step['id']}: {step['method']} {step['path']} → {step['status']}{sent and f' ({sent})'}")
    for word, sentences in (("note", status.get("warnings")), ("problem", status.get("problems"))):
        for sentence in sentences or []:
            answer(f"  {word}: {sentence}")
    return 0


@drafts.command()
def export(
    slug: Slug,
    target: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="Default: SLUG.zip here.")] = None,
    data_root: DataRoot = Path(),
) -> int:
    """Pack a draft into a zip file."""
    with refusing(LookupError, ValueError, FileExistsError):
        answer(str(assembler.drafts.export(slug, data_root.absolute(), target or Path(f"{slug}.zip"))))
    return 0


@drafts.command()
def discard(slug: Slug, data_root: DataRoot = Path()) -> int:
    """Remove a draft. The recording it was made of stays."""
    with refusing(LookupError, ValueError):
        say(f"Removed {assembler.drafts.discard(slug, data_root.absolute())}")
    return 0


def promote(
    slug: Slug,
    data_root: DataRoot = Path(),
    reviewed: Annotated[
        bool,
        typer.Option("--reviewed", help="Files of more than 50 MiB, and what looks like a secret, were looked at."),
    ] = False,
) -> int:
    """Make a draft a profile: checked, complete, without open questions."""
    root = data_root.absolute()
    with refusing(LookupError, ValueError):
        folder = assembler.promote.promote(slug, root, reviewed=reviewed, tell=say)
    answer(str(folder))
    needed = ", ".join(assembler.secrets.needed(load_profile(folder / "profile.yaml")))
    say(f"Replay it with: wctl run-test-profile {slug}{needed and f' (it needs {needed})'}")
    return 0


def validate(
    slugs: Annotated[list[str] | None, typer.Argument(metavar="SLUG…", help="Default: all profiles.")] = None,
    data_root: DataRoot = Path(),
) -> int:
    """Check profiles without replaying them: every key, every file they name, every comparison."""
    root = data_root.absolute()
    bad = 0
    for slug in slugs or catalogue.some(root):
        path = catalogue.find(slug, root)
        try:
            profile, found = problems(path)
        except BadDocument as error:
            found = [str(error)]
        if found:
            bad += 1
            for sentence in found:
                say(f"{slug}: {sentence}")
        else:
            answer(f"{slug}: ok, {len(profile.steps)} steps, {len(profile.comparisons)} files compared")
    return 2 if bad else 0


def secrets(slug: Slug, env_file: EnvFile = None, data_root: DataRoot = Path()) -> int:
    """Which secrets a profile needs, by the names of the variables they are read from; never their values.

    Exit code 2 while one is missing.
    """
    root = data_root.absolute()
    profile = load_profile(catalogue.find(slug, root))
    environ = environment(root, env_file)
    found = {f"PROFILE_SECRET_{name}" for name in assembler.secrets.resolve(profile, environ)}
    needed = assembler.secrets.needed(profile)
    for name in needed:
        answer(f"{name}  {'set' if name in environ else 'ADMIN_PASSWORD stands in' if name in found else 'missing'}")
    if not needed:
        say(f"{slug} needs no secret.")
    return 0 if found.issuperset(needed) else 2
