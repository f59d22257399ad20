"""What AWS has to offer: the images, the instances, and a reading of the state machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scones.doctor.account import GIVE_CREDENTIALS
from scones.doctor.asking import DENIED, ask
from scones.doctor.row import Row, ok, problem, unchecked
from scones.doctor.subject import Subject

if TYPE_CHECKING:
    from stacks.checks.demands import Image
    from stacks.checks.rendering import Machine

ANOTHER_REGION = "see the region above"
MISSING_IMAGE = ("ImageNotFoundException", "RepositoryNotFoundException")


def _not_asked(subject: Subject, item: str, what: str) -> list[Row]:
    advice = "ask AWS with --aws" if subject.local else GIVE_CREDENTIALS
    return [unchecked(item, f"{what}, and {subject.why_not_asked}", advice)]


def images(subject: Subject) -> list[Row]:
    """Look for every container image in AWS's registry of the region."""
    from stacks.checks.demands import REFERENCE, images  # noqa: PLC0415  # starts Node.js
    from stacks.checks.rendering import Place, RenderingError  # noqa: PLC0415

    try:
        wanted = images(subject.assembly, Place(subject.region) if subject.region else REFERENCE)
    except RenderingError:
        return [unchecked("images", f"the templates refuse {subject.region}", ANOTHER_REGION)]
    if subject.why_not_asked is not None:
        return _not_asked(subject, "images", ", ".join(f"{each.repository}:{each.tag}" for each in wanted))
    return [row for each in wanted for row in _image(subject, each)]


def _image(subject: Subject, image: Image) -> list[Row]:
    item = f"image: {image.repository}:{image.tag}"
    advice = "take a tag that AWS publishes: https://github.com/aws/deep-learning-containers"

    def looked(operation: str) -> list[Row]:
        request: dict[str, Any] = {
            "registryId": image.account,
            "repositoryName": image.repository,
            "imageIds": [{"imageTag": image.tag}],
        }
        answer = getattr(subject.target.clients("ecr"), operation)(**request)
        if answer.get("failures"):
            reason = answer["failures"][0].get("failureReason", "no reason given")
            return [problem(item, f"registry {image.account} does not hand it out: {reason}", advice)]
        return [ok(item, f"registry {image.account} has it")]

    from botocore.exceptions import ClientError  # noqa: PLC0415

    # Whether a foreign registry may be described is its owner's choice; pulling, which needs BatchGetImage,
    # is what the jobs do.
    for operation, action in (
        ("describe_images", "ecr:DescribeImages"),
        ("batch_get_image", "ecr:BatchGetImage"),
    ):
        try:
            return ask(item, action, lambda: looked(operation), expected=(*DENIED, *MISSING_IMAGE))  # noqa: B023
        except ClientError as error:
            if error.response["Error"]["Code"] in MISSING_IMAGE:
                return [problem(item, f"registry {image.account} does not have it", advice)]
    return [unchecked(item, "the registry lets these credentials neither describe nor pull it", advice)]


def instances(subject: Subject) -> list[Row]:
    """Look for the instance types among those that EC2 offers in the region.

    SageMaker runs on EC2's machines, so a type that EC2 lacks there is a problem; that SageMaker has a type
    that EC2 has, no service but SageMaker itself says, at the first request.
    """
    from stacks.checks.demands import demands  # noqa: PLC0415  # starts Node.js

    types = sorted({each.instance_type for each in demands(subject.assembly)})
    if subject.why_not_asked is not None:
        return _not_asked(subject, "instances", ", ".join(types))

    def offered() -> list[Row]:
        names = [each.removeprefix("ml.") for each in types]
        pages = (
            subject.target.clients("ec2")
            .get_paginator("describe_instance_type_offerings")
            .paginate(LocationType="region", Filters=[{"Name": "instance-type", "Values": names}])
        )
        there = {each["InstanceType"] for page in pages for each in page["InstanceTypeOfferings"]}
        return [_offer(each, subject.region, each.removeprefix("ml.") in there) for each in types]

    return ask("instances", "ec2:DescribeInstanceTypeOfferings", offered)


def _offer(instance_type: str, region: str | None, there: bool) -> Row:
    item = f"instance: {instance_type}"
    if there:
        return ok(item, f"EC2 offers it in {region}; whether SageMaker does, shows at the first request")
    return problem(item, f"EC2 does not offer it in {region}", "choose another type, or another region")


def state_machines(subject: Subject) -> list[Row]:
    """Have Step Functions read every state machine, as it would at creation."""
    from stacks.checks.demands import REFERENCE  # noqa: PLC0415  # starts Node.js
    from stacks.checks.rendering import Place, RenderingError, machines  # noqa: PLC0415

    place = Place(subject.region, subject.account or REFERENCE.account) if subject.region else REFERENCE
    try:
        found = list(machines(subject.assembly, place))
    except RenderingError:
        return [unchecked("state machines", f"the templates refuse {subject.region}", ANOTHER_REGION)]
    if subject.why_not_asked is not None:
        return _not_asked(subject, "state machines", f"there are {len(found)} definitions to validate")
    return [row for each in found for row in _validated(subject, each)]


def _validated(subject: Subject, machine: Machine) -> list[Row]:
    item = f"state machine: {machine.stack}/{machine.name}"

    def asked() -> list[Row]:
        answer = subject.target.clients("stepfunctions").validate_state_machine_definition(
            definition=machine.definition, type=machine.kind, severity="WARNING"
        )
        said = [
            f"{each['code']}: {each['message']}" + (f" at {each['location']}" if "location" in each else "")
            for each in answer["diagnostics"]
        ]
        if answer["result"] == "FAIL":
            return [problem(item, "; ".join(said), "report it with this line: it would fail at creation")]
        return [ok(item, f"valid, with {len(said)} warnings" + ("".join(f"; {each}" for each in said)))]

    return ask(item, "states:ValidateStateMachineDefinition", asked)
