from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.stub import ANY

from lambda_src.adapters.dead_letters import DeadLetters
from lambda_src.adapters.workflow import Workflow
from lambda_src.dispatcher.logic import Dispatcher, pointer
from lambda_src.errors import DispatchError, MalformedMessageError
from lambda_src.naming import UNDECIDED
from tests.unit.lambda_src.stubs import Stubber

MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:classify"
DEAD = "https://sqs.eu-central-1.amazonaws.com/123456789012/dead"
KEY = "vehicles/été 100%+1/バイク.png"


def message(key: str = KEY, **overrides: Any) -> str:
    target = {"key": key, "size": 12, "etag": "e", "version-id": "v1", **overrides}
    return json.dumps(
        {"detail-type": "Object Created", "detail": {"bucket": {"name": "inbound"}, "object": target}}
    )


def record(identifier: str, body: str, receives: int = 1) -> dict[str, Any]:
    return {"messageId": identifier, "body": body, "attributes": {"ApproximateReceiveCount": str(receives)}}


def ended(status: str, **more: str) -> dict[str, Any]:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return {"executionArn": f"{MACHINE}:x", "startDate": now, "stopDate": now, "status": status, **more}


@pytest.fixture
def states(stub: Any) -> Stubber:
    return stub("stepfunctions")  # type: ignore[no-any-return]


@pytest.fixture
def sqs(stub: Any) -> Stubber:
    return stub("sqs")  # type: ignore[no-any-return]


@pytest.fixture
def dispatcher(states: Stubber, sqs: Stubber) -> Dispatcher:
    workflow, dead_letters = Workflow(MACHINE, states.client), DeadLetters(DEAD, sqs.client)
    return Dispatcher(workflow, dead_letters, max_receives=4, concurrency=1)


def letter(error: str, cause: Any = ANY, body: str | None = None) -> dict[str, Any]:
    content = {"message": body or message(), "error": error, "cause": cause}
    return {"QueueUrl": DEAD, "MessageBody": json.dumps(content, ensure_ascii=False)}


def pointed(key: str = KEY) -> dict[str, Any]:
    return {"bucket": "inbound", "key": key, "version_id": "v1", "size": 12, "etag": "e"}


def undecided(*failures: dict[str, str] | None) -> dict[str, str]:
    """Return how an execution ends when some of its images failed."""
    cause = json.dumps([{"failure": each} if each else {} for each in failures])
    return {"status": "FAILED", "error": UNDECIDED, "cause": cause}


def runs(states: Stubber, keys: list[str], **answer: str) -> None:
    """Await an execution on these images, and answer it."""
    images = {"images": [pointed(key) for key in keys]}
    states.add_response(
        "start_sync_execution",
        ended(answer.pop("status", "SUCCEEDED"), **answer),
        {"stateMachineArn": MACHINE, "input": json.dumps(images, ensure_ascii=False)},
    )


def test_execution_gets_the_key_as_it_is_when_it_has_odd_letters(
    dispatcher: Dispatcher, states: Stubber
) -> None:
    runs(states, [KEY])
    assert dispatcher.dispatch([record("a", message())]) == {"batchItemFailures": []}


def test_what_arrives_together_runs_together_and_what_comes_again_runs_alone(
    dispatcher: Dispatcher, states: Stubber
) -> None:
    runs(states, ["1", "2"])
    runs(states, ["again"])
    runs(states, ["often"])
    records = [
        record(key, message(key), receives)
        for key, receives in (("1", 1), ("again", 2), ("2", 1), ("often", 4))
    ]
    assert dispatcher.dispatch(records) == {"batchItemFailures": []}


def test_what_runs_together_fits_one_request(dispatcher: Dispatcher, states: Stubber) -> None:
    sizes = {"1": 3_000_000, "2": 3_000_000, "3": 3_000_000, "4": 6_200_000, "5": 1}
    groups = [["1", "2"], ["3"], ["4", "5"]]
    for keys in groups:
        images = [{**pointed(key), "size": sizes[key]} for key in keys]
        states.add_response(
            "start_sync_execution",
            ended("SUCCEEDED"),
            {"stateMachineArn": MACHINE, "input": json.dumps({"images": images}, ensure_ascii=False)},
        )
    records = [record(key, message(key, size=size)) for key, size in sizes.items()]
    assert dispatcher.dispatch(records) == {"batchItemFailures": []}


def test_a_failure_without_a_cause_is_one(dispatcher: Dispatcher, states: Stubber) -> None:
    runs(states, ["1"], **undecided({"error": "States.Timeout"}))
    assert dispatcher.dispatch([record("1", message("1"))]) == {
        "batchItemFailures": [{"itemIdentifier": "1"}]
    }


