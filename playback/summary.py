"""A report as lines of text for people: in the terminal, in pytest's output, in the service's log.

Everything that came from a recording or an application is made visible character by character: an escape sequence in
a recorded answer is shown, never sent to the terminal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from playback.report import ComparisonOutcome, JobOutcome, Mismatch, Report, StepOutcome

__all__ = ["advice", "headline", "render", "sentence", "sides", "step_lines", "visible"]

WIDTH = 72  # characters of one value
KEPT = 16  # characters shown before the first difference of two long values
MISMATCHES = 10
STEPS = 5
CURL = 400  # characters of a command that are worth showing; a longer request is among the diagnostics
TRACEBACK = 4  # last lines of a job's traceback
BAD = ("failed", "error")
ABSENT = ("missing", "was not there when recorded")  # what `Comparer` says of a key that only one side has


def visible(text: str) -> str:
    """`text` with control, direction and other unprintable characters written as escapes."""
    return text if text.isprintable() else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def headline(report: Report) -> str:
    """The verdict in one line: result, profile, how much was replayed, how long it took."""
    counts = [_count(sum(step.result != "skipped" for step in report.steps), "step")]
    if report.comparisons:
        counts.append(_count(len(report.comparisons), "file"))
    place = f" at step {visible(report.failing_step)}" if report.failing_step else ""
    return f"{report.result.upper()}{place}  {visible(report.profile)}  {', '.join(counts)}, {report.duration_s:.1f} s"


def sentence(report: Report) -> str:
    """The verdict as somebody would say it."""
    if report.error:
        return visible(report.error)
    ran, of = sum(step.result != "skipped" for step in report.steps), len(report.steps)
    files = [file for file in report.comparisons if file.result in BAD]
    differ = f"{len(files)} of {_count(len(report.comparisons), 'file')} differ{'s' if len(files) == 1 else ''}"
    if report.result == "passed":
        compared = f" and {_count(len(report.comparisons), 'file')}" if report.comparisons else ""
        return f"{_count(of, 'step')}{compared}: all as recorded."
    if report.result == "interrupted":
        return f"It was stopped after {ran} of {_count(of, 'step')}, so this is no verdict."
    bad = [(number, step) for number, step in enumerate(report.steps, 1) if step.result in BAD]
    if not bad:
        return f"{_count(ran, 'step')} went as recorded, but {differ}."
    number, step = bad[0]
    named = f"Step {number} of {of}, {visible(step.id)}, {visible(step.method)} {_cut(visible(step.path), 0)}"
    others = [f"{_count(len(bad) - 1, 'other step')} failed, too"] if bad[1:] else []
    others += [f"{_count(of - ran, 'step')} did not run"] if of > ran else []
    others += [differ] if files else []
    return f"{named}: {_told(step)}.{f' {_sentence_of(others)}.' if others else ''}"


def _told(step: StepOutcome) -> str:
    """What is wrong with a step, in a few words."""
    for mismatch in step.mismatches:
        if mismatch.where == "status":
            return f"answered {visible(str(mismatch.actual))} instead of {visible(str(mismatch.expected))}"
        if mismatch.where.startswith("jobs:") and mismatch.where.count(":") == 1:
            job = f"job {visible(mismatch.where.removeprefix('jobs:'))}"
            if mismatch.expected is None:
                return f"{job} was not enqueued when recorded"
            return f"{job} is {visible(str(mismatch.actual))}" if mismatch.actual else f"{job} was not enqueued"
        if mismatch.where == "connection":
            return visible(mismatch.message or "no answer")
    if not step.mismatches:
        return step.result
    at = f"at {_cut(visible(step.mismatches[0].where), 0)}"
    many = len(step.mismatches) > 1
    return f"{_count(len(step.mismatches), 'difference')}{', the first' if many else ''} {at}"


def _sentence_of(parts: list[str]) -> str:
    joined = "; ".join(parts)
    return joined[:1].upper() + joined[1:]


def render(report: Report) -> str:
    """The report as text: what happened, where it differs, what lies where, what to try next."""
    return "\n".join(map(_inert, _lines(report)))


def _inert(line: str) -> str:
    """A CI system that reads the log takes `::name` at the beginning of a line, and `##[name]` anywhere, as a command."""
    line = line.replace("##[", "# #[")
    return line.replace("::", ": :", 1) if line.lstrip().startswith("::") else line


def step_lines(step: StepOutcome) -> list[str]:
    """What one step sent and what was wrong with the answer and its jobs."""
    lines = [f"{visible(step.method)} {visible(step.path)}"]
    lines += [f"  {_mismatch(mismatch)}" for mismatch in step.mismatches[:MISMATCHES]]
    if len(step.mismatches) > MISMATCHES:
        lines.append(f"  … and {len(step.mismatches) - MISMATCHES} more differences, all in report.json")
    for job in step.jobs:
        lines += [f"  {line}" for line in _job(job)]
    if step.note:
        lines.append(f"  {visible(step.note)}")
    return lines


def _lines(report: Report) -> Iterator[str]:
    if report.dry_run:
        yield f"DRY RUN  {visible(report.profile)}  {_count(len(report.steps), 'step')} would be sent to {visible(report.base_url or '')}"
        for step in report.steps:
            yield f"  {visible(step.id)}: {visible(step.method)} {visible(step.path)}"
            if step.curl:
                yield f"    {visible(step.curl)}"
        yield from (f"Note: {visible(note)}" for note in report.notes)
        return
    yield headline(report)
    if report.base_url:
        yield f"  target {visible(report.base_url)}"
    bad = [(n, step) for n, step in enumerate(report.steps, 1) if step.result in BAD]
    for number, step in bad[:STEPS]:
        first, *rest = step_lines(step)
        yield ""
        yield f"Step {number}, {visible(step.id)}, {step.result}: {first}"
        yield from rest
    if len(bad) > STEPS:
        yield f"… and {_count(len(bad) - STEPS, 'step')} more that failed, all in report.json"
    if files := [file for file in report.comparisons if file.result in BAD]:
        yield ""
        yield f"Files that differ ({len(files)} of {len(report.comparisons)})"
        for file in files:
            yield from _file(file)
    if report.error:
        yield ""
        yield visible(report.error)
    yield from _remarks(report)


def _remarks(report: Report) -> Iterator[str]:
    """How far the verdict can be trusted, where things lie, and what comes next."""
    remarks = [f"Note: {visible(note)}" for note in report.notes]
    if report.masked.masked:
        reasons = ", ".join(f"{visible(why)} {count}" for why, count in sorted(report.masked.reasons.items()))
        remarks.append(
            f"Not compared: {report.masked.masked} of {report.masked.compared} values ({report.masked.share:.1%})"
            + (f": {reasons}" if reasons else "")
        )
    if report.result != "passed":
        if report.page:
            remarks.append(f"Report: {visible(report.page)}")
        if report.diagnostics:
            remarks.append(f"Diagnostics: {visible(report.diagnostics)}")
        if report.run_dir and report.result != "interrupted":  # then it was taken away
            remarks.append(f"Workspace: {visible(report.run_dir)}")
        remarks += [f"Next: {sentence}" for sentence in advice(report)]
    if remarks:
        yield ""
        yield from remarks


def advice(report: Report, *, curl: bool = True) -> Iterator[str]:
    """What to do next, a sentence each; with `curl` the failing request as a command is among it."""
    skipped = sum(step.result == "skipped" for step in report.steps)
    if report.result == "failed":
        if curl and (again := _again(report)):
            yield f"send the request again{again}"
        if skipped:
            yield f"{_count(skipped, 'step')} did not run; --keep-going replays them too"
        left = (
            ", or still has what an earlier replay left in it (a fresh instance tells)" if _may_be_left(report) else ""
        )
        meant = f"if a change is meant: wctl update-profile {visible(report.profile)}"
        yield f"the application no longer does what was recorded{left}; {meant}"
    elif report.result == "interrupted":
        yield "it was stopped before the end, so this is no verdict; run it again"
    elif report.result == "error":
        yield "nothing was judged; put right what stands above and run it again"


def _again(report: Report) -> str | None:
    """The failing step's request: the command where it fits a line, else where it lies."""
    line = next((step.curl for step in report.steps if step.id == report.failing_step and step.curl), None)
    if line is None:
        return None
    theirs = " (cookies.txt: those of a session of your own)" if "-b cookies.txt" in line else ""
    if len(line) <= CURL and line.isprintable():
        return f"{theirs}: {line}"
    return f"{theirs}: cd {visible(report.diagnostics)} && sh curl.sh" if report.diagnostics else None


