"""What only the account knows: whose it is, whether CDK is bootstrapped there, what it is allowed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scones.doctor.asking import ask
from scones.doctor.row import Row, ok, problem, unchecked
from scones.doctor.subject import Subject

SAGEMAKER = "sagemaker"
BOOTSTRAP = "CDK bootstrap"
UPDATE_FACTOR = 2
"""An update of an endpoint runs the old fleet and the new one at once."""
GIVE_CREDENTIALS = "set AWS_PROFILE (and AWS_REGION) and run it again"


def bootstrap(subject: Subject) -> list[Row]:
    """Compare the version of CDK's bootstrap stack with what the templates need."""
    needs, parameter = _needed(subject.manifest())
    if subject.account is None:
        why = f"version {needs} is needed, and {subject.why_not_asked}"
        return [unchecked(BOOTSTRAP, why, GIVE_CREDENTIALS)]
    return ask(BOOTSTRAP, "ssm:GetParameter", lambda: _bootstrapped(subject, needs, parameter))


def _needed(manifest: Mapping[str, Any]) -> tuple[int, str]:
    properties = [each.get("properties", {}) for each in manifest["artifacts"].values()]
    asking = [each for each in properties if "requiresBootstrapStackVersion" in each]
    strictest = max(asking, key=lambda each: int(each["requiresBootstrapStackVersion"]))
    return int(strictest["requiresBootstrapStackVersion"]), strictest["bootstrapStackVersionSsmParameter"]


def _bootstrapped(subject: Subject, needs: int, parameter: str) -> list[Row]:
    from botocore.exceptions import ClientError  # noqa: PLC0415

    where = f"{subject.account}/{subject.region}"
    advice = "run `make up`, which does it" if subject.local else f"run `npx cdk bootstrap aws://{where}`"
    try:
        found = subject.target.clients("ssm").get_parameter(Name=parameter)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
        return [problem(BOOTSTRAP, f"{where} is not bootstrapped", advice)]
    version = int(found["Parameter"]["Value"])
    if version < needs:
        return [problem(BOOTSTRAP, f"version {version} is there and {needs} is needed", advice)]
    return [ok(BOOTSTRAP, f"version {version}, {needs} is needed")]


def quotas(subject: Subject) -> list[Row]:
    """Compare the account's quota of each instance with what the deployment runs at once."""
    from stacks.checks.demands import demands  # noqa: PLC0415  # starts Node.js

    wanted = demands(subject.assembly)
    why = subject.why_not_asked
    if why is not None:
        names = "; ".join(f"{_at_once(each.use, each.count)} for {each.quota}" for each in wanted)
        advice = GIVE_CREDENTIALS if not subject.local else "ask AWS with --aws"
        return [unchecked("quotas", f"needed are {names}, and {why}", advice)]

    def compared() -> list[Row]:
        allowed = _quotas(subject.target.clients("service-quotas"))
        return [
            _quota_row(each.quota, _at_once(each.use, each.count), allowed.get(each.quota)) for each in wanted
        ]

    actions = "servicequotas:ListServiceQuotas and servicequotas:ListAWSDefaultServiceQuotas"
    return ask("quotas", actions, compared)


def _at_once(use: str, count: int) -> int:
    return count * UPDATE_FACTOR if use == "endpoint" else count


def _quota_row(name: str, needs: int, allowed: float | None) -> Row:
    item = f"quota: {name}"
    if allowed is None:
        advice = "look for it in the console of Service Quotas, and whether the region has the type"
        return unchecked(item, "Service Quotas lists none of this name", advice)
    if allowed < needs:
        advice = f"ask for {needs} in Service Quotas; it may take days"
        return problem(item, f"the account may run {allowed:g} and {needs} are needed at once", advice)
    return ok(item, f"{allowed:g} allowed, {needs} needed; what runs already is not counted")


def _quotas(client: Any) -> dict[str, float]:
    """Return every quota by name: the account's own, where it has none AWS's default."""
    found: dict[str, float] = {}
    for operation in ("list_aws_default_service_quotas", "list_service_quotas"):
        for page in _pages(client, operation):
            found |= {each["QuotaName"]: float(each["Value"]) for each in page["Quotas"]}
    return found


def _pages(client: Any, operation: str) -> Iterator[Mapping[str, Any]]:
    yield from client.get_paginator(operation).paginate(ServiceCode=SAGEMAKER)