def test_only_the_failed_message_returns_when_one_image_of_an_execution_fails(
    dispatcher: Dispatcher, states: Stubber
) -> None:
    gone = {"error": "ObjectMissingError", "cause": "There is no object."}
    runs(states, ["1", "2", "3"], **undecided(None, gone, None))
    answer = dispatcher.dispatch([record(key, message(key)) for key in "123"])
    assert answer == {"batchItemFailures": [{"itemIdentifier": "2"}]}


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT"])
def test_all_its_messages_return_when_an_execution_fails_and_no_others(
    dispatcher: Dispatcher, states: Stubber, status: str
) -> None:
    runs(states, ["1", "2"], status=status)
    runs(states, ["again"])
    records = [record("1", message("1")), record("again", message("again"), 3), record("2", message("2"))]
    answer = dispatcher.dispatch(records)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}, {"itemIdentifier": "2"}]}


@pytest.mark.parametrize(
    "answer",
    [
        {"status": "FAILED", "error": "EndpointBusyError", "cause": "busy"},
        undecided({"error": "EndpointBusyError", "cause": "busy"}),
    ],
)
def test_dead_letter_carries_the_cause_when_the_last_receive_fails(
    dispatcher: Dispatcher, states: Stubber, sqs: Stubber, answer: dict[str, str]
) -> None:
    runs(states, [KEY], **answer)
    sqs.add_response("send_message", {}, letter("EndpointBusyError", "busy"))
    assert dispatcher.dispatch([record("a", message(), receives=4)]) == {"batchItemFailures": []}


def test_message_stays_when_the_dead_letter_cannot_be_sent(
    dispatcher: Dispatcher, states: Stubber, sqs: Stubber
) -> None:
    states.add_client_error("start_sync_execution", "ThrottlingException")
    sqs.add_client_error("send_message", "AccessDenied")
    assert dispatcher.dispatch([record("a", message(), receives=9)]) == {
        "batchItemFailures": [{"itemIdentifier": "a"}]
    }


def test_message_returns_when_the_execution_cannot_start(dispatcher: Dispatcher, states: Stubber) -> None:
    states.add_client_error("start_sync_execution", "ThrottlingException")
    assert dispatcher.dispatch([record("a", message())]) == {"batchItemFailures": [{"itemIdentifier": "a"}]}


def test_messages_return_when_the_cause_is_not_of_them(dispatcher: Dispatcher, states: Stubber) -> None:
    runs(states, ["1", "2"], **undecided(None))
    answer = dispatcher.dispatch([record("1", message("1")), record("2", message("2"))])
    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}, {"itemIdentifier": "2"}]}


@pytest.mark.parametrize(
    "body",
    [
        *(
            "",
            "[]",
            '"text"',
            "{}",
            '{"detail": {}}',
            '{"detail": null}',
            message(key=""),
            message(size="many"),
            message(size=-1),
            message(etag=["e"] * 1000),
        ),
        *(message(size=float("inf")), "[" * 100_000),
    ],
)
def test_message_is_a_dead_letter_at_once_when_malformed(
    dispatcher: Dispatcher, sqs: Stubber, body: str
) -> None:
    sqs.add_response("send_message", {}, {"QueueUrl": DEAD, "MessageBody": ANY})
    assert dispatcher.dispatch([record("a", body)]) == {"batchItemFailures": []}
    with pytest.raises(MalformedMessageError):
        pointer(body)


def test_the_log_names_the_object_that_was_not_decided(
    dispatcher: Dispatcher, states: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "lambda_src.dispatcher.logic.logger",
        lambda: SimpleNamespace(warning=lambda _, extra: said.append(extra), exception=lambda _: None),
    )
    states.add_client_error("start_sync_execution", "AccessDeniedException")
    dispatcher.dispatch([record("a", message())])
    assert (said[0]["object"], said[0]["version_id"]) == (f"s3://inbound/{KEY}", "v1")


def test_executions_run_side_by_side_but_bounded_when_the_batch_is_larger() -> None:
    class Counting(Workflow):
        under_way = most = 0
        lock = threading.Lock()
        both = threading.Barrier(2, timeout=5)

        def run(self, images: Any) -> list[DispatchError | None]:
            with self.lock:
                Counting.under_way += 1
                Counting.most = max(Counting.most, Counting.under_way)
            self.both.wait()
            with self.lock:
                Counting.under_way -= 1
            if images[0]["key"] == "vehicles/3":
                raise DispatchError("FAILED", "")
            return [None]

    records = [record(str(at), message(key=f"vehicles/{at}"), receives=2) for at in range(6)]
    answer = Dispatcher(Counting(MACHINE), DeadLetters(DEAD), 4, 2).dispatch(records)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "3"}]}
    assert Counting.most == 2
