"""The playback service: profiles and replays over HTTP, on port 8070.

    python -m playback.service [--host 127.0.0.1] [--port 8070]
    curl -X POST http://127.0.0.1:8070/run/small-watershed -H 'Accept: application/x-ndjson'

A verdict, whatever it is, is an answer: 200 with the report. 404 is an unknown profile, 409 a refused target, 422 a
profile or a request that cannot be understood.

The environment says the rest: PROFILE_DATA_ROOT, PROFILE_PLAYBACK_TOKEN, and for the replays themselves
PROFILE_PLAYBACK_BASE_URL, PROFILE_PLAYBACK_INTERNAL_URL, PROFILE_PLAYBACK_ALLOWED_ORIGINS, PROFILE_SECRET_…, ADMIN_EMAIL
and ADMIN_PASSWORD.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import difflib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from playback import catalogue, comparators, results
from playback.access import Access, is_loopback
from playback.engine import Options
from playback.envfile import environment
from playback.errors import BadProfile, TargetRefused, UnknownProfile
from playback.jsontext import dumps
from playback.logbook import PORT, logging_to
from playback.pages import CSP, index
from playback.runs import Run, Runs

__all__ = ["RunRequest", "create_app", "main"]

TOKEN = "PROFILE_PLAYBACK_TOKEN"
BODY_LIMIT = 64 * 1024
LISTED = 100  # runs
STOP = 10.0  # seconds that running replays have to end when the service ends
STATUS = {UnknownProfile: 404, TargetRefused: 409, BadProfile: 422}


class RunRequest(BaseModel):
    """What a caller of `POST /run/{profile}` may say. Times in seconds."""

    model_config = ConfigDict(extra="forbid")

    base_url: str | None = None
    cookie: str | None = None
    overlay: str | None = None
    timeout: float | None = Field(None, gt=0)
    verbose: bool = False
    dry_run: bool = False
    keep: bool = False
    keep_going: bool = False
    background: bool = False

    def options(self) -> Options:
        """The engine's options in it."""
        return Options(**self.model_dump(exclude={"verbose", "background"}))


def create_app(environ: Mapping[str, str] | None = None) -> FastAPI:
    """The service as an ASGI application. `environ` (default: the environment) names data root and token."""
    environ = os.environ if environ is None else environ
    data_root = Path(environ.get("PROFILE_DATA_ROOT") or ".").absolute()
    runs = Runs()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with logging_to(data_root) as log:
            log.info("profiles of %s", data_root / catalogue.PROFILES)
            # The first replay should not pay for loading GDAL.
            loading = asyncio.get_running_loop().run_in_executor(None, comparators.load)
            yield
            await loading
            await asyncio.to_thread(runs.stop, STOP)

    app = FastAPI(title="Profile playback", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(Access, token=environ.get(TOKEN) or None)
    app.state.runs = runs

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/run/{profile}")
    async def run_profile(profile: str, request: Request) -> Response:
        try:
            wanted = await _wanted(request)
            catalogue.find(profile, data_root)
        except (ValueError, UnknownProfile) as error:
            return _refusal(error)
        run = runs.add(Run(profile, wanted.options(), wanted.verbose))
        run.start(data_root, environment(data_root, environ=environ, base_url=wanted.base_url))
        await run.begun()
        if run.refusal:
            return _refusal(run.refusal)
        if wanted.background:
            return JSONResponse({"run_id": run.id}, 202, {"Location": f"/runs/{run.id}"})
        accept = request.headers.get("accept", "")
        if "application/x-ndjson" in accept:
            return StreamingResponse(_owned(run, _ndjson(run)), media_type="application/x-ndjson", headers=_UNBUFFERED)
        if "text/event-stream" in accept:
            return StreamingResponse(_owned(run, _sse(run)), media_type="text/event-stream", headers=_UNBUFFERED)
        await _finished_or_left(run, request)
        return _Json(run.report.as_json()) if run.report else _refusal(run.refusal)

    @app.get("/runs")
    async def list_runs() -> Response:
        running = [run.as_json(whole=False) for run in runs if run.state != "finished"]
        kept = await asyncio.to_thread(results.recent, data_root, LISTED)
        return _Json(running + [_finished(report, whole=False) for report in kept])

    @app.get("/runs/{run_id}")
    async def one_run(run_id: str) -> Response:
        if run := runs.get(run_id):
            return _Json(run.as_json())
        found = await asyncio.to_thread(results.find, data_root, run_id)
        return _Json(_finished(found[1])) if found else _no_run(run_id)

    @app.get("/runs/{run_id}/events")
    async def events(run_id: str, request: Request) -> Response:
        run = runs.get(run_id)
        if run is None:
            return _no_run(run_id)
        seen = request.headers.get("last-event-id", "")
        after = int(seen) if seen.isdecimal() and len(seen) < 19 else 0
        if run.ended and after >= len(run.events):
            return Response(status_code=204)  # tells an EventSource not to come back
        return StreamingResponse(_sse(run, after), media_type="text/event-stream", headers=_UNBUFFERED)

    @app.get("/runs/{run_id}/files/{path:path}")
    async def files(run_id: str, path: str) -> Response:
        found = await asyncio.to_thread(results.find, data_root, run_id)
        if found is None:
            return _no_run(run_id)
        folder, _ = found
        if not path:
            return JSONResponse([str(file.relative_to(folder)) for file in _files(folder)])
        wanted = next((file for file in _files(folder) if str(file.relative_to(folder)) == path), None)
        if wanted is None:
            return JSONResponse({"error": f"Run {run_id} has no file {path!r}; see /runs/{run_id}/files/"}, 404)
        return FileResponse(wanted, filename=wanted.name, headers=_UNTRUSTED)

    @app.get("/profiles")
    async def list_profiles() -> list[dict[str, Any]]:
        return [entry.as_json() for entry in await asyncio.to_thread(catalogue.catalogue, data_root)]

    @app.get("/profiles/{slug}")
    async def one_profile(slug: str) -> Response:
        try:
            entry = await asyncio.to_thread(catalogue.entry, slug, data_root)
        except UnknownProfile as error:
            return _refusal(error)
        document = (
            entry.profile.model_dump(mode="json", by_alias=True, exclude_defaults=True) if entry.profile else None
        )
        kept = [folder.name for folder in results.history(data_root, slug)]
        return _Json({**entry.as_json(), "document": document, "results": kept})

    @app.get("/")
    async def page() -> HTMLResponse:
        entries = await asyncio.to_thread(catalogue.catalogue, data_root)
        return HTMLResponse(index(entries, [run for run in runs if not run.ended]), headers=_UNTRUSTED | _PAGE)

    return app


class _Json(JSONResponse):
    """JSON with whatever a recording may hold in it."""

    def render(self, content: Any) -> bytes:
        return dumps(content).encode()


_UNBUFFERED = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_UNTRUSTED = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}
_PAGE = {"Content-Security-Policy": CSP, "Referrer-Policy": "no-referrer"}


