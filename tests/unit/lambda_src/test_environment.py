from __future__ import annotations

import subprocess
import sys

import pytest

from lambda_src import environment
from lambda_src.environment import ClassifyImageEnvironment, DispatcherEnvironment, Environment
from lambda_src.errors import MissingVariableError

FUNCTIONS = sorted(Environment.__subclasses__(), key=lambda each: each.__name__)
VALUES = {
    "routes": '{"bicycle": "near"}',
    "max_bytes": "10",
    "max_receives": "4",
    "concurrency": "10",
    "sample_rate": "0.02",
}


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_variables_are_read_back_when_rendered(kind: type[Environment]) -> None:
    names = list(kind.__dataclass_fields__)
    rendered = kind.variables(**{name: VALUES.get(name, f"<{name}>") for name in names})
    assert list(rendered) == [name.upper() for name in names]
    read = kind.from_environ({**rendered, "AWS_REGION": "eu-central-1"})
    assert all(
        str(getattr(read, name)) == VALUES.get(name, f"<{name}>") for name in names if name != "routes"
    )


def test_values_have_their_types_when_read() -> None:
    read = ClassifyImageEnvironment.from_environ(
        {
            "ENDPOINT_NAME": "e",
            "ROUTES": '{"a": "near", "b": "far"}',
            "MAX_BYTES": "5000000",
            "SAMPLE_RATE": "0.02",
        }
    )
    assert read.max_bytes == 5_000_000
    assert read.sample_rate == 0.02
    assert read.routes == {"a": "near", "b": "far"}


@pytest.mark.parametrize(
    ("name", "value"), [("MAX_RECEIVES", "four"), ("CONCURRENCY", "0"), ("STATE_MACHINE_ARN", "")]
)
def test_one_sentence_names_the_variable_when_it_is_wrong(name: str, value: str) -> None:
    good = DispatcherEnvironment.variables(
        state_machine_arn="arn", dead_letter_queue_url="url", max_receives="4", concurrency="2"
    )
    with pytest.raises(
        MissingVariableError, match=rf"^The environment variable {name} is '{value}'; it must be .*\.$"
    ):
        DispatcherEnvironment.from_environ({**good, name: value})


def test_one_sentence_names_the_variable_when_it_is_missing() -> None:
    with pytest.raises(MissingVariableError, match="EVENT_BUS_NAME is not set"):
        environment.PublishDecisionEnvironment.from_environ({})


@pytest.mark.parametrize("fields", [{}, {"event_bus_name": "a", "event_bus_nmae": "b"}])
def test_rendering_refuses_when_fields_differ(fields: dict[str, str]) -> None:
    with pytest.raises(MissingVariableError, match="takes exactly event_bus_name"):
        environment.PublishDecisionEnvironment.variables(**fields)


def test_no_sdk_is_imported_when_stacks_import_the_variables() -> None:
    code = "import sys, lambda_src.environment; print({'boto3', 'botocore'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
