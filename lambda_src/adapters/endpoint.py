"""The SageMaker endpoint."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, HTTPClientError, ReadTimeoutError
from botocore.exceptions import ConnectionError as UnreachableError

from lambda_src.adapters.clients import client
from lambda_src.adapters.payload import archive
from lambda_src.errors import (
    EndpointAnswerError,
    EndpointBusyError,
    EndpointUnavailableError,
    InvalidImageError,
)

if TYPE_CHECKING:
    from types_boto3_sagemaker_runtime import SageMakerRuntimeClient

BAD_IMAGE = (400, 413, 415)
BUSY = (429, 503, 504)
BUSY_CODES = ("ThrottlingException", "ServiceUnavailable", "ModelNotReadyException")
READ_SECONDS = 55
"""SageMaker itself gives up at 60 s, and what called must have time left to say so."""
SENTENCE_LIMIT = 500
ONE, MANY = "application/octet-stream", "application/x-tar"


@dataclass(frozen=True)
class Endpoint:
    """Asks one endpoint.

    Parameters
    ----------
    name
        The endpoint.
    runtime
        A boto3 client; one is made when it is left out.
    """

    name: str
    runtime: SageMakerRuntimeClient | None = None

    def classify(self, image: bytes, inference_id: str) -> dict[str, Any]:
        """Return the endpoint's answer for one image.

        Raises
        ------
        InvalidImageError, EndpointBusyError, EndpointUnavailableError, EndpointAnswerError
        """
        return self._ask(image, ONE, inference_id)

    def classify_many(
        self, images: Sequence[tuple[str, bytes]], inference_id: str
    ) -> list[dict[str, Any] | InvalidImageError]:
        """Return the endpoint's answer for each of many named images, in order; a bad one has its error instead.

        Raises
        ------
        EndpointBusyError, EndpointUnavailableError, EndpointAnswerError
            When none is answered.
        """
        try:
            predictions = self._ask(archive(images), MANY, inference_id).get("predictions")
        except InvalidImageError as error:  # the whole request is refused, and the images may be good ones
            raise EndpointAnswerError(
                f"The endpoint {self.name} refuses {len(images)} images in one request: {error}"
            ) from error
        if not isinstance(predictions, list) or not all(isinstance(each, dict) for each in predictions):
            raise EndpointAnswerError(f"The endpoint {self.name} answered many images without predictions.")
        if [each.get("name") for each in predictions] != [name for name, _ in images]:
            raise EndpointAnswerError(f"The endpoint {self.name} answered other images than it was asked.")
        return [
            InvalidImageError(_cut(str(each.get("message") or each["error"]))) if "error" in each else each
            for each in predictions
        ]

    def _ask(self, content: bytes, kind: str, inference_id: str) -> dict[str, Any]:
        # One attempt: the workflow retries, with a back-off that an overloaded endpoint can recover in.
        runtime = self.runtime or client("sagemaker-runtime", read_timeout=READ_SECONDS, attempts=1)
        try:
            answer = runtime.invoke_endpoint(
                EndpointName=self.name,
                Body=content,
                ContentType=kind,
                Accept="application/json",
                InferenceId=inference_id,
            )
            parsed = json.loads(answer["Body"].read())
        except ClientError as error:
            raise self._error(error) from error
        except ReadTimeoutError as error:
            raise EndpointBusyError(
                f"The endpoint {self.name} did not answer in {READ_SECONDS} s."
            ) from error
        except (HTTPClientError, UnreachableError) as error:
            raise EndpointUnavailableError(f"The endpoint {self.name} cannot be reached: {error}.") from error
        except ValueError as error:
            raise EndpointAnswerError(f"The endpoint {self.name} did not answer in JSON: {error}.") from error
        if not isinstance(parsed, dict):
            raise EndpointAnswerError(
                f"The endpoint {self.name} answered a {type(parsed).__name__}, not an object."
            )
        return parsed

    def _error(self, error: ClientError) -> Exception:
        # The container's own status and words: present in `ModelError` alone.
        answer: dict[str, Any] = dict(error.response)
        code = error.response["Error"]["Code"]
        status = answer.get("OriginalStatusCode")
        said = _sentence(str(answer.get("OriginalMessage") or error.response["Error"].get("Message", code)))
        if status in BAD_IMAGE:
            return InvalidImageError(said)
        if status in BUSY or code in BUSY_CODES:
            return EndpointBusyError(f"The endpoint {self.name} is busy: {said}")
        return EndpointUnavailableError(f"The endpoint {self.name} cannot answer ({status or code}): {said}")


def _sentence(said: str) -> str:
    """Return the message of the application's error, or what there is instead."""
    # Not the application's JSON: SageMaker's own words, or a proxy's page.
    with contextlib.suppress(ValueError, KeyError, TypeError):
        said = str(json.loads(said)["message"])
    return _cut(said)


def _cut(said: str) -> str:
    return " ".join(said.split())[:SENTENCE_LIMIT]
