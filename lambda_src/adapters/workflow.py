"""The classification state machine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambda_src.adapters.clients import client
from lambda_src.errors import DispatchError
from lambda_src.naming import UNDECIDED

if TYPE_CHECKING:
    from types_boto3_stepfunctions import SFNClient

READ_SECONDS = 145
"""Longer than an execution may take, shorter than the dispatcher's own time-out."""
CONNECTIONS = 50


def request(images: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return an execution's input."""
    return {"images": images}


@dataclass(frozen=True)
class Workflow:
    """Runs executions to their end.

    Parameters
    ----------
    state_machine_arn
        Where to.
    states
        A boto3 client; one is made when it is left out.
    """

    state_machine_arn: str
    states: SFNClient | None = None

    def run(self, images: Sequence[Mapping[str, Any]]) -> list[DispatchError | None]:
        """Run one execution synchronously on what points at images, and return for each, in order, what failed.

        Raises
        ------
        DispatchError
            When the execution failed without saying of which image: any may have been decided, and be sent again.
        """
        # One attempt: a second would run beside the first, and the queue tries again anyway.
        states: SFNClient = self.states or client(
            "stepfunctions", read_timeout=READ_SECONDS, attempts=1, connections=CONNECTIONS
        )
        answer = states.start_sync_execution(
            stateMachineArn=self.state_machine_arn, input=json.dumps(request(images), ensure_ascii=False)
        )
        if answer["status"] == "SUCCEEDED":
            return [None] * len(images)
        error, cause = answer.get("error") or answer["status"], answer.get("cause") or ""
        failures = [each.get("failure") for each in json.loads(cause)] if error == UNDECIDED else []
        if len(failures) != len(images):
            raise DispatchError(error, cause)
        return [DispatchError(each["error"], each.get("cause", "")) if each else None for each in failures]
