"""One training run in several processes: torchrun's environment, and sums over all of them."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn


@dataclass(frozen=True)
class World:
    """
    Who takes part.

    Parameters
    ----------
    rank, size
        This process's number, and how many there are. Each takes every ``size``-th picture of a batch.
    local_rank
        Its number on its machine, which is its GPU's.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def leads(self) -> bool:
        """Whether this process speaks and writes for all."""
        return self.rank == 0

    def mine(self, rows: Tensor) -> Tensor:
        """Return this process's share of the rows."""
        return rows[self.rank :: self.size]

    def total(self, values: Tensor) -> Tensor:
        """Sum a tensor over all processes, in place."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def total_gradients(self, parameters: Iterable[nn.Parameter], value: Tensor) -> float:
        """Sum the gradients and one more value over all processes, in one exchange; return the value's sum."""
        if self.size == 1:
            return float(value)
        taught = [parameter for parameter in parameters if parameter.requires_grad]
        # A process whose share of the last batch is empty has no gradients of its own.
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in taught]
        flat = self.total(torch.cat([*(gradient.flatten() for gradient in gradients), value.view(1)]))
        parts = torch.split(flat[:-1], [parameter.numel() for parameter in taught])
        for parameter, part in zip(taught, parts, strict=True):
            parameter.grad = part.view_as(parameter)
        return float(flat[-1])


@contextmanager
def joined(gpu: bool) -> Iterator[World]:
    """Join the processes that torchrun started, or be the only one."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World()
        return
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    if gpu:
        torch.cuda.set_device(local_rank)
    distributed.init_process_group("nccl" if gpu else "gloo")
    try:
        yield World(distributed.get_rank(), size, local_rank)
    finally:
        distributed.destroy_process_group()
