"""What is known without asking anyone: the settings, the names, the price."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from scones.doctor.row import Row, ok, problem, unchecked, warning
from scones.doctor.subject import Subject

if TYPE_CHECKING:
    from stacks.settings import Settings

NAME_LIMITS = {
    ("AWS::IAM::Role", "RoleName"): 64,
    ("AWS::IAM::ManagedPolicy", "ManagedPolicyName"): 128,
    ("AWS::KMS::Alias", "AliasName"): 256,
    ("AWS::Lambda::Function", "FunctionName"): 64,
    ("AWS::SageMaker::ModelPackageGroup", "ModelPackageGroupName"): 63,
    ("AWS::SNS::Topic", "TopicName"): 256,
    ("AWS::SQS::Queue", "QueueName"): 80,
    ("AWS::StepFunctions::StateMachine", "StateMachineName"): 80,
    ("AWS::Events::Rule", "Name"): 64,
    ("AWS::Events::EventBus", "Name"): 256,
}
"""Characters that each service takes: https://docs.aws.amazon.com/general/latest/gr/aws-service-information.html"""
STACK_NAME_LIMIT = 128


def describe(subject: Subject) -> list[Row]:
    """Say what would be deployed."""
    settings = subject.settings
    chosen = ", ".join(settings.classifiers)
    kept = "everything goes with it" if settings.destroys else "buckets, table and key stay after a destroy"
    rows = [ok("settings", f"{settings.deployment}: {chosen}; {kept}")]
    rows.append(ok("templates", f"{len(subject.assembly.templates)} stacks synthesized"))
    if not settings.alarm_emails:
        rows += _untold(settings)
    return rows


def _untold(settings: Settings) -> Iterator[Row]:
    """Say what rings and is exceeded without anybody's knowing."""
    advice = f"name somebody in alarm_emails, in environments/{settings.env}.toml or the file for --settings"
    yield warning("alarms", "they ring, and nobody is told of one", advice)
    for name, each in settings.chosen().items():
        if dollars := each.monitoring.monthly_budget:
            yield warning(f"budget of {name}", f"${dollars:,} a month, and nobody is told of more", advice)


def region(subject: Subject) -> list[Row]:
    """Look the region up in the tables by which the templates take regions or refuse them."""
    from stacks import regions  # noqa: PLC0415
    from stacks.checks.demands import demands  # noqa: PLC0415  # starts Node.js

    types = {each.instance_type for each in demands(subject.assembly)}
    possible = regions.supporting(types)
    name = subject.region
    if name is None:
        return [
            unchecked("region", "nothing says which one", "set AWS_REGION, or a region in your AWS profile")
        ]
    table = f"stacks/regions.py (as of {regions.AS_OF})"
    if name in possible:
        unknown = sorted(types - set(regions.OFFERED))
        if unknown:
            why = f"{name} has AWS's images, and {table} does not know {', '.join(unknown)}"
            return [unchecked("region", why, "see the instances below")]
        return [ok("region", f"{name} has AWS's images and these instances by {table}")]
    if name not in regions.REGISTRIES:
        found = f"{name} has no registry of AWS's images in {table}"
    else:
        missing = sorted(each for each in types if name not in regions.OFFERED.get(each, regions.REGISTRIES))
        found = f"{name} has no {', '.join(missing) or 'instance on record'} by {table}"
    advice = f"choose one of {', '.join(possible)}; or add to the table what AWS has there since"
    return [problem("region", f"{found}, and CloudFormation will refuse the templates", advice)]


def names(subject: Subject) -> list[Row]:
    """Hold every name that the templates fix to its service's limit.

    Names that CloudFormation makes up, those of all roles among them, it cuts to fit by itself.
    """
    found = [(stack, stack, STACK_NAME_LIMIT) for stack in subject.assembly.templates]
    for (kind, key), limit in NAME_LIMITS.items():
        for stack, logical, resource in subject.assembly.resources(kind):
            name = resource.get("Properties", {}).get(key)
            if isinstance(name, str):
                found.append((f"{stack}/{logical}", name, limit))
    long = [(where, name, limit) for where, name, limit in found if len(name) > limit]
    if long:
        advice = "choose a shorter --name, or shorter names in the settings"
        return [
            problem("names", f"{name} has {len(name)} characters and {limit} are allowed ({where})", advice)
            for where, name, limit in long
        ]
    longest = max(found, key=lambda each: len(each[1]) / each[2])
    return [
        ok(
            "names",
            f"{len(found)} fixed names fit; nearest to its limit: {longest[1]}, "
            f"{len(longest[1])} of {longest[2]}",
        )
    ]


def cost(subject: Subject) -> list[Row]:
    """Price what runs for as long as the deployment stands, and each hour of a job."""
    from stacks import prices  # noqa: PLC0415
    from stacks.checks.demands import demands  # noqa: PLC0415  # starts Node.js

    rows = []
    elsewhere = subject.region not in (None, prices.REGION)
    advice = f"look your region's prices up: {prices.SOURCE}" if elsewhere else ""
    for each in demands(subject.assembly):
        item = f"cost of {each.use}"
        price = prices.HOURLY.get(each.instance_type)
        if price is None:
            why = f"the project's price table has no {each.instance_type}"
            rows.append(unchecked(item, why, f"look it up: {prices.SOURCE}"))
            continue
        text = f"{each.count} x {each.instance_type}: ${price * each.count:.2f} per hour"
        if each.use == "endpoint":
            text += f" while it stands, ${2 * price * each.count:.2f} during an update"
        elif each.use.startswith("spot"):
            text += " at most; spot costs less"
        else:
            text += " while it runs"
        rows.append(ok(item, f"{text} ({prices.REGION}, list price of {prices.AS_OF})", advice))
    return rows
