"""Starts Ray and runs a Serve config in it, as the entry point of AWS's image does.

In one process instead of two commands, because several of these run on one machine at once, each with a
cluster, ports and a folder of its own.
"""

from __future__ import annotations

import os
import sys
import threading
import time

import ray
from ray import serve
from ray.serve.scripts import cli

OBJECT_STORE_BYTES = 128 * 1024 * 1024


def _end_when_refused() -> None:
    """End the process when Serve gives an application up: `serve run` itself would stay, never healthy."""
    while True:
        time.sleep(1.0)
        try:
            applications = serve.status().applications.values()
        except Exception:  # noqa: S112  # not up yet, or going down
            continue
        for application in applications:
            if application.status == "DEPLOY_FAILED":
                print(application.message, flush=True)  # noqa: T201  # the container's log
                os._exit(1)
        if applications and all(application.status == "RUNNING" for application in applications):
            return


def main() -> None:
    """Run the config named on the command line until this process is ended."""
    ray.init(
        address="local",
        num_cpus=int(os.environ.get("CONTAINER_CPUS", "2")),
        include_dashboard=False,
        object_store_memory=OBJECT_STORE_BYTES,
        _temp_dir=os.environ["RAY_TMPDIR"],
        namespace="serve",
        log_to_driver=True,
    )
    threading.Thread(target=_end_when_refused, daemon=True).start()
    cli(["run", sys.argv[1]])


if __name__ == "__main__":
    main()
