"""The API of Application Auto Scaling: requests held to botocore's model, callers to what they may do."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

from localcloud import access
from localcloud.autoscaling import targets
from localcloud.sagemaker import model
from localcloud.sagemaker.api import Answer, answer
from localcloud.sagemaker.errors import SageMakerError
from localcloud.sagemaker.store import ACCOUNT, KINDS, REGION, STORE

logger = logging.getLogger(__name__)

SERVICE = "application-autoscaling"
PRINCIPAL = "sagemaker.application-autoscaling.amazonaws.com"
LINKED = (
    f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/{PRINCIPAL}/"
    "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
)
OPERATIONS = {
    "RegisterScalableTarget": targets.register,
    "DeregisterScalableTarget": targets.deregister,
    "DescribeScalableTargets": targets.describe_targets,
    "PutScalingPolicy": targets.put_policy,
    "DeleteScalingPolicy": targets.delete_policy,
    "DescribeScalingPolicies": targets.describe_policies,
    "PutScheduledAction": targets.put_action,
    "DeleteScheduledAction": targets.delete_action,
    "DescribeScheduledActions": targets.describe_actions,
}
Demand = tuple[str, str, dict[str, str]]


def perform(action: str, request: dict[str, Any]) -> dict[str, Any]:
    """Validate a request and carry it out.

    Raises
    ------
    SageMakerError
    """
    if action not in OPERATIONS:
        raise SageMakerError(
            "UnknownOperationException", f"The local Application Auto Scaling has no {action}."
        )
    shape = model.service_model(SERVICE).operation_model(action)
    if shape.input_shape is not None:
        model.validate(request, shape.input_shape)
    shown = OPERATIONS[action](request)
    members = shape.output_shape.members if shape.output_shape is not None else {}
    return {name: value for name, value in shown.items() if name in members}


def demands(action: str, request: dict[str, Any]) -> Iterator[Demand]:
    """Yield what a caller must be allowed: the operation, and what the service does for it elsewhere.

    The service asks, with the caller's rights, whether what is asked for would work:
    https://docs.aws.amazon.com/autoscaling/application/userguide/security_iam_permission_validation.html.
    """
    if action.startswith("Describe"):
        yield f"{SERVICE}:{action}", "*", {}
        return
    name = str(request.get("ResourceId", ""))
    context = {
        f"{SERVICE}_service-namespace": str(request.get("ServiceNamespace", "")),
        f"{SERVICE}_scalable-dimension": str(request.get("ScalableDimension", "")),
    }
    yield f"{SERVICE}:{action}", targets.arn(name), context
    if action == "RegisterScalableTarget":
        endpoint = next((each for each in STORE.all(KINDS["Endpoint"]) if f"/{each.name}/" in name), None)
        if endpoint is not None:
            yield "sagemaker:DescribeEndpoint", endpoint.arn, {}
            config = KINDS["EndpointConfig"].arn_of(endpoint.shown["EndpointConfigName"])
            yield "sagemaker:DescribeEndpointConfig", config, {}
            yield "sagemaker:UpdateEndpointWeightsAndCapacities", endpoint.arn, {}
        yield "iam:CreateServiceLinkedRole", LINKED, {"iam_awsservicename": PRINCIPAL}
    if action == "PutScalingPolicy":
        alarm = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:TargetTracking-{name}-AlarmHigh"
        for wanted in ("PutMetricAlarm", "DescribeAlarms", "DeleteAlarms"):
            yield f"cloudwatch:{wanted}", alarm, {}


async def handle(
    method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
) -> Answer:
    """Answer one request of the emulator's gateway."""
    from ministack.core.router import extract_access_key_id  # noqa: PLC0415

    action = headers.get("x-amz-target", "").rpartition(".")[2]
    try:
        request = json.loads(body or b"{}")
        key = extract_access_key_id(headers, {})
        for wanted, resource, context in demands(action, request):
            access.ask(key, wanted, resource, **context)
        return answer(200, perform(action, request))
    except access.AccessDeniedError as error:
        return answer(400, {"__type": "AccessDeniedException", "message": str(error), "Message": str(error)})
    except SageMakerError as error:
        return answer(400, {"__type": error.code, "message": str(error), "Message": str(error)})
    except Exception:
        logger.exception("%s:%s failed", SERVICE, action)
        return answer(
            500, {"__type": "InternalServiceException", "message": f"{action} failed; see the log."}
        )
