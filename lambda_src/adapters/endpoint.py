"""The SageMaker endpoint."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError, HTTPClientError

from lambda_src.adapters.clients import client
from lambda_src.errors import EndpointAnswerError, EndpointBusyError, EndpointUnavailableError, InvalidImageError

BAD_IMAGE = (400, 413, 415)
BUSY = (429, 503, 504)
BUSY_CODES = ("ThrottlingException", "ServiceUnavailable", "ModelNotReadyException")


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
    runtime: Any = None

    def classify(self, image: bytes, inference_id: str) -> dict[str, Any]:
        """Return the endpoint's answer for one image.

        Raises
        ------
        InvalidImageError, EndpointBusyError, EndpointUnavailableError, EndpointAnswerError
        """
        runtime = self.runtime or client("sagemaker-runtime", read_timeout=61, attempts=2)
        try:
            answer = runtime.invoke_endpoint(
                EndpointName=self.name,
                Body=image,
                ContentType="application/octet-stream",
                Accept="application/json",
                InferenceId=inference_id,
            )
            parsed = json.loads(answer["Body"].read())
        except ClientError as error:
            raise self._error(error) from error
        except HTTPClientError as error:
            raise EndpointUnavailableError(f"The endpoint {self.name} cannot be reached: {error}.") from error
        except ValueError as error:
            raise EndpointAnswerError(f"The endpoint {self.name} did not answer in JSON: {error}.") from error
        if not isinstance(parsed, dict):
            raise EndpointAnswerError(f"The endpoint {self.name} answered a {type(parsed).__name__}, not an object.")
        return parsed

    def _error(self, error: ClientError) -> Exception:
        status = error.response.get("OriginalStatusCode")
        said = str(error.response.get("OriginalMessage", error.response["Error"].get("Message", "")))
        if status in BAD_IMAGE:
            return InvalidImageError(_sentence(said))
        if status in BUSY or error.response["Error"]["Code"] in BUSY_CODES:
            return EndpointBusyError(f"The endpoint {self.name} is busy: {_sentence(said)}")
        return EndpointUnavailableError(f"The endpoint {self.name} cannot answer: {_sentence(said)}")


def _sentence(said: str) -> str:
    """Return the message of the application's error, or what there is instead."""
    try:
        return str(json.loads(said)["message"])
    except (ValueError, KeyError, TypeError):
        return said
