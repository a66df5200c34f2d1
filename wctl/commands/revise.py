"""Keeping profiles true: rules for what varies, new baselines for what was meant, and what changed between two."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from playback import calibrate as calibration
from playback.engine import Options
from playback.envfile import environment
from playback.summary import render
from wctl.console import answer, answer_json, say
from wctl.interrupt import interruptible
from wctl.options import AsJson, BaseUrl, DataRoot, EnvFile, Slug, Verbose
from wctl.watching import watching

__all__ = ["calibrate"]

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
