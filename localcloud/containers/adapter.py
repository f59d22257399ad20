"""What stands before Ray Serve in AWS's image: SageMaker's two routes, passed on to the application.

One uvicorn process with at most 100 connections to Ray, as there. Run with the backend's address in
`RAYSERVE_BACKEND_URL` and the port in `ADAPTER_PORT`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

BACKEND = os.environ.get("RAYSERVE_BACKEND_URL", "http://127.0.0.1:8000").rstrip("/")
TIMEOUT = float(os.environ.get("RAYSERVE_BACKEND_TIMEOUT", "60"))
CONNECTIONS = 100


def _passes(name: str) -> bool:
    return name.lower() in ("content-type", "accept") or name.lower().startswith("x-amzn-sagemaker-")


async def _forward(request: Request, method: str, path: str) -> Response:
    session: aiohttp.ClientSession = request.app.state.session
    headers = {name: value for name, value in request.headers.items() if _passes(name)}
    body = await request.body()
    try:
        async with session.request(method, f"{BACKEND}{path}", data=body or None, headers=headers) as answer:
            content = await answer.read()
            kept = {name: value for name, value in answer.headers.items() if _passes(name)}
            return Response(content, answer.status, kept)
    except TimeoutError:
        return JSONResponse({"error": "Ray Serve did not answer in time."}, 504)
    except aiohttp.ClientError as error:
        return JSONResponse({"error": f"Ray Serve is away: {error}."}, 503)


async def invocations(request: Request) -> Response:
    """Pass an invocation on."""
    return await _forward(request, "POST", "/")


async def ping(request: Request) -> Response:
    """Answer with the application's own health."""
    return await _forward(request, "GET", "/-/healthz")


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        app.state.session = session
        yield


app = Starlette(
    routes=[Route("/invocations", invocations, methods=["POST"]), Route("/ping", ping)], lifespan=_lifespan
)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["ADAPTER_PORT"]), log_level="warning")
