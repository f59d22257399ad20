"""One local cloud: start it, find it again, talk to it, end it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from localcloud import access
from localcloud.errors import InUseError, NotRunningError, PortTakenError, StartError
from localcloud.lambda_runtime import ensure_lambda_runtime
from localcloud.ports import free_port, listening, listens
from localcloud.processes import MARKER, belonging, end_all

ACCOUNT = "000000000000"
REGION = "us-east-1"
STATE_FILE = "instance.json"
ACCESS_LOG = "access.jsonl"
EMULATOR_LOG = "emulator.log"
START_SECONDS = 60.0
LOOPBACK = "127.0.0.1,localhost"
FOR_TESTS = ("LOCALCLOUD_TIME_SCALE", "SFN_WAIT_SCALE", "SFN_MOCK_CONFIG")
"""Variables that shorten the bake times of endpoints and the waits of state machines, and name a file with
mocked answers for states, in the format of Step Functions Local."""


@dataclass(frozen=True)
class Instance:
    """A running local cloud.

    Attributes
    ----------
    directory
        Where its state file and logs are.
    identity
        Marks every process that belongs to it.
    pid, port
        Of the emulator.
    work
        Short-named scratch folder of its jobs and endpoints, removed by `stop`.
    """

    directory: Path
    identity: str
    pid: int
    port: int
    work: Path

    @classmethod
    def start(
        cls,
        directory: Path,
        *,
        port: int | None = None,
        owner_pid: int | None = None,
        project: Path | None = None,
    ) -> Instance:
        """Start an emulator and wait until it answers.

        Parameters
        ----------
        directory
            New or empty folder for its state and logs.
        port
            Loopback port; a free one when not given.
        owner_pid
            The instance ends by itself when this process is gone.
        project
            Folder with `node_modules` and `build/lambda-runtime`; the current one when not given.

        Raises
        ------
        PortTakenError, InUseError, StartError
        """
        if port is not None and listening(port):
            raise PortTakenError(
                f"Port {port} on 127.0.0.1 is in use; choose another or leave the choice out."
            )
        directory = directory.resolve()
        # Two that start in one folder at once would each find it free.
        with _locked(directory):
            with contextlib.suppress(NotRunningError):
                cls.load(directory)
                raise InUseError(f"A local cloud runs in {directory} already; end it with `make down`.")
            return cls._start(directory, port or free_port(), owner_pid, project)

    @classmethod
    def _start(cls, directory: Path, port: int, owner_pid: int | None, project: Path | None) -> Instance:
        if (directory / EMULATOR_LOG).is_file():
            # What an earlier cloud left here would be taken for this one's.
            shutil.rmtree(directory)
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StartError(f"The folder {directory} cannot be written: {error.strerror}.") from error
        project = (project or Path.cwd()).resolve()
        runtime = ensure_lambda_runtime(project / "build" / "lambda-runtime")
        identity = uuid.uuid4().hex[:12]
        # Ray keeps Unix sockets below this folder, whose paths may have 107 bytes.
        work = Path(tempfile.mkdtemp(prefix="lc-", dir="/tmp"))
        environment = {
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin")),
            "HOME": str(work),
            "TMPDIR": str(work),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "GATEWAY_PORT": str(port),
            "BIND_HOST": "127.0.0.1",
            "IOT_MTLS_ENABLED": "false",
            "SFTP_ENABLED": "false",
            "LOG_LEVEL": "WARNING",
            "DOCKER_HOST": f"unix://{work}/no-docker.sock",
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": REGION,
            "NODE_PATH": str(project / "node_modules"),
            "LOCALCLOUD_WORK": str(work),
            "LOCALCLOUD_LAMBDA_PYTHON": str(runtime),
            "AUTH": "true",
            access.LOG: str(directory / ACCESS_LOG),
            MARKER: identity,
            **_aws_environment(port),
            "LOCALCLOUD_STARTER": str(os.getpid()),
            "LOCALCLOUD_STATE": str(directory / STATE_FILE),
            **({"LOCALCLOUD_OWNER": str(owner_pid)} if owner_pid else {}),
            **{name: os.environ[name] for name in FOR_TESTS if name in os.environ},
        }
        with (directory / EMULATOR_LOG).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "localcloud.launcher"],
                cwd=work,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        instance = cls(directory, identity, process.pid, port, work)
        try:
            instance._wait(process)
        except BaseException:
            instance.stop()
            raise
        state = {**asdict(instance), "directory": str(directory), "work": str(work)}
        # Moved into place whole, because half a file would be in the way of every later start.
        fresh = directory / f".{STATE_FILE}"
        fresh.write_text(json.dumps(state, indent=2) + "\n")
        fresh.replace(directory / STATE_FILE)
        return instance

    @classmethod
    def load(cls, directory: Path) -> Instance:
        """Find the instance that runs in a folder, and clear away what one that was killed left there.

        Raises
        ------
        NotRunningError
        """
        path = directory.resolve() / STATE_FILE
        if not path.is_file():
            raise NotRunningError(f"No local cloud runs in {directory}; start one with `scones local up`.")
        try:
            state = json.loads(path.read_text())
            instance = cls(
                Path(state["directory"]), state["identity"], state["pid"], state["port"], Path(state["work"])
            )
        except (ValueError, KeyError, TypeError):
            path.unlink()
            raise NotRunningError(
                f"The state file of the local cloud in {directory} was damaged and is removed; start one with "
                "`scones local up`."
            ) from None
        if not instance.running():
            # Its jobs, endpoints and Ray's daemons outlive an emulator that was killed.
            instance.stop()
            raise NotRunningError(
                f"The local cloud in {directory} has ended; start it with `scones local up`."
            )
        return instance

    @classmethod
    def lives(cls, directory: Path) -> bool:
        """Say whether an instance runs in a folder."""
        try:
            cls.load(directory)
        except NotRunningError:
            return False
        return True

    @classmethod
    def clear(cls, directory: Path) -> None:
        """Remove a folder in which nothing runs any more, unless another starts there at this moment."""
        with _locked(directory.resolve()):
            if not cls.lives(directory):
                shutil.rmtree(directory, ignore_errors=True)

    @property
    def endpoint_url(self) -> str:
        """Where AWS's services answer; an address, because SDKs then use path-style S3."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log_path(self) -> Path:
        """The emulator's log."""
        return self.directory / EMULATOR_LOG

    def running(self) -> bool:
        """Say whether the emulator process lives."""
        try:
            return psutil.Process(self.pid).environ().get(MARKER) == self.identity
        except psutil.Error:
            return False

    def environment(self) -> dict[str, str]:
        """Return the environment of a tool that should talk to this cloud: the caller's, less its AWS."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        kept["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), kept.get("PATH", "")))
        direct = {
            name: ",".join(filter(None, (kept.get(name), LOOPBACK))) for name in ("NO_PROXY", "no_proxy")
        }
        return {**kept, **direct, **_aws_environment(self.port)}

    def client(self, service: str) -> Any:
        """Return a boto3 client for a service of this cloud."""
        from botocore.config import Config  # noqa: PLC0415  # takes 0.2 s that `scones --help` need not pay

        return isolated_session().client(
            service,
            endpoint_url=self.endpoint_url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106
            config=Config(
                inject_host_prefix=False,
                retries={"total_max_attempts": 4, "mode": "standard"},
                proxies={},  # HTTP_PROXY is for the way out of this machine
            ),
        )

    def status(self) -> dict[str, object]:
        """Describe the instance and the processes it runs."""
        return {
            "running": self.running(),
            "endpoint_url": self.endpoint_url,
            "pid": self.pid,
            "directory": str(self.directory),
            "processes": len(belonging(self.identity)),
        }

    def accesses(self) -> Iterator[dict[str, Any]]:
        """Yield the entries of the log of access: what was asked of IAM, and what statements were used for."""
        path = self.directory / ACCESS_LOG
        if path.is_file():
            with path.open(encoding="utf-8") as file:
                for line in file:
                    yield json.loads(line)

    def denials(self) -> list[str]:
        """Say what IAM denied to which role."""
        return [
            f"{each['role']}: {each['action']} on {each['resource']}"
            for each in self.accesses()
            if each.get("allowed") is False
        ]

    def stop(self) -> None:
        """End the emulator with everything it started, and remove its scratch folder. Safe to repeat."""
        try:
            process = psutil.Process(self.pid)
            if process.environ().get(MARKER) == self.identity:
                process.terminate()
                process.wait(timeout=10)
        except psutil.Error:
            pass
        end_all(self.identity)
        shutil.rmtree(self.work, ignore_errors=True)
        (self.directory / STATE_FILE).unlink(missing_ok=True)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while time.monotonic() < deadline:
            if process.poll() is not None:
                lines = self.log_path.read_text(errors="replace").strip().splitlines()
                raise StartError(
                    f"The local cloud ended while starting: {lines[-1] if lines else 'it said nothing'} "
                    f"(log: {self.log_path})."
                )
            try:
                with direct.open(f"{self.endpoint_url}/_ministack/health", timeout=2):
                    # Another instance that chose the same port meanwhile would answer as well.
                    if listens(process.pid, self.port):
                        return
            except (urllib.error.URLError, OSError):
                pass
            time.sleep(0.1)
        raise StartError(f"The local cloud did not answer in {START_SECONDS:.0f} s (log: {self.log_path}).")


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold the lock of an instance's folder.

    Raises
    ------
    StartError
        When nothing can be written beside it.
    """
    path = directory.parent / f".{directory.name}.lock"
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("w")
    except OSError as error:
        raise StartError(f"The file {path} cannot be written: {error.strerror}.") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def isolated_session() -> Any:
    """Return a boto3 session that knows nothing of this machine's AWS profiles, which may be broken or missing."""
    import boto3  # noqa: PLC0415
    from botocore.session import Session  # noqa: PLC0415

    none = (None, None, None, None)
    files = dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))
    return boto3.Session(botocore_session=Session(session_vars={"profile": none, **files}))


def _aws_environment(port: int) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        "CDK_DEFAULT_ACCOUNT": ACCOUNT,
        "CDK_DEFAULT_REGION": REGION,
    }
