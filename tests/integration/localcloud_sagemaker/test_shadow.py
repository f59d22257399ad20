"""A shadow variant and data capture against a running emulator, with a small Ray Serve application.

The tests run in the order of the endpoint's life, because every start of Ray takes seconds.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from localcloud.instance import Instance
from localcloud.processes import belonging
from localcloud.sagemaker.shadow import COPIES
from tests.integration.localcloud_sagemaker.conftest import RAY, archive, unique, wait
from tests.integration.roles import EVERYTHING, make_role

# Each start of Ray takes seconds, and tests/integration/workflow has a shadow in the flow of things.
pytestmark = pytest.mark.slow
NAME = unique("shadowed")
ROLES = {kind: f"{NAME}-{kind}" for kind in ("denied", "production", "shadow")}
CONFIG = """
    proxy_location: HeadOnly
    http_options: {host: 127.0.0.1, port: 8000}
    applications:
      - name: greeter
        route_prefix: /greeter
        import_path: greeter.app:application
"""
APP = """
    import asyncio, os, pathlib
    from ray import serve
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response

    VERSION = pathlib.Path(__file__).with_name("version.txt").read_text().strip()
    GATE = pathlib.Path(os.environ["GATE"])
    if VERSION == "broken":
        raise RuntimeError("The weights are missing.")

    @serve.deployment(ray_actor_options={"num_cpus": 0.1}, max_ongoing_requests=64)
    class Greeter:
        async def __call__(self, request: Request) -> Response:
            if request.url.path.endswith("/-/healthz"):
                return JSONResponse({"ok": True})
            body = await request.body()
            if VERSION == "shadow" and body == b"boom":
                return JSONResponse({"error": "boom"}, 500)
            while VERSION == "shadow" and body == b"hold" and not GATE.exists():
                await asyncio.sleep(0.05)
            return JSONResponse({"version": VERSION})

    application = Greeter.bind()
"""


@pytest.fixture(scope="module")
def roles(cloud: Instance) -> dict[str, str]:
    denied = {"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}
    return {
        kind: make_role(cloud, name, (*EVERYTHING, denied) if kind == "denied" else EVERYTHING)
        for kind, name in ROLES.items()
    }


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file for which the shadow variant waits before it answers `hold`."""
    return tmp_path_factory.mktemp("gate") / "open"


@pytest.fixture(scope="module")
def keys(cloud: Instance) -> dict[str, str]:
    """A key of the bucket for captures, and one of the captures."""
    kms = cloud.client("kms")
    return {kind: kms.create_key()["KeyMetadata"]["Arn"] for kind in ("bucket", "captures")}


@pytest.fixture(scope="module")
def destination(cloud: Instance, keys: dict[str, str]) -> str:
    """A bucket for captures, which encrypts with a key."""
    s3, name = cloud.client("s3"), unique("captures")
    s3.create_bucket(Bucket=name)
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": keys["bucket"]}
    s3.put_bucket_encryption(
        Bucket=name,
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": default}]},
    )
    return f"s3://{name}/captured"


@pytest.fixture
def config(
    sagemaker: Any,
    put: Callable[[str, bytes], str],
    roles: dict[str, str],
    keys: dict[str, str],
    gate: Path,
    destination: str,
) -> Callable[..., str]:
    """Return a function that makes models of versions, in roles, and an endpoint configuration of them."""

    def model(version: str, role: str) -> str:
        name = unique(version)
        files = {"config.yaml": CONFIG, "code/greeter/app.py": APP, "code/greeter/version.txt": version}
        packed = archive({**files, "code/greeter/__init__.py": ""})
        sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=roles[role],
            EnableNetworkIsolation=True,
            PrimaryContainer={
                "Image": RAY,
                "ModelDataUrl": put(f"{name}/model.tar.gz", packed),
                "Environment": {
                    "RAYSERVE_BACKEND_URL": "http://127.0.0.1:8000/greeter",
                    "GATE": str(gate),
                },
            },
        )
        return name

    def making(role: str = "production", shadow: str = "") -> str:
        def variant(name: str, version: str, role: str) -> dict[str, Any]:
            return {
                "VariantName": name,
                "ModelName": model(version, role),
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 1,
                "InitialVariantWeight": 1.0,
            }

        name = unique("config")
        shadows = [variant("Next", shadow, "shadow")] if shadow else []
        sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[variant("AllTraffic", "production", role)],
            DataCaptureConfig={
                "InitialSamplingPercentage": 100,
                "DestinationS3Uri": destination,
                "KmsKeyId": keys["captures"].rpartition("/")[2],
                "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
                "CaptureContentTypeHeader": {"JsonContentTypes": ["application/json"]},
            },
            **({"ShadowProductionVariants": shadows} if shadows else {}),
        )
        return name

    return making


