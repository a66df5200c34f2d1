"""What tests of the example applications share."""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.examples.watershed_site import WATERSHED, Browser, Site, running_site


@pytest.fixture
def watershed_module(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Import a module of the sample application as it imports its own: by its bare name. Forgotten afterwards."""
    monkeypatch.syspath_prepend(WATERSHED)
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").is_relative_to(WATERSHED):
            del sys.modules[name]


@pytest.fixture(scope="package")
def site(redis_url: str) -> Iterator[Site]:
    with tempfile.TemporaryDirectory() as folder, running_site(redis_url, Path(folder)) as site:
        yield site


@pytest.fixture(scope="package")
def browser(site: Site) -> Browser:
    return site.browser()
