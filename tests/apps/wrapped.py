"""`app` is the application that WRAPPED_APP names (`module:name`), seen by the recorder, of which it knows nothing."""

from __future__ import annotations

import importlib
import os

import recorder

_module, _, _name = os.environ["WRAPPED_APP"].partition(":")
app = recorder.wrap(getattr(importlib.import_module(_module), _name))