@pytest.fixture
def invoke(cloud: Instance) -> Callable[[bytes], str]:
    """Return a function that invokes the endpoint, holds the answer to the production's, and says its inference id."""
    runtime = cloud.client("sagemaker-runtime")

    def invoking(body: bytes) -> str:
        inference = unique("inference")
        answer = runtime.invoke_endpoint(
            EndpointName=NAME, Body=body, ContentType="image/png", InferenceId=inference
        )
        assert answer["InvokedProductionVariant"] == "AllTraffic"
        assert json.loads(answer["Body"].read()) == {"version": "production"}
        return inference

    return invoking


@pytest.fixture
def captured(cloud: Instance, destination: str) -> Callable[[str], dict[str, Any]]:
    """Return a function that reads what was captured of a variant, by inference id."""
    s3 = cloud.client("s3")
    bucket, _, prefix = destination.removeprefix("s3://").partition("/")

    def reading(variant: str) -> dict[str, Any]:
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=f"{prefix}/{NAME}/{variant}/"
        )
        keys = [each["Key"] for page in pages for each in page.get("Contents", [])]
        lines = [
            json.loads(line)
            for key in keys
            for line in s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode().splitlines()
        ]
        return {line["eventMetadata"]["inferenceId"]: line for line in lines}

    return reading


@pytest.fixture
def total(cloud: Instance) -> Callable[[str, str], float]:
    """Return a function that sums a metric of a variant."""

    def summing(variant: str, metric: str) -> float:
        found = cloud.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=metric,
            Dimensions=[
                {"Name": "EndpointName", "Value": NAME},
                {"Name": "VariantName", "Value": variant},
            ],
            StartTime=time.time() - 3600,
            EndTime=time.time() + 60,
            Period=3600,
            Statistics=["Sum"],
        )
        return float(sum(point["Sum"] for point in found["Datapoints"]))

    return summing


@pytest.fixture
def logged(cloud: Instance) -> Callable[[str], str]:
    """Return a function that reads a variant's log streams."""
    logs = cloud.client("logs")
    group = f"/aws/sagemaker/Endpoints/{NAME}"

    def reading(variant: str) -> str:
        streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{variant}/")
        return "\n".join(
            event["message"]
            for stream in streams["logStreams"]
            for event in logs.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
            )["events"]
        )

    return reading


@pytest.fixture
def settled(sagemaker: Any) -> Callable[[], dict[str, Any]]:
    """Return a function that waits for the endpoint's deployment to end, and gives its description."""

    def waiting() -> dict[str, Any]:
        shown: dict[str, Any] = wait(
            lambda: sagemaker.describe_endpoint(EndpointName=NAME),
            lambda seen: seen["EndpointStatus"] in ("InService", "Failed"),
            180.0,
        )
        assert shown["EndpointStatus"] == "InService", shown
        return shown

    return waiting


def _serving(cloud: Instance) -> int:
    """Count the containers: each has one adapter."""
    commands = []
    for each in belonging(cloud.identity):
        with contextlib.suppress(psutil.Error):  # it has ended since
            commands.append(each.cmdline())
    return sum(any(word.endswith("containers/adapter.py") for word in words) for words in commands)


