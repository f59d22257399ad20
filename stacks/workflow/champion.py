"""The champion: the model that the endpoint serves, as the state table has it."""

from __future__ import annotations

from stacks.workflow.context import RUN, Context, expression
from stacks.workflow.items import numbers, put, texts
from stacks.workflow.tasks import State, Tasks

READ = (
    *("run", "model_name", "evaluation_model", "model_package_arn", "endpoint_config_name"),
    *("dataset_version", "training_artifact", "evaluation_uri", "previous_package_arn", "previous_run"),
    *("reason", "recorded_at", "trained_at"),
)


def read(make: Tasks, context: Context) -> State:
    """Make a state that reads the champion; every field is empty when there is none."""
    item = "$states.result.Item"
    champion = {
        **{name: expression(f"$exists({item}.{name}.S) ? {item}.{name}.S : ''") for name in READ},
        "accuracy": expression(f"$exists({item}.accuracy.N) ? $number({item}.accuracy.N) : 0"),
    }
    return make.read_item("ReadChampion", context.table, "champion", {"champion": champion})


def record(make: Tasks, context: Context) -> State:
    """Make a state that records what the endpoint serves now as the champion, and why."""
    text = {
        "id": "champion",
        "run": expression(RUN),
        "execution_arn": expression("$states.context.Execution.Id"),
        "reason": expression("$reason"),
        "model_name": expression("$model"),
        "evaluation_model": expression("$evaluationModel"),
        "model_package_arn": expression("$package"),
        # Where the analysis goes back to.
        **{
            f"previous_{name}": expression(
                f"$champion.model_package_arn = $package ? $champion.previous_{name} : $champion.{field}"
            )
            for name, field in (("package_arn", "model_package_arn"), ("run", "run"))
        },
        "endpoint_config_name": expression("$model"),
        "dataset_version": expression("$version"),
        "training_artifact": expression("$trainingArtifact"),
        "evaluation_uri": expression("$evaluation"),
        "training_fingerprint": expression("$trainingFingerprint"),
        "serving_fingerprint": expression("$servingFingerprint"),
        "recorded_at": expression("$now()"),
        # When the last training began that became a champion: written with it at once, so that one that is ended
        # right afterwards does not train for the same again.
        "trained_at": expression(
            "$start = 'stage' ? $states.context.Execution.StartTime : $champion.trained_at"
        ),
    }
    item = texts(text) | numbers({"accuracy": expression("$string($gate.accuracy)")})
    task = put(make.scope, "RecordChampion", context.table, item, assign={"status": "promoted"})
    return make.finish(task, "dynamodb")
