"""Pytest plugin: puts the recorder around every application that a framework's own tests call.

Loaded by `scripts/peers.py` into the tests of somebody else; where those call an application, they call the recorded one.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from wrapt import wrap_function_wrapper

import recorder


def pytest_configure(config: pytest.Config) -> None:
    """Wrap what is installed, before any test module takes a name from it."""
    for module, name, wrapper in PLACES:
        with warnings.catch_warnings(), suppress(ImportError):
            warnings.simplefilter("ignore")  # the suites turn them into errors
            importlib.import_module(module)
            wrap_function_wrapper(module, name, wrapper)


def _first_argument(wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
    """The application is the first argument, whatever it is called."""
    if args:
        return wrapped(recorder.wrap(args[0]), *args[1:], **kwargs)
    name = next(name for name in ("app", "application", "wsgi_application") if name in kwargs)
    return wrapped(**{**kwargs, name: recorder.wrap(kwargs[name])})


def _asgi3(wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
    """Starlette's client takes ASGI 2 applications, too; the recorder is for ASGI 3."""
    from starlette.testclient import _is_asgi3

    app = args[0] if args else kwargs["app"]
    return _first_argument(wrapped, instance, args, kwargs) if _is_asgi3(app) else wrapped(*args, **kwargs)


def _single(wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: Any) -> Any:
    """asgiref's communicator makes ASGI 3 of what it is given before it calls it; so the recorder is given that."""
    from asgiref.compatibility import guarantee_single_callable

    return wrapped(recorder.wrap(guarantee_single_callable(args[0])), *args[1:], **kwargs)


PLACES: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("starlette.testclient", "TestClient.__init__", _asgi3),
    ("asgiref.testing", "ApplicationCommunicator.__init__", _single),
    ("asgiref.wsgi", "WsgiToAsgi.__init__", _first_argument),
    ("werkzeug.test", "run_wsgi_app", _first_argument),
    ("webob.request", "BaseRequest.call_application", _first_argument),
)
