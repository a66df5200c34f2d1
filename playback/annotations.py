"""What GitHub shows of replays: an annotation at each failing step, and a summary of the job in Markdown.

Whatever comes from a recording or an application is text there: it ends no line, is no workflow command and no markup.
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from assembler.document import BadDocument, loads_profile, steps_by_line
from playback.catalogue import PROFILES
from playback.report import Report
from playback.summary import advice, sentence, sides, step_lines, visible

__all__ = ["LIMIT", "append", "markdown", "wanted", "workflow_command", "workflow_commands"]

LIMIT = 10  # annotations; GitHub shows no more of one step
_ROWS = 10  # differences in a summary
_LINES = 12  # of a message
_VALUE = 200  # characters in a cell
_SENTENCE = 2000
_LARGEST = 64 << 10  # bytes of a summary; all of a step's together may have 1 MiB


def wanted(environ: Mapping[str, str]) -> bool:
    """True in a job of GitHub Actions."""
    return environ.get("GITHUB_ACTIONS") == "true"


def workflow_commands(reports: Iterable[Report], data_root: Path, environ: Mapping[str, str]) -> list[str]:
    """The lines to print for the reports that are not `passed`, ten at most; none outside of GitHub Actions."""
    if not wanted(environ):
        return []
    bad = [report for report in reports if report.result != "passed"]
    return [workflow_command(report, data_root, environ) for report in bad[:LIMIT]]


def workflow_command(report: Report, data_root: Path, environ: Mapping[str, str]) -> str:
    """One report as the workflow command `error`, at the line of its failing step."""
    place = data_root.absolute() / PROFILES / report.profile / "profile.yaml"
    step = report.failing_step
    title = f"{report.profile}: {report.result}{f' at {step}' if step else ''}"
    lines = [sentence(report)]
    for outcome in report.steps:
        if outcome.id == step:
            lines += step_lines(outcome)
    message = "\n".join([*lines[:_LINES], *(["…"] if len(lines) > _LINES else [])])
    line = _line_of(place, step)
    where = f"file={_property(_relative(place, environ))}" + (f",line={line}" if line else "")
    return f"::error {where},title={_property(visible(title))}::{_message(message)}"


def append(summaries: Iterable[str], environ: Mapping[str, str]) -> str | None:
    """Append what `markdown` made to the job's summary where there is one; returns a sentence when that is impossible."""
    path, text = environ.get("GITHUB_STEP_SUMMARY"), "\n".join(summaries)
    if not path or not text:
        return None
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        return f"The summary could not be written to GITHUB_STEP_SUMMARY: {error.strerror}."
    return None


def markdown(report: Report) -> str:
    """One report for the job's summary."""
    sign = {"passed": "✅", "failed": "❌"}.get(report.result, "⚠️")
    lines = [f"### {sign} {_code(report.profile)}: {report.result}", "", _plain(sentence(report)[:_SENTENCE]), ""]
    if report.result != "passed":
        lines += list(_table(report))
        bad = [file for file in report.comparisons if file.result != "passed"]
        lines += [f"- {_code(file.target)}: {_plain(file.summary[: 2 * _VALUE])}" for file in bad[:_ROWS]]
        lines += [f"- {_plain(said)}" for said in advice(report, curl=False)]
        lines += [f"- Report: {_code(report.page)}"] if report.page else []
    if report.masked.masked:
        lines += [
            "",
            f"Not compared: {report.masked.masked} of {report.masked.compared} values ({report.masked.share:.1%}).",
        ]
    text = "\n".join(lines) + "\n"
    return text if len(text.encode("utf-8", "replace")) <= _LARGEST else "\n".join(lines[:4]) + "\n"


def _table(report: Report) -> Iterator[str]:
    step = next((step for step in report.steps if step.id == report.failing_step), None)
    if step is None or not step.mismatches:
        return
    yield from ("| Where | Expected | Actual |", "|---|---|---|")
    for mismatch in step.mismatches[:_ROWS]:
        values = [value[:_VALUE] for value in sides(mismatch)]
        yield f"| {' | '.join(_code(value) for value in [mismatch.where, *values])} |"
    if len(step.mismatches) > _ROWS:
        yield f"| … and {len(step.mismatches) - _ROWS} more | | |"
    yield ""


def _line_of(path: Path, step: str | None) -> int | None:
    """The line at which `step` begins, the first line without one; None for a profile that is not here."""
    try:
        text = path.read_text(encoding="utf-8")
        loads_profile(text)
    except (OSError, UnicodeDecodeError):
        return None
    except BadDocument:
        return 1
    return next((lines.start for lines, name in steps_by_line(text) if name == step), 1)


def _relative(path: Path, environ: Mapping[str, str]) -> str:
    """`path` as the repository knows it."""
    for root in (environ.get("GITHUB_WORKSPACE"), Path.cwd()):
        if root and path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return "/".join(path.parts[-3:])


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


def _plain(text: str) -> str:
    """Text in Markdown: punctuation as references, so that it makes no markup, no link and no picture."""
    return re.sub(r"[!-+/:-@\[-`{-~]", lambda found: f"&#{ord(found[0])};", visible(text))


def _code(text: str) -> str:
    return f"<code>{_plain(text)}</code>"
