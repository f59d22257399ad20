"""The analysis job reads the log, the reviews, the baseline and its own state from S3."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from localcloud.instance import Instance
from tests.unit.training.traffic import MODEL, START, Traffic, World
from training.analysis.job import main
from training.analysis.storage import place
from training.errors import StorageError

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    instance = Instance.start(tmp_path_factory.mktemp("cloud"), project=ROOT, owner_pid=os.getpid())
    with pytest.MonkeyPatch.context() as patch:
        for name, value in instance.environment().items():
            patch.setenv(name, value)
        try:
            yield instance
        finally:
            instance.stop()


def upload(cloud: Instance, folder: Path, bucket: str, prefix: str) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            key = f"{prefix}{path.relative_to(folder).as_posix()}"
            cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=path.read_bytes())


def test_two_analyses_in_a_row_count_each_decision_once(cloud: Instance, tmp_path: Path) -> None:
    cloud.client("s3").create_bucket(Bucket="results")
    world, traffic = World(tmp_path), Traffic(2)
    world.baseline()
    world.log("a", traffic.lines(230, START, moved=1.0))
    world.review(1, START)
    for name in ("log", "reviews", "runs"):
        upload(cloud, tmp_path / name, "results", f"{name}/")
    given = [
        *("--log", "s3://results/log/", "--reviews", "s3://results/reviews/", "--runs", "s3://results/runs"),
        *("--target-error", "0.01", "--classifier", "vehicles", "--endpoint", "e"),
    ]
    at = (START + timedelta(hours=1)).isoformat()
    assert main([*given, "--previous", "", "--now", at, "--report", str(tmp_path / "one")]) == 0
    upload(cloud, tmp_path / "one", "results", "analysis/one/")
    state = "s3://results/analysis/one/state.json"
    assert main([*given, "--previous", state, "--now", at, "--report", str(tmp_path / "two")]) == 0
    one, two = (json.loads((tmp_path / name / "analysis.json").read_text()) for name in ("one", "two"))
    assert [each["kinds"] for each in one["windows"]] == [["embedding"]]
    assert (one["counts"]["reviews"], one["waiting"]) == (1, {MODEL: 30})
    assert (two["counts"]["files"], two["counts"]["reviews"], two["waiting"]) == (0, 0, {MODEL: 30})


def test_a_bucket_that_is_not_there_is_a_fault_with_its_name(cloud: Instance) -> None:
    with pytest.raises(StorageError, match="s3://nowhere/log/ cannot be listed"):
        list(place("s3://nowhere/log/").items())
    with pytest.raises(StorageError, match="s3://nowhere/log/a cannot be read"):
        place("s3://nowhere/log/").read("a")
