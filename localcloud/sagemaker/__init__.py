"""The SageMaker that ministack lacks: control plane, jobs and endpoints as processes of this machine."""

from __future__ import annotations

import sys
from typing import Any


def register() -> None:
    """Add SageMaker to the emulator of this process: its API, its runtime, its integrations and types."""
    from ministack import app  # noqa: PLC0415
    from ministack.core import router  # noqa: PLC0415
    from ministack.services.cloudformation import provisioners  # noqa: PLC0415

    from localcloud.sagemaker import api, cloudformation, integrations, runtime  # noqa: PLC0415

    app.SERVICE_HANDLERS["sagemaker"] = api.handle
    app.SERVICE_HANDLERS["sagemaker-runtime"] = runtime.handle
    router.SERVICE_PATTERNS["sagemaker"] = {
        "host_patterns": [r"^api\.sagemaker\."],
        "target_prefixes": ["SageMaker."],
    }
    router.SERVICE_PATTERNS["sagemaker-runtime"] = {"host_patterns": [r"^runtime\.sagemaker\."]}
    _route_runtime(app)
    integrations.register()
    provisioners._RESOURCE_HANDLERS.update(cloudformation.HANDLERS)


def _route_runtime(app: Any) -> None:
    """Send invocations to the runtime: both services sign as `sagemaker`, so the path decides."""
    detect = app.detect_service

    def detecting(method: str, path: str, headers: dict[str, str], query_params: dict[str, Any]) -> str:
        if path.startswith("/endpoints/") and path.endswith("/invocations"):
            return "sagemaker-runtime"
        found: str = detect(method, path, headers, query_params)
        return found

    for module in list(sys.modules.values()):
        if getattr(module, "detect_service", None) is detect:
            module.detect_service = detecting  # type: ignore[attr-defined]
