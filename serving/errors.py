"""What a request can be refused for, with the status of its answer."""

from __future__ import annotations

from classifier.errors import ClassifierError, ImageTooLargeError


class RequestError(Exception):
    """Base of the refusals; the class's name is the `error` of the answer."""

    status = 400


class MalformedArchiveError(RequestError):
    """The body is no tar archive of images."""


class NotFoundError(RequestError):
    """The path is none that is answered."""

    status = 404


class MethodNotAllowedError(RequestError):
    """The path takes another method."""

    status = 405


class RequestTooLargeError(RequestError):
    """The request holds too many bytes or images."""

    status = 413


class UnsupportedContentTypeError(RequestError):
    """The content type is none that is answered."""

    status = 415


class OverloadedError(RequestError):
    """More is under way than can be answered in time.

    Parameters
    ----------
    why
        What is under way.
    seconds
        After so many the request may come back.
    """

    status = 429

    def __init__(self, why: str, seconds: float) -> None:
        self.seconds = round(seconds, 3)
        super().__init__(f"{why}: send this again in {self.seconds} s.")


class InferenceError(RequestError):
    """The model failed; nothing is wrong with the request."""

    status = 500


class NotReadyError(RequestError):
    """The model cannot classify at present."""

    status = 503


def status(error: RequestError | ClassifierError) -> int:
    """Return the HTTP status of a refusal."""
    if isinstance(error, RequestError):
        return error.status
    return 413 if isinstance(error, ImageTooLargeError) else 400


def body(error: RequestError | ClassifierError) -> dict[str, str]:
    """Return the answer's body for a refusal."""
    return {"error": type(error).__name__, "message": str(error)}
