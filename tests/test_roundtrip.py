"""Record an application once, replay it on fresh instances: green where nothing changed, red where something did.

Nobody edits anything between the recording and the verdict. The applications know nothing of us (tests/apps).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from assembler import assemble
from assembler.promote import promote
from playback.engine import Options, replay
from playback.report import Report
from tests.apps import notes_drive, orders_drive
from tests.support import Server

SLUG = "workflow"


@dataclass(frozen=True)
class Subject:
    """An application, its server, the driver that uses it as a browser would, its end-state oracle, its user's secrets."""

    app: str
    server: Callable[..., Server]
    drive: Callable[[str], None]
    check: Callable[[str], None]
    secrets: tuple[tuple[str, str], ...]

    def fresh(self, state: Path, *, mutant: int = 0, shift: int = 0, workers: int = 2, **env: str) -> Server:
        app = "tests.apps.wrapped:app" if "WRAPPED_APP" in env else self.app
        env = {"APP_STATE": str(state), "MUTANT": str(mutant), "SHIFT": str(shift), **env}
        return self.server(app, workers=workers, env=env, path="/health")


SUBJECTS = {
    "orders": Subject(
        "tests.apps.orders_asgi:app",
        Server.uvicorn,
        orders_drive.drive,
        orders_drive.check,
        (("PROFILE_SECRET_PASSWORD", orders_drive.PASSWORD),),
    ),
    "notes": Subject(
        "tests.apps.notes_wsgi:app",
        Server.gunicorn,
        notes_drive.drive,
        notes_drive.check,
        (("PROFILE_SECRET_PASSWORD", notes_drive.PASSWORD),),
    ),
}


@pytest.fixture(scope="module", params=sorted(SUBJECTS))
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Subject, Path]:
    """A subject and the data root that holds its promoted profile, made once for all tests of this module."""
    subject = SUBJECTS[request.param]
    root = tmp_path_factory.mktemp(request.param)
    recording = {"RECORDER_ROOT": str(root / "recorder"), "RECORDER_CAPTURE": SLUG, "WRAPPED_APP": subject.app}
    with subject.fresh(root / "state", **recording) as server:
        subject.drive(server.url)
    status = assemble(root / "recorder", SLUG, root / "data")
    assert status.problems == ()
    promote(SLUG, root / "data")
    return subject, root / "data"


def replayed(subject: Subject, data_root: Path, base_url: str) -> Report:
    return replay(SLUG, data_root, Options(base_url=base_url), dict(subject.secrets))


@pytest.mark.parametrize("shift", [0, 7])
def test_green_on_a_fresh_instance(recorded: tuple[Subject, Path], tmp_path: Path, shift: int) -> None:
    subject, data_root = recorded
    with subject.fresh(tmp_path, shift=shift) as server:
        report = replayed(subject, data_root, server.url)
        assert report.result == "passed", [(s.id, m) for s in report.steps for m in s.mismatches]
        assert report.masked.share < 0.02
        subject.check(server.url)


@pytest.mark.parametrize("mutant", range(1, 7))
def test_red_when_behaviour_changed(recorded: tuple[Subject, Path], tmp_path: Path, mutant: int) -> None:
    subject, data_root = recorded
    with subject.fresh(tmp_path, mutant=mutant) as server:
        report = replayed(subject, data_root, server.url)
    assert report.result == "failed"
    assert report.exit_code == 1
    assert report.failing_step is not None
