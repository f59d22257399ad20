"""Endpoints and transform jobs against a running emulator, with a small Ray Serve application.

The tests of one endpoint run in the order of its life, because every start of Ray takes seconds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.instance import Instance
from localcloud.processes import belonging
from tests.integration.localcloud_sagemaker.conftest import RAY, ROLE, archive, unique, wait

NAME = unique("endpoint")
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
    if VERSION == "broken":
        raise RuntimeError("The weights are missing.")

    @serve.deployment(ray_actor_options={"num_cpus": 0.1}, max_ongoing_requests=32)
    class Greeter:
        async def __call__(self, request: Request) -> Response:
            if request.url.path.endswith("/-/healthz"):
                return JSONResponse({"ok": True})
            body = await request.body()
            if body == b"bad":
                return JSONResponse({"error": "UnreadableImageError", "message": "Not an image."}, 400)
            if body == b"boom":
                return JSONResponse({"error": "boom"}, 500)
            return JSONResponse(
                {
                    "version": VERSION,
                    "path": request.url.path,
                    "size": len(body),
                    "type": request.headers["content-type"],
                    "attributes": request.headers.get("x-amzn-sagemaker-custom-attributes"),
                    "inference": request.headers.get("x-amzn-sagemaker-inference-id"),
                    "aws": sorted(key for key in os.environ if key.startswith("AWS_")),
                },
                headers={"X-Amzn-SageMaker-Custom-Attributes": "seen", "X-Other": "dropped"},
            )

    application = Greeter.bind()
"""


@pytest.fixture
def model(sagemaker: Any, put: Callable[[str, bytes], str]) -> Callable[..., str]:
    """Return a function that makes a model and an endpoint configuration of the same name."""

    def making(version: str, backend: str = "http://127.0.0.1:8000/greeter", timeout: str = "60") -> str:
        name = unique(version)
        files = {"config.yaml": CONFIG, "code/greeter/app.py": APP, "code/greeter/version.txt": version}
        sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=ROLE,
            EnableNetworkIsolation=True,
            PrimaryContainer={
                "Image": RAY,
                "ModelDataUrl": put(
                    f"{name}/model.tar.gz", archive({**files, "code/greeter/__init__.py": ""})
                ),
                "Environment": {"RAYSERVE_BACKEND_URL": backend, "RAYSERVE_BACKEND_TIMEOUT": timeout},
            },
        )
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": name,
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 2,
        }
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        return name

    return making


def _settled(sagemaker: Any, name: str, seconds: float = 120.0) -> dict[str, Any]:
    settled: dict[str, Any] = wait(
        lambda: sagemaker.describe_endpoint(EndpointName=name),
        lambda seen: seen["EndpointStatus"] in ("InService", "Failed"),
        seconds,
    )
    return settled


def _invoke(cloud: Instance, body: bytes = b"hello", **more: Any) -> dict[str, Any]:
    answer = cloud.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=NAME, Body=body, ContentType="image/png", **more
    )
    return {**json.loads(answer["Body"].read()), "custom": answer.get("CustomAttributes"), "answer": answer}


