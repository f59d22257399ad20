"""Where a classifier's pictures come from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from stacks.settings.base import Strict
from training.errors import SourceError
from training.staging.layout import files_below, labels_to_learn, only_zip, read_layout

CIFAR100_MD5 = "eb9058c3a382ffc7106e4002c42a8d85"
_NAMES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard
lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear
pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark
shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone
television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""
CIFAR100 = frozenset(_NAMES.split())
"""The classes of the official archive, by the names in its `meta`: https://www.cs.toronto.edu/~kriz/cifar.html."""
DRAWN = frozenset(("bicycle", "motorcycle", "good", "defective"))
"""What the built-in drawings show; training/drawings has the pens."""
ARGUMENT_LIMIT = 256
"""Characters of one argument of a processing job."""


class CifarData(Strict):
    """The official CIFAR-100 archive."""

    kind: Literal["cifar100"]
    url: str = Field(pattern=r"^https?://", max_length=ARGUMENT_LIMIT)
    md5: str = Field(pattern=r"^[0-9a-f]{32}$")

    def known(self) -> frozenset[str] | None:
        """Return the classes that it has; None where nobody knows before it is read."""
        return CIFAR100 if self.md5 == CIFAR100_MD5 else None


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

    def known(self) -> frozenset[str] | None:
        """Return the classes that staging finds there; None for a zip file, which it reads."""
        if only_zip(self.path):
            return None
        try:
            return frozenset(labels_to_learn(read_layout(files_below(self.path))))
        except SourceError as error:
            raise ValueError(str(error).rstrip(".")) from error


class S3Data(Strict):
    """An S3 prefix of class folders."""

    kind: Literal["s3"]
    uri: str = Field(pattern=r"^s3://[a-z0-9.-]{3,63}/(.*/)?$", max_length=1024)

    @field_validator("uri")
    @classmethod
    def _named(cls, uri: str) -> str:
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        labels = bucket.split(".")
        if not all(re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", each) for each in labels) or (
            len(labels) == 4 and all(each.isdigit() for each in labels)
        ):
            raise ValueError(f"{bucket!r} is no name that a bucket can have")
        if wild := set(prefix) & set("*?$"):
            raise ValueError(
                f"the prefix {prefix!r} has {min(wild)!r}, which policies read as something else"
            )
        return uri

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self.uri.split("/")[2]

    @property
    def prefix(self) -> str:
        """What the keys begin with."""
        return self.uri.split("/", 3)[3]

    def known(self) -> frozenset[str] | None:
        """Return None: nobody looks into a bucket before a deployment."""
        return None


class DrawingsData(Strict):
    """Built-in drawings, for trying everything with no pictures at hand."""

    kind: Literal["drawings"]
    per_class: int = Field(ge=20, le=5000)
    seed: int = 0

    def known(self) -> frozenset[str] | None:
        """Return what the drawings show."""
        return DRAWN


Data = Annotated[CifarData | FolderData | S3Data | DrawingsData, Field(discriminator="kind")]
