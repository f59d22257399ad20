"""Checks objects, asks the endpoint for all at once, and adds where their orders go."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
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
POINTER = ("bucket", "key", "version_id")
"""What names an object version."""


def decision_id(bucket: str, key: str, version_id: str) -> str:
    """Return what names the decision on one object version, the same at every try."""
    return hashlib.sha256(f"{bucket}\n{key}\n{version_id}".encode()).hexdigest()[:32]


def in_sample(identifier: str, rate: float) -> bool:
    """Return whether a decision is in the random sample that people check, the same at every try.

    The identifier is a hash, so its first digits are as good as drawn by chance, and no replay draws again.
    """
    return int(identifier[:13], 16) / 16**13 < rate


def request_id(names: Sequence[str]) -> str:
    """Return what names one request to the endpoint: of one image its decision's id, of many a digest of theirs."""
    return names[0] if len(names) == 1 else hashlib.sha256("\n".join(names).encode()).hexdigest()[:32]


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

    def classify(self, event: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return what is known of each object version that the event's `images` point at, in order.

        `image` is the pointer and `answer` has the decision's facts; of an image that is none, that cannot be read or
        that has no usable answer, `failure` has the `error`'s name and its `cause` instead. All others are answered.

        Raises
        ------
        InvalidEventError, EndpointBusyError, EndpointUnavailableError, EndpointAnswerError
            When none is answered.
        """
        started = self.clock()
        pointers = _pointers(event)
        with ThreadPoolExecutor(len(pointers)) as pool:
            contents = list(pool.map(self._content, pointers))
        usable = [
            (_decision_id(pointer), content)
            for pointer, content in zip(pointers, contents, strict=True)
            if isinstance(content, bytes)
        ]
        request = request_id([name for name, _ in usable])
        answers = iter(self._ask(usable, request))
        found = [next(answers) if isinstance(content, bytes) else content for content in contents]
        milliseconds = round((self.clock() - started) * 1000)
        return [
            self._result(pointer, each, request, milliseconds)
            for pointer, each in zip(pointers, found, strict=True)
        ]

    def _content(self, pointer: Mapping[str, Any]) -> bytes | Exception:
        """Return an object's bytes, or why it has none that can be asked about."""
        try:
            self._check(pointer["size"])
            content = self.objects.read(
                pointer["bucket"], pointer["key"], pointer["version_id"], limit=self.max_bytes
            )
            self._check(len(content))
        except Exception as error:  # forbidden, archived, out of time: whatever it is, the others are read
            return error
        return content

    def _ask(
        self, images: Sequence[tuple[str, bytes]], request: str
    ) -> Sequence[Mapping[str, Any] | Exception]:
        """Ask about all images, in one request."""
        if len(images) > 1:
            return self.endpoint.classify_many(images, request)
        try:
            return [self.endpoint.classify(content, request) for _, content in images]
        except InvalidImageError as error:
            return [error]

    def _result(
        self,
        pointer: Mapping[str, Any],
        found: Mapping[str, Any] | Exception,
        request: str,
        milliseconds: int,
    ) -> dict[str, Any]:
        error = found if isinstance(found, Exception) else self._wrong(found)
        facts = {} if error else self._facts(pointer, found, request)
        return {
            "image": {name: pointer[name] for name in POINTER},
            "answer": {**facts, "milliseconds": milliseconds},
            "failure": {"error": type(error).__name__, "cause": str(error)} if error else {},
        }

    def _wrong(self, answer: Mapping[str, Any]) -> EndpointAnswerError | None:
        """Return what makes an answer unusable."""
        if wrong := [name for name, kind in SHAPE.items() if not isinstance(answer.get(name), kind)]:
            return EndpointAnswerError(f"The endpoint's answer lacks a usable {', '.join(wrong)}.")
        if answer["class"] not in self.routes:
            return EndpointAnswerError(
                f"The endpoint answered the class {answer['class']!r}, which has no route; "
                f"routes exist for {', '.join(self.routes)}."
            )
        return None

    def _facts(self, pointer: Mapping[str, Any], answer: Any, request: str) -> dict[str, Any]:
        identifier = _decision_id(pointer)
        return {
            "decision_id": identifier,
            **{name: answer[name] for name in SHAPE},
            "route": self.routes[answer["class"]],
            "sampled": answer["confident"] and in_sample(identifier, self.sample_rate),
            "inference_id": request,
        }

    def _check(self, size: int) -> None:
        if size == 0:
            raise InvalidImageError("The object is empty.")
        if size > self.max_bytes:
            raise InvalidImageError(f"The object is larger than the limit of {self.max_bytes} bytes.")


def _decision_id(pointer: Mapping[str, Any]) -> str:
    return decision_id(pointer["bucket"], pointer["key"], pointer["version_id"])


def _pointers(event: Mapping[str, Any]) -> list[dict[str, Any]]:
    try:
        pointers = [
            {
                "bucket": each["bucket"],
                "key": each["key"],
                "version_id": each["version_id"],
                "size": int(each["size"]),
            }
            for each in event["images"]
        ]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InvalidEventError(
            f"Each of the event's images must have bucket, key, version_id and size ({error!r})."
        ) from error
    if not pointers:
        raise InvalidEventError("The event's images are none: at least one is wanted.")
    return pointers
