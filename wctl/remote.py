"""The engine behind a playback service, with the signature of the one in process."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from playback import results
from playback.cancelling import on_cancel
from playback.engine import Options, Progress
from playback.errors import BadProfile, PlaybackError, TargetRefused, Unjudgeable, UnknownProfile
from playback.report import Report

__all__ = ["SERVICE", "Service"]

SERVICE = "PROFILE_PLAYBACK_URL"
TOKEN = "PROFILE_PLAYBACK_TOKEN"
ERRORS: dict[int, type[PlaybackError]] = {404: UnknownProfile, 409: TargetRefused, 422: BadProfile}


class Service:
    """A playback service at `url`. Call it as `playback.engine.replay`: it raises and returns the same."""

    def __init__(self, url: str, verbose: bool = False) -> None:
        self.url = url.rstrip("/")
        self.verbose = verbose

    def __call__(
        self,
        slug: str,
        data_root: Path,
        options: Options,
        environ: Mapping[str, str],
        progress: Progress = lambda event: None,
        cancelled: threading.Event | None = None,
    ) -> Report:
        """Replay on the service, which has its own data root and environment."""
        cancelled = cancelled or threading.Event()
        wanted = {name: value for name, value in vars(options).items() if value not in (None, False)}
        headers = {"Accept": "application/x-ndjson"}
        if token := environ.get(TOKEN):
            headers["Authorization"] = f"Bearer {token}"
        started_at = datetime.now(UTC)
        try:
            with (
                httpx.Client(timeout=httpx.Timeout(10.0, read=None), trust_env=False) as client,
                client.stream(
                    "POST", f"{self.url}/run/{slug}", json={**wanted, "verbose": self.verbose}, headers=headers
                ) as answer,
                on_cancel(cancelled, lambda: _hang_up(answer)),
            ):
                if answer.status_code != 200:
                    answer.read()
                    raise self._error(answer)
                for line in answer.iter_lines():
                    event = json.loads(line) if line.strip() else {}
                    event.pop("seq", None)
                    if event.get("event") == "report":
                        return results.parse(event["report"])
                    if event.get("event") == "error":
                        raise ERRORS.get(int(event.get("status") or 0), Unjudgeable)(str(event.get("message")))
                    if event:
                        progress(event)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if not cancelled.is_set():
                reason = str(error) or type(error).__name__
                raise Unjudgeable(
                    f"The playback service at {self.url} ({SERVICE}) does not answer ({reason}). Start it with "
                    f"`wctl up`, or unset {SERVICE} to replay without it."
                ) from error
        if not cancelled.is_set():
            raise Unjudgeable(f"The playback service at {self.url} ended before the verdict.")
        seconds = (datetime.now(UTC) - started_at).total_seconds()
        note = "The playback service was told to stop; its log has what was replayed."
        return Report(slug, None, "interrupted", started_at.isoformat(), seconds, options.base_url, None, error=note)

    def _error(self, answer: httpx.Response) -> PlaybackError:
        try:
            sentence = str(answer.json()["detail"])
        except (ValueError, KeyError, TypeError):
            sentence = f"{self.url} answered {answer.status_code}; is {SERVICE} a playback service?"
        return ERRORS.get(answer.status_code, Unjudgeable)(sentence)


def _hang_up(answer: httpx.Response) -> None:
    """End the connection, so that whoever reads from it wakes up and the service stops."""
    stream: Any = answer.extensions["network_stream"]
    with contextlib.suppress(OSError):
        stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
