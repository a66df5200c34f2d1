"""What every test gets: a clean environment, and a Redis of its own worker when it asks for one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, settings

from playback.redis_server import running_redis
from recorder.events import current_operation
from tests.support import CLEARED, PATIENCE, shared

pytest_plugins = ["tests.skips"]
# How long an example takes, and how long it takes to think of one, is the machine's.
settings.register_profile("steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")  # a change is judged by what it changes; look for more with --hypothesis-seed=random


def _be_patient() -> None:
    """A client of httpx that is not told how long to wait gives up after five seconds; a busy machine takes as long."""
    default = httpx.Client.__init__.__kwdefaults__["timeout"]  # one object, which all that httpx offers have in common
    for part in ("connect", "read", "write", "pool"):
        setattr(default, part, PATIENCE)


_be_patient()


def _clear() -> None:
    for name in [name for name in os.environ if name.startswith(CLEARED)]:
        del os.environ[name]


_clear()  # before any session fixture, so that no test can reach a Redis or a server of whoever runs them


@pytest.fixture(autouse=True)
def clean_environ() -> Iterator[None]:
    """Take back what a test set without monkeypatch; nothing that steers this product is inherited."""
    _clear()
    yield
    _clear()


@pytest.fixture(autouse=True)
def no_operation() -> Iterator[None]:
    """A test that drives the recorder in this process leaves its operation behind, where a server's context would end."""
    current_operation.set(None)
    yield
    current_operation.set(None)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A private Redis that lives as long as this pytest worker. Tests of one worker share it, one after the other."""
    with running_redis() as url:
        yield url


@pytest.fixture
def shared_data() -> Path:
    """Public sample data kept beside the repository; the test is skipped as `absent:` where it is not there."""
    return shared("data")
