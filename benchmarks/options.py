"""The benchmarks' options: types that refuse in one sentence, and the file for figures."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any


def at_least_one(text: str) -> int:
    """Return how many an option says: one at least.

    Raises
    ------
    argparse.ArgumentTypeError
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of anything: give 1 or more")
    return int(text)


def above_nothing(text: str) -> float:
    """Return how much an option says: more than nothing, and less than without an end.

    Raises
    ------
    argparse.ArgumentTypeError
    """
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no amount of anything: give a number above 0")
    return found


def pictures_in(name: str) -> Path:
    """Return the folder of pictures that an option names.

    Raises
    ------
    argparse.ArgumentTypeError
    """
    if not any(each.is_file() for each in Path(name).rglob("*")):
        raise argparse.ArgumentTypeError(f"there is no file in a folder {name}: name a folder of pictures")
    return Path(name)


def no_folder(name: str) -> Path:
    """Return the file that an option names, which need not be there.

    Raises
    ------
    argparse.ArgumentTypeError
    """
    if Path(name).is_dir():
        raise argparse.ArgumentTypeError(f"{name} is a folder: name a file in it")
    return Path(name)


def takes_out(parser: argparse.ArgumentParser) -> None:
    """Give a benchmark the option that `write_figures` is for."""
    parser.add_argument("--out", type=no_folder, help="file for the figures, JSON")


def write_figures(out: Path | None, figures: dict[str, Any]) -> None:
    """Write the figures where `--out` says, if it does."""
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
