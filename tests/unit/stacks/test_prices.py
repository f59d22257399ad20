"""The README's figures are those of the one price table."""

from __future__ import annotations

from pathlib import Path

import pytest

from stacks import prices
from stacks.settings import load

ROOT = Path(__file__).parents[3]
AS_SHIPPED = ROOT / "tests" / "environments"


@pytest.mark.parametrize("env", ["dev", "prod"])
def test_the_readme_states_the_price_of_the_endpoint_from_the_table(env: str) -> None:
    serving = load(AS_SHIPPED, env).classifier["vehicles"].serving
    price = prices.HOURLY[serving.instance_type] * serving.instance_count
    (row,) = [
        line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith(f"| `{env}` |")
    ]
    assert f"{serving.instance_count} \u00d7 `{serving.instance_type}`" in row
    assert f"about ${price:.2f}" in row
    if serving.instance_count > 1:
        assert f"about ${2 * price:.2f}" in row


def test_the_readme_states_the_day_and_the_region_of_the_prices() -> None:
    assert f"in {prices.REGION}, by list prices as of {prices.AS_OF}" in (ROOT / "README.md").read_text()


def test_every_price_of_a_job_in_the_readme_is_the_table_s() -> None:
    assert f"at about ${prices.HOURLY['ml.m5.xlarge']:.2f} per hour" in (ROOT / "README.md").read_text()
