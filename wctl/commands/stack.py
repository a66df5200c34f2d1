"""What runs beside the application: Redis, the playback service, the assembler; their logs; the demo."""

from __future__ import annotations

import contextlib
import difflib
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

import wctl
from playback.guard import Guarded
from playback.logbook import PLAYBACK, PORT, log_path
from playback.redis_server import find_redis, running_redis
from playback.summary import visible
from wctl.commands.record import follow_all
from wctl.console import Refusal, refusing, say, without_password
from wctl.interrupt import interruptible
from wctl.options import DataRoot
from wctl.tailing import Tail

__all__ = ["demo", "logs", "up"]

LOOK = 0.2  # seconds
SERVICES = (PLAYBACK, "assembler")


def demo(
    arguments: Annotated[list[str] | None, typer.Argument(metavar="…", help="Passed on to the demo.")] = None,
) -> int:
    """Record a workflow of the sample application, replay it, break the application, and see it caught."""
    script = Path(wctl.__file__).parent.parent / "examples" / "demo.py"
    if not script.is_file():
        raise Refusal(
            "The demo is part of the repository, not of the installed package: clone it and run `make demo` there."
        )
    return subprocess.run([sys.executable, str(script), *(arguments or [])], cwd=script.parent.parent).returncode


def up(
    source: Annotated[
        Path, typer.Option("--from", envvar="RECORDER_ROOT", metavar="PATH", help="The application's RECORDER_ROOT.")
    ] = Path(".recorder"),
    data_root: DataRoot = Path(),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of the playback service.")] = PORT,
) -> int:
    """Run what recording and replaying need, until Ctrl-C: a Redis, the playback service, the assembler."""
    root = data_root.absolute()
    root.mkdir(parents=True, exist_ok=True)
    with interruptible() as stop, contextlib.ExitStack() as running:
        with refusing(RuntimeError):
            found = find_redis()
            url = running.enter_context(running_redis(tcp=True))
        say(
            f"Redis: {without_password(url)}"
            + (f" ({found.binary}; export REDIS_URL={url} for application and workers)" if found.binary else "")
        )
        env = {**os.environ, "REDIS_URL": url, "PROFILE_DATA_ROOT": str(root), "PYTHONUNBUFFERED": "1"}
        env["RECORDER_ROOT"] = str(source.absolute())  # whose audit logs the pages show
        command = [sys.executable, "-m", "playback.service", "--port", str(port)]
        service = running.enter_context(Guarded(command, env=env, output=sys.stderr.buffer))
        say(
            f"Playback service: http://127.0.0.1:{port} (export PROFILE_PLAYBACK_URL=http://127.0.0.1:{port} to use it)"
        )
        assembler = threading.Thread(target=follow_all, args=(source.absolute(), root, stop), daemon=True)
        assembler.start()
        say(f"Assembler: follows {source.absolute()}")
        while not stop.wait(LOOK):
            if service.poll() is not None:
                raise Refusal(f"The playback service has ended; is port {port} taken? Choose another with --port.")
            if not assembler.is_alive():
                raise Refusal("The assembler has ended; what it said stands above.")
        assembler.join()
    return 0


def logs(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help=f"One of: {', '.join(SERVICES)}.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show what comes, until Ctrl-C.")] = False,
    last: Annotated[int, typer.Option("--lines", "-n", min=0, metavar="N", help="How many of the last lines.")] = 100,
    data_root: DataRoot = Path(),
) -> int:
    """Show the log of a service. --follow goes on when the log is rotated, and when the service is started again."""
    if service not in SERVICES:
        near = difflib.get_close_matches(service, SERVICES, 1)
        raise Refusal(
            f"No service is called {service!r}; "
            + (f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(SERVICES)}.")
        )
    path = log_path(data_root.absolute(), service)
    if not path.exists() and not follow:
        raise Refusal(f"There is no log yet at {path}; `wctl up` starts the services.")
    tail = Tail(path, _show)
    with interruptible() as stop, contextlib.closing(tail):
        tail.last(last)
        while follow and not stop.wait(LOOK):
            tail.more()
    return 0


def _show(text: str) -> None:
    sys.stdout.write("\n".join(map(visible, text.split("\n"))))  # a log may tell what somebody else's request brought
    sys.stdout.flush()
