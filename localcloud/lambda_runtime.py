"""The Python that local functions run on: what Lambda's runtime and the Powertools layer bring, no more.

A function that leans on a package of the project, or of this machine, fails here as it would on AWS.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PACKAGES = ("boto3==1.43.106", "aws-lambda-powertools==3.23.0")


def ensure_lambda_runtime(directory: Path) -> Path:
    """Make the virtual environment unless it is complete, and return its interpreter.

    Raises
    ------
    subprocess.CalledProcessError
        When the packages cannot be installed.
    """
    python = directory / "bin" / "python"
    stamp = directory / "complete"
    wanted = "\n".join((sys.version, *PACKAGES))
    if stamp.is_file() and stamp.read_text() == wanted and python.exists():
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(directory)], check=True)
    subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES],
        check=True,
    )
    stamp.write_text(wanted)
    return python


if __name__ == "__main__":
    ensure_lambda_runtime(Path(sys.argv[1]))
