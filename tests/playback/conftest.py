"""What several tests of the service use."""

from __future__ import annotations

import pytest

from playback import engine
from tests.playback.serving import FakeEngine


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """The engine that the service calls, in the hand of the test."""
    fake = FakeEngine()
    monkeypatch.setattr(engine, "replay", fake)
    return fake
