"""What the emulator does otherwise than AWS is mended; each test names the mend that it is of."""

from __future__ import annotations

import contextlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from botocore.exceptions import ClientError, WaiterError

from localcloud.instance import Instance
from localcloud.inventory import inventory
from localcloud.processes import MARKER, belonging
from tests.integration.localcloud.conftest import ROLE, execute, function

KEY = "Fahrräder/a b+c%20 自転車.txt"


def test_bucket_tags_are_stored_by_cloudformation(cloud: Instance) -> None:
    resources = {
        "Bucket": {
            "Type": "AWS::S3::Bucket",
            "Properties": {"BucketName": "tagged-bucket", "Tags": [{"Key": "a", "Value": "b"}]},
        }
    }
    client = cloud.client("cloudformation")
    client.create_stack(StackName="tags", TemplateBody=json.dumps({"Resources": resources}))
    client.get_waiter("stack_create_complete").wait(StackName="tags", WaiterConfig={"Delay": 1})
    found = cloud.client("s3").get_bucket_tagging(Bucket="tagged-bucket")["TagSet"]
    assert {"Key": "a", "Value": "b"} in found


def test_event_versions_are_in_s3s_events(cloud: Instance) -> None:
    s3, sqs, events = cloud.client("s3"), cloud.client("sqs"), cloud.client("events")
    s3.create_bucket(Bucket="events-bucket")
    s3.put_bucket_versioning(Bucket="events-bucket", VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(
        Bucket="events-bucket", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    queue = sqs.create_queue(QueueName="events")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="uploads", EventPattern=json.dumps({"source": ["aws.s3"]}))
    events.put_targets(Rule="uploads", Targets=[{"Id": "queue", "Arn": arn}])
    version = s3.put_object(Bucket="events-bucket", Key=KEY, Body=b"x")["VersionId"]
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"]
    detail = json.loads(message["Body"])["detail"]["object"]
    assert detail["version-id"] == version
    assert detail["key"] == KEY


def test_lambda_errors_are_caught_by_the_exceptions_class(cloud: Instance) -> None:
    code = "class ScorchedError(Exception): pass\ndef handler(event, context):\n    raise ScorchedError('too hot')\n"
    arn = function(cloud, "failing", code)
    ended = execute(
        cloud,
        "catching",
        {
            "Call": {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke",
                "Arguments": {"FunctionName": arn, "Payload": {}},
                "Catch": [
                    {
                        "ErrorEquals": ["ScorchedError"],
                        "Next": "Caught",
                        "Output": "{% $parse($states.errorOutput.Cause).errorMessage %}",
                    }
                ],
                "End": True,
            },
            "Caught": {"Type": "Pass", "End": True},
        },
    )
    assert ended["status"] == "SUCCEEDED", ended
    assert json.loads(ended["output"]) == "too hot"


def test_lambda_interpreter_has_what_lambda_brings_and_no_more(cloud: Instance) -> None:
    code = """
import importlib.util, os
def handler(event, context):
    names = ("boto3", "aws_lambda_powertools", "torch", "ray", "aws_cdk", "classifier", "scones", "localcloud")
    return {"found": [n for n in names if importlib.util.find_spec(n)], "virtual": os.environ.get("VIRTUAL_ENV")}
"""
    function(cloud, "looking", code)
    answer = cloud.client("lambda").invoke(FunctionName="looking", Payload=b"{}")
    assert json.loads(answer["Payload"].read()) == {
        "found": ["boto3", "aws_lambda_powertools"],
        "virtual": None,
    }


def test_lambda_environment_is_the_functions_own_and_lambdas(cloud: Instance) -> None:
    function(cloud, "variables", "import os\ndef handler(event, context):\n    return dict(os.environ)\n")
    client = cloud.client("lambda")
    client.update_function_configuration(
        FunctionName="variables", Environment={"Variables": {"LOG_LEVEL": "INFO", "OVEN": "2"}}
    )
    seen = json.loads(client.invoke(FunctionName="variables", Payload=b"{}")["Payload"].read())
    assert (seen.pop("LOG_LEVEL"), seen.pop("OVEN")) == ("INFO", "2")
    system = {*("PATH", "HOME", "TMPDIR", "LANG", "NODE_PATH", "PYTHONDONTWRITEBYTECODE", MARKER)}
    assert {name for name in seen if not name.startswith(("AWS_", "LAMBDA_", "_"))} <= system


def test_late_logs_of_a_deleted_function_make_no_log_group(cloud: Instance) -> None:
    function(
        cloud, "slow", "import time\ndef handler(event, context):\n    time.sleep(2)\n    print('late')\n"
    )
    client = cloud.client("lambda")
    client.invoke(FunctionName="slow", InvocationType="Event", Payload=b"{}")
    time.sleep(0.5)  # the invocation is under way, and nothing shows when
    client.delete_function(FunctionName="slow")
    time.sleep(3)
    groups = cloud.client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/slow")["logGroups"]
    assert groups == []


def test_sdk_integrations_write_read_and_tag_objects_of_any_key(cloud: Instance) -> None:
    cloud.client("s3").create_bucket(Bucket="sdk-bucket")
    where = {"Bucket": "sdk-bucket", "Key": KEY}

    def call(action: str, after: str, **arguments: object) -> dict[str, object]:
        task = {
            "Type": "Task",
            "Resource": f"arn:aws:states:::aws-sdk:s3:{action}",
            "Arguments": {**where, **arguments},
        }
        return {**task, **({"Next": after} if after else {"End": True})}

    ended = execute(
        cloud,
        "objects",
        {
            "Put": call("putObject", "Tag", Body="a scone"),
            "Tag": call("putObjectTagging", "Get", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}),
            "Get": call("getObject", ""),
        },
    )
    assert ended["status"] == "SUCCEEDED", ended
    assert json.loads(ended["output"])["Body"] == "a scone"
    assert cloud.client("s3").get_object_tagging(**where)["TagSet"] == [{"Key": "a", "Value": "b"}]


