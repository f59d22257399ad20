"""A version that fails, or is slow, behind a canary: the alarm brings the champion back while requests go on."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator

import pytest

from scones import state, versions
from scones.errors import LockedError, TrainingError
from scones.target import Target, of_instance
from scones.training import start
from tests.integration.loop.archives import with_app
from tests.integration.loop.load import load
from tests.integration.workflow.conftest import OVERLAY, PREFIX, Deployment, deploy, standing, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
HEALTHY = "        with self._admission.batch(1), self._admission.image():\n"
"""The line of the serving application before which a version falls ill."""
ILLNESSES = {
    "fails": '        raise RuntimeError("ill")\n',
    "is slow": "        await asyncio.sleep(3)\n",
}
CANARY = 1 / 3
"""One of three instances."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment whose canary is watched for half of its minutes: an alarm looks at two of them."""
    with standing(tmp_path_factory.mktemp("cloud"), OVERLAY, time_scale=0.5) as found:
        yield found


def ill(cloud: Deployment, champion: versions.Version, illness: str) -> str:
    """Register the champion's package with another application in it, and return its ARN."""
    sagemaker, s3 = cloud.client("sagemaker"), cloud.client("s3")
    package = sagemaker.describe_model_package(ModelPackageName=champion.arn)
    (container,) = package["InferenceSpecification"]["Containers"]
    bucket, _, key = container["ModelDataUrl"].removeprefix("s3://").partition("/")
    healthy = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    run = hashlib.sha256(illness.encode()).hexdigest()[:12]
    place = key.replace(champion.run, run)
    s3.put_object(
        Bucket=bucket, Key=place, Body=with_app(healthy, HEALTHY, ILLNESSES.get(illness, "") + HEALTHY)
    )
    specification = {
        **package["InferenceSpecification"],
        "Containers": [
            {
                **{name: container[name] for name in ("Image", "Environment")},
                "ModelDataUrl": f"s3://{bucket}/{place}",
            }
        ],
    }
    answer = sagemaker.create_model_package(
        ModelPackageGroupName=PREFIX,
        ModelApprovalStatus="Approved",
        InferenceSpecification=specification,
        ModelMetrics=package["ModelMetrics"],
        CustomerMetadataProperties={**package["CustomerMetadataProperties"], "run": run},
    )
    return str(answer["ModelPackageArn"])


def ringing(cloud: Deployment) -> bool:
    """Say whether an alarm of the endpoint rings."""
    found = cloud.client("cloudwatch").describe_alarms(StateValue="ALARM")["MetricAlarms"]
    return any(each["Namespace"] == "AWS/SageMaker" for each in found)


@pytest.mark.parametrize("illness", ILLNESSES)
def test_the_alarm_brings_the_champion_back_while_a_load_runs(cloud: Deployment, illness: str) -> None:
    # What rang before would let the rollback go unguarded: it is what a ringing alarm asks for.
    until(lambda: None if ringing(cloud) else True, 240, "silence")
    target: Target = of_instance(cloud.instance, name="scones", env="prod", classifier="vehicles")
    champion = next(each for each in versions.versions(target) if each.live)
    before = cloud.client("sagemaker").describe_endpoint(EndpointName=PREFIX)["EndpointConfigName"]
    arn = ill(cloud, champion, illness)
    (sick,) = [each for each in versions.versions(target) if each.arn == arn]
    with load(cloud) as asked:
        with pytest.raises(TrainingError, match="rolled back"):
            versions.rollback(target, sick.version, lambda _: None)
        back = time.monotonic()
        until(lambda: True if sum(sent > back for sent, _ in asked) >= 20 else None, 60, "20 answers")
    assert all(well for sent, well in asked if sent > back)
    failed = [sent for sent, well in asked if not well]
    assert failed or illness == "is slow"
    if failed:
        # What the ill version was at work on when it was ended fails as well, of a slow one too.
        during = [sent for sent, _ in asked if failed[0] <= sent <= failed[-1]]
        # Which of three instances a request meets is chance; three times its deviation is allowed.
        chance = (len(during) * CANARY * (1 - CANARY)) ** 0.5
        assert len(failed) <= CANARY * len(during) + 3 * chance
    shown = cloud.client("sagemaker").describe_endpoint(EndpointName=PREFIX)
    assert (shown["EndpointStatus"], shown["EndpointConfigName"]) == ("InService", before)
    (rejected,) = [each for each in versions.versions(target) if each.arn == arn]
    assert rejected.status == "Rejected"
    assert "rolled back" in rejected.why
    assert state.item(target, "champion")["run"] == champion.run


