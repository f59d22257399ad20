"""Of any picture that is sent, exactly one outcome is recorded."""

from __future__ import annotations

import json

import pytest

from lambda_src.naming import UNDECIDED
from tests.integration.workflow.conftest import Deployment, until
from tests.integration.workflow.pictures import UNUSABLE, USABLE
from tests.integration.workflow.scenarios import ANSWER, answers, gives

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def outcomes(deployment: Deployment) -> dict[str, dict[str, str]]:
    """Send every picture at once and wait for all outcomes."""
    versions = {key: deployment.upload(key, content) for key, content in {**USABLE, **UNUSABLE}.items()}
    return {key: deployment.outcome(key, version) for key, version in versions.items()}


@pytest.mark.parametrize("key", USABLE)
def test_a_usable_picture_is_routed_or_reviewed(outcomes: dict[str, dict[str, str]], key: str) -> None:
    outcome = outcomes[key]
    assert outcome["outcome"] in ("routed", "review")
    assert outcome["class"] in ("bicycle", "motorcycle")
    route = {"bicycle": "near", "motorcycle": "far"}[outcome["class"]]
    assert outcome["route"] == (route if outcome["outcome"] == "routed" else "")
    assert (float(outcome["confidence"]) >= float(outcome["threshold"])) is (outcome["outcome"] == "routed")


@pytest.mark.parametrize("key", UNUSABLE)
def test_an_unusable_picture_is_rejected_with_its_reason(
    outcomes: dict[str, dict[str, str]], key: str
) -> None:
    assert outcomes[key]["outcome"] == "rejected"
    assert len(outcomes[key]["reason"]) > 10


def test_every_object_has_one_record_and_no_message_is_left(
    deployment: Deployment, outcomes: dict[str, dict[str, str]]
) -> None:
    items = deployment.client("dynamodb").scan(TableName=deployment.outputs["ResultsTableName"])["Items"]
    names = [item["object"]["S"] for item in items]
    for key in outcomes:
        assert names.count(f"s3://{deployment.outputs['InboundBucketName']}/vehicles/{key}") == 1
    queue = deployment.outputs["DeadLetterQueueUrl"]
    letters = deployment.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
    assert not letters.get("Messages")


def test_tags_are_merged_onto_the_object(deployment: Deployment) -> None:
    version = deployment.upload("tagged.png", USABLE["plain.png"], Tagging="order=17")
    outcome = deployment.outcome("tagged.png", version)
    bucket = deployment.outputs["InboundBucketName"]

    def tags() -> dict[str, str] | None:
        found = deployment.client("s3").get_object_tagging(
            Bucket=bucket, Key="vehicles/tagged.png", VersionId=version
        )
        tags = {tag["Key"]: tag["Value"] for tag in found["TagSet"]}
        return tags if "scones:outcome" in tags else None

    expected = {"order": "17", "scones:outcome": outcome["outcome"], "scones:class": outcome["class"]}
    assert until(tags, 30, "the tags") == expected


@pytest.mark.parametrize("own", [8, 9, 10])
def test_an_image_is_logged_however_many_tags_of_its_own_it_has(deployment: Deployment, own: int) -> None:
    key, given = f"tags-{own}.png", {f"k{number}": "v" for number in range(own)}
    version = deployment.upload(key, USABLE["plain.png"], Tagging="&".join(f"{name}=v" for name in given))
    outcome = deployment.outcome(key, version)
    # What comes after the tags.
    until(lambda: outcome["decision_id"] in deployment.logged() or None, 120, "the prediction log")
    found = deployment.client("s3").get_object_tagging(
        Bucket=deployment.outputs["InboundBucketName"], Key=f"vehicles/{key}", VersionId=version
    )
    room = {"scones:outcome": outcome["outcome"], "scones:class": outcome["class"]}
    expected = {**given, **dict(list(room.items())[: 10 - own])}
    assert {tag["Key"]: tag["Value"] for tag in found["TagSet"]} == expected


def test_a_replayed_event_changes_nothing(deployment: Deployment) -> None:
    version = deployment.upload("replayed.png", USABLE["plain.png"])
    first = deployment.outcome("replayed.png", version)
    image = {
        "bucket": deployment.outputs["InboundBucketName"],
        "key": "vehicles/replayed.png",
        "version_id": version,
        "size": len(USABLE["plain.png"]),
    }
    answer = deployment.client("stepfunctions").start_sync_execution(
        stateMachineArn=deployment.outputs["ClassificationStateMachineArn"],
        input=json.dumps({"images": [image]}),
    )
    assert answer["status"] == "SUCCEEDED", answer
    assert deployment.record("replayed.png", version) == first