def test_sdk_integrations_name_errors_as_aws_does(cloud: Instance) -> None:
    cloud.client("s3").create_bucket(Bucket="error-bucket")
    arguments = {"Bucket": "error-bucket", "Key": "none"}
    state = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
        "Arguments": arguments,
        "End": True,
    }
    ended = execute(cloud, "missing", {"Get": state})
    assert (ended["status"], ended["error"]) == ("FAILED", "S3.NoSuchKeyException")


def test_succeed_output_is_the_executions(cloud: Instance) -> None:
    states = {"Done": {"Type": "Succeed", "Output": {"doubled": "{% $states.input.number * 2 %}"}}}
    ended = execute(cloud, "succeeding", states, {"number": 21})
    assert json.loads(ended["output"]) == {"doubled": 42}


def test_query_language_has_no_eval(cloud: Instance) -> None:
    ended = execute(
        cloud, "evaluating", {"Only": {"Type": "Pass", "Output": "{% $eval('1') %}", "End": True}}
    )
    assert (ended["status"], ended["error"]) == ("FAILED", "States.QueryEvaluationError")


def test_query_language_has_conditions_that_are_true_or_false(cloud: Instance) -> None:
    def ended(name: str, condition: object) -> tuple[str, str]:
        choice = {"Type": "Choice", "Choices": [{"Condition": condition, "Next": "Yes"}], "Default": "No"}
        states = {"Only": choice, "Yes": {"Type": "Succeed"}, "No": {"Type": "Fail", "Error": "No"}}
        answer = execute(cloud, name, states)
        return answer["status"], answer.get("error", "")

    assert ended("saying-yes", "{% 1 = 1 %}") == ("SUCCEEDED", "")
    assert ended("saying-no", "{% 1 = 2 %}") == ("FAILED", "No")
    assert ended("saying-neither", "{% 'RUNNING' %}") == ("FAILED", "States.QueryEvaluationError")
    assert ended("saying-text", "true") == ("FAILED", "States.QueryEvaluationError")


def test_query_language_gives_an_expression_a_second_of_work(cloud: Instance) -> None:
    """24 of a tenth of a second each, on one interpreter: most are under way for more than a second."""

    def ended(name: str, expression: str) -> tuple[str, str]:
        answer = execute(cloud, name, {"Only": {"Type": "Pass", "Output": expression, "End": True}})
        return answer["status"], answer.get("error", "")

    work = "{% $count([1..30].($sum([1..300].($ * 2)))) %}"
    with ThreadPoolExecutor(24) as pool:
        assert set(pool.map(lambda each: ended(f"working-{each}", work), range(24))) == {("SUCCEEDED", "")}
    endless = "{% ($again := function() { $again() }; $again()) %}"
    assert ended("endless", endless) == ("FAILED", "States.QueryEvaluationError")
    written = execute(cloud, "now", {"Only": {"Type": "Pass", "Output": "{% $millis() %}", "End": True}})
    assert abs(int(written["output"]) / 1000 - time.time()) < 60


