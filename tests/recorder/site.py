"""The WSGI application that the gunicorn test serves; its recorder is set up by the environment."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from recorder import wrap
from tests.support import wait_until

WORKERS = 4


def greet(made: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Greet; at `/meet` not before every worker has such a request, so that each of them has served one."""
    body = made["wsgi.input"].read(int(made.get("CONTENT_LENGTH") or 0))
    if made["PATH_INFO"] == "/meet":
        place = Path(os.environ["MEETING"])
        (place / str(os.getpid())).touch()
        wait_until(lambda: len(list(place.iterdir())) == WORKERS, "all workers have a request")
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Pid", str(os.getpid()))])
    if made["PATH_INFO"] == "/file":
        return made["wsgi.file_wrapper"](open(__file__, "rb"))  # type: ignore[no-any-return]
    return [b"hello ", body]


wsgi = wrap(greet)
