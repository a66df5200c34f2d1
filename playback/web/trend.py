"""How long the last runs of a profile took, and how they ended, as a small picture: inline SVG without script or style."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from playback.web.records import Summary

__all__ = ["sparkline"]

_WIDTH, _HEIGHT, _EDGE = 112, 28, 4
_FULL = (560, 96, 8)


def sparkline(history: Sequence[Summary], *, large: bool = False) -> Markup:
    """The picture of `history` (newest first); nothing for fewer than two runs that tell how long they took."""
    runs = [run for run in reversed(history) if run.duration_s is not None]
    if len(runs) < 2:
        return Markup("")
    width, height, edge = _FULL if large else (_WIDTH, _HEIGHT, _EDGE)
    took = [run.duration_s or 0.0 for run in runs]
    low, high = min(took), max(took)
    step = (width - 2 * edge) / (len(runs) - 1)
    places = [
        (round(edge + n * step, 1), round(height - edge - (t - low) / ((high - low) or 1) * (height - 2 * edge), 1))
        for n, t in enumerate(took)
    ]
    if high == low:
        places = [(x, height / 2) for x, _ in places]
    line = " ".join(f"{x},{y}" for x, y in places)
    marks = "".join(
        _mark(x, y, run, edge - 1) for (x, y), run in zip(places, runs, strict=True) if run.result != "passed"
    )
    x, y = places[-1]
    last = f'<circle class="dot" cx="{x}" cy="{y}" r="2.4"/>' if runs[-1].result == "passed" else ""
    bad = sum(run.result != "passed" for run in runs)
    said = f"The last {len(runs)} runs took {low:.1f} to {high:.1f} s; {bad or 'none'} did not pass."
    return Markup(
        f'<svg class="trend{" large" if large else ""}" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(said)}">'
        f'<title>{escape(said)}</title><polyline points="{line}"/>{marks}{last}</svg>'
    )  # fmt: skip


def _mark(x: float, y: float, run: Summary, size: float) -> str:
    """A cross for a failure, a square for what is no verdict: told apart without colour."""
    if run.result == "failed":
        a, b, c, d = x - size, y - size, x + size, y + size
        return f'<path class="bad" d="M{a} {b}L{c} {d}M{c} {b}L{a} {d}"/>'
    return (
        f'<rect class="odd" x="{x - size + 0.5}" y="{y - size + 0.5}" width="{2 * size - 1}" height="{2 * size - 1}"/>'
    )
