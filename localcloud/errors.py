"""What can go wrong on the local cloud, one sentence each."""


class LocalCloudError(Exception):
    """Base of every error of the local cloud; the message is meant for the person at the terminal."""


class NotRunningError(LocalCloudError):
    """There is no running instance in the folder that was named."""


class PortTakenError(LocalCloudError):
    """The wanted port is in use by something else."""


class StartError(LocalCloudError):
    """The emulator ended, or did not answer, while starting."""


class InUseError(StartError):
    """An instance runs already in the folder that another was to start in."""


class CdkError(LocalCloudError):
    """The CDK CLI ended with an error; the message is the line of its output that says why."""
