"""The audit log itself: whether it is whole, and nobody changed it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recorder.seal import Seal
from recorder.verify import Finding, Verdict, logs_below, verify
from wctl.console import Refusal, answer, answer_json, refusing, say
from wctl.options import AsJson

__all__ = ["audit"]

audit = typer.Typer(help="Look after audit logs.", no_args_is_help=True, rich_markup_mode=None)


@audit.callback()
def _of_many() -> None:
    """Look after audit logs."""


@audit.command("verify")
def verify_logs(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="RECORDER_ROOT, the directory of a run, or a log.")],
    as_json: AsJson = False,
) -> int:
    """Tell what is missing, torn, doubled or changed in audit logs, each with its file and byte offset.

    What was changed or cut off is found where the application recorded with RECORDER_SEAL, which has to be set here, too.
    Exit code 0 when the logs are whole, 1 when they are not.
    """
    with refusing(LookupError):
        logs = logs_below(path)
    try:
        seal = Seal.of_environ()
        verdicts = [verify(log, seal) for log in logs]
    except OSError as error:
        raise Refusal(f"{error.filename or path} cannot be read: {error.strerror or error}.") from None
    if as_json:
        answer_json({"v": 1, "ok": not any(v.problems for v in verdicts), "logs": [v.document for v in verdicts]})
    else:
        for verdict in verdicts:
            _tell(verdict)
    return 1 if any(verdict.problems for verdict in verdicts) else 0


def _tell(verdict: Verdict) -> None:
    for finding in verdict.problems:
        answer(_line(finding))
    for remark in verdict.remarks:
        say(_line(remark))
    count = len(verdict.problems)
    state = "whole" if not count else "one fault" if count == 1 else f"{count} faults"
    sealed = f", {verdict.sealed:,} of them sealed" if verdict.sealed else ""
    files = "one file" if verdict.files == 1 else f"{verdict.files} files"
    say(f"{verdict.log}: {state}; {verdict.records:,} records in {files}{sealed}.")


def _line(finding: Finding) -> str:
    return f"{finding.file}: byte {finding.offset}: {finding.kind}: {finding.message}"
