"""Fetches the held-back pictures and what the training left, and works out how good the decisions are."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from scones.classification import Decision
from scones.errors import DataError
from scones.target import Target, output


@dataclass(frozen=True)
class Held:
    """One picture of the test split."""

    path: Path
    expected: str


@dataclass(frozen=True)
class Model:
    """What the training left behind.

    Attributes
    ----------
    champion
        The state table's record of the model in use.
    summary
        The staging job's summary of the data.
    metrics
        The training job's metrics: a list of epochs, and seconds by phase.
    """

    champion: dict[str, str]
    summary: dict[str, Any]
    metrics: dict[str, Any]
    held: list[Held] = field(default_factory=list)


def fetch(target: Target, folder: Path) -> Model:
    """Download the champion's test split and metrics.

    Raises
    ------
    DataError
        When there is no champion, or its dataset has no test split.
    """
    outputs = target.outputs(*target.stacks[:2])
    table, datasets = output(outputs, "StateTableName"), output(outputs, "DatasetsBucketName")
    answer = target.clients("dynamodb").get_item(TableName=table, Key={"id": {"S": "champion"}})
    champion = {key: str(next(iter(value.values()))) for key, value in answer.get("Item", {}).items()}
    if not champion:
        raise DataError(f"{target.prefix} has no champion: its training promoted no model.")
    s3 = target.clients("s3")
    summary = _json(s3, datasets, f"{target.classifier}/runs/{champion['run']}/summary.json")
    _keep_report(s3, datasets, f"{target.classifier}/runs/{champion['run']}/report.html", folder.parent)
    held = _test_split(s3, datasets, f"{target.classifier}/{champion['dataset_version']}/test/", folder)
    if not held:
        raise DataError(f"The dataset {champion['dataset_version']} has no test split: give more pictures.")
    return Model(champion, summary, _metrics(s3, champion.get("training_artifact", "")), held)


def _test_split(s3: Any, bucket: str, prefix: str, folder: Path) -> list[Held]:
    held: list[Held] = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            expected, _, name = entry["Key"].removeprefix(prefix).partition("/")
            if not name:
                continue
            path = folder / expected / name.replace("/", "_")
            path.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, entry["Key"], str(path))
            held.append(Held(path, expected))
    return held


def _keep_report(s3: Any, bucket: str, key: str, folder: Path) -> None:
    """Keep the staging job's report on the data beside the demo's own."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(s3.exceptions.NoSuchKey):
        (folder / "data.html").write_bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def _json(s3: Any, bucket: str, key: str) -> dict[str, Any]:
    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
    except s3.exceptions.NoSuchKey:
        return {}
    content: dict[str, Any] = json.loads(answer["Body"].read())
    return content


def _metrics(s3: Any, uri: str) -> dict[str, Any]:
    """Read metrics.json out of the training job's model.tar.gz."""
    if not uri:
        return {}
    place = urlparse(uri)
    body = s3.get_object(Bucket=place.netloc, Key=place.path.lstrip("/"))["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as archive:
        for member in archive:
            if Path(member.name).name == "metrics.json" and (read := archive.extractfile(member)):
                content: dict[str, Any] = json.loads(read.read())
                return content
    return {}


def totals(decisions: Sequence[Decision], expected: Sequence[str]) -> dict[str, float | None]:
    """Return the share of right answers, the share routed, and the share of right ones among the routed.

    Every picture counts: one without an answer is a wrong answer.
    """
    right = [each.predicted == wanted for each, wanted in zip(decisions, expected, strict=True)]
    routed = [ok for ok, each in zip(right, decisions, strict=True) if each.outcome == "routed"]
    return {
        "accuracy": sum(right) / len(right),
        "coverage": len(routed) / len(right),
        "accuracy_when_routed": sum(routed) / len(routed) if routed else None,
    }


def confusion(
    decisions: Sequence[Decision], expected: Sequence[str], classes: Sequence[str]
) -> list[list[int]]:
    """Count the answers: a row per expected class, a column per predicted one."""
    counts = [[0] * len(classes) for _ in classes]
    for each, wanted in zip(decisions, expected, strict=True):
        if each.predicted in classes and wanted in classes:
            counts[classes.index(wanted)][classes.index(each.predicted)] += 1
    return counts
