"""DynamoDB refuses a condition with a function that it has not; ministack 1.5.33 says that the condition failed."""

from __future__ import annotations

import re

KNOWN = ("attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains", "size")
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html"""
WORDS = ("AND", "OR", "NOT", "IN", "BETWEEN")
_CALLED = re.compile(r"\b([A-Za-z_]\w*)\s*\(")


def apply() -> None:
    """Look at the functions where the emulator looks at the grammar."""
    from ministack.services import dynamodb  # noqa: PLC0415

    wrong = dynamodb._condition_syntax_error

    def looking(expression: str, slot: str) -> str | None:
        for name in _CALLED.findall(expression):
            if name not in KNOWN and name.upper() not in WORDS:
                return f"Invalid {slot}: Invalid function name; function: {name}"
        found: str | None = wrong(expression, slot)
        return found

    dynamodb._condition_syntax_error = looking
