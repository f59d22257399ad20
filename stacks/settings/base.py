"""What all settings have in common, and what those of instances do."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from stacks.instances import Use, has_arm, has_gpu, has_own_chips, is_unsupported, known


class SettingsError(Exception):
    """A setting is missing, unknown or impossible; the message says which and what to do."""


class Strict(BaseModel):
    """Settings that cannot change, and take nothing they do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Instances(Strict):
    """A type of SageMaker's, and whether it is meant to have a GPU."""

    instance_type: str
    gpu: bool
    use: ClassVar[Use]

    @field_validator("instance_type")
    @classmethod
    def _sagemaker_type(cls, value: str) -> str:
        if value not in known(cls.use):
            raise ValueError(
                f"{value!r} is no instance type that SageMaker has for {cls.use}, such as ml.m5.xlarge"
            )
        if has_own_chips(value):
            raise ValueError(
                f"{value} has chips of its own kind, which the images know nothing of: name a GPU or CPU type"
            )
        if is_unsupported(value, cls.use):
            raise ValueError(
                f"the GPUs of {value} do not fit the images for {cls.use}: name a g4dn, g5, g6, p4 or p5"
            )
        if has_arm(value):
            raise ValueError(f"{value} has ARM processors, and AWS's images are for x86: name another type")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.gpu and not has_gpu(self.instance_type):
            raise ValueError(f"gpu = true needs a GPU instance, and {self.instance_type} has none")
        if not self.gpu and has_gpu(self.instance_type):
            raise ValueError(
                f"{self.instance_type} is a GPU instance: set gpu = true, or name a CPU instance"
            )
        return self
