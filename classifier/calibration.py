"""Confidence that means what it says: a temperature, and a threshold that keeps routed errors rare."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from classifier.errors import CalibrationError

Floats = NDArray[np.floating]
_LOWEST, _HIGHEST = 0.2, 20.0
_NEVER = 1.0
_Z95 = 1.959963984540054
_DOUBT = 0.05


@dataclass(frozen=True)
class Threshold:
    """
    A routing threshold and what it did on the predictions it was fitted to.

    Parameters
    ----------
    value
        Confidence from which an image is routed, 0…1.
    coverage
        Share of the images that would be routed.
    error
        Share of wrong ones among them; 0 when none is routed.
    error_upper95
        Exact upper bound of that share at 95 %: what so few images can promise.
    images
        Predictions it was fitted to.
    """

    value: float
    coverage: float
    error: float
    error_upper95: float
    images: int

    def as_dict(self) -> dict[str, float | int]:
        """Return the fields as model.json holds them."""
        return asdict(self)


@dataclass(frozen=True)
class Bin:
    """Predictions of like confidence: their mean confidence, the share that was right, and how many."""

    confidence: float
    accuracy: float
    count: int


def softmax(logits: Floats, temperature: float = 1.0) -> NDArray[np.float64]:
    """Probabilities, shape [n, k], of logits divided by ``temperature``."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return result


def negative_log_likelihood(logits: Floats, labels: NDArray[np.integer], temperature: float = 1.0) -> float:
    """Mean surprise, in nats, at the true labels."""
    probabilities = softmax(logits, temperature)[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(probabilities, 1e-12)).mean())


def fit_temperature(logits: Floats, labels: NDArray[np.integer]) -> float:
    """
    Find the temperature that makes the labels most likely, by golden section on its logarithm.

    It is never below 1 when every prediction is right: there the likelihood has no maximum, and a few correct
    images are no reason for claiming certainty.
    """
    if len(labels) == 0:
        raise CalibrationError(
            "There are no predictions to calibrate on: give a validation split with images."
        )
    lowest = 1.0 if bool((logits.argmax(axis=1) == labels).all()) else _LOWEST
    low, high = math.log(lowest), math.log(_HIGHEST)
    ratio = (math.sqrt(5.0) - 1.0) / 2.0
    for _ in range(60):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if negative_log_likelihood(logits, labels, math.exp(left)) <= negative_log_likelihood(
            logits, labels, math.exp(right)
        ):
            high = right
        else:
            low = left
    return round(math.exp((low + high) / 2.0), 6)


def choose_threshold(confidence: Floats, correct: NDArray[np.bool_], target_error: float) -> Threshold:
    """
    Choose the lowest threshold whose routed images are wrong at most at ``target_error``.

    Parameters
    ----------
    confidence
        Calibrated confidence of each prediction, shape [n].
    correct
        Whether each was right, shape [n].
    target_error
        Share of wrong images allowed among the routed, 0…1.

    Notes
    -----
    It lies half way to the next less sure prediction, never below one half: a prediction that is more likely
    wrong than right has no business in a route. When even the surest prediction is wrong, nothing is routed.
    """
    total = len(confidence)
    if total == 0:
        raise CalibrationError("There are no predictions to fit a threshold to: give a validation split.")
    order = np.argsort(-confidence, kind="stable")
    # To six digits, as an answer has it when it is compared.
    sure = np.round(np.asarray(confidence, dtype=np.float64)[order], 6)
    errors = np.cumsum(~correct[order]) / np.arange(1, total + 1)
    distinct = np.append(sure[:-1] > sure[1:], True)  # equal confidences are routed together
    allowed = np.flatnonzero((errors <= target_error) & distinct & (sure >= 0.5))
    if len(allowed) == 0:
        return Threshold(_NEVER, 0.0, 0.0, 1.0, total)
    last = int(allowed[-1])
    below = float(sure[last + 1]) if last + 1 < total else 0.0
    value = round(max(0.5, (float(sure[last]) + below) / 2.0), 6)
    if value <= below:
        value = float(sure[last])  # neighbours: half way rounds to the lower
    wrong = round(float(errors[last]) * (last + 1))
    return Threshold(
        value=value,
        coverage=(last + 1) / total,
        error=float(errors[last]),
        error_upper95=upper_bound(wrong, last + 1),
        images=total,
    )


