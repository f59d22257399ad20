"""Fingerprints of pictures: one equal for equal pixels, one close for pictures that look alike."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 16
# Of 256 bits. Of all pairs of 1,000 different photographs of 32 pixels two lay below it, and both showed one scene;
# `benchmarks/copies.py` prints which copies do. Moved ones are not found: a shift by a pixel changes some 75 bits.
NEAR_BITS = 24
# Of the rises in either picture's rows, so much at most may be missing in the other: on a plain ground nearly all
# cells have none, and any two objects there would be within the bits above. Of an ordinary picture half the cells rise.
NEAR_SHARE = 0.2
# Pictures with less contrast (standard deviation of luma, 0…255) have no gradients to compare, only noise.
_FLAT = 4.0


def pixel_hash(image: Image.Image) -> str:
    """SHA-256 of an RGB image's size and pixels: the same however the file was encoded."""
    return hashlib.sha256(f"{image.width}x{image.height}:".encode() + image.tobytes()).hexdigest()


def difference_hash(image: Image.Image) -> NDArray[np.uint8] | None:
    """Signs of the horizontal steps between 17 by 16 grey cells, 32 bytes; None for flat pictures."""
    grey = np.asarray(image.convert("L").resize((SIDE + 1, SIDE), Image.Resampling.BOX), dtype=np.int16)
    if grey.std() < _FLAT:
        return None
    return np.packbits(grey[:, 1:] > grey[:, :-1])


def group_near(hashes: Sequence[NDArray[np.uint8] | None], bits: int = NEAR_BITS) -> list[int]:
    """
    Put pictures that are near, directly or in a chain, into one group.

    Near are hashes that differ in at most ``bits``, and in at most `NEAR_SHARE` of the bits that either has set.

    Returns
    -------
    list of int
        For each picture, the lowest index in its group.
    """
    parent = list(range(len(hashes)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    known = [i for i, value in enumerate(hashes) if value is not None]
    if not known:
        return parent
    # The number of bits that two have in common is a matrix product, which is much faster than counting.
    rises = np.unpackbits(np.stack([h for h in hashes if h is not None]), axis=1).astype(np.float32)
    count = rises.sum(axis=1)
    for start in range(0, len(known), 1024):
        common = rises[start : start + 1024] @ rises.T
        both = count[start : start + 1024, None] + count
        apart, either = both - 2 * common, both - common
        for row, column in np.argwhere((apart <= bits) & (apart <= NEAR_SHARE * either)):
            first, second = sorted((root(known[start + int(row)]), root(known[int(column)])))
            parent[second] = first
    return [root(i) for i in range(len(hashes))]
