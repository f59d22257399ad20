"""Starts Ray and runs a Serve config in it, as the entry point of AWS's image does.

In one process instead of two commands, because several of these run on one machine at once, each with a
cluster, ports and a folder of its own.
"""

from __future__ import annotations

import os
import sys

import ray
from ray.serve.scripts import cli


def main() -> None:
    """Run the config named on the command line until this process is ended."""
    ray.init(
        address="local",
        num_cpus=int(os.environ.get("CONTAINER_CPUS", "2")),
        include_dashboard=False,
        object_store_memory=128 * 1024 * 1024,
        _temp_dir=os.environ["RAY_TMPDIR"],
        namespace="serve",
        log_to_driver=True,
    )
    cli(["run", sys.argv[1]])


if __name__ == "__main__":
    main()
