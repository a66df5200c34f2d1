"""Recording: where a capture begins and ends, and the draft that it becomes."""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

import assembler
from assembler import AssemblyError, DraftStatus
from assembler.drafts import json_object
from assembler.following import follow as follow_captures
from assembler.following import follow_one
from assembler.logs import locate
from assembler.profile import slug_problem
from playback.logbook import log_path
from playback.summary import visible
from recorder.captures import close_capture
from wctl.console import Refusal, answer, refusing, say
from wctl.interrupt import interruptible
from wctl.options import BaseUrl, DataRoot, Slug

__all__ = ["assemble", "capture", "follow_all"]

BASE_URL = "PROFILE_PLAYBACK_BASE_URL"
LOOK = 0.1  # seconds between two looks for a log
WAIT = 15.0  # seconds; the snapshot of a run at the beginning of a capture takes up to 10

capture = typer.Typer(
    help="Mark where a recorded workflow begins and ends.", no_args_is_help=True, rich_markup_mode=None
)

Notes = Annotated[str | None, typer.Option(metavar="TEXT", help="What the workflow shows, for whoever reviews it.")]


@capture.command()
def start(
    slug: Slug,
    base_url: BaseUrl = None,
    run_id: Annotated[str | None, typer.Option(metavar="ID", help="Capture one run only.")] = None,
    scope: Annotated[str | None, typer.Option(metavar="SCOPE", help="run, session or all.")] = None,
    notes: Notes = None,
) -> int:
    """Open a capture on a running application whose recorder accepts RECORDER_TOKEN."""
    wanted = {"slug": slug, "run_id": run_id, "scope": scope, "notes": notes}
    opened = _ask(base_url, "captures/start", wanted)
    where = f" --base-url {shlex.quote(base_url)}" if base_url else ""
    capture_id = shlex.quote(str(opened.get("capture_id")))
    say(f"Capturing {opened.get('slug', slug)}. End it with: wctl capture end --capture-id {capture_id}{where}")
    answer(str(opened.get("capture_id")))
    return 0


@capture.command()
def end(
    capture_id: Annotated[str | None, typer.Option(metavar="ID", help="Which one, when several are open.")] = None,
    base_url: BaseUrl = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="PATH", help="RECORDER_ROOT or run directory: end it without the application."),
    ] = None,
    notes: Notes = None,
) -> int:
    """Close a capture: over the recorder's API, or with --from while the application is down."""
    if source is None:
        closed = _ask(base_url, "captures/end", {"capture_id": capture_id, "notes": notes})
        root = str(closed.get("recorder_root") or "RECORDER_ROOT")
    else:
        with refusing(LookupError, ValueError):
            closed = dict(close_capture(source, capture_id, notes))
        root = str(source)
    where = "" if Path(root).is_dir() else " on the application's machine"
    say(
        f"Ended. Make the draft{where} with: wctl assemble --from {shlex.quote(root)} --slug {shlex.quote(str(closed.get('slug')))}"
    )
    answer(str(closed.get("capture_id")))
    return 0


def assemble(
    source: Annotated[Path, typer.Option("--from", metavar="PATH", help="RECORDER_ROOT, or a run directory.")],
    slug: Annotated[str | None, typer.Option(metavar="SLUG", help="The capture's name, and the draft's.")] = None,
    data_root: DataRoot = Path(),
    follow: Annotated[
        bool,
        typer.Option(
            "--follow", help="Wait for the capture to begin and to end; without --slug for every one, until Ctrl-C."
        ),
    ] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Keep the files taken earlier, make the rest anew.")
    ] = False,
) -> int:
    """Turn the newest capture called SLUG into a draft profile.

    Exit code 2 when the draft has problems that keep it from being promoted, and when --follow was interrupted.
    """
    with interruptible() as stop:
        status: DraftStatus | None
        if slug is None:
            if not follow:
                raise Refusal(
                    "Which capture? Name it with --slug, or make a draft of every one that ends with --follow."
                )
            say(f"Following {source.absolute()}")
            follow_all(source.absolute(), data_root.absolute(), stop)
            return 0
        if follow:
            _await_log(source.absolute(), slug, stop)
            status = follow_one(source.absolute(), slug, data_root.absolute(), stop)
        else:
            status = assembler.assemble(source.absolute(), slug, data_root.absolute(), rebuild=rebuild)
    if status is None:
        raise Refusal(f"Stopped before the capture {slug} had ended; there is no draft of it yet.")
    say("\n".join(lines(status)))
    answer(str(status.directory))
    return 2 if status.problems else 0


