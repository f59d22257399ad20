"""Joins a trained model and the serving code into the archive that AWS's Ray image runs as it is."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from lambda_src.adapters.objects import Objects, split
from lambda_src.environment import PackageModelEnvironment
from lambda_src.errors import UnsafeArchiveError

MODEL = "model.json"
NEEDED = ("model.safetensors", MODEL, "config.yaml", "code/serving/app.py")


def members(archive: bytes, what: str) -> dict[str, bytes]:
    """Return an archive's files by name.

    Raises
    ------
    UnsafeArchiveError
        When it is no archive, or a name leaves it.
    """
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as opened:
            for entry in opened:
                path = PurePosixPath(entry.name)
                if path.is_absolute() or ".." in path.parts:
                    raise UnsafeArchiveError(f"The {what} holds {entry.name}, which leads out of it.")
                content = opened.extractfile(entry) if entry.isfile() else None
                if content is not None:
                    found[str(path)] = content.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UnsafeArchiveError(f"The {what} is no .tar.gz archive: {error}.") from error
    return found


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return an archive of files: the same bytes for the same files."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(filename="", fileobj=buffer, mode="wb", mtime=0, compresslevel=1) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(files[name]), 0o644
            archive.addfile(entry, io.BytesIO(files[name]))
    return buffer.getvalue()


def package(
    artifact: str, run: str, environment: PackageModelEnvironment, objects: Objects
) -> dict[str, Any]:
    """Build and store the serving archive of a run.

    Raises
    ------
    UnsafeArchiveError, ObjectMissingError
    """
    files = members(objects.read(*split(artifact)), "training artifact")
    code = objects.read(environment.serving_code_bucket, environment.serving_code_key)
    files |= members(code, "serving code")
    missing = [name for name in NEEDED if name not in files]
    if missing:
        raise UnsafeArchiveError(f"The serving archive would lack {', '.join(missing)}.")
    model = {**json.loads(files[MODEL]), "model_version": run}
    files[MODEL] = json.dumps(model, indent=2, sort_keys=True).encode()
    archive = pack(files)
    key = f"{environment.classifier}/runs/{run}/archive/model.tar.gz"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tar.gz"
        path.write_bytes(archive)
        objects.write(environment.models_bucket, key, path)
    return {
        "archive_uri": f"s3://{environment.models_bucket}/{key}",
        "sha256": hashlib.sha256(archive).hexdigest(),
        "threshold": model.get("threshold"),
    }
