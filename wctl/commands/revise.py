"""Keeping profiles true: rules for what varies, new baselines for what was meant, and what changed between two."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Mapping
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
from playback.summary import render, step_lines, visible
from playback.update import Pending, replay_for_update
from wctl.console import Refusal, answer, answer_json, refusing, say
from wctl.interrupt import interruptible
from wctl.options import AsJson, BaseUrl, DataRoot, EnvFile, OverlayName, Slug, Verbose
from wctl.remote import SERVICE
from wctl.watching import watching

__all__ = ["calibrate", "diff", "update_profile"]

Cookie = Annotated[
    str | None, typer.Option(metavar="NAME=VALUE", help="Replay with this session instead of logging in.")
]


def calibrate(
    slug: Slug,
    base_url: BaseUrl = None,
    cookie: Cookie = None,
    env_file: EnvFile = None,
    data_root: DataRoot = Path(),
    overlay: OverlayName = None,
    write: Annotated[bool, typer.Option("--write", help="Add the rules to profile.yaml.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Propose rules that hide a whole answer, too.")] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> int:
    """Replay twice on unchanged code, and propose the narrowest ignore rules for what differs.

    Exit code 0: nothing differs that a rule could not hide. 1: a status, a job, a wait or a file's bytes differ, or a
    rule would hide a whole answer; nothing is written then. 2: it could not be judged. With --overlay the rules are
    written to that overlay. It replays in this program, also where PROFILE_PLAYBACK_URL names a service.
    """
    root, environ = data_root.absolute(), environment(data_root, env_file, base_url=base_url)
    _say_where(environ)
    with watching(verbose) as listener, interruptible() as stop:
        options = Options(base_url=base_url, cookie=cookie, overlay=overlay)
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
        say(f"Written to {calibration.write(slug, root, found.proposals, overlay)}")
    elif found.proposals:
        say("Is each of these noise, and the code unchanged? Then: --write")
    elif not found.exit_code:
        say(f"{slug} needs no rule: both replays were as recorded.")
    return found.exit_code


def _say_where(environ: Mapping[str, str]) -> None:
    """A service replays the profiles that lie with it, and its reports hold no answers that could be accepted."""
    if environ.get(SERVICE):
        say(f"Note: this replays in this program and changes the profile here; the service at {SERVICE} is not asked.")


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


def update_profile(
    slug: Slug,
    base_url: BaseUrl = None,
    cookie: Cookie = None,
    env_file: EnvFile = None,
    data_root: DataRoot = Path(),
    overlay: OverlayName = None,
    steps: Annotated[list[str] | None, typer.Option("--step", metavar="ID", help="Accept this step's answer.")] = None,
    files: Annotated[list[str] | None, typer.Option("--file", metavar="TARGET", help="Accept this file.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Accept all that differs.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before writing.")] = False,
    verbose: Verbose = False,
) -> int:
    """Replay a profile, and accept what the application answers now as its baseline.

    Without a choice of steps and files it says what differs. With one it writes the change to stdout, as Markdown for
    a pull request, and asks. Other jobs are accepted with their step. Refused where a job, a wait or a connection failed.
    Exit code 0: nothing differs any more of what was chosen. 1: something differs and was not accepted. 2: refused. With
    --overlay files are written to its baseline. It replays in this program, also where PROFILE_PLAYBACK_URL names a service.
    """
    root, environ = data_root.absolute(), environment(data_root, env_file, base_url=base_url)
    _say_where(environ)
    with watching(verbose) as listener, interruptible() as stop:
        options = Options(base_url=base_url, cookie=cookie, overlay=overlay)
        pending = replay_for_update(slug, root, options, environ, listener(slug), stop)
    try:
        return _accepted(slug, pending, steps or [], files or [], overlay, everything=everything, yes=yes)
    finally:
        pending.close()


def _accepted(
    slug: str,
    pending: Pending,
    steps: list[str],
    files: list[str],
    overlay: str | None,
    *,
    everything: bool,
    yes: bool,
) -> int:
    if pending.report.exit_code == 2:
        say(render(pending.report))
        raise Refusal(next(pending.refusals()))
    if everything:
        steps, files = list(pending.steps), list(pending.comparisons)
    _known(steps, pending.steps, "step")
    _known(files, pending.comparisons, "file")
    if not pending.steps and not pending.comparisons:
        say(f"{slug} needs no update: all is as recorded.")
        return 0
    if not steps and not files:
        _say_what_differs(f"{slug}{f' --overlay {overlay}' if overlay else ''}", pending)
        return 1
    revision = pending.revision(steps, files)
    for line in markdown(revision.changes).splitlines():
        answer(line)
    for note in revision.notes:
        say(f"Note: {note}")
    if overlay and steps:
        say(f"Note: answers belong to the profile: {', '.join(steps)} changes for every environment.")
    if not yes and not (sys.stdin.isatty() and typer.confirm("Write this?", err=True)):
        say("Nothing was written; --yes writes it.")
        return 1
    revision.write()
    say(f"Written to {revision.folder}")
    left = [n for n in [*pending.steps, *pending.comparisons] if n not in {*steps, *files}]
    skipped = sum(step.result == "skipped" for step in pending.report.steps)
    if left:
        say(f"Not accepted, and still red: {', '.join(left)}")
    if skipped:
        say(f"{skipped} steps did not run; replay again to see what they answer now.")
    return 1 if left or skipped else 0


def _say_what_differs(profile: str, pending: Pending) -> None:
    for step in pending.steps.values():
        first, *rest = step_lines(step)
        for line in (f"step {visible(step.id)}: {first}", *rest):
            answer(line)
    for file in pending.comparisons.values():
        answer(f"file {file.target} ({file.method}): {file.summary}")
    for sentence in pending.refusals():
        say(sentence)
    chosen = [f"--step {n}" for n in pending.steps] + [f"--file {n}" for n in pending.comparisons]
    say(f"To accept it: wctl update-profile {profile} {' '.join(chosen[:3])}{' …' if chosen[3:] else ''}, or --all")


def _known(names: Iterable[str], there: Iterable[str], what: str) -> None:
    differing = list(there)
    for name in names:
        if name not in differing:
            near = difflib.get_close_matches(name, differing, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there differ: {', '.join(differing) or 'none'}."
            raise Refusal(f"No {what} {name!r} differs; {hint}")
