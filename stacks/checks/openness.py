"""Who is let in: what a resource's own policy and a role's trust allow to whom, and statements that name what is not.

CloudFormation takes every one of these, and a delivery through a door that is too wide still arrives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stacks.checks.assemblies import Assembly
from stacks.checks.demands import REFERENCE
from stacks.checks.permissions import listed
from stacks.checks.rendering import render
from stacks.checks.result import Result

POLICIES = {
    "AWS::S3::BucketPolicy": "PolicyDocument",
    "AWS::SQS::QueuePolicy": "PolicyDocument",
    "AWS::SNS::TopicPolicy": "PolicyDocument",
    "AWS::SQS::QueueInlinePolicy": "PolicyDocument",
    "AWS::SNS::TopicInlinePolicy": "PolicyDocument",
    "AWS::KMS::Key": "KeyPolicy",
    "AWS::IAM::Role": "AssumeRolePolicyDocument",
    "AWS::DynamoDB::ResourcePolicy": "PolicyDocument",
    "AWS::Logs::ResourcePolicy": "PolicyDocument",
    "AWS::Events::EventBusPolicy": "Statement",
}
"""Policies that say who is let in, and where."""
UNSEEN = (
    *("AWS::IAM::Group", "AWS::IAM::GroupPolicy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy"),
    *("AWS::IAM::User", "AWS::IAM::UserPolicy"),
)
"""Kinds that the app has none of, so that no check of what roles may do looks into them."""
IDENTITY = {"AWS::IAM::Policy": "PolicyDocument", "AWS::IAM::ManagedPolicy": "PolicyDocument"}
SOURCES = ("aws:sourcearn", "aws:sourceaccount")
"""Who a service acts for. Without one of them a stranger may have the service act here:
https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html."""
CALLERS = ("aws:principalaccount", "aws:principalarn", "aws:userid", *SOURCES)
"""Who calls, for a principal that is anybody."""
INVERTED = ("NotAction", "NotResource", "NotPrincipal")
KEYS_OWN = "kms:*"
"""https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html: without it the account cannot manage
its key, and KMS refuses a policy that nobody could change."""


def check(assemblies: Sequence[Assembly]) -> Result:
    """Check every policy and every trust."""
    findings: list[str] = []
    count = 0
    for assembly in assemblies:
        for kind, where in {**POLICIES, **IDENTITY}.items():
            for stack, name, resource in assembly.resources(kind):
                said = list(_of_policy(assembly.templates[stack], kind, resource["Properties"], where))
                findings += [f"{stack} {name}: {each}" for each in said]
                count += 1
        findings += [
            f"{stack} {name}: no check looks into {resource['Type']}: allow by AWS::IAM::Policy"
            for stack, name, resource in assembly.resources(*UNSEEN)
        ]
        for stack, name, permission in assembly.resources("AWS::Lambda::Permission"):
            findings += [f"{stack} {name}: {each}" for each in of_permission(permission["Properties"])]
            count += 1
    return Result("openness", "policies and trusts: who is let in, for whom", count, tuple(findings))


def _of_policy(
    template: Mapping[str, Any], kind: str, properties: Mapping[str, Any], where: str
) -> Iterator[str]:
    documents = [
        properties.get(where, {}),
        *(each["PolicyDocument"] for each in properties.get("Policies", [])),
    ]
    for number, document in enumerate(documents):
        rendered = render(document, template, REFERENCE)
        if not isinstance(rendered, Mapping):  # not of the shape that CloudFormation wants: cfn-lint says so
            continue
        statements = listed(rendered.get("Statement", []) if "Statement" in rendered else rendered)
        for statement in statements:
            yield from of_statement(statement, letting_in=kind in POLICIES and not number)
        if kind == "AWS::KMS::Key" and not any(map(_manages, statements)):
            yield f"the account may not {KEYS_OWN} with its own key: KMS refuses the policy"


def of_statement(statement: Mapping[str, Any], *, letting_in: bool = True) -> Iterator[str]:
    """Say what is too wide in one statement, rendered; only a policy that lets somebody in has a principal."""
    if statement.get("Effect") != "Allow":
        return
    for each in INVERTED:
        if each in statement:
            yield f"it allows by {each}: everything but what it names"
    if not letting_in:
        return
    principal, asked = statement.get("Principal", {}), _asked(statement.get("Condition", {}))
    if isinstance(principal, str) or "*" in listed(principal.get("AWS", [])):
        if not asked & set(CALLERS):
            yield f"it allows {_actions(statement)} to anybody"
        return
    for kind in sorted(set(principal) - {"AWS", "Service"}):
        yield f"it allows {_actions(statement)} to {kind} {principal[kind]}, which is not of this account"
    for account in map(str, listed(principal.get("AWS", []))):
        if REFERENCE.account not in account:
            yield f"it allows {_actions(statement)} to {account}, which is not of this account"
    for service in map(str, listed(principal.get("Service", []))):
        if not asked & set(SOURCES):
            yield f"it allows {_actions(statement)} to {service}, for whoever asks that"


def of_permission(properties: Mapping[str, Any]) -> Iterator[str]:
    """Say whom a function's own policy lets call it."""
    principal = str(properties.get("Principal"))
    if principal == "*":
        yield "anybody may call the function"
    service = principal.endswith(".amazonaws.com")
    if principal != "*" and not service and "AWS::AccountId" not in principal:
        yield f"{principal}, which is not of this account, may call the function"
    if service and not {"SourceArn", "SourceAccount"} & set(properties):
        yield f"{principal} may call the function for whoever asks that"


def _asked(conditions: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Return the keys of conditions that hold for this account or for what it has, and for nothing else."""
    return {
        key.lower()
        for operator, wanted in conditions.items()
        if operator in ("StringEquals", "ArnEquals", "ArnLike", "StringLike")
        for key, values in wanted.items()
        if all(str(value) == REFERENCE.account or _is_own(str(value)) for value in listed(values))
    }


def _is_own(value: str) -> bool:
    """Say whether an ARN names a resource of this account; a bucket's names no account, and is in the template."""
    parts = value.split(":")
    return len(parts) > 5 and (parts[4] == REFERENCE.account or (parts[2] == "s3" and "*" not in value))


def _manages(statement: Mapping[str, Any]) -> bool:
    principal = statement.get("Principal", {})
    owners = map(str, listed(principal.get("AWS", []))) if isinstance(principal, Mapping) else ()
    return (
        statement["Effect"] == "Allow"
        and KEYS_OWN in listed(statement.get("Action", []))
        and "Condition" not in statement
        and any(each.endswith(f"{REFERENCE.account}:root") for each in owners)
    )


def _actions(statement: Mapping[str, Any]) -> str:
    return ", ".join(map(str, listed(statement.get("Action", statement.get("NotAction", [])))))
