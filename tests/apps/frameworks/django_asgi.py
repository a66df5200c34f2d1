"""The `asgi.py` of the Django project in `django_app`."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

import recorder
from tests.apps.frameworks.story import BARE, settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.apps.frameworks.django_app")
app = get_asgi_application()
if not BARE:
    app = recorder.wrap(app, settings())
