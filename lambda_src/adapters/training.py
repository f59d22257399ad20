"""The training workflow and its state table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambda_src.adapters.clients import client
from lambda_src.adapters.faults import code, passing_faults

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_stepfunctions import SFNClient

GONE = ("ExecutionDoesNotExist", "StateMachineDoesNotExist")


@dataclass(frozen=True)
class Training:
    """Starts, watches and stops executions; reads the champion.

    Every method raises `ServiceBusyError` where another try may help.

    Parameters
    ----------
    state_machine_arn, table_name
        The workflow, and the table that its champion is recorded in.
    states, dynamodb
        boto3 clients; they are made when left out.
    """

    state_machine_arn: str
    table_name: str
    states: SFNClient | None = None
    dynamodb: DynamoDBClient | None = None

    def _states(self) -> SFNClient:
        made: SFNClient = self.states or client("stepfunctions")
        return made

    def champion(self) -> dict[str, str]:
        """Return the champion's attributes as text, or nothing."""
        dynamodb: DynamoDBClient = self.dynamodb or client("dynamodb")
        with passing_faults():
            answer = dynamodb.get_item(
                TableName=self.table_name, Key={"id": {"S": "champion"}}, ConsistentRead=True
            )
        return {name: str(next(iter(value.values()))) for name, value in answer.get("Item", {}).items()}

    def execution_arn(self, name: str) -> str:
        """Return the ARN that the execution of a name has, started or not."""
        return f"{self.state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"

    def start(self, name: str, request: Mapping[str, str]) -> None:
        """Start the execution of a name, unless there is one."""
        with passing_faults():
            try:
                self._states().start_execution(
                    stateMachineArn=self.state_machine_arn, name=name, input=json.dumps(request)
                )
            except ClientError as error:
                if code(error) != "ExecutionAlreadyExists":
                    raise

    def describe(self, execution_arn: str) -> dict[str, Any] | None:
        """Return an execution's description, or nothing when there is none."""
        with passing_faults():
            try:
                return dict(self._states().describe_execution(executionArn=execution_arn))
            except ClientError as error:
                if code(error) in GONE:
                    return None
                raise

    def stop_all(self) -> list[str]:
        """Stop what runs, and name it."""
        with passing_faults():
            try:
                pages = (
                    self._states()
                    .get_paginator("list_executions")
                    .paginate(stateMachineArn=self.state_machine_arn, statusFilter="RUNNING")
                )
                running = [each["executionArn"] for page in pages for each in page["executions"]]
                for execution in running:
                    self._states().stop_execution(
                        executionArn=execution, error="DestroyedError", cause="The stack is being deleted."
                    )
            except ClientError as error:
                if code(error) in GONE:
                    return []
                raise
        return [f"execution {execution}" for execution in running]
