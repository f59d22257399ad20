"""SageMaker's errors, with the codes and statuses that its API gives."""


class SageMakerError(Exception):
    """An error answer of the API.

    Attributes
    ----------
    code
        The error code that SDKs show.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ValidationError(SageMakerError):
    """The request is malformed, or names what does not exist."""

    def __init__(self, message: str) -> None:
        super().__init__("ValidationException", message)


class ResourceInUseError(SageMakerError):
    """The name is taken."""

    def __init__(self, message: str) -> None:
        super().__init__("ResourceInUse", message)


class ResourceNotFoundError(SageMakerError):
    """The job to stop does not exist."""

    def __init__(self, message: str) -> None:
        super().__init__("ResourceNotFound", message)


class JobFailedError(Exception):
    """A job ended without its result; the message becomes its FailureReason."""
