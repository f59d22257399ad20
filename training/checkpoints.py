"""A fit's state in a file: written whole, and taken up by nothing but the same fit."""

import hashlib
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from training.errors import TrainingError


class Checkpoint:
    """
    Where one fit keeps its state after each epoch.

    Parameters
    ----------
    folder
        Of all checkpoints; empty keeps none.
    name
        The fit's.
    identity
        What the job is of: a checkpoint of another identity is refused.
    """

    def __init__(self, folder: str, name: str, identity: Mapping[str, Any]) -> None:
        self._file = Path(folder) / f"{name}.pt" if folder else None
        self._identity = identity

    def save(self, state: Mapping[str, Any]) -> None:
        """
        Keep the state in place of the one before.

        Raises
        ------
        TrainingError
            When it cannot be written.
        """
        if self._file is None:
            return
        # Written beside and moved, so that a job killed meanwhile leaves the older one whole.
        fresh = self._file.with_suffix(".new")
        try:
            fresh.write_bytes(pack({**state, "identity": dict(self._identity)}))
            fresh.replace(self._file)
        except OSError as error:
            raise TrainingError(
                f"The checkpoint {self._file.name} cannot be written: see that the checkpoint folder has room."
            ) from error

    def load(self) -> dict[str, Any] | None:
        """
        Return the state that was kept, or None.

        Raises
        ------
        TrainingError
            When the file cannot be read, is damaged, or is of another job.
        """
        if self._file is None or not self._file.is_file():
            return None
        try:
            state = unpack(self._file.read_bytes())
        except Exception as error:  # torch.load raises whatever its unpickler meets
            raise self._refusal("cannot be read") from error
        theirs = state.get("identity") if isinstance(state, dict) else None
        if not isinstance(state, dict) or not isinstance(theirs, dict):
            raise self._refusal("is not of a training job")
        if other := differing(theirs, self._identity):
            raise self._refusal(f"was made with another {' and another '.join(other)}")
        return state

    @contextmanager
    def taken_up(self) -> Iterator[None]:
        """
        Refuse, by a sentence, a state that does not fit whoever takes it up within.

        Raises
        ------
        TrainingError
        """
        try:
            yield
        except Exception as error:  # torch raises whatever a state of another shape makes it meet
            raise self._refusal("is not of this network") from error

    def _refusal(self, why: str) -> TrainingError:
        name = self._file.name if self._file else ""
        return TrainingError(f"The checkpoint {name} {why}: remove it, or empty the checkpoint folder.")


def pack(state: object) -> bytes:
    """Write a state as torch does, behind the SHA-256 of that: torch itself reads damaged numbers without a word."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    return hashlib.sha256(content).digest() + content


def unpack(content: bytes) -> Any:
    """
    Read what `pack` wrote.

    Raises
    ------
    ValueError
        When it is not what was written.
    """
    length = hashlib.sha256().digest_size
    digest, written = content[:length], content[length:]
    if hashlib.sha256(written).digest() != digest:
        raise ValueError("it is damaged")
    return torch.load(io.BytesIO(written), map_location="cpu", weights_only=True)


def differing(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """Return what of two identities is not the same, named as hyperparameters are, sorted."""
    names = {*theirs, *ours}
    return sorted(str(name).replace("_", "-") for name in names if theirs.get(name) != ours.get(name))
