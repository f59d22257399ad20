"""Validates requests against botocore's own model of SageMaker, more strictly than botocore itself does."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape
from botocore.validate import ParamValidator

from localcloud.sagemaker.errors import ValidationError


@functools.cache
def service_model(name: str = "sagemaker") -> ServiceModel:
    """Return botocore's model of the service."""
    return botocore.session.get_session().get_service_model(name)


def operation(name: str) -> OperationModel:
    """Return the model of one operation.

    Raises
    ------
    ValidationError
        When SageMaker has no such operation.
    """
    if name not in service_model().operation_names:
        raise ValidationError(f"Unknown operation {name}.")
    return service_model().operation_model(name)


def validate(request: dict[str, Any], shape: Shape) -> None:
    """Refuse a request that the service would refuse: types, required members, enums, patterns, lengths."""
    report = ParamValidator().validate(request, shape)
    if report.has_errors():
        raise ValidationError(report.generate_report().replace("\n", "; "))
    found = list(_violations(request, shape, ""))
    if found:
        count = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected"
        raise ValidationError(f"{count}: {'; '.join(found)}")


def _violations(value: Any, shape: Shape, path: str) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        for name, each in value.items():
            if name not in shape.members:
                yield f"Unknown parameter '{path}{name}'"
            else:
                yield from _violations(each, shape.members[name], f"{path}{name}.")
    elif isinstance(shape, ListShape):
        yield from _length(value, shape, path)
        for index, each in enumerate(value):
            yield from _violations(each, shape.member, f"{path[:-1]}[{index}].")
    elif isinstance(shape, MapShape):
        yield from _length(value, shape, path)
        for name, each in value.items():
            yield from _violations(name, shape.key, f"{path}{name}(key).")
            yield from _violations(each, shape.value, f"{path}{name}.")
    elif isinstance(value, str):
        yield from _length(value, shape, path)
        yield from _text(value, shape, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        limit = shape.metadata.get("max")
        if limit is not None and value > limit:
            yield (
                f"Value '{value}' at '{path[:-1]}' failed to satisfy constraint: Member must have value less "
                f"than or equal to {limit}"
            )


def _length(value: Any, shape: Shape, path: str) -> Iterator[str]:
    limit = shape.metadata.get("max")
    if limit is not None and len(value) > limit:
        yield (
            f"Value at '{path[:-1]}' failed to satisfy constraint: Member must have length less than or "
            f"equal to {limit}"
        )


def _text(value: str, shape: Shape, path: str) -> Iterator[str]:
    choices = shape.metadata.get("enum")
    if choices and value not in choices:
        yield (
            f"Value '{value}' at '{path[:-1]}' failed to satisfy constraint: Member must satisfy enum value "
            f"set: [{', '.join(choices)}]"
        )
    pattern = shape.metadata.get("pattern")
    if pattern and not _matches(pattern, value):
        yield (
            f"Value '{value}' at '{path[:-1]}' failed to satisfy constraint: Member must satisfy regular "
            f"expression pattern: {pattern}"
        )


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.fullmatch(pattern, value, re.DOTALL) is not None
    except re.error:
        return True  # a Java expression that Python cannot read decides nothing
