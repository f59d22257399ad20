"""Whoever acts does so in a role: what the role is denied fails, and what it is allowed works."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from typing import Any

import pytest

from localcloud.instance import ACCOUNT, REGION, Instance
from tests.integration.localcloud.conftest import ROLE, execute, function
from tests.integration.roles import EVERYTHING, make_role
from tests.integration.workflow.conftest import until

BUCKET, TABLE, KEYED = "access-bucket", "access-table", "access-keyed"


def without(cloud: Instance, *actions: str, **more: Any) -> str:
    """Make a role that may do everything but some actions."""
    denied = {"Effect": "Deny", "Action": list(actions), "Resource": "*"}
    return make_role(cloud, f"role-{uuid.uuid4().hex[:8]}", (*EVERYTHING, denied), **more)


@pytest.fixture(scope="module")
def things(cloud: Instance) -> dict[str, Any]:
    """A bucket, one with a key, a queue, a topic, a table and a function; a task's arguments by its integration."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    keyed = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    properties = {
        "BucketName": KEYED,
        "BucketEncryption": {"ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": keyed}]},
    }
    _stack(cloud, "keyed", {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties}})
    s3.put_object(Bucket=KEYED, Key="there", Body=b"x")
    cloud.client("dynamodb").create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    queue = cloud.client("sqs").create_queue(QueueName="access")["QueueUrl"]
    topic = cloud.client("sns").create_topic(Name="access")["TopicArn"]
    echo = function(cloud, "echo", "def handler(event, context):\n    return event\n")
    put = {"Bucket": BUCKET, "Key": "a", "Body": "b"}
    return {
        "lambda:invoke": {"FunctionName": echo, "Payload": {"a": 1}},
        "sqs:sendMessage": {"QueueUrl": queue, "MessageBody": "a"},
        "sns:publish": {"TopicArn": topic, "Message": "a"},
        "dynamodb:putItem": {"TableName": TABLE, "Item": {"id": {"S": "a"}}},
        "aws-sdk:s3:putObject": put,
        "aws-sdk:s3:getObject": {"Bucket": KEYED, "Key": "there"},
    }


def _stack(cloud: Instance, name: str, resources: dict[str, Any]) -> str:
    client = cloud.client("cloudformation")
    client.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}))

    def ended() -> str | None:
        status: str = client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
        return None if status.endswith("IN_PROGRESS") else status

    return until(ended, 30, f"the end of {name}")


@pytest.mark.parametrize(
    ("integration", "action"),
    [
        ("lambda:invoke", "lambda:InvokeFunction"),
        ("sqs:sendMessage", "sqs:SendMessage"),
        ("sns:publish", "sns:Publish"),
        ("dynamodb:putItem", "dynamodb:PutItem"),
        ("aws-sdk:s3:putObject", "s3:PutObject"),
        ("aws-sdk:s3:getObject", "kms:Decrypt"),
    ],
)
def test_a_task_fails_when_its_machines_role_is_denied(
    cloud: Instance, things: dict[str, Any], integration: str, action: str
) -> None:
    state = {
        "Type": "Task",
        "Resource": f"arn:aws:states:::{integration}",
        "Arguments": things[integration],
        "End": True,
    }
    name = integration.replace(":", "-")
    assert execute(cloud, f"may-{name}", {"Do": state})["status"] == "SUCCEEDED"
    ended = execute(cloud, f"may-not-{name}", {"Do": state}, role=without(cloud, action))
    assert ended["status"] == "FAILED"
    assert "not authorized to perform" in ended["cause"]


def test_a_machine_fails_when_its_role_does_not_trust_step_functions(cloud: Instance) -> None:
    role = without(cloud, "sns:Publish", services=("lambda.amazonaws.com",))
    state = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": {}, "End": True}
    ended = execute(cloud, "untrusted", {"Do": state}, role=role)
    assert "states.amazonaws.com is not authorized to assume the role" in ended["cause"]


@pytest.mark.parametrize(
    ("action", "properties"),
    [
        ("logs:CreateLogDelivery", {"LoggingConfiguration": {"Level": "ERROR"}}),
        ("events:PutRule", {"Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync"}),
    ],
)
def test_a_machine_is_not_made_when_its_role_lacks_what_step_functions_checks(
    cloud: Instance, action: str, properties: dict[str, Any]
) -> None:
    resource = properties.pop("Resource", "arn:aws:states:::sns:publish")
    state = {"Type": "Task", "Resource": resource, "Arguments": {}, "End": True}
    definition = json.dumps({"QueryLanguage": "JSONata", "StartAt": "Do", "States": {"Do": state}})
    for role, status in (
        (make_role(cloud, f"may-{action[:4]}"), "CREATE"),
        (without(cloud, action), "ROLLBACK"),
    ):
        machine = {"DefinitionString": definition, "RoleArn": role, **properties}
        made = {"Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": machine}}
        assert _stack(cloud, f"machine-{uuid.uuid4().hex[:8]}", made) == f"{status}_COMPLETE"


