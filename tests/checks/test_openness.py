"""Who is let in further than needed is found: anybody, strangers, services for whoever asks, everything but."""

from __future__ import annotations

from typing import Any

import pytest

from stacks.checks import openness

ACCOUNT = {"StringEquals": {"aws:SourceAccount": "123456789012"}}
SOUND: dict[str, Any] = {
    "Effect": "Allow",
    "Action": "sqs:SendMessage",
    "Principal": {"Service": "events.amazonaws.com"},
    "Resource": "arn:aws:sqs:us-east-1:123456789012:queue",
    "Condition": ACCOUNT,
}


@pytest.mark.parametrize(
    "sound",
    [
        SOUND,
        {**SOUND, "Effect": "Deny", "Principal": "*", "Condition": {}},
        {**SOUND, "Principal": "*"},
        {**SOUND, "Principal": {"AWS": "arn:aws:iam::123456789012:role/any"}, "Condition": {}},
    ],
)
def test_what_is_let_in_for_this_account_is_left_alone(sound: dict[str, Any]) -> None:
    assert list(openness.of_statement(sound)) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"Principal": "*", "Condition": {}}, "sqs:SendMessage to anybody"),
        ({"Principal": {"AWS": "*"}, "Condition": {}}, "to anybody"),
        ({"Principal": {"AWS": ["*"]}, "Condition": {"Bool": {"aws:SecureTransport": "true"}}}, "to anybody"),
        ({"Principal": {"AWS": "210987654321"}}, "not of this account"),
        ({"Condition": {}}, "events.amazonaws.com, for whoever asks"),
        ({"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::*"}}}, "for whoever asks"),
        ({"Condition": {"StringEquals": {"aws:SourceAccount": "210987654321"}}}, "for whoever asks"),
        ({"NotAction": "sqs:DeleteQueue"}, "by NotAction"),
        ({"NotResource": "arn:aws:sqs:*:*:other"}, "by NotResource"),
        ({"NotPrincipal": {"AWS": "210987654321"}}, "by NotPrincipal"),
    ],
)
def test_what_is_let_in_further_is_named(wrong: dict[str, Any], said: str) -> None:
    assert any(said in each for each in openness.of_statement({**SOUND, **wrong}))


def test_who_may_call_a_function_is_asked_for_whom() -> None:
    sound = {"Principal": "events.amazonaws.com", "SourceArn": "arn:aws:events:us-east-1:123456789012:rule/a"}
    assert list(openness.of_permission(sound)) == []
    assert list(openness.of_permission({"Principal": "events.amazonaws.com"})) != []
    assert list(openness.of_permission({"Principal": "*"})) == ["anybody may call the function"]
