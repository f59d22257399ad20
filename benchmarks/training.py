"""What a training step costs: normalisations kept or folded, first blocks trained or frozen, memory given back or kept.

python -m benchmarks.training [--image-size 160] [--batch-size 32] [--rounds 9] [--device cpu]
"""

from __future__ import annotations

import argparse
import copy
import functools
import statistics
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from benchmarks.options import at_least_one
from classifier.memory import keep_freed_memory
from classifier.network import Conv, EfficientNetLite0
from training.fitting import freeze
from training.hyperparameters import Hyperparameters


def with_normalisations(network: EfficientNetLite0) -> EfficientNetLite0:
    """Return the network as it was pretrained: a normalisation after each convolution, its statistics fixed."""
    unfolded = copy.deepcopy(network)
    for layer in [module for module in unfolded.modules() if isinstance(module, Conv)]:
        layer.conv.register_parameter("bias", None)
        layer.add_module("conv", nn.Sequential(layer.conv, nn.BatchNorm2d(layer.conv.out_channels, eps=1e-3)))
    return unfolded.eval()


def step(network: EfficientNetLite0, x: Tensor) -> float:
    """Return the seconds of one forward and backward pass."""
    started = time.perf_counter()
    torch.autograd.backward(network(x).sum())
    if x.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - started


def compare(sides: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Run the sides in turn, so that what else the machine does meets them alike."""
    for side in sides.values():
        side()
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            seconds[name].append(side())
    return seconds


def main(arguments: Sequence[str] | None = None) -> None:
    """Print milliseconds a step and the ratio to the first side, with its spread over the rounds."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training", description="What a training step costs."
    )
    parser.add_argument("--image-size", type=at_least_one, default=Hyperparameters.image_size)
    parser.add_argument("--batch-size", type=at_least_one, default=Hyperparameters.batch_size)
    parser.add_argument("--rounds", type=at_least_one, default=9)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(arguments)
    folded = EfficientNetLite0(2).to(options.device)
    folded.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    frozen = copy.deepcopy(folded)
    freeze(frozen, Hyperparameters())
    networks = {
        "normalisations kept, all trained": with_normalisations(folded).to(options.device),
        "folded, all trained": folded,
        f"folded, {Hyperparameters.frozen_blocks} blocks frozen": frozen,
    }
    x = torch.randn(options.batch_size, 3, options.image_size, options.image_size, device=options.device)
    x = x.contiguous(memory_format=torch.channels_last)
    sides: dict[str, Callable[[], float]] = {
        name: functools.partial(step, network, x) for name, network in networks.items()
    }
    seconds = compare(sides, options.rounds)
    # Last and by itself, because what the process has kept it cannot be made to give back for the others' turns.
    keep_freed_memory()
    seconds |= compare({"the same, freed memory kept": sides[next(reversed(sides))]}, options.rounds)
    base = seconds[next(iter(seconds))]
    print(
        f"batch {options.batch_size} at {options.image_size} px on {options.device}, {options.rounds} rounds"
    )
    for name, own in seconds.items():
        ratios = sorted(first / second for first, second in zip(base, own, strict=True))
        print(
            f"{name:36} {1000 * statistics.median(own):7.0f} ms/step  "
            f"{statistics.median(ratios):5.2f}x ({ratios[0]:.2f}-{ratios[-1]:.2f})"
        )


if __name__ == "__main__":
    main()
