"""The playback service: profiles and replays over HTTP, on port 8070.

    python -m playback.service [--host 127.0.0.1] [--port 8070]
    curl -X POST http://127.0.0.1:8070/run/small-watershed -H 'Accept: application/x-ndjson'

A verdict, whatever it is, is an answer: 200 with the report. 404 is an unknown profile, 409 a refused target, 422 a
profile or a request that cannot be understood; a refusal is a problem detail of one sentence. `/openapi.json` describes
everything.

A run without `background` belongs to its caller, and ends when the caller goes away. One in the background goes on: it is
followed at `/runs/{run_id}/events`, from any event on, and ended by `POST /runs/{run_id}/cancel`. PROFILE_PLAYBACK_RUNS
of them replay at once, the others are `queued`. What a run leaves goes after a while: see playback/housekeeping.py.

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
import logging
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Mapping
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from pydantic import ValidationError

from playback import access, catalogue, comparators, contract, housekeeping, problems, results, streams, underway
from playback.access import Access, is_loopback
from playback.contract import RunRequest, answers, refusals
from playback.envfile import environment
from playback.errors import UnknownProfile
from playback.housekeeping import Retention
from playback.html_report import POLICY
from playback.jsontext import dumps
from playback.logbook import PORT, logging_to
from playback.problems import problem, status_of
from playback.report import Report
from playback.runs import Run, Runs, state_of
from playback.web import install as install_pages
from playback.whole_numbers import BadSetting, whole_number

__all__ = ["RunRequest", "create_app", "main"]

TOKEN = "PROFILE_PLAYBACK_TOKEN"
AT_ONCE = "PROFILE_PLAYBACK_RUNS"
BODY_LIMIT = 64 * 1024
LISTED = 100  # runs
STOP = 10.0  # seconds that running replays have to end when they are cancelled, and when the service ends
TIDY = 3600.0  # seconds between two looks at what is due to go

_UNTRUSTED = {"Content-Security-Policy": "default-src 'none'; sandbox"}
_REPORT = {"Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'; sandbox", "Referrer-Policy": "no-referrer"}


def create_app(environ: Mapping[str, str] | None = None) -> FastAPI:
    """The service as an ASGI application. `environ` (default: the environment) names data root, token and limits.

    Raises BadSetting.
    """
    environ = os.environ if environ is None else environ
    data_root = Path(environ.get("PROFILE_DATA_ROOT") or ".").absolute()
    runs = Runs(data_root, whole_number(environ, AT_ONCE, 4, least=1))
    retention = Retention.of(environ)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with logging_to(data_root) as log:
            log.info("profiles of %s", data_root / catalogue.PROFILES)
            for cut_off in await asyncio.to_thread(underway.recover, data_root):
                log.info("[%s %s] was cut off: interrupted", cut_off.profile, cut_off.run_id[:8])
            tidying = asyncio.create_task(_tidying(data_root, environ, retention, log))
            # The first replay should not pay for loading GDAL.
            loading = asyncio.get_running_loop().run_in_executor(None, comparators.load)
            reading = asyncio.get_running_loop().run_in_executor(None, pages.records.warm)
            yield
            tidying.cancel()
            await loading
            await reading
            await asyncio.to_thread(runs.stop, STOP)

    app = FastAPI(
        title="Profile playback", version=version("profile-test-engine"), lifespan=lifespan, docs_url=None, redoc_url=None,
        description="Replays promoted profiles against an application, and tells how it went.",
    )  # fmt: skip
    app.add_middleware(Access, tokens=access.tokens(environ))
    app.state.runs = runs
    app.openapi = lambda: contract.describe(app)  # type: ignore[method-assign]
    problems.install(app)

    @app.get("/health", responses=answers("GET /health", model=contract.Health))
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.post(
        "/run/{profile}",
        responses={
            **answers("POST /run/{profile}", model=Report),
            **answers("POST /run/{profile}", status=202, model=contract.Begun),
            **refusals(404, 409, 422, 500),
        },
        openapi_extra={
            "requestBody": {"content": {contract.JSON: {"schema": {"$ref": "#/components/schemas/RunRequest"}}}}
        },
    )
    async def run_profile(profile: str, request: Request) -> Response:
        try:
            wanted = await _wanted(request)
            catalogue.find(profile, data_root)
        except ValueError as error:
            return problem(422, str(error))
        except UnknownProfile as error:
            return _refusal(error)
        replaying = environment(data_root, environ=environ, base_url=wanted.base_url)
        run = runs.begin(Run(profile, wanted.options(), replaying, wanted.verbose))
        await run.begun()
        if run.refusal:
            return _refusal(run.refusal)
        if wanted.background:
            return JSONResponse({"run_id": run.id}, 202, {"Location": f"/runs/{run.id}"})
        if streams.wants_stream(request.headers):
            return streams.stream(streams.owned(run, runs.cancel), request.headers, run.id)
        await _over_or_left(run, runs, request)
        if run.report is None:
            return _refusal(run.refusal)
        return _Json(run.report.as_json(), headers={"Content-Location": f"/runs/{run.id}"})

    @app.get("/runs", responses={**answers("GET /runs", model=list[contract.RunDocument]), **refusals()})
    async def list_runs() -> Response:
        kept = await asyncio.to_thread(results.recent, data_root, LISTED)
        ended = [_ended(report, whole=False) for report in kept]
        on_disk = {document["run_id"] for document in ended}
        return _Json([run.as_json(whole=False) for run in runs if run.id not in on_disk] + ended)

    @app.get("/runs/{run_id}", responses={**answers("GET /runs/{run_id}", model=contract.WholeRun), **refusals(404)})
    async def one_run(run_id: str) -> Response:
        if run := runs.get(run_id):
            return _Json(run.as_json())
        found = await asyncio.to_thread(results.find, data_root, run_id)
        return _Json(_ended(found[1])) if found else _no_run(run_id)

    @app.post(
        "/runs/{run_id}/cancel",
        responses={**answers("POST /runs/{run_id}/cancel", model=contract.WholeRun), **refusals(404, 409)},
    )
    async def cancel_run(run_id: str) -> Response:
        run = runs.get(run_id)
        if run is None and await asyncio.to_thread(results.find, data_root, run_id) is None:
            return _no_run(run_id)
        if run is None or run.ended:
            return problem(409, f"Run {run_id} has already ended; see /runs/{run_id}.")
        await asyncio.to_thread(runs.cancel, run)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(run.over(), STOP)
        return _Json(run.as_json())

    @app.get(
        "/runs/{run_id}/events",
        response_class=Response,
        responses={
            **answers("GET /runs/{run_id}/events"),
            204: {"description": contract.MEANINGS[204]},
            **refusals(404, 422),
        },
    )
    async def events(
        run_id: str,
        request: Request,
        after: Annotated[int, Query(ge=0, le=streams.LAST, description="Number of the last event that was seen.")] = 0,
    ) -> Response:
        after = streams.seen(after, request.headers)
        if run := runs.get(run_id):
            if run.ended and after >= len(run.events):
                return Response(status_code=204)
            return streams.stream(run.follow(after), request.headers, run.id)
        found = await asyncio.to_thread(results.find, data_root, run_id)
        if found is None:
            return _no_run(run_id)
        if after >= streams.LAST:
            return Response(status_code=204)
        return streams.stream(streams.left(found[1]), request.headers, results.short_id(run_id))

    @app.get(
        "/runs/{run_id}/files/", responses={**answers("GET /runs/{run_id}/files/", model=list[str]), **refusals(404)}
    )
    async def list_files(run_id: str) -> Response:
        found = await asyncio.to_thread(results.find, data_root, run_id)
        return _Json([name for name, _ in _files(found[0])]) if found else _no_run(run_id)

    @app.get(
        "/runs/{run_id}/files/{path:path}",
        response_class=FileResponse,
        responses={**answers("GET /runs/{run_id}/files/{path}"), **refusals(404)},
    )
    async def one_file(run_id: str, path: str) -> Response:
        found = await asyncio.to_thread(results.find, data_root, run_id)
        if found is None:
            return _no_run(run_id)
        wanted = next((file for name, file in _files(found[0]) if name == path), None)
        if wanted is None:
            return problem(404, f"Run {run_id} has no file {path!r}; see /runs/{run_id}/files/")
        if path == results.PAGE:
            return HTMLResponse(await asyncio.to_thread(wanted.read_bytes), headers=_REPORT)
        # To be kept, never to be shown: an application under test may have written whatever it likes into it.
        return FileResponse(wanted, media_type=contract.BYTES, filename=wanted.name, headers=_UNTRUSTED)

    @app.get("/profiles", responses={**answers("GET /profiles", model=list[contract.ProfileEntry]), **refusals()})
    async def list_profiles() -> Response:
        return _Json([entry.as_json() for entry in await asyncio.to_thread(catalogue.catalogue, data_root)])

    @app.get(
        "/profiles/{slug}",
        responses={**answers("GET /profiles/{slug}", model=contract.WholeProfile), **refusals(404)},
    )
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

    pages = install_pages(app, data_root, runs, environ)
    return app


class _Json(JSONResponse):
    """JSON with whatever a recording may hold in it."""

    def render(self, content: Any) -> bytes:
        return dumps(content).encode()


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


def _refusal(error: Exception | None) -> Response:
    return problem(status_of(error), str(error))


def _ended(report: dict[str, Any], *, whole: bool = True) -> dict[str, Any]:
    """A run of which the report is left, in the form of `Run.as_json`."""
    document = {
        "run_id": results.short_id(report.get("run_id")),
        "profile": report.get("profile"),
        "state": state_of(report.get("result")),
        "started_at": report.get("started_at"),
        "result": report.get("result"),
        "error": None,
    }
    return {**document, "report": report} if whole else document


def _no_run(run_id: str) -> Response:
    return problem(404, f"There is no run {run_id!r}, or it has no report yet; see /runs.")


def _files(folder: Path) -> list[tuple[str, Path]]:
    """The regular files below a folder, by name; what a link leads to is not among them."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return [(str(file.relative_to(folder)), file) for file in files]


