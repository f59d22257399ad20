"""Encryption, privacy and least privilege, in every environment."""

from __future__ import annotations

import json

from tests.infra.conftest import Synthesized


def _actions(statement: dict[str, object]) -> list[str]:
    actions = statement["Action"]
    return [actions] if isinstance(actions, str) else list(actions)  # type: ignore[call-overload]


def test_buckets_are_encrypted_private_and_tls_only(synthesized: Synthesized) -> None:
    buckets = dict(synthesized.resources("AWS::S3::Bucket"))
    assert len(buckets) == 5
    policies = [policy for _, policy in synthesized.resources("AWS::S3::BucketPolicy")]
    for name, bucket in buckets.items():
        properties = bucket["Properties"]
        assert properties["BucketEncryption"]["ServerSideEncryptionConfiguration"], name
        assert all(properties["PublicAccessBlockConfiguration"].values()), name
        own = [policy for policy in policies if policy["Properties"]["Bucket"] == {"Ref": name}]
        assert "aws:SecureTransport" in json.dumps(own), name


def test_no_managed_policy_gives_full_access(synthesized: Synthesized) -> None:
    assert "FullAccess" not in json.dumps(synthesized.templates)


def test_pass_role_names_the_service(synthesized: Synthesized) -> None:
    passing = [each for each in synthesized.statements() if "iam:PassRole" in _actions(each)]
    assert passing
    for statement in passing:
        assert statement["Condition"]["StringEquals"]["iam:PassedToService"] == "sagemaker.amazonaws.com"


def test_every_state_machine_is_logged_and_traced(synthesized: Synthesized) -> None:
    machines = list(synthesized.resources("AWS::StepFunctions::StateMachine"))
    assert len(machines) == 4
    for name, machine in machines:
        assert machine["Properties"]["LoggingConfiguration"]["Destinations"], name
        assert machine["Properties"]["TracingConfiguration"] == {"Enabled": True}, name


def test_no_role_has_a_managed_policy_but_the_one_that_empties_buckets(synthesized: Synthesized) -> None:
    for name, role in synthesized.resources("AWS::IAM::Role"):
        if "S3AutoDelete" not in name:
            assert not role["Properties"].get("ManagedPolicyArns"), name


def test_services_assume_roles_for_this_account_alone(synthesized: Synthesized) -> None:
    for name, role in synthesized.resources("AWS::IAM::Role"):
        for statement in role["Properties"]["AssumeRolePolicyDocument"]["Statement"]:
            assert statement["Condition"]["StringEquals"] == {
                "aws:SourceAccount": {"Ref": "AWS::AccountId"}
            }, name


def test_jobs_may_open_their_volumes_and_nothing_else_with_a_grant(synthesized: Synthesized) -> None:
    grants = [each for each in synthesized.statements() if "kms:CreateGrant" in _actions(each)]
    assert [each["Condition"] for each in grants] == [{"Bool": {"kms:GrantIsForAWSResource": "true"}}] * 2


def test_metrics_go_into_namespaces_of_their_own(synthesized: Synthesized) -> None:
    putting = [each for each in synthesized.statements() if "cloudwatch:PutMetricData" in _actions(each)]
    assert putting
    for statement in putting:
        assert "cloudwatch:namespace" in json.dumps(statement["Condition"])


def test_alarms_may_publish_alerts(synthesized: Synthesized) -> None:
    (policy,) = [each for _, each in synthesized.resources("AWS::SNS::TopicPolicy")]
    allowed = [
        each["Principal"]
        for each in policy["Properties"]["PolicyDocument"]["Statement"]
        if each["Effect"] == "Allow"
    ]
    assert allowed == [{"Service": "cloudwatch.amazonaws.com"}]


def test_the_deploying_function_starts_and_the_waiting_one_cleans(synthesized: Synthesized) -> None:
    policies = dict(synthesized.resources("AWS::IAM::Policy"))

    def allowed(part: str) -> set[str]:
        (policy,) = [each for name, each in policies.items() if part in name]
        return {
            action
            for each in policy["Properties"]["PolicyDocument"]["Statement"]
            for action in _actions(each)
        }

    starting, waiting = allowed("TrainOnDeployOnEvent"), allowed("TrainOnDeployIsComplete")
    assert "states:StartExecution" in starting - waiting
    assert not [action for action in starting if action.startswith("sagemaker:")]
    assert {"states:StopExecution", "sagemaker:DeleteEndpoint", "sagemaker:StopTrainingJob"} <= waiting
