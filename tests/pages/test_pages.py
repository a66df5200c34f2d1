"""Every page of docs/, followed from its first command to its last: in an empty folder, with real servers and a real Redis.

A block that is neither run nor compared nor checked is an error, and so is a command that stands where no block is.
"""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from assembler.document import loads_profile
from playback import comparators
from playback.validation import MAPPED
from recorder.log import Line, read
from scripts.event_table import CATEGORIES, ENVELOPE, KINDS, SEALED
from tests.pages.given import GIVEN, SECRETS
from tests.pages.page import Block, Mark, page_of
from tests.pages.pipelines import script_of
from tests.pages.reader import Reader
from tests.support import ROOT

DOCS = ROOT / "docs"
BESIDE = [ROOT / name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "examples/watershed/README.md")]
PAGES = sorted(DOCS.rglob("*.md")) + BESIDE
LANGUAGES = {"bash", "html", "json", "python", "text", "toml", "yaml"}
PROGRAMS = {
    *(
        "bash",
        "cd",
        "cp",
        "curl",
        "docker",
        "export",
        "flask",
        "git",
        "gunicorn",
        "make",
        "mkdir",
        "pip",
        "pytest",
        "python",
        "python3",
    ),
    *("redis-server", "rq", "sed", "sh", "uvicorn", "wctl"),
}


@pytest.fixture
def own_redis(redis_url: str) -> Iterator[str]:
    """A Redis without other tests' jobs, which leaves them none."""
    with Redis.from_url(redis_url) as redis:
        redis.flushdb()
        yield redis_url
        redis.flushdb()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT).with_suffix("")))
def test_every_block_does_what_the_page_says(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if "curl" in page.read_text(encoding="utf-8") and not shutil.which("curl"):
        pytest.skip("absent: curl, which the page says to use")
    with Reader(tmp_path, lambda: str(request.getfixturevalue("own_redis"))) as reader:
        for step in page_of(page):
            try:
                if isinstance(step, Block):
                    check(step, reader)
                reader.follow(step, GIVEN)
            except Exception as error:
                raise AssertionError(f"{page.relative_to(ROOT)}, line {step.line}: {error}") from error
        for log in reader.folder.rglob("profile.events.jsonl"):
            check_events(log)


@pytest.mark.parametrize(
    "log", sorted((ROOT / "tests/formats/v1").rglob("profile.events.jsonl")), ids=lambda log: log.parts[-3]
)
def test_kept_events_are_described(log: Path) -> None:
    check_events(log)


def check_events(log: Path) -> None:
    """Raises AssertionError when the page of the events does not know a key of this log."""
    described = {
        (category, stage): {key for key, _, _ in keys}
        for category, groups in CATEGORIES.items()
        for stages, _, keys in groups
        for stage in stages
    }
    for line in read(log):
        if not isinstance(line, Line):
            continue  # torn or foreign: nothing that the recorder finished
        event = line.event
        assert set(event) - {SEALED[0]} == {key for key, _, _ in ENVELOPE}
        if event["category"] == "system_log":
            keys, _ = KINDS[event["payload"]["kind"]]
            assert set(event["payload"]) - {"kind"} <= set(re.findall(r"`(\w+)`", keys)), event["payload"]
        else:
            assert set(event["payload"]) - {"omitted"} <= described[event["category"], event["stage"]], event


def check(block: Block, reader: Reader) -> None:
    """What can be said of a block without running it. Raises AssertionError when nothing at all is done with it."""
    assert block.language in LANGUAGES, f"a block is one of {', '.join(sorted(LANGUAGES))}"
    text = block.text
    match block.language:
        case "python" if block.title:
            compile(text, block.title, "exec")
        case "python" if "not run" not in block.marks:
            reader.program(text)
        case "python":
            compile(text, "<page>", "exec")
        case "json":
            json.loads(text)
        case "toml":
            tomllib.loads(text)
        case "html":
            assert block.title, "an example of HTML is a file that the page goes on with"
        case "yaml" if block.title and (
            block.title.startswith(".github/workflows/") or block.title == ".gitlab-ci.yml"
        ):
            reader.run(script_of(block.title, text, SECRETS))
        case "yaml":
            for comparison in loads_profile(_whole(text), "profile.yaml").comparisons:
                if comparison.method != MAPPED and "not run" not in block.marks:
                    comparators.validate_params(comparison.method, comparison.params)
        case "text" if "prints" not in block.marks:
            for line in text.splitlines():
                assert line.split(" ")[0] not in {"$", *PROGRAMS}, f"a command in a block of text: {line}"


def test_a_command_that_fails_is_noticed(tmp_path: Path) -> None:
    with Reader(tmp_path, str) as reader, pytest.raises(AssertionError, match="exit code 3"):
        reader.follow(Block(1, "bash", None, "true\n(exit 3)\ntrue\n"), GIVEN)


def test_an_answer_that_differs_is_noticed(tmp_path: Path) -> None:
    with Reader(tmp_path, str) as reader:
        reader.follow(Block(1, "bash", None, "echo 3 steps, 1.7 s\n"), GIVEN)
        reader.follow(Block(2, "text", None, "3 steps, … s\n", {"prints": ""}), GIVEN)
        with pytest.raises(AssertionError, match="The page says"):
            reader.follow(Block(3, "text", None, "4 steps, … s\n", {"prints": ""}), GIVEN)


@pytest.mark.parametrize(
    "command",
    ["wctl assemble --form .recorder", "wctl no-such-thing", "wctl drafts", "wctl run-test-profile (", "wctl promote"],
)
def test_a_command_that_is_only_read_is_checked(tmp_path: Path, command: str) -> None:
    with Reader(tmp_path, str) as reader, pytest.raises(Exception, match=r"."):
        reader.follow(Block(1, "bash", None, command + "\n", {"not run": "for the sake of the test"}), GIVEN)


@pytest.mark.parametrize(
    "text",
    [
        "a\n\n    wctl drafts list\n",
        "1. a\n   ```bash\n   true\n   ```\n",
        "<!-- test: exit 1 -->\n",
        "<!-- test: often -->\n",
    ],
)
def test_code_that_no_test_would_see_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "page.md").write_text(text)
    with pytest.raises(ValueError, match=r"page\.md"):
        page_of(tmp_path / "page.md")


def test_marks_belong_to_the_next_block(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(
        '<!-- test: stop -->\n<!-- test: exit 2 -->\n\n```bash title="a.sh"\nfalse\n```\n'
    )
    assert page_of(tmp_path / "page.md") == [Mark(1, "stop", ""), Block(4, "bash", "a.sh", "false\n", {"exit": "2"})]


def _whole(text: str) -> str:
    """An example made a profile: what it leaves out is put around it."""
    if text.startswith("- "):  # steps
        return f"metadata: {{slug: example}}\nsteps:\n{text}"
    return text if re.search(r"^metadata:", text, re.MULTILINE) else f"metadata: {{slug: example}}\n{text}"
