"""What pages take for granted: applications that were recorded, drafts and profiles of them, servers that run.

The application of most pages is that of the tutorial; `my-work` is one with a directory per run, whose answers and files change
with the variable EDITION.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from tests.pages.page import Block, page_of
from tests.pages.reader import Reader
from tests.support import ROOT

__all__ = ["GIVEN", "SECRETS"]

SECRETS = {"PROFILE_SECRET_PASSWORD": "only-here"}
"""What the pipelines of the pages read from their host's store of secrets."""

MY_WORK = """
import os
from pathlib import Path

import recorder
from flask import Flask, request

app = Flask(__name__)
app.wsgi_app = recorder.wrap(app.wsgi_app)
EDITION = os.environ.get("EDITION", "first")


def folder(run):
    clone = run.removeprefix("profile;;tmp;;")
    return Path("runs", run) if clone == run else Path("playback_runs", clone)


@app.post("/runs/<run>/rows")
def add(run):
    output = folder(run) / "output"
    output.mkdir(exist_ok=True)
    with (output / "a.csv").open("a") as table:
        table.write(f"{request.form['name']},{EDITION}\\n")
    return {"rows": 1}


@app.get("/runs/<run>/report")
def report(run):
    return {"edition": EDITION, "rows": (folder(run) / "output/a.csv").read_text().count("\\n")}


@app.get("/")
def home():
    return "hello"
"""
DRIVE = """
from app import app
client = app.test_client()
client.get("/")
{steps}
"""
ORDER = 'client.post("/orders", data={"boxes": "3"}, follow_redirects=True)'
WORK = 'client.post("/runs/june/rows", data={"name": "Ada"})\nclient.get("/runs/june/report")'
RUNS = """RECORDER_RUN_PATTERN='/runs/(?P<run_id>[^/]+)/' RECORDER_RUN_ROOT="$PWD/runs/{run_id}" PROFILE_PLAYBACK_USE_CLONE=true"""


@cache
def tutorial() -> str:
    """The application that the tutorial has its readers type."""
    page = page_of(ROOT / "docs/tutorial.md")
    return next(step.text for step in page if isinstance(step, Block) and step.title == "app.py")


def record(reader: Reader, slug: str, steps: str, environment: str = "") -> None:
    """A log in `.recorder` of the application in `app.py`."""
    reader.write("drive.py", DRIVE.format(steps=steps))
    reader.run(f"{environment} RECORDER_CAPTURE={slug} python drive.py\nrm drive.py\n")


def first_order_log(reader: Reader) -> None:
    """The tutorial up to the end of its recording."""
    reader.write("app.py", tutorial())
    record(reader, "first-order", ORDER)


def first_order(reader: Reader) -> None:
    """The tutorial up to its profile."""
    first_order_log(reader)
    reader.run("wctl assemble --from .recorder --slug first-order\nwctl promote first-order\n")


def my_work_log(reader: Reader) -> None:
    """An application with a run, recorded, in a work tree."""
    reader.write("app.py", MY_WORK)
    reader.write("runs/june/settings.cfg", "[run]\nname = June\n")
    reader.write(
        ".gitignore", ".recorder/\nprofiles/_drafts/\nprofiles/results/\nplayback_runs/\nruns/\n__pycache__/\n"
    )
    reader.run("git init --quiet\n")
    record(reader, "my-work", WORK, RUNS)


def my_work_draft(reader: Reader) -> None:
    """And its draft; beside a profile when there is one already."""
    if not (reader.folder / "app.py").exists():
        my_work_log(reader)
    reader.run(f"{RUNS} wctl assemble --from .recorder --slug my-work\n")


def my_work(reader: Reader) -> None:
    """And its profile."""
    my_work_draft(reader)
    reader.run("wctl promote my-work\n")


def serving(edition: str) -> Callable[[Reader], None]:
    """The application of `my-work` at port 8000, in this edition; one that runs is stopped."""

    def start(reader: Reader) -> None:
        reader.stop()
        environment = f"{RUNS} EDITION={edition} RECORDER_ENVIRONMENT=test RECORDER_ROOT=.served"
        reader.serve(f"{environment} exec gunicorn app:app --bind 127.0.0.1:8000\n", "http://127.0.0.1:8000/")

    return start


def other_work(reader: Reader) -> None:
    """A second profile."""
    reader.run(
        "cp -r profiles/my-work profiles/other-work\nsed -i.bak s/my-work/other-work/ profiles/other-work/profile.yaml\n"
    )


def har(reader: Reader) -> None:
    """What a browser would have saved of the tutorial."""
    first_order(reader)
    reader.run("wctl export-har first-order --to work.har\nrm -r profiles .recorder app.py\n")


def examples(reader: Reader) -> None:
    """The root of the repository, as far as the page needs it, and the Redis that it expects."""
    (reader.folder / "examples").symlink_to(ROOT / "examples")
    reader.env["REDIS_URL"] = reader.here("redis://127.0.0.1:6379/0")


def mysite(reader: Reader) -> None:
    """A Django project of that name, for examples that import it."""
    reader.run("django-admin startproject mysite .\n")


GIVEN: Mapping[str, Callable[[Reader], None]] = {
    "examples": examples,
    "first-order": first_order,
    "first-order-log": first_order_log,
    "my-work-log": my_work_log,
    "my-work-draft": my_work_draft,
    "my-work": my_work,
    "my-work-running": serving("first"),
    "my-work-changed": serving("second"),
    "mysite": mysite,
    "other-work": other_work,
    "work.har": har,
}
