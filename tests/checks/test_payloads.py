"""What Tasks give to code of ours is what that code reads, and what they take of its answers is there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stacks.checks import payloads, words
from stacks.checks.rendering import Machine

HANDLERS = {
    "Classify": "lambda_src.classify_image.handler.handler",
    "Smoke": "lambda_src.smoke_test.handler.handler",
    "Pack": "lambda_src.package_model.handler.handler",
}
PROCESSING = "arn:aws:states:::sagemaker:createProcessingJob.sync"
TRAINING = "arn:aws:states:::sagemaker:createTrainingJob.sync"
SEARCH = "arn:aws:states:::sagemaker:createHyperParameterTuningJob.sync"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:"


def _machine(**states: dict[str, Any]) -> Machine:
    return Machine(
        "stack", "Machine", "STANDARD", json.dumps({"StartAt": next(iter(states)), "States": states})
    )


def _said(resource: str, given: dict[str, Any], assigned: dict[str, Any] | None = None) -> list[str]:
    task = {"Type": "Task", "Resource": resource, "Arguments": given, "Assign": assigned or {}}
    ((_, said),) = payloads.of_machine(_machine(Task=task), HANDLERS)
    return said


def _job(*words: str) -> dict[str, Any]:
    return {"AppSpecification": {"ContainerArguments": list(words)}}


STAGE = ("stage.py", "--source", "cifar100")


@pytest.mark.parametrize(
    ("resource", "given", "said"),
    [
        (FUNCTION + "Smoke", {"evaluation_uri": "a", "test_uri": "b"}, ""),
        (FUNCTION + "Smoke", {"evaluation_uri": "a", "testuri": "b"}, "does not read 'testuri'"),
        (FUNCTION + "Smoke", {"evaluation_uri": "a"}, "reads 'test_uri', which is not given"),
        (FUNCTION + "Other", {"a": 1}, "it calls no function of this deployment"),
        (PROCESSING, _job(*STAGE), ""),
        (PROCESSING, _job(*STAGE, "--md5", "{% $md5 %}"), ""),
        (PROCESSING, _job("stages.py", "--source", "folder"), "there is no stages.py"),
        (PROCESSING, _job("stage.py", "--source", "cloud"), "and not one of folder, cifar100, drawings"),
        (PROCESSING, _job("stage.py", "--sources", "folder"), "has no option --sources"),
        (PROCESSING, _job("stage.py", "--seed", "1"), "needs --source"),
        (PROCESSING, _job(*STAGE, "--seed"), "an option without a value"),
        (PROCESSING, {}, "its command line is no list"),
        (TRAINING, {"HyperParameters": {"target-error": "0.01", "sagemaker_program": "train.py"}}, ""),
        (TRAINING, {"HyperParameters": {"targeterror": "0.01"}}, "no hyperparameter 'targeterror'"),
        (TRAINING, {"HyperParameters": {"epochs": "many"}}, "epochs"),
        (TRAINING, {"HyperParameters": {"epoch": "{% $epochs %}"}}, "no hyperparameter 'epoch'"),
        (TRAINING, {"HyperParameters": {"sagemaker_program": "trains.py"}}, "there is no trains.py"),
        (
            SEARCH,
            {
                "TrainingJobDefinition": {"StaticHyperParameters": {}},
                "HyperParameterTuningJobConfig": {
                    "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "learningrate"}]}
                },
            },
            "no hyperparameter 'learningrate' to try",
        ),
    ],
)
def test_what_code_of_ours_would_refuse_is_found(resource: str, given: dict[str, Any], said: str) -> None:
    found = _said(resource, given)
    assert any(said in each for each in found) if said else found == []


def test_a_field_that_a_function_does_not_answer_with_is_found() -> None:
    given = {"training_artifact": "a", "run": "b"}
    assert _said(FUNCTION + "Pack", given, {"archive": "{% $states.result.archive_uri %}"}) == []
    (said,) = _said(FUNCTION + "Pack", given, {"archive": "{% $states.result.archive %}"})
    assert said == "its function answers with no 'archive'"


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("{% $image.key & $answer.route & $string($answer.embedding) & $states.input.answer.class %}", []),
        ("{% $answer.routes %}", ["its function answers with no 'routes' in 'answer'"]),
        ("{% $image.keys %}", ["its function answers with no 'keys' in 'image'"]),
        ("{% $failure.Error %}", ["its function answers with no 'Error' in 'failure'"]),
        ("{% $states.input.tag %}", ["its function answers with no 'tag'"]),
    ],
)
def test_what_is_read_of_each_of_a_functions_answers_is_there(expression: str, said: list[str]) -> None:
    names = ("image", "answer", "failure")
    begin = {"Type": "Pass", "Assign": {name: f"{{% $states.input.{name} %}}" for name in names}}
    part = {"StartAt": "Begin", "States": {"Begin": begin, "End": {"Type": "Succeed", "Output": expression}}}
    ask = {
        "Type": "Task",
        "Resource": f"{FUNCTION}Classify",
        "Arguments": "{% $states.input %}",
        "Next": "Each",
    }
    machine = _machine(Ask=ask, Each={"Type": "Map", "Items": "{% $states.input %}", "ItemProcessor": part})
    ((_, found),) = payloads.of_machine(machine, HANDLERS)
    assert found == said


def test_a_map_that_goes_through_something_else_is_found() -> None:
    ask = {
        "Type": "Task",
        "Resource": f"{FUNCTION}Classify",
        "Arguments": "{% $states.input %}",
        "Next": "Each",
    }
    part = {"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}
    each = {"Type": "Map", "Items": "{% $states.input.answers %}", "ItemProcessor": part}
    ((_, (found,)),) = payloads.of_machine(_machine(Ask=ask, Each=each), HANDLERS)
    assert "a Map follows that goes through '{% $states.input.answers %}'" in found


def test_a_field_of_its_input_that_a_machine_reads_and_nobody_gives_is_found() -> None:
    ask = {
        "Type": "Task",
        "Resource": f"{FUNCTION}Classify",
        "Arguments": "{% $states.input %}",
        "Assign": {"given": "{% $states.input %}", "first": "{% $states.input.image %}"},
        "Next": "End",
    }
    machine = _machine(Ask=ask, End={"Type": "Succeed", "Output": "{% [$given.images, $given.tags] %}"})
    ((_, found),) = payloads.of_machine(machine, HANDLERS)
    assert found == [
        f"{each!r} is read, and lambda_src.adapters.workflow.request does not give it"
        for each in ("image", "tags")
    ]


def test_a_field_of_a_whole_answer_that_is_not_there_is_found() -> None:
    pack = {
        "Type": "Task",
        "Resource": f"{FUNCTION}Pack",
        "Arguments": {"training_artifact": "a", "run": "b"},
        "Assign": {"packed": "{% $states.result %}"},
    }
    machine = _machine(Pack=pack, End={"Type": "Succeed", "Output": "{% $packed.archive_uris %}"})
    ((_, found),) = payloads.of_machine(machine, HANDLERS)
    assert found == ["its function answers with no 'archive_uris'"]


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("{% $status = 'InService' or $status in ['None', 'Failed'] %}", []),
        ("{% $status = 'InServise' %}", ["Choose: $status is never 'InServise'"]),
        ("{% $status in ['Failed', 'OutOfServise'] %}", ["Choose: $status is never 'OutOfServise'"]),
        ("{% $other = 'whatever' %}", []),
    ],
)
def test_a_word_that_a_service_never_says_is_found(condition: str, said: list[str]) -> None:
    ask = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:sagemaker:describeEndpoint",
        "Assign": {"status": "{% $states.result.EndpointStatus %}", "other": "{% $states.input %}"},
    }
    begin = {"Type": "Pass", "Assign": {"status": "{% 'None' %}"}}
    choose = {"Type": "Choice", "Choices": [{"Condition": condition, "Next": "Ask"}]}
    found = words.of_machine(_machine(Begin=begin, Ask=ask, Choose=choose))
    assert [each for one in found for each in one] == said
