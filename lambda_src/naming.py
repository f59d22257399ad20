"""Names that the stacks, the functions and the command line must agree on."""

from __future__ import annotations

import hashlib
import re

DIGITS = 10
CLASS_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""What can label a model, matched whole; a test holds it and `classifier.labels` together."""
UNDECIDED = "ImagesUndecided"
"""The error of an execution that has decided on some of its images, or on none; its cause tells of each, in JSON."""
VARIANT = "AllTraffic"
"""The endpoint's one variant that answers."""
SHADOW_VARIANT = "Shadow"
"""The variant that sees copies of its requests, where there is one."""
SHADOW_CONFIG = "-shadow"
"""How the name of an endpoint configuration ends that has a shadow variant."""
REASONS = ("ExitMessage", "FailureReason", "errorMessage", "SecondaryStatus")
"""Where a processing job, any job, and a function say why they failed, the job's own words first.

A training job that was stopped, by its time limit for example, gives no reason but its secondary status.
"""


def made(begins: str) -> re.Pattern[str]:
    """Return what the names of what one classifier's workflow makes match whole: step, run and attempt follow.

    Another classifier's may begin alike; a model's of `a-b` is not told from one of `a` after the step `b`, for which
    there are tags. The endpoint bears the prefix alone; `-cpu` is the model that evaluation uses where the endpoint has
    GPUs, `-shadow` the configuration with a model in the shadow.
    """
    return re.compile(rf"{re.escape(begins)}((-[a-z]+)?-[0-9a-f]{{12}}(-[0-9]+|-cpu|{SHADOW_CONFIG})?)?")


def search_prefix(prefix: str) -> str:
    """Return what the names of a classifier's tuning jobs, and of the training jobs they start, begin with.

    SageMaker takes 32 characters of a tuning job's name: the run's and a retry's leave no room for a prefix that may
    be longer than that itself.
    """
    return hashlib.sha256(prefix.encode()).hexdigest()[:DIGITS]
