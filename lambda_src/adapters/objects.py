"""Objects in S3."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from lambda_src.adapters.clients import client
from lambda_src.errors import ObjectMissingError

MISSING = ("NoSuchKey", "NoSuchVersion", "NoSuchBucket", "404", "MethodNotAllowed", "405")


@dataclass(frozen=True)
class Objects:
    """Reads and writes whole objects.

    Parameters
    ----------
    s3
        A boto3 client; one is made when it is left out.
    """

    s3: Any = None

    def _client(self) -> Any:
        return self.s3 or client("s3")

    def read(
        self, bucket: str, key: str, version_id: str | None = None, *, limit: int | None = None
    ) -> bytes:
        """Return an object's bytes, at most `limit` + 1 of them, so that the caller sees it is too large.

        Raises
        ------
        ObjectMissingError
        """
        version = {"VersionId": version_id} if version_id else {}
        try:
            body = self._client().get_object(Bucket=bucket, Key=key, **version)["Body"]
        except ClientError as error:
            if error.response["Error"]["Code"] in MISSING:
                raise ObjectMissingError(f"The object s3://{bucket}/{key} is gone.") from error
            raise
        content: bytes = body.read() if limit is None else body.read(limit + 1)
        return content

    def write(self, bucket: str, key: str, path: Path) -> None:
        """Send a file to an object."""
        self._client().upload_file(str(path), bucket, key)


def split(uri: str) -> tuple[str, str]:
    """Split an S3 URI into bucket and key."""
    parts = urlsplit(uri, allow_fragments=False)
    return parts.netloc, parts.path.lstrip("/")