def test_a_function_calls_in_its_role(cloud: Instance, things: dict[str, Any]) -> None:
    code = (
        "import boto3\n"
        "def handler(event, context):\n"
        "    return boto3.client('dynamodb').scan(TableName=event['table'])['Count']\n"
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", code)
    for name, role in (
        ("may-scan", make_role(cloud, "may-scan")),
        ("may-not", without(cloud, "dynamodb:Scan")),
    ):
        client = cloud.client("lambda")
        client.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role=role,
            Handler="index.handler",
            Code={"ZipFile": buffer.getvalue()},
            Timeout=20,
        )
        answer = client.invoke(FunctionName=name, Payload=json.dumps({"table": TABLE}))
        said = json.loads(answer["Payload"].read())
        if name == "may-scan":
            assert isinstance(said, int), (said, things)
        else:
            assert "not authorized to perform: dynamodb:Scan" in said["errorMessage"]


def test_a_queue_is_not_read_for_a_function_whose_role_may_not(cloud: Instance) -> None:
    queue = cloud.client("sqs").create_queue(QueueName="unread")["QueueUrl"]
    role = without(cloud, "sqs:ReceiveMessage")
    arn = function(cloud, "unread", "def handler(event, context):\n    return 1\n", role)
    source = f"arn:aws:sqs:{REGION}:{ACCOUNT}:unread"
    cloud.client("lambda").create_event_source_mapping(FunctionName=arn, EventSourceArn=source)
    cloud.client("sqs").send_message(QueueUrl=queue, MessageBody="a")

    def denied() -> bool | None:
        return any(each.endswith(source) for each in cloud.denials()) or None

    assert until(denied, 10, "the denial")
    attributes = cloud.client("sqs").get_queue_attributes(
        QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]
    assert attributes["ApproximateNumberOfMessages"] == "1"


@pytest.mark.parametrize("may", [True, False])
def test_a_rule_starts_a_machine_in_its_targets_role_alone(cloud: Instance, may: bool) -> None:
    states, events, name = cloud.client("stepfunctions"), cloud.client("events"), f"scheduled-{may}".lower()
    definition = {"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}
    machine = states.create_state_machine(name=name, definition=json.dumps(definition), roleArn=ROLE)
    arn, denied = machine["stateMachineArn"], () if may else ("states:StartExecution",)
    role = (
        without(cloud, *denied, services=("events.amazonaws.com",))
        if denied
        else make_role(cloud, name, services=("events.amazonaws.com",))
    )
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
    events.put_targets(Rule=name, Targets=[{"Id": "machine", "Arn": arn, "RoleArn": role}])
    events.put_events(Entries=[{"Source": name, "DetailType": "any", "Detail": "{}"}])

    def ended() -> bool | None:
        started = states.list_executions(stateMachineArn=arn)["executions"]
        return True if (started if may else any(each.endswith(arn) for each in cloud.denials())) else None

    assert until(ended, 10, "the start" if may else "the denial")
    assert bool(states.list_executions(stateMachineArn=arn)["executions"]) is may


@pytest.mark.parametrize("entries", [1, 400])
def test_metrics_go_into_the_namespace_that_the_role_is_confined_to(cloud: Instance, entries: int) -> None:
    confined = {
        "Effect": "Allow",
        "Action": "cloudwatch:PutMetricData",
        "Resource": "*",
        "Condition": {"StringEquals": {"cloudwatch:namespace": "Scones/Test"}},
    }
    role = make_role(cloud, f"confined-{entries}", (confined,))

    def put(namespace: str) -> dict[str, Any]:
        data = [{"MetricName": f"number-{each}", "Value": 1} for each in range(entries)]
        task = {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:cloudwatch:putMetricData",
            "Arguments": {"Namespace": namespace, "MetricData": data},
            "End": True,
        }
        name = f"put-{uuid.uuid4().hex[:8]}"
        return execute(cloud, name, {"Put": task}, role=role)

    assert put("Scones/Test")["status"] == "SUCCEEDED"
    assert "not authorized" in put("Scones/Other")["cause"]
