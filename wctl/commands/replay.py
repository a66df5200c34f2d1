"""Replaying: one profile, or all that have a tag."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from playback import catalogue
from playback.annotations import append, markdown, workflow_commands
from playback.engine import Options
from playback.envfile import environment
from playback.junit import junit
from playback.report import Report
from playback.summary import render, visible
from wctl.console import COLOURS, Refusal, answer_json, say, screen
from wctl.options import AsJson, BaseUrl, DataRoot, EnvFile, Junit, OverlayName, Slug, Verbose
from wctl.remote import SERVICE
from wctl.replaying import replay_all

__all__ = ["run_suite", "run_test_profile"]

VERDICTS = ("passed", "failed", "error", "interrupted")

Cookie = Annotated[
    str | None, typer.Option(metavar="NAME=VALUE", help="Replay with this session instead of logging in.")
]
Keep = Annotated[bool, typer.Option("--keep", help="Keep the workspace of a replay that passed, too.")]
KeepGoing = Annotated[bool, typer.Option("--keep-going", help="Go on after the first step that fails.")]
Timeout = Annotated[float | None, typer.Option(min=0.001, metavar="SECONDS", help="For every step that has none.")]
Concurrent = Annotated[
    bool, typer.Option("--concurrent", help="Send at once again what overlapped in the recording, to find races.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything and show what would be sent, send nothing.")]


def run_test_profile(
    slug: Slug,
    base_url: BaseUrl = None,
    cookie: Cookie = None,
    env_file: EnvFile = None,
    data_root: DataRoot = Path(),
    as_json: AsJson = False,
    junit_file: Junit = None,
    verbose: Verbose = False,
    overlay: OverlayName = None,
    keep: Keep = False,
    keep_going: KeepGoing = False,
    timeout: Timeout = None,
    concurrent: Concurrent = False,
    dry_run: DryRun = False,
) -> int:
    """Replay a profile and judge what the application did.

    Exit code 0: as recorded. 1: it behaves differently. 2: it could not be judged. With PROFILE_PLAYBACK_URL the
    playback service there replays it, with its own profiles; otherwise it happens in this program.
    """
    options = Options(base_url, cookie, overlay, timeout, keep, keep_going, dry_run, concurrent)
    environ = environment(data_root, env_file, base_url=base_url)
    _say_what_is_not_sent(environ, env_file)
    outcomes = replay_all([slug], data_root.absolute(), options, environ, verbose=verbose)
    if not outcomes:
        return 2
    report, error = outcomes[0].report, outcomes[0].error
    if as_json:
        answer_json(report.as_json())
    _write_junit(junit_file, [report])
    if error is None:
        say(render(report))
    _announce([report], data_root, environ)
    if error is not None:
        raise error
    return report.exit_code


def run_suite(
    tags: Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="Only profiles with this tag.")] = None,
    workers: Annotated[int, typer.Option(min=1, metavar="N", help="How many replays go at once.")] = 2,
    base_url: BaseUrl = None,
    env_file: EnvFile = None,
    data_root: DataRoot = Path(),
    as_json: AsJson = False,
    junit_file: Junit = None,
    verbose: Verbose = False,
    keep_going: KeepGoing = False,
) -> int:
    """Replay all profiles, or those with a tag, and close with a table.

    The exit code is the worst of all: 2 when one could not be judged, 1 when one failed, 0 when all passed.
    """
    slugs = _with_tags(data_root.absolute(), tags or [])
    options = Options(base_url=base_url, keep_going=keep_going)
    environ = environment(data_root, env_file, base_url=base_url)
    _say_what_is_not_sent(environ, env_file)
    outcomes = replay_all(slugs, data_root.absolute(), options, environ, workers=workers, verbose=verbose)
    reports = [outcome.report for outcome in outcomes]
    for report in reports:
        if report.exit_code:
            say(render(report) + "\n")
    if as_json:
        answer_json([report.as_json() for report in reports])
    left_out = len(slugs) - len(reports)
    _show_table(reports, left_out)
    _write_junit(junit_file, reports)
    _announce(reports, data_root, environ)
    return max([report.exit_code for report in reports] + [2 if left_out else 0])


def _say_what_is_not_sent(environ: Mapping[str, str], env_file: Path | None) -> None:
    if env_file is not None and environ.get(SERVICE):
        say(f"Note: the service at {SERVICE} has its own environment; {env_file} is not sent to it.")


def _with_tags(data_root: Path, tags: list[str]) -> list[str]:
    """The profiles that have one of `tags`; all without any. Raises Refusal or UnknownProfile when there is none."""
    known_slugs = catalogue.some(data_root)
    if not tags:
        return known_slugs
    entries = catalogue.catalogue(data_root)
    known = sorted({tag for entry in entries if entry.profile for tag in entry.profile.metadata.tags})
    for tag in tags:
        if tag not in known:
            near = difflib.get_close_matches(tag, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known) or 'none'}."
            raise Refusal(f"No profile has the tag {tag!r}; {hint}")
    # One that cannot be read may have the tag: leaving it out would make a green suite of a broken one.
    return [entry.slug for entry in entries if not entry.profile or set(tags) & set(entry.profile.metadata.tags)]


def _show_table(reports: list[Report], left_out: int) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("profile", "result", "steps", "seconds", "where"):
        table.add_column(column, justify="right" if column in ("steps", "seconds") else "left")
    for report in reports:
        steps = sum(step.result != "skipped" for step in report.steps)
        where = report.failing_step or report.error or ""
        result = Text(report.result, COLOURS[report.result.upper()])
        table.add_row(report.profile, result, str(steps), f"{report.duration_s:.1f}", Text(visible(where)[:80]))
    screen().print(table)
    results = [report.result for report in reports]
    counts = [f"{results.count(result)} {result}" for result in VERDICTS if result in results]
    say(", ".join(counts + ([f"{left_out} not begun"] if left_out else [])))


def _announce(reports: list[Report], data_root: Path, environ: Mapping[str, str]) -> None:
    """Tell GitHub, in a job there."""
    for line in workflow_commands(reports, data_root, environ):
        say(line)
    if problem := append(map(markdown, reports), environ):
        say(problem)


def _write_junit(path: Path | None, reports: list[Report]) -> None:
    if path is not None:
        path.write_bytes(junit(reports))
