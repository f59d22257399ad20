"""Two deployments in one account: no physical name is given twice, and none is longer than AWS takes."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonata
from cfnlint.schema import ResourceNotFoundError
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from stacks.checks import expressions, values
from stacks.checks.assemblies import Assembly, environments, synthesize
from stacks.checks.demands import REFERENCE
from stacks.checks.rendering import Machine, machines, render
from stacks.checks.result import Result
from stacks.settings import SettingsError, load

LIMITS = {
    ("AWS::S3::Bucket", "BucketName"): 63,
    ("AWS::IAM::Role", "RoleName"): 64,
    ("AWS::Lambda::Function", "FunctionName"): 64,
    ("AWS::StepFunctions::StateMachine", "StateMachineName"): 80,
    ("AWS::SageMaker::ModelPackageGroup", "ModelPackageGroupName"): 63,
    ("AWS::CloudWatch::Alarm", "AlarmName"): 255,
    ("AWS::Logs::LogGroup", "LogGroupName"): 512,
    ("AWS::SQS::Queue", "QueueName"): 80,
    ("AWS::DynamoDB::Table", "TableName"): 255,
    ("AWS::SNS::Topic", "TopicName"): 256,
    ("AWS::Events::EventBus", "Name"): 256,
    ("AWS::DynamoDB::GlobalTable", "TableName"): 255,
    ("AWS::KinesisFirehose::DeliveryStream", "DeliveryStreamName"): 64,
    ("AWS::KMS::Alias", "AliasName"): 256,
    ("AWS::Events::Rule", "Name"): 64,
    ("AWS::CloudWatch::CompositeAlarm", "AlarmName"): 255,
    ("AWS::IAM::ManagedPolicy", "ManagedPolicyName"): 128,
    ("AWS::CloudWatch::Dashboard", "DashboardName"): 255,
    ("AWS::Budgets::Budget", "Budget.BudgetName"): 100,
}
"""Characters of a physical name, by the property that gives it."""
STACK_NAME = 128
EXPORT_NAME = 255
MADE = {
    "createEndpoint": ("EndpointName", 63),
    "createEndpointConfig": ("EndpointConfigName", 63),
    "createHyperParameterTuningJob": ("HyperParameterTuningJobName", 32),
    "createModel": ("ModelName", 63),
    "createModelPackage": ("ModelPackageGroupName", 63),
    "createProcessingJob": ("ProcessingJobName", 63),
    "createTrainingJob": ("TrainingJobName", 63),
    "createTransformJob": ("TransformJobName", 63),
}
"""What state machines make: the argument that names it, and the characters that SageMaker's model takes."""
HASHED = ("HyperParameterTuningJobName",)
"""Names too short for the deployment's, which begin with a hash of it instead."""
Templates = Mapping[str, Mapping[str, Any]]


def check(assemblies: Sequence[Assembly]) -> Result:
    """Synthesize each environment under two names and under the longest one that settings allow."""
    findings: list[str] = []
    count = 0
    for assembly in assemblies:
        first, second = (
            synthesize(assembly.env, None, assembly.overlay, name, settings=assembly.settings).templates
            for name in _two_names(assembly)
        )
        most = longest(assembly.env, assembly.overlay, assembly.settings).templates
        findings += [*collisions(first, second), *too_long(most), *fixed([assembly]).findings]
        count += sum(1 for templates in (first, second, most) for _ in physical_names(templates))
    return Result(
        "names", "physical names, of two deployments and of the longest name", count, tuple(findings)
    )


def _two_names(assembly: Assembly) -> list[str]:
    """Return two names of deployments, neither of which is an environment's."""
    return [each for each in "abcdefghijklmnopqrstuvwxyz" if each not in environments(assembly.settings)][:2]


