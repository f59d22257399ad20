"""Names that collide or are too long are found."""

from __future__ import annotations

import json

from stacks.checks import names


def _templates(stack: str, name: str) -> names.Templates:
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}}
    return {stack: {"Resources": {"Bucket": bucket}}}


def test_a_planted_collision_is_found() -> None:
    assert len(names.collisions(_templates("one", "same"), _templates("two", "same"))) == 1
    assert names.collisions(_templates("one", "one"), _templates("two", "two")) == []


def test_a_planted_long_name_is_found() -> None:
    assert len(names.too_long(_templates("one", "b" * 64))) == 1
    assert names.too_long(_templates("one", "b" * 63)) == []


RUN = "{% $substring($hash($states.context.Execution.Id, 'SHA-256'), 0, 12) %}"


def _machine(name: str) -> names.Templates:
    definition = {
        "States": {
            "Begin": {"Type": "Pass", "Assign": {"run": RUN}},
            "Make": {
                "Type": "Task",
                "Resource": "arn:aws:states:::sagemaker:createTransformJob.sync",
                "Arguments": {"TransformJobName": name},
            },
        }
    }
    properties = {"DefinitionString": json.dumps(definition)}
    return {
        "one": {"Resources": {"M": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}}}
    }


def test_a_name_that_gets_too_long_when_it_is_made_is_found() -> None:
    stem = "p" * 48
    fits = f"{{% '{stem}-' & $run & '-' & $string($states.context.State.RetryCount) %}}"
    assert names.too_long(_machine(fits)) == []
    assert len(names.too_long(_machine(fits.replace(stem, stem + "p")))) == 1
    assert names.too_long(_machine("{% $onlyARunKnows %}")) == []
