"""Structured logs: one Powertools logger for a function's layers."""

from functools import cache

from aws_lambda_powertools import Logger


@cache
def logger() -> Logger:
    """Return the function's logger, made at first use; Lambda's variables give it name and level."""
    return Logger()
