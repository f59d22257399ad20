"""The SageMaker training toolkit's contract, which AWS's framework images carry: script mode.

The hyperparameters `sagemaker_program` and `sagemaker_submit_directory` name a script and where its code is;
the script runs in `/opt/ml/code`, with the other hyperparameters as arguments and all it may ask as `SM_*`.
https://github.com/aws/sagemaker-training-toolkit
"""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from localcloud import access
from localcloud.archives import extract
from localcloud.sagemaker import storage
from localcloud.sagemaker.errors import JobFailedError

HOST = "algo-1"
OBJECTIVE = "_tuning_objective_metric"
"""What a tuning job tells its training jobs besides, and the toolkit keeps from the script."""
PROGRAM, CODE = "sagemaker_program", "sagemaker_submit_directory"
TORCHRUN = "sagemaker_torch_distributed_enabled"


def decoded(parameters: Mapping[str, str]) -> dict[str, Any]:
    """Read hyperparameters as the toolkit does: JSON where it is JSON, else the text, its own left out."""
    return {
        name: _value(text)
        for name, text in parameters.items()
        if not name.startswith("sagemaker_") and name != OBJECTIVE
    }


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def arguments(parameters: Mapping[str, Any]) -> list[str]:
    """Return a script's command line for decoded hyperparameters, by name."""
    words: list[str] = []
    for name in sorted(parameters):
        value = parameters[name]
        if isinstance(value, dict):
            value = ",".join(f"{key}={each}" for key, each in sorted(value.items()))
        words += [f"--{name}" if len(name) > 1 else f"-{name}", "" if value is None else str(value)]
    return words


def command(program: str, parameters: Mapping[str, str], instances: int) -> list[str]:
    """
    Return how a script is started.

    With torchrun there is a process for each GPU, or for each instance without one; here each instance is a
    process of this machine.
    """
    launcher = []
    if _value(parameters.get(TORCHRUN, "false")) is True:
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(instances)]
    return ["python3", *launcher, program, *arguments(decoded(parameters))]


def variables(
    parameters: Mapping[str, Any], channels: Sequence[str], program: str, root: Path
) -> dict[str, str]:
    """Return the `SM_*` variables of a script.

    Parameters
    ----------
    parameters
        Decoded hyperparameters.
    channels
        Names of the input channels.
    program
        The script, relative to the code.
    root
        The folder that stands for `/opt/ml`.
    """
    data = root / "input" / "data"
    values: dict[str, Any] = {
        "hosts": [HOST],
        "current_host": HOST,
        "network_interface_name": "lo",
        "hps": parameters,
        "user_entry_point": program,
        "user_args": arguments(parameters),
        "module_name": program.removesuffix(".py"),
        "module_dir": str(root / "code"),
        "model_dir": str(root / "model"),
        "input_dir": str(root / "input"),
        "input_config_dir": str(root / "input" / "config"),
        "output_dir": str(root / "output"),
        "output_data_dir": str(root / "output" / "data"),
        "channels": sorted(channels),
        "num_cpus": os.cpu_count() or 1,
        "num_gpus": 0,
        "log_level": 20,
        **{f"channel_{name}": str(data / name) for name in channels},
        **{f"hp_{name}": value for name, value in parameters.items()},
    }
    return {
        "PYTHONPATH": str(root / "code"),
        **{f"SM_{key.upper()}": _text(each) for key, each in values.items()},
    }


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))


def install(source: str, code: Path, *, isolated: bool) -> None:
    """Bring a script's code into its folder.

    Parameters
    ----------
    source
        An archive in S3, a local archive, a local folder, or a local file.
    code
        Where the code goes.
    isolated
        The container has no network, so that S3 cannot be reached.

    Raises
    ------
    JobFailedError
        When the code is not there, or is no archive.
    """
    try:
        if source.startswith("s3://"):
            if isolated:
                raise JobFailedError(f"AlgorithmError: {source} cannot be reached under network isolation.")
            bucket, key = storage.split(source)
            archive = code.parent / "code.tar.gz"
            access.client("s3").download_file(bucket, key, str(archive))
            _extract(archive, code)
        elif Path(source).is_dir():
            # A folder is code as it is: an archive within it stays an archive.
            shutil.copytree(source, code, dirs_exist_ok=True)
        elif tarfile.is_tarfile(source):
            _extract(Path(source), code)
        else:
            shutil.copy2(source, code)
    except (OSError, tarfile.TarError, ClientError) as error:
        name = source.rsplit("/", 1)[-1]
        raise JobFailedError(f"AlgorithmError: the code {name} cannot be read: {error}.") from error


def _extract(archive: Path, folder: Path) -> None:
    with tarfile.open(archive, "r:gz") as content:
        extract(content, folder)
