"""Tells passing faults of AWS services from lasting ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as UnreachableError

from lambda_src.errors import ServiceBusyError

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
