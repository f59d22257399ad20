"""AWS's Ray image for SageMaker (`ray:serve-ml-sagemaker-…`) as processes of this machine.

What its entry point does: the archive to `/opt/ml/model`, that folder and its `code` on PYTHONPATH, Ray,
`serve run config.yaml`, and the adapter in front. Ports differ, because several run at once.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import urlsplit, urlunsplit

import yaml

from localcloud import access
from localcloud.archives import extract
from localcloud.containers import haproxy, loopback
from localcloud.containers.container import MARKER, Container, Log
from localcloud.ports import free_port
from localcloud.sagemaker import images, jobs, storage
from localcloud.sagemaker.errors import JobFailedError

START_SECONDS = 180.0
"""SageMaker gives a container's first healthy answer this long, unless asked otherwise 480 s in all."""


def _container(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a model's one container, whose image must be AWS's Ray image."""
    containers = [definition["PrimaryContainer"]] if "PrimaryContainer" in definition else []
    containers = containers or definition.get("Containers", [])
    image = containers[0].get("Image", "") if len(containers) == 1 else ""
    if image.rsplit("/", 1)[-1].partition(":")[0] != "ray":
        raise JobFailedError(
            f"ClientError: the local SageMaker serves one container of the ray image, not {image or 'this'}."
        )
    if "ModelDataUrl" not in containers[0]:
        raise JobFailedError("ClientError: the model has no ModelDataUrl.")
    only: Mapping[str, Any] = containers[0]
    return only


def _unpack(primary: Mapping[str, Any], root: Path) -> Path:
    folder = root / "model"
    folder.mkdir()
    bucket, key = storage.split(primary["ModelDataUrl"])
    s3 = access.client("s3")
    try:
        (root / "model.tar.gz").write_bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    except s3.exceptions.ClientError as error:
        raise JobFailedError(f"ClientError: cannot download the model archive {key}: {error}") from error
    try:
        with tarfile.open(root / "model.tar.gz") as archive:
            extract(archive, folder)
    except tarfile.TarError as error:
        raise JobFailedError(f"ClientError: {key} is no model archive: {error}.") from error
    if not (folder / "config.yaml").is_file():
        raise JobFailedError(f"ClientError: the model archive {key} has no config.yaml for Ray Serve.")
    return folder


def start(
    definition: Mapping[str, Any],
    extra: Mapping[str, str],
    root: Path,
    log: Log,
    stop: threading.Event,
    *,
    limit: float = START_SECONDS,
) -> Container:
    """Start the container of a model and wait, `limit` seconds at most, until it is healthy.

    Raises
    ------
    JobFailedError
        When the archive is unusable, or no healthy answer came in time.
    jobs.JobStoppedError
        When `stop` was set meanwhile.
    """
    primary = _container(definition)
    images.pull(primary.get("Image", ""))
    model = _unpack(primary, root)
    variables = jobs.environment(
        root,
        {
            "SM_MODEL_DIR": "/opt/ml/model",
            "SM_NUM_GPUS": "0",
            **primary.get("Environment", {}),
            **extra,
        },
        isolated=definition.get("EnableNetworkIsolation", False),
    )
    container, processes = launch(model, variables, root, log, folders=os.environ.get("LOCALCLOUD_WORK"))
    try:
        _wait(container, processes, log, stop, limit)
    except BaseException:
        container.stop()
        raise
    return container


def launch(
    model: Path, variables: Mapping[str, str], root: Path, log: Log, *, folders: str | None = None
) -> tuple[Container, list[subprocess.Popen[str]]]:
    """Start the processes that serve an unpacked archive, and return before they are ready.

    Parameters
    ----------
    model
        The unpacked archive.
    variables
        The container's environment, without what Ray and the adapter need besides.
    root
        Folder of the container's own files.
    log
        Where its lines go.
    folders
        Where Ray's folder is made, whose sockets' paths end at 107 bytes; else among the temporary ones.
    """
    port, ray_port, identity = free_port(), free_port(), uuid.uuid4().hex[:12]
    config = yaml.safe_load((model / "config.yaml").read_text())
    config["http_options"] = {**config.get("http_options", {}), "host": "127.0.0.1", "port": ray_port}
    (root / "config.yaml").write_text(yaml.safe_dump(config))
    backend = urlsplit(variables.get("RAYSERVE_BACKEND_URL", "http://127.0.0.1:8000"))
    ray_folder = Path(tempfile.mkdtemp(prefix="r", dir=folders))
    # Ray puts a node's name of 56 letters into the paths of HAProxy's sockets, and HAProxy a process number: they fit
    # in nowhere deeper than this.
    proxy_folder = Path(tempfile.mkdtemp(prefix="h", dir="/tmp"))  # made for this process alone
    environment = {
        # On AWS a container has its machine to itself; here Ray's workers, which are nice, would wait for all others.
        "RAY_worker_niceness": "0",
        **variables,
        "RAYSERVE_BACKEND_URL": urlunsplit(
            backend._replace(netloc=backend.netloc and f"127.0.0.1:{ray_port}")
        ),
        "ADAPTER_PORT": str(port),
        "PYTHONPATH": os.pathsep.join((str(model), str(model / "code"))),
        "RAY_TMPDIR": str(ray_folder),
        "RAY_USAGE_STATS_ENABLED": "0",
        # Without a cluster of machines Ray listens on loopback, but for a replica's own port.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        **loopback.HOOK,
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        **haproxy.variables(proxy_folder),
        MARKER: identity,
    }
    here = Path(__file__).parent
    container = Container(identity, port, ray_port, (ray_folder, proxy_folder))
    try:
        processes = [
            _spawn([sys.executable, *map(str, command)], environment, root, log, telling=telling)
            # The adapter logs some lines for each question, and none of them tells why a container failed.
            for command, telling in (
                ([here / "serve_main.py", root / "config.yaml"], True),
                ([here / "adapter.py"], False),
            )
        ]
    except BaseException:
        container.stop()
        raise
    return container, processes


def _spawn(
    command: list[str], variables: Mapping[str, str], root: Path, log: Log, *, telling: bool
) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        command,
        cwd=root,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        # Apart from what it prints: why a process ends is told in any case.
        stderr=subprocess.STDOUT if telling else subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )

    def follow(stream: TextIO, *, telling: bool) -> None:
        for line in stream:
            log.line(line.rstrip("\n"), telling=telling)
        process.wait()

    for stream, tells in ((process.stdout, telling), (process.stderr, True)):
        if stream is not None:
            threading.Thread(target=follow, args=(stream,), kwargs={"telling": tells}, daemon=True).start()
    return process


def _wait(
    container: Container,
    processes: Sequence[subprocess.Popen[str]],
    log: Log,
    stop: threading.Event,
    limit: float,
) -> None:
    deadline = time.monotonic() + limit
    while not container.healthy():
        if stop.wait(0.25):
            raise jobs.JobStoppedError
        # AWS starts an ended container again until time is up; here its end is the answer.
        if time.monotonic() > deadline or any(process.poll() is not None for process in processes):
            time.sleep(0.5)  # its last lines are on their way
            raise JobFailedError(
                "The primary container did not pass the ping health check. Its log ends with: "
                f"{_telling(log.tail)}"
            )


def _telling(lines: Iterable[str]) -> str:
    """Return the line of a log's end that says most: the last one that names an error, else the last."""
    last = [line.strip() for line in lines] or ["nothing"]
    named = [line for line in last if re.search(r"\b\w*(Error|Exception)\b: \S", line)]
    return (named or last)[-1]
