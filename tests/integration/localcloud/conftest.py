"""One emulator for the tests of the local cloud's core."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.instance import ACCOUNT, REGION, Instance
from tests.integration.roles import make_role

ROOT = Path(__file__).parents[3]
ROLE = f"arn:aws:iam::{ACCOUNT}:role/any"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Start an instance that reads mocked answers from `mocks.json` in its folder, and end it."""
    folder = tmp_path_factory.mktemp("cloud")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SFN_MOCK_CONFIG", str(folder / "mocks.json"))
        instance = Instance.start(folder, project=ROOT, owner_pid=os.getpid())
    try:
        make_role(instance, "any")
        yield instance
    finally:
        instance.stop()


def function(cloud: Instance, name: str, code: str, role: str = ROLE) -> str:
    """Create a Python function and return its ARN."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", code)
    answer = cloud.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=role,
        Handler="index.handler",
        Code={"ZipFile": buffer.getvalue()},
        Timeout=20,
    )
    arn: str = answer["FunctionArn"]
    return arn


def execute(
    cloud: Instance,
    name: str,
    states: dict[str, Any],
    request: object = None,
    case: str = "",
    role: str = ROLE,
) -> dict[str, Any]:
    """Run a JSONata state machine synchronously, a test case of it if one is named, and return how it ended."""
    client = cloud.client("stepfunctions")
    definition = {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states}
    machine = client.create_state_machine(
        name=name, definition=json.dumps(definition), roleArn=role, type="EXPRESS"
    )["stateMachineArn"]
    answer: dict[str, Any] = client.start_sync_execution(
        stateMachineArn=f"{machine}#{case}" if case else machine, input=json.dumps(request or {})
    )
    return answer


__all__ = ["ACCOUNT", "REGION", "ROLE", "ROOT", "execute", "function"]
