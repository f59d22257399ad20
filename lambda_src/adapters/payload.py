"""How much one request to an endpoint carries, and the archive that many images are sent in.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Sequence

MAX_BYTES = 6 * 1024 * 1024


def fits(sizes: Iterable[int]) -> bool:
    """Return whether one request carries images of so many bytes each, under names of less than 100 letters."""
    # Each has a header and is filled up to whole blocks; two empty blocks end an archive, filled up to a record.
    blocks = sum(1 + -(-size // tarfile.BLOCKSIZE) for size in sizes) + 2
    records = -(-blocks * tarfile.BLOCKSIZE // tarfile.RECORDSIZE)
    return records * tarfile.RECORDSIZE <= MAX_BYTES


def archive(images: Sequence[tuple[str, bytes]]) -> bytes:
    """Return named images as the tar archive that an endpoint takes."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for name, content in images:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return written.getvalue()
