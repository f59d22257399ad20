"""The training job on a handful of drawings: a model comes out, a killed run goes on, the seed decides."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import torch

from classifier.artifact import load_model
from classifier.network import EfficientNetLite0
from training.drawings import draw
from training.fitting import CHECKPOINT
from training.job import main

FAST = ["--image-size", "32", "--batch-size", "8", "--body-rate", "0", "--patience", "0", "--threads", "1"]


@pytest.fixture
def channels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for split, count in (("train", 8), ("validation", 4)):
        for label in ("bicycle", "motorcycle"):
            folder = tmp_path / split / label
            folder.mkdir(parents=True)
            for number in range(count):
                buffer = io.BytesIO()
                draw(label, len(split), number).save(buffer, "PNG")
                (folder / f"{number}.png").write_bytes(buffer.getvalue())
        monkeypatch.setenv(f"SM_CHANNEL_{split.upper()}", str(tmp_path / split))
    for name in ("manifest", "weights", "output", "checkpoints"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(f"SM_CHANNEL_{name.upper()}", str(tmp_path / name))
    (tmp_path / "manifest" / "manifest.json").write_text('{"version": "v1", "drawings": true}')
    torch.manual_seed(0)
    network = EfficientNetLite0(1000)
    torch.save(_pretrained(network), tmp_path / "weights" / "weights.pth")
    monkeypatch.setenv("SM_MODEL_DIR", str(tmp_path / "model"))
    return tmp_path


def _pretrained(network: EfficientNetLite0) -> dict[str, torch.Tensor]:
    """Name a network's parameters as the pretrained file does."""
    from classifier import network as module  # noqa: PLC0415

    inner = {value: key for key, value in module._PARTS.items()}
    outer = {value: key for key, value in module._OUTER.items()}
    renamed = {}
    for name, value in network.state_dict().items():
        parts = name.split(".")
        if parts[0] == "blocks":
            renamed[f"_blocks.{parts[1]}.{inner['.'.join(parts[2:-1])]}.{parts[-1]}"] = value
        else:
            renamed[f"{outer['.'.join(parts[:-1])]}.{parts[-1]}"] = value
    return renamed


def _weights(folder: Path) -> torch.Tensor:
    return load_model(folder / "model").network.head.weight.detach().clone()


def test_a_model_comes_out_that_knows_its_data(channels: Path) -> None:
    assert main([*FAST, "--epochs", "1"]) == 0
    card = load_model(channels / "model").card
    assert card.classes == ("bicycle", "motorcycle")
    assert (card.dataset_version, card.drawings, card.calibrated_on) == ("v1", True, "validation")
    metrics = json.loads((channels / "model" / "metrics.json").read_text())
    assert [epoch["epoch"] for epoch in metrics["epochs"]] == [1]
    assert {"read", "load", "train", "calibrate", "write"} <= set(metrics["phases"])


def test_the_same_seed_gives_the_same_model_and_a_resumed_run_ends_the_same(channels: Path) -> None:
    checkpoints = ["--checkpoint-dir", str(channels / "checkpoints")]
    assert main([*FAST, "--epochs", "3", *checkpoints]) == 0
    whole = _weights(channels)
    state = torch.load(channels / "checkpoints" / CHECKPOINT, weights_only=True)
    assert len(state["progress"]["epochs"]) == 3
    assert main([*FAST, "--epochs", "3"]) == 0
    assert torch.equal(_weights(channels), whole)
    # Going on from a finished run changes nothing either.
    assert main([*FAST, "--epochs", "3", *checkpoints]) == 0
    assert torch.equal(_weights(channels), whole)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--magic", "1"], "no hyperparameter 'magic'"),
        (["--classes", "bicycle,scooter"], "no class 'scooter'"),
        (["--epochs"], "pairs of --name and value"),
    ],
)
def test_a_refusal_is_one_sentence_in_the_failure_file(
    channels: Path, arguments: list[str], message: str
) -> None:
    assert main([*FAST, *arguments]) == 1
    said = (channels / "output" / "failure").read_text().strip()
    assert message in said
    assert "\n" not in said


def test_a_checkpoint_of_other_data_is_refused(channels: Path) -> None:
    checkpoints = ["--checkpoint-dir", str(channels / "checkpoints")]
    assert main([*FAST, "--epochs", "1", *checkpoints]) == 0
    (channels / "manifest" / "manifest.json").write_text('{"version": "v2"}')
    assert main([*FAST, "--epochs", "1", *checkpoints]) == 1
    assert "checkpoint belongs to another dataset" in (channels / "output" / "failure").read_text()
