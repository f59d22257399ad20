"""Synthesizes each environment once for all of the checks' tests, which copy what they change."""

from __future__ import annotations

import functools

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