async def _wanted(request: Request) -> RunRequest:
    """The body of a run request. Raises ValueError with a sentence that names the key and the nearest valid one."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > BODY_LIMIT:
            raise ValueError(f"The body is larger than {BODY_LIMIT} bytes.")
    try:
        document = json.loads(content or b"{}")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The body is not JSON: {error}.") from None
    if not isinstance(document, dict):
        raise ValueError('The body must be a JSON object, such as {"base_url": "http://127.0.0.1:5000"}.')
    try:
        return RunRequest.model_validate(document, strict=True)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        key = str(fault["loc"][0])
        if fault["type"] != "extra_forbidden":
            raise ValueError(f"{key!r}: {fault['msg'][0].lower()}{fault['msg'][1:]}.") from None
        valid = list(RunRequest.model_fields)
        near = difflib.get_close_matches(key, valid, 1)
        raise ValueError(
            f"unknown key {key!r}; " + (f"did you mean {near[0]!r}?" if near else f"valid keys: {', '.join(valid)}.")
        ) from None


def _refusal(error: Exception | None) -> JSONResponse:
    if isinstance(error, ValueError):
        return JSONResponse({"error": str(error)}, 422)
    status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)
    return JSONResponse({"error": str(error)}, status)


def _finished(report: dict[str, Any], *, whole: bool = True) -> dict[str, Any]:
    """A run of which the report is left, in the form of `Run.as_json`."""
    document = {
        "run_id": results.short_id(report.get("run_id")),
        "profile": report.get("profile"),
        "state": "finished",
        "started_at": report.get("started_at"),
        "result": report.get("result"),
        "error": None,
    }
    return {**document, "report": report} if whole else document


def _no_run(run_id: str) -> JSONResponse:
    return JSONResponse({"error": f"There is no run {run_id!r}, or it has no report yet; see /runs."}, 404)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


async def _finished_or_left(run: Run, request: Request) -> None:
    """Wait for the verdict; a caller who goes away before takes the replay along."""
    finished = asyncio.ensure_future(run.finished())
    left = asyncio.ensure_future(request.receive())
    await asyncio.wait((finished, left), return_when=asyncio.FIRST_COMPLETED)
    left.cancel()
    if not finished.done():
        run.stop()
        await finished


async def _owned(run: Run, lines: AsyncIterator[str]) -> AsyncIterator[str]:
    """Pass `lines` on; whoever stops listening before the end stops the replay."""
    try:
        async for text in lines:
            yield text
    finally:
        run.stop()


async def _ndjson(run: Run) -> AsyncIterator[str]:
    async for told in run.follow():
        yield "\n" if told is None else dumps(told[1]) + "\n"


async def _sse(run: Run, after: int = 0) -> AsyncIterator[str]:
    """Server-sent events (WHATWG HTML, 9.2); the id lets a listener that lost the connection go on where it was."""
    async for told in run.follow(after):
        if told is None:
            yield ": still running\n\n"
        else:
            number, event = told
            yield f"id: {number}\nevent: {event.get('event', 'message')}\ndata: {dumps(event)}\n\n"


class _Server(uvicorn.Server):
    """Ends its replays when it is told to end; uvicorn would wait for the answers that they belong to."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        app: Any = self.config.app
        app.state.runs.stop()
        super().handle_exit(sig, frame)


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted; returns 2, with a sentence, for an address that would need a token."""
    parser = argparse.ArgumentParser(prog="python -m playback.service", description="Serve the playback of profiles.")
    parser.add_argument("--host", default="127.0.0.1", help=f"address to listen on; others than loopback need {TOKEN}")
    parser.add_argument("--port", type=int, default=PORT)
    chosen = parser.parse_args(arguments)
    if not os.environ.get(TOKEN) and not is_loopback(chosen.host):
        print(f"Without {TOKEN} the service listens on loopback only, not on {chosen.host}: set it.", file=sys.stderr)
        return 2
    config = uvicorn.Config(create_app(), chosen.host, chosen.port, timeout_graceful_shutdown=round(STOP))
    _Server(config).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
