from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.stub import ANY

from lambda_src.adapters.bus import Bus
from lambda_src.adapters.dead_letters import DeadLetters
from lambda_src.adapters.objects import Objects
from lambda_src.publish_decision.logic import detail, publish
from lambda_src.publish_decision.reviews import Reviews
from tests.unit.lambda_src.stubs import Stubber

DEAD = "https://sqs.eu-central-1.amazonaws.com/123456789012/dead"
LETTERS = DeadLetters(DEAD)
IMAGE = {
    "object": {"S": "s3://inbound/vehicles/é.png"},
    "version_id": {"S": "v1"},
    "confidence": {"N": "0.97"},
    "milliseconds": {"N": "42"},
    "probabilities": {"S": '{"bicycle": 0.97}'},
    "sampled": {"S": "true"},
    "review": {"NULL": True},
    "labels": {"L": [{"S": "a"}, {"M": {"b": {"BOOL": True}}}]},
}
DETAIL = {
    "object": "s3://inbound/vehicles/é.png",
    "version_id": "v1",
    "confidence": 0.97,
    "milliseconds": 42,
    "probabilities": {"bicycle": 0.97},
    "sampled": True,
    "review": None,
    "labels": ["a", {"b": True}],
}
DECISION = {
    "object": "s3://inbound/vehicles/é.png",
    "version_id": "v1",
    "decision_id": "d1",
    "classifier": "vehicles",
    "outcome": "review",
    "class": "bicycle",
    "route": "",
    "model_version": "abc",
    "confidence": 0.6,
    "reviewed_class": "motorcycle",
    "reviewed_by": "kim",
    "reviewed_at": "2026-11-25T20:00:00+00:00",
}


def item(**changes: str) -> dict[str, Any]:
    values = {**DECISION, **changes}
    return {name: {"S": each} if isinstance(each, str) else {"N": str(each)} for name, each in values.items()}


def record(number: int, image: Any = None, name: str = "INSERT") -> dict[str, Any]:
    return {"eventName": name, "dynamodb": {"SequenceNumber": str(number), "NewImage": image or IMAGE}}


@pytest.fixture
def events(stub: Any) -> Stubber:
    return stub("events")  # type: ignore[no-any-return]


@pytest.fixture
def s3(stub: Any) -> Stubber:
    return stub("s3")  # type: ignore[no-any-return]


@pytest.fixture
def reviews(s3: Stubber) -> Reviews:
    routes = {"bicycle": "near", "motorcycle": "far"}
    return Reviews(Objects(s3.client), "vehicles", routes, "results", "datasets")


def expect(events: Stubber, count: int, refused: tuple[int, ...] = (), **changed: Any) -> None:
    entry = {
        "EventBusName": "bus",
        "Source": "scones.classification",
        "DetailType": "VehicleClassified",
        "Detail": json.dumps(DETAIL, ensure_ascii=False),
        **changed,
    }
    results = [
        {"ErrorCode": "InternalFailure"} if at in refused else {"EventId": str(at)} for at in range(count)
    ]
    events.add_response(
        "put_events", {"FailedEntryCount": len(refused), "Entries": results}, {"Entries": [entry] * count}
    )


def expect_review(events: Stubber, route: str, said: str) -> None:
    told = {
        **DECISION,
        "reviewed_class": said,
        "probabilities": {},
        "sampled": False,
        "reviewed_route": route,
    }
    expect(events, 1, DetailType="VehicleReviewed", Detail=json.dumps(told, ensure_ascii=False))


def expect_kept(s3: Stubber, said: str) -> None:
    review = {
        "decision_id": "d1",
        "object": "s3://inbound/vehicles/é.png",
        "version_id": "v1",
        "outcome": "review",
        "confidence": 0.6,
        "model_version": "abc",
        "sampled": False,
        "classifier": "vehicles",
        "class": said,
        "predicted": "bicycle",
        "by": "kim",
        "at": "2026-11-25T20:00:00+00:00",
    }
    body = json.dumps(review, ensure_ascii=False).encode()
    s3.add_response("put_object", {}, {"Bucket": "results", "Key": "reviews/vehicles/d1.json", "Body": body})


COPY = {
    "Bucket": "datasets",
    "Key": "vehicles/reviewed/motorcycle/2026-11-25/d1",
    "CopySource": {"Bucket": "inbound", "Key": "vehicles/é.png", "VersionId": "v1"},
    "TaggingDirective": "REPLACE",
}


def test_attributes_are_plain_values_when_deserialised() -> None:
    assert detail(IMAGE) == DETAIL