def equal_mass_bins(confidence: Floats, correct: NDArray[np.bool_], bins: int = 15) -> list[Bin]:
    """Sort predictions by confidence and cut them into bins of as many each, the least sure first."""
    order = np.argsort(confidence, kind="stable")
    return [
        Bin(float(np.mean(confidence[rows])), float(np.mean(correct[rows])), len(rows))
        for rows in np.array_split(order, bins)
        if len(rows)
    ]


def expected_calibration_error(confidence: Floats, correct: NDArray[np.bool_], bins: int = 15) -> float:
    """Mean distance of confidence and accuracy over bins of equal mass, weighted by their predictions."""
    cut = equal_mass_bins(confidence, correct, bins)
    return sum(each.count * abs(each.confidence - each.accuracy) for each in cut) / max(1, len(confidence))


def bootstrap_interval(
    statistic: Callable[[NDArray[np.integer]], float], count: int, resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """
    Return the basic interval, nominally at 95 %, of a statistic that is never negative (Davison and Hinkley 1997).

    What resampling adds to a statistic such as the calibration error, which only noise can raise, is taken off again;
    percentiles would count it twice, and may leave out the very figure that they belong to.
    """
    random = np.random.default_rng(seed)
    whole = statistic(np.arange(count))
    values = [statistic(random.integers(0, count, count)) for _ in range(resamples)]
    low, high = np.quantile(values, [0.025, 0.975])
    return max(0.0, float(2 * whole - high)), max(0.0, float(2 * whole - low))


def upper_bound(events: int, trials: int) -> float:
    """
    Exact one-sided upper bound of a share at 95 % (Clopper and Pearson 1934).

    It is the share under which so few events would be seen in one case of twenty only; 1 when there were no trials.
    """
    if events >= trials:
        return 1.0
    if events == 0:
        return 1.0 - float(_DOUBT ** (1.0 / trials))
    low, high = events / trials, 1.0
    for _ in range(60):
        share = (low + high) / 2.0
        if _at_most(events, trials, share) > _DOUBT:
            low = share
        else:
            high = share
    return high


def _at_most(events: int, trials: int, share: float) -> float:
    """Probability of at most ``events`` in ``trials`` of a given share; logarithms, since the factors leave floats."""
    inside, outside = math.log(share), math.log1p(-share)
    total = math.lgamma(trials + 1)
    return sum(
        math.exp(
            total - math.lgamma(k + 1) - math.lgamma(trials - k + 1) + k * inside + (trials - k) * outside
        )
        for k in range(events + 1)
    )


def rounded_up(bound: float, digits: int) -> float:
    """Return an upper bound with so many digits, rounded so that it stays one."""
    # Less what a product's last bit may add to a bound that has no more digits.
    scale = 10.0**digits
    return math.ceil(bound * scale - 1e-9) / scale


def images_needed(target_error: float) -> int:
    """Return how many images it takes to support a target: with fewer, not even none wrong would bound it at 95 %."""
    return math.ceil(math.log(_DOUBT) / math.log1p(-target_error))


def supported_error(images: int) -> float:
    """Return the smallest target, in thousandths, that so many images can support."""
    return rounded_up(upper_bound(0, images), 3)


def require_support(images: int, target_error: float) -> None:
    """
    Refuse a target that so few images cannot support.

    Raises
    ------
    CalibrationError
        Naming how many it needs, and the target that these could support.
    """
    needed = images_needed(target_error)
    if images < needed:
        possible = supported_error(images)
        # No target may reach a half.
        or_else = f", or set target_error to {possible:.3f} or more" if possible < 0.5 else ""
        raise CalibrationError(
            f"At most {100 * target_error:g}% wrong among routed images takes {needed} images to calibrate on, and "
            f"there are {images}: add pictures{or_else}."
        )


def wilson_interval(successes: int, trials: int, z: float = _Z95) -> tuple[float, float]:
    """Interval of a share (Wilson 1927) at 95 %; (0, 1) when there were no trials."""
    if trials == 0:
        return 0.0, 1.0
    share = successes / trials
    centre = share + z * z / (2 * trials)
    margin = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return max(0.0, (centre - margin) / scale), min(1.0, (centre + margin) / scale)