def _may_be_left(report: Report) -> bool:
    """True when traces of an earlier replay would look the same: the profile writes, and not only into its own run."""
    if all(step.method in ("GET", "HEAD", "OPTIONS") for step in report.steps):
        return False
    run = report.run_id.rpartition(";")[2] if report.run_dir and report.run_id else None
    return run is None or any(run not in step.path for step in report.steps if step.result in BAD)


def _mismatch(mismatch: Mismatch) -> str:
    expected, actual = _pair(*sides(mismatch))
    difference = "" if mismatch.expected is None and mismatch.actual is None else f"expected {expected}, got {actual}"
    message = (mismatch.message or "").strip().rpartition("\n")[2]  # of a traceback, what was raised
    parts = [part for part in (visible(message).rstrip("."), difference) if part]
    if mismatch.where == "status":
        parts.reverse()  # what the answer says comes after what it is
    return f"{visible(mismatch.where)}: {'; '.join(parts) or 'differs'}"


def sides(mismatch: Mismatch) -> tuple[str, str]:
    """What was expected and what came, each on one line; what one side does not have at all is `nothing`."""
    in_json = mismatch.where.startswith("body:/") and mismatch.message not in ABSENT
    return _shown(mismatch.expected, in_json=in_json), _shown(mismatch.actual, in_json=in_json)


