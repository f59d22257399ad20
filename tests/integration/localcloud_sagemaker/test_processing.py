"""Processing jobs against a running emulator."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from localcloud.instance import REGION, Instance
from tests.integration.localcloud_sagemaker.conftest import PYTORCH, ROLE, archive, unique, wait
from tests.integration.roles import EVERYTHING, make_role

UNPACK_AND_RUN = (
    "mkdir -p '/opt/ml/processing/code' && tar -xzf '/opt/ml/processing/input/code/'*.gz "
    "-C '/opt/ml/processing/code' && cd '/opt/ml/processing/code' && exec python3 \"$@\""
)
SCRIPT = """
    import json, os, pathlib, sys

    source, target = map(pathlib.Path, sys.argv[1:3])
    if sys.argv[3] == "fail":
        (pathlib.Path("/opt/ml") if pathlib.Path("/opt/ml").exists() else source.parents[2]).joinpath(
            "output/message").write_text("The archive has a wrong checksum.")
        sys.exit(1)
    target.joinpath("deep").mkdir()
    target.joinpath("deep", "seen.json").write_text(json.dumps({
        "files": sorted(path.name for path in source.iterdir()),
        "variable": os.environ["GREETING"],
        "endpoint": os.environ.get("AWS_ENDPOINT_URL"),
    }))
