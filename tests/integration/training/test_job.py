"""The training job on a handful of drawings: a model comes out, a killed run goes on, the seed decides."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch

from classifier.artifact import load_model
from classifier.network import Conv, EfficientNetLite0
from training.checkpoints import pack, unpack
from training.drawings import draw_candidates
from training.fitting import Fitting, class_weights
from training.job import main
from training.pictures import Pictures
from training.staging.dataset import build_dataset, version_of, write_dataset

FAST = [
    *("--image-size", "32", "--batch-size", "8", "--body-rate", "0", "--patience", "0", "--threads", "1"),
    *("--folds", "2", "--target-error", "0.2"),
]
PARTS = {
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
    "stem": ("_conv_stem", "_bn0"),
    "top": ("_conv_head", "_bn1"),
}


@pytest.fixture
def classes() -> tuple[str, ...]:
    return ("bicycle", "motorcycle")


@pytest.fixture
def channels(classes: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    dataset, files = build_dataset(
        "drawings", *draw_candidates(classes, 16, 0), drawings=True, log=lambda _: None
    )
    staged = write_dataset(dataset, files, tmp_path)
    for split in ("train", "validation"):
        monkeypatch.setenv(f"SM_CHANNEL_{split.upper()}", str(staged / split))
    for name in ("manifest", "weights", "output", "checkpoints"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(f"SM_CHANNEL_{name.upper()}", str(tmp_path / name))
    (staged / "manifest.json").rename(tmp_path / "manifest" / "manifest.json")
    torch.manual_seed(0)
    torch.save(_pretrained(EfficientNetLite0(1000)), tmp_path / "weights" / "weights.pth")
    monkeypatch.setenv("SM_MODEL_DIR", str(tmp_path / "model"))
    return tmp_path


def _pretrained(network: EfficientNetLite0) -> dict[str, torch.Tensor]:
    """Write a network as the pretrained file is: convolutions without bias, each with a normalisation."""
    state = {f"_fc.{name}": value for name, value in network.head.state_dict().items()}
    for name, module in network.named_modules():
        if not isinstance(module, Conv):
            continue
        parts = name.split(".")
        inner, norm = PARTS[parts[-1]]
        where = f"_blocks.{parts[1]}." if parts[0] == "blocks" else ""
        assert module.conv.bias is not None
        state[f"{where}{inner}.weight"] = module.conv.weight.detach()
        state |= {
            f"{where}{norm}.weight": torch.ones_like(module.conv.bias.detach()),
            f"{where}{norm}.bias": module.conv.bias.detach(),
            f"{where}{norm}.running_mean": torch.zeros_like(module.conv.bias.detach()),
            f"{where}{norm}.running_var": torch.ones_like(module.conv.bias.detach()),
        }
    return state


def _weights(folder: Path) -> torch.Tensor:
    return load_model(folder / "model").network.head.weight.detach().clone()


def test_a_model_comes_out_that_knows_its_data(channels: Path) -> None:
    assert main([*FAST, "--epochs", "1"]) == 0
    card = load_model(channels / "model").card
    assert card.classes == ("bicycle", "motorcycle")
    assert (card.drawings, card.calibrated_on, card.calibration["images"]) == (True, "out-of-fold", 29)
    metrics = json.loads((channels / "model" / "metrics.json").read_text())
    assert [epoch["epoch"] for epoch in metrics["epochs"]] == [1]
    assert list(metrics["phases"]) == ["start", "read", "load", "train", "calibrate", "write"]
    assert 0 < metrics["set_up_share"] < 1


@pytest.mark.parametrize("classes", [("motorcycle", "bicycle", "good", "defective")])
def test_four_classes_are_learnt_as_two_are(channels: Path, classes: tuple[str, ...]) -> None:
    assert main([*FAST, "--epochs", "1", "--classes", ",".join(classes)]) == 0
    model = load_model(channels / "model")
    assert model.card.classes == classes
    assert model.predict(torch.zeros(1, 3, 32, 32)).probabilities.shape == (1, 4)


def test_the_same_seed_gives_the_same_model(channels: Path) -> None:
    assert main([*FAST, "--epochs", "2"]) == 0
    first = _weights(channels)
    assert main([*FAST, "--epochs", "2"]) == 0
    assert torch.equal(_weights(channels), first)


@pytest.mark.parametrize("step", [1, 4, 7])
def test_a_run_killed_at_any_step_ends_as_an_undisturbed_one(
    channels: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    assert main([*FAST, "--epochs", "2"]) == 0
    whole = _weights(channels)
    checkpoints = ["--checkpoint-dir", str(channels / "checkpoints")]
    steps = iter(range(1000))
    take = Fitting._step

    def killed(self: Fitting, train: Pictures, rows: torch.Tensor) -> float:
        if next(steps) == step:
            raise KeyboardInterrupt
        return take(self, train, rows)

    monkeypatch.setattr(Fitting, "_step", killed)
    with pytest.raises(KeyboardInterrupt):
        main([*FAST, "--epochs", "2", *checkpoints])
    monkeypatch.undo()
    for name in ("train", "validation", "manifest", "weights"):
        where = channels / name if (channels / name).is_dir() else next(channels.glob(f"*/{name}"))
        monkeypatch.setenv(f"SM_CHANNEL_{name.upper()}", str(where))
    monkeypatch.setenv("SM_MODEL_DIR", str(channels / "model"))
    assert main([*FAST, "--epochs", "2", *checkpoints]) == 0
    assert torch.equal(_weights(channels), whole)
    # Going on from a finished run changes nothing either.
    assert main([*FAST, "--epochs", "2", *checkpoints]) == 0
    assert torch.equal(_weights(channels), whole)


def test_trials_of_a_search_keep_their_checkpoints_apart(channels: Path) -> None:
    folder = channels / "checkpoints"
    shared = ["--epochs", "1", "--checkpoint-dir", str(folder / "{trial}")]
    for rate in ("0.001", "0.002", "0.001"):
        assert main([*FAST, *shared, "--learning-rate", rate]) == 0
    assert len(list(folder.iterdir())) == 2
    assert all((trial / "fold-1.pt").is_file() for trial in folder.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--magic", "1"], "no hyperparameter 'magic'"),
        (["--classes", "bicycle,scooter"], "no class 'scooter'"),
        (["--epochs"], "pairs of --name and value"),
        (["--epochs", "1", "--epochs", "2"], "'epochs' is given twice"),
    ],
)
def test_a_refusal_is_one_sentence_in_the_failure_file(
    channels: Path, arguments: list[str], message: str
) -> None:
    assert main([*FAST, *arguments]) == 1
    said = (channels / "output" / "failure").read_text().strip()
    assert message in said
    assert "\n" not in said


def _said(channels: Path) -> str:
    return (channels / "output" / "failure").read_text().strip()


def test_a_checkpoint_of_other_data_or_of_no_sense_is_refused(channels: Path) -> None:
    checkpoints = ["--checkpoint-dir", str(channels / "checkpoints")]
    assert main([*FAST, "--epochs", "1", *checkpoints]) == 0
    manifest = channels / "manifest" / "manifest.json"
    content = json.loads(manifest.read_text())
    gone = next(each for each in content["images"] if each["split"] == "train")
    next(channels.glob(f"*/{gone['file']}")).unlink()
    images = [each for each in content["images"] if each is not gone]
    version = version_of(content["classes"], ((each["file"], each["pixels"]) for each in images))
    manifest.write_text(json.dumps({**content, "images": images, "version": version}))
    assert main([*FAST, "--epochs", "1", *checkpoints]) == 1
    assert "fold-1.pt was made with another dataset: remove it" in _said(channels)
    (channels / "checkpoints" / "fold-1.pt").write_bytes(b"half a file")
    assert main([*FAST, "--epochs", "1", *checkpoints]) == 1
    assert "fold-1.pt cannot be read" in _said(channels)


def test_a_checkpoint_of_other_hyperparameters_is_refused_by_their_names(channels: Path) -> None:
    checkpoints = ["--checkpoint-dir", str(channels / "checkpoints")]
    assert main([*FAST, "--epochs", "1", *checkpoints]) == 0
    assert main([*FAST, "--epochs", "1", *checkpoints, "--learning-rate", "0.002"]) == 1
    assert (
        "fold-1.pt was made with another learning-rate: remove it, or empty the checkpoint folder."
        in _said(channels)
    )
    assert main([*FAST[:-2], "--epochs", "1", *checkpoints, "--seed", "1", "--target-error", "0.3"]) == 1
    assert "was made with another seed and another target-error: remove it" in _said(channels)


def test_a_checkpoint_of_another_architecture_is_refused(channels: Path) -> None:
    checkpoints = ["--checkpoint-dir", str(channels / "checkpoints")]
    assert main([*FAST, "--epochs", "1", *checkpoints]) == 0
    path = channels / "checkpoints" / "fold-1.pt"
    state = unpack(path.read_bytes())
    path.write_bytes(pack({**state, "network": {"layer.weight": torch.zeros(3)}}))
    assert main([*FAST, "--epochs", "1", *checkpoints]) == 1
    assert "fold-1.pt is not of this network" in _said(channels)
    path.write_bytes(pack([1, 2]))
    assert main([*FAST, "--epochs", "1", *checkpoints]) == 1
    assert "fold-1.pt is not of a training job" in _said(channels)


@pytest.mark.parametrize(
    "change",
    [
        {"best": {}},
        {"best": None},
        {"logits": None},
        {"logits": torch.zeros(3, 2)},
        {"epochs": "several"},
        {
            "epochs": [
                {
                    "epoch": "one",
                    "train_loss": 1,
                    "seconds": 1,
                    "validation_loss": 1,
                    "validation_accuracy": 1,
                }
            ]
        },
        {"optimizer": "Adam"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_checkpoint_whose_parts_do_not_fit_is_refused(channels: Path, change: dict[str, object]) -> None:
    checkpoints = ["--checkpoint-dir", str(channels / "checkpoints")]
    assert main([*FAST, "--epochs", "1", *checkpoints]) == 0
    path = channels / "checkpoints" / "fold-1.pt"
    path.write_bytes(pack({**unpack(path.read_bytes()), **change}))
    assert main([*FAST, "--epochs", "1", *checkpoints]) == 1
    assert "fold-1.pt is not of this network: remove it, or empty the checkpoint folder." in _said(channels)


def test_a_damaged_checkpoint_makes_no_model(channels: Path) -> None:
    checkpoints = ["--checkpoint-dir", str(channels / "checkpoints")]
    assert main([*FAST, "--epochs", "1", *checkpoints]) == 0
    path = channels / "checkpoints" / "fold-2.pt"
    state, whole = unpack(path.read_bytes()), path.read_bytes()
    for place in range(0, len(whole), len(whole) // 8):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        assert main([*FAST, "--epochs", "1", *checkpoints]) == 1
        assert "fold-2.pt cannot be read: remove it, or empty the checkpoint folder." in _said(channels)
    state["best"]["head.weight"][:] = float("nan")
    path.write_bytes(pack(state))
    assert main([*FAST, "--epochs", "1", *checkpoints]) == 1
    assert "The model's weights are no finite numbers" in _said(channels)


def test_a_checkpoint_that_cannot_be_written_is_told(channels: Path) -> None:
    (channels / "checkpoints" / "fold-1.pt").mkdir()
    assert main([*FAST, "--epochs", "1", "--checkpoint-dir", str(channels / "checkpoints")]) == 1
    assert "The checkpoint fold-1.pt cannot be written" in _said(channels)


def test_a_class_of_the_manifest_without_a_folder_is_refused(channels: Path) -> None:
    for folder in channels.glob("*/*/motorcycle"):
        shutil.rmtree(folder)
    assert main([*FAST, "--epochs", "1"]) == 1
    assert "The split 'train' has no class 'motorcycle'" in _said(channels)


def test_a_listed_file_that_is_no_picture_is_named(channels: Path) -> None:
    manifest = channels / "manifest" / "manifest.json"
    content = json.loads(manifest.read_text())
    entry = next(each for each in content["images"] if each["split"] == "train")
    next(channels.glob(f"*/{entry['file']}")).write_bytes(b"no picture")
    entry["sha256"] = hashlib.sha256(b"no picture").hexdigest()
    manifest.write_text(json.dumps(content))
    assert main([*FAST, "--epochs", "1"]) == 1
    assert f"The file '{entry['file']}' is no picture to learn from" in _said(channels)


def test_files_that_the_manifest_does_not_list_are_refused(channels: Path) -> None:
    folder = next(channels.glob("*/train/bicycle"))
    (folder / "strange.png").write_bytes(next(folder.glob("*.png")).read_bytes())
    assert main([*FAST, "--epochs", "1"]) == 1
    assert "'train/bicycle/strange.png' is in the split, but not in the manifest" in _said(channels)
    (folder / "strange.png").unlink()
    gone = sorted(folder.glob("*.png"))[0]
    gone.unlink()
    assert main([*FAST, "--epochs", "1"]) == 1
    assert f"'train/bicycle/{gone.name}' is in the manifest, but not in the split" in _said(channels)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_class_that_the_manifest_does_not_list_is_refused(channels: Path, split: str) -> None:
    folder = next(channels.glob(f"*/{split}/bicycle"))
    shutil.copytree(folder, folder.with_name("truck"))
    assert main([*FAST, "--epochs", "1"]) == 1
    assert f"'{split}/truck/" in _said(channels)
    assert "is in the split, but not in the manifest" in _said(channels)


def test_files_that_are_not_what_the_manifest_lists_are_refused(channels: Path) -> None:
    folder = next(channels.glob("*/train/bicycle"))
    one, other = sorted(folder.glob("*.png"))[:2]
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    assert main([*FAST, "--epochs", "1"]) == 1
    assert "is not the one that the manifest lists" in _said(channels)
    manifest = channels / "manifest" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "version": "deadbeef"}))
    assert main([*FAST, "--epochs", "1"]) == 1
    assert "says that it is version deadbeef" in _said(channels)
    manifest.write_text("[]")
    assert main([*FAST, "--epochs", "1"]) == 1
    assert _said(channels).startswith(
        "manifest.json is no manifest of a staged dataset: delete its version's folder"
    )


def test_a_target_that_the_pictures_cannot_support_is_refused_before_training(channels: Path) -> None:
    assert main([*FAST[:-2], "--epochs", "1", "--target-error", "0.01"]) == 1
    assert "takes 299 images to calibrate on, and there are 29" in _said(channels)


def test_a_loss_that_is_no_number_stops_the_run(channels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Fitting, "_loss", lambda self, x, labels, kept: torch.tensor(float("nan"), requires_grad=True)
    )
    assert main([*FAST, "--epochs", "1"]) == 1
    assert "The training loss became nan: lower the learning rate" in _said(channels)


def test_a_run_that_diverges_stops_with_the_loss_that_shows_it(
    channels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answering(wrong: float) -> None:
        monkeypatch.setattr(
            "training.fitting.predict_logits",
            lambda network, pixels, run: torch.tensor([[0.0, wrong], [wrong, 0.0]]).repeat(len(pixels), 1)[
                : len(pixels)
            ],
        )

    answering(float("inf"))
    assert main([*FAST, "--epochs", "1"]) == 1
    assert "The validation loss became nan: lower the learning rate (" in _said(channels)
    # The loss of logits is finite, that of the probabilities is not.
    answering(1e30)
    assert main([*FAST, "--epochs", "1"]) == 1
    assert "The held-out loss became inf: lower the learning rate (" in _said(channels)
    assert not (channels / "model" / "model.json").exists()


def test_weights_of_another_network_are_refused(channels: Path) -> None:
    path = channels / "weights" / "weights.pth"
    state = torch.load(path, weights_only=True)
    torch.save({**state, "_blocks.16._bn1.weight": torch.zeros(1)}, path)
    assert main([*FAST, "--epochs", "1"]) == 1
    assert "do not fit EfficientNet-Lite0" in _said(channels)
    torch.save({**state, "_blocks.0._bn1.weight": state["_blocks.0._bn1.weight"] * float("nan")}, path)
    assert main([*FAST, "--epochs", "1"]) == 1
    assert "weights.pth hold what is no number" in _said(channels)
    path.write_bytes(b"nothing")
    assert main([*FAST, "--epochs", "1"]) == 1
    assert "weights.pth are no file that torch saved" in _said(channels)
    assert main([*FAST, "--epochs", "1", "--weights-sha256", "0" * 64]) == 1
    assert "weights.pth have the SHA-256 1785cfc3bc6a…, not 000000000000…" in _said(channels)


def test_checkpoints_that_could_not_be_kept_stop_the_job_at_its_start(channels: Path) -> None:
    assert main([*FAST, "--epochs", "1", "--checkpoint-dir", f"{channels}/weights/weights.pth/kept"]) == 1
    assert "weights.pth/kept', and nothing can be written there: Not a directory." in _said(channels)


def test_rare_classes_weigh_more() -> None:
    weights = class_weights(torch.tensor([0] * 30 + [1] * 10), 2)
    assert weights.tolist() == pytest.approx([2 / 3, 2.0])