def test_the_champion_comes_back_when_a_rollout_is_ended_in_the_middle(cloud: Deployment) -> None:
    until(lambda: None if ringing(cloud) else True, 240, "silence")
    target: Target = of_instance(cloud.instance, name="scones", env="prod", classifier="vehicles")
    champion = next(each for each in versions.versions(target) if each.live)
    recorded = state.item(target, "champion")
    sagemaker = cloud.client("sagemaker")
    before = sagemaker.describe_endpoint(EndpointName=PREFIX)["EndpointConfigName"]
    execution = start(target, {"start": "rollback", "package": ill(cloud, champion, "is well")})

    def endpoint(status: str, config: str | None = None) -> bool | None:
        shown = sagemaker.describe_endpoint(EndpointName=PREFIX)
        return (shown["EndpointStatus"] == status and config in (None, shown["EndpointConfigName"])) or None

    until(lambda: endpoint("Updating"), 120, "the rollout")
    cloud.client("stepfunctions").stop_execution(executionArn=execution)
    # First it goes through, with a model that nobody has tried, and is then put back.
    ended = until(
        lambda: next((e for e in state.history(target) if e["reason"] == "settle"), None), 900, "the champion"
    )
    assert endpoint("InService", before)
    assert ended["status"] == "settled"
    # It is the champion that it was: as long on trial, and for the same reason.
    assert state.item(target, "champion") == recorded
    until(lambda: True if not state.item(target, "lock") else None, 60, "the lock")


def test_a_rollback_ends_the_training_that_is_in_its_way(cloud: Deployment) -> None:
    target: Target = of_instance(cloud.instance, name="scones", env="prod", classifier="vehicles")
    champion = next(each for each in versions.versions(target) if each.live)
    arn = ill(cloud, champion, "is well too")
    back = next(each for each in versions.versions(target) if each.arn == arn)
    training = start(target, {"reason": "schedule"})
    until(lambda: state.item(target, "lock") or None, 60, "the training")
    with pytest.raises(LockedError, match=r"training is under way, .*--stop"):
        versions.rollback(target, back.version, print)
    assert versions.rollback(target, back.version, print, stop=True).status == "promoted"
    assert state.item(target, "champion")["run"] == back.run
    shown = cloud.client("stepfunctions").describe_execution(executionArn=training)
    assert (shown["status"], shown["error"]) == ("ABORTED", "Ended")
    # What follows an ended run finds nothing to do.
    settled = until(
        lambda: next(
            (e for e in state.history(target) if e["reason"] == "settle" and e["status"] == "settled"), None
        ),
        120,
        "the look at what it left",
    )
    assert settled["gate_reason"] == "The endpoint serves the champion."


def test_a_worse_challenger_is_rejected_with_its_reason(cloud: Deployment) -> None:
    target: Target = of_instance(cloud.instance, name="scones", env="prod", classifier="vehicles")
    champion = state.item(target, "champion")
    before = cloud.client("sagemaker").describe_endpoint(EndpointName=PREFIX)["EndpointConfigName"]
    # It learns next to nothing, and the floor would let it pass.
    worse = OVERLAY.replace("minimum_accuracy = 0.6", "minimum_accuracy = 0.1").replace(
        "epochs = 3", "epochs = 1\nlearning_rate = 1e-7"
    )
    overlay = cloud.overlay.with_name("worse.toml")
    overlay.write_text(worse)
    deploy(cloud.instance, overlay, cloud.assembly.with_name("worse"))
    ended = state.history(target)[0]
    assert ended["status"] == "rejected", ended
    assert "worse beyond chance than the champion's" in ended["gate_reason"]
    assert state.item(target, "champion") == champion
    shown = cloud.client("sagemaker").describe_endpoint(EndpointName=PREFIX)
    assert (shown["EndpointStatus"], shown["EndpointConfigName"]) == ("InService", before)
    # A training that was rejected has come to its end: what it could learn, it has.
    assert state.item(target, "trained")["run"] == ended["run"]