def follow_all(source: Path, data_root: Path, stop: threading.Event) -> None:
    """Make a draft of every capture until `stop`; tell so on the screen and in the assembler's log."""
    path = log_path(data_root, "assembler")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", buffering=1) as log:

        def told(status: DraftStatus) -> None:
            for line in lines(status):
                say(line)
                log.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {visible(line)}\n")

        follow_captures(source, data_root, stop, told)


def _await_log(source: Path, slug: str, stop: threading.Event) -> None:
    """Return when a recorder has written below `source`: the application may be started after us. Raises Refusal."""
    if problem := slug_problem(slug):
        raise Refusal(f"{problem}.")
    waiting = False
    while not _has_log(source):
        if not waiting:
            say(
                f"Waiting for an application that records to {source} (RECORDER_ROOT), and for its capture {slug} to end."
            )
            waiting = True
        if stop.wait(LOOK):
            raise Refusal(f"Stopped before anything was recorded to {source}; there is no draft of {slug} yet.")


def _has_log(source: Path) -> bool:
    try:
        locate(source)
    except AssemblyError:
        return False
    return True


def lines(status: DraftStatus) -> Iterator[str]:
    """What became of a draft, and what comes next."""
    slug = status.directory.name
    before = len(json_object(status.directory / "preview.json").get("prologue") or ())
    yield (
        f"Draft {slug}: {status.state}, {status.steps} step{'' if status.steps == 1 else 's'}"
        + (f", after a prologue of {before} from before the capture began" if before else "")
    )
    for warning in status.warnings:
        yield f"  note: {warning}"
    for problem in status.problems:
        yield f"  problem: {problem}"
    if status.problems:
        yield f"Edit {status.directory / 'profile.yaml'}, then: wctl promote {slug}"
    else:
        yield f"Review it ({status.directory / 'README.md'}), then: wctl promote {slug}"


def _recorder_url(base_url: str | None) -> str:
    """The address of the recorder's API. Raises Refusal when nothing says where the application is."""
    base = base_url or os.environ.get(BASE_URL)
    if not base:
        raise Refusal(f"Where is the application? Give --base-url, or set {BASE_URL}.")
    prefix = os.environ.get("RECORDER_PREFIX") or "/recorder"
    return f"{base.rstrip('/')}/{prefix.strip('/')}"


def _one_line(value: object) -> object:
    """What somebody else's program says, as a part of a line of ours."""
    return " ".join(value.split()) if isinstance(value, str) else value


def _ask(base_url: str | None, call: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """The recorder's answer to a POST. Raises Refusal, which tells the ways apart in which there may be none."""
    url = _recorder_url(base_url)
    token = os.environ.get("RECORDER_TOKEN")
    try:
        reply = httpx.post(
            f"{url}/{call}",
            json={name: value for name, value in wanted.items() if value is not None},
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=WAIT,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Refusal(
            f"Nothing answers at {url} ({str(error) or type(error).__name__}); is the application running?"
        ) from error
    if "x-recorder" not in reply.headers:
        raise Refusal(
            f"{url} answered {reply.status_code}, but not as a recorder; is the middleware installed, "
            "and RECORDER_PREFIX the same here and there?"
        )
    try:
        document = reply.json()
    except ValueError:
        document = {}
    told = {name: _one_line(value) for name, value in document.items()} if isinstance(document, dict) else {}
    if reply.is_success and told:
        return told
    reason = str(told.get("error") or "")
    if reply.status_code in (401, 403):
        how = (
            "does not accept this RECORDER_TOKEN; the application must be started with the same one"
            if token
            else "wants a RECORDER_TOKEN; start the application with one, and set the same here"
        )
        raise Refusal(f"The recorder at {url} {how}. {reason}".strip())
    raise Refusal(reason or f"The recorder at {url} answered {reply.status_code}.")
