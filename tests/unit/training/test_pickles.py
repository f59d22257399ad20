"""Pickles that are no data, or more than their size accounts for."""

from __future__ import annotations

import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from training.errors import UnsafeArchiveError
from training.staging import pickles
from training.staging.pickles import read_pickle

MEGABYTE = b"X" + (2**20).to_bytes(4, "little") + b"x" * 2**20
"""A text, as a step of a pickle."""


@pytest.mark.parametrize("protocol", range(5))
def test_arrays_text_bytes_and_numbers_are_read_in_each_protocol(tmp_path: Path, protocol: int) -> None:
    array = np.arange(6000, dtype=np.uint8).reshape(2, 3000)
    # One name is the same object twice, which a pickle notes by its number.
    given = {b"data": array, b"fine_labels": [1, 2, 70000], "names": [b"a\xff", "b", *[b"twice"] * 2]}
    (tmp_path / "train").write_bytes(pickle.dumps(given, protocol=protocol))
    read = read_pickle(tmp_path / "train")
    assert np.array_equal(read.pop(b"data"), array)
    assert read == {key: value for key, value in given.items() if key != b"data"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x80\x02}r" + (2**29).to_bytes(4, "little") + b".", "numbers its parts"),
        (b"}p536870912\n.", "numbers its parts"),
        (b"]" * 3000 + b".", "has more than 2,000 steps"),
        # A hundred copies of one text.
        (
            b"](c_codecs\nencode\nq\x01" + MEGABYTE + b"q\x02\x85R" + b"h\x01h\x02\x85R" * 100 + b"e.",
            "encodes text",
        ),
        (b"\x80\x04\x8e" + (2**40).to_bytes(8, "little") + b".", "cannot be read"),
    ],
)
def test_a_small_pickle_makes_nothing_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    monkeypatch.setattr(pickles, "MOST_OPCODES", 2000)
    (tmp_path / "train").write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(UnsafeArchiveError, match=message):
            read_pickle(tmp_path / "train")
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()
