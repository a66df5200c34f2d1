"""The applications that benchmarks serve. With RECORDER_ROOT in the environment they are recorded, else bare; with
BENCH_PEER=BaseHTTPMiddleware the FastAPI one has that around it instead, doing nothing."""

from __future__ import annotations

import hashlib
import os
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request

__all__ = ["ORDER", "fastapi_app", "flask_app"]

SAVED = "BENCH_SAVED"  # in the environment: the file that uploads are saved to


class Line(BaseModel):
    """One thing of an order."""

    sku: str
    name: str
    quantity: int
    price: float


class Order(BaseModel):
    """What is posted."""

    customer: str
    email: str
    street: str
    city: str
    lines: list[Line]
    comment: str | None = None


class Confirmation(BaseModel):
    """What is answered."""

    id: int
    state: str
    total: float
    order: Order


ORDER = Order(
    customer="Ada Lovelace",
    email="ada@example.org",
    street="12 St James's Square",
    city="London",
    lines=[
        Line(sku=f"bolt-{number}", name=f"Hexagon bolt, size {number}", quantity=3 * number, price=1.25 * number)
        for number in range(1, 12)
    ],
    comment="Order 00000000. Please leave it with the neighbours if nobody opens the door.",
).model_dump_json()
"""A kilobyte of JSON; the answer to it is as long. The load generator numbers the orders."""


def _confirmed(order: Order) -> Confirmation:
    total = sum(line.quantity * line.price for line in order.lines)
    return Confirmation(id=7, state="confirmed", total=total, order=order)


def fastapi_app() -> Any:
    """A FastAPI application: next to nothing, an order, and an upload that is hashed and saved as it comes."""
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/empty")
    async def empty() -> dict[str, Any]:
        return {}

    @app.post("/orders")
    async def orders(order: Order) -> Confirmation:
        return _confirmed(order)

    @app.post("/uploads")
    async def uploads(request: Request) -> dict[str, Any]:
        hashed, size = hashlib.sha256(), 0
        with open(os.environ[SAVED], "wb") as file:
            async for piece in request.stream():
                hashed.update(piece)
                size += file.write(piece)
        return {"size": size, "sha256": hashed.hexdigest()}

    if "RECORDER_ROOT" in os.environ:
        from recorder.asgi import RecorderMiddleware

        app.add_middleware(RecorderMiddleware)
    if os.environ.get("BENCH_PEER") == "BaseHTTPMiddleware":
        from starlette.middleware.base import BaseHTTPMiddleware

        class Nothing(BaseHTTPMiddleware):
            async def dispatch(self, request: Any, call_next: Any) -> Any:
                return await call_next(request)

        app.add_middleware(Nothing)
    return app


def flask_app() -> Any:
    """The same as a Flask application."""
    from flask import Flask, request

    app = Flask(__name__)

    @app.get("/empty")
    def empty() -> dict[str, Any]:
        return {}

    @app.post("/orders")
    def orders() -> dict[str, Any]:
        return _confirmed(Order.model_validate(request.get_json())).model_dump()

    @app.post("/uploads")
    def uploads() -> dict[str, Any]:
        hashed, size = hashlib.sha256(), 0
        with open(os.environ[SAVED], "wb") as file:
            while piece := request.stream.read(1 << 16):
                hashed.update(piece)
                size += file.write(piece)
        return {"size": size, "sha256": hashed.hexdigest()}

    if "RECORDER_ROOT" in os.environ:
        import recorder

        app.wsgi_app = recorder.wrap(app.wsgi_app)  # type: ignore[method-assign]
    return app
