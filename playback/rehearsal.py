"""A draft replayed before it is promoted: twice, as `wctl calibrate` replays a profile, out of a data root of its own.

Nothing of it is kept: its reports are no results of a profile, and the draft itself is only read.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

from assembler.drafts import folder_of
from playback import calibrate
from playback.calibrate import Calibration
from playback.engine import Options, Progress
from playback.underway import run_root

__all__ = ["rehearse"]

RUN_ROOT = "PROFILE_PLAYBACK_RUN_ROOT"


def rehearse(
    slug: str,
    data_root: Path,
    options: Options,
    environ: Mapping[str, str],
    progress: Progress = lambda event: None,
    cancelled: threading.Event | None = None,
    *,
    force: bool = False,
) -> Calibration:
    """Replay the draft `slug` twice and propose rules. Raises LookupError or ValueError for no draft, and what a replay raises."""
    draft = folder_of(slug, data_root)
    # The application resolves workspaces below the run root of the service: it stays where it is.
    going = {**environ, RUN_ROOT: str(run_root(data_root, environ.get(RUN_ROOT)).absolute())}
    with tempfile.TemporaryDirectory(dir=draft.parent, prefix=f".{slug}.rehearsal.") as folder:
        stage = Path(folder)
        shutil.copytree(draft, stage / "profiles" / slug, copy_function=_linked)
        return calibrate.calibrate(slug, stage, options, going, progress, cancelled, force=force)


def _linked(source: str, target: str) -> str:
    """The file under another name: it is read there and never written."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copyfile(source, target, follow_symlinks=False)
    return target
