"""Objects in S3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from lambda_src.adapters.clients import client
from lambda_src.errors import InvalidEventError, ObjectMissingError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

MISSING = ("NoSuchKey", "NoSuchVersion", "NoSuchBucket", "404", "MethodNotAllowed", "405")


@dataclass(frozen=True)
class Objects:
    """Reads and writes whole objects.

    Parameters
    ----------
    s3
        A boto3 client; one is made when it is left out.
    """

    s3: S3Client | None = None

    def _client(self) -> S3Client:
        made: S3Client = self.s3 or client("s3", read_timeout=20, attempts=3)
        return made

    def read(
        self, bucket: str, key: str, version_id: str | None = None, *, limit: int | None = None
    ) -> bytes:
        """Return an object's bytes, at most `limit` + 1 of them, so that the caller sees it is too large.

        Raises
        ------
        ObjectMissingError
        """
        request: dict[str, Any] = {"Bucket": bucket, "Key": key}
        if version_id:
            request["VersionId"] = version_id
        try:
            body = self._client().get_object(**request)["Body"]
        except ClientError as error:
            if error.response["Error"]["Code"] in MISSING:
                version = f" in version {version_id}" if version_id else ""
                raise ObjectMissingError(f"There is no object s3://{bucket}/{key}{version}.") from error
            raise
        try:
            return body.read() if limit is None else body.read(limit + 1)
        finally:
            body.close()

    def write(self, bucket: str, key: str, content: bytes) -> None:
        """Put an object."""
        self._client().put_object(Bucket=bucket, Key=key, Body=content)

    def copy(self, bucket: str, key: str, version_id: str, target: tuple[str, str]) -> None:
        """Copy one version to another bucket and key, without its tags.

        Raises
        ------
        ObjectMissingError
        """
        source: Any = {"Bucket": bucket, "Key": key, "VersionId": version_id}
        try:
            # The tags tell what was decided, not what is so; copying them would take two more permissions.
            self._client().copy_object(
                Bucket=target[0], Key=target[1], CopySource=source, TaggingDirective="REPLACE"
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in MISSING:
                raise ObjectMissingError(
                    f"There is no object s3://{bucket}/{key} in version {version_id}."
                ) from error
            raise


def split(uri: str) -> tuple[str, str]:
    """Split an S3 URI into bucket and key.

    Raises
    ------
    InvalidEventError
    """
    parts = urlsplit(uri, allow_fragments=False)
    if parts.scheme != "s3" or not parts.netloc:
        raise InvalidEventError(f"{uri!r} is no S3 URI; s3://bucket/key is wanted.")
    # Whole, not `parts.path`: a key may hold a question mark.
    return parts.netloc, uri.removeprefix(f"s3://{parts.netloc}").removeprefix("/")