def _shown(value: Any, *, in_json: bool) -> str:
    """A value as JSON on one line, with nothing unprintable in it; outside of JSON there is no null."""
    if value is None and not in_json:
        return "nothing"
    return visible(json.dumps(value, ensure_ascii=False, default=str))


def _pair(expected: str, actual: str) -> tuple[str, str]:
    """Both cut to about WIDTH characters, around the place where they begin to differ."""
    same = next((n for n, (a, b) in enumerate(zip(expected, actual, strict=False)) if a != b), None)
    if same is None:
        same = min(len(expected), len(actual))
    start = max(0, same - KEPT) if max(len(expected), len(actual)) > WIDTH else 0
    return _cut(expected, start), _cut(actual, start)


def _cut(text: str, start: int) -> str:
    end = start + WIDTH
    return ("…" if start else "") + text[start:end] + ("…" if len(text) > end else "")


def _job(job: JobOutcome) -> Iterator[str]:
    """A job that did not finish, with the end of its traceback; those that finished say nothing."""
    if job.status != "finished":
        took = f" after {job.duration_ms / 1000:.1f} s" if job.duration_ms is not None else ""
        yield f"job {visible(job.function or 'of unknown function')}: {visible(job.status)}{took} ({visible(job.id)})"
        for line in (job.error or "").strip().splitlines()[-TRACEBACK:]:
            yield f"    {visible(line)[:200]}"
    for child in job.children:
        yield from (f"  {line}" for line in _job(child))


def _file(file: ComparisonOutcome) -> Iterator[str]:
    yield f"  {visible(file.target)} ({visible(file.method)}): {visible(file.summary)}"
    for detail in file.details[:MISMATCHES]:
        yield f"    {visible(detail)[:200]}"
    if len(file.details) > MISMATCHES:
        yield f"    … and {len(file.details) - MISMATCHES} more"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
