"""State machines that run jobs, against a running emulator."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from localcloud.instance import Instance
from tests.integration.localcloud_sagemaker.conftest import PYTORCH, RAY, ROLE, unique, wait


def _request(command: str, **more: Any) -> dict[str, Any]:
    return {
        "ProcessingJobName.$": "$.name",
        "RoleArn": ROLE,
        "AppSpecification": {"ImageUri": PYTORCH, "ContainerEntrypoint": ["bash", "-c", command]},
        "ProcessingResources": {
            "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10}
        },
        **more,
    }


@pytest.fixture
def run(cloud: Instance) -> Iterator[Callable[..., tuple[str, str]]]:
    """Return a function that starts a machine of one task and says its execution and the job's name."""
    sfn = cloud.client("stepfunctions")
    machines: list[str] = []

    def running(resource: str, parameters: dict[str, Any], **task: Any) -> tuple[str, str]:
        name = unique("sfn")
        state = {"Type": "Task", "Resource": resource, "Parameters": parameters, "End": True, **task}
        definition = {"StartAt": "Work", "States": {"Work": state, "Caught": {"Type": "Pass", "End": True}}}
        machine = sfn.create_state_machine(name=name, definition=json.dumps(definition), roleArn=ROLE)
        machines.append(machine["stateMachineArn"])
        started = sfn.start_execution(
            stateMachineArn=machine["stateMachineArn"], input=json.dumps({"name": name})
        )
        return started["executionArn"], name

    yield running
    for machine in machines:
        sfn.delete_state_machine(stateMachineArn=machine)


def _ended(cloud: Instance, execution: str) -> dict[str, Any]:
    sfn = cloud.client("stepfunctions")
    ended: dict[str, Any] = wait(
        lambda: sfn.describe_execution(executionArn=execution), lambda seen: seen["status"] != "RUNNING"
    )
    return ended


SYNC = "arn:aws:states:::sagemaker:createProcessingJob.sync"


def test_a_sync_task_returns_the_description_when_its_job_completes(
    cloud: Instance, run: Callable[..., tuple[str, str]]
) -> None:
    execution, name = run(SYNC, _request("echo done", Tags=[{"Key": "a", "Value": "1"}]))
    ended = _ended(cloud, execution)
    assert ended["status"] == "SUCCEEDED", ended
    output = json.loads(ended["output"])
    assert output["ProcessingJobName"] == name
    assert output["ProcessingJobStatus"] == "Completed"
    assert isinstance(output["ProcessingEndTime"], int)


def test_a_sync_task_fails_with_the_description_when_its_job_fails(
    cloud: Instance, run: Callable[..., tuple[str, str]]
) -> None:
    execution, _ = run(SYNC, _request("echo 'No image could be read.'; exit 1"))
    ended = _ended(cloud, execution)
    assert (ended["status"], ended["error"]) == ("FAILED", "States.TaskFailed")
    assert json.loads(ended["cause"])["FailureReason"] == (
        "AlgorithmError: No image could be read., exit code: 1"
    )


def test_the_job_is_stopped_when_its_execution_is(
    cloud: Instance, sagemaker: Any, run: Callable[..., tuple[str, str]]
) -> None:
    execution, name = run(SYNC, _request("sleep 60"))
    wait(lambda: sagemaker.list_processing_jobs(NameContains=name)["ProcessingJobSummaries"], bool)
    cloud.client("stepfunctions").stop_execution(executionArn=execution)
    shown = wait(
        lambda: sagemaker.describe_processing_job(ProcessingJobName=name),
        lambda seen: seen["ProcessingJobStatus"] not in ("InProgress", "Stopping"),
    )
    assert shown["ProcessingJobStatus"] == "Stopped"


def test_the_job_is_stopped_when_its_task_times_out(
    cloud: Instance, sagemaker: Any, run: Callable[..., tuple[str, str]]
) -> None:
    execution, name = run(SYNC, _request("sleep 60"), TimeoutSeconds=1)
    assert _ended(cloud, execution)["error"] == "States.Timeout"
    shown = wait(
        lambda: sagemaker.describe_processing_job(ProcessingJobName=name),
        lambda seen: seen["ProcessingJobStatus"] not in ("InProgress", "Stopping"),
    )
    assert shown["ProcessingJobStatus"] == "Stopped"


def test_errors_have_the_names_of_the_integration_when_a_request_is_refused(
    cloud: Instance, run: Callable[..., tuple[str, str]]
) -> None:
    config = {"EndpointName.$": "$.name", "EndpointConfigName": "absent"}
    execution, _ = run("arn:aws:states:::sagemaker:createEndpoint", config)
    ended = _ended(cloud, execution)
    assert ended["error"] == "SageMaker.AmazonSageMakerException"
    assert "Could not find endpoint configuration" in ended["cause"]
    execution, _ = run("arn:aws:states:::aws-sdk:sagemaker:describeEndpoint", {"EndpointName": "absent"})
    assert _ended(cloud, execution)["error"] == "SageMaker.SageMakerException"


def test_a_taken_name_can_be_caught_when_a_job_is_created_twice(
    cloud: Instance, run: Callable[..., tuple[str, str]]
) -> None:
    execution, name = run(SYNC, _request("true"))
    _ended(cloud, execution)
    again = {**_request("true"), "ProcessingJobName": name}
    del again["ProcessingJobName.$"]
    catch = [{"ErrorEquals": ["SageMaker.ResourceInUseException"], "Next": "Caught"}]
    for resource in (SYNC, "arn:aws:states:::aws-sdk:sagemaker:createProcessingJob"):
        execution, _ = run(resource, again, Catch=catch)
        ended = _ended(cloud, execution)
        assert ended["status"] == "SUCCEEDED", ended
        assert json.loads(ended["output"])["Error"] == "SageMaker.ResourceInUseException"


def test_any_operation_answers_when_it_is_called_through_the_sdk(
    cloud: Instance, sagemaker: Any, run: Callable[..., tuple[str, str]]
) -> None:
    container = {"Image": RAY, "ModelDataUrl": "s3://bucket/model.tar.gz"}
    parameters = {"ModelName.$": "$.name", "ExecutionRoleArn": ROLE, "PrimaryContainer": container}
    execution, name = run("arn:aws:states:::sagemaker:createModel", parameters)
    assert json.loads(_ended(cloud, execution)["output"])["ModelArn"].endswith(f":model/{name}")
    execution, _ = run("arn:aws:states:::aws-sdk:sagemaker:describeModel", {"ModelName": name})
    shown = json.loads(_ended(cloud, execution)["output"])
    assert shown["PrimaryContainer"]["Image"] == RAY
    assert shown["CreationTime"].endswith("Z")
    sagemaker.delete_model(ModelName=name)