def test_an_endpoint_serves_when_it_is_created(
    cloud: Instance, sagemaker: Any, model: Callable[[str], str]
) -> None:
    with pytest.raises(ClientError, match=r"ValidationError.*not found"):
        _invoke(cloud)
    sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=model("one"))
    assert sagemaker.describe_endpoint(EndpointName=NAME)["EndpointStatus"] == "Creating"
    with pytest.raises(ClientError, match="Cannot delete in-progress endpoint"):
        sagemaker.delete_endpoint(EndpointName=NAME)
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        sagemaker.update_endpoint(
            EndpointName=NAME,
            EndpointConfigName=sagemaker.describe_endpoint(EndpointName=NAME)["EndpointConfigName"],
        )
    shown = _settled(sagemaker, NAME)
    assert shown["EndpointStatus"] == "InService", shown
    assert shown["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    seen = _invoke(cloud, b"x" * 1000, CustomAttributes="mine", InferenceId="id-1", Accept="application/json")
    assert seen["version"] == "one"
    assert seen["path"] in ("/greeter", "/greeter/")
    assert (seen["size"], seen["type"]) == (1000, "image/png")
    assert (seen["attributes"], seen["inference"]) == ("mine", "id-1")
    assert seen["custom"] == "seen"
    assert seen["aws"] in ([], ["AWS_REGION"])
    assert seen["answer"]["ContentType"] == "application/json"
    assert seen["answer"]["InvokedProductionVariant"] == "AllTraffic"


@pytest.mark.parametrize(("body", "status"), [(b"bad", 400), (b"boom", 500)])
def test_the_containers_error_reaches_the_caller_when_it_refuses(
    cloud: Instance, body: bytes, status: int
) -> None:
    with pytest.raises(ClientError) as caught:
        _invoke(cloud, body)
    answer: dict[str, Any] = caught.value.response  # type: ignore[assignment]
    assert answer["Error"]["Code"] == "ModelError"
    assert answer["OriginalStatusCode"] == status
    assert json.loads(answer["OriginalMessage"])["error"] in ("UnreadableImageError", "boom")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 424


def test_a_body_is_refused_when_it_is_over_six_mebibytes(cloud: Instance) -> None:
    limit = 6 * 1024 * 1024
    assert _invoke(cloud, b"x" * limit)["size"] == limit
    with pytest.raises(ClientError) as caught:
        _invoke(cloud, b"x" * (limit + 1))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_sagemaker_core_reads_an_endpoint_back_when_it_is_in_service(
    cloud: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in cloud.environment().items():
        if key.startswith("AWS_"):
            monkeypatch.setenv(key, value)
    resources = pytest.importorskip("sagemaker.core.resources")
    endpoint = resources.Endpoint.get(endpoint_name=NAME)
    endpoint.wait_for_status("InService", poll=1, timeout=30)
    assert endpoint.production_variants[0].variant_name == "AllTraffic"


def test_the_old_fleet_serves_on_when_an_alarm_rings(
    cloud: Instance, sagemaker: Any, model: Callable[[str], str]
) -> None:
    before = sagemaker.describe_endpoint(EndpointName=NAME)["EndpointConfigName"]
    cloudwatch = cloud.client("cloudwatch")
    alarm = unique("alarm")
    cloudwatch.put_metric_alarm(
        AlarmName=alarm,
        Namespace="AWS/SageMaker",
        MetricName="Invocation5XXErrors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1000.0,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    routing = {
        "Type": "CANARY",
        "WaitIntervalInSeconds": 60,
        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50},
    }
    sagemaker.update_endpoint(
        EndpointName=NAME,
        EndpointConfigName=model("two"),
        DeploymentConfig={
            "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": 0},
            "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": alarm}]},
        },
    )
    assert _invoke(cloud)["version"] == "one"
    # The canary has half of the traffic: both versions answer.
    wait(lambda: _invoke(cloud)["version"], lambda seen: seen == "two", 120.0)
    assert "one" in {_invoke(cloud)["version"] for _ in range(30)}
    assert sagemaker.describe_endpoint(EndpointName=NAME)["EndpointStatus"] == "Updating"
    cloudwatch.set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="a test rings it")
    shown = _settled(sagemaker, NAME, 60.0)
    assert shown["EndpointStatus"] == "InService"
    assert alarm in shown["FailureReason"]
    assert shown["EndpointConfigName"] == before
    assert {_invoke(cloud)["version"] for _ in range(10)} == {"one"}


def test_the_old_fleet_serves_on_when_the_new_one_cannot_start(
    cloud: Instance, sagemaker: Any, model: Callable[[str], str]
) -> None:
    sagemaker.update_endpoint(EndpointName=NAME, EndpointConfigName=model("broken"))
    started = time.monotonic()
    shown = _settled(sagemaker, NAME)
    assert time.monotonic() - started < 60.0
    assert "The weights are missing." in shown["FailureReason"]
    assert _invoke(cloud)["version"] == "one"


def test_the_new_fleet_serves_when_an_update_succeeds(
    cloud: Instance, sagemaker: Any, model: Callable[[str], str]
) -> None:
    name = model("three")
    sagemaker.update_endpoint(EndpointName=NAME, EndpointConfigName=name)
    seen = set()
    while sagemaker.describe_endpoint(EndpointName=NAME)["EndpointStatus"] == "Updating":
        seen.add(_invoke(cloud)["version"])
        time.sleep(0.2)
    assert seen <= {"one", "three"}
    shown = _settled(sagemaker, NAME)
    assert (shown["EndpointStatus"], shown["EndpointConfigName"]) == ("InService", name)
    assert "FailureReason" not in shown
    assert _invoke(cloud)["version"] == "three"


def test_cloudwatch_counts_invocations_when_they_were_made(cloud: Instance) -> None:
    def total(metric: str) -> float:
        found = cloud.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=metric,
            Dimensions=[
                {"Name": "EndpointName", "Value": NAME},
                {"Name": "VariantName", "Value": "AllTraffic"},
            ],
            StartTime=time.time() - 3600,
            EndTime=time.time() + 60,
            Period=3600,
            Statistics=["Sum"],
        )
        return float(sum(point["Sum"] for point in found["Datapoints"]))

    wait(lambda: total("Invocation5XXErrors"), lambda seen: seen == 1.0, 20.0)
    assert total("Invocation4XXErrors") == 1.0
    assert total("Invocations") > 10
    assert total("ModelLatency") > 1000


