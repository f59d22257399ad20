"""What can go wrong for the person at the terminal, one sentence each."""

from __future__ import annotations

import errno
import sys


class SconesError(Exception):
    """Base of the command line's errors; the message says what was wrong, with what, and what to do."""


class TargetError(SconesError):
    """The cloud that was asked for cannot be chosen or reached."""


class NotDeployedError(SconesError):
    """A stack that the command needs does not exist."""


class FilesError(SconesError):
    """The files to classify are missing, or none of them is an image."""


class DataError(SconesError):
    """The folder of training pictures cannot be used."""


class TrainingError(SconesError):
    """The training workflow failed."""


class LockedError(TrainingError):
    """Another run of the workflow is under way, and one at a time holds the classifier's lock."""


class ReviewError(SconesError):
    """An answer, or a message that waits for one, cannot be used."""


class RejectedError(SconesError):
    """The trained model was below the gate."""


class VersionError(SconesError):
    """There is no such version of the model to roll back to."""


class DeniedError(SconesError):
    """Something in the deployment may not do what it tried to do."""


class LeftoversError(SconesError):
    """Something was still there after everything was destroyed."""


def sentence(error: BaseException) -> str | None:
    """Return the one sentence of an error that a person can act on; nothing for a programming error."""
    from botocore import exceptions  # noqa: PLC0415  # only an error pays for this import

    from localcloud.errors import LocalCloudError  # noqa: PLC0415

    # Only what has read settings can have met their error, and most commands need none of the app.
    settings = sys.modules.get("stacks.settings")
    refused = (settings.SettingsError,) if settings else ()
    said: str | None = None
    if isinstance(error, ModuleNotFoundError) and error.name == "psutil":
        said = "A local cloud needs packages that are not installed: run `make setup-local`, or choose --aws."
    elif isinstance(error, (SconesError, LocalCloudError, *refused)):
        said = str(error)
    elif isinstance(error, exceptions.NoCredentialsError):
        said = "There are no AWS credentials: set AWS_PROFILE, or start a local cloud with `make up`."
    elif isinstance(error, exceptions.NoRegionError):
        said = "There is no AWS region: set AWS_REGION, or a region in your AWS profile."
    elif isinstance(error, exceptions.ConnectionError | exceptions.HTTPClientError):
        said = f"The cloud does not answer: {error}."
    elif isinstance(error, exceptions.ClientError):
        details = error.response.get("Error", {})
        said = f"{error.operation_name} was refused ({details.get('Code')}): {details.get('Message')}"
    elif isinstance(error, exceptions.BotoCoreError):
        said = str(error)
    elif isinstance(error, OSError) and error.errno == errno.ENOSPC:
        said = "There is no space left where this writes: free some, and run the command again."
    return said
