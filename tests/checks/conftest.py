"""Synthesizes each environment once for all of the checks' tests, which copy what they change."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from stacks.checks.assemblies import Assembly
from tests.infra.conftest import ENVIRONMENTS, assembled


@pytest.fixture(scope="session")
def assemblies() -> list[Assembly]:
    """Every environment of the tests."""
    return [assembled(env) for env in ENVIRONMENTS]


def planted(
    assemblies: list[Assembly],
    stack: str,
    name: str,
    edit: Callable[[dict[str, Any]], Any],
    env: str = "prod",
) -> Assembly:
    """Return an environment of which one resource, by how its name begins, is edited."""
    sound = next(each for each in assemblies if each.env == env)
    whole = next(each for each in sound.templates if each.endswith(stack))
    template = copy.deepcopy(dict(sound.templates[whole]))
    edit(next(each for key, each in template["Resources"].items() if key.startswith(name)))
    return dataclasses.replace(sound, templates={**sound.templates, whole: template})
