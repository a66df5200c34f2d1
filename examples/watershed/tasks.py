"""The jobs of a run, as RQ calls them: each takes a run id.

run_wepp ┄┄ enqueues and ends
    delineate ─▶ run_slope ─▶ run_rusle ─▶ finalize
           └───▶ run_flow ───▶┘
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import jobs
import landuse
import model
from rq import get_current_job
from runs import FOLDERS, Run, Runs, now, write_json
from settings import Settings

SHIPPED = Path(__file__).parent / "data"


def stage(work: Callable[[Run], None]) -> Callable[[str], None]:
    """Make a job function of `work`: it finds the run by its id and logs when it started and how it ended."""

    @functools.wraps(work)
    def job(runid: str) -> None:
        run = Runs.from_settings(Settings.from_environment()).find(runid)
        started = perf_counter()
        run.log(f"{work.__name__} started")
        try:
            work(run)
        except BaseException as error:
            run.log(f"{work.__name__} FAILED: {type(error).__name__}: {error}")
            raise
        run.log(f"{work.__name__} COMPLETED in {perf_counter() - started:.3f} s")

    return job


@stage
def run_wepp(run: Run) -> None:
    """Settle the inputs of the run and enqueue the computation. Raises RuntimeError outside an RQ worker."""
    root = get_current_job(connection=run.redis)
    if root is None:
        raise RuntimeError("run_wepp enqueues further jobs and so has to run in an RQ worker")
    with run.editing("wepp") as wepp:
        wepp.update(job_id=root.id, started_at=now(), finished_at=None)
    for folder in FOLDERS:
        (run.directory / folder).mkdir(parents=True, exist_ok=True)
    write_json(run.path("wepp/runs/inputs.json"), settle_inputs(run))

    enqueue = functools.partial(jobs.enqueue, run.redis, runid=run.runid, parent=root)
    delineated = enqueue("delineate")
    sloped = enqueue("run_slope", after=[delineated])
    flowed = enqueue("run_flow", after=[delineated])
    eroded = enqueue("run_rusle", after=[sloped, flowed])
    enqueue("finalize", after=[eroded])


@stage
def delineate(run: Run) -> None:
    """Fill the depressions of the DEM."""
    model.fill(run)


@stage
def run_slope(run: Run) -> None:
    """Compute slopes."""
    model.slope(run)


@stage
def run_flow(run: Run) -> None:
    """Compute flow accumulation, channels and hillslopes."""
    channels, hillslopes = model.flow(run)
    with run.editing("watershed") as watershed:
        watershed.update(channel_cells=channels, hillslopes=hillslopes, delineated_at=now())


@stage
def run_rusle(run: Run) -> None:
    """Compute soil loss."""
    model.erosion(run)


@stage
def finalize(run: Run) -> None:
    """Write the summary, the table of hillslopes and the picture."""
    model.report(run)
    with run.editing("wepp") as wepp:
        wepp.update(finished_at=now())


def settle_inputs(run: Run) -> dict[str, object]:
    """Return all a run computes from, in one place: uploads and settings of the user, else the configuration's."""
    parameters = run.parameters
    dem, table = run.path("dem/dem.tif"), run.path("landuse/landuse.csv")
    if not dem.exists():
        shutil.copyfile(SHIPPED / Path(parameters.dem).name, dem)
    if not table.exists():
        shutil.copyfile(SHIPPED / "landuse" / Path(parameters.cover).name, table)
    return {
        "config": run.config,
        "model": parameters.model,
        "source_area_ha": parameters.source_area,
        "longest_slope_m": parameters.longest_slope,
        "soil_erodibility": parameters.erodibility,
        "rainfall_erosivity": run.state("climate").get("rainfall_erosivity", parameters.erosivity),
        "landuse": landuse.to_json(landuse.parse_table(table.read_text(encoding="utf-8-sig"))),
    }
