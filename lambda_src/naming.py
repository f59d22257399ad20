"""Names that the stacks, the functions and the command line must agree on."""

from __future__ import annotations

import hashlib

DIGITS = 10
VARIANT = "AllTraffic"
"""The endpoint's one variant that answers."""
SHADOW_VARIANT = "Shadow"
"""The variant that sees copies of its requests, where there is one."""
SHADOW_CONFIG = "-shadow"
"""How the name of an endpoint configuration ends that has a shadow variant."""


def search_prefix(prefix: str) -> str:
    """Return what the names of a classifier's tuning jobs, and of the training jobs they start, begin with.

    SageMaker takes 32 characters of a tuning job's name: the run's and a retry's leave no room for a prefix that may
    be longer than that itself.
    """
    return hashlib.sha256(prefix.encode()).hexdigest()[:DIGITS]
