"""The applications that benchmarks serve. With RECORDER_ROOT in the environment they are recorded, else bare."""

from __future__ import annotations

import os
from typing import Any

from pydantic import BaseModel

__all__ = ["fastapi_app", "flask_app"]

STEPS = 130_000  # of a loop, for an answer that takes about five milliseconds
WATERSHEDS = [{"id": number, "name": f"watershed {number}", "area_ha": 12.5 * number} for number in range(12)]


class Order(BaseModel):
    """What is posted."""

    customer: str
    lines: list[dict[str, Any]]


def fastapi_app() -> Any:
    """A FastAPI application with a read, a write, and a read that computes."""
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/watersheds")
    async def watersheds() -> dict[str, Any]:
        return {"count": len(WATERSHEDS), "watersheds": WATERSHEDS}

    @app.post("/orders")
    async def orders(order: Order) -> dict[str, Any]:
        return {"id": 7, "customer": order.customer, "lines": len(order.lines)}

    @app.get("/soil-loss")
    async def soil_loss() -> dict[str, Any]:
        return {"soil_loss": sum(step * 0.5 for step in range(STEPS))}

    return _recorded(app)


def flask_app() -> Any:
    """The same as a Flask application."""
    from flask import Flask, request

    app = Flask(__name__)

    @app.get("/watersheds")
    def watersheds() -> dict[str, Any]:
        return {"count": len(WATERSHEDS), "watersheds": WATERSHEDS}

    @app.post("/orders")
    def orders() -> dict[str, Any]:
        order = Order.model_validate(request.get_json())
        return {"id": 7, "customer": order.customer, "lines": len(order.lines)}

    @app.get("/soil-loss")
    def soil_loss() -> dict[str, Any]:
        return {"soil_loss": sum(step * 0.5 for step in range(STEPS))}

    app.wsgi_app = _recorded(app.wsgi_app)  # type: ignore[method-assign]
    return app


def _recorded(app: Any) -> Any:
    if "RECORDER_ROOT" not in os.environ:
        return app
    from recorder import wrap

    return wrap(app)
