"""The processes of a deployment's jobs, to be killed."""

from __future__ import annotations

import psutil

from localcloud.processes import belonging
from tests.integration.workflow.conftest import Deployment, until


def job(cloud: Deployment, script: str, seconds: float) -> psutil.Process:
    """Wait for the process of a job that runs a script, and return it."""

    def found() -> psutil.Process | None:
        for each in belonging(cloud.instance.identity):
            try:
                if any(word.endswith(script) for word in each.cmdline()):
                    return each
            except psutil.Error:
                continue
        return None

    return until(found, seconds, f"the job of {script}")