def test_events_go_in_tens_when_the_batch_is_larger(events: Stubber, reviews: Reviews) -> None:
    expect(events, 10)
    expect(events, 2)
    answer = publish([record(at) for at in range(12)], Bus("bus", events.client), reviews, LETTERS)
    assert answer == {"batchItemFailures": []}


def test_first_refused_record_is_reported_when_some_are_refused(events: Stubber, reviews: Reviews) -> None:
    expect(events, 10)
    expect(events, 3, refused=(1, 2))
    answer = publish([record(at) for at in range(13)], Bus("bus", events.client), reviews, LETTERS)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "11"}]}


def test_first_record_of_a_call_is_reported_when_the_call_fails(events: Stubber, reviews: Reviews) -> None:
    events.add_client_error("put_events", "ThrottlingException")
    answer = publish([record(7), record(8)], Bus("bus", events.client), reviews, LETTERS)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "7"}]}


ODD = record(2, {"confidence": {"N": "much"}})


@pytest.mark.parametrize(
    "odd",
    [
        ODD,
        record(2, {"probabilities": {"M": {"bicycle": {"N": "1"}}}}),
        record(2, {**item(), "reviewed_class": {"L": []}}, "MODIFY"),
        record(2, {**item(), "reviewed_at": {"NULL": True}}, "MODIFY"),
        record(2, {"reviewed_at": {"S": "now"}}, "MODIFY"),
    ],
)
def test_an_item_that_is_not_understood_is_a_dead_letter_and_the_others_are_published(
    events: Stubber, stub: Any, reviews: Reviews, odd: dict[str, Any]
) -> None:
    expect(events, 2)
    sqs: Stubber = stub("sqs")
    sqs.add_response("send_message", {"MessageId": "m"}, {"QueueUrl": DEAD, "MessageBody": ANY})
    letters = DeadLetters(DEAD, sqs.client)
    answer = publish([record(1), odd, record(3)], Bus("bus", events.client), reviews, letters)
    assert answer == {"batchItemFailures": []}


def test_earlier_records_are_published_when_a_dead_letter_cannot_be_sent(
    events: Stubber, stub: Any, reviews: Reviews
) -> None:
    expect(events, 1)
    sqs: Stubber = stub("sqs")
    sqs.add_client_error("send_message", "ServiceUnavailable", http_status_code=503)
    letters = DeadLetters(DEAD, sqs.client)
    answer = publish([record(1), ODD, record(3)], Bus("bus", events.client), reviews, letters)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "2"}]}


def test_nothing_is_published_when_records_are_changed_otherwise_or_removed(reviews: Reviews) -> None:
    changes = [record(1, name="MODIFY"), {"eventName": "REMOVE", "dynamodb": {"SequenceNumber": "2"}}]
    assert publish(changes, Bus("bus"), reviews, LETTERS) == {"batchItemFailures": []}


def test_a_review_is_kept_copied_and_published_when_the_item_gets_it(
    events: Stubber, s3: Stubber, reviews: Reviews
) -> None:
    for _ in range(2):  # twice, as the stream may bring it: to the same keys
        expect_kept(s3, "motorcycle")
        s3.add_response("copy_object", {}, COPY)
        expect_review(events, "far", "motorcycle")
        answer = publish([record(1, item(), "MODIFY")], Bus("bus", events.client), reviews, LETTERS)
        assert answer == {"batchItemFailures": []}


def test_no_picture_goes_into_the_dataset_when_it_shows_none(
    events: Stubber, s3: Stubber, reviews: Reviews
) -> None:
    expect_kept(s3, "none")
    expect_review(events, "", "none")
    changed = record(1, item(reviewed_class="none"), "MODIFY")
    assert publish([changed], Bus("bus", events.client), reviews, LETTERS) == {"batchItemFailures": []}


def test_a_review_counts_when_its_picture_is_gone(events: Stubber, s3: Stubber, reviews: Reviews) -> None:
    expect_kept(s3, "motorcycle")
    s3.add_client_error("copy_object", "NoSuchVersion", http_status_code=404, expected_params=COPY)
    expect_review(events, "far", "motorcycle")
    answer = publish([record(1, item(), "MODIFY")], Bus("bus", events.client), reviews, LETTERS)
    assert answer == {"batchItemFailures": []}


def test_the_record_is_reported_and_no_event_says_it_when_a_review_is_not_kept(
    events: Stubber, s3: Stubber, reviews: Reviews
) -> None:
    expect(events, 1)
    s3.add_client_error("put_object", "SlowDown", http_status_code=503)
    answer = publish([record(1), record(2, item(), "MODIFY")], Bus("bus", events.client), reviews, LETTERS)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "2"}]}
