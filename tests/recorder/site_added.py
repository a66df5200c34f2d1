"""A FastAPI application to which the recorder was added as a middleware: Starlette makes it within the first call."""

from __future__ import annotations

from fastapi import FastAPI

from recorder.asgi import RecorderMiddleware

app = FastAPI()
app.add_middleware(RecorderMiddleware)