def test_condition_functions_are_dynamodbs(cloud: Instance) -> None:
    client = cloud.client("dynamodb")
    client.create_table(
        TableName="scones",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    item = {"id": {"S": "plain"}}
    client.put_item(TableName="scones", Item=item, ConditionExpression="attribute_not_exists(id)")
    with pytest.raises(ClientError, match="ConditionalCheckFailedException"):
        client.put_item(TableName="scones", Item=item, ConditionExpression="attribute_not_exists(id)")
    with pytest.raises(ClientError, match=r"ValidationException.*function: attribute_not_exist"):
        client.put_item(TableName="scones", Item=item, ConditionExpression="attribute_not_exist(id)")


def test_execution_timeouts_end_what_takes_too_long_and_it_stays_so(cloud: Instance) -> None:
    arn = function(
        cloud,
        "dawdling",
        "import time\ndef handler(event, context):\n    time.sleep(3)\n    raise ValueError\n",
    )
    task = {"Type": "Task", "Resource": arn, "End": True}
    definition = {
        "QueryLanguage": "JSONata",
        "StartAt": "Call",
        "TimeoutSeconds": 1,
        "States": {"Call": task},
    }
    client = cloud.client("stepfunctions")
    machine = client.create_state_machine(name="late", definition=json.dumps(definition), roleArn=ROLE)
    started = client.start_execution(stateMachineArn=machine["stateMachineArn"], input="{}")["executionArn"]
    stopped = client.start_execution(stateMachineArn=machine["stateMachineArn"], input="{}")["executionArn"]
    client.stop_execution(executionArn=stopped)

    def events() -> list[str]:
        found = client.get_execution_history(executionArn=started)["events"]
        return [event["type"] for event in found]

    deadline = time.monotonic() + 20
    while "TaskFailed" not in events() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert events()[-2:] == ["ExecutionTimedOut", "TaskFailed"]
    assert client.describe_execution(executionArn=started)["status"] == "TIMED_OUT"
    assert client.describe_execution(executionArn=stopped)["status"] == "ABORTED"


def test_mocked_runs_answer_each_attempt_and_do_not_wait(cloud: Instance) -> None:
    states = {
        "Call": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:s3:listBuckets",
            "Retry": [{"ErrorEquals": ["S3.S3Exception"], "IntervalSeconds": 60, "MaxAttempts": 3}],
            "Next": "Wait",
        },
        "Wait": {"Type": "Wait", "Seconds": 3600, "End": True},
    }
    failure = {"Throw": {"Error": "S3.S3Exception", "Cause": "slow down"}}
    mocks = {
        "StateMachines": {"mocked": {"TestCases": {"Recovers": {"Call": "answers"}}}},
        "MockedResponses": {"answers": {"0-1": failure, "2": {"Return": {"Buckets": []}}}},
    }
    (cloud.directory / "mocks.json").write_text(json.dumps(mocks))
    ended = execute(cloud, "mocked", states, case="Recovers")
    assert (ended["status"], json.loads(ended["output"])) == ("SUCCEEDED", {"Buckets": []})


def test_a_maps_items_are_in_the_history_and_mocked_each_on_its_way(cloud: Instance) -> None:
    call = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:listBuckets", "Next": "After"}
    part = {"StartAt": "Call", "States": {"Call": call, "After": {"Type": "Succeed"}}}
    each = {"Type": "Map", "Items": [1, 2], "ItemProcessor": part, "End": True}
    mocks = {
        "StateMachines": {"mapped": {"TestCases": {"Answers": {"Call": "answers"}}}},
        "MockedResponses": {"answers": {"0-9": {"Return": {"Buckets": ["mocked"]}}}},
    }
    (cloud.directory / "mocks.json").write_text(json.dumps(mocks))
    ended = execute(cloud, "mapped", {"Each": each}, case="Answers")
    assert json.loads(ended["output"]) == [{"Buckets": ["mocked"]}] * 2
    client = cloud.client("stepfunctions")
    events = client.get_execution_history(executionArn=ended["executionArn"])["events"]
    entered = {
        event["id"]: event["stateEnteredEventDetails"]["name"]
        for event in events
        if "stateEnteredEventDetails" in event
    }
    assert sorted(entered.values()) == ["After", "After", "Call", "Call", "Each"]
    before = {event["id"]: event.get("previousEventId", 0) for event in events}

    def way(identifier: int) -> list[str]:
        names = [entered[identifier]] if identifier in entered else []
        return names + way(before[identifier]) if identifier else []

    ways = [way(identifier) for identifier, name in entered.items() if name == "After"]
    assert ways == [["After", "Call", "Each"]] * 2


