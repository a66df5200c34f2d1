"""Logging in and out: one administrator, known from the environment."""

from __future__ import annotations

from secrets import compare_digest

from flask import Blueprint, Flask, current_app, flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, UserMixin, login_required, login_user, logout_user
from settings import Settings
from werkzeug.security import check_password_hash, generate_password_hash

pages = Blueprint("auth", __name__)


class Administrator(UserMixin):
    """The one user; the id is the mail address."""

    def __init__(self, email: str) -> None:
        self.id = email


def add_login(app: Flask, settings: Settings) -> None:
    app.config["ADMINISTRATOR"] = settings.admin_email
    app.config["PASSWORD_HASH"] = generate_password_hash(settings.admin_password)
    login = LoginManager(app)
    login.user_loader(lambda email: Administrator(email) if email == settings.admin_email else None)
    login.unauthorized_handler(_ask_to_log_in)
    app.register_blueprint(pages, url_prefix="/weppcloud")


@pages.get("/login")
def login_form() -> str:
    return render_template("login.html", next=request.args.get("next", ""))


@pages.post("/login")
def log_in() -> ResponseReturnValue:
    form = request.form
    password_fits = check_password_hash(current_app.config["PASSWORD_HASH"], form.get("password", ""))
    email_fits = compare_digest(form.get("email", "").encode(), current_app.config["ADMINISTRATOR"].encode())
    if not (password_fits and email_fits):
        flash("That mail address and password do not belong together.")
        return render_template("login.html", next=form.get("next", ""))
    login_user(Administrator(form["email"]), remember="remember" in form)
    return redirect(_own_page(form.get("next", "")) or url_for("site.index"))


@pages.post("/logout")
@login_required
def log_out() -> ResponseReturnValue:
    logout_user()
    return redirect(url_for("auth.login_form"))


def _ask_to_log_in() -> ResponseReturnValue:
    """Send people to the form and come back afterwards; tell scripts in JSON."""
    if "/tasks/" in request.path or "/rq/" in request.path:
        return jsonify(Success=False, Error="Log in first."), 401
    return redirect(url_for("auth.login_form", next=request.full_path.rstrip("?")))


def _own_page(address: str) -> str | None:
    """Return the address if it is a path of this site: `//host` and `/\\host` lead elsewhere."""
    return address if address.startswith("/weppcloud/") else None
