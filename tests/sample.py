"""What tests replay against the sample application: a data root of their own, the settings of a replay, broken copies."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playback.redis_server import running_redis
from tests.examples.watershed_site import CREDENTIALS, WATERSHED, Site, running_site

RIGHT, WRONG = "LS_EXPONENT = 0.4\n", "LS_EXPONENT = 0.5\n"


@contextmanager
def site_of_its_own(folder: Path, source: Path = WATERSHED) -> Iterator[Site]:
    """The application with a Redis that nobody else's worker listens to."""
    with running_redis() as url, running_site(url, folder, source) as site:
        yield site


def broken_copy(folder: Path) -> Path:
    """The application with the one wrong line of the demo."""
    source = folder / "broken"
    shutil.copytree(WATERSHED, source, ignore=shutil.ignore_patterns("__pycache__"))
    text = (source / "hydrology.py").read_text()
    assert text.count(RIGHT) == 1
    (source / "hydrology.py").write_text(text.replace(RIGHT, WRONG))
    return source


def settings(site: Site, data_root: Path) -> dict[str, str]:
    """The environment of a replay against `site`."""
    redis = site.redis.connection_pool.connection_kwargs
    return {
        "PROFILE_DATA_ROOT": str(data_root),
        "PROFILE_PLAYBACK_BASE_URL": site.url,
        "PROFILE_PLAYBACK_RUN_ROOT": str(site.clone_root),
        "REDIS_URL": f"unix://{redis['path']}?db=0",
        "ADMIN_EMAIL": CREDENTIALS["email"],
        "ADMIN_PASSWORD": CREDENTIALS["password"],
    }


def state_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below `folder` with its time of change and its content."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }
