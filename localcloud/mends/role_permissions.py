"""What a service does in a role's name is allowed by that role; ministack 1.5.33 does it unasked.

State machines call in their machine's role, functions log and are fed in theirs, Firehose writes in the
stream's, rules start state machines in their target's. What is denied fails as AWS lets it fail: a task with an
error, a delivery or a start in silence.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from localcloud import access

logger = logging.getLogger(__name__)

DENIED = {
    "_call_lambda": "Lambda.AWSLambdaException",
    "_invoke_dynamodb": "DynamoDB.AmazonDynamoDBException",
    "_invoke_sns_publish": "SNS.AmazonSNSException",
    "_invoke_sqs_send_message": "SQS.AmazonSQSException",
}
"""What each integration calls an error that its service's model does not name."""
LOGGING = (
    *("CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery", "ListLogDeliveries"),
    *("PutResourcePolicy", "DescribeResourcePolicies", "DescribeLogGroups"),
)
"""https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html"""
TRACING = ("PutTraceSegments", "PutTelemetryRecords", "GetSamplingRules", "GetSamplingTargets")
"""https://docs.aws.amazon.com/step-functions/latest/dg/xray-iam.html"""
MANAGED_RULES = {
    "sagemaker:createTrainingJob.sync": "StepFunctionsGetEventsForSageMakerTrainingJobsRule",
    "sagemaker:createTransformJob.sync": "StepFunctionsGetEventsForSageMakerTransformJobsRule",
    "sagemaker:createHyperParameterTuningJob.sync": "StepFunctionsGetEventsForSageMakerTuningJobsRule",
    "sagemaker:createProcessingJob.sync": "StepFunctionsGetEventsForSageMakerProcessingJobsRule",
}
"""Rules by which `.sync` hears of a job's end: they are made, in the machine's role, when the machine is."""
STREAM = ("DescribeStream", "GetRecords", "GetShardIterator")
QUEUE = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")


def apply() -> None:
    """Ask where ministack acts by itself."""
    _state_machines()
    _creation()
    _functions()
    _deliveries()
    _rules()


def _state_machines() -> None:
    from ministack.services import stepfunctions  # noqa: PLC0415

    execute = stepfunctions._execute_task

    def executing(state: Any, data: Any, execution: dict[str, Any], ctx: dict[str, Any]) -> Any:
        machine = stepfunctions._state_machines.get(execution["stateMachineArn"].partition(":version")[0])
        try:
            with access.acting(machine["roleArn"], "states.amazonaws.com", machine["stateMachineArn"]):
                if (machine.get("tracingConfiguration") or {}).get("enabled"):
                    all(access.allowed(f"xray:{action}") for action in TRACING)
                return execute(state, data, execution, ctx)
        except access.AccessDeniedError as error:
            raise stepfunctions._ExecutionError("States.Permissions", str(error)) from error

    stepfunctions._execute_task = executing
    for name, needs in (
        ("_call_lambda", lambda function, _: _of_function(function)),
        ("_invoke_dynamodb", _of_table),
        ("_invoke_sns_publish", lambda _, given: ("sns:Publish", given["TopicArn"])),
        ("_invoke_sqs_send_message", lambda _, given: ("sqs:SendMessage", _queue_arn(given["QueueUrl"]))),
    ):
        asking = _asking(getattr(stepfunctions, name), needs, DENIED[name], stepfunctions)
        setattr(stepfunctions, name, asking)
    stepfunctions._SERVICE_DISPATCH.update(
        {
            "arn:aws:states:::sns:publish": stepfunctions._invoke_sns_publish,
            "arn:aws:states:::sqs:sendMessage": stepfunctions._invoke_sqs_send_message,
        }
    )


