"""Types of the benchmarks' options, which refuse in one sentence."""

from __future__ import annotations

import argparse
from pathlib import Path


def at_least_one(text: str) -> int:
    """Return how many an option says: one at least.

    Raises
    ------
    argparse.ArgumentTypeError
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of anything: give 1 or more")
    return int(text)


def pictures_in(name: str) -> Path:
    """Return the folder of pictures that an option names.

    Raises
    ------
    argparse.ArgumentTypeError
    """
    if not any(each.is_file() for each in Path(name).rglob("*")):
        raise argparse.ArgumentTypeError(f"there is no file in a folder {name}: name a folder of pictures")
    return Path(name)
