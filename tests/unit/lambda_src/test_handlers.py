"""The handlers as Lambda calls them: variables from the environment, clients made on the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lambda_src.adapters import clients
from lambda_src.classify_image import handler as classify_image
from lambda_src.dispatcher import handler as dispatcher
from lambda_src.errors import MissingVariableError
from lambda_src.publish_decision import handler as publish_decision
from lambda_src.smoke_test import handler as smoke_test
from lambda_src.train_on_deploy import handler as train_on_deploy

MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:train"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, stub: Any) -> Iterator[None]:
    made = (
        dispatcher._dispatcher,
        classify_image._classifier,
        publish_decision._made,
        train_on_deploy._environment,
    )
    monkeypatch.setattr(clients, "_make", lambda service, *_: stub(service).client)
    for each in made:
        each.cache_clear()
    yield
    for each in made:
        each.cache_clear()


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "STATE_MACHINE_ARN": MACHINE,
        "STATE_TABLE_NAME": "state",
        "PREFIX": "scones-dev-vehicles",
        "MODEL_PACKAGE_GROUP_NAME": "scones-dev-vehicles",
        "DEPLOYMENT": "scones-dev",
        "CLASSIFIER": "vehicles",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def test_dispatcher_answers_when_a_batch_arrives(monkeypatch: pytest.MonkeyPatch, stub: Any) -> None:
    for name, value in (("STATE_MACHINE_ARN", MACHINE), ("DEAD_LETTER_QUEUE_URL", "https://q")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MAX_RECEIVES", "4")
    monkeypatch.setenv("CONCURRENCY", "10")
    stub("sqs").add_response("send_message", {})
    records = [{"messageId": "a", "body": "{}", "attributes": {"ApproximateReceiveCount": "1"}}]
    assert dispatcher.handler({"Records": records}, None) == {"batchItemFailures": []}


def test_publisher_answers_when_nothing_was_inserted(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"EVENT_BUS_NAME": "bus", "RESULTS_BUCKET": "results", "DATASETS_BUCKET": "datasets"}
    given["DEAD_LETTER_QUEUE_URL"] = "url"
    for name, value in {**given, "CLASSIFIER": "vehicles", "ROUTES": '{"bicycle": "near"}'}.items():
        monkeypatch.setenv(name, value)
    assert publish_decision.handler({"Records": []}, None) == {"batchItemFailures": []}


@pytest.mark.parametrize("handler", [classify_image.handler, smoke_test.handler])
def test_handler_names_the_variable_when_the_template_lacks_it(
    monkeypatch: pytest.MonkeyPatch, handler: Any
) -> None:
    monkeypatch.delenv("ENDPOINT_NAME", raising=False)
    with pytest.raises(MissingVariableError, match="ENDPOINT_NAME is not set"):
        handler({}, None)


@pytest.mark.usefixtures("deployed")
def test_delete_asks_to_be_called_again_when_a_service_is_busy(stub: Any) -> None:
    event = {"RequestType": "Delete", "RequestId": "r"}
    assert train_on_deploy.on_event(event, None)["PhysicalResourceId"] == "scones-dev-vehicles"
    stub("stepfunctions").add_client_error("list_executions", "ThrottlingException")
    assert train_on_deploy.is_complete(event, None) == {"IsComplete": False}


@pytest.mark.usefixtures("deployed")
def test_update_is_complete_when_it_trains_nothing() -> None:
    event = {"RequestType": "Update", "Data": {"ExecutionArn": ""}}
    assert train_on_deploy.is_complete(event, None) == {"IsComplete": True}


def test_one_client_serves_all_threads_when_made_for_real(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    first = clients.client("sqs", read_timeout=7, attempts=1, connections=3)
    assert clients.client("sqs", read_timeout=7, attempts=1, connections=3) is first
    config = first.meta.config
    assert (config.read_timeout, config.max_pool_connections) == (7, 3)
    assert config.retries["total_max_attempts"] == 1
