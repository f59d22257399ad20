"""What the name of a SageMaker instance type says about it."""

from __future__ import annotations

import functools
import re
from typing import Literal

import botocore.session

Use = Literal["training", "serving"]
SHAPES: dict[Use, str] = {"training": "TrainingInstanceType", "serving": "ProductionVariantInstanceType"}
JOB_INSTANCE = "ml.m5.xlarge"
"""What staging, evaluation and transforms run on: CPUs do for any of them."""
_GPU = re.compile(r"ml\.(gr?\d|p\d)")
_SEVERAL = (
    (re.compile(r"ml\.(g4dn|g5|g6e?)\.(12|24)xlarge|ml\.p3\.8xlarge"), 4),
    (re.compile(r"ml\.(g5|g6e?)\.48xlarge|ml\.p3(dn)?\.(16|24)xlarge|ml\.p[45]\w*\.(24|48)xlarge"), 8),
)
"""GPUs of the types that have more than one: https://aws.amazon.com/sagemaker/ai/pricing/"""
_LOCAL_STORAGE = re.compile(
    r"ml\.(g4dn|g5|gr?6\w*|g7\w*|p3dn|p4\w*|p5\w*|p6[\w-]*|trn\d\w*|[cmr]\d[a-z]*d[a-z]*)\."
)


@functools.cache
def known(use: Use) -> frozenset[str]:
    """Return the instance types that SageMaker has for a use, by botocore's model of it."""
    shape = botocore.session.get_session().get_service_model("sagemaker").shape_for(SHAPES[use])
    return frozenset(shape.metadata["enum"])


def has_gpu(instance_type: str) -> bool:
    """Say whether an instance type has NVIDIA GPUs."""
    return _GPU.match(instance_type) is not None


def has_own_chips(instance_type: str) -> bool:
    """Say whether an instance type has Trainium, Inferentia or Gaudi chips."""
    return instance_type.startswith(("ml.trn", "ml.inf", "ml.dl"))


def has_arm(instance_type: str) -> bool:
    """Say whether an instance type has Graviton processors, which AWS marks by a `g` after the generation."""
    return re.match(r"ml\.([a-z]+\d[a-z]*g[a-z]*\.|\w+-gb\d)", instance_type) is not None


def is_unsupported(instance_type: str, use: Use) -> bool:
    """Say whether an instance type's GPUs are none that the images work on.

    PyTorch's builds for CUDA 13 begin at compute capability 7.5, which leaves out P2 and P3; the host image of the
    endpoint has a driver from before G7 and P6.
    """
    return re.match(r"ml\.p[23]" if use == "training" else r"ml\.(p[236]|g7)", instance_type) is not None


def is_burstable(instance_type: str) -> bool:
    """Say whether an instance type lives on credits, such as T2."""
    return re.match(r"ml\.t\d", instance_type) is not None


def gpus(instance_type: str) -> int:
    """Return how many GPUs an instance type has."""
    several = [count for shape, count in _SEVERAL if shape.fullmatch(instance_type)]
    return several[0] if several else int(has_gpu(instance_type))


def processors(instance_type: str) -> int:
    """Return how many processors an instance type has: two up to `large`, and four for each `xlarge`.

    https://aws.amazon.com/sagemaker/ai/pricing/; a C4 of eight has four more.
    """
    size = instance_type.rpartition(".")[2]
    return 4 * int(size.removesuffix("xlarge") or 1) if size.endswith("xlarge") else 2


def has_local_storage(instance_type: str) -> bool:
    """Say whether an instance type's volume is local NVMe, which is encrypted already and refuses a key.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ResourceConfig.html
    """
    return _LOCAL_STORAGE.match(instance_type) is not None
