"""The FastAPI application that the uvicorn test serves; its recorder is set up by the environment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI, UploadFile
from fastapi.responses import FileResponse, StreamingResponse

from recorder import wrap

app = FastAPI()
asgi = wrap(app)


@app.post("/upload")
async def upload(file: UploadFile) -> dict[str, Any]:
    return {"name": file.filename, "size": len(await file.read())}


@app.get("/stream")
async def stream() -> StreamingResponse:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"%d\n" % number

    return StreamingResponse(pieces(), media_type="text/plain")


@app.get("/file")
async def file() -> FileResponse:
    return FileResponse(__file__, media_type="text/x-python")
