"""Checks an object, asks the endpoint, and adds where its order goes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambda_src.adapters.endpoint import Endpoint
from lambda_src.adapters.objects import Objects
from lambda_src.errors import EndpointAnswerError, InvalidImageError

NEEDED = ("class", "confidence", "probabilities", "confident", "threshold", "model_version")
PASSED = (*NEEDED, "image", "embedding")


def decision_id(bucket: str, key: str, version_id: str) -> str:
    """Return what names the decision on one object version, the same at every try."""
    return hashlib.sha256(f"{bucket}\n{key}\n{version_id}".encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Classifier:
    """Classifies objects.

    Parameters
    ----------
    objects, endpoint
        Where the bytes come from and go to.
    routes
        Class to route.
    max_bytes
        Size limit of one image.
    """

    objects: Objects
    endpoint: Endpoint
    routes: Mapping[str, str]
    max_bytes: int

    def classify(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return the decision's facts for one object version.

        Raises
        ------
        InvalidImageError
            When it is empty, too large, or no image.
        ObjectMissingError, EndpointBusyError, EndpointUnavailableError, EndpointAnswerError
        """
        started = time.monotonic()
        bucket, key, version_id = event["bucket"], event["key"], event["version_id"]
        if event.get("size", 0) > self.max_bytes:
            raise InvalidImageError(self._too_large(event["size"]))
        content = self.objects.read(bucket, key, version_id, limit=self.max_bytes)
        if len(content) > self.max_bytes:
            raise InvalidImageError(self._too_large(len(content)))
        if not content:
            raise InvalidImageError("The object is empty.")
        identifier = decision_id(bucket, key, version_id)
        answer = self.endpoint.classify(content, identifier)
        missing = [name for name in NEEDED if name not in answer]
        if missing:
            raise EndpointAnswerError(f"The endpoint's answer lacks {', '.join(missing)}.")
        if answer["class"] not in self.routes:
            raise EndpointAnswerError(f"The endpoint answered the class {answer['class']!r}, which has no route.")
        return {
            "decision_id": identifier,
            "bucket": bucket,
            "key": key,
            "version_id": version_id,
            **{name: answer.get(name) for name in PASSED},
            "route": self.routes[answer["class"]],
            "inference_id": identifier,
            "milliseconds": round((time.monotonic() - started) * 1000, 1),
        }

    def _too_large(self, size: int) -> str:
        return f"The object has {size} bytes; at most {self.max_bytes} are classified."
