"""Make pictures of every page of the playback service and of the sample application, in both themes, into docs/images/.

    .venv/bin/python scripts/screenshots.py [--out DIR]      needs Chromium

The sample profile is replayed three times against the sample application and once against a copy with a wrong line; then
the pages are looked at with a browser. Times and ids differ from one call to the next: commit the pictures when a page
has changed, and look at them before.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import rasterio
import yaml
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from sample_shots import sample_shots  # noqa: E402

from playback import engine  # noqa: E402
from playback.engine import Options, replay  # noqa: E402
from tests.browser.conftest import CHROMIUM  # noqa: E402
from tests.browser.told import Puppet  # noqa: E402
from tests.playback.reports import passed  # noqa: E402
from tests.playback.serving import serving  # noqa: E402
from tests.sample import broken_copy, settings, site_of_its_own  # noqa: E402

SLUG = "watershed-small"
WIDE, HIGH = 1200, 700
PHONE = 390
COLOURS, SURFACES = 256, 48
"""Of a picture: in its palette, and of them those that are kept as they are, for most of it has one of them."""


def furnish(folder: Path, data_root: Path) -> None:
    """The sample profile with a history of replays, and a draft of it."""
    shutil.copytree(ROOT / "profiles" / SLUG, data_root / "profiles" / SLUG)
    draft = data_root / "profiles" / "_drafts" / "watershed-large"
    shutil.copytree(ROOT / "profiles" / SLUG, draft)
    document = (draft / "profile.yaml").read_text(encoding="utf-8")
    (draft / "profile.yaml").write_text(document.replace(f"slug: {SLUG}", "slug: watershed-large", 1), encoding="utf-8")
    status = {"state": "ready", "steps": 16, "made": time.time() - 3 * 86400, "problems": [], "warnings": []}
    (draft / "status.json").write_text(json.dumps(status))
    log = folder / "recorded" / "_logs" / "profile.events.jsonl"
    log.parent.mkdir(parents=True)
    shutil.copy(draft / "events.jsonl", log)
    (data_root / ".recorder").mkdir()
    listed = {"v": 1, "log": str(log), "run_id": yaml.safe_load(document)["metadata"]["recorded_with"]["run_id"]}
    (data_root / ".recorder" / "logs.jsonl").write_text(json.dumps(listed) + "\n")
    for name, broken in (("right", False), ("wrong", True)):
        (folder / name).mkdir()
        source = [broken_copy(folder / name)] if broken else []
        with site_of_its_own(folder / name, *source) as site:
            for _ in range(1 if broken else 3):
                report = replay(SLUG, data_root, Options(base_url=site.url, keep_going=True), settings(site, data_root))
                print(f"{SLUG}: {report.result}", flush=True)


def watch(url: str, puppet: Puppet) -> str:
    """Begin a run that stands still in the middle; returns the path of its page."""
    answer = httpx.post(f"{url}/ui/run", data={"slug": SLUG})
    profile = httpx.get(f"{url}/profiles/{SLUG}").json()["document"]
    planned = [*profile["prologue"], *profile["steps"]]
    steps = [step["id"] for step in planned]
    at = steps.index("post-api-run-wepp")
    for number, step in enumerate(steps[: at + 1]):
        puppet.begin(step, number, len(steps))
        if number < at:
            puppet.end(step, number, len(steps), planned[number]["expect"]["status"])
    names = ["run_wepp", "delineate", "run_slope", "run_flow", "run_rusle", "finalize"]
    states = ["finished", "finished", "finished", "started", "deferred", "deferred"]
    tree: dict[str, object] = {"id": "0", "function": f"tasks.{names[0]}", "status": states[0], "duration_ms": 41.0}
    below = [
        {"id": str(n), "function": f"tasks.{name}", "status": state, "queue": "wepp", "children": []}
        for n, (name, state) in enumerate(zip(names, states, strict=True))
    ]
    puppet.events.put({"event": "wait_started", "id": steps[at], "job": "0", "limit_s": 30.0})
    puppet.events.put({"event": "jobs", "id": steps[at], "tree": tree | {"children": below[1:]}})
    return str(answer.headers["location"])


def pages(url: str, live: str) -> Mapping[str, str]:
    """Every page by the name of its picture."""
    runs = httpx.get(f"{url}/runs").json()
    failed = next(run["run_id"] for run in runs if run["result"] == "failed")
    log = _link(f"{url}/ui/audit", "/ui/audit/[0-9a-f]+")
    enqueued = _link(f"{url}{log}", f'{log}/operations/[^"]+', "[^<]*run-wepp")
    return {
        "catalogue": "/",
        "runs": "/ui/runs",
        "profile": f"/ui/profiles/{SLUG}",
        "run-live": live,
        "run-failed": f"/ui/runs/{failed}",
        "run-failed-map": f"/ui/runs/{failed}#files",
        "draft": "/ui/drafts/watershed-large",
        "compare": f"/ui/compare/{SLUG}",
        "audit": log,
        "audit-cause": enqueued,
    }


def _link(address: str, pattern: str, text: str = "") -> str:
    """The last link of that kind, and with that text, in a page."""
    found = re.findall(f'href="({pattern})"[^>]*>{text}', httpx.get(address).text)
    assert found, f"{address} has no link {pattern}"
    return str(found[-1])


@contextmanager
def browser() -> Iterator[Browser]:
    """Chromium."""
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        raise SystemExit("Chromium is needed: apt-get install chromium")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])


def shoot(chromium: Browser, url: str, shown: Mapping[str, str], out: Path) -> None:
    """A picture of each page in either theme, and of some on a phone."""
    for theme, width in (("light", WIDE), ("dark", WIDE), ("light", PHONE)):
        viewport = {"width": width, "height": HIGH}
        context = chromium.new_context(viewport=viewport, color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
        page = context.new_page()
        for name, path in shown.items():
            if width == PHONE and name not in ("catalogue", "run-failed"):
                continue
            page.goto(url + path)
            page.wait_for_load_state("load")
            raw = page.screenshot()
            keep(out, f"{name}-{'phone' if width == PHONE else theme}", raw)
        context.close()


def keep(out: Path, name: str, raw: bytes) -> None:
    """Write one picture and say how large it is."""
    picture = out / f"{name}.png"
    picture.write_bytes(smaller(raw))
    print(f"{picture.name}: {picture.stat().st_size // 1000} kB", flush=True)


def smaller(png: bytes) -> bytes:
    """The picture with a palette: a third of the size, and hardly an eye sees it."""
    pixels = decode(png)
    colours, where, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True, return_counts=True)
    colours = colours.astype(np.int32)
    palette = palette_of(colours, counts)
    nearest = np.array([int(((palette - colour) ** 2).sum(axis=1).argmin()) for colour in colours], dtype=np.uint8)
    indices = nearest[where.reshape(-1)].reshape(pixels.shape[:2])
    height, width = indices.shape
    lines = np.pad(indices, ((0, 0), (1, 0))).tobytes()
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = [
        (b"IHDR", head),
        (b"PLTE", palette.astype(np.uint8).tobytes()),
        (b"IDAT", zlib.compress(lines, 9)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


def palette_of(colours: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """At most `COLOURS` of them: the most frequent as they are, of all others the mean of each of the boxes they are cut into."""
    order = np.argsort(-counts)
    surfaces, rest = colours[order[:SURFACES]], order[SURFACES:]
    boxes = [rest] if rest.size else []
    while boxes and len(boxes) < COLOURS - SURFACES:
        widths = [int(np.ptp(colours[box], axis=0).max()) for box in boxes]
        if not max(widths):
            break
        box = boxes.pop(int(np.argmax(widths)))
        axis = int(np.ptp(colours[box], axis=0).argmax())
        box = box[np.argsort(colours[box, axis], kind="stable")]
        middle = colours[box[0], axis] + np.ptp(colours[box, axis]) / 2
        cut = int(np.searchsorted(colours[box, axis], middle, side="right"))
        boxes += [box[:cut], box[cut:]]
    means = [np.average(colours[box], axis=0, weights=counts[box]).round().astype(np.int32) for box in boxes]
    return np.array([*surfaces, *means])


def decode(png: bytes) -> np.ndarray:
    """The pixels of a PNG as rows, columns, RGB."""
    with rasterio.MemoryFile(png) as file, file.open() as raster:
        return np.moveaxis(raster.read([1, 2, 3]), 0, -1)


def main() -> int:
    """Make the pictures; returns 0."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        data_root, folder = Path(scratch, "data"), Path(scratch, "site")
        folder.mkdir()
        furnish(folder, data_root)
        puppet = Puppet()
        engine.replay = puppet  # from here on a run stands still where a picture of it is wanted
        with serving({"PROFILE_DATA_ROOT": str(data_root)}) as url, browser() as chromium:
            shoot(chromium, url, pages(url, watch(url, puppet)), out)
            puppet.events.put(passed())
            Path(scratch, "sample").mkdir()
            sample_shots(chromium, Path(scratch, "sample"), lambda name, raw: keep(out, name, raw))
    return 0


if __name__ == "__main__":
    sys.exit(main())
