"""In IAM's patterns `*` stands for any characters; in ministack 1.5.33 it stands for none that ends a line."""

from __future__ import annotations

import functools
import re


def apply() -> None:
    """Let a pattern match names with line breaks, which S3's keys may have."""
    from ministack.core import iam_evaluator  # noqa: PLC0415

    made = iam_evaluator._fnmatch_compile

    @functools.lru_cache(4096)
    def compiling(pattern: str, ignore_case: bool) -> re.Pattern[str]:
        found = made(pattern, ignore_case)
        return re.compile(found.pattern, found.flags | re.DOTALL)

    iam_evaluator._fnmatch_compile = compiling
