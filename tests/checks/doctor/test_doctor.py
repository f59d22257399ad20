"""The doctor's answers to AWS's, each validated against botocore's own model of the service."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from scones.doctor import account, offline, services
from scones.doctor.examine import _identified, healthy
from scones.doctor.row import Row, problem
from scones.doctor.subject import Subject
from scones.target import Target
from stacks.checks.assemblies import Assembly, synthesize
from stacks.regions import OFFERED
from stacks.settings import Settings, load
from tests.infra.conftest import OWN

REGION = "eu-west-1"
ACCOUNT = "123456789012"


class Cloud:
    """Real clients that are answered by stubs."""

    def __init__(self) -> None:
        self._clients: dict[str, Any] = {}
        self._stubs: dict[str, Stubber] = {}

    def client(self, service: str) -> Any:
        if service not in self._clients:
            made: Any = boto3.client(  # type: ignore[call-overload]
                service, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test"
            )
            self._clients[service], self._stubs[service] = made, Stubber(made)
            self._stubs[service].activate()
        return self._clients[service]

    def stub(self, service: str) -> Stubber:
        self.client(service)
        return self._stubs[service]

    def settled(self) -> None:
        for stub in self._stubs.values():
            stub.assert_no_pending_responses()


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    made = Cloud()
    yield made
    made.settled()


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    return synthesize("prod", tmp_path_factory.mktemp("assembly"), settings=OWN)


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load(OWN, "prod")


@pytest.fixture
def subject(cloud: Cloud, assembly: Assembly, settings: Settings) -> Subject:
    target = Target("scones", "prod", "vehicles", cloud.client, "AWS")
    return Subject(settings, assembly, target, local=False, region=REGION, account=ACCOUNT)


def _one(rows: list[Row], item: str) -> Row:
    (found,) = [row for row in rows if row.item == item]
    return found


def _quota(name: str, value: float) -> dict[str, Any]:
    return {"ServiceCode": "sagemaker", "QuotaName": name, "Value": value}


def test_the_account_is_named_when_there_are_credentials(cloud: Cloud, subject: Subject) -> None:
    answer = {"Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/me", "UserId": "A" * 21}
    cloud.stub("sts").add_response("get_caller_identity", answer, {})
    found, rows = _identified(dataclasses.replace(subject, account=None, region=None))
    assert (found.account, found.region) == (ACCOUNT, REGION)
    assert rows[0].status == "ok"


def test_expired_credentials_are_a_problem(cloud: Cloud, subject: Subject) -> None:
    cloud.stub("sts").add_client_error("get_caller_identity", "ExpiredToken")
    found, rows = _identified(dataclasses.replace(subject, account=None))
    assert found.account is None
    assert rows[0].status == "problem"
    assert not healthy(rows)


def test_nothing_is_asked_when_no_region_or_no_credentials_are_set(
    subject: Subject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for variable in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(variable, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    stranger = dataclasses.replace(subject, account=None, region=None)
    for region, said in ((None, "without a region"), (REGION, "there are none")):

        def clients(service: str, region: str | None = region) -> Any:
            return boto3.session.Session().client(service, region_name=region)  # type: ignore[call-overload]

        target = dataclasses.replace(subject.target, clients=clients)
        found, (row,) = _identified(dataclasses.replace(stranger, target=target))
        assert (found.account, found.region, row.status) == (None, region, "not checked")
        assert said in row.found


@pytest.mark.parametrize(("version", "status"), [("21", "ok"), ("6", "ok"), ("5", "problem")])
def test_the_bootstrap_is_compared_with_what_the_templates_need(
    cloud: Cloud, subject: Subject, version: str, status: str
) -> None:
    parameter = {"Name": "/cdk-bootstrap/hnb659fds/version", "Type": "String", "Value": version}
    cloud.stub("ssm").add_response("get_parameter", {"Parameter": parameter}, {"Name": parameter["Name"]})
    (row,) = account.bootstrap(subject)
    assert row.status == status
    assert "6 is needed" in row.found


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("ParameterNotFound", "problem", "npx cdk bootstrap aws://123456789012/eu-west-1"),
        ("AccessDeniedException", "not checked", "ssm:GetParameter"),
        ("InternalServerError", "not checked", "InternalServerError"),
    ],
)
def test_a_bootstrap_that_cannot_be_read_is_missing_or_unknown(
    cloud: Cloud, subject: Subject, code: str, status: str, said: str
) -> None:
    cloud.stub("ssm").add_client_error("get_parameter", code)
    (row,) = account.bootstrap(subject)
    assert row.status == status
    assert said in row.found + row.advice


def test_quotas_are_found_by_name_and_an_endpoint_needs_twice_its_fleet(
    cloud: Cloud, subject: Subject
) -> None:
    stub = cloud.stub("service-quotas")
    defaults = [
        _quota("ml.g5.xlarge for endpoint usage", 0.0),
        _quota("ml.m5.xlarge for transform job usage", 20.0),
    ]
    stub.add_response(
        "list_aws_default_service_quotas",
        {"Quotas": defaults, "NextToken": "more"},
        {"ServiceCode": "sagemaker"},
    )
    stub.add_response(
        "list_aws_default_service_quotas",
        {"Quotas": [_quota("ml.g5.xlarge for spot training job usage", 0.0)]},
        {"ServiceCode": "sagemaker", "NextToken": "more"},
    )
    own = [_quota("ml.g5.xlarge for endpoint usage", 3.0)]
    stub.add_response("list_service_quotas", {"Quotas": own}, {"ServiceCode": "sagemaker"})
    rows = account.quotas(subject)
    endpoint = _one(rows, "quota: ml.g5.xlarge for endpoint usage")
    assert (endpoint.status, endpoint.found) == ("problem", "the account may run 3 and 4 are needed at once")
    assert _one(rows, "quota: ml.g5.xlarge for spot training job usage").status == "problem"
    assert _one(rows, "quota: ml.m5.xlarge for transform job usage").status == "ok"
    assert _one(rows, "quota: ml.m5.xlarge for processing job usage").status == "not checked"


def _described(image: str) -> tuple[dict[str, Any], dict[str, Any]]:
    repository, _, tag = image.partition(":")
    request = {
        "registryId": "763104351884",
        "repositoryName": repository,
        "imageIds": [{"imageTag": tag}],
    }
    return request, {"imageDetails": [{"repositoryName": repository, "imageTags": [tag]}]}


def test_images_are_described_else_pulled_else_left_unchecked(cloud: Cloud, subject: Subject) -> None:
    stub = cloud.stub("ecr")
    names = [
        "pytorch:2.13-cpu-amzn2023-sagemaker",
        "pytorch:2.13-cu133-amzn2023-sagemaker",
        "ray:serve-ml-sagemaker-cpu-v1.5",
        "ray:serve-ml-sagemaker-cuda-v1.5",
    ]
    request, answer = _described(names[0])
    stub.add_response("describe_images", answer, request)
    stub.add_client_error("describe_images", "ImageNotFoundException")
    request, _ = _described(names[2])
    stub.add_client_error("describe_images", "AccessDeniedException")
    stub.add_response("batch_get_image", {"images": [{"repositoryName": "ray"}], "failures": []}, request)
    stub.add_client_error("describe_images", "AccessDeniedException")
    stub.add_client_error("batch_get_image", "AccessDeniedException")
    rows = services.images(subject)
    assert [row.item for row in rows] == [f"image: {name}" for name in names]
    assert [row.status for row in rows] == ["ok", "problem", "ok", "not checked"]


def test_an_image_that_is_not_handed_out_is_a_problem(cloud: Cloud, subject: Subject) -> None:
    stub = cloud.stub("ecr")
    failure = {"failureCode": "ImageNotFound", "failureReason": "Requested image not found"}
    for _ in range(4):
        stub.add_client_error("describe_images", "AccessDeniedException")
        stub.add_response("batch_get_image", {"images": [], "failures": [failure]})
    rows = services.images(subject)
    assert {row.status for row in rows} == {"problem"}
    assert "Requested image not found" in rows[0].found


@pytest.mark.parametrize(
    ("region", "status", "said"),
    [
        ("eu-west-1", "ok", "has AWS's images and these instances"),
        ("mars-north-1", "problem", "no registry of AWS's images"),
        ("eu-central-2", "problem", "has no ml.g5.xlarge"),
        (None, "not checked", "nothing says which one"),
    ],
)
def test_the_region_is_looked_up_before_anything_is_asked(
    subject: Subject, region: str | None, status: str, said: str
) -> None:
    (row,) = offline.region(dataclasses.replace(subject, region=region))
    assert row.status == status
    assert said in row.found


def test_a_type_that_no_table_knows_leaves_the_region_unchecked(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(OFFERED, "ml.g5.xlarge")
    (row,) = offline.region(subject)
    assert row.status == "not checked"
    assert "does not know ml.g5.xlarge" in row.found


def test_nothing_is_asked_of_a_region_that_the_templates_refuse(subject: Subject) -> None:
    elsewhere = dataclasses.replace(subject, region="eu-central-2")
    for examination in (services.images, services.state_machines):
        (row,) = examination(elsewhere)
        assert row.status == "not checked"
        assert "refuse eu-central-2" in row.found


def test_a_type_that_ec2_lacks_is_a_problem(cloud: Cloud, subject: Subject) -> None:
    cloud.stub("ec2").add_response(
        "describe_instance_type_offerings",
        {
            "InstanceTypeOfferings": [
                {"InstanceType": "m5.xlarge", "LocationType": "region", "Location": REGION}
            ]
        },
        {
            "LocationType": "region",
            "Filters": [{"Name": "instance-type", "Values": ["g5.xlarge", "m5.xlarge"]}],
        },
    )
    rows = services.instances(subject)
    assert [(row.item, row.status) for row in rows] == [
        ("instance: ml.g5.xlarge", "problem"),
        ("instance: ml.m5.xlarge", "ok"),
    ]


def test_every_state_machine_is_validated(cloud: Cloud, subject: Subject) -> None:
    stub = cloud.stub("stepfunctions")
    wrong = {
        "severity": "ERROR",
        "code": "SCHEMA_VALIDATION_FAILED",
        "message": "Field is not supported",
        "location": "/States/Train/Arguments",
    }
    stub.add_response("validate_state_machine_definition", {"result": "OK", "diagnostics": []})
    stub.add_response("validate_state_machine_definition", {"result": "OK", "diagnostics": []})
    stub.add_response("validate_state_machine_definition", {"result": "FAIL", "diagnostics": [wrong]})
    stub.add_client_error("validate_state_machine_definition", "AccessDeniedException")
    rows = services.state_machines(subject)
    assert [row.status for row in rows] == ["ok", "ok", "problem", "not checked"]
    assert "/States/Train/Arguments" in rows[2].found


def test_nothing_is_asked_and_reasons_are_given_without_credentials(subject: Subject) -> None:
    stranger = dataclasses.replace(subject, account=None)
    examinations = (
        account.bootstrap,
        account.quotas,
        services.instances,
        services.images,
        services.state_machines,
    )
    for examination in examinations:
        (row,) = examination(stranger)
        assert row.status == "not checked"
        assert "no AWS credentials" in row.found
        assert "AWS_PROFILE" in row.advice


def test_a_local_cloud_is_asked_only_for_what_it_has(subject: Subject) -> None:
    local = dataclasses.replace(subject, local=True)
    for examination in (account.quotas, services.instances, services.images, services.state_machines):
        (row,) = examination(local)
        assert row.status == "not checked"
        assert "--aws" in row.advice


def test_the_price_is_that_of_the_table(subject: Subject) -> None:
    rows = offline.cost(subject)
    assert "2 x ml.g5.xlarge: $2.82 per hour while it stands, $5.63" in _one(rows, "cost of endpoint").found
    assert "pricing" in _one(rows, "cost of endpoint").advice
    assert "spot costs less" in _one(rows, "cost of spot training job").found


def test_a_type_without_a_price_is_not_checked(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stacks.prices.HOURLY", {})
    assert {row.status for row in offline.cost(subject)} == {"not checked"}


def test_a_name_beyond_its_limit_is_a_problem(subject: Subject) -> None:
    long = {"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "r" * 65}}}}
    made = Assembly("dev", Path(), {"stack": long})
    (row,) = offline.names(dataclasses.replace(subject, assembly=made))
    assert row.status == "problem"
    assert "65 characters and 64 are allowed" in row.found


def test_a_budget_and_alarms_that_tell_nobody_are_warned_of(subject: Subject) -> None:
    rows = offline.describe(subject)
    assert [(row.item, row.status) for row in rows[2:]] == [
        ("alarms", "warning"),
        ("budget of vehicles", "warning"),
    ]
    assert rows[3].found.startswith("$3,000 a month")
    assert all("alarm_emails, in environments/prod.toml" in row.advice for row in rows[2:])
    told = subject.settings.model_copy(update={"alarm_emails": ("on-call@example.com",)})
    assert len(offline.describe(dataclasses.replace(subject, settings=told))) == 2


def test_health_is_the_absence_of_problems(subject: Subject) -> None:
    assert healthy(offline.describe(subject))
    assert not healthy([problem("x", "y", "z")])