def physical_names(templates: Templates) -> Iterator[tuple[str, str, int]]:
    """Yield kind, name and limit of everything that is named by us; CloudFormation names the rest.

    Of what a state machine makes, that is the name as its expressions give it; names that come from what a run
    learns are of things made before.
    """
    for stack, template in templates.items():
        yield "stack", stack, STACK_NAME
        for output in template.get("Outputs", {}).values():
            if "Export" in output:
                yield "export", str(render(output["Export"]["Name"], template, REFERENCE)), EXPORT_NAME
        for resource in template["Resources"].values():
            for (kind, member), limit in LIMITS.items():
                name: Any = resource.get("Properties", {})
                for part in member.split("."):
                    name = name.get(part) if isinstance(name, Mapping) else None
                if resource["Type"] == kind and name is not None:
                    yield kind, str(render(name, template, REFERENCE)), limit
    for machine in machines(Assembly("", Path(), templates), REFERENCE):
        for _, action, given in machine.calls():
            member, limit = MADE.get(action, ("", 0))
            name = evaluated(given.get(member), machine)
            if name is not None:
                yield member, name, limit


def evaluated(value: Any, machine: Machine) -> str | None:
    """Return a name as a run would have it, with what its machine assigns; None if only a run can know it."""
    if not isinstance(value, str) or not value.startswith("{%"):
        return value if isinstance(value, str) else None
    text = value[2:-2].strip()
    expression = values.prepared(text)
    expression.assign("states", values.CONTEXT)
    for variable in expressions.variables(text):
        known = [
            found
            for _, state in machine.states()
            for given in [state.get("Assign", {}).get(variable)]
            if given != value and (found := evaluated(given, machine)) is not None
        ]
        if known:
            expression.assign(variable, max(known, key=len))
    try:
        found = expression.evaluate(None)
    except jsonata.JException:
        return None
    return found if isinstance(found, str) else None


def fixed(assemblies: Sequence[Assembly]) -> Result:
    """Look for names that do not have the deployment's: another deployment would claim them too."""
    findings = []
    count = 0
    for assembly in assemblies:
        for stack, template in assembly.templates.items():
            own = re.sub("[^a-z0-9]", "", stack.partition(f"-{assembly.env}-")[0] + assembly.env)
            for kind, name, _ in physical_names({stack: template}):
                count += 1
                if kind not in HASHED and own not in re.sub("[^a-z0-9]", "", name.lower()):
                    findings.append(f"{stack}: {kind} {name!r} is the same whatever the deployment is called")
            findings += [f"{stack} {each}" for each in _unknown(template)]
    return Result("names", "names that have the deployment's", count, tuple(findings))


def _unknown(template: Mapping[str, Any]) -> Iterator[str]:
    """Say which resources are named by a property that is not held to a limit here, as their schemas tell names."""
    for name, resource in template["Resources"].items():
        for member in _identifiers(resource["Type"]):
            given = resource.get("Properties", {}).get(member)
            if isinstance(given, str) and (resource["Type"], member) not in LIMITS:
                yield f"{name}: {member} is {given!r}, a name whose limit this check does not know: add it"


@functools.cache
def _identifiers(kind: str) -> tuple[str, ...]:
    """Return the properties by which AWS tells resources of a kind apart."""
    try:
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REFERENCE.region, kind).schema
    except ResourceNotFoundError:
        return ()
    return tuple(each.rpartition("/")[2] for each in schema.get("primaryIdentifier", []))


def collisions(first: Templates, second: Templates) -> list[str]:
    """Say which names both deployments would claim."""
    names = {(kind, name) for kind, name, _ in physical_names(first)}
    both = sorted(names & {(kind, name) for kind, name, _ in physical_names(second)})
    return [f"{kind} {name!r} would be claimed by two deployments" for kind, name in both]


def too_long(templates: Templates) -> list[str]:
    """Say which names exceed AWS's limits."""
    return [
        f"{kind} {name!r} has {len(name)} characters, and AWS takes {limit}"
        for kind, name, limit in physical_names(templates)
        if len(name) > limit
    ]


@functools.cache
def longest(env: str, overlay: Path | None, settings: Path) -> Assembly:
    """Synthesize an environment under the longest name that its settings allow."""
    for length in range(63, 0, -1):
        try:
            load(settings, env, overlay=overlay, name="n" * length)
        except SettingsError:
            continue
        return synthesize(env, overlay=overlay, name="n" * length, settings=settings)
    raise AssertionError(f"no name is allowed in {env}")
