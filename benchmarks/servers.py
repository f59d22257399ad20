"""Applications served as in AWS's Ray image, to be loaded."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import torch

from benchmarks.models import write_archive
from localcloud.containers import ray_serve
from localcloud.containers.container import Container
from scones.commands import INTERRUPTED, as_interrupt
from stacks.archives import SERVING_VARIABLES

START_SECONDS = 90.0
NICENESS = 15
"""Of Ray's workers, by default and so on AWS: what passes requests on goes before what answers them."""
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Application:
    """What is served: the archive's files, with some of `benchmarks` in their place, and the container's variables."""

    name: str
    variables: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


OURS = Application("ours", SERVING_VARIABLES)
PEER = Application(
    "peer",
    files={
        "config.yaml": "peer/config.yaml",
        "code/peer_app.py": "peer/peer_app.py",
        "code/peer_model.py": "peer/peer_model.py",
    },
)


class Lines:
    """Keeps a container's last lines."""

    def __init__(self) -> None:
        self.tail: deque[str] = deque(maxlen=50)

    def line(self, text: str, *, telling: bool = True) -> None:
        """Take one line."""
        if telling:
            self.tail.append(text)


@contextlib.contextmanager
def served(application: Application, image_size: int, first: bytes) -> Iterator[Container]:
    """Serve an application while the context lasts; `first` is asked until it is answered."""
    lines = Lines()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        write_archive(model, image_size)
        for name, file in application.files.items():
            (model / name).write_bytes((HERE / file).read_bytes())
        variables = {
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), "/usr/bin", "/bin")),
            "HOME": folder,
            "PYTHONDONTWRITEBYTECODE": "1",
            "SM_NUM_GPUS": str(torch.cuda.device_count()),
            "RAY_worker_niceness": str(NICENESS),
            **application.variables,
            # Where a GPU's driver may lie.
            **{each: os.environ[each] for each in ("LD_LIBRARY_PATH",) if each in os.environ},
        }
        container, processes = ray_serve.launch(model, variables, Path(folder), lines)
        try:
            _nice(processes[0].pid)
            started = time.monotonic()
            while container.invoke(first, {"Content-Type": "image/jpeg"}).status != 200:
                if time.monotonic() > started + START_SECONDS or any(
                    each.poll() is not None for each in processes
                ):
                    tail = " ".join(lines.tail)[-2000:]
                    raise RuntimeError(f"The application does not answer ({application.name}): {tail}")
                time.sleep(0.2)
            yield container
        finally:
            container.stop()


def _nice(leader: int) -> None:
    """Let Ray's session go behind the adapter's, as its workers go behind the adapter in AWS's container.

    Outside of containers Linux shares processors among sessions, where it is told to, and looks at niceness only
    within each: sched(7), autogroup.
    """
    with contextlib.suppress(OSError):  # there is no such thing
        Path(f"/proc/{leader}/autogroup").write_text(str(NICENESS))


def replica_bytes(container: Container) -> int:
    """Return the resident memory of the container's largest worker, which holds the model."""
    found = 0
    for process in psutil.process_iter(["name", "memory_info"]):
        # Ray's workers set their own title, which overwrites the environment that would name the container.
        if process.info["name"].startswith("ray::ServeRepl") and process.info["memory_info"]:
            found = max(found, process.info["memory_info"].rss)
    return found


def ended(main: Callable[[], None]) -> None:
    """Run a benchmark, whose servers would outlive it if a signal just ended it."""
    try:
        with as_interrupt(signal.SIGTERM, signal.SIGHUP):
            main()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
