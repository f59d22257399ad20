"""The Ray Serve application: admission, decoding beside each other, batches across requests."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.serve import Application
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from classifier.errors import ClassifierError
from classifier.preprocessing import DecodedImage
from serving import errors, requests
from serving.engine import BATCH_SHAPES, Answer, Engine

logger = logging.getLogger("ray.serve")

MODEL_DIRECTORY = Path(__file__).resolve().parent.parent.parent
"""The archive holds this file as `code/serving/app.py`."""
MAX_IMAGES_UNDER_WAY = 1024
"""Beyond this a request is refused at once, since its answer would come too late."""
DECODERS = 4
BATCH_WAIT_SECONDS = 0.004
RETRY_HINT = {"X-Amzn-SageMaker-Custom-Attributes": "retry-after=1"}
"""The one header that SageMaker passes on; `Retry-After` does not reach the caller."""


@serve.deployment(max_ongoing_requests=256, graceful_shutdown_timeout_s=20, health_check_period_s=10)
class ImageClassifier:
    """One replica: one model."""

    def __init__(self) -> None:
        self._engine = Engine(MODEL_DIRECTORY)
        self._engine.warm_up()
        self._decoders = ThreadPoolExecutor(DECODERS, thread_name_prefix="decode")
        self._inference = ThreadPoolExecutor(1, thread_name_prefix="infer")
        self._under_way = 0

    async def __call__(self, request: Request) -> Response:
        """Answer one HTTP request."""
        path = request.url.path.rstrip("/")
        if path.endswith("/-/healthz"):
            return JSONResponse({"status": "ok", "model_version": self._engine.version})
        if not path.endswith("/classifier"):
            return JSONResponse({"error": "NotFoundError", "message": f"There is no {path}."}, 404)
        if request.method != "POST":
            return JSONResponse({"error": "MethodError", "message": "Send images with POST."}, 405)
        try:
            return JSONResponse(await self._answer(request))
        except errors.OverloadedError as error:
            return JSONResponse(errors.body(error), error.status, RETRY_HINT)
        except (errors.RequestError, ClassifierError) as error:
            return JSONResponse(errors.body(error), errors.status(error))

    async def _answer(self, request: Request) -> dict[str, Any]:
        archive = requests.is_archive(request.headers.get("content-type", ""))
        body = await request.body()
        if not archive:
            with self._admitted(1):
                return await self._one(body)
        images = requests.unpack(body)
        with self._admitted(len(images)):
            found = await asyncio.gather(
                *(self._one(content) for _, content in images), return_exceptions=True
            )
        return {
            "model_version": self._engine.version,
            "predictions": [
                {"name": name, **_part(result)} for (name, _), result in zip(images, found, strict=True)
            ],
        }

    def _admitted(self, count: int) -> _Admission:
        if self._under_way + count > MAX_IMAGES_UNDER_WAY:
            raise errors.OverloadedError(f"{self._under_way} images are under way; come back in a second.")
        return _Admission(self, count)

    async def _one(self, content: bytes) -> Answer:
        loop = asyncio.get_running_loop()
        image = await loop.run_in_executor(self._decoders, self._engine.decode, content)
        answer: Answer = await self._batched(image)
        return answer

    @serve.batch(max_batch_size=BATCH_SHAPES[-1], batch_wait_timeout_s=BATCH_WAIT_SECONDS)  # type: ignore[untyped-decorator]
    async def _batched(self, images: list[DecodedImage]) -> list[Answer]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._inference, self._engine.infer, images)


class _Admission:
    """Counts images while they are under way."""

    def __init__(self, replica: Any, count: int) -> None:
        self._replica, self._count = replica, count

    def __enter__(self) -> None:
        self._replica._under_way += self._count

    def __exit__(self, *_: object) -> None:
        self._replica._under_way -= self._count


def _part(result: Answer | BaseException) -> dict[str, Any]:
    """Return one image's part of the answer; a bad image fails alone."""
    if isinstance(result, errors.RequestError | ClassifierError):
        return dict(errors.body(result))
    if isinstance(result, BaseException):
        raise result
    return result


def application(arguments: dict[str, str]) -> Application:
    """Build the application for the machine that Ray finds: one archive serves CPUs and GPUs."""
    gpus = int(ray.cluster_resources().get("GPU", 0) > 0)
    deployment: Any = ImageClassifier  # the decorator's types say class, and it makes a deployment
    bound: Application = deployment.options(ray_actor_options={"num_cpus": 1, "num_gpus": gpus}).bind()
    return bound
