"""Tells passing faults of AWS services from lasting ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as UnreachableError

from lambda_src.errors import ReviewNotKeptError, ServiceBusyError

PASSING = (
    "InternalFailure",
    "InternalServerError",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
)
SERVER_FAULT = 500


def code(error: ClientError) -> str:
    """Return the error's name."""
    return error.response["Error"]["Code"]


@contextmanager
def passing_faults() -> Iterator[None]:
    """Raise what another try may mend as `ServiceBusyError`, and everything else as it is."""
    try:
        yield
    except (HTTPClientError, UnreachableError) as error:
        raise ServiceBusyError(f"An AWS service did not answer: {error}.") from error
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code(error) in PASSING or status >= SERVER_FAULT:
            raise ServiceBusyError(f"An AWS service is busy: {error}.") from error
        raise


@contextmanager
def keeping(decision_id: str) -> Iterator[None]:
    """Raise whatever a service answers as `ReviewNotKeptError`."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise ReviewNotKeptError(f"The review of decision {decision_id} was not kept: {error}.") from error
