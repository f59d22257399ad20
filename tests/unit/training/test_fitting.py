"""The learning rate over a training."""

from __future__ import annotations

import math

import pytest

from training.fitting import share_of_peak


@pytest.mark.parametrize("warm", [0, 0.02, 0.6, 1, 1.51, 10.2, 20, 30.2, 159.8, 160, 400])
def test_the_rate_never_exceeds_its_peak(warm: float) -> None:
    shares = [share_of_peak(step, 160, warm) for step in range(160)]
    assert min(shares) > 0.0
    assert max(shares) <= 1.0
    peak = shares.index(max(shares))
    assert shares[: peak + 1] == sorted(shares[: peak + 1])
    assert shares[peak:] == sorted(shares[peak:], reverse=True)
    assert max(shares) == pytest.approx(min(1.0, 160 / warm) if warm else 1.0, abs=0.001)


def test_a_warm_up_of_whole_steps_rises_evenly_to_the_peak_and_falls_along_a_cosine() -> None:
    rising, falling = range(20), range(20, 160)
    assert [share_of_peak(step, 160, 20.0) for step in rising] == [(step + 1) / 20.0 for step in rising]
    assert [share_of_peak(step, 160, 20.0) for step in falling] == [
        (1 + math.cos(math.pi * (step - 20.0) / 140.0)) / 2 for step in falling
    ]
