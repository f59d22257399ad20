"""Checks an object, asks the endpoint, and adds where its order goes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lambda_src.adapters.endpoint import Endpoint
from lambda_src.adapters.objects import Objects
from lambda_src.errors import EndpointAnswerError, InvalidEventError, InvalidImageError

SHAPE: Mapping[str, type | tuple[type, ...]] = {
    "class": str,
    "confidence": (int, float),
    "probabilities": dict,
    "confident": bool,
    "threshold": (int, float),
    "model_version": str,
    "image": dict,
    "embedding": list,
}


def decision_id(bucket: str, key: str, version_id: str) -> str:
    """Return what names the decision on one object version, the same at every try."""
    return hashlib.sha256(f"{bucket}\n{key}\n{version_id}".encode()).hexdigest()[:32]


def in_sample(identifier: str, rate: float) -> bool:
    """Return whether a decision is in the random sample that people check, the same at every try.

    The identifier is a hash, so its first digits are as good as drawn by chance, and no replay draws again.
    """
    return int(identifier[:13], 16) / 16**13 < rate


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
    sample_rate
        Share of the sure answers that people check too, 0…1.
    clock
        Seconds, monotonic.
    """

    objects: Objects
    endpoint: Endpoint
    routes: Mapping[str, str]
    max_bytes: int
    sample_rate: float
    clock: Callable[[], float] = time.monotonic

    def classify(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return the decision's facts for one object version.

        Raises
        ------
        InvalidImageError
            When it is empty, too large, or no image.
        InvalidEventError, ObjectMissingError, EndpointBusyError, EndpointUnavailableError,
        EndpointAnswerError
        """
        started = self.clock()
        try:
            bucket, key, version_id = event["bucket"], event["key"], event["version_id"]
            size = int(event["size"])
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidEventError(
                f"The event must have bucket, key, version_id and size ({error!r})."
            ) from error
        self._check(size)
        content = self.objects.read(bucket, key, version_id, limit=self.max_bytes)
        self._check(len(content))
        identifier = decision_id(bucket, key, version_id)
        answer = self._checked(self.endpoint.classify(content, identifier))
        return {
            "decision_id": identifier,
            "bucket": bucket,
            "key": key,
            "version_id": version_id,
            **{name: answer[name] for name in SHAPE},
            "route": self.routes[answer["class"]],
            "sampled": answer["confident"] and in_sample(identifier, self.sample_rate),
            "inference_id": identifier,
            "milliseconds": round((self.clock() - started) * 1000),
        }

    def _check(self, size: int) -> None:
        if size == 0:
            raise InvalidImageError("The object is empty.")
        if size > self.max_bytes:
            raise InvalidImageError(f"The object is larger than the limit of {self.max_bytes} bytes.")

    def _checked(self, answer: Mapping[str, Any]) -> Mapping[str, Any]:
        if wrong := [name for name, kind in SHAPE.items() if not isinstance(answer.get(name), kind)]:
            raise EndpointAnswerError(f"The endpoint's answer lacks a usable {', '.join(wrong)}.")
        if answer["class"] not in self.routes:
            raise EndpointAnswerError(
                f"The endpoint answered the class {answer['class']!r}, which has no route; "
                f"routes exist for {', '.join(self.routes)}."
            )
        return answer
