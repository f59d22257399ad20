"""Types that CloudFormation has and ministack 1.5.33 refuses, though it has the services behind them.

Composite alarms and budgets are made by the emulator's own API, with the properties as they stand in a template.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from localcloud.instance import ACCOUNT


def apply() -> None:
    """Let CloudFormation make and delete them."""
    from ministack.services.cloudformation import provisioners  # noqa: PLC0415

    provisioners._RESOURCE_HANDLERS["AWS::CloudWatch::CompositeAlarm"] = {
        "create": _create_alarm,
        "update": lambda physical_id, old, new, stack: _put_alarm(physical_id, new),
        "delete": _delete_alarm,
    }
    provisioners._RESOURCE_HANDLERS["AWS::Budgets::Budget"] = {
        "create": _create_budget,
        "delete": _delete_budget,
    }


def _name(logical_id: str, stack: str) -> str:
    from ministack.services.cloudformation import provisioners  # noqa: PLC0415

    found: str = provisioners._physical_name(stack, logical_id, max_len=100)
    return found


def _create_alarm(logical_id: str, properties: Mapping[str, Any], stack: str) -> tuple[str, dict[str, Any]]:
    return _put_alarm(properties.get("AlarmName") or _name(logical_id, stack), properties)


def _put_alarm(name: str, properties: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    from ministack.services import cloudwatch  # noqa: PLC0415

    fields = {key: value for key, value in properties.items() if key != "Tags"}
    _checked(cloudwatch._put_composite_alarm({}, {**fields, "AlarmName": name}, False, is_json=True))
    return name, {"Arn": cloudwatch._composite_alarms[name]["AlarmArn"]}


def _delete_alarm(physical_id: str, properties: Mapping[str, Any]) -> None:
    from ministack.services import cloudwatch  # noqa: PLC0415

    cloudwatch._composite_alarms.pop(physical_id, None)


def _create_budget(logical_id: str, properties: Mapping[str, Any], stack: str) -> tuple[str, dict[str, Any]]:
    from ministack.services import budgets  # noqa: PLC0415

    name = properties["Budget"].get("BudgetName") or _name(logical_id, stack)
    limit = properties["Budget"]["BudgetLimit"]
    budget = {
        **properties["Budget"],
        "BudgetName": name,
        "BudgetLimit": {"Amount": str(limit["Amount"]), "Unit": limit["Unit"]},
    }
    subscribed = properties.get("NotificationsWithSubscribers") or []
    _checked(
        budgets._create_budget(
            {"AccountId": ACCOUNT, "Budget": budget, "NotificationsWithSubscribers": subscribed}
        )
    )
    return name, {}


def _delete_budget(physical_id: str, properties: Mapping[str, Any]) -> None:
    from ministack.services import budgets  # noqa: PLC0415

    budgets._delete_budget({"AccountId": ACCOUNT, "BudgetName": physical_id})


def _checked(answer: tuple[int, Any, bytes | str]) -> None:
    status, _, body = answer
    if status >= 300:
        text = body.decode() if isinstance(body, bytes) else body
        raise ValueError(json.loads(text).get("message", text))
