"""The classification state machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambda_src.adapters.clients import client
from lambda_src.errors import DispatchError

if TYPE_CHECKING:
    from types_boto3_stepfunctions import SFNClient

READ_SECONDS = 145
"""Longer than an execution may take, shorter than the dispatcher's own time-out."""
CONNECTIONS = 50


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

    def run(self, request: Mapping[str, Any]) -> None:
        """Run one execution synchronously.

        Raises
        ------
        DispatchError
            When it did not succeed.
        """
        # One attempt: a second would run beside the first, and the queue tries again anyway.
        states: SFNClient = self.states or client(
            "stepfunctions", read_timeout=READ_SECONDS, attempts=1, connections=CONNECTIONS
        )
        answer = states.start_sync_execution(
            stateMachineArn=self.state_machine_arn, input=json.dumps(request, ensure_ascii=False)
        )
        if answer["status"] != "SUCCEEDED":
            raise DispatchError(answer.get("error") or answer["status"], answer.get("cause") or "")
