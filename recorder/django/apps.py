"""The Django application: it has no models, it only sees to it that RQ is hooked."""

from __future__ import annotations

from django.apps import AppConfig

from recorder.core import watch_rq


class RecorderConfig(AppConfig):  # type: ignore[misc]  # Django brings no types
    """Loads `recorder.rq` as soon as RQ is imported, and at once when it has been."""

    name = "recorder.django"
    label = "recorder"
    verbose_name = "Profile recorder"

    def ready(self) -> None:
        """Register the hook."""
        watch_rq()
