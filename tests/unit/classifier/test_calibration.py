"""Temperature and threshold."""

from __future__ import annotations

import numpy as np
import pytest

from classifier.calibration import (
    choose_threshold,
    fit_temperature,
    require_support,
    softmax,
    supported_error,
    upper_bound,
    wilson_interval,
)
from classifier.errors import CalibrationError


def test_overconfident_logits_get_a_temperature_above_one() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 400)
    right = random.random(400) < 0.8
    logits = np.where(np.eye(2)[np.where(right, labels, 1 - labels)] > 0, 5.0, -5.0)
    assert fit_temperature(logits, labels) > 2
    assert abs(softmax(logits, fit_temperature(logits, labels)).max(axis=1).mean() - 0.8) < 0.05


def test_the_threshold_leaves_out_what_is_nearer_than_its_digits() -> None:
    for sure, unsure, taken in ((0.950001, 0.95, 401), (0.9500004, 0.9500003, 400)):
        confidence = np.array([*np.linspace(0.97, 0.99, 400), sure, *[unsure] * 20])
        correct = np.array([True] * 401 + [False] * 20)
        found = choose_threshold(confidence, correct, 0.01)
        routed = np.round(confidence, 6) >= found.value  # as the endpoint compares
        assert (routed.mean(), (~correct[routed]).mean()) == (found.coverage, found.error)
        assert (found.coverage, found.error) == (taken / 421, 0.0)


def test_the_threshold_keeps_wrong_routes_below_the_target() -> None:
    confidence = np.linspace(0.5, 1.0, 200)
    correct = confidence > 0.7
    threshold = choose_threshold(confidence, correct, 0.01)
    routed = confidence >= threshold.value
    assert (~correct[routed]).mean() <= 0.01
    assert threshold.coverage == pytest.approx(routed.mean())


def test_nothing_is_routed_when_the_surest_prediction_is_wrong() -> None:
    assert choose_threshold(np.array([0.9, 0.8]), np.array([False, True]), 0.01).coverage == 0.0


def test_no_predictions_are_refused() -> None:
    with pytest.raises(CalibrationError):
        fit_temperature(np.zeros((0, 2)), np.zeros(0, dtype=np.int64))


def test_the_interval_is_wilsons() -> None:
    low, high = wilson_interval(95, 100)
    assert (round(low, 4), round(high, 4)) == (0.8882, 0.9785)


@pytest.mark.parametrize(
    ("events", "trials", "bound"),
    # R's binom.test(events, trials, alternative = "less")$conf.int[2]
    [(0, 299, 0.00997), (1, 20, 0.21611), (3, 760, 0.01017), (5, 5, 1.0), (0, 0, 1.0)],
)
def test_the_upper_bound_is_clopper_and_pearsons(events: int, trials: int, bound: float) -> None:
    assert upper_bound(events, trials) == pytest.approx(bound, abs=1e-4)


def test_a_target_that_so_few_images_cannot_support_is_refused_with_the_number_it_needs() -> None:
    require_support(299, 0.01)
    with pytest.raises(
        CalibrationError, match=r"takes 299 images .* there are 100: .* target_error to 0\.030"
    ):
        require_support(100, 0.01)
    require_support(100, supported_error(100))
