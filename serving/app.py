"""The Ray Serve application: admission, decoding beside each other, batches across requests."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
from ray import serve
from ray.serve import Application
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from classifier.errors import ClassifierError
from serving import errors, requests
from serving.admission import Admission
from serving.batching import Batcher
from serving.timings import StageMetrics, Timings, header

if TYPE_CHECKING:
    from serving.engine import Answer
    from serving.images import Photograph, Pixels

logger = logging.getLogger("ray.serve")

MODEL_DIRECTORY = Path(__file__).resolve().parent.parent.parent
"""The archive holds this file as `code/serving/app.py`."""
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
"""The one header that SageMaker passes on; neither `Retry-After` nor `Server-Timing` reaches the caller."""


# Above what admission lets in, so that a refusal and a health answer never wait for a place.
@serve.deployment(max_ongoing_requests=256)
class ImageClassifier:
    """One replica: one model."""

    def __init__(self) -> None:
        # Here, because Ray imports this file in a process of its own first, which builds the application and needs
        # no network: a start saves what torch takes to import.
        from serving.engine import Engine  # noqa: PLC0415

        self._engine = Engine(MODEL_DIRECTORY)
        pace = self._engine.warm_up()
        self._batcher: Batcher[Pixels | Photograph, Answer | ClassifierError] = Batcher(
            self._engine.infer,
            self._engine.largest,
            self._engine.inference,
            self._engine.lanes,
            linear=self._engine.linear,
        )
        self._admission = Admission(self._engine.busy, pace, batch=self._engine.largest)
        # Of archives, as many images are queued together as keep the machine at work, but one: a single image finds
        # room behind however many of them, however slow they are, and waits for no more than these.
        self._archived = asyncio.Semaphore(self._engine.busy - 1)
        self._metrics = StageMetrics()
        self._suspect = False

    async def __call__(self, request: Request) -> Response:
        """Answer one HTTP request."""
        timings = Timings()
        try:
            answer = await self._answer(request, timings)
            means = timings.means()
            if "infer" in means:
                self._metrics.observe(means)
            return JSONResponse(answer, headers={ATTRIBUTES: header(means)})
        except errors.OverloadedError as error:
            hint = {ATTRIBUTES: f"retry-after={error.seconds}"}
            return JSONResponse(errors.body(error), error.status, hint)
        except (errors.RequestError, ClassifierError) as error:
            return JSONResponse(errors.body(error), errors.status(error))
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        except Exception:
            logger.exception("The model failed.")
            self._suspect = True
            failure = errors.InferenceError("The model failed on this request: send it again.")
            return JSONResponse(errors.body(failure), failure.status)

    async def check_health(self) -> None:
        """Tell Ray, by raising, that the replica must be replaced: after a failure the model is tried."""
        if self._suspect:
            await asyncio.get_running_loop().run_in_executor(self._engine.inference, self._engine.check)
            self._suspect = False

    async def _answer(self, request: Request, timings: Timings) -> dict[str, Any]:
        path = request.scope["path"].removeprefix(request.scope.get("root_path", "")).strip("/")
        if path == "-/healthz":
            return await self._health(request.method)
        if path:
            raise errors.NotFoundError(f"There is no /{path}: send images to the root of the application.")
        if request.method != "POST":
            raise errors.MethodNotAllowedError(f"Images are sent with POST, not {request.method}.")
        archive = requests.is_archive(request.headers.get("content-type", ""))
        with self._admission.request(archive=archive):
            with timings.measured("read"):
                body = await requests.read(request.stream(), archive=archive)
            return await (self._many(body, timings) if archive else self._one(body, timings))

    async def _health(self, method: str) -> dict[str, Any]:
        if method not in ("GET", "HEAD"):
            raise errors.MethodNotAllowedError(f"Health is asked for with GET, not {method}.")
        try:
            await self.check_health()
        except Exception as error:
            raise errors.NotReadyError("The model failed, and fails again when tried.") from error
        return {"status": "ok", "model_version": self._engine.version}

    async def _one(self, content: bytes, timings: Timings) -> Answer:
        with self._admission.batch(1), self._admission.image():
            return await self._image(content, timings)

    async def _many(self, body: bytes, timings: Timings) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        with timings.measured("read"):
            images = await loop.run_in_executor(self._engine.decoders, requests.unpack, body)
        # No more images of one archive wait for a place at a time, so that small archives take turns with large ones.
        window = asyncio.Semaphore(self._engine.busy - 1)

        async def one(content: bytes) -> Answer:
            async with window:
                with self._admission.hold():
                    await self._archived.acquire()
                try:
                    with self._admission.image():
                        return await self._image(content, timings)
                finally:
                    self._archived.release()

        with self._admission.batch(len(images), archive=True):
            found = await asyncio.gather(*(one(content) for _, content in images), return_exceptions=True)
        parts = zip(images, found, strict=True)
        return {
            "model_version": self._engine.version,
            "predictions": [{"name": name, **_part(result)} for (name, _), result in parts],
        }

    async def _image(self, content: bytes, timings: Timings) -> Answer:
        loop = asyncio.get_running_loop()
        with timings.measured("decode"):
            image: Photograph | Pixels | None = self._engine.header(content)
            if image is None:
                image = await loop.run_in_executor(self._engine.decoders, self._engine.decode, content)
        answer, waited, ran = await self._batcher.submit(image)
        timings.add("wait", waited)
        timings.add("infer", ran)
        if isinstance(answer, ClassifierError):
            raise answer
        return answer


def _part(result: Answer | BaseException) -> dict[str, Any]:
    """Return one image's part of the answer; a bad image fails alone."""
    if isinstance(result, ClassifierError):
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
