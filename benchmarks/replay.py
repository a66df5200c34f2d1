"""What a replay costs beside the work it repeats.

    python benchmarks/replay.py         about a minute and a half: the quietest of some rounds each, on loopback

A replay includes comparison, report and, where there is a run, its clone.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # not the folder of this file: it holds another `recorder`
sys.path.append(str(ROOT / "examples"))

import demo_workflow  # noqa: E402
from demo_interrupts import Interrupts  # noqa: E402
from demo_site import WATERSHED, Site  # noqa: E402

from assembler import assemble  # noqa: E402
from assembler.promote import promote  # noqa: E402
from benchmarks._measure import Table, in_turn, timed  # noqa: E402
from playback.engine import Options, replay  # noqa: E402
from playback.envfile import environment  # noqa: E402
from playback.redis_server import RedisNotFound  # noqa: E402
from tests.apps import orders_drive  # noqa: E402
from tests.support import Server, wait_until  # noqa: E402

SLUG = "bench"
ORDERS = 60
"""How many things or orders are made, read, listed and deleted: five requests each."""
SECRETS = {"PROFILE_SECRET_PASSWORD": orders_drive.PASSWORD}


class NotMeasured(RuntimeError):
    """A replay that did not pass has no time worth telling."""


def tiny_requests(base_url: str, things: int = ORDERS) -> None:
    """Five requests for each thing to an application that does nothing: all that is measured is the way there."""
    with orders_drive.browser(base_url) as client:
        for number in range(things):
            made = client.post("/things", json={"number": number, "name": f"thing {number}"}).json()
            for _ in range(3):
                assert client.get(f"/things/{made['id']}").json() == made
            client.delete(f"/things/{made['id']}")


def order_requests(base_url: str) -> None:
    """About 300 requests to an application with a login and an SQLite file."""
    with orders_drive.browser(base_url) as client:
        client.headers["X-CSRF-Token"] = orders_drive.sign_in(client)
        for number in range(ORDERS):
            order = orders_drive.ORDERS[number % 3] | {"purchase_number": f"PO-{number}"}
            made = client.post("/api/orders", json=orders_drive.body_of(order)).json()
            for _ in range(2):
                assert client.get(made["url"]).json()["ref"] == made["ref"]
            assert client.get("/api/orders").json()["count"] == 1
            assert client.delete(made["url"]).status_code == 204


def small_steps(folder: Path, app: str, requests: Callable[[str], None]) -> tuple[float, float, int]:
    """Seconds of the bare requests, seconds of their replay, and the number of steps; each on fresh servers."""

    def served(name: str, **recording: str) -> Server:
        env = {"APP_STATE": str(folder / name), "WRAPPED_APP": app, **recording}
        (folder / name).mkdir(parents=True)
        return Server.uvicorn("tests.apps.wrapped:app" if recording else app, env=env, path="/health")

    with served("recorded", RECORDER_ROOT=str(folder / "recorder"), RECORDER_CAPTURE=SLUG) as server:
        requests(server.url)
    status = assemble(folder / "recorder", SLUG, folder)
    promote(SLUG, folder)
    rounds = iter(range(100))

    def bare() -> float:
        with served(f"round{next(rounds)}") as server:
            return timed(lambda: requests(server.url))

    def replayed() -> float:
        with served(f"round{next(rounds)}") as server:
            report = replay(SLUG, folder, Options(base_url=server.url), SECRETS)
        if report.result != "passed":
            raise NotMeasured(f"{app}: {report.result} at {report.failing_step}: {report.error}")
        return report.duration_s

    first, second = in_turn([bare, replayed], 5, min)
    return first, second, status.steps


def sequences(folder: Path) -> None:
    """Small requests, one after the other."""
    table = Table("Seconds for small requests one after the other, comparison and report included", "httpx", "replay")
    for what, app, requests in (
        ("an application that does nothing", "benchmarks._things:app", tiny_requests),
        ("tests/apps orders: login, SQLite", "tests.apps.orders_asgi:app", order_requests),
    ):
        bare, ours, steps = small_steps(folder / requests.__name__, app, requests)
        note = f"{steps} steps; {(ours - bare) / steps * 1000:+.2f} ms a step"
        table.row(what, bare, ours, "s", note)


def sample_application(folder: Path) -> None:
    """The workflow of `make demo`: a login, three uploads, a tree of six jobs, reports."""
    table = Table("Seconds for the sample application's workflow (gunicorn, RQ, six jobs)", "by itself", "replay")
    with Site(folder, Interrupts()) as site:
        site.start_redis()
        site.start_application(WATERSHED)
        site.wait_for_worker()
        assembler = site.start_assembler(SLUG)
        recorded = demo_workflow.record(site.url, SLUG, lambda line: None)
        draft = site.data_root / "profiles" / "_drafts" / SLUG / "status.json"
        wait_until(draft.exists, f"a draft; the assembler said: {site.said('assembler')}")
        ready = time.monotonic() - recorded.ended
        assembler.stop()
        promote(SLUG, site.data_root)
        demo_workflow.POLL = 0.005  # by itself: whoever waits for the jobs sees at once that they have ended
        takes = iter(range(100))
        environ = environment(site.data_root, None, base_url=site.url) | site.environment

        def by_itself() -> float:
            again = demo_workflow.record(site.url, f"again{next(takes)}", lambda line: None)
            return float(again.seconds)

        def replayed() -> float:
            report = replay(SLUG, site.data_root, Options(base_url=site.url), environ)
            if report.result != "passed":
                raise NotMeasured(f"sample application: {report.result} at {report.failing_step}: {report.error}")
            return report.duration_s

        bare, ours = in_turn([by_itself, replayed], 3, min)
    table.row(f"{recorded.requests} requests and 6 jobs", bare, ours, "s", "clone, comparison and report included")
    table.row("capture end → draft ready", None, ready, "s", "the assembler followed")


def main() -> int:
    """Measure everything, in a folder of its own."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pte-bench-") as folder:
        try:
            sequences(Path(folder))
            sample_application(Path(folder) / "sample")
        except (NotMeasured, RedisNotFound) as error:
            print(f"not measured: {error}")
            return 1
    print(f"\n{time.monotonic() - began:.0f} s in all, Python {sys.version.split()[0]}, {os.cpu_count()} processors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
