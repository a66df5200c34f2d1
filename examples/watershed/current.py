"""What belongs to the application that answers the current request."""

from __future__ import annotations

from flask import current_app
from runs import Runs


def current_runs() -> Runs:
    runs: Runs = current_app.extensions["runs"]
    return runs
