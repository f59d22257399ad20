"""Joins a trained model and the serving code into the archive that AWS's Ray image runs as it is."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from lambda_src.adapters.objects import Objects, split
from lambda_src.environment import PackageModelEnvironment
from lambda_src.errors import (
    ArchiveMemberMissingError,
    ArchiveTooLargeError,
    ArchiveUnreadableError,
    UnsafeArchiveError,
)

CARD = "model.json"
TRAINED = ("model.safetensors", CARD, "metrics.json")
CODE = ("config.yaml", "code/serving/app.py", "code/classifier/__init__.py")
MOST_BYTES = 200 * 2**20
"""Unpacked, of one archive; everything is held in the function's memory three times at most."""


def members(archive: bytes, what: str) -> dict[str, bytes]:
    """Return an archive's files by name.

    Raises
    ------
    UnsafeArchiveError, ArchiveUnreadableError, ArchiveTooLargeError
    """
    found: dict[str, bytes] = {}
    left = MOST_BYTES
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as opened:
            for entry in opened:
                path = PurePosixPath(entry.name)
                if path.is_absolute() or ".." in path.parts:
                    raise UnsafeArchiveError(f"The {what} holds {entry.name!r}, which leads out of it.")
                if entry.isdir():
                    continue
                content = opened.extractfile(entry) if entry.isfile() else None
                if content is None:
                    raise UnsafeArchiveError(f"The {what} holds {entry.name!r}, which is no plain file.")
                left -= entry.size
                if left < 0:
                    raise ArchiveTooLargeError(f"The {what} unpacks to more than {MOST_BYTES} bytes.")
                found[str(path)] = content.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise ArchiveUnreadableError(f"The {what} is no .tar.gz archive: {error}.") from error
    return found


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return an archive of files: the same bytes for the same files."""
    buffer = io.BytesIO()
    with (
        # Weights hardly shrink: the lightest compression is the quickest.
        gzip.GzipFile(filename="", fileobj=buffer, mode="wb", mtime=0, compresslevel=1) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(files[name]), 0o644
            archive.addfile(entry, io.BytesIO(files[name]))
    return buffer.getvalue()


def serving_files(trained: Mapping[str, bytes], code: Mapping[str, bytes], run: str) -> dict[str, bytes]:
    """Return what the serving archive holds; the card names the run as its `model_version`.

    Raises
    ------
    ArchiveMemberMissingError, ArchiveUnreadableError
    """
    for files, needed, what in ((trained, TRAINED, "training artifact"), (code, CODE, "serving code")):
        if missing := [name for name in needed if name not in files]:
            raise ArchiveMemberMissingError(f"The {what} lacks {', '.join(missing)}.")
    try:
        card = {**json.loads(trained[CARD]), "model_version": run}
        float(card["threshold"])
    except (ValueError, TypeError, KeyError) as error:
        raise ArchiveUnreadableError(
            f"The training artifact's {CARD} must be a JSON object with a threshold ({error!r})."
        ) from error
    served = {name: content for name, content in code.items() if name == "config.yaml" or _is_code(name)}
    # Only what serving reads: a job's other outputs are its own affair.
    served |= {name: trained[name] for name in TRAINED}
    served[CARD] = json.dumps(card, indent=2, sort_keys=True).encode()
    return served


def _is_code(name: str) -> bool:
    return name.startswith("code/")


def package(
    artifact: str, run: str, environment: PackageModelEnvironment, objects: Objects
) -> dict[str, Any]:
    """Build and store the serving archive of a run.

    Raises
    ------
    UnsafeArchiveError, ArchiveMemberMissingError, ArchiveUnreadableError, ArchiveTooLargeError,
    ObjectMissingError
    """
    trained = members(objects.read(*split(artifact)), "training artifact")
    code = members(
        objects.read(environment.serving_code_bucket, environment.serving_code_key), "serving code"
    )
    files = serving_files(trained, code, run)
    archive = pack(files)
    key = f"{environment.classifier}/runs/{run}/archive/model.tar.gz"
    objects.write(environment.models_bucket, key, archive)
    return {
        "archive_uri": f"s3://{environment.models_bucket}/{key}",
        "sha256": hashlib.sha256(archive).hexdigest(),
        "threshold": float(json.loads(files[CARD])["threshold"]),
    }
