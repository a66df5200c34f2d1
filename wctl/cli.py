"""The `wctl` command: its commands are in `wctl.commands`, one file for each stage of a profile's life.

Whatever can be expected to go wrong ends as one sentence on stderr and exit code 2, never as a traceback.
"""

from __future__ import annotations

import os
import sys
from typing import Any, cast

import typer

from assembler import AssemblyError
from assembler.document import BadDocument
from playback.envfile import BadEnvFile
from playback.errors import PlaybackError
from playback.redis_server import RedisNotFound
from wctl.commands import audit, curate, doctor, har, record, replay, revise, stack, tidy
from wctl.console import Refusal, say

__all__ = ["app", "run"]

ERROR = 2
EXPECTED = (AssemblyError, BadDocument, BadEnvFile, PlaybackError, RedisNotFound, Refusal)

# Typer brings a click of its own since 0.25, and used the installed one before: this is the class of whichever it is.
_UsageError = cast("type[Exception]", typer.BadParameter.__base__)

app = typer.Typer(
    name="wctl",
    help="Record real work in a web application, and replay it as a test.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(stack.demo)
app.command()(stack.up)
app.command()(stack.logs)
app.command()(doctor.doctor)
app.add_typer(record.capture, name="capture")
app.command()(record.assemble)
app.command("import-har")(har.import_har)
app.command("export-har")(har.export_har)
app.add_typer(curate.drafts, name="drafts")
app.add_typer(audit.audit, name="audit")
app.command()(curate.promote)
app.command()(curate.validate)
app.command()(curate.secrets)
app.command()(revise.calibrate)
app.command()(revise.diff)
app.command()(revise.update_profile)
app.command()(tidy.archive)
app.command()(tidy.housekeeping)
app.command("run-test-profile")(replay.run_test_profile)
app.command("run-suite")(replay.run_suite)


def run(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done or passed, 1 failed, 2 error, wrong usage or interrupted."""
    try:
        code = app(args=arguments, prog_name="wctl", standalone_mode=False)
    except _UsageError as error:
        say(_usage(error))
        return ERROR
    except (typer.Abort, KeyboardInterrupt):
        say("Interrupted.")
        return ERROR
    except BrokenPipeError:  # whoever read our answer has had enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ERROR
    except EXPECTED as error:
        say(str(error))
        return ERROR
    except OSError as error:
        say(f"{error.filename or 'The system'}: {error.strerror or error}.")
        return ERROR
    return code if isinstance(code, int) else 0


def _usage(error: Any) -> str:
    """What was wrong with the command's words, and where to read about them; the help itself when there were none."""
    message = str(error.format_message()).strip()
    if "\n" in message:
        return message
    command = error.ctx.command_path if error.ctx else "wctl"
    return f"{message}{'' if message[-1:] in '.?!' else '.'} See: {command} --help"
