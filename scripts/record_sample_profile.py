"""Record `profiles/watershed-small` again, with the demo's own driver, and curate it.

    .venv/bin/python scripts/record_sample_profile.py

For when the sample application has changed on purpose. The demo runs to its end, so what is kept has passed twice on
the application as it is and has failed on a broken one. Then what a person would do by hand: title, tags, and tolerance
where another machine's libraries may write other bytes for the same content. Look at the difference before committing.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROFILE = ROOT / "profiles" / "watershed-small"

EDITS = {
    "  title: Watershed small\n": "  title: A small watershed after a wildfire\n  tags: [example, rusle, upload, rq]\n",
    "  - target: export/soil_loss.png\n    method: exact_hash  # binary, byte for byte\n": (
        "  - target: export/soil_loss.png\n    method: raster_stats  # the picture, however it was compressed\n"
    ),
    "  - target: wepp/output/run/soil_loss.tif\n    method: raster_stats  # by its ending .tif\n": (
        "  - target: wepp/output/run/soil_loss.tif\n    method: raster_stats  # by its ending .tif\n"
        "    params:\n      tolerance: {mean: 0.001, max: 0.01}  # t / (ha yr); the last bits differ between processors\n"
    ),
    "notes: ": (
        "ignore:\n"
        "  - step: get-export-soil-loss-png\n    where: body\n"
        "    why: versions of the compressor write other bytes for one picture; the picture is among the comparisons\n"
        "notes: "
    ),
}
README = """
## Where it comes from

The sample application in `examples/watershed` was recorded by the demo; title, tags, two tolerances and the rule under
`ignore` were added by `scripts/record_sample_profile.py`, which also records it again. The elevations are a corner of
the public data in `examples/watershed/data`, see ATTRIBUTION.md there. `tests/test_sample_profile.py` replays it.
"""


def main() -> int:
    """Record, curate, and say where it lies; returns the demo's exit code when that is not 0."""
    status = subprocess.run([sys.executable, str(ROOT / "examples" / "demo.py"), "--save", str(PROFILE)]).returncode
    if status:
        return status
    document = PROFILE / "profile.yaml"
    text = document.read_text(encoding="utf-8")
    for before, after in EDITS.items():
        if text.count(before) != 1:
            raise SystemExit(f"{document} does not hold {before!r} once; curate it by hand and mend this script.")
        text = text.replace(before, after)
    document.write_text(text, encoding="utf-8")
    readme = PROFILE / "README.md"
    text = readme.read_text(encoding="utf-8").replace("# Watershed small\n", "# A small watershed after a wildfire\n")
    readme.write_text(text + README, encoding="utf-8")
    _renew_manifest()
    print(f"\n{PROFILE.relative_to(ROOT)} is new; look at it: git diff --stat {PROFILE.relative_to(ROOT)}")
    return 0


def _renew_manifest() -> None:
    """Write the SHA-256 of every file, as the assembler did for those it wrote."""
    path = PROFILE / "manifest.json"
    manifest = json.loads(path.read_bytes())
    files = (file for file in PROFILE.rglob("*") if file.is_file() and file != path)
    manifest["files"] = {
        file.relative_to(PROFILE).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(files)
    }
    path.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
