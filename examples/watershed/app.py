"""A small stand-in for WEPPcloud: soil loss of a watershed, computed by RQ jobs, behind a Flask site.

Started with `PYTHONPATH=examples/watershed gunicorn 'app:create_app()'`.
"""

from __future__ import annotations

import api
import auth
import pages
from flask import Flask, redirect, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import CSRFProtect
from runs import Runs
from settings import Settings
from werkzeug.middleware.proxy_fix import ProxyFix

LARGEST_UPLOAD = 64 * 1024 * 1024  # bytes


def create_app(settings: Settings | None = None) -> Flask:
    """Return the application; settings come from the environment when not given."""
    settings = settings or Settings.from_environment()
    app = Flask(__name__, static_url_path="/weppcloud/static")
    app.config.update(
        SECRET_KEY=settings.signing_key(),
        MAX_CONTENT_LENGTH=LARGEST_UPLOAD,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.behind_https,
        REMEMBER_COOKIE_HTTPONLY=True,
        REMEMBER_COOKIE_SAMESITE="Lax",
        REMEMBER_COOKIE_SECURE=settings.behind_https,
        TOOLBAR=settings.recorder_enabled,
    )
    app.json.sort_keys = False
    app.extensions["runs"] = Runs.from_settings(settings)
    CSRFProtect(app)
    auth.add_login(app, settings)
    app.register_blueprint(pages.pages, url_prefix="/weppcloud")
    app.register_blueprint(api.calls, url_prefix="/weppcloud")
    app.add_url_rule("/", view_func=_to_the_site)
    app.add_url_rule("/health", view_func=_health)
    if settings.public_origin:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_proto=1, x_host=1)
    if settings.recorder_enabled:
        from recorder import wrap

        app.wsgi_app = wrap(app.wsgi_app)
    return app


def __getattr__(name: str) -> Flask:
    """Build `app` when somebody asks for it by name, as `gunicorn app:app` does."""
    if name == "app":
        return create_app()
    raise AttributeError(name)


def _to_the_site() -> ResponseReturnValue:
    return redirect(url_for("site.index"))


def _health() -> dict[str, str]:
    return {"status": "ok"}
