"""What a caller of SageMaker must be allowed: the operation on its resource, the tags, the roles passed on.

After AWS's Service Authorization Reference:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemakerai.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from localcloud import access
from localcloud.sagemaker.jobs import PRINCIPAL
from localcloud.sagemaker.store import KINDS

ROLES = ("RoleArn", "ExecutionRoleArn")
ALSO = {
    "CreateEndpoint": ("EndpointConfig",),
    "UpdateEndpoint": ("EndpointConfig",),
    "CreateModelPackage": ("ModelPackageGroup",),
}
"""Operations that are authorised on another resource as well."""
Demand = tuple[str, str, dict[str, str]]


def check(headers: dict[str, str], action: str, request: dict[str, Any]) -> None:
    """Ask for all that a request needs of its caller.

    Raises
    ------
    localcloud.access.AccessDeniedError
    """
    from ministack.core.router import extract_access_key_id  # noqa: PLC0415

    key = extract_access_key_id(headers, {})
    for wanted, resource, context in demands(action, request):
        access.ask(key, wanted, resource, **context)


def demands(action: str, request: dict[str, Any]) -> Iterator[Demand]:
    """Yield each action with its resource and condition keys."""
    resources = list(_resources(action, request))
    for resource in resources or ["*"]:
        yield f"sagemaker:{action}", resource, {}
    if action.startswith("Create") and request.get("Tags"):
        yield "sagemaker:AddTags", resources[0], {}
    for given in (request, request.get("TrainingJobDefinition", {})):
        for role in ROLES:
            if role in given:
                yield "iam:PassRole", given[role], {"iam_passedtoservice": PRINCIPAL}


def _resources(action: str, request: dict[str, Any]) -> Iterator[str]:
    if "ResourceArn" in request:
        yield request["ResourceArn"]
        return
    if action == "ListModelPackages":
        # The one list of these that has a resource: the versions of a group, or all there are.
        group = request.get("ModelPackageGroupName")
        yield KINDS["ModelPackage"].arn_of(f"{group.rpartition('/')[2]}/*" if group else "*")
        return
    # By length, for the name of one kind ends another's.
    names = sorted(KINDS, key=len, reverse=True)
    own = next((name for name in names if action.endswith(name)), None)
    for name in (own, *ALSO.get(action, ())):
        if name is None:
            continue
        kind = KINDS[name]
        given = str(request.get(kind.key) or request.get(kind.arn) or "*")
        if action == "CreateModelPackage" and name == own:
            # Its version is not known yet.
            given = f"{request.get('ModelPackageGroupName', '*')}/*"
        yield given if given.startswith("arn:") else kind.arn_of(given)
