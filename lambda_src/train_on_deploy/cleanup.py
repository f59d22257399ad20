"""Removes what the workflow made, however far it had got; safe to repeat, and to run by hand."""

from __future__ import annotations

from lambda_src.adapters.leavings import Leavings
from lambda_src.adapters.training import Training
from lambda_src.observability import logger


def clean(training: Training, leavings: Leavings) -> bool:
    """Make one sweep and say whether nothing was left, twice in a row.

    Executions end first, because one that runs on would make more; jobs next, because a model or an
    endpoint may follow from them.
    """
    found = sweep(training, leavings)
    if found:
        logger().info("swept", extra={"found": found})
        return False
    return not sweep(training, leavings)


def sweep(training: Training, leavings: Leavings) -> list[str]:
    """Stop and delete what can be now, and return all that was found."""
    running = training.stop_all()
    if running:
        return running
    found = leavings.stop_jobs()
    found += leavings.delete_endpoints()
    if not any(each.startswith("endpoint ") for each in found):
        # An endpoint that is being deleted still needs its configuration and its model.
        found += leavings.delete_configurations()
        found += leavings.delete_models()
    found += leavings.delete_packages()
    return found
