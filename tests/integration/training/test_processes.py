"""Several processes, started as AWS's PyTorch image does it: the same code, the same model."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from classifier.artifact import load_model
from stacks.archives import weights_file
from training.drawings import draw_candidates
from training.staging.dataset import build_dataset, write_dataset

ROOT = Path(__file__).parents[3]
SHORT = [
    *("--epochs", "2", "--folds", "2", "--image-size", "32", "--batch-size", "7", "--frozen-blocks", "12"),
    *("--target-error", "0.2", "--threads", "1"),
]


def _train(folder: Path, launcher: list[str]) -> torch.Tensor:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "SM_CHANNEL_TRAIN": str(folder / "data" / "train"),
        "SM_CHANNEL_VALIDATION": str(folder / "data" / "validation"),
        "SM_CHANNEL_MANIFEST": str(folder / "data"),
        "SM_CHANNEL_WEIGHTS": str(weights_file().parent),
        "SM_MODEL_DIR": str(folder / "model"),
    }
    script = str(ROOT / "training" / "entrypoints" / "train.py")
    done = subprocess.run(
        [sys.executable, *launcher, script, *SHORT],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # One process speaks for all.
    assert done.stdout.count("fold-1 epoch=1 ") == 1
    return load_model(folder / "model").network.head.weight.detach().clone()


@pytest.mark.timeout(600)
def test_two_processes_train_the_model_that_one_does(tmp_path: Path) -> None:
    dataset, files = build_dataset(
        "drawings", *draw_candidates(("bicycle", "motorcycle"), 20, 0), drawings=True, log=lambda _: None
    )
    write_dataset(dataset, files, tmp_path).rename(tmp_path / "data")
    alone = _train(tmp_path, [])
    together = _train(tmp_path, ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"])
    assert torch.allclose(alone, together, atol=1e-4), (alone - together).abs().max()
