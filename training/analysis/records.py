"""Lines of the prediction log and answers of people, checked once, where they come in."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from classifier.image_statistics import MEASURES

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

INPUTS = (*MEASURES, "pixels")
"""The image statistics that are compared with the baseline's."""
NONE = "none"
"""What people say of a picture that shows nothing of any class."""
_ROUTED, _REVIEW, _REJECTED = "routed", "review", "rejected"
_PLAIN: dict[Any, tuple[type, ...]] = {int: (int,), float: (int, float), str: (str,), bool: (bool,)}
"""What JSON has of a field."""
_Kept = TypeVar("_Kept", bound="DataclassInstance")


@dataclass(frozen=True)
class Prediction:
    """
    One decision of the log.

    Parameters
    ----------
    at
        Seconds since 1970.
    rejected
        Whether it was no picture; then the version is empty or that which serves, and the rest means nothing.
    confident
        Whether it was routed without a person.
    sampled
        Whether people may see it although it was; where the log does not say, they may.
    inputs
        Values by the names in `INPUTS`; a statistic that an older endpoint did not answer is missing.
    """

    decision_id: str
    at: float
    model_version: str
    rejected: bool = False
    label: str = ""
    confidence: float = 0.0
    confident: bool = False
    milliseconds: float = 0.0
    inputs: Mapping[str, float] | None = None
    embedding: tuple[float, ...] = ()
    sampled: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Return it as the state keeps it."""
        return asdict(self)


@dataclass(frozen=True)
class Review:
    """What a person said of one decision; `at` in seconds since 1970, `sure` if it had been routed."""

    decision_id: str
    at: float
    model_version: str
    label: str
    predicted: str
    sure: bool
    sampled: bool

    @property
    def correct(self) -> bool:
        """Whether the model had said the same."""
        return self.label == self.predicted


def restored(kind: type[_Kept], raw: Mapping[str, Any]) -> _Kept:
    """
    Build a dataclass of what a state kept of it.

    Raises
    ------
    ValueError, TypeError
        When a field is of another type, which would only be met where it is counted, or is unknown or missing.
    """
    for each in fields(kind):
        wanted = _PLAIN.get(each.type)
        if wanted and each.name in raw and type(raw[each.name]) not in wanted:
            raise ValueError(f"{kind.__name__.lower()}'s {each.name} is {raw[each.name]!r}")
    return kind(**raw)


def short(identity: str) -> str:
    """Return what a state remembers an id by."""
    return hashlib.blake2b(identity.encode(), digest_size=8).hexdigest()


def seconds(text: str) -> float:
    """Return an ISO time as seconds since 1970; one without a zone is taken as UTC."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def iso(moment: float) -> str:
    """Return seconds since 1970 as an ISO time in UTC."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def read_prediction(line: str) -> Prediction:
    """
    Read one line of the log.

    Raises
    ------
    ValueError, KeyError, TypeError
        When it is not of the agreed shape.
    """
    raw = json.loads(line)
    decision_id, at, outcome = text_of(raw["decision_id"]), moment_of(raw["recorded_at"]), raw["outcome"]
    version = text_of(raw.get("model_version") or "")
    if outcome == _REJECTED:
        return Prediction(decision_id, at, version, rejected=True)
    if outcome not in (_ROUTED, _REVIEW):
        raise ValueError(f"the outcome {outcome!r} is none")
    if not version:
        raise ValueError("it names no model")
    image = dict(raw["image"])
    inputs = {name: _finite(image[name]) for name in MEASURES if name in image}
    inputs["pixels"] = _finite(_finite(image["width"]) * _finite(image["height"]))
    return Prediction(
        decision_id,
        at,
        version,
        label=text_of(raw["class"]),
        confidence=_finite(raw["confidence"]),
        confident=outcome == _ROUTED,
        milliseconds=_finite(raw["milliseconds"]),
        inputs=inputs,
        embedding=tuple(_finite(value) for value in raw["embedding"]),
        sampled=bool(raw.get("sampled", True)),
    )


def read_review(content: bytes) -> Review:
    """
    Read one review.

    Raises
    ------
    ValueError, KeyError, TypeError
        When it is not of the agreed shape.
    """
    raw = json.loads(content)
    return Review(
        decision_id=text_of(raw["decision_id"]),
        at=moment_of(raw["at"]),
        model_version=text_of(raw["model_version"]),
        label=text_of(raw["class"]),
        predicted=text_of(raw["predicted"]),
        sure=raw["outcome"] == _ROUTED,
        sampled=bool(raw.get("sampled", False)),
    )


def text_of(value: object) -> str:
    """Return text; JSON's escapes can make some that no file can hold."""
    text = str(value)
    text.encode()
    return text


def moment_of(text: str) -> float:
    """Return an ISO time as seconds since 1970; none is before."""
    if (moment := seconds(text)) < 0:
        raise ValueError(f"the time {text!r} is before 1970")
    return moment


def _finite(value: object) -> float:
    """Return a number, also one that DynamoDB's or a state's JSON has as text."""
    if not isinstance(value, int | float | str) or not math.isfinite(number := float(value)):
        raise ValueError(f"{value!r} is no number")
    return number