def test_no_process_is_left_when_an_endpoint_is_deleted(cloud: Instance, sagemaker: Any) -> None:
    assert [each for each in belonging(cloud.identity) if "raylet" in each.name()]
    sagemaker.delete_endpoint(EndpointName=NAME)
    wait(lambda: sagemaker.list_endpoints(NameContains=NAME)["Endpoints"], lambda seen: not seen, 60.0)
    with pytest.raises(ClientError, match="Could not find endpoint"):
        sagemaker.describe_endpoint(EndpointName=NAME)
    assert not [each for each in belonging(cloud.identity) if "ray" in each.name()]


def test_an_endpoint_fails_with_its_last_line_when_the_archive_has_no_application(
    sagemaker: Any, put: Callable[[str, bytes], str]
) -> None:
    name = unique("bare")
    container = {"Image": RAY, "ModelDataUrl": put(f"{name}/model.tar.gz", archive({"readme.txt": "empty"}))}
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    shown = _settled(sagemaker, name)
    assert shown["EndpointStatus"] == "Failed"
    assert "config.yaml" in shown["FailureReason"]
    sagemaker.delete_endpoint(EndpointName=name)


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"backend": "127.0.0.1:8000/greeter"}, "ValueError: RAYSERVE_BACKEND_URL is"),
        ({"backend": "http:///greeter"}, "ValueError: RAYSERVE_BACKEND_URL is"),
        ({"timeout": "0"}, "ValueError: RAYSERVE_BACKEND_TIMEOUT is 0"),
        ({"timeout": "1m"}, "ValueError: invalid literal"),
    ],
)
def test_an_endpoint_fails_with_the_adapters_sentence_when_it_refuses_to_start(
    sagemaker: Any, model: Callable[..., str], variables: dict[str, str], why: str
) -> None:
    name = model("one", **variables)
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    shown = _settled(sagemaker, name)
    assert shown["EndpointStatus"] == "Failed"
    assert why in shown["FailureReason"]
    sagemaker.delete_endpoint(EndpointName=name)


@pytest.fixture
def transformed(
    sagemaker: Any, model: Callable[[str], str], put: Callable[[str, bytes], str], bucket: str
) -> Callable[[dict[str, bytes]], dict[str, Any]]:
    """Return a function that runs a transform job over objects and gives its description."""

    def transforming(objects: dict[str, bytes]) -> dict[str, Any]:
        name = unique("xform")
        for key, body in objects.items():
            put(f"{name}/in/{key}", body)
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/{name}/in/"}
        sagemaker.create_transform_job(
            TransformJobName=name,
            ModelName=model("batch"),
            MaxConcurrentTransforms=2,
            ModelClientConfig={"InvocationsMaxRetries": 1},
            TransformInput={"DataSource": {"S3DataSource": source}, "ContentType": "image/png"},
            TransformOutput={"S3OutputPath": f"s3://{bucket}/{name}/out"},
            TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
        )
        ended: dict[str, Any] = wait(
            lambda: sagemaker.describe_transform_job(TransformJobName=name),
            lambda seen: seen["TransformJobStatus"] in ("Completed", "Failed", "Stopped"),
            120.0,
        )
        return ended

    return transforming


def test_every_object_is_answered_when_a_transform_job_runs(
    cloud: Instance,
    transformed: Callable[[dict[str, bytes]], dict[str, Any]],
    fetch: Callable[[str], bytes],
) -> None:
    objects = {f"class-{number % 2}/file {number}.png": b"x" * number for number in range(1, 6)}
    ended = transformed(objects)
    assert ended["TransformJobStatus"] == "Completed", ended.get("FailureReason")
    for key, body in objects.items():
        answer = json.loads(fetch(f"{ended['TransformOutput']['S3OutputPath']}/{key}.out"))
        assert (answer["version"], answer["size"]) == ("batch", len(body))
    assert not [each for each in belonging(cloud.identity) if "ray" in each.name()]


def test_a_transform_job_fails_with_the_answer_when_one_object_is_refused(
    transformed: Callable[[dict[str, bytes]], dict[str, Any]],
) -> None:
    ended = transformed({"good.png": b"good", "poor.png": b"bad"})
    assert ended["TransformJobStatus"] == "Failed"
    assert "poor.png: 400" in ended["FailureReason"]
    assert "Not an image." in ended["FailureReason"]
