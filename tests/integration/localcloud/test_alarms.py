"""Alarms on the local cloud ring as CloudWatch's do: for their own dimensions, period by period."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest

from localcloud.instance import ACCOUNT, Instance
from localcloud.inventory import inventory
from localcloud.mends.alarm_evaluation import verdict


def _alarm(name: str, **properties: Any) -> dict[str, Any]:
    return {
        "AlarmName": name,
        "Namespace": "Scones/Test",
        "MetricName": "Errors",
        "Dimensions": [{"Name": "Endpoint", "Value": "one"}],
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 5.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        **properties,
    }


def _put(cloud: Instance, endpoint: str, value: float, age: float = 0) -> None:
    when = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=age)
    datum = {
        "MetricName": "Errors",
        "Dimensions": [{"Name": "Endpoint", "Value": endpoint}],
        "Value": value,
        "Timestamp": when,
    }
    cloud.client("cloudwatch").put_metric_data(Namespace="Scones/Test", MetricData=[datum])


def _state(cloud: Instance, name: str) -> str:
    (found,) = cloud.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return str(found["StateValue"])


def test_an_alarm_hears_its_own_dimensions_alone(cloud: Instance) -> None:
    cloud.client("cloudwatch").put_metric_alarm(**_alarm("own"))
    _put(cloud, "another", 100)
    assert _state(cloud, "own") == "INSUFFICIENT_DATA"
    _put(cloud, "one", 6)
    assert _state(cloud, "own") == "ALARM"


def test_several_periods_must_breach(cloud: Instance) -> None:
    alarm = _alarm("twice", EvaluationPeriods=2, Dimensions=[{"Name": "Endpoint", "Value": "patient"}])
    cloud.client("cloudwatch").put_metric_alarm(**alarm)
    _put(cloud, "patient", 6)
    assert _state(cloud, "twice") == "OK"
    _put(cloud, "patient", 6, age=70)
    assert _state(cloud, "twice") == "ALARM"


@pytest.mark.parametrize(
    ("values", "missing", "wanted", "state"),
    [
        ([None, None], "missing", 2, "INSUFFICIENT_DATA"),
        ([None, None], "ignore", 2, None),
        ([None, None], "breaching", 2, "ALARM"),
        ([None, None], "notBreaching", 2, "OK"),
        ([9.0, None], "breaching", 2, "ALARM"),
        ([9.0, None], "notBreaching", 2, "OK"),
        ([9.0, None], "notBreaching", 1, "ALARM"),
        ([1.0, 9.0, 9.0], "missing", 2, "ALARM"),
    ],
)
def test_missing_data_counts_as_the_alarm_says(
    values: list[float | None], missing: str, wanted: int, state: str | None
) -> None:
    alarm = _alarm("", EvaluationPeriods=len(values), DatapointsToAlarm=wanted, TreatMissingData=missing)
    assert verdict(values, alarm) == state


def test_composite_alarms_and_budgets_come_and_go_with_their_stack(cloud: Instance) -> None:
    composite = {
        "Type": "AWS::CloudWatch::CompositeAlarm",
        "Properties": {"AlarmRule": {"Fn::Sub": 'ALARM("${One.Arn}")'}, "AlarmDescription": "Any."},
    }
    one = {"Type": "AWS::CloudWatch::Alarm", "Properties": _alarm("one-of-them")}
    budget = {
        "Type": "AWS::Budgets::Budget",
        "Properties": {
            "Budget": {
                "BudgetType": "COST",
                "TimeUnit": "MONTHLY",
                "BudgetLimit": {"Amount": 100, "Unit": "USD"},
            }
        },
    }
    client, before = cloud.client("cloudformation"), set(inventory(cloud))
    template = {"Resources": {"One": one, "Any": composite, "Budget": budget}}
    client.create_stack(StackName="watch", TemplateBody=json.dumps(template))
    client.get_waiter("stack_create_complete").wait(StackName="watch", WaiterConfig={"Delay": 1})
    made = {each.partition("/")[0] for each in set(inventory(cloud)) - before}
    assert {"cloudwatch:composite-alarm", "budgets:budget"} <= made
    (found,) = cloud.client("budgets").describe_budgets(AccountId=ACCOUNT)["Budgets"]
    assert float(found["BudgetLimit"]["Amount"]) == 100
    client.delete_stack(StackName="watch")
    client.get_waiter("stack_delete_complete").wait(StackName="watch", WaiterConfig={"Delay": 1})
    assert set(inventory(cloud)) - before == set()
