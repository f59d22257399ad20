"""What every job shares: a thread that runs it, a folder that stands for `/opt/ml`, a process in it."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil
from botocore.exceptions import ClientError

from localcloud import access
from localcloud.processes import MARKER
from localcloud.sagemaker.errors import JobFailedError
from localcloud.sagemaker.logs import LogStream
from localcloud.sagemaker.store import Record, now

logger = logging.getLogger(__name__)

PRINCIPAL = "sagemaker.amazonaws.com"
CONTAINER_ROOT = "/opt/ml"
ENDED = ("Completed", "Failed", "Stopped")
STOP_GRACE = 20.0
"""Seconds between SIGTERM and SIGKILL; SageMaker gives 120."""


class JobStoppedError(Exception):
    """The job was stopped by request, or by its time limit (`overran`)."""

    def __init__(self, *, overran: bool = False) -> None:
        super().__init__()
        self.overran = overran


def scratch(name: str) -> Path:
    """Make a work folder, short-named because Ray keeps sockets below such folders."""
    return Path(tempfile.mkdtemp(prefix=f"{name[:8]}-", dir=os.environ.get("LOCALCLOUD_WORK")))


def mapped(text: str, root: Path) -> str:
    """Point what a container would find under `/opt/ml` at the job's folder."""
    return text.replace(CONTAINER_ROOT, str(root))


def environment(root: Path, extra: Mapping[str, str], *, isolated: bool) -> dict[str, str]:
    """Return what a container's process sees: nothing of this machine but Python, no AWS when isolated."""
    scratch_folder = root / "tmp"
    scratch_folder.mkdir(exist_ok=True)
    variables = {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin")),
        "HOME": str(root),
        "TMPDIR": str(scratch_folder),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_REGION": os.environ["AWS_REGION"],
        **{key: mapped(value, root) for key, value in extra.items()},
    }
    if not isolated:
        variables |= {key: value for key, value in os.environ.items() if key.startswith("AWS_")}
        variables |= access.credentials()
    if MARKER in os.environ:
        variables[MARKER] = os.environ[MARKER]
    return variables


def run(
    record: Record,
    command: Sequence[str],
    variables: Mapping[str, str],
    *,
    folder: Path,
    log: LogStream,
    limit: float,
    on_line: Callable[[str], None] | None = None,
) -> int:
    """Run a job's process to its end, its lines to the log, and return its exit code.

    Raises
    ------
    JobStoppedError
        When the job was stopped, or ran longer than `limit` seconds.
    JobFailedError
        When the command does not exist.
    """
    try:
        process = subprocess.Popen(
            list(command),
            cwd=folder,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise JobFailedError(f"AlgorithmError: the container's command could not start: {error}.") from error
    record.private["pid"] = process.pid

    def follow() -> None:
        assert process.stdout is not None  # noqa: S101  # PIPE was asked for
        for line in process.stdout:
            log.line(line.rstrip("\n"))
            if on_line is not None:
                on_line(line)

    reader = threading.Thread(target=follow, daemon=True)
    reader.start()
    deadline = time.monotonic() + limit
    try:
        while process.poll() is None:
            overran = time.monotonic() > deadline
            if overran or record.stop.is_set():
                _end(process)
                raise JobStoppedError(overran=overran and not record.stop.is_set())
            record.stop.wait(0.1)
    finally:
        _end_group(process.pid)
        record.private.pop("pid", None)
        reader.join(timeout=5)
    return process.returncode


def _end(process: subprocess.Popen[str]) -> None:
    try:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    except psutil.Error:
        family = []
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_GRACE)
    for member in family:
        try:
            member.kill()
        except psutil.Error:
            continue
    process.wait()


def _end_group(group: int) -> None:
    """End what the process left behind: a container ends with its first process."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def failure(path: Path, code: int, log: LogStream) -> str:
    """Return why a process failed: what it wrote to its failure file, or the end of its log."""
    said = path.read_text(errors="replace").strip()[:1024] if path.is_file() else ""
    return f"AlgorithmError: {said or (log.tail[-1] if log.tail else 'no output')}, exit code: {code}"


def step(record: Record, status: str) -> None:
    """Enter the next secondary status, and keep when the last one ended."""
    with record.lock:
        transitions = record.shown.get("SecondaryStatusTransitions", [])
        if transitions:
            transitions[-1]["EndTime"] = now()
        moment = now()
        ends = {"EndTime": moment} if status in ENDED else {}
        # A new list, because an answer may be reading the old one.
        shown = [*transitions, {"Status": status, "StartTime": moment, **ends}]
        record.update(SecondaryStatus=status, SecondaryStatusTransitions=shown)


def stop(record: Record) -> None:
    """Ask a job to end, unless it has."""
    with record.lock:
        if record.shown[record.kind.status] not in ENDED:
            record.update(**{record.kind.status: "Stopping"})
            record.stop.set()


def _prepare(record: Record) -> None:
    """Ask what SageMaker does in the role before the container runs: metrics, and the key of its volume."""
    if "TrainingJobDefinition" in record.shown:
        return  # a search has no container of its own
    access.allowed("cloudwatch:PutMetricData", cloudwatch_namespace=f"/aws/sagemaker/{record.kind.name}s")
    resources = (
        record.shown.get("ResourceConfig"),
        record.shown.get("ProcessingResources", {}).get("ClusterConfig"),
        record.shown.get("TransformResources"),
    )
    for each in resources:
        if each and (key := each.get("VolumeKmsKeyId")):
            access.demand("kms:CreateGrant", key, kms_grantisforawsresource="true")


def _finish(record: Record, status: str, *, secondary: str = "", reason: str = "") -> None:
    with record.lock:
        record.shown[f"{record.kind.name.removesuffix('Job')}EndTime"] = now()
        if reason:
            record.shown["FailureReason"] = reason[:1024]
        step(record, secondary or status)
        record.update(**{record.kind.status: status})


def start(record: Record, work: Callable[[Record, Path], None], role: str) -> threading.Thread:
    """Run a job in its role, in a thread of its own, and set its final status, whatever happens."""

    def running() -> None:
        folder = scratch(record.name.rsplit("-", 1)[0][-8:].strip("-") or "job")
        try:
            with access.acting(role, PRINCIPAL, record.arn):
                _prepare(record)
                work(record, folder)
            end: dict[str, str] = {"status": "Completed"}
        except JobStoppedError as stopped:
            end = {"status": "Stopped", "secondary": "MaxRuntimeExceeded" if stopped.overran else "Stopped"}
        except JobFailedError as error:
            end = {"status": "Failed", "reason": str(error)}
        except (access.AccessDeniedError, ClientError) as error:
            end = {"status": "Failed", "reason": f"ClientError: {error}"}
        except Exception as error:
            logger.exception("%s %s failed", record.kind.words, record.name)
            end = {"status": "Failed", "reason": f"InternalServerError: {error}"}
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        _finish(record, **end)

    thread = threading.Thread(target=running, name=record.name, daemon=True)
    thread.start()
    return thread