async def _over_or_left(run: Run, runs: Runs, request: Request) -> None:
    """Wait for the verdict; a caller who goes away before takes the replay along."""
    over = asyncio.ensure_future(run.over())
    left = asyncio.ensure_future(request.receive())
    await asyncio.wait((over, left), return_when=asyncio.FIRST_COMPLETED)
    left.cancel()
    if not over.done():
        await asyncio.to_thread(runs.cancel, run)
        await over


async def _tidying(data_root: Path, environ: Mapping[str, str], keep: Retention, log: logging.Logger) -> None:
    """Take away what replays left and nobody wants any more: now and then, as long as the service runs."""
    while True:
        try:
            await asyncio.to_thread(
                housekeeping.housekeeping, data_root, environ, time.time(), keep=keep, drafts=False,
                tell=lambda action: log.info("%s", action.line()),
            )  # fmt: skip
        except (housekeeping.AlreadyRunning, OSError) as error:
            log.info("housekeeping: %s", error)
        await asyncio.sleep(TIDY)


class _Server(uvicorn.Server):
    """Ends its replays when it is told to end; uvicorn would wait for the answers that they belong to."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        app: Any = self.config.app
        # In a thread: a signal may come while this one holds the lock of the runs.
        threading.Thread(target=app.state.runs.stop, daemon=True).start()
        super().handle_exit(sig, frame)


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted; returns 2, with a sentence, for an address that would need a token or a bad setting."""
    parser = argparse.ArgumentParser(prog="python -m playback.service", description="Serve the playback of profiles.")
    parser.add_argument("--host", default="127.0.0.1", help=f"address to listen on; others than loopback need {TOKEN}")
    parser.add_argument("--port", type=int, default=PORT)
    chosen = parser.parse_args(arguments)
    if not os.environ.get(TOKEN) and not is_loopback(chosen.host):
        print(f"Without {TOKEN} the service listens on loopback only, not on {chosen.host}: set it.", file=sys.stderr)
        return 2
    try:
        app = create_app()
    except BadSetting as error:
        print(error, file=sys.stderr)
        return 2
    _Server(uvicorn.Config(app, chosen.host, chosen.port, timeout_graceful_shutdown=round(STOP))).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
