"""Step Functions has no `$eval`, and fails at a Condition that is neither true nor false; ministack 1.5.33 takes both.

https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html says it of `$eval`. The second that an
expression has is one of work: the engine takes the clock's, which other executions use up, and a sleeping laptop.
"""

from __future__ import annotations

import math
import time
from typing import Any

REFUSED = "States.QueryEvaluationError"


def apply() -> None:
    """Refuse `$eval`, want true or false of a Condition, and give an expression a second of its thread's time."""
    from jsonata.timebox import Timebox  # noqa: PLC0415
    from ministack.services import stepfunctions  # noqa: PLC0415

    register, check = stepfunctions._register_sfn_jsonata_functions, Timebox.check_runaway

    def registering(expression: Any) -> None:
        register(expression)
        expression.register_lambda("eval", _refuse)

    def evaluating(rule: dict[str, Any], data: Any, ctx: Any) -> bool:
        condition = rule.get("Condition")
        if isinstance(condition, str) and condition.startswith("{%") and condition.endswith("%}"):
            condition = stepfunctions._evaluate_jsonata(condition[2:-2].strip(), data, ctx)
        if not isinstance(condition, bool):
            cause = f"The Condition {rule.get('Condition')!r} gives {condition!r}, which is neither true nor false."
            raise stepfunctions._ExecutionError(REFUSED, cause)
        return condition

    def checking(box: Any) -> None:
        worked = (time.thread_time() - vars(box).setdefault("began", time.thread_time())) * 1000
        # As if it had begun long ago, or not yet: whatever the clock says, which `$now` reads too.
        box.time = -math.inf if box.timeout and worked > box.timeout else math.inf
        check(box)

    Timebox.check_runaway = checking
    stepfunctions._register_sfn_jsonata_functions = registering
    stepfunctions._evaluate_jsonata_choice_rule = evaluating


def _refuse(*_: object) -> None:
    raise ValueError("Attempted to invoke $eval, which Step Functions has not: use $parse.")
