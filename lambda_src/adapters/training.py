"""The training workflow and its state table."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from lambda_src.adapters.clients import client


@dataclass(frozen=True)
class Training:
    """Starts, watches and stops executions; reads the champion."""

    state_machine_arn: str
    table_name: str
    states: Any = None
    dynamodb: Any = None

    def _states(self) -> Any:
        return self.states or client("stepfunctions")

    def champion(self) -> dict[str, str]:
        """Return the champion's attributes as text, or nothing."""
        dynamodb = self.dynamodb or client("dynamodb")
        answer = dynamodb.get_item(
            TableName=self.table_name, Key={"id": {"S": "champion"}}, ConsistentRead=True
        )
        return {name: str(next(iter(value.values()))) for name, value in answer.get("Item", {}).items()}

    def start(self, name: str, request: dict[str, str]) -> str:
        """Start an execution, or find the one of that name, and return its ARN."""
        try:
            answer = self._states().start_execution(
                stateMachineArn=self.state_machine_arn, name=name, input=json.dumps(request)
            )
            return str(answer["executionArn"])
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise
            return f"{self.state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"

    def describe(self, execution_arn: str) -> dict[str, Any]:
        """Return an execution's description."""
        described: dict[str, Any] = self._states().describe_execution(executionArn=execution_arn)
        return described

    def stop_all(self) -> list[str]:
        """Stop what runs, and name it."""
        try:
            pages = (
                self._states()
                .get_paginator("list_executions")
                .paginate(stateMachineArn=self.state_machine_arn, statusFilter="RUNNING")
            )
            running = [each["executionArn"] for page in pages for each in page["executions"]]
        except ClientError as error:
            if error.response["Error"]["Code"] == "StateMachineDoesNotExist":
                return []
            raise
        for execution in running:
            self._states().stop_execution(
                executionArn=execution, error="DestroyedError", cause="The stack is being deleted."
            )
        return [f"execution {execution}" for execution in running]
