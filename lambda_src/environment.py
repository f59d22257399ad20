"""The functions' environment variables, typed; the stacks render them and the handlers read them.

A variable's name is its field's in capitals, so it is written once. Only the standard library is imported
here, because the stacks import this module at synth.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self, get_type_hints

from lambda_src.errors import MissingVariableError


def _text(value: str) -> str:
    if not value:
        raise ValueError
    return value


def _routes(value: str) -> dict[str, str]:
    routes = json.loads(value)
    if (
        not isinstance(routes, dict)
        or not routes
        or not all(isinstance(route, str) for route in routes.values())
    ):
        raise ValueError
    return routes


def _count(value: str) -> int:
    count = int(value)
    if count < 1:
        raise ValueError
    return count


def _share(value: str) -> float:
    share = float(value)
    if not 0 <= share <= 1:
        raise ValueError
    return share


_PARSERS: Mapping[Any, tuple[Callable[[str], Any], str]] = {
    str: (_text, "text that is not empty"),
    int: (_count, "a whole number of 1 or more"),
    float: (_share, "a number from 0 to 1"),
    Mapping[str, str]: (_routes, "a JSON object of class names and routes"),
}


@dataclass(frozen=True)
class Environment:
    """The variables of one function."""

    @classmethod
    def variables(cls, **values: str) -> dict[str, str]:
        """Return the function's `environment` for a template; values may be CDK tokens.

        Raises
        ------
        MissingVariableError
            When a field is missing, or one is given that the function does not read.
        """
        names = [field.name for field in fields(cls)]
        if wrong := set(names) ^ set(values):
            raise MissingVariableError(
                f"{cls.__name__} takes exactly {', '.join(names)}; "
                f"missing or unknown here: {', '.join(sorted(wrong))}."
            )
        return {name.upper(): values[name] for name in names}

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the variables.

        Raises
        ------
        MissingVariableError
            When one is absent or not of its type.
        """
        hints = get_type_hints(cls)
        values: dict[str, Any] = {}
        for field in fields(cls):
            parse, wanted = _PARSERS[hints[field.name]]
            name = field.name.upper()
            if name not in environ:
                raise MissingVariableError(
                    f"The environment variable {name} is not set; it must be {wanted}."
                )
            try:
                values[field.name] = parse(environ[name])
            except ValueError as error:
                raise MissingVariableError(
                    f"The environment variable {name} is {environ[name]!r}; it must be {wanted}."
                ) from error
        return cls(**values)


@dataclass(frozen=True)
class DispatcherEnvironment(Environment):
    """Of the dispatcher.

    Parameters
    ----------
    max_receives
        On this receive of a message, the dispatcher sends it to the dead letters itself, with its cause.
    concurrency
        Executions that one invocation waits for at once.
    """

    state_machine_arn: str
    dead_letter_queue_url: str
    max_receives: int
    concurrency: int


@dataclass(frozen=True)
class ClassifyImageEnvironment(Environment):
    """Of `classify_image`.

    Parameters
    ----------
    routes
        Class → where its orders go.
    max_bytes
        One image's limit.
    sample_rate
        Share of the sure answers that people check too, 0…1.
    """

    endpoint_name: str
    routes: Mapping[str, str]
    max_bytes: int
    sample_rate: float


@dataclass(frozen=True)
class PublishDecisionEnvironment(Environment):
    """Of `publish_decision`; `routes` is class → where its orders go, for what people answer."""

    event_bus_name: str
    dead_letter_queue_url: str
    classifier: str
    routes: Mapping[str, str]
    results_bucket: str
    datasets_bucket: str


@dataclass(frozen=True)
class PackageModelEnvironment(Environment):
    """Of `package_model`; the serving code is an S3 asset."""

    models_bucket: str
    serving_code_bucket: str
    serving_code_key: str
    classifier: str


@dataclass(frozen=True)
class SmokeTestEnvironment(Environment):
    """Of `smoke_test`."""

    endpoint_name: str


@dataclass(frozen=True)
class TrainOnDeployEnvironment(Environment):
    """Of both handlers of `train_on_deploy`; `deployment` and `classifier` are values of tags."""

    state_machine_arn: str
    state_table_name: str
    prefix: str
    model_package_group_name: str
    deployment: str
    classifier: str
