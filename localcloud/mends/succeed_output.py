"""A Succeed state's `Output` is the execution's; ministack 1.5.33 gives its input instead in JSONata."""

from __future__ import annotations

from typing import Any


def apply() -> None:
    """Evaluate `Output` where a Succeed state would have filtered by path."""
    from ministack.services import stepfunctions  # noqa: PLC0415

    filtered = stepfunctions._apply_output_path

    def applying(state: dict[str, Any], data: Any, ctx: Any = None) -> Any:
        if state.get("Type") == "Succeed" and "Output" in state:
            return stepfunctions._apply_jsonata_output(state, data, ctx, default=data)
        return filtered(state, data, ctx)

    stepfunctions._apply_output_path = applying
