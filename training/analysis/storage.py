"""Places with files: a prefix in S3, or a folder, so that what runs in AWS runs on any machine."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from training.errors import StorageError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@dataclass(frozen=True, order=True)
class Item:
    """One file: its name below the place, and when it was written, in seconds since 1970."""

    key: str
    modified: float


class Place(Protocol):
    """Where files are."""

    def items(self, after: str = "") -> Iterator[Item]:
        """List the files in order of their names, from the first that is greater than ``after``."""

    def read(self, key: str) -> bytes | None:
        """Return a file's content; nothing when there is no such file."""


def place(uri: str) -> Place:
    """
    Return the place that ``s3://bucket/prefix/`` or a folder's path names.

    Nothing is asked of it yet, and S3's client is only made when something is.
    """
    if not uri.startswith("s3://"):
        return Folder(Path(uri))
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    return Bucket(bucket, prefix if not prefix or prefix.endswith("/") else prefix + "/")


def read_uri(uri: str) -> bytes | None:
    """Return the content of one file by its whole name; nothing when it does not exist."""
    folder, _, name = uri.rpartition("/")
    return place(folder or ".").read(name)


@dataclass(frozen=True)
class Folder:
    """A folder of this machine."""

    path: Path

    def items(self, after: str = "") -> Iterator[Item]:  # noqa: D102
        found = ((path.relative_to(self.path).as_posix(), path) for path in self.path.rglob("*"))
        for key, path in sorted(found):
            if key > after and path.is_file():
                yield Item(key, path.stat().st_mtime)

    def read(self, key: str) -> bytes | None:  # noqa: D102
        try:
            return (self.path / key).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(
                f"The file {key!r} in {self.path} cannot be read: {error.strerror}."
            ) from error


@dataclass(frozen=True)
class Bucket:
    """A prefix of a bucket."""

    bucket: str
    prefix: str

    @cached_property
    def _client(self) -> "S3Client":
        import boto3  # noqa: PLC0415  # the training image has it; a folder needs none

        return boto3.client("s3")

    def items(self, after: str = "") -> Iterator[Item]:  # noqa: D102
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # as above

        pages = self._client.get_paginator("list_objects_v2")
        try:
            for page in pages.paginate(
                Bucket=self.bucket, Prefix=self.prefix, StartAfter=self.prefix + after
            ):
                for each in page.get("Contents", []):
                    yield Item(each["Key"].removeprefix(self.prefix), each["LastModified"].timestamp())
        except (BotoCoreError, ClientError) as error:
            raise StorageError(f"s3://{self.bucket}/{self.prefix} cannot be listed: {error}") from error

    def read(self, key: str) -> bytes | None:  # noqa: D102
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  # as above

        try:
            return self._client.get_object(Bucket=self.bucket, Key=self.prefix + key)["Body"].read()
        except self._client.exceptions.NoSuchKey:
            return None
        except (BotoCoreError, ClientError) as error:
            raise StorageError(f"s3://{self.bucket}/{self.prefix}{key} cannot be read: {error}") from error
