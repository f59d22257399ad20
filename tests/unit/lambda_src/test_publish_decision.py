from __future__ import annotations

import json
from typing import Any

import pytest

from lambda_src.adapters.bus import Bus
from lambda_src.publish_decision.logic import detail, publish
from tests.unit.lambda_src.stubs import Stubber

IMAGE = {
    "object": {"S": "s3://inbound/vehicles/é.png"},
    "version_id": {"S": "v1"},
    "confidence": {"N": "0.97"},
    "milliseconds": {"N": "42"},
    "probabilities": {"S": '{"bicycle": 0.97}'},
    "review": {"NULL": True},
    "labels": {"L": [{"S": "a"}, {"M": {"b": {"BOOL": True}}}]},
}
DETAIL = {
    "object": "s3://inbound/vehicles/é.png",
    "version_id": "v1",
    "confidence": 0.97,
    "milliseconds": 42,
    "probabilities": {"bicycle": 0.97},
    "review": None,
    "labels": ["a", {"b": True}],
}


def record(number: int, image: Any = None, name: str = "INSERT") -> dict[str, Any]:
    return {"eventName": name, "dynamodb": {"SequenceNumber": str(number), "NewImage": image or IMAGE}}


@pytest.fixture
def events(stub: Any) -> Stubber:
    return stub("events")  # type: ignore[no-any-return]


def expect(events: Stubber, count: int, refused: tuple[int, ...] = ()) -> None:
    entry = {
        "EventBusName": "bus",
        "Source": "scones.classification",
        "DetailType": "VehicleClassified",
        "Detail": json.dumps(DETAIL, ensure_ascii=False),
    }
    results = [
        {"ErrorCode": "InternalFailure"} if at in refused else {"EventId": str(at)} for at in range(count)
    ]
    events.add_response(
        "put_events", {"FailedEntryCount": len(refused), "Entries": results}, {"Entries": [entry] * count}
    )


def test_attributes_are_plain_values_when_deserialised() -> None:
    assert detail(IMAGE) == DETAIL


def test_events_go_in_tens_when_the_batch_is_larger(events: Stubber) -> None:
    expect(events, 10)
    expect(events, 2)
    assert publish([record(at) for at in range(12)], Bus("bus", events.client)) == {"batchItemFailures": []}


def test_first_refused_record_is_reported_when_some_are_refused(events: Stubber) -> None:
    expect(events, 10)
    expect(events, 3, refused=(1, 2))
    answer = publish([record(at) for at in range(13)], Bus("bus", events.client))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "11"}]}


def test_first_record_of_a_call_is_reported_when_the_call_fails(events: Stubber) -> None:
    events.add_client_error("put_events", "ThrottlingException")
    answer = publish([record(7), record(8)], Bus("bus", events.client))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "7"}]}


def test_earlier_records_are_published_when_one_is_not_understood(events: Stubber) -> None:
    expect(events, 1)
    odd = {"confidence": {"N": "much"}}
    answer = publish([record(1), record(2, odd), record(3)], Bus("bus", events.client))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "2"}]}


def test_nothing_is_published_when_records_are_changed_or_removed() -> None:
    changes = [record(1, name="MODIFY"), {"eventName": "REMOVE", "dynamodb": {"SequenceNumber": "2"}}]
    assert publish(changes, Bus("bus")) == {"batchItemFailures": []}
