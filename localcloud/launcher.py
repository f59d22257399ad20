"""The process of one instance: the emulator, mended, with SageMaker added, ending all it started."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import psutil

from localcloud import access, autoscaling, mends, sagemaker
from localcloud.processes import MARKER, end_all


def _watch(pid: int, stop: threading.Event, until: Path | None = None) -> None:
    """End everything when a process is gone, however it went, unless a file is there by then."""
    try:
        process = psutil.Process(pid)
        # By its start time too, for another process may get its number; a zombie has gone.
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            if stop.wait(1.0):
                return
    except psutil.NoSuchProcess:
        pass
    if until is None or not until.is_file():
        _end(grace=1.0)
        os._exit(1)


def _end(grace: float) -> None:
    """End all that this instance started, and remove its scratch folder."""
    end_all(os.environ[MARKER], grace=grace)
    shutil.rmtree(os.environ["LOCALCLOUD_WORK"], ignore_errors=True)


def main() -> None:
    """Run the emulator until it is told to end."""
    import ministack.app  # noqa: PLC0415  # reads its settings from the environment at import

    access.apply()
    mends.apply()
    sagemaker.register()
    autoscaling.register()
    stop = threading.Event()
    if owner := os.environ.get("LOCALCLOUD_OWNER"):
        threading.Thread(target=_watch, args=(int(owner), stop), daemon=True).start()
    else:
        # Whoever starts it may be ended before it has written down that there is an instance to be ended.
        starter, state = int(os.environ["LOCALCLOUD_STARTER"]), Path(os.environ["LOCALCLOUD_STATE"])
        threading.Thread(target=_watch, args=(starter, stop, state), daemon=True).start()
    try:
        ministack.app.main()
    finally:
        stop.set()
        _end(grace=2.0)
        # Threads that wait for jobs which were just ended must not hold the process.
        os._exit(0)


if __name__ == "__main__":
    main()
