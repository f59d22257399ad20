"""A function runs on Lambda's runtime and its layers; ministack 1.5.33 runs it on the emulator's Python.

There it would see the packages of the project and of this machine, and a packaging fault would hide. The
Powertools layer, which is AWS's, is part of the interpreter that is used instead.
"""

from __future__ import annotations

import logging
import os


def apply() -> None:
    """Run Python functions on the interpreter that `localcloud.lambda_runtime` made."""
    from ministack.core import lambda_runtime  # noqa: PLC0415

    detect = lambda_runtime._detect_runtime_binary

    def detecting(runtime: str) -> tuple[str, str]:
        binary, script = detect(runtime)
        if runtime.startswith("python"):
            # Read late: another mend changes the script.
            return os.environ["LOCALCLOUD_LAMBDA_PYTHON"], lambda_runtime._PYTHON_WORKER_SCRIPT
        return binary, script

    lambda_runtime._detect_runtime_binary = detecting
    # It warns of AWS's layer at every look at a function, and here the interpreter holds what the layer brings.
    logging.getLogger("lambda").addFilter(lambda record: "is not held by MiniStack" not in str(record.msg))
