"""A shadow variant's answers, as SageMaker's data capture leaves them."""

import base64
import json
from dataclasses import dataclass
from typing import Any

from training.analysis.records import moment_of, text_of

_SMOKE_TEST = "smoke-test-"
"""How the smoke test's inference ids begin: its pictures are no orders, and no decision is made of them."""


@dataclass(frozen=True)
class Answer:
    """What a shadow said of one picture; `at` in seconds since 1970, `confident` if it would have been routed."""

    decision_id: str
    at: float
    model_version: str
    label: str
    confident: bool


def read_answers(line: str) -> list[Answer]:
    """
    Read one captured line: an answer for each of its request's pictures, of those that may be in the log.

    None are a request without an inference id or of the smoke test, and a refusal. A request of one picture has its
    decision's id as inference id; of many, the pictures' names are their decisions' ids.

    Raises
    ------
    ValueError, KeyError, TypeError
        When it is not of the agreed shape.
    """
    raw = json.loads(line)
    about = raw["eventMetadata"]
    inference_id, at = text_of(about.get("inferenceId") or ""), moment_of(about["inferenceTime"])
    answer = _content(raw["captureData"]["endpointOutput"])
    if not inference_id or inference_id.startswith(_SMOKE_TEST):
        return []
    if "predictions" in answer:
        parts = [(text_of(part["name"]), part) for part in answer["predictions"]]
    else:
        parts = [(inference_id, answer)]
    return [_answer(name, at, part) for name, part in parts if "error" not in part]


def _answer(decision_id: str, at: float, answer: dict[str, Any]) -> Answer:
    label, version, confident = answer["class"], answer["model_version"], answer["confident"]
    if not (isinstance(label, str) and isinstance(version, str) and version and isinstance(confident, bool)):
        raise ValueError("its class, model_version or confident is not what an endpoint answers")
    return Answer(decision_id, at, text_of(version), text_of(label), confident)


def _content(output: dict[str, Any]) -> dict[str, Any]:
    data, encoding = output["data"], output["encoding"]
    if encoding not in ("JSON", "BASE64"):
        raise ValueError(f"the encoding {encoding!r} is none that the endpoint's answers have")
    answer = json.loads(base64.b64decode(data, validate=True) if encoding == "BASE64" else data)
    if not isinstance(answer, dict):
        raise ValueError("the answer is no object")
    return answer