def test_images_of_one_execution_are_decided_each_for_itself(deployment: Deployment) -> None:
    sent = {
        "together-1.png": USABLE["plain.png"],
        "together-2.png": next(iter(UNUSABLE.values())),
        "together-3.png": USABLE["plain.png"],
    }
    versions = {key: deployment.upload(key, content) for key, content in sent.items()}
    first = {key: deployment.outcome(key, version) for key, version in versions.items()}
    bucket = deployment.outputs["InboundBucketName"]
    images = [
        {"bucket": bucket, "key": f"vehicles/{key}", "version_id": versions[key], "size": len(content)}
        for key, content in sent.items()
    ]
    images.insert(1, {**images[0], "key": "vehicles/never-there.png"})
    answer = deployment.client("stepfunctions").start_sync_execution(
        stateMachineArn=deployment.outputs["ClassificationStateMachineArn"],
        input=json.dumps({"images": images}),
    )
    assert (answer["status"], answer["error"]) == ("FAILED", UNDECIDED), answer
    failures = [each.get("failure") for each in json.loads(answer["cause"])]
    assert [each and each["error"] for each in failures] == [None, "ObjectMissingError", None, None]
    del images[1]
    answer = deployment.client("stepfunctions").start_sync_execution(
        stateMachineArn=deployment.outputs["ClassificationStateMachineArn"],
        input=json.dumps({"images": images}),
    )
    assert answer["status"] == "SUCCEEDED", answer
    decisions = [each["decision"] for each in json.loads(answer["output"])]
    assert [each["outcome"] for each in decisions] == [first[key]["outcome"] for key in sent]
    assert [each["decision_id"] for each in decisions] == [first[key]["decision_id"] for key in sent]


def test_an_unsure_picture_reaches_the_review_queue(deployment: Deployment) -> None:
    # Whether a model is unsure of any given picture is chance, so its answer is mocked. The object lies where
    # no event starts a run of its own, and where the role may not tag it: its tags are mocked too.
    machine, bucket = (
        deployment.outputs["ClassificationStateMachineArn"],
        deployment.outputs["InboundBucketName"],
    )
    content, key = USABLE["plain.png"], "unwatched/unsure.png"
    version = deployment.client("s3").put_object(Bucket=bucket, Key=key, Body=content)["VersionId"]
    image = {"bucket": bucket, "key": key, "version_id": version, "size": len(content)}
    tests = {"TestCases": {"review": {"ClassifyImages": "unsure", "ReadTags": "none", "WriteTags": "done"}}}
    mocks = {
        "StateMachines": {machine.rpartition(":")[2]: tests},
        "MockedResponses": {
            "unsure": {"0": answers({**ANSWER, "confident": False}, image=image)},
            "none": {"0": gives(TagSet=[])},
            "done": {"0": gives()},
        },
    }
    deployment.mocks.write_text(json.dumps(mocks))
    answer = deployment.client("stepfunctions").start_sync_execution(
        stateMachineArn=f"{machine}#review", input=json.dumps({"images": [image]})
    )
    ((decision,),) = [each.values() for each in json.loads(answer["output"])]
    assert (decision["outcome"], decision["route"]) == ("review", "")
    seen: set[str] = set()

    def arrived() -> bool | None:
        found = deployment.client("sqs").receive_message(
            QueueUrl=deployment.outputs["ReviewQueueUrl"], MaxNumberOfMessages=10
        )
        seen.update(json.loads(m["Body"])["decision"]["decision_id"] for m in found.get("Messages", []))
        return decision["decision_id"] in seen or None

    assert until(arrived, 30, "the message for review")


def test_the_prediction_log_holds_every_decision(
    deployment: Deployment, outcomes: dict[str, dict[str, str]]
) -> None:
    wanted = {each["decision_id"] for each in outcomes.values()}
    until(lambda: True if wanted <= deployment.logged() else None, 120, "the prediction log")


def test_a_message_that_is_no_event_is_given_up_with_its_cause(deployment: Deployment) -> None:
    sqs, queue = deployment.client("sqs"), deployment.outputs["InboundQueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="no event at all")
    sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"detail": {"bucket": {"name": "somewhere"}}}))
    seen: dict[str, dict[str, str]] = {}

    def letters() -> bool | None:
        answer = sqs.receive_message(
            QueueUrl=deployment.outputs["DeadLetterQueueUrl"], MaxNumberOfMessages=10
        )
        seen.update({m["MessageId"]: json.loads(m["Body"]) for m in answer.get("Messages", [])})
        return True if len(seen) >= 2 else None

    assert until(letters, 60, "the dead letters")
    assert all(letter["error"].endswith("Error") and letter["cause"] for letter in seen.values())