def _creation() -> None:
    from ministack.services import stepfunctions  # noqa: PLC0415
    from ministack.services.cloudformation import provisioners  # noqa: PLC0415

    handlers = provisioners._RESOURCE_HANDLERS["AWS::StepFunctions::StateMachine"]

    def ask(machine: str, properties: dict[str, Any]) -> None:
        region, account = machine.split(":")[3:5]
        needs = []
        if (properties.get("LoggingConfiguration") or {}).get("Level", "OFF") != "OFF":
            needs += [(f"logs:{action}", "*") for action in LOGGING]
        text = str(properties.get("DefinitionString", ""))
        for integration, rule in MANAGED_RULES.items():
            if integration in text:
                arn = f"arn:aws:events:{region}:{account}:rule/{rule}"
                needs += [(f"events:{action}", arn) for action in ("PutTargets", "PutRule", "DescribeRule")]
        with access.acting(properties["RoleArn"], "states.amazonaws.com", machine):
            for action, resource in needs:
                access.demand(action, resource)

    def creating(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        name = properties.get("StateMachineName") or provisioners._physical_name(
            stack, logical_id, max_len=80
        )
        place = f"{provisioners.get_region()}:{provisioners.get_account_id()}"
        ask(f"arn:aws:states:{place}:stateMachine:{name}", properties)
        return trace(create(logical_id, properties, stack), properties)

    def updating(machine: str, old: dict[str, Any], new: dict[str, Any], *rest: Any) -> Any:
        ask(machine, new)
        return trace(update(machine, old, new, *rest), new)

    def trace(made: Any, properties: dict[str, Any]) -> Any:
        # The emulator takes this property and forgets it.
        traced = (properties.get("TracingConfiguration") or {}).get("Enabled", False)
        stepfunctions._state_machines[made[0]]["tracingConfiguration"] = {"enabled": traced}
        return made

    create, update = handlers["create"], handlers["update"]
    handlers["create"], handlers["update"] = creating, updating


def _asking(
    invoke: Callable[[Any, Any], Any], needs: Callable[[Any, Any], tuple[str, str]], error: str, module: Any
) -> Callable[[Any, Any], Any]:
    def asking(first: Any, given: Any) -> Any:
        try:
            access.demand(*needs(first, given))
        except access.AccessDeniedError as denied:
            raise module._ExecutionError(error, str(denied)) from denied
        return invoke(first, given)

    return asking


def _of_function(reference: str) -> tuple[str, str]:
    from ministack.services import lambda_svc  # noqa: PLC0415

    name = lambda_svc._get_func_record_for_ref(reference)[2]
    return "lambda:InvokeFunction", lambda_svc._func_arn(name)


def _of_table(operation: str, given: dict[str, Any]) -> tuple[str, str]:
    from ministack.core.responses import get_account_id, get_region  # noqa: PLC0415

    table = given["TableName"].rpartition("/")[2]
    arn = f"arn:aws:dynamodb:{get_region()}:{get_account_id()}:table/{table}"
    return f"dynamodb:{operation[0].upper()}{operation[1:]}", arn


def _queue_arn(url: str) -> str:
    from ministack.core.responses import get_account_id, get_region  # noqa: PLC0415

    return f"arn:aws:sqs:{get_region()}:{get_account_id()}:{url.rpartition('/')[2]}"


def _functions() -> None:
    from ministack.services import lambda_svc  # noqa: PLC0415

    emit, iterate = lambda_svc._emit_lambda_logs, lambda_svc._iter_all_esms

    def emitting(function: dict[str, Any], *arguments: Any, **options: Any) -> None:
        config = function.get("config") or function
        if config["FunctionName"] not in lambda_svc._functions:
            # Its role may be going with it at this moment; what it says last is dropped (see `late_logs`).
            return
        group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"
        _, partition, _, region, account, *_ = config["FunctionArn"].split(":")
        arn = f"arn:{partition}:logs:{region}:{account}:log-group:{group}"
        actions = ("logs:CreateLogStream", "logs:PutLogEvents")
        if (config.get("TracingConfig") or {}).get("Mode") == "Active":
            _allowed(config, ("xray:PutTraceSegments", "*"), ("xray:PutTelemetryRecords", "*"))
        if _allowed(config, *((action, f"{arn}:log-stream:any") for action in actions)):
            emit(function, *arguments, **options)

    def iterating() -> Any:
        for account, region, mapping in iterate():
            if mapping.get("Enabled", True) and not _fed(lambda_svc, mapping):
                continue
            yield account, region, mapping

    lambda_svc._emit_lambda_logs = emitting
    lambda_svc._iter_all_esms = iterating


def _fed(lambda_svc: Any, mapping: dict[str, Any]) -> bool:
    """Say whether a function may read what is mapped to it."""
    record, _ = lambda_svc._get_func_record_for_qualifier(mapping["FunctionName"], mapping.get("Qualifier"))
    source = mapping.get("EventSourceArn", "")
    service = source.split(":")[2] if source else ""
    actions = {"sqs": QUEUE, "dynamodb": STREAM}.get(service, ())
    if record is None:
        return True
    needs = [(f"{service}:{action}", source) for action in actions]
    if service == "dynamodb":
        needs.append(("dynamodb:ListStreams", "*"))
    return _allowed(record["config"], *needs)


def _allowed(config: dict[str, Any], *needs: tuple[str, str]) -> bool:
    try:
        with access.acting(config["Role"], "lambda.amazonaws.com", config["FunctionArn"]):
            return all(access.allowed(action, resource) for action, resource in needs)
    except access.AccessDeniedError:
        # The role went with its stack, before the function that logged last.
        return False


def _deliveries() -> None:
    from ministack.services import firehose  # noqa: PLC0415

    deliver = firehose._deliver_to_s3

    def delivering(stream: dict[str, Any], destination: dict[str, Any], *arguments: Any) -> None:
        config = destination["config"]
        try:
            with access.acting(config["RoleARN"], "firehose.amazonaws.com", stream["arn"]):
                access.demand("s3:PutObject", f"{config['BucketARN']}/{config.get('Prefix', '')}any")
        except access.AccessDeniedError as error:
            logger.warning("Firehose S3 delivery failed: %s", error)
            return
        deliver(stream, destination, *arguments)

    firehose._deliver_to_s3 = delivering


def _rules() -> None:
    from ministack.services import eventbridge  # noqa: PLC0415

    invoke = eventbridge._invoke_target

    def invoking(target: dict[str, Any], event: Any, rule: dict[str, Any], *arguments: Any) -> Any:
        machine = target.get("Arn", "")
        if ":states:" in machine:
            try:
                with access.acting(target.get("RoleArn", ""), "events.amazonaws.com", rule["Arn"]):
                    access.demand("states:StartExecution", machine)
            except access.AccessDeniedError as error:
                logger.warning("EventBridge starts nothing: %s", error)
                return None
        return invoke(target, event, rule, *arguments)

    eventbridge._invoke_target = invoking
