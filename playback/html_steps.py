"""The steps of a report as HTML: those that failed with everything that explains them, all of them in one line each."""

from __future__ import annotations

from collections.abc import Iterator

from playback.evidence import Evidence, Told
from playback.html_parts import duration, outcome, places, preformatted, unfold
from playback.report import JobOutcome, Mismatch, Report, StepOutcome
from playback.summary import sides
from playback.tags import Html, joined, tag, text

__all__ = ["failing_steps", "jobs_table", "steps_tables"]

FAILING = 20  # steps that are shown with everything
MISMATCHES = 50
SHORT = 12  # characters: shorter values are seen at a glance
VALUE = 400  # characters of a value
BEFORE = 60  # characters shown before the first difference of two long values
BODY = 6000  # characters of a request or an answer; the diagnostics have more
FOLD = 200  # steps in one table
JOBS = 500


def failing_steps(report: Report, evidence: Evidence) -> Iterator[Html]:
    """A card for each step that did not pass, and the last exchange of a replay that was no verdict."""
    bad = [(number, step) for number, step in enumerate(report.steps, 1) if step.result not in ("passed", "skipped")]
    for number, step in bad[:FAILING]:
        first = step.id == report.failing_step
        yield tag("div", *_card(number, step, evidence.of(step.id) if first else None, evidence), class_="card")
    if len(bad) > FAILING:
        yield tag("p", f"… and {len(bad) - FAILING:,} more steps that failed: the table below marks them.")
    if not bad and report.result in ("error", "interrupted") and evidence.exchanges:
        last = evidence.exchanges[-1]
        parts = [tag("h3", f"The last request, of step {last.step}"), *_exchange(last)]
        yield tag("div", *parts, class_=f"card {report.result}")


def _card(number: int, step: StepOutcome, told: Told | None, evidence: Evidence) -> Iterator[Html]:
    yield tag("h3", f"Step {number}, {step.id}: ", tag("code", f"{step.method} {step.path}"))
    took = ", ".join(part for part in (_status(step), duration(step.duration_ms), _waited(step)) if part)
    yield tag("p", outcome(step.result), f" {took}", class_="soft")
    if step.note:
        yield tag("p", step.note)
    if step.mismatches:
        told_below = {line for job in step.jobs for line in _tracebacks(job)}
        rows = [_row(mismatch, told_below) for mismatch in step.mismatches[:MISMATCHES]]
        columns = 4 if any(row[3] for row in rows) else 3
        yield places(("Where", "Expected", "Actual", "Why")[:columns], [row[:columns] for row in rows])
    if len(step.mismatches) > MISMATCHES:
        yield tag("p", f"… and {len(step.mismatches) - MISMATCHES:,} more differences, all in report.json.")
    for job in step.jobs:
        yield from _failed_jobs(job)
    if step.curl:
        yield tag("p", "Send it again", _hint(step.curl), ":")
        yield tag("pre", step.curl, class_="command", tabindex="0")
    if told is not None:
        if evidence.diff:
            yield unfold(
                "Difference of the bodies", preformatted(evidence.diff, diff=True), open=len(evidence.diff) <= 80
            )
        yield from _exchange(
            told, open=step.status is None or (step.status >= 400 and step.status != step.expected_status)
        )


def _status(step: StepOutcome) -> str:
    if step.status is None:
        return "no answer" if step.expected_status is not None else ""
    same = step.expected_status in (None, step.status)
    return f"answered {step.status}" + ("" if same else f" instead of {step.expected_status}")


def _waited(step: StepOutcome) -> str:
    return f"waited {duration(step.wait_ms)}" if step.wait_ms else ""


def _hint(curl: str) -> str:
    hints = ["cookies.txt: those of a session of your own"] if "-b cookies.txt" in curl else []
    hints += ["request-body.bin lies in the diagnostics"] if "@request-body.bin" in curl else []
    hints += ["…: left out, fill it in"] if "…" in curl else []
    return f" ({'; '.join(hints)})" if hints else ""


def _row(mismatch: Mismatch, told_below: set[str]) -> tuple[object, ...]:
    expected, actual = sides(mismatch)
    if mismatch.expected is None and mismatch.actual is None:
        expected = actual = ""
    why = (mismatch.message or "").strip()
    if why in told_below:
        why = why.rpartition("\n")[2]  # what was raised; the traceback stands with its job
    told = tag("pre", why, tabindex="0") if "\n" in why else why
    return tag("code", mismatch.where), *[tag("code", value) for value in _marked(expected, actual)], told


def _marked(expected: str, actual: str) -> tuple[Html, Html]:
    """Both with what differs between their common beginning and end marked, and cut around that where they are long."""
    if max(len(expected), len(actual)) <= SHORT:
        return text(expected), text(actual)
    shortest = min(len(expected), len(actual))
    start = next((n for n in range(shortest) if expected[n] != actual[n]), shortest)
    end = next((n for n in range(shortest - start) if expected[-1 - n] != actual[-1 - n]), shortest - start)
    if not start and not end:
        return _cut(expected), _cut(actual)  # nothing in common: nothing to point at
    return _around(expected, start, len(expected) - end), _around(actual, start, len(actual) - end)


