"""The report as a page: everything in it, nothing runs in it, whatever an application or a recording wrote."""

from __future__ import annotations

import itertools
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from playback.comparators import compare
from playback.evidence import Evidence, Told
from playback.html_report import page
from playback.report import ComparisonOutcome, JobOutcome, Mismatch, Report, StepOutcome
from tests.playback.rasters import write
from tests.playback.reports import failed, passed

PAYLOADS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "</pre></style></title><script>alert(1)</script>",
    "javascript:alert(1)",
    "<!--><iframe srcdoc='<script>alert(1)</script>'>",
    "&lt;script&gt;\x00\x1b[31m\u202e\ud800\u2028",
)
TAGS = {
    "a", "body", "br", "caption", "code", "dd", "details", "div", "dl", "dt", "figcaption", "figure", "footer",
    "h1", "h2", "h3", "head", "header", "html", "img", "li", "main", "mark", "meta", "nav", "p", "pre",
    "section", "span", "strong", "style", "summary", "table", "tbody", "td", "th", "thead", "title", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {
    "alt", "aria-label", "charset", "class", "content", "data-name", "href", "http-equiv", "id", "lang", "name", "open",
    "scope", "src", "tabindex",
}  # fmt: skip


class Read(HTMLParser):
    """What a browser would make of a page: tags with attributes, and text."""

    def __init__(self, content: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.stack: list[str] = []
        self.text = ""
        self.feed(content.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag, f"{tag} is not the element that is open"

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def read(report: Report, evidence: Evidence | None = None) -> Read:
    content = Read(page(report, evidence or Evidence()))
    assert content.stack == []
    return content


def hostile(payload: str) -> tuple[Report, Evidence]:
    """A report in which everything that somebody else wrote is `payload`."""
    job = JobOutcome(payload, payload, payload, 1.0, payload, [JobOutcome(payload, payload, "failed", None, payload)])
    steps = [
        StepOutcome(payload, payload, payload, 200, 500, "failed", 1.0, 2.0, [job],
                    [Mismatch(payload, payload, {payload: [payload]}, f"{payload}\n{payload}")], payload, payload),
        StepOutcome(payload, payload, payload, 200, 200, payload, 1.0),
    ]  # fmt: skip
    table = ["where  expected  actual", f"{payload}  {payload}  {payload}"]
    files = [
        ComparisonOutcome(payload, payload, "failed", payload, table, [payload]),
        ComparisonOutcome(
            payload, payload, payload, payload, ["--- expected", "+++ actual", f"-{payload}", f"+{payload}"]
        ),
        ComparisonOutcome(payload, payload, "failed", payload, [payload]),
    ]
    report = failed(
        profile=payload, run_id=payload, base_url=payload, run_dir=payload, diagnostics=payload, error=payload,
        failing_step=payload, steps=steps, comparisons=files, notes=[payload],
    )  # fmt: skip
    report.masked.reasons = {payload: 1}
    evidence = Evidence(
        exchanges=[Told(payload, payload, payload, 7)], diff=["--- a", "+++ b", f"-{payload}", f"+{payload}"]
    )
    return report, evidence


@pytest.mark.parametrize("payload", PAYLOADS)
def test_whatever_was_recorded_is_text_and_no_markup(payload: str) -> None:
    found = read(*hostile(payload))
    assert {tag for tag, _ in found.tags} <= TAGS
    attributes = [(tag, name, value) for tag, given in found.tags for name, value in given.items()]
    assert {name for _, name, _ in attributes} <= ATTRIBUTES
    assert all(re.fullmatch(r"#[a-z]+", value or "") for _, name, value in attributes if name == "href")
    assert not found.all("img")
    (style,) = [i for i, (tag, _) in enumerate(found.tags) if tag == "style"]
    assert found.tags[style + 1][0] == "body"
    assert len(found.all("style")) == len(found.all("title")) == 1
    shown = payload.encode("ascii", "ignore").decode()
    plain = re.match(r"[ -~]*", shown)
    assert plain is not None
    assert found.text.count(plain[0]) > 20


@pytest.mark.parametrize("report", [passed(), failed(), hostile(PAYLOADS[0])[0]])
def test_it_may_load_and_run_nothing(report: Report) -> None:
    found = read(report)
    policies = [given["content"] for given in found.all("meta") if given.get("http-equiv") == "Content-Security-Policy"]
    assert policies == [
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    ]
    (at,) = [n for n, (_, given) in enumerate(found.tags) if given.get("http-equiv") == "Content-Security-Policy"]
    assert [tag for tag, _ in found.tags[:at]] == ["html", "head", "meta"]  # before anything it could apply to
    assert "url(" not in found.text
    assert "@import" not in found.text


def test_unprintable_characters_are_made_visible() -> None:
    content = page(*hostile(PAYLOADS[-1]))
    assert not any(ord(c) < 32 and c not in "\n\t" for c in content.decode())
    assert "\u202e" not in content.decode()
    assert r"\x1b[31m" in content.decode()


def test_a_passed_replay_says_so_and_what_was_not_compared() -> None:
    found = read(passed())
    assert "2 steps and 1 file: all as recorded." in found.text
    assert "4 of 120 values (3.3%) were not compared strictly." in found.text
    assert "What failed" not in found.text
    assert "ignore rule" in found.text


def test_a_failing_step_comes_with_everything_that_explains_it() -> None:
    told = Told("run-wepp", "POST /runs/x\n\nbody sent", "HTTP 500\n\nOops", 4)
    evidence = Evidence(
        exchanges=[Told("open-run", "GET /"), told], diff=["--- expected", "+++ actual", "-done", "+Oops"]
    )
    found = read(failed(), evidence)
    for part in (
        "Step 2 of 3, run-wepp, POST /runs/x/rusle-10m/run: answered 500 instead of 200.",
        "1 step did not run; 1 of 1 file differs.",
        "body:/message",
        "ZeroDivisionError: division by zero",
        "curl -X POST http://127.0.0.1:5000/runs/x/rusle-10m/run",
        "body sent",
        "HTTP 500\n\nOops",
        "+Oops",
        "wctl update-profile small-watershed",
        "/soil_loss: expected 12.5, got 12.7",
    ):
        assert part in found.text, part
    # Headings in order, header cells that say what they head, and regions that the keyboard reaches.
    levels = [int(tag[1]) for tag, _ in found.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert all(given.get("scope") == "col" for given in found.all("th"))
    assert all(given.get("tabindex") == "0" for given in found.all("pre"))
    assert found.all("html") == [{"lang": "en"}]


def test_a_traceback_stands_once_and_an_empty_column_not_at_all() -> None:
    trace = "Traceback (most recent call last):\n  File 'tasks.py', line 3\nZeroDivisionError: division by zero"
    job = JobOutcome("id", "tasks.one", "failed", 1.0, f"{trace}\n")
    found = [Mismatch("jobs:tasks.one", "finished", "failed", trace)]
    content = page(
        failed(steps=[StepOutcome("s", "POST", "/", 200, 200, "failed", 1.0, 2.0, [job], found)]), Evidence()
    )
    assert content.count(b"Traceback (most recent call last):") == 1
    assert b'<td data-name="Why">ZeroDivisionError: division by zero</td>' in content
    plain = StepOutcome("s", "GET", "/", 200, 201, "failed", mismatches=[Mismatch("status", 200, 201)])
    assert "Why" not in page(failed(steps=[plain]), Evidence()).decode().partition("What was not compared</h2>")[0]


def test_only_what_differs_in_long_values_is_marked() -> None:
    step = StepOutcome(
        "s",
        "GET",
        "/",
        200,
        200,
        "failed",
        mismatches=[Mismatch("body", "x" * 900 + "A" + "y" * 900, "x" * 900 + "B" + "y" * 900)],
    )
    content = page(failed(steps=[step]), Evidence()).decode()
    assert content.count("<mark>A</mark>") == content.count("<mark>B</mark>") == 1
    assert "x" * 61 not in content


def test_a_long_answer_is_cut_and_says_where_the_rest_is() -> None:
    evidence = Evidence(exchanges=[Told("run-wepp", "POST /", "HTTP 500\n\n" + "z" * 50_000, 50_000)])
    found = read(failed(), evidence)
    assert "The first 6,000 of 50,010 characters; diagnostics/answer.txt has the rest." in found.text
    assert "z" * 6000 not in found.text


def test_two_thousand_steps_stay_a_small_page_with_the_failing_one_unfolded() -> None:
    steps = [StepOutcome(f"s{n}", "GET", f"/items/{n}", 200, 200, "passed", 12.0) for n in range(2000)]
    steps[1234].result, steps[1234].mismatches = "failed", [Mismatch("body:/a", 1, 2)]
    content = page(failed(steps=steps, failing_step="s1234"), Evidence())
    assert len(content) < 600_000
    found = Read(content)
    titles = re.findall(r"Steps [\d,]+ to [\d,]+: [^<\n]*? (?=#)|Steps [\d,]+ to [\d,]+: .*?s(?=#)", found.text)
    assert len(titles) == 10
    folded = [given for given in found.all("details") if given.get("class") == "long"]
    assert ["open" in given for given in folded] == [n == 6 for n in range(10)]
    assert found.text.count("s1234") == 4  # title, sentence, card and line


def test_a_flood_of_jobs_keeps_those_that_did_not_finish() -> None:
    jobs = [JobOutcome(f"id{n}", "tasks.one", "finished", 1.0) for n in range(3000)]
    jobs[2999] = JobOutcome("last", "tasks.one", "abandoned")
    report = passed(steps=[StepOutcome("s", "GET", "/", 200, 200, "passed", jobs=jobs)])
    found = read(report)
    assert "last" in found.text
    assert "… and 2,499 more that finished, all in report.json." in found.text


def test_pictures_are_in_the_page_until_they_would_be_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("playback.html_report.PICTURE", 100)
    names = ["pictures/0-a.png", "pictures/1-large.png", "pictures/2-gone.png"]
    for name, size in zip(names[:2], (60, 101), strict=True):
        (tmp_path / Path(name).name).write_bytes(b"\x89PNG" + b"x" * (size - 4))
    evidence = Evidence(pictures={name: tmp_path / Path(name).name for name in names})
    file = ComparisonOutcome("a.tif", "raster_stats", "failed", "Band 1 differs", [], names)
    found = read(failed(comparisons=[file]), evidence)
    (image,) = found.all("img")
    assert str(image["src"]).startswith("data:image/png;base64,iVBOR")
    assert image["alt"] == "Difference of a.tif: Band 1 differs"
    assert "Picture: diagnostics/pictures/1-large.png" in found.text
    assert "Picture: diagnostics/pictures/2-gone.png" in found.text


def test_a_table_of_offenders_is_a_table_and_prose_behind_it_is_not() -> None:
    lines = [
        "where            expected  actual",
        "row 1, column a  1         2",
        "row 22           no row    x  y",
        "… and 7 more",
    ]
    file = ComparisonOutcome("t.csv", "tabular_diff", "failed", "9 differences", lines)
    content = page(failed(steps=[], comparisons=[file]), Evidence()).decode()
    assert "<tr><td>row 1, column a</td><td>1</td><td>2</td></tr>" in content
    assert "<tr><td>row 22</td><td>no row</td><td>x  y</td></tr>" in content
    assert "<p>… and 7 more</p>" in content


def test_the_worst_cells_of_a_raster_are_a_table_of_their_own(tmp_path: Path) -> None:
    for name, value in (("before.tif", 5), ("after.tif", 7)):
        values = np.zeros((1, 3, 3))
        values[0, 1, 2] = value
        write(tmp_path / name, values)
    found = compare("raster_stats", tmp_path / "before.tif", tmp_path / "after.tif", {})
    file = ComparisonOutcome("a.tif", "raster_stats", found.result, found.summary, list(found.details))
    content = page(failed(steps=[], comparisons=[file]), Evidence()).decode()
    assert (
        content.count("<summary>The values</summary>") == content.count("<summary>The worst differences</summary>") == 1
    )
    assert re.search(r"<tr><td>1</td><td>max</td><td>5.0</td><td>7.0</td><td>cells equal</td></tr>", content)
    assert re.search(r"<tr><td>1</td><td>1</td><td>2</td><td>5.0</td><td>7.0</td><td>2</td></tr>", content)
    assert "<p>band 1: 1 of 9 cells differ" in content


def test_without_a_verdict_the_last_exchange_is_shown() -> None:
    report = passed(result="error", error="The login was refused.", comparisons=[])
    found = read(report, Evidence(exchanges=[Told("login", "POST /login", "HTTP 401\n\nno", 2)]))
    assert "The login was refused." in found.text
    assert "The last request, of step login" in found.text
    assert "HTTP 401" in found.text
