"""Reading a pickle that may build data and nothing else."""

import io
import pickle
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import UnsafeArchiveError

MOST_OPCODES = 1_000_000
"""Steps of a pickle: the largest file of CIFAR-100 has some 200,000."""
_MEMO = ("PUT", "BINPUT", "LONG_BINPUT")


class _Stand:
    """Stands for a callable that a pickle names: it can be called, and nothing of it can be changed."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make

    def __call__(self, *arguments: Any) -> Any:
        return self._make(*arguments)

    def __setstate__(self, state: object) -> None:
        raise UnsafeArchiveError("The pickle would change what it was given to build with: it is not read.")


def _array_kind(*_: object) -> None:
    """Stand in for ``numpy.ndarray``, which must be named but never called: it could claim any memory."""
    raise UnsafeArchiveError("The pickle makes an array directly, as CIFAR files do not: it is not read.")


_ARRAY_KIND = _Stand(_array_kind)


def _empty_array(kind: object, shape: object, _code: object) -> NDArray[Any]:
    """Stand in for NumPy's ``_reconstruct``: an empty array, which the pickle then fills by its state."""
    if kind is not _ARRAY_KIND or shape != (0,):
        raise UnsafeArchiveError(
            "The pickle builds an array in a way that CIFAR files do not: it is not read."
        )
    return np.ndarray((0,), dtype=np.int8)


def _number_dtype(code: object, *_flags: object) -> np.dtype[Any]:
    """Stand in for ``numpy.dtype``: plain numbers only, since object arrays could hold anything."""
    if not isinstance(code, str | bytes):
        raise UnsafeArchiveError("The pickle holds an array of no plain numbers: it is not read.")
    found = np.dtype(code.decode() if isinstance(code, bytes) else code)
    if found.kind not in "iufb":
        raise UnsafeArchiveError("The pickle holds an array of no plain numbers: it is not read.")
    return found


_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _Stand(_empty_array),
    ("numpy._core.multiarray", "_reconstruct"): _Stand(_empty_array),
    ("numpy", "ndarray"): _ARRAY_KIND,
    ("numpy", "dtype"): _Stand(_number_dtype),
}


class _DataUnpickler(pickle.Unpickler):
    """An unpickler whose only callables build arrays of numbers and bytes."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content), encoding="bytes")
        self._left = len(content)

    def _encode(self, text: object, encoding: object = "utf-8") -> bytes:
        """Stand in for ``_codecs.encode``, by which protocol 2 writes bytes: no more in all than the file holds."""
        if not isinstance(text, str) or encoding not in ("latin1", "utf-8") or len(text) > self._left:
            raise UnsafeArchiveError(
                "The pickle encodes text in a way that CIFAR files do not: it is not read."
            )
        self._left -= len(text)
        return text.encode(str(encoding))

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):
            return _Stand(self._encode)
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise UnsafeArchiveError(
                f"The pickle asks for {module}.{name}, which no image data needs: it is not read."
            ) from None


def _check_steps(content: bytes) -> None:
    """Refuse what makes little of a file into much memory or time: too many steps, a memo larger than they fill."""
    for number, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        if number >= MOST_OPCODES:
            raise UnsafeArchiveError(
                f"The pickle has more than {MOST_OPCODES:,} steps, as CIFAR files do not: it is not read."
            )
        if opcode.name in _MEMO and (not isinstance(argument, int) or argument > number):
            raise UnsafeArchiveError("The pickle numbers its parts as no CIFAR file does: it is not read.")


def read_pickle(path: Path) -> dict[Any, Any]:
    """
    Read a dictionary of lists, text, bytes, numbers and arrays of numbers.

    Raises
    ------
    UnsafeArchiveError
        When the pickle would build anything else, or more than its size accounts for, is damaged, or is no
        dictionary.
    """
    content = path.read_bytes()
    try:
        _check_steps(content)
        value = _DataUnpickler(content).load()
    except UnsafeArchiveError:
        raise
    except Exception as error:  # damaged pickles raise almost anything
        raise UnsafeArchiveError(f"The pickle {path.name} cannot be read: {error}.") from error
    if not isinstance(value, dict):
        raise UnsafeArchiveError(f"The pickle {path.name} holds no dictionary: it is no CIFAR file.")
    return value
