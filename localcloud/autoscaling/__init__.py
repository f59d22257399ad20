"""The Application Auto Scaling that ministack lacks, for variants of endpoints; it scales nothing."""

from __future__ import annotations


def register() -> None:
    """Add the service to the emulator of this process."""
    from ministack import app  # noqa: PLC0415
    from ministack.core import router  # noqa: PLC0415

    from localcloud.autoscaling import api  # noqa: PLC0415

    app.SERVICE_HANDLERS["application-autoscaling"] = api.handle
    router.SERVICE_PATTERNS["application-autoscaling"] = {
        "host_patterns": [r"application-autoscaling\."],
        "target_prefixes": ["AnyScaleFrontendService."],
    }
