"""What scripts call: uploads and settings of a run, starting it, asking how it goes.

A task that cannot be done is answered with status 200 and `{"Success": false, "Error": "…"}`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from uuid import uuid4

import jobs
import landuse
from current import current_runs
from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue
from flask_login import login_required
from rasters import RasterError, read_raster
from runs import Run, RunNotFoundError, now
from werkzeug.datastructures import FileStorage

calls = Blueprint("api", __name__)

UNFINISHED = {"started", "queued", "deferred", "scheduled"}
LARGEST_EROSIVITY = 50_000.0  # MJ mm / (ha h yr); the wettest places on Earth have less


class TaskError(ValueError):
    """A task that cannot be done; the message is for the user."""


@calls.errorhandler(TaskError)
def task_failed(error: TaskError) -> ResponseReturnValue:
    return jsonify(Success=False, Error=str(error))


@calls.errorhandler(RunNotFoundError)
def run_not_found(error: RunNotFoundError) -> ResponseReturnValue:
    return jsonify(Success=False, Error=str(error)), 404


@calls.post("/runs/<runid>/<config>/tasks/upload-dem/")
@login_required
def upload_dem(runid: str, config: str) -> ResponseReturnValue:
    run = current_runs().find(runid, config)
    upload = _uploaded("input_upload_dem", (".tif", ".tiff"))
    fresh = run.path(f"dem/.upload-{uuid4().hex}.tif")
    try:
        upload.save(fresh)
        try:
            dem = read_raster(fresh)
        except RasterError as error:
            raise TaskError(f"{upload.filename} cannot be used as a DEM: {error}.") from error
        rows, columns = dem.values.shape
        stored = {"file": "dem/dem.tif", "columns": columns, "rows": rows, "crs": dem.crs.to_string()}
        with run.editing("watershed") as watershed:
            fresh.replace(run.path("dem/dem.tif"))
            watershed["dem"] = {"original_name": upload.filename, **stored, "uploaded_at": now()}
    finally:
        fresh.unlink(missing_ok=True)
    return jsonify(Success=True, Content=stored)


@calls.post("/runs/<runid>/<config>/tasks/upload-landuse/")
@login_required
def upload_landuse(runid: str, config: str) -> ResponseReturnValue:
    run = current_runs().find(runid, config)
    upload = _uploaded("input_upload_landuse", (".csv",))
    content = upload.read()
    try:
        table = landuse.parse_table(content.decode("utf-8-sig"))
    except landuse.LanduseError as error:
        raise TaskError(f"{upload.filename} cannot be used: {error}.") from error
    except UnicodeDecodeError as error:
        raise TaskError(f"{upload.filename} is not a text file in UTF-8.") from error
    with run.editing("landuse") as state:
        run.path("landuse/landuse.csv").write_bytes(content)
        stored = {"file": "landuse/landuse.csv", "classes": len(table), "sha256": hashlib.sha256(content).hexdigest()}
        state.update(original_name=upload.filename, **stored, uploaded_at=now())
    return jsonify(Success=True, Content=stored)


@calls.post("/runs/<runid>/<config>/tasks/set-climate")
@login_required
def set_climate(runid: str, config: str) -> ResponseReturnValue:
    run = current_runs().find(runid, config)
    sent: Any = request.get_json(silent=True)
    try:
        erosivity = float(sent["rainfall_erosivity"])
    except (KeyError, TypeError, ValueError):
        raise TaskError("rainfall_erosivity has to be a number, in MJ mm / (ha h yr).") from None
    if not 0 < erosivity <= LARGEST_EROSIVITY:
        raise TaskError(f"rainfall_erosivity has to lie between 0 and {LARGEST_EROSIVITY:.0f} MJ mm / (ha h yr).")
    with run.editing("climate") as climate:
        climate.update(rainfall_erosivity=erosivity, set_at=now())
    return jsonify(Success=True, Content={"rainfall_erosivity": erosivity})


@calls.post("/runs/<runid>/<config>/rq/api/run-wepp")
@login_required
def run_wepp(runid: str, config: str) -> ResponseReturnValue:
    run = current_runs().find(runid, config)
    with run.editing("wepp") as wepp:
        if last_run(run)["status"] in UNFINISHED:
            raise TaskError("This run is already being computed.")
        job = jobs.enqueue(run.redis, "run_wepp", run.runid)
        wepp.update(job_id=job.id, queued_at=now(), started_at=None, finished_at=None)
    return jsonify(Success=True, job_id=job.id)


@calls.get("/runs/<runid>/<config>/rq/status")
@login_required
def run_status(runid: str, config: str) -> ResponseReturnValue:
    return jsonify(last_run(current_runs().find(runid, config)))


@calls.get("/rq/api/jobstatus/<job_id>")
def job_status(job_id: str) -> ResponseReturnValue:
    """Open to all who know the id of a job, as it is in WEPPcloud."""
    status = jobs.tree_status(current_runs().redis, job_id)
    return jsonify(status), 404 if status["status"] == "not_found" else 200


def last_run(run: Run) -> dict[str, Any]:
    """Return `{status, job_id}` of the last computation, also of one that something else enqueued; else `idle`."""
    job_id = jobs.waiting_job(run.redis, "run_wepp", run.runid) or run.state("wepp").get("job_id")
    status = jobs.tree_status(run.redis, job_id)["status"] if job_id else "idle"
    return {"status": status, "job_id": job_id}


def _uploaded(field: str, suffixes: tuple[str, ...]) -> FileStorage:
    upload = request.files.get(field)
    if upload is None or not upload.filename:
        raise TaskError(f"No file was sent as {field}.")
    if Path(upload.filename).suffix.lower() not in suffixes:
        raise TaskError(f"{upload.filename} has the wrong kind of name: {' or '.join(suffixes)} is needed.")
    return upload