def _around(value: str, start: int, end: int) -> Html:
    first = max(0, start - BEFORE) if len(value) > VALUE else 0
    middle = _cut(value[start:end])
    rest = value[end : end + BEFORE] if len(value) > VALUE else value[end:]
    left_out = "…" if end + len(rest) < len(value) else ""
    return joined("…" if first else "", value[first:start], tag("mark", middle) if end > start else "", rest, left_out)


def _cut(value: str) -> Html:
    return joined(value[:VALUE], "…" if len(value) > VALUE else "")


def _failed_jobs(job: JobOutcome) -> Iterator[Html]:
    if job.status != "finished":
        took = f" after {duration(job.duration_ms)}" if job.duration_ms is not None else ""
        name = tag("code", job.function or "unknown function")
        yield tag("p", "Job ", name, " ", outcome(job.status), f"{took} ({job.id})")
        if job.error:
            yield tag("pre", job.error.strip("\n"), class_="wide", tabindex="0")
    for child in job.children:
        yield from _failed_jobs(child)


def _tracebacks(job: JobOutcome) -> Iterator[str]:
    if job.status != "finished" and job.error:
        yield job.error.strip()
    for child in job.children:
        yield from _tracebacks(child)


def _exchange(told: Told, *, open: bool = True) -> Iterator[Html]:
    if told.answer is None:
        yield tag("p", "There was no answer.")
    else:
        yield unfold(f"The answer ({told.size:,} bytes)", _body(told.answer, "answer.txt"), open=open)
    yield unfold("The request", _body(told.request, "request.txt"))


def _body(written: str, name: str) -> Html:
    if len(written) <= BODY:
        return tag("pre", written, tabindex="0")
    note = f"The first {BODY:,} of {len(written):,} characters; diagnostics/{name} has the rest."
    return joined(tag("pre", written[:BODY], tabindex="0"), tag("p", note, class_="soft"))


# ---------------------------------------------------------------------- all steps


def steps_tables(report: Report) -> Iterator[Html]:
    """All steps, one line each: in one table, or folded where they are many."""
    rows = [_line(number, step) for number, step in enumerate(report.steps, 1)]
    if len(rows) <= FOLD:
        yield _steps_table(rows)
        return
    for start in range(0, len(rows), FOLD):
        part = report.steps[start : start + FOLD]
        counts = [
            f"{sum(s.result == result for s in part)} {result}" for result in dict.fromkeys(s.result for s in part)
        ]
        took = duration(sum((step.duration_ms or 0.0) + step.wait_ms for step in part))
        title = f"Steps {start + 1:,} to {start + len(part):,}: {', '.join(counts)}, {took}"
        bad = any(step.result not in ("passed", "skipped") for step in part)
        yield unfold(title, _steps_table(rows[start : start + FOLD]), open=bad, long=True)


def _steps_table(rows: list[Html]) -> Html:
    head = [
        tag("th", name, scope="col", class_="number" if name in ("#", "Answered in", "Waited") else None)
        for name in ("#", "Step", "Request", "Status", "Answered in", "Waited", "Result")
    ]
    body = tag("tbody", *rows)
    return tag("div", tag("table", tag("thead", tag("tr", *head)), body, class_="steps"), class_="scroll")


def _line(number: int, step: StepOutcome) -> Html:
    path = step.path if len(step.path) <= 160 else f"{step.path[:159]}…"
    status = "" if step.status is None else str(step.status)
    if step.status is not None and step.expected_status not in (None, step.status):
        status += f" (expected {step.expected_status})"
    jobs = _count(step.jobs)
    return tag(
        "tr",
        tag("td", number, class_="number"),
        tag("td", step.id),
        tag("td", text(f"{step.method} {path}"), class_="mono"),
        tag("td", status),
        tag("td", duration(step.duration_ms), class_="number"),
        tag("td", duration(step.wait_ms) if step.wait_ms else "", class_="number"),
        tag("td", outcome(step.result), f", {jobs} job{'' if jobs == 1 else 's'}" if jobs else ""),
    )


def _count(jobs: list[JobOutcome]) -> int:
    return sum(1 + _count(job.children) for job in jobs)


# ---------------------------------------------------------------------- jobs


def jobs_table(report: Report) -> Html | None:
    """Every background job, children indented; of very many the first, and all that did not finish."""
    every = [(step.id, depth, job) for step in report.steps for job, depth in _tree(step.jobs, 0)]
    if not every:
        return None
    kept = [entry for number, entry in enumerate(every) if number < JOBS or entry[2].status != "finished"]
    rows = [
        (
            tag("code", "· " * depth, job.function or "unknown function"),
            outcome(job.status),
            duration(job.duration_ms),
            step,
            job.id,
        )
        for step, depth, job in kept
    ]
    shown_of_all = places(("Job", "Result", "Took", "Step", "Id"), rows)
    left = len(every) - len(kept)
    return joined(shown_of_all, tag("p", f"… and {left:,} more that finished, all in report.json.") if left else None)


def _tree(jobs: list[JobOutcome], depth: int) -> Iterator[tuple[JobOutcome, int]]:
    for job in jobs:
        yield job, depth
        yield from _tree(job.children, depth + 1)
