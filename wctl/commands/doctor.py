"""Why does it not work? One line for each thing that recording and replaying need."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import httpx

from playback import catalogue
from playback.enqueue import Enqueuer
from playback.envfile import environment
from playback.errors import PlaybackError, TargetRefused, Unjudgeable
from playback.login import form_login
from playback.redis_server import RedisNotFound, find_redis
from playback.target import Target, check_target, refuse_production
from playback.wire import Client
from recorder.pseudonyms import load_key
from wctl.console import answer, without_password
from wctl.options import BaseUrl, DataRoot, EnvFile

__all__ = ["doctor"]

ASK = 5.0  # seconds for the application's answer


@dataclass(frozen=True)
class Finding:
    """One line: `ok`, `problem` (something has to be changed), or `note` (not looked at, or fine for some uses)."""

    subject: str
    state: Literal["ok", "problem", "note"]
    sentence: str


def doctor(base_url: BaseUrl = None, env_file: EnvFile = None, data_root: DataRoot = Path()) -> int:
    """Look at everything that recording and replaying need, and say what to change.

    Exit code 0 when there is no problem, else 2.
    """
    root = data_root.absolute()
    environ = environment(root, env_file, base_url=base_url)
    problems = 0
    for finding in _findings(root, base_url or environ.get("PROFILE_PLAYBACK_BASE_URL"), environ):
        answer(f"{finding.state:8}{finding.subject}: {finding.sentence}")
        problems += finding.state == "problem"
    return 2 if problems else 0


def _findings(root: Path, base_url: str | None, environ: Mapping[str, str]) -> Iterator[Finding]:
    yield Finding("installed", "ok", f"profile-test-engine {metadata.version('profile-test-engine')} with [playback]")
    yield _data_root(root)
    yield _profiles(root)
    yield _key(environ)
    yield from _redis(environ)
    yield from _application(base_url, environ)


def _data_root(root: Path) -> Finding:
    if not root.is_dir():
        return Finding("data root", "problem", f"{root} does not exist; create it, or choose another with --data-root.")
    try:
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        return Finding(
            "data root", "problem", f"{root} cannot be written ({error.strerror}); let this user write there."
        )
    return Finding("data root", "ok", str(root))


def _profiles(root: Path) -> Finding:
    entries = catalogue.catalogue(root)
    broken = [entry for entry in entries if entry.problem]
    if broken:
        return Finding(
            "profiles", "problem", f"{len(broken)} of {len(entries)} cannot be read; the first: {broken[0].problem}"
        )
    if not entries:
        return Finding(
            "profiles", "note", f"none below {root / catalogue.PROFILES} yet; record one: wctl capture start"
        )
    return Finding("profiles", "ok", f"{len(entries)} below {root / catalogue.PROFILES}")


def _key(environ: Mapping[str, str]) -> Finding:
    """The key of the pseudonyms: without it the assembler cannot follow secrets."""
    path = Path(environ.get("RECORDER_ROOT") or ".recorder").absolute() / "key"
    key = environ.get("RECORDER_KEY")
    try:
        if key is None and not path.exists():
            sentence = f"{path} is not there yet; the recorder makes it, or set RECORDER_ROOT to its folder."
            return Finding("key", "note", sentence)
        if not load_key(path.parent, key):
            raise ValueError("it is empty")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        where = "RECORDER_KEY" if key else path
        return Finding(
            "key",
            "problem",
            f"{where} cannot be read ({reason}); run as the user whose file it is, or set RECORDER_KEY.",
        )
    return Finding("key", "ok", "RECORDER_KEY" if key else str(path))


def _redis(environ: Mapping[str, str]) -> Iterator[Finding]:
    url = environ.get("PROFILE_PLAYBACK_REDIS_URL") or environ.get("REDIS_URL")
    if not url:
        yield _startable()
        yield Finding("worker", "note", "not looked for: REDIS_URL does not say where the application's Redis is.")
        return
    import redis  # costs a tenth of a second, which no other command needs to spend

    try:
        connection: Any = redis.Redis.from_url(url, socket_connect_timeout=ASK, socket_timeout=ASK)
        connection.ping()
    except (redis.RedisError, ValueError) as error:
        yield Finding(
            "redis", "problem", f"none answers at {without_password(url)} ({error}); start it, or correct REDIS_URL."
        )
        return
    yield Finding("redis", "ok", without_password(url))
    queues = Enqueuer(connection).queues()
    if queues:
        yield Finding("worker", "ok", f"listening on {', '.join(queues)}")
    else:
        yield Finding(
            "worker",
            "problem",
            f"no RQ worker listens there; start one: rq worker --url {without_password(url)} default",
        )


def _startable() -> Finding:
    try:
        found = find_redis({name: value for name, value in os.environ.items() if name != "REDIS_URL"})
    except RedisNotFound as error:
        return Finding("redis", "problem", str(error))
    return Finding("redis", "note", f"REDIS_URL is not set; `wctl up` would start {found.binary}")


def _application(base_url: str | None, environ: Mapping[str, str]) -> Iterator[Finding]:
    if base_url is None:
        yield Finding(
            "application", "problem", "nothing says where it is; give --base-url, or set PROFILE_PLAYBACK_BASE_URL."
        )
        return
    try:
        target = check_target(base_url, environ.get("PROFILE_PLAYBACK_INTERNAL_URL"), environ)
        with httpx.Client(trust_env=False) as client:
            answered = _get(client, target, target.base_path + "/")
            yield Finding("application", "ok", f"answers {answered.status_code} at {target.internal_origin}")
            yield _recorder(client, target, environ)
    except PlaybackError as error:
        yield Finding("application", "problem", str(error))
        return
    yield _login(target, environ)


def _recorder(client: httpx.Client, target: Target, environ: Mapping[str, str]) -> Finding:
    prefix = "/" + (environ.get("RECORDER_PREFIX") or "/recorder").strip("/")
    answers = [
        _get(client, target, path)
        for path in dict.fromkeys((prefix + "/status", target.base_path + prefix + "/status"))
    ]
    if not any("x-recorder" in answer.headers for answer in answers):
        return Finding(
            "recorder",
            "problem",
            f"none answers at {prefix}; replays work without, recording needs it: app = recorder.wrap(app)",
        )
    try:
        refuse_production(target, client, prefix)
    except TargetRefused as error:
        return Finding("recorder", "problem", str(error))
    return Finding("recorder", "ok", "answers, and it is not production")


def _login(target: Target, environ: Mapping[str, str]) -> Finding:
    user, password = environ.get("ADMIN_EMAIL"), environ.get("ADMIN_PASSWORD")
    if not user or not password:
        return Finding(
            "login", "note", "not tried: ADMIN_EMAIL and ADMIN_PASSWORD are not set; recorded logins need neither."
        )
    client = Client(target, {}, ASK)
    try:
        form_login(client, target, user, password)
    except Unjudgeable as error:
        return Finding("login", "problem", str(error))
    return Finding("login", "ok", f"{user} may log in")


def _get(client: httpx.Client, target: Target, path: str) -> httpx.Response:
    """The answer at `path`. Raises Unjudgeable when there is none."""
    try:
        return client.get(
            target.connect_origin + path,
            headers={"Host": target.host},
            extensions={"sni_hostname": target.tls_name},
            timeout=ASK,
        )
    except httpx.RequestError as error:
        reason = str(error) or type(error).__name__
        raise Unjudgeable(
            f"nothing answers at {target.internal_origin} ({reason}); start it, or correct --base-url."
        ) from error
