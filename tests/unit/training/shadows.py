"""A shadow's answers to a log's decisions, as SageMaker's data capture leaves them in a folder."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import datetime

from tests.unit.training.traffic import START, Line, World

SHADOW = "fedcba987654"
OTHER = {"bicycle": "motorcycle", "motorcycle": "bicycle"}


def captured(
    line: Line,
    *,
    model: str = SHADOW,
    label: str | None = None,
    confident: bool | None = None,
    encoding: str = "JSON",
    changes: Line | None = None,
) -> Line:
    """Return what is captured of a shadow that answers as the log's model did, but for what is given."""
    answer = {
        "class": label or line["class"],
        "confidence": line["confidence"],
        "probabilities": {},
        "confident": line["outcome"] == "routed" if confident is None else confident,
        "threshold": 0.9,
        "model_version": model,
        "image": line["image"],
        "embedding": line["embedding"],
        **(changes or {}),
    }
    text = json.dumps(answer)
    data = base64.b64encode(text.encode()).decode() if encoding == "BASE64" else text
    output = {
        "observedContentType": "application/json",
        "mode": "OUTPUT",
        "data": data,
        "encoding": encoding,
    }
    about = {"eventId": "e", "inferenceId": line["decision_id"], "inferenceTime": line["recorded_at"]}
    return {"captureData": {"endpointOutput": output}, "eventMetadata": about, "eventVersion": "0"}


def deliver(world: World, name: str, answers: Sequence[Line | str], hour: datetime = START) -> None:
    """Write a file of captured lines."""
    lines = [each if isinstance(each, str) else json.dumps(each) for each in answers]
    world.write(f"shadow/{hour:%Y/%m/%d/%H}/{name}.jsonl", "".join(f"{line}\n" for line in lines).encode())


def analyze(world: World, now: datetime, previous: str = "", report: str = "report", *more: str) -> Line:
    """Run the job with the folder of the shadow's answers."""
    return world.analyze(now, previous, report, "--shadow", f"{world.folder}/shadow", *more)
