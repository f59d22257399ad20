"""Unpacks what came from elsewhere, and nothing of it outside its folder."""

from __future__ import annotations

import tarfile
from pathlib import Path


def extract(archive: tarfile.TarFile, folder: Path) -> None:
    """Unpack an archive into a folder.

    Raises
    ------
    tarfile.TarError
        When a member would leave the folder, or is no file and no folder.
    """
    if hasattr(tarfile, "data_filter"):
        archive.extractall(folder, filter="data")
        return
    # Python before 3.11.4, which Debian 12 has, knows no filters: what they would look at is looked at here.
    for member in archive.getmembers():
        inside = (folder / member.name).resolve().is_relative_to(folder.resolve())
        if not inside or not (member.isfile() or member.isdir()):
            raise tarfile.TarError(f"{member.name!r} is not a plain file below the folder.")
    archive.extractall(folder)  # noqa: S202  # every member was looked at
