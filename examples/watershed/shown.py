"""What the page of a run shows beside its figures: the jobs of its computation, the legend and the scale of its map."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jobs
from picture import COLOURS, LOSSES, WATER
from redis import Redis

STAGES = (
    ("Begin", (("run_wepp", "Settle the inputs"),)),
    ("Terrain", (("delineate", "Fill the depressions"),)),
    ("Water", (("run_slope", "Slope"), ("run_flow", "Flow, channels, hillslopes"))),
    ("Soil", (("run_rusle", "Soil loss"),)),
    ("Report", (("finalize", "Summary, table, map"),)),
)
"""The jobs in the columns in which they can run, each with what it does; a column waits for the one before."""


def _css(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


LEGEND = tuple((f"{loss:g}", _css(colour)) for loss, colour in zip(LOSSES, COLOURS, strict=True))
"""Soil losses upwards, each with its colour on the map as CSS writes it."""
CHANNELS = _css(WATER)

NOT_YET = "not yet"
BARS = (1, 2, 5)  # what the length of a scale bar begins with
LONGEST_BAR = 0.3  # of the width of the map


@dataclass(frozen=True, slots=True)
class Stage:
    """One job of the computation. `status` is RQ's word, or `not yet`."""

    name: str
    title: str
    status: str


@dataclass(frozen=True, slots=True)
class Step:
    """The jobs that can run at the same time."""

    title: str
    stages: tuple[Stage, ...]


@dataclass(frozen=True, slots=True)
class Scale:
    """A bar on the map: how long it is on the ground, in words, and on the map, in per cent of its width."""

    length: str
    percent: float


def steps(redis: Redis, job_id: str | None) -> list[Step]:
    """Return all jobs of a computation as they stand now; of none when there is no id."""
    told = jobs.tree_status(redis, job_id)["jobs"] if job_id else []
    status = {job["name"]: job["status"] for job in told}
    return [
        Step(title, tuple(Stage(name, what, status.get(name, NOT_YET)) for name, what in stages))
        for title, stages in STAGES
    ]


def scale(grid: dict[str, Any]) -> Scale:
    """Return a bar of a round length for a map of the `grid` of a summary."""
    width = grid["columns"] * grid["cell_width_m"]
    metres = max((length for length in _round_lengths() if length <= LONGEST_BAR * width), default=1)
    return Scale(f"{metres // 1000} km" if metres >= 1000 else f"{metres} m", round(100 * metres / width, 2))


def _round_lengths() -> Iterator[int]:
    """Yield 1, 2, 5, 10, 20, … metres, up to more than any grid measures."""
    for digits in range(7):
        yield from (first * 10**digits for first in BARS)
