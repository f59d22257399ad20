"""Hyperparameter tuning jobs: trials drawn at random, one after another, and the best of them."""

from __future__ import annotations

import hashlib
import json
import math
import random
from pathlib import Path
from typing import Any

from localcloud.sagemaker import jobs, rules, toolkit, training
from localcloud.sagemaker.errors import JobFailedError
from localcloud.sagemaker.store import KINDS, STORE, Record

KIND = KINDS["HyperParameterTuningJob"]
POLL_SECONDS = 0.1


def create(request: dict[str, Any]) -> dict[str, Any]:
    """Start a tuning job."""
    rules.tuning(request)
    record = STORE.add(
        KIND,
        request,
        HyperParameterTuningJobStatus="InProgress",
        TrainingJobStatusCounters=_counters([]),
        ObjectiveStatusCounters={"Succeeded": 0, "Pending": 0, "Failed": 0},
    )
    jobs.start(record, _work, request["TrainingJobDefinition"]["RoleArn"])
    return {KIND.arn: record.arn}


def trials(config: dict[str, Any]) -> list[dict[str, str]]:
    """Draw each trial's hyperparameters: the same ones each time for the same ranges and seed."""
    seed = json.dumps([config.get("RandomSeed", 0), config["ParameterRanges"]], sort_keys=True)
    chance = random.Random(seed)  # noqa: S311  # which hyperparameters are tried
    return [
        _drawn(config["ParameterRanges"], chance)
        for _ in range(config["ResourceLimits"].get("MaxNumberOfTrainingJobs", 1))
    ]


def _drawn(ranges: dict[str, Any], chance: random.Random) -> dict[str, str]:
    drawn = {}
    for each in ranges.get("CategoricalParameterRanges", []):
        drawn[each["Name"]] = chance.choice(each["Values"])
    for each in ranges.get("IntegerParameterRanges", []):
        low, high = int(each["MinValue"]), int(each["MaxValue"])
        drawn[each["Name"]] = str(min(high, max(low, round(_between(low, high, each, chance)))))
    for each in ranges.get("ContinuousParameterRanges", []):
        drawn[each["Name"]] = repr(_between(float(each["MinValue"]), float(each["MaxValue"]), each, chance))
    return drawn


def _between(low: float, high: float, given: dict[str, Any], chance: random.Random) -> float:
    if given.get("ScalingType") == "Logarithmic" and low > 0:
        return math.exp(chance.uniform(math.log(low), math.log(high)))
    return chance.uniform(low, high)


def _work(record: Record, root: Path) -> None:
    config, definition = record.shown["HyperParameterTuningJobConfig"], record.shown["TrainingJobDefinition"]
    objective = config["HyperParameterTuningJobObjective"]
    done: list[Record] = []
    for number, drawn in enumerate(trials(config), start=1):
        if record.stop.is_set():
            raise jobs.JobStoppedError
        record.update(TrainingJobStatusCounters=_counters(done, running=1))
        done.append(_trial(record, definition, objective["MetricName"], number, drawn))
        record.update(
            TrainingJobStatusCounters=_counters(done),
            ObjectiveStatusCounters=_objectives(done, objective["MetricName"]),
            BestTrainingJob=_best(done, objective),
        )
    if record.stop.is_set():
        raise jobs.JobStoppedError
    if record.shown["BestTrainingJob"] is None:
        reason = next(
            (str(each.shown["FailureReason"]) for each in done if "FailureReason" in each.shown), ""
        )
        raise JobFailedError(f"No training job succeeded. {reason}".strip())


def _trial(
    record: Record, definition: dict[str, Any], objective: str, number: int, drawn: dict[str, str]
) -> Record:
    """Run one training job to its end, and stop it with the search."""
    mark = hashlib.sha256(f"{record.name}/{number}".encode()).hexdigest()[:8]
    name = f"{record.name}-{number:03d}-{mark}"
    request = {key: value for key, value in definition.items() if key != "StaticHyperParameters"}
    training.create(
        {
            **request,
            "TrainingJobName": name,
            "HyperParameters": {
                **definition.get("StaticHyperParameters", {}),
                **drawn,
                toolkit.OBJECTIVE: objective,
            },
            "Tags": [{"Key": key, "Value": value} for key, value in record.tags.items()],
        }
    )
    trial = STORE.get(training.KIND, name)
    trial.update(TuningJobArn=record.arn)
    trial.private["drawn"] = drawn
    while trial.shown["TrainingJobStatus"] not in jobs.ENDED:
        if record.stop.wait(POLL_SECONDS):
            jobs.stop(trial)
    return trial


def _value(trial: Record, metric: str) -> float | None:
    found = [each for each in trial.shown.get("FinalMetricDataList", []) if each["MetricName"] == metric]
    done = trial.shown["TrainingJobStatus"] == "Completed"
    return float(found[0]["Value"]) if found and done and math.isfinite(found[0]["Value"]) else None


def _best(done: list[Record], objective: dict[str, str]) -> dict[str, Any] | None:
    sign = 1.0 if objective["Type"] == "Minimize" else -1.0
    values = [
        (sign * value, each) for each in done if (value := _value(each, objective["MetricName"])) is not None
    ]
    if not values:
        return None
    value, best = min(values, key=lambda pair: pair[0])
    return {
        **_summary(best),
        "FinalHyperParameterTuningJobObjectiveMetric": {**objective, "Value": sign * value},
        "ObjectiveStatus": "Succeeded",
    }


def _summary(trial: Record) -> dict[str, Any]:
    shown = ("TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingJobStatus", "FailureReason")
    return {
        **{name: trial.shown[name] for name in shown if name in trial.shown},
        "TunedHyperParameters": trial.private["drawn"],
    }


def _counters(done: list[Record], running: int = 0) -> dict[str, int]:
    statuses = [each.shown["TrainingJobStatus"] for each in done]
    return {
        "Completed": statuses.count("Completed"),
        "InProgress": running,
        "RetryableError": 0,
        "NonRetryableError": statuses.count("Failed"),
        "Stopped": statuses.count("Stopped"),
    }


def _objectives(done: list[Record], metric: str) -> dict[str, int]:
    reached = sum(1 for each in done if _value(each, metric) is not None)
    return {"Succeeded": reached, "Pending": 0, "Failed": len(done) - reached}


def _listed(request: dict[str, Any]) -> dict[str, Any]:
    record = STORE.get(KIND, request[KIND.key])
    own = [each for each in STORE.all(training.KIND) if each.shown.get("TuningJobArn") == record.arn]
    return {"TrainingJobSummaries": [_summary(each) for each in own]}


OPERATIONS = {
    "CreateHyperParameterTuningJob": create,
    "ListTrainingJobsForHyperParameterTuningJob": _listed,
}