def test_a_configuration_is_refused_when_its_shadow_has_no_model(
    sagemaker: Any, config: Callable[..., str]
) -> None:
    known = sagemaker.describe_endpoint_config(EndpointConfigName=config(shadow="shadow"))
    production, shadow = known["ProductionVariants"], known["ShadowProductionVariants"]
    with pytest.raises(ClientError, match="Could not find model"):
        sagemaker.create_endpoint_config(
            EndpointConfigName=unique("config"),
            ProductionVariants=production,
            ShadowProductionVariants=[{**shadow[0], "ModelName": "missing"}],
        )
    with pytest.raises(ClientError, match=r"ValidationException.*one shadow variant"):
        sagemaker.create_endpoint_config(
            EndpointConfigName=unique("config"),
            ProductionVariants=[*production, {**production[0], "VariantName": "Other"}],
            ShadowProductionVariants=shadow,
        )


def test_the_endpoint_answers_and_its_log_says_why_when_captures_are_denied(
    sagemaker: Any,
    config: Callable[..., str],
    settled: Callable[[], dict[str, Any]],
    invoke: Callable[[bytes], str],
    logged: Callable[[str], str],
    captured: Callable[[str], dict[str, Any]],
) -> None:
    sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=config("denied"))
    shown = settled()
    assert "ShadowProductionVariants" not in shown
    invoke(b"hello")
    said = wait(lambda: logged("AllTraffic"), lambda seen: "Data capture could not write" in seen, 30.0)
    assert "s3:PutObject" in said or "AccessDenied" in said
    invoke(b"hello")
    assert captured("AllTraffic") == {}


def test_the_endpoint_shows_its_shadow_when_an_update_adds_one(
    cloud: Instance,
    sagemaker: Any,
    config: Callable[..., str],
    settled: Callable[[], dict[str, Any]],
    keys: dict[str, str],
    destination: str,
) -> None:
    sagemaker.update_endpoint(EndpointName=NAME, EndpointConfigName=config(shadow="shadow"))
    pending = wait(
        lambda: sagemaker.describe_endpoint(EndpointName=NAME),
        lambda seen: "PendingDeploymentSummary" in seen,
    )["PendingDeploymentSummary"]
    assert [each["VariantName"] for each in pending["ShadowProductionVariants"]] == ["Next"]
    shown = settled()
    assert "FailureReason" not in shown
    assert [each["VariantName"] for each in shown["ProductionVariants"]] == ["AllTraffic"]
    assert shown["ShadowProductionVariants"] == pending["ShadowProductionVariants"]
    assert shown["DataCaptureConfig"] == {
        "EnableCapture": True,
        "CaptureStatus": "Started",
        "CurrentSamplingPercentage": 100,
        "DestinationS3Uri": destination,
        "KmsKeyId": keys["captures"].rpartition("/")[2],
    }
    assert _serving(cloud) == 2


def test_both_answers_are_captured_under_their_variants_names(
    invoke: Callable[[bytes], str], captured: Callable[[str], dict[str, Any]]
) -> None:
    inference = invoke(b"hello")
    for variant, version in (("AllTraffic", "production"), ("Next", "shadow")):
        seen = wait(lambda name=variant: captured(name), lambda lines: inference in lines, 30.0)  # type: ignore[misc]
        line = seen[inference]
        assert line["captureData"]["endpointInput"] == {
            "observedContentType": "image/png",
            "mode": "INPUT",
            "data": "aGVsbG8=",
            "encoding": "BASE64",
        }
        output = line["captureData"]["endpointOutput"]
        assert json.loads(output.pop("data")) == {"version": version}
        assert output == {
            "observedContentType": "application/json",
            "mode": "OUTPUT",
            "encoding": "JSON",
        }


def test_captures_are_put_in_each_models_own_role(cloud: Instance, keys: dict[str, str]) -> None:
    accesses = list(cloud.accesses())
    used = {(each["role"], each["used"]) for each in accesses if "used" in each}
    asked = {(each["role"], each["action"], each["resource"]) for each in accesses if each.get("allowed")}
    for role in (ROLES["production"], ROLES["shadow"]):
        assert {(role, "s3:PutObject"), (role, "kms:GenerateDataKey")} <= used
        assert {(role, "kms:GenerateDataKey", key) for key in keys.values()} <= asked


