"""Pages for people: the list of runs, a run, its files and its report."""

from __future__ import annotations

import json
from pathlib import Path

import shown
from api import last_run
from current import current_runs
from flask import Blueprint, abort, jsonify, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_login import login_required
from runs import Run, RunNotFoundError, configurations
from werkzeug.security import safe_join

pages = Blueprint("site", __name__)

SUMMARY = "wepp/output/run/summary.json"
HILLSLOPES = "wepp/output/run/hillslopes.csv"
AS_TEXT = {".toml", ".cfg", ".log"}  # shown rather than downloaded


@pages.errorhandler(RunNotFoundError)
def run_not_found(error: RunNotFoundError) -> ResponseReturnValue:
    return render_template("not_found.html", reason=error), 404


@pages.get("/")
@login_required
def index() -> str:
    return render_template("index.html", configurations=configurations())


@pages.get("/runs/")
@login_required
def run_list() -> str:
    return render_template("runs.html", runs=current_runs().all())


@pages.post("/create/<config>")
@login_required
def create(config: str) -> ResponseReturnValue:
    if config not in configurations():
        abort(404)
    try:
        run = current_runs().create(config, request.form.get("batch") or None)
    except ValueError as error:
        return render_template("index.html", configurations=configurations(), error=error), 400
    return redirect(url_for("site.run_page", runid=run.runid, config=config))


@pages.get("/runs/<runid>/<config>/")
@login_required
def run_page(runid: str, config: str) -> str:
    run = current_runs().find(runid, config)
    path = run.directory / SUMMARY
    summary = json.loads(path.read_bytes()) if path.exists() else None
    last = last_run(run)
    return render_template(
        "run.html",
        run=run,
        parameters=run.parameters,
        watershed=run.state("watershed"),
        landuse=run.state("landuse"),
        climate=run.state("climate"),
        wepp=run.state("wepp"),
        status=last["status"],
        steps=shown.steps(run.redis, last["job_id"]),
        summary=summary,
        legend=shown.LEGEND,
        channels=shown.CHANNELS,
        scale=shown.scale(summary["grid"]) if summary else None,
    )


@pages.get("/runs/<runid>/<config>/report/summary")
@login_required
def report_summary(runid: str, config: str) -> ResponseReturnValue:
    path = current_runs().find(runid, config).directory / SUMMARY
    if not path.exists():
        return jsonify(Success=False, Error="This run has no results yet."), 404
    return send_file(path)


@pages.get("/runs/<runid>/<config>/resources/hillslopes.csv")
@login_required
def hillslopes(runid: str, config: str) -> ResponseReturnValue:
    path = current_runs().find(runid, config).directory / HILLSLOPES
    return send_file(path, mimetype="text/csv") if path.exists() else abort(404)


@pages.get("/runs/<runid>/<config>/browse/")
@pages.get("/runs/<runid>/<config>/browse/<path:name>")
@login_required
def browse(runid: str, config: str, name: str = "") -> ResponseReturnValue:
    """Answer a file of the run, or list a folder. Files whose path has a dot in front, and logs, are not shown."""
    run = current_runs().find(runid, config)
    if any(_is_hidden(part) for part in Path(name).parts):
        abort(404)
    path = Path(safe_join(str(run.directory), name) or abort(404))
    if path.is_dir():
        return _listing(run, path, name)
    if not path.is_file():
        abort(404)
    return send_file(path, mimetype="text/plain" if path.suffix in AS_TEXT else None)


def _listing(run: Run, folder: Path, name: str) -> ResponseReturnValue:
    if name and not name.endswith("/"):
        return redirect(url_for("site.browse", runid=run.runid, config=run.config, name=f"{name}/"))
    shown = sorted(path for path in folder.iterdir() if not _is_hidden(path.name))
    entries = [(f"{path.name}/" if path.is_dir() else path.name, path.stat().st_size) for path in shown]
    return render_template("browse.html", run=run, folder=name, entries=entries)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "_logs"
