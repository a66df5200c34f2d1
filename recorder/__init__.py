"""The recorder: runs inside a web application and its RQ workers, watches, and writes down what happens.

    server ──▶ recorder.asgi / recorder.wsgi ──▶ the application      two thin adapters; bytes pass unchanged
                          │
                          ▼
               recorder.exchange.Exchange    one request and its answer, told piece by piece
                 │        │         │
                 │        │         └──▶ recorder.bodies, .multipart    large bodies and uploads ──▶ profile.bodies/
                 │        └──▶ recorder.redaction, .names, .pseudonyms  what is secret never reaches the disk
                 ▼
               recorder.events ──▶ recorder.log.Writer ──▶ _logs/profile.events.jsonl
                 ▲                                           │
    recorder.rq ─┘ jobs, caused by the current operation     └──▶ recorder.reader, recorder.tail ──▶ the assembler

`recorder.captures` marks the windows in which all this becomes a profile, `recorder.api` lets a browser open and close
them. The formats are in docs/formats.md.

Wrap the application, and that is all:

    from recorder import wrap
    application = wrap(application)
"""

from __future__ import annotations

from typing import Any

from recorder.settings import Settings

__all__ = ["Settings", "wrap"]


def wrap(app: Any, settings: Settings | None = None) -> Any:
    """Return the WSGI or ASGI application with a recorder around it; the application itself when recording is off.

    An application is ASGI when it (or its `__call__`) is a coroutine function or takes three arguments. Settings come
    from `RECORDER_*` when not given. Raises ValueError for settings that cannot be meant.
    """
    settings = settings or Settings.from_env()
    if not settings.enabled:
        return app
    from recorder import asgi, wsgi

    if isinstance(app, (asgi.RecorderMiddleware, wsgi.RecorderMiddleware)):
        return app
    return asgi.RecorderMiddleware(app, settings) if _is_asgi(app) else wsgi.RecorderMiddleware(app, settings)


def _is_asgi(app: Any) -> bool:
    import inspect

    called = app
    while hasattr(called, "func") and hasattr(called, "keywords"):  # functools.partial
        called = called.func
    if inspect.isclass(called):
        return hasattr(called, "__await__")
    if not inspect.isroutine(called):
        called = type(called).__call__
    if inspect.iscoroutinefunction(called):
        return True
    try:
        parameters = inspect.signature(app).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in positional and p.default is p.empty for p in parameters) == 3
