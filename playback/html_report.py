"""The report as one page that needs nothing else: no script, no other file, no network.

Whatever was recorded or answered is hostile here: `playback.tags` escapes it, and the page's own policy forbids it to
load or run anything should that ever fail.
"""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Iterator
from importlib.resources import files

from playback.evidence import Evidence
from playback.html_parts import duration, facts, outcome, places, preformatted, table, unfold
from playback.html_steps import failing_steps, jobs_table, steps_tables
from playback.report import ComparisonOutcome, Report
from playback.summary import advice, sentence
from playback.tags import Html, joined, tag

__all__ = ["page"]

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
PICTURE = 4 << 20  # bytes of a picture that goes into the page
PICTURES = 32 << 20  # bytes of all of them
_HEAD = re.compile(r"(?=.*\bexpected\b)(?=.*\bactual\b)\S+(?: {2,}\S+)+")
"""The first line of a table of what was expected and what came; two spaces or more lie between its columns."""


def page(report: Report, evidence: Evidence) -> bytes:
    """The page, in UTF-8."""
    style = Html(files("playback").joinpath("report.css").read_text(encoding="utf-8"))
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"{report.result}: {report.profile}"),
        tag("style", style),
    )
    body = tag("body", *_sections(report, evidence))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n".encode("utf-8", "backslashreplace")


def _sections(report: Report, evidence: Evidence) -> Iterator[Html]:
    failing = list(failing_steps(report, evidence))
    compared = list(_files(report, evidence))
    jobs = jobs_table(report)
    links = [
        ("failing", "What failed", bool(failing)),
        ("files", f"Files ({len(report.comparisons)})", bool(compared)),
        ("steps", f"Steps ({len(report.steps)})", bool(report.steps)),
        ("jobs", "Jobs", jobs is not None),
        ("trust", "What was not compared", True),
    ]
    yield tag(
        "header",
        tag("h1", tag("span", report.result, class_=f"verdict {report.result}"), _title(report)),
        tag("p", sentence(report), class_="said"),
        _facts(report),
        tag(
            "nav",
            *[tag("a", name, href=f"#{to}") for to, name, there in links if there],
            aria_label="Sections",
        ),
    )
    yield from _next(report)
    main = [tag("section", tag("h2", "What failed"), *failing, id="failing")] if failing else []
    main += [tag("section", tag("h2", "Files"), *compared, id="files")] if compared else []
    main += [tag("section", tag("h2", "Steps"), *steps_tables(report), id="steps")] if report.steps else []
    main += [tag("section", tag("h2", "Jobs"), jobs, id="jobs")] if jobs is not None else []
    main.append(tag("section", tag("h2", "What was not compared"), *_trust(report), id="trust"))
    yield tag("main", *main)
    yield tag("footer", "Secrets are hidden (•••). The same for machines: report.json and junit.xml beside this page.")


def _title(report: Report) -> str:
    return f"{report.profile}, at step {report.failing_step}" if report.failing_step else report.profile


def _facts(report: Report) -> Html:
    return facts(
        ("Target", report.base_url),
        ("Started", f"{report.started_at} (UTC)"),
        ("Took", duration(report.duration_s * 1000)),
        ("Run", report.run_id),
        ("Workspace", report.run_dir),
        ("Diagnostics", report.diagnostics),
    )


def _next(report: Report) -> Iterator[Html]:
    said = [tag("li", sentence) for sentence in advice(report, curl=False)] if report.result != "passed" else []
    said += [tag("li", "Note: ", note) for note in report.notes]
    if said:
        yield tag(
            "div", tag("strong", "Next" if report.result != "passed" else "Notes"), tag("ul", *said), class_="next"
        )


def _files(report: Report, evidence: Evidence) -> Iterator[Html]:
    if not report.comparisons:
        return
    rows = [(tag("code", file.target), file.method, outcome(file.result), file.summary) for file in report.comparisons]
    yield places(("File", "Compared by", "Result", "Finding"), rows)
    budget = PICTURES
    for file in report.comparisons:
        if file.result == "passed":
            continue
        shown = []
        for name in file.pictures:
            picture, budget = _picture(file, name, evidence, budget)
            shown.append(picture)
        details = _details(file)
        yield tag("div", tag("h3", file.target), tag("p", file.summary), *shown, details, class_=f"card {file.result}")


def _details(file: ComparisonOutcome) -> Html | None:
    """A diff in its colours, a table of the worst offenders as a table, anything else as it is."""
    if not file.details:
        return None
    if file.details[0].startswith("--- "):
        return unfold("Difference", preformatted(file.details, diff=True), open=True)
    if not any(map(_HEAD.fullmatch, file.details)):
        return unfold("Details", preformatted(file.details), open=True)
    return joined(*[unfold(title, *shown, open=True) for title, shown in _tables(file.details)])


def _tables(lines: list[str]) -> Iterator[tuple[str, list[Html]]]:
    """Tables of aligned columns (`comparators.comparison.table`) with a title, each with the lines behind it."""
    title, shown, at = "Details", list[Html](), 0
    while at < len(lines):
        if not _HEAD.fullmatch(lines[at]):
            shown.append(tag("p", lines[at]))
            at += 1
            continue
        if shown:
            yield title, shown
        head, rows = _columns(lines, at)
        title = "The worst differences" if "difference" in head or "where" in head else "The values"
        shown = [table(head, rows)]
        at += 1 + len(rows)
    yield title, shown


def _columns(lines: list[str], at: int) -> tuple[list[str], list[list[str]]]:
    """The cells of the table whose head is line `at`; whatever does not keep to the columns is no row any more."""
    head = lines[at].split()
    starts = [*(found.start() for found in re.finditer(r"\S+", lines[at])), None]
    rows: list[list[str]] = []
    for line in lines[at + 1 :]:
        cells = [line[start:end] for start, end in itertools.pairwise(starts)]
        if len(line) <= (starts[-2] or 0) or any(cell and not cell.endswith("  ") for cell in cells[:-1]):
            break
        rows.append([cell.strip() for cell in cells])
    return head, rows


def _picture(file: ComparisonOutcome, name: str, evidence: Evidence, budget: int) -> tuple[Html, int]:
    path = evidence.pictures.get(name)
    size = path.stat().st_size if path is not None and path.is_file() else 0
    if path is None or not 0 < size <= min(PICTURE, budget):
        return tag("p", f"Picture: diagnostics/{name}"), budget
    source = f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
    caption = "Expected, actual, and the difference: red, the darker the larger; blue where only one side has a value."
    image = tag("img", src=Html(source), alt=f"Difference of {file.target}: {file.summary}")
    return tag("figure", image, tag("figcaption", caption)), budget - size


def _trust(report: Report) -> Iterator[Html]:
    masked = report.masked
    if not masked.masked:
        yield tag("p", f"All of {masked.compared:,} values were compared.")
        return
    yield tag("p", f"{masked.masked:,} of {masked.compared:,} values ({masked.share:.1%}) were not compared strictly.")
    reasons = sorted(masked.reasons.items(), key=lambda reason: (-reason[1], reason[0]))
    yield places(("Why", "Values"), [(why, count) for why, count in reasons])
