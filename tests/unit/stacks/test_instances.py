"""What instance types are taken for."""

from __future__ import annotations

import pytest

from stacks.instances import gpus, has_gpu, has_local_storage, known


@pytest.mark.parametrize("name", ["ml.g4dn.xlarge", "ml.g5.2xlarge", "ml.g6e.xlarge", "ml.p5en.48xlarge"])
def test_gpu_instances_are_known_with_their_local_storage(name: str) -> None:
    assert name in known("training") | known("serving")
    assert has_gpu(name)
    assert has_local_storage(name)


@pytest.mark.parametrize(
    ("name", "local"), [("ml.m7i.large", False), ("ml.c5.xlarge", False), ("ml.m5d.large", True)]
)
def test_cpu_instances_have_no_gpu_and_local_storage_only_by_their_letter(name: str, local: bool) -> None:
    assert not has_gpu(name)
    assert has_local_storage(name) is local


@pytest.mark.parametrize("name", ["m5.large", "ml.m5", "ml.M5.large", ""])
def test_other_names_are_no_instance_types(name: str) -> None:
    assert name not in known("training") | known("serving")


@pytest.mark.parametrize(
    ("name", "count"),
    [
        *(("ml.m5.xlarge", 0), ("ml.g5.xlarge", 1), ("ml.g5.16xlarge", 1), ("ml.g5.12xlarge", 4)),
        *(("ml.g6e.48xlarge", 8), ("ml.p3.8xlarge", 4), ("ml.p4d.24xlarge", 8), ("ml.p5.4xlarge", 1)),
    ],
)
def test_gpus_are_counted_by_type(name: str, count: int) -> None:
    assert gpus(name) == count
