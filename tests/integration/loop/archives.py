"""Model archives whose application is another one."""

from __future__ import annotations

import io
import tarfile

APP = "code/serving/app.py"


def with_app(archive: bytes, line: str, ill: str) -> bytes:
    """Return an archive whose application has other lines in place of one that it has once."""
    made = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as old, tarfile.open(fileobj=made, mode="w:gz") as new:
        for entry in old:
            content = old.extractfile(entry).read()  # type: ignore[union-attr]
            if entry.name == APP:
                text = content.decode()
                assert text.count(line) == 1
                content = text.replace(line, ill).encode()
                entry.size = len(content)
            new.addfile(entry, io.BytesIO(content))
    return made.getvalue()