def test_wildcards_match_names_with_line_breaks(cloud: Instance) -> None:
    from ministack.core import iam_evaluator  # noqa: PLC0415

    from localcloud.mends import wildcards  # noqa: PLC0415

    arn = "arn:aws:s3:::pictures/new\nline.jpg"
    assert not iam_evaluator.fnmatch_iam_cs(arn, "arn:aws:s3:::pictures/*")
    wildcards.apply()
    assert iam_evaluator.fnmatch_iam_cs(arn, "arn:aws:s3:::pictures/*")
    assert not iam_evaluator.fnmatch_iam_cs(arn, "arn:aws:s3:::paintings/*")


def test_deleted_functions_end_their_processes(cloud: Instance) -> None:
    code = "def handler(event, context):\n    return 1\n"
    role = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
    resources = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": role}},
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "FunctionName": "short-lived",
                "Runtime": "python3.13",
                "Handler": "index.handler",
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Code": {"ZipFile": code},
            },
        },
    }
    client = cloud.client("cloudformation")
    client.create_stack(
        StackName="short", TemplateBody=json.dumps({"Resources": resources}), Capabilities=["CAPABILITY_IAM"]
    )
    client.get_waiter("stack_create_complete").wait(StackName="short", WaiterConfig={"Delay": 1})
    assert cloud.client("lambda").invoke(FunctionName="short-lived")["Payload"].read() == b"1"

    def workers() -> list[str]:
        commands = []
        for each in belonging(cloud.identity):
            with contextlib.suppress(psutil.NoSuchProcess):  # it ends meanwhile: a zombie has no command line
                commands.append(" ".join(each.cmdline()))
        return [command for command in commands if "ministack-lambda-short-lived-" in command]

    assert workers()
    assert not [each for each in inventory(cloud) if "short-lived" in each and each.startswith("process/")]
    client.delete_stack(StackName="short")
    client.get_waiter("stack_delete_complete").wait(StackName="short", WaiterConfig={"Delay": 1})
    deadline = time.monotonic() + 15
    while workers() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert workers() == []


