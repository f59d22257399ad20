"""Moves a job's files between S3 and its folder."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from localcloud.access import client
from localcloud.sagemaker.errors import JobFailedError

THREADS = 8


def split(uri: str) -> tuple[str, str]:
    """Split an S3 URI into bucket and key."""
    parts = urlsplit(uri)
    return parts.netloc, parts.path.lstrip("/")


def keys(uri: str) -> Iterator[str]:
    """List the object keys below a prefix, folders' own markers left out."""
    bucket, prefix = split(uri)
    for page in client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            if not entry["Key"].endswith("/"):
                yield entry["Key"]


def relative(key: str, prefix: str) -> str:
    """Return where an object goes below its channel: its path after the prefix, or its name."""
    return key[len(prefix) :].lstrip("/") or key.rsplit("/", 1)[-1]


def download(uri: str, folder: Path, *, required: bool = True) -> int:
    """Bring every object below a prefix into a folder and return how many there were.

    Raises
    ------
    JobFailedError
        When nothing is there, or the bucket is not.
    """
    bucket, prefix = split(uri)
    folder.mkdir(parents=True, exist_ok=True)
    s3 = client("s3")
    try:
        found = list(keys(uri))
    except s3.exceptions.NoSuchBucket as error:
        raise JobFailedError(f"ClientError: S3 bucket {bucket} does not exist.") from error
    if required and not found:
        raise JobFailedError(f"ClientError: No S3 objects found under S3 URL {uri}.")

    def fetch(key: str) -> None:
        target = folder / relative(key, prefix)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(fetch, found))
    return len(found)


def upload(folder: Path, uri: str) -> int:
    """Send every file below a folder to a prefix and return how many there were."""
    bucket, prefix = split(uri)
    s3 = client("s3")
    files = sorted(path for path in folder.rglob("*") if path.is_file())

    def send(path: Path) -> None:
        key = "/".join(part for part in (prefix.rstrip("/"), path.relative_to(folder).as_posix()) if part)
        s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(send, files))
    return len(files)


def upload_archive(folder: Path, uri: str, scratch: Path) -> None:
    """Pack a folder's content as `.tar.gz` and send it to an object."""
    with tarfile.open(scratch, "w:gz", compresslevel=1) as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, arcname=path.name)
    bucket, key = split(uri)
    client("s3").put_object(Bucket=bucket, Key=key, Body=scratch.read_bytes())
    scratch.unlink()
