"""What the serving application is measured against: the usual first application for AWS's Ray image.

Many images come as the same tar archive, and are answered one after the other.
"""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import Any

from peer_model import PeerModel  # type: ignore[import-not-found]  # both lie in the archive's `code`
from ray import serve
from starlette.requests import Request

MODEL_DIRECTORY = Path(__file__).resolve().parent.parent


@serve.deployment(ray_actor_options={"num_gpus": float(os.environ.get("SM_NUM_GPUS", "0"))})
class Peer:
    """One replica."""

    def __init__(self) -> None:
        self._model = PeerModel(MODEL_DIRECTORY)

    async def __call__(self, request: Request) -> Any:
        """Answer one image, or an archive of many."""
        body = await request.body()
        if request.headers.get("content-type") != "application/x-tar":
            return self._model.classify(body)
        with tarfile.open(fileobj=io.BytesIO(body)) as archive:
            files = [archive.extractfile(entry) for entry in archive]
            return [self._model.classify(file.read()) for file in files if file]


application = Peer.bind()  # type: ignore[attr-defined]  # the decorator makes a deployment of the class
