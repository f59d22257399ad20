"""The Python that local functions run on: what Lambda's runtime and the Powertools layer bring, no more.

A function that leans on a package of the project, or of this machine, fails here as it would on AWS.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from localcloud.errors import StartError

PACKAGES = ("boto3==1.43.106", "aws-lambda-powertools==3.23.0")


def ensure_lambda_runtime(directory: Path) -> Path:
    """Make the virtual environment unless it is complete, and return its interpreter.

    Raises
    ------
    StartError
        When the packages cannot be installed.
    """
    python = directory / "bin" / "python"
    stamp = directory / "complete"
    wanted = "\n".join((sys.version, *PACKAGES))
    if stamp.is_file() and stamp.read_text() == wanted and python.exists():
        return python
    _run(sys.executable, "-m", "venv", "--clear", str(directory))
    _run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *_pinned(), *PACKAGES)
    stamp.write_text(wanted)
    return python


def _pinned() -> list[str]:
    """Hold what the packages bring along to the project's own versions, where there is a project."""
    constraints = Path(__file__).parent.parent / "constraints.txt"
    return ["--constraint", str(constraints)] if constraints.is_file() else []


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        # All of it, for whoever recognises a missing network by pip's own words.
        sys.stderr.write(done.stdout + done.stderr)
        raise StartError(
            "The Python that local functions run on could not be made: connect to the network or point pip at "
            f"a mirror, and try again ({' '.join(command[1:4])} ended with {done.returncode})."
        )


if __name__ == "__main__":
    try:
        ensure_lambda_runtime(Path(sys.argv[1]))
    except StartError as error:
        sys.exit(f"error: {error}")