"""


def test_a_job_fails_when_its_role_may_not_read_its_input(
    cloud: Instance, sagemaker: Any, request_for: Callable[..., dict[str, Any]]
) -> None:
    denied = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}
    role = make_role(cloud, "reads-nothing", (*EVERYTHING, denied))
    name = unique("denied")
    sagemaker.create_processing_job(**{**request_for(name), "RoleArn": role})
    job = wait(
        lambda: sagemaker.describe_processing_job(ProcessingJobName=name),
        lambda seen: seen["ProcessingJobStatus"] != "InProgress",
    )
    assert job["ProcessingJobStatus"] == "Failed"
    assert "AccessDenied" in job["FailureReason"]


def test_a_role_is_passed_on_only_when_the_caller_may(
    cloud: Instance, request_for: Callable[..., dict[str, Any]]
) -> None:
    denied = {"Effect": "Deny", "Action": "iam:PassRole", "Resource": "*"}
    iam = cloud.client("iam")
    iam.create_user(UserName="passes-nothing")
    document = json.dumps({"Statement": [*EVERYTHING, denied]})
    iam.put_user_policy(UserName="passes-nothing", PolicyName="own", PolicyDocument=document)
    key = iam.create_access_key(UserName="passes-nothing")["AccessKey"]
    client = boto3.client(
        "sagemaker",
        endpoint_url=cloud.endpoint_url,
        region_name=REGION,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    with pytest.raises(client.exceptions.ClientError, match="not authorized to perform: iam:PassRole"):
        client.create_processing_job(**request_for(unique("passed")))


@pytest.fixture
def request_for(bucket: str, put: Callable[[str, bytes], str]) -> Callable[..., dict[str, Any]]:
    """Return a function that makes the request of a small processing job."""

    def making(name: str, mode: str = "work", **more: Any) -> dict[str, Any]:
        source = put(f"{name}/in/a.txt", b"a").removesuffix("a.txt")
        code = put(f"{name}/assets/abc.gz", archive({"work.py": SCRIPT}))
        return {
            "ProcessingJobName": name,
            "RoleArn": ROLE,
            "AppSpecification": {
                "ImageUri": PYTORCH,
                "ContainerEntrypoint": ["bash", "-ec", UNPACK_AND_RUN, "job"],
                "ContainerArguments": [
                    "work.py",
                    "/opt/ml/processing/input/source",
                    "/opt/ml/processing/output/result",
                    mode,
                ],
            },
            "Environment": {"GREETING": "hello"},
            "ProcessingInputs": [_input("source", source), _input("code", code)],
            "ProcessingOutputConfig": {
                "Outputs": [
                    {
                        "OutputName": "result",
                        "S3Output": {
                            "S3Uri": f"s3://{bucket}/{name}/out",
                            "LocalPath": "/opt/ml/processing/output/result",
                            "S3UploadMode": "EndOfJob",
                        },
                    }
                ]
            },
            "ProcessingResources": {
                "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10}
            },
            **more,
        }

    return making


def _input(name: str, uri: str) -> dict[str, Any]:
    return {
        "InputName": name,
        "S3Input": {
            "S3Uri": uri,
            "LocalPath": f"/opt/ml/processing/input/{name}",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
        },
    }


def _ended(sagemaker: Any, name: str) -> dict[str, Any]:
    ended: dict[str, Any] = wait(
        lambda: sagemaker.describe_processing_job(ProcessingJobName=name),
        lambda seen: seen["ProcessingJobStatus"] in ("Completed", "Failed", "Stopped"),
    )
    return ended


def test_outputs_reach_s3_when_a_job_completes(
    sagemaker: Any, request_for: Callable[..., dict[str, Any]], fetch: Callable[[str], bytes], bucket: str
) -> None:
    name = unique("process")
    sagemaker.create_processing_job(**request_for(name))
    ended = _ended(sagemaker, name)
    assert ended["ProcessingJobStatus"] == "Completed", ended.get("FailureReason")
    seen = json.loads(fetch(f"s3://{bucket}/{name}/out/deep/seen.json"))
    assert seen["files"] == ["a.txt"]
    assert seen["variable"] == "hello"
    assert seen["endpoint"].startswith("http://127.0.0.1:")
    assert ended["ProcessingStartTime"] <= ended["ProcessingEndTime"]
    listed = sagemaker.list_processing_jobs(NameContains=name)["ProcessingJobSummaries"]
    assert [job["ProcessingJobName"] for job in listed] == [name]


def test_the_message_is_kept_when_a_job_fails(
    sagemaker: Any, request_for: Callable[..., dict[str, Any]]
) -> None:
    name = unique("process")
    sagemaker.create_processing_job(**request_for(name, "fail"))
    ended = _ended(sagemaker, name)
    assert ended["ProcessingJobStatus"] == "Failed"
    assert ended["ExitMessage"] == "The archive has a wrong checksum."
    assert "The archive has a wrong checksum." in ended["FailureReason"]


def test_no_cloud_is_in_sight_when_the_network_is_isolated(
    sagemaker: Any, request_for: Callable[..., dict[str, Any]], fetch: Callable[[str], bytes], bucket: str
) -> None:
    name = unique("isolated")
    request = request_for(name, NetworkConfig={"EnableNetworkIsolation": True})
    sagemaker.create_processing_job(**request)
    assert _ended(sagemaker, name)["ProcessingJobStatus"] == "Completed"
    assert json.loads(fetch(f"s3://{bucket}/{name}/out/deep/seen.json"))["endpoint"] is None


def test_a_stopped_job_ends_with_its_children_when_it_is_stopped(
    sagemaker: Any, request_for: Callable[..., dict[str, Any]]
) -> None:
    name = unique("stopped")
    request = request_for(name)
    request["AppSpecification"]["ContainerEntrypoint"] = ["bash", "-c", "sleep 61 & sleep 62; true"]
    sagemaker.create_processing_job(**request)
    wait(
        lambda: sagemaker.describe_processing_job(ProcessingJobName=name),
        lambda seen: "ProcessingStartTime" in seen,
    )
    sagemaker.stop_processing_job(ProcessingJobName=name)
    ended = _ended(sagemaker, name)
    assert ended["ProcessingJobStatus"] == "Stopped"


def test_tags_follow_a_job_when_they_are_changed(
    sagemaker: Any, request_for: Callable[..., dict[str, Any]]
) -> None:
    name = unique("tagged")
    arn = sagemaker.create_processing_job(**request_for(name, Tags=[{"Key": "a", "Value": "1"}]))[
        "ProcessingJobArn"
    ]
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}])
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["a"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    _ended(sagemaker, name)
