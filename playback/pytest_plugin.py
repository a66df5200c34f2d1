"""The pytest plugin: replay a profile inside a test.

    @pytest.mark.microservice
    def test_small_watershed(profile_runner):
        profile_runner.run("us-small").expect_completed("run_wepp")

It is loaded into every pytest of an environment that has the recorder, so nothing of the `playback` extra is imported
before a test asks for the fixture.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from playback.report import JobOutcome, Report

__all__ = ["ProfileRunner", "Result", "profile_runner"]

MARKERS = (
    "profile: replays a recorded profile (given to every test that uses the fixture profile_runner)",
    "microservice: needs the application under test to be running",
)
MISSING_EXTRA = "profile_runner needs more than the recorder: pip install 'profile-test-engine[playback]'"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("profiles", "profile test engine")
    group.addoption("--profile-base-url", metavar="URL", help="where the application under test answers")
    group.addoption("--profile-data-root", metavar="DIR", help="the directory that holds profiles/")


def pytest_configure(config: pytest.Config) -> None:
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)


@pytest.hookimpl(tryfirst=True)  # before -k and -m choose
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "profile_runner" in getattr(item, "fixturenames", ()):
            item.add_marker("profile")


@pytest.hookimpl(trylast=True)  # after the test itself, when that raised nothing
def pytest_runtest_call(item: pytest.Item) -> None:
    # Not hidden, as everything else of ours is: where no frame is left pytest writes a line about that.
    runner = getattr(item, "funcargs", {}).get("profile_runner")
    if isinstance(runner, ProfileRunner):
        runner.expect_looked_at()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """What GitHub is to be told travels with the report of the teardown, which xdist carries to the process that prints."""
    outcome: Any = yield
    report = outcome.get_result()
    runner = (getattr(item, "funcargs", None) or {}).get("profile_runner")
    if isinstance(runner, ProfileRunner):
        runner.failed |= report.failed
        if call.when == "teardown":
            report.profile_lines, report.profile_summaries = runner.told()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Tell GitHub, in a job there."""
    if hasattr(config, "workerinput"):
        return  # a worker of xdist: its controller has all reports
    reports = [report for kept in terminalreporter.stats.values() for report in kept]
    lines = [line for report in reports for line in getattr(report, "profile_lines", ())]
    summaries = [summary for report in reports for summary in getattr(report, "profile_summaries", ())]
    if not lines and not summaries:
        return
    from playback.annotations import LIMIT, append

    problem = append(summaries, os.environ)
    for line in [*lines[:LIMIT], *([problem] if problem else [])]:
        terminalreporter.write_line(line)


class Result:
    """The outcome of one replay. `report` is the whole of it."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.looked_at = False

    @property
    def report(self) -> Report:
        """The report; reading it makes the verdict the test's own business."""
        self.looked_at = True
        return self._report

    def expect_completed(self, name: str | None = None) -> Result:
        """Fail the test unless the verdict is `passed` and, with `name`, the step or job so named completed.

        `name` is a step's id or the last component of a job's function; `-` and `_` are alike.
        """
        __tracebackhide__ = True
        from playback.summary import render

        report = self.report
        if report.result == "error" and all(step.result == "skipped" for step in report.steps):
            pytest.fail(report.error or render(report), pytrace=False)  # nothing was sent: there is nothing more to say
        if report.result != "passed":
            pytest.fail(render(report), pytrace=False)
        if name is None:
            return self
        outcomes = {_plain(step.id): step.result for step in report.steps}
        for step in report.steps:
            for job in _tree(step.jobs):
                if job.function:
                    outcomes.setdefault(_plain(job.function.rpartition(".")[2]), job.status)
        outcome = outcomes.get(_plain(name))
        if outcome is None:
            pytest.fail(
                f"profile {report.profile} has no step or job called {name!r}; it has {', '.join(sorted(outcomes))}",
                pytrace=False,
            )
        if outcome not in ("passed", "finished"):
            pytest.fail(f"{name} did not complete: {outcome}\n{render(report)}", pytrace=False)
        return self


class ProfileRunner:
    """Replays profiles below `data_root` against `base_url`, in this process."""

    def __init__(self, data_root: Path, base_url: str | None) -> None:
        self.data_root = data_root
        self.base_url = base_url
        self.results: list[Result] = []
        self.failed = False
        """True when the test failed: what a test that passed has replayed is nobody's concern."""

    def run(self, slug: str, **options: Any) -> Result:
        """Replay the profile `slug` and return its result, whatever the verdict.

        `options` are the fields of `playback.engine.Options`. A profile that cannot be replayed at all fails the test, as
        does a result that cannot be kept; either is told in a sentence.
        """
        __tracebackhide__ = True
        try:
            from playback.engine import Options, replay
            from playback.envfile import BadEnvFile, environment
            from playback.errors import PlaybackError
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] in ("assembler", "playback", "recorder"):
                raise
            pytest.fail(MISSING_EXTRA, pytrace=False)
        refused = _misnamed(options, list(Options.__dataclass_fields__))
        if refused is not None:
            pytest.fail(refused, pytrace=False)
        chosen = Options(**{"base_url": self.base_url, **options})
        try:
            report = replay(slug, self.data_root, chosen, environment(self.data_root, base_url=chosen.base_url))
        except (PlaybackError, BadEnvFile) as error:
            refused = str(error)
        except OSError as error:
            refused = f"{error.filename or 'The system'}: {error.strerror or error}."
        if refused is not None:  # outside of the handler: pytest shows the sentence once
            pytest.fail(refused, pytrace=False)
        self.results.append(Result(report))
        return self.results[-1]

    def told(self) -> tuple[list[str], list[str]]:
        """What GitHub is to be told of the replays: lines for the log, and parts of a summary in Markdown."""
        if not self.results or not any(name in os.environ for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY")):
            return [], []
        from playback.annotations import markdown, workflow_commands

        reports = [result._report for result in self.results if self.failed or result._report.result == "passed"]
        return workflow_commands(reports, self.data_root, os.environ), [markdown(report) for report in reports]

    def expect_looked_at(self) -> None:
        """Fail the test for a verdict that is not `passed` and that it never looked at.

        Forgetting `expect_completed` must not look like success.
        """
        __tracebackhide__ = True
        for result in self.results:
            if not result.looked_at:
                result.expect_completed()


@pytest.fixture
def profile_runner(request: pytest.FixtureRequest) -> Iterator[ProfileRunner]:
    """Replays profiles: `profile_runner.run(slug).expect_completed(step)`."""
    option = request.config.getoption
    root = option("--profile-data-root") or os.environ.get("PROFILE_DATA_ROOT") or request.config.rootpath
    base_url = option("--profile-base-url") or os.environ.get("PROFILE_PLAYBACK_BASE_URL")
    runner = ProfileRunner(Path(cast("str | Path", root)), cast("str | None", base_url))
    yield runner
    runner.expect_looked_at()  # also of what other fixtures replayed as they were torn down


def _misnamed(given: Iterable[str], valid: list[str]) -> str | None:
    """A sentence about an option that there is not, with the nearest there is; None when all are known."""
    for name in given:
        if name not in valid:
            near = get_close_matches(name, valid, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(valid)}."
            return f"profile_runner.run takes no option {name!r}; {hint}"
    return None


def _plain(name: str) -> str:
    return name.replace("-", "_").casefold()


def _tree(jobs: list[JobOutcome]) -> Iterator[JobOutcome]:
    for job in jobs:
        yield job
        yield from _tree(job.children)
