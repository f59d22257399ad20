"""The endpoint must answer as the evaluated model did, on pictures of the untouched test split."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lambda_src.adapters.endpoint import Endpoint
from lambda_src.adapters.objects import Objects, split
from lambda_src.errors import EndpointBusyError, SmokeTestError

PER_CLASS = 3
TOLERANCE = 0.02
"""Of the confidence: other hardware and other batches round differently."""
TRIES = 6
PAUSE_SECONDS = 2.0


def chosen(images: Sequence[Mapping[str, Any]], per_class: int) -> list[Mapping[str, Any]]:
    """Return the first images of each class by name, confident ones first.

    Right at a class border another device may round to the other class, and that is no fault.
    """
    by_class: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for image in sorted(images, key=lambda image: (not image.get("confident"), image["file"])):
        group = by_class[image["expected"]]
        if image.get("predicted") and len(group) < per_class:
            group.append(image)
    return [image for name in sorted(by_class) for image in by_class[name]]


@dataclass(frozen=True)
class SmokeTest:
    """Tries an endpoint.

    Parameters
    ----------
    objects, endpoint
        Where pictures come from and go to.
    sleep
        Waits so many seconds.
    """

    objects: Objects
    endpoint: Endpoint
    sleep: Callable[[float], None] = time.sleep

    def check(self, evaluation_uri: str, test_uri: str, per_class: int = PER_CLASS) -> int:
        """Compare answers and return how many were compared.

        Raises
        ------
        SmokeTestError
            At the first difference, or when there is nothing to compare.
        """
        evaluation = json.loads(self.objects.read(*split(evaluation_uri)))
        images = chosen(evaluation.get("images", ()), per_class)
        if not images:
            raise SmokeTestError(f"The evaluation {evaluation_uri} names no images to try the endpoint with.")
        bucket, prefix = split(test_uri)
        for number, image in enumerate(images):
            content = self.objects.read(bucket, f"{prefix.rstrip('/')}/{image['file']}")
            _compare(image, self._ask(content, f"smoke-test-{number}"), evaluation.get("model_version"))
        return len(images)

    def _ask(self, content: bytes, inference_id: str) -> dict[str, Any]:
        for _ in range(TRIES - 1):
            try:
                return self.endpoint.classify(content, inference_id)
            except EndpointBusyError:
                self.sleep(PAUSE_SECONDS)
        return self.endpoint.classify(content, inference_id)


def _compare(image: Mapping[str, Any], answer: Mapping[str, Any], version: str | None) -> None:
    if version and answer.get("model_version") != version:
        raise SmokeTestError(
            f"The endpoint serves the model {answer.get('model_version')}, and {version} was evaluated."
        )
    confidence = answer.get("confidence")
    close = isinstance(confidence, int | float) and abs(confidence - image["confidence"]) <= TOLERANCE
    if answer.get("class") != image["predicted"] or not close:
        raise SmokeTestError(
            f"The endpoint says {answer.get('class')} ({confidence}) of {image['file']}, "
            f"where the evaluated model said {image['predicted']} ({image['confidence']})."
        )
