"""Where a classifier's pictures come from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Strict(BaseModel):
    """Settings that cannot change, and take nothing they do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


ARGUMENT_LIMIT = 256
"""Characters of one argument of a processing job."""


class CifarData(Strict):
    """The official CIFAR-100 archive."""

    kind: Literal["cifar100"]
    url: str = Field(pattern=r"^https?://", max_length=ARGUMENT_LIMIT)
    md5: str = Field(pattern=r"^[0-9a-f]{32}$")


class FolderData(Strict):
    """A folder of class folders on the machine that synthesizes; it becomes an asset."""

    kind: Literal["folder"]
    path: Path

    @field_validator("path")
    @classmethod
    def _exists(cls, path: Path) -> Path:
        if not path.is_dir():
            raise ValueError(f"the folder {path} does not exist")
        return path


class S3Data(Strict):
    """An S3 prefix of class folders."""

    kind: Literal["s3"]
    uri: str = Field(pattern=r"^s3://[a-z0-9.-]{3,63}/(.*/)?$", max_length=1024)

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self.uri.split("/")[2]

    @property
    def prefix(self) -> str:
        """What the keys begin with."""
        return self.uri.split("/", 3)[3]


class DrawingsData(Strict):
    """Built-in drawings, for trying everything with no pictures at hand."""

    kind: Literal["drawings"]
    per_class: int = Field(ge=20, le=5000)
    seed: int = 0


Data = Annotated[CifarData | FolderData | S3Data | DrawingsData, Field(discriminator="kind")]
