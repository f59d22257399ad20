"""Typed errors; Step Functions retries and catches by these class names."""


class SconesError(Exception):
    """Any error whose message is one sentence for a person: what was wrong, with what, what to do."""


class MissingVariableError(SconesError):
    """An environment variable is absent or unreadable: the template and the code disagree."""


class InvalidEventError(SconesError):
    """The event that invoked a function lacks what the function needs."""


class MalformedMessageError(SconesError):
    """A queued message is not an S3 'Object Created' event; no retry will change that."""


class InvalidImageError(SconesError):
    """The object is not a usable image; the message is the reason that is recorded."""


class ObjectMissingError(SconesError):
    """The object version is not in the bucket."""


class EndpointBusyError(SconesError):
    """The endpoint turned the request away for now; trying again helps."""


class EndpointUnavailableError(SconesError):
    """The endpoint failed, or is not there."""


class EndpointAnswerError(SconesError):
    """The endpoint answered something else than a decision."""


class UnsafeArchiveError(SconesError):
    """An archive has a member that would be written outside its folder, or that is not a plain file."""


class ArchiveMemberMissingError(SconesError):
    """An archive lacks a file that serving needs."""


class ArchiveUnreadableError(SconesError):
    """An archive, or a file in it, cannot be read."""


class ArchiveTooLargeError(SconesError):
    """An archive holds more than the function has memory for."""


class SmokeTestError(SconesError):
    """The live endpoint does not decide as the evaluated model did."""


class TrainingFailedError(SconesError):
    """The training workflow did not come to its end."""


class TrainingRejectedError(SconesError):
    """The first model of a deployment is below the gate, so there is nothing to serve."""


class CleanupError(SconesError):
    """Something that the workflow made cannot be removed."""


class ServiceBusyError(SconesError):
    """An AWS service did not answer, or asked to be asked later."""


class ReviewNotKeptError(SconesError):
    """S3 took neither a review nor its picture; reading the stream again tries again."""


class DispatchError(SconesError):
    """An execution ended otherwise than well.

    Parameters
    ----------
    error, cause
        Of the execution.
    """

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"The execution ended with {error}: {cause}")
        self.error, self.cause = error, cause
