"""Keeping profiles true: rules for what varies, new baselines for what was meant, and what changed between two."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from assembler.drafts import folder_of
from playback import calibrate as calibration
from playback import catalogue
from playback import diff as differences
from playback.diff_text import markdown, text
from playback.engine import Options
from playback.envfile import environment
from playback.summary import render
from wctl.console import Refusal, answer, answer_json, refusing, say
from wctl.interrupt import interruptible
from wctl.options import AsJson, BaseUrl, DataRoot, EnvFile, Slug, Verbose
from wctl.watching import watching

__all__ = ["calibrate", "diff"]

Cookie = Annotated[
    str | None, typer.Option(metavar="NAME=VALUE", help="Replay with this session instead of logging in.")
]


def calibrate(
    slug: Slug,
    base_url: BaseUrl = None,
    cookie: Cookie = None,
    env_file: EnvFile = None,
    data_root: DataRoot = Path(),
    write: Annotated[bool, typer.Option("--write", help="Add the rules to profile.yaml.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Propose rules that hide a whole answer, too.")] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> int:
    """Replay twice on unchanged code, and propose the narrowest ignore rules for what differs.

    Exit code 0: nothing differs that a rule could not hide. 1: a status, a job, a wait or a file's bytes differ, or a
    rule would hide a whole answer; nothing is written then. 2: it could not be judged.
    """
    root, environ = data_root.absolute(), environment(data_root, env_file, base_url=base_url)
    with watching(verbose) as listener, interruptible() as stop:
        options = Options(base_url=base_url, cookie=cookie)
        found = calibration.calibrate(slug, root, options, environ, listener(slug), stop, force=force)
    if as_json:
        answer_json(found.as_json())
    else:
        for line in found.lines():
            answer(line)
    if found.exit_code == 2:
        say(render(found.reports[-1]))
    elif found.exit_code and write:
        say(f"Nothing was written: {slug} would stay red.")
    elif found.proposals and write:
        say(f"Written to {calibration.write(slug, root, found.proposals)}")
    elif found.proposals:
        say("Is each of these noise, and the code unchanged? Then: --write")
    elif not found.exit_code:
        say(f"{slug} needs no rule: both replays were as recorded.")
    return found.exit_code


def diff(
    slug: Slug,
    draft: Annotated[bool, typer.Option("--draft", help="With the draft of the same name (the default).")] = False,
    other: Annotated[
        str | None, typer.Option("--with", metavar="OTHER", help="With another profile: its name, or its folder.")
    ] = None,
    data_root: DataRoot = Path(),
    as_markdown: Annotated[bool, typer.Option("--markdown", help="As Markdown, for a pull request.")] = False,
    as_json: AsJson = False,
) -> int:
    """What changed from a profile to its draft, or to another profile: steps, answers, files, rules.

    Ids, tokens and times that every recording has anew are no change. Exit code 0, whatever changed.
    """
    root = data_root.absolute()
    if draft and other is not None:
        raise Refusal("Give --draft or --with, not both.")
    old = catalogue.find(slug, root).parent
    with refusing(LookupError, ValueError):
        new = folder_of(slug, root) if other is None else _folder(other, root)
    found = differences.diff(old, new, "profile", "draft" if other is None else other)
    if as_json:
        answer_json(found.as_json())
    elif as_markdown:
        for line in markdown(found).splitlines():
            answer(line)
    else:
        for line in text(found):
            answer(line)
    return 0


def _folder(other: str, root: Path) -> Path:
    """A profile's folder by its path, or by its name."""
    given = Path(other)
    return given.absolute() if (given / "profile.yaml").is_file() else catalogue.find(other, root).parent