def test_the_production_answers_and_serves_when_the_shadow_does_not(
    invoke: Callable[[bytes], str],
    captured: Callable[[str], dict[str, Any]],
    total: Callable[[str, str], float],
    logged: Callable[[str], str],
    gate: Path,
) -> None:
    before = wait(lambda: total("AllTraffic", "Invocations"), lambda seen: seen >= 3.0, 20.0)
    failed = invoke(b"boom")
    wait(lambda: total("Next", "Invocation5XXErrors"), lambda seen: seen == 1.0, 20.0)
    # Every one is answered while the shadow holds all that it has places for.
    held = [invoke(b"hold") for _ in range(COPIES + 4)]
    wait(lambda: captured("AllTraffic"), lambda seen: {failed, *held} <= set(seen), 30.0)
    assert not {failed, *held} & set(captured("Next"))
    wait(lambda: logged("Next"), lambda seen: "Copies are dropped" in seen, 20.0)
    gate.touch()
    wait(lambda: captured("Next"), lambda seen: len(set(held) & set(seen)) == COPIES, 30.0)
    made = 1.0 + len(held)
    wait(lambda: total("AllTraffic", "Invocations"), lambda seen: seen == before + made, 20.0)
    assert total("AllTraffic", "Invocation5XXErrors") == 0.0
    wait(lambda: total("Next", "Invocations"), lambda seen: seen == 2.0 + COPIES, 20.0)
    assert total("Next", "Invocation5XXErrors") == 1.0
    assert failed not in captured("Next")


def test_the_old_fleet_and_its_shadow_serve_on_when_a_new_shadow_cannot_start(
    cloud: Instance,
    sagemaker: Any,
    config: Callable[..., str],
    settled: Callable[[], dict[str, Any]],
    invoke: Callable[[bytes], str],
    captured: Callable[[str], dict[str, Any]],
) -> None:
    before = sagemaker.describe_endpoint(EndpointName=NAME)["EndpointConfigName"]
    sagemaker.update_endpoint(EndpointName=NAME, EndpointConfigName=config(shadow="broken"))
    shown = settled()
    assert "The weights are missing." in shown["FailureReason"]
    assert shown["EndpointConfigName"] == before
    inference = invoke(b"hello")
    wait(lambda: captured("Next"), lambda lines: inference in lines, 30.0)
    assert _serving(cloud) == 2


def test_the_shadow_ends_when_an_update_drops_it(
    cloud: Instance,
    sagemaker: Any,
    config: Callable[..., str],
    settled: Callable[[], dict[str, Any]],
    invoke: Callable[[bytes], str],
    captured: Callable[[str], dict[str, Any]],
) -> None:
    sagemaker.update_endpoint(EndpointName=NAME, EndpointConfigName=config())
    shown = settled()
    assert "FailureReason" not in shown
    assert "ShadowProductionVariants" not in shown
    assert _serving(cloud) == 1
    inference = invoke(b"hello")
    wait(lambda: captured("AllTraffic"), lambda lines: inference in lines, 30.0)
    assert inference not in captured("Next")


def test_nothing_is_left_and_nothing_lost_when_the_endpoint_is_deleted(
    cloud: Instance,
    sagemaker: Any,
    invoke: Callable[[bytes], str],
    captured: Callable[[str], dict[str, Any]],
) -> None:
    inference = invoke(b"last")
    sagemaker.delete_endpoint(EndpointName=NAME)
    wait(lambda: sagemaker.list_endpoints(NameContains=NAME)["Endpoints"], lambda seen: not seen, 60.0)
    assert inference in captured("AllTraffic")
    assert not [each for each in belonging(cloud.identity) if "ray" in each.name()]
    assert _serving(cloud) == 0
