"""CUDA kernels, compiled where they run by NVRTC, which comes with torch.

AWS's serving image has no C compiler, which `torch.compile` and Triton need, and need not have CUDA's headers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

THREADS = 128

Kernel = Callable[..., None]


def compile_kernel(source: Path, name: str, values: Mapping[str, int]) -> Kernel:
    """Compile one kernel of a file for the current device; `values` are its macros.

    Raises
    ------
    RuntimeError, OSError, AttributeError
        When NVRTC, or torch's way to it, is missing or refuses.
    """
    # torch asks for the folder of CUDA's headers, though these kernels include none.
    os.environ.setdefault("CUDA_HOME", "/usr/local/cuda")
    head = "".join(f"#define {key} {value}\n" for key, value in values.items())
    text = head + source.read_text(encoding="utf-8")
    compiled: Kernel = torch.cuda._compile_kernel(text, name)
    return compiled


def start(kernel: Kernel, count: tuple[int, int], *arguments: Tensor | int, threads: int = THREADS) -> None:
    """Start a kernel on the current stream, for `count` threads in x, and blocks in y."""
    kernel(grid=(-(-count[0] // threads), count[1], 1), block=(threads, 1, 1), args=list(arguments))
