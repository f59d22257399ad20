"""The endpoint must answer as the evaluated model did, on pictures of the untouched test split."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from lambda_src.adapters.endpoint import Endpoint
from lambda_src.adapters.objects import Objects, split
from lambda_src.errors import SmokeTestError

PER_CLASS = 3
TOLERANCE = 0.02
"""Of the confidence: batches of other sizes round differently."""


def chosen(images: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the first few images of each class."""
    by_class: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for image in images:
        if len(by_class[image["expected"]]) < PER_CLASS:
            by_class[image["expected"]].append(image)
    return [image for group in by_class.values() for image in group]


def smoke_test(evaluation_uri: str, test_uri: str, objects: Objects, endpoint: Endpoint) -> int:
    """Compare answers and return how many were compared.

    Raises
    ------
    SmokeTestError
        At the first difference, or when there is nothing to compare.
    """
    images = chosen(json.loads(objects.read(*split(evaluation_uri)))["images"])
    if not images:
        raise SmokeTestError(f"The evaluation {evaluation_uri} names no images to try the endpoint with.")
    bucket, prefix = split(test_uri)
    for number, image in enumerate(images):
        answer = endpoint.classify(objects.read(bucket, prefix + image["file"]), f"smoke-test-{number}")
        same = answer.get("class") == image["predicted"]
        close = abs(answer.get("confidence", -1.0) - image["confidence"]) <= TOLERANCE
        if not (same and close):
            raise SmokeTestError(
                f"The endpoint says {answer.get('class')} ({answer.get('confidence')}) of {image['file']}, and the "
                f"evaluated model said {image['predicted']} ({image['confidence']})."
            )
    return len(images)
