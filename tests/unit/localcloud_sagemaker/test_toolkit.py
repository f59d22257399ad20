"""Scripts see what the SageMaker training toolkit shows them."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from localcloud.sagemaker import toolkit
from localcloud.sagemaker.errors import JobFailedError

GIVEN = {
    "sagemaker_program": "train.py",
    "epochs": "4",
    "rate": "1e-3",
    "classes": "bicycle,motorcycle",
    "sizes": "[224, 260]",
    "flag": "true",
    "empty": "",
    "x": '"quoted"',
}


def test_hyperparameters_are_json_when_they_can_be() -> None:
    assert toolkit.decoded(GIVEN) == {
        "epochs": 4,
        "rate": 0.001,
        "classes": "bicycle,motorcycle",
        "sizes": [224, 260],
        "flag": True,
        "empty": "",
        "x": "quoted",
    }


def test_arguments_are_in_order_when_a_script_starts() -> None:
    words = toolkit.arguments(toolkit.decoded(GIVEN))
    pairs = list(zip(words[::2], words[1::2], strict=True))
    assert pairs == [
        ("--classes", "bicycle,motorcycle"),
        ("--empty", ""),
        ("--epochs", "4"),
        ("--flag", "True"),
        ("--rate", "0.001"),
        ("--sizes", "[224, 260]"),
        ("-x", "quoted"),
    ]


def test_torchrun_starts_a_process_for_each_instance_when_it_is_asked_for() -> None:
    assert toolkit.command("train.py", {"epochs": "4"}, 2) == ["python3", "train.py", "--epochs", "4"]
    assert toolkit.command("train.py", {"epochs": "4", "sagemaker_torch_distributed_enabled": "true"}, 2) == [
        *("python3", "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
        *("train.py", "--epochs", "4"),
    ]


def test_variables_name_folders_and_values_when_a_script_starts(tmp_path: Path) -> None:
    seen = toolkit.variables({"batch-size": 8, "note": None}, ["train", "code"], "train.py", tmp_path)
    assert seen["SM_CHANNEL_TRAIN"] == str(tmp_path / "input" / "data" / "train")
    assert json.loads(seen["SM_CHANNELS"]) == ["code", "train"]
    assert seen["SM_MODEL_DIR"] == str(tmp_path / "model")
    assert seen["SM_OUTPUT_DATA_DIR"] == str(tmp_path / "output" / "data")
    assert json.loads(seen["SM_HPS"]) == {"batch-size": 8, "note": None}
    assert (seen["SM_HP_BATCH-SIZE"], seen["SM_HP_NOTE"]) == ("8", "")
    assert (seen["SM_CURRENT_HOST"], json.loads(seen["SM_HOSTS"])) == ("algo-1", ["algo-1"])
    assert seen["SM_NUM_GPUS"] == "0"
    assert int(seen["SM_NUM_CPUS"]) > 0


def test_code_is_unpacked_when_it_is_an_archive(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("pass")
    with tarfile.open(tmp_path / "abc.gz", "w:gz") as archive:
        archive.add(tmp_path / "train.py", "train.py")
    toolkit.install(str(tmp_path / "abc.gz"), _code(tmp_path), isolated=True)
    assert (tmp_path / "code" / "train.py").read_text() == "pass"


def test_code_is_copied_as_it_is_when_it_is_a_folder(tmp_path: Path) -> None:
    channel = tmp_path / "channel"
    channel.mkdir()
    (channel / "abc.gz").write_bytes(b"an archive stays one")
    toolkit.install(str(channel), _code(tmp_path), isolated=True)
    assert (tmp_path / "code" / "abc.gz").read_bytes() == b"an archive stays one"


@pytest.mark.parametrize("source", ["s3://bucket/code.tar.gz", "/nowhere/abc.gz"])
def test_the_job_fails_when_its_code_cannot_be_had(tmp_path: Path, source: str) -> None:
    with pytest.raises(JobFailedError, match="AlgorithmError"):
        toolkit.install(source, _code(tmp_path), isolated=True)


def _code(folder: Path) -> Path:
    code = folder / "code"
    code.mkdir()
    return code
