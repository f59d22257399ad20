"""What a request can be refused for, with the status of its answer."""

from __future__ import annotations

from classifier.errors import ClassifierError, ImageTooLargeError, UnreadableImageError


class RequestError(Exception):
    """Base of the refusals; the class's name is the `error` of the answer."""

    status = 400


class UnsupportedContentTypeError(RequestError):
    """The content type is none that is answered."""

    status = 415


class RequestTooLargeError(RequestError):
    """The request holds too many images."""

    status = 413


class MalformedArchiveError(RequestError):
    """The body is no tar archive of images."""


class OverloadedError(RequestError):
    """More is under way than can be answered in time."""

    status = 429


def status(error: Exception) -> int:
    """Return the HTTP status of a refusal."""
    if isinstance(error, RequestError):
        return error.status
    if isinstance(error, ImageTooLargeError):
        return 413
    if isinstance(error, UnreadableImageError | ClassifierError):
        return 400
    return 500


def body(error: Exception) -> dict[str, str]:
    """Return the answer's body for a refusal."""
    return {"error": type(error).__name__, "message": str(error)}