def test_table_encryption_is_stored_by_cloudformation(cloud: Instance) -> None:
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    table = {
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
        "SSESpecification": {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": key},
    }
    resources = {"Table": {"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": "keyed", **table}}}
    client = cloud.client("cloudformation")
    client.create_stack(StackName="keyed", TemplateBody=json.dumps({"Resources": resources}))
    client.get_waiter("stack_create_complete").wait(StackName="keyed", WaiterConfig={"Delay": 1})
    found = cloud.client("dynamodb").describe_table(TableName="keyed")["Table"]["SSEDescription"]
    assert found == {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": key}


FAILING_ONCE = """
import json, os, boto3
said = []
def handler(event, context):
    keys = [record["dynamodb"]["Keys"]["id"]["S"] for record in event["Records"]]
    said.append(keys)
    boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(keys))
    failed = [each["dynamodb"]["SequenceNumber"] for each in event["Records"][1:2]] if len(said) < 3 else []
    return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}
"""


def test_stream_failures_are_read_again_from_the_record_that_is_named(cloud: Instance) -> None:
    dynamodb, functions, sqs = cloud.client("dynamodb"), cloud.client("lambda"), cloud.client("sqs")
    stream = dynamodb.create_table(
        TableName="streaming",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )["TableDescription"]["LatestStreamArn"]
    queue = sqs.create_queue(QueueName="read")["QueueUrl"]
    arn = function(cloud, "reading", FAILING_ONCE)
    functions.update_function_configuration(
        FunctionName="reading", Environment={"Variables": {"QUEUE": queue}}
    )
    for key in ("a", "b", "c", "d"):
        dynamodb.put_item(TableName="streaming", Item={"id": {"S": key}})
    functions.create_event_source_mapping(
        EventSourceArn=stream,
        FunctionName=arn,
        StartingPosition="TRIM_HORIZON",
        BatchSize=3,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    read: list[list[str]] = []
    while len(read) < 3:
        for each in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"]:
            read.append(json.loads(each["Body"]))
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=each["ReceiptHandle"])
    assert sorted(read) == [["a", "b", "c"], ["b", "c", "d"], ["c", "d"]]


_OBSTINATE = """
import json, os, urllib.request
def handler(event, context):
    stays = event["RequestType"] == "Delete" and os.path.exists(event["ResourceProperties"]["Obstacle"])
    answer = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    answer |= {"Status": "FAILED" if stays else "SUCCESS", "Reason": "In the way.", "PhysicalResourceId": "it"}
    body = json.dumps(answer).encode()
    urllib.request.urlopen(urllib.request.Request(event["ResponseURL"], body, method="PUT"), timeout=10)
"""


def test_failed_deletions_succeed_at_a_second_try(cloud: Instance, tmp_path: Path) -> None:
    obstacle = tmp_path / "obstacle"
    obstacle.touch()
    properties = {"ServiceToken": function(cloud, "obstinate", _OBSTINATE), "Obstacle": str(obstacle)}
    resources = {
        "Needed": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "needed"}},
        "Other": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "not-needed"}},
        "Obstinate": {"Type": "Custom::Obstinate", "DependsOn": ["Needed"], "Properties": properties},
    }
    client, sqs = cloud.client("cloudformation"), cloud.client("sqs")
    client.create_stack(StackName="obstinate", TemplateBody=json.dumps({"Resources": resources}))
    client.get_waiter("stack_create_complete").wait(StackName="obstinate", WaiterConfig={"Delay": 1})
    gone = client.get_waiter("stack_delete_complete")
    for _ in range(2):  # what failed may fail again
        client.delete_stack(StackName="obstinate")
        with pytest.raises(WaiterError, match="DELETE_FAILED"):
            gone.wait(StackName="obstinate", WaiterConfig={"Delay": 1})
        assert [each.rpartition("/")[2] for each in sqs.list_queues().get("QueueUrls", [])].count(
            "needed"
        ) == 1
        assert not [each for each in sqs.list_queues()["QueueUrls"] if each.endswith("not-needed")]
    obstacle.unlink()
    client.delete_stack(StackName="obstinate")
    gone.wait(StackName="obstinate", WaiterConfig={"Delay": 1})
    assert not [each for each in sqs.list_queues().get("QueueUrls", []) if each.endswith("needed")]


def test_table_names_are_drawn_anew_and_a_table_that_was_left_behind_stays(cloud: Instance) -> None:
    client, tables = cloud.client("cloudformation"), cloud.client("dynamodb")
    table = {
        "Type": "AWS::DynamoDB::Table",
        "DeletionPolicy": "Retain",
        "Properties": {
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
        },
    }

    def body(**properties: object) -> str:
        return json.dumps(
            {"Resources": {"Kept": {**table, "Properties": {**table["Properties"], **properties}}}}  # type: ignore[dict-item]
        )

    def made() -> str:
        found = client.describe_stack_resource(StackName="kept", LogicalResourceId="Kept")
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def create() -> str:
        client.create_stack(StackName="kept", TemplateBody=body())
        client.get_waiter("stack_create_complete").wait(StackName="kept", WaiterConfig={"Delay": 1})
        return made()

    first = create()
    tables.put_item(TableName=first, Item={"id": {"S": "scone"}})
    client.update_stack(StackName="kept", TemplateBody=body(Tags=[{"Key": "a", "Value": "b"}]))
    client.get_waiter("stack_update_complete").wait(StackName="kept", WaiterConfig={"Delay": 1})
    assert made() == first
    client.delete_stack(StackName="kept")
    client.get_waiter("stack_delete_complete").wait(StackName="kept", WaiterConfig={"Delay": 1})
    second = create()
    assert second != first
    assert tables.scan(TableName=first)["Items"] == [{"id": {"S": "scone"}}]
    assert tables.scan(TableName=second)["Items"] == []
