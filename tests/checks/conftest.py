"""Synthesizes each environment once for all of the checks' tests, which copy what they change."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import pytest

from stacks.checks.assemblies import Assembly, environments, synthesize


@functools.cache
def synthesized(env: str) -> Assembly:
    """Return one environment as it is."""
    return synthesize(env)


@pytest.fixture(scope="session")
def assemblies() -> list[Assembly]:
    """Every environment."""
    return [synthesized(env) for env in environments()]


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
    return Assembly(sound.env, sound.folder, {**sound.templates, whole: template})
