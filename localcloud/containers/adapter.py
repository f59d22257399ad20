"""What stands before Ray Serve in AWS's image: SageMaker's two routes, passed on to the application.

Built of what AWS's is built of, in one process, with the same limits, defaults and lines in the log: what it costs each
request, and what it does when many wait, is part of how an endpoint behaves. Run with the backend's address in
`RAYSERVE_BACKEND_URL` and the port in `ADAPTER_PORT`.

https://github.com/aws/deep-learning-containers/blob/main/scripts/docker/ray/sagemaker_serve.py
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

BACKEND = os.environ.get("RAYSERVE_BACKEND_URL", "http://127.0.0.1:8000")
TIMEOUT = int(os.environ.get("RAYSERVE_BACKEND_TIMEOUT", "300"))
PING_SECONDS = 5.0
CONNECTIONS = 100
"""httpx's default."""
logger = logging.getLogger("adapter")

if urlsplit(BACKEND).scheme not in ("http", "https") or not urlsplit(BACKEND).netloc:
    raise ValueError(
        f"RAYSERVE_BACKEND_URL is {BACKEND!r}: give it a scheme and a host, like http://127.0.0.1:8000."
    )
if TIMEOUT <= 0:
    raise ValueError(f"RAYSERVE_BACKEND_TIMEOUT is {TIMEOUT}: give it seconds above 0.")


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    logger.info("Ray Serve is at %s; time-out %d s", BACKEND, TIMEOUT)
    async with httpx.AsyncClient(timeout=TIMEOUT) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=_lifespan)


def _sagemakers(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower().startswith("x-amzn-sagemaker-")}


def _failed(status: int, message: str) -> Response:
    logger.error("%d: %s", status, message)
    return JSONResponse({"error": message}, status)


@app.post("/invocations")
async def invocations(request: Request) -> Response:
    """Pass an invocation on."""
    client: httpx.AsyncClient = request.app.state.client
    try:
        body = await request.body()
        kind = request.headers.get("Content-Type", "application/json")
        accept = request.headers.get("Accept", "application/json")
        logger.info("An invocation: Content-Type %s, Accept %s", kind, accept)
        headers = {**_sagemakers(request.headers), "Content-Type": kind, "Accept": accept}
        answer = await client.post(f"{BACKEND}/", content=body, headers=headers)
        logger.info("Ray Serve answered %d", answer.status_code)
        return Response(
            answer.content,
            answer.status_code,
            _sagemakers(answer.headers),
            media_type=answer.headers.get("Content-Type", accept),
        )
    except httpx.TimeoutException:
        return _failed(504, "Ray Serve did not answer in time.")
    except httpx.ConnectError:
        return _failed(503, "Ray Serve is away.")
    except Exception as error:  # as AWS's does: a connection that ended amid an answer, for one
        return _failed(500, str(error))


@app.get("/ping")
async def ping(request: Request) -> Response:
    """Answer with the application's own health."""
    client: httpx.AsyncClient = request.app.state.client
    try:
        answer = await client.get(f"{BACKEND}/-/healthz", timeout=PING_SECONDS)
        healthy = answer.status_code == httpx.codes.OK
        if healthy:
            logger.info("Healthy")
        else:
            logger.warning("Not healthy: Ray Serve answered %d", answer.status_code)
    except Exception as error:
        logger.error("Not healthy: %s", error)
        healthy = False
    return PlainTextResponse("", 200 if healthy else 503)


if __name__ == "__main__":
    # Not to stderr, where only what ends this process is told.
    logging.basicConfig(level=logging.INFO, stream=sys.stdout)
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["ADAPTER_PORT"]), log_level="info")
