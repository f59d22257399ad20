"""Removes what the workflow made, however far it had got; safe to repeat, and to run by hand."""

from __future__ import annotations

from collections.abc import Callable

from lambda_src.adapters.leavings import Leavings
from lambda_src.adapters.training import Training
from lambda_src.errors import CleanupError
from lambda_src.observability import logger


def clean(training: Training, leavings: Leavings) -> bool:
    """Make one sweep and say whether nothing was left, twice in a row.

    Raises
    ------
    CleanupError
        When something cannot be removed, after everything else was tried.
    """
    for _ in range(2):
        found = sweep(training, leavings)
        if found:
            logger().info("swept", extra={"found": found})
            return False
    return True


def sweep(training: Training, leavings: Leavings) -> list[str]:
    """Stop and delete what can be now, and return all that was found.

    Executions end first, because one that runs on would make more; jobs next, because they read models;
    then the endpoint, which needs its configuration, its model and its role until it is gone.
    """
    refusals: list[CleanupError] = []

    def attempt(step: Callable[[], list[str]]) -> list[str]:
        try:
            return step()
        except CleanupError as error:
            refusals.append(error)
            return []

    found = training.stop_all()
    found += attempt(leavings.stop_jobs)
    if not found:
        found += attempt(leavings.delete_endpoints)
    if not found:
        for step in (
            leavings.delete_configurations,
            leavings.delete_models,
            leavings.delete_packages,
            leavings.delete_endpoint_logs,
        ):
            found += attempt(step)
    if refusals:
        raise refusals[0]
    return found
