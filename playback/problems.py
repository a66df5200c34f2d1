"""Refusals over HTTP: problem details (RFC 9457), one sentence each, never a traceback."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from playback.errors import BadProfile, TargetRefused, UnknownProfile

__all__ = ["MEDIA_TYPE", "document", "install", "problem", "status_of"]

MEDIA_TYPE = "application/problem+json"
STATUS = {UnknownProfile: 404, TargetRefused: 409, BadProfile: 422}


def problem(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that says in one sentence why there is no other."""
    return JSONResponse(document(status, sentence), status, headers, MEDIA_TYPE)


def document(status: int, sentence: str) -> dict[str, Any]:
    """The members of a problem detail; `detail` is the sentence. A half of a surrogate pair cannot be sent as it is."""
    sentence = sentence.encode("utf-8", "backslashreplace").decode()
    return {"title": HTTPStatus(status).phrase, "status": status, "detail": sentence}


def status_of(error: Exception | None) -> int:
    """The status that tells a caller what kind of refusal `error` is."""
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)


def install(app: FastAPI) -> None:
    """Let `app` answer its own refusals in this form, too: no such address, a parameter that cannot be read, a fault."""

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        sentence = str(error.detail)
        if error.status_code == 404:
            sentence = f"There is nothing at {request.url.path}; /openapi.json lists what there is."
        elif error.status_code == 405:
            allowed = (error.headers or {}).get("Allow", "other methods")
            sentence = f"{request.method} is not what {request.url.path} takes; it takes {allowed}."
        return problem(error.status_code, sentence, error.headers)

    @app.exception_handler(RequestValidationError)
    async def unreadable(request: Request, error: RequestValidationError) -> Response:
        fault = error.errors()[0]
        said = str(fault["msg"])
        return problem(422, f"{str(fault['loc'][-1])!r}: {said[:1].lower()}{said[1:]}.")

    @app.exception_handler(Exception)
    async def fault_of_ours(request: Request, error: Exception) -> Response:
        return problem(500, f"The service failed: {type(error).__name__}. Its log has more.")
