"""
Whether a window of traffic differs from the model's baseline, test by test.

Every test compares two samples, so that the chance in the baseline counts as the chance in the window does; a
baseline taken for the truth would raise an alarm of its own with every model. Each answers a p-value and an effect:
a window is called drifting only where chance is ruled out (Holm over all tests of the window, so that they share one
rate of false alarms) *and* the effect is of a size that matters, since a large window proves any trifle.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from scipy.spatial.distance import cdist

from training.analysis.baselines import Baseline, Numbers
from training.analysis.records import INPUTS, Prediction

ALPHA = 0.005
"""False alarms per window that all tests together may raise: half of what is promised, since some are approximate."""
NEEDED = {"input": 0.1, "embedding": 0.02, "classes": 0.1, "confidence": 0.1}
"""Effects that matter: see `Finding`."""
_CELLS = 10
_PERMUTATIONS, _ENOUGH, _BLOCKS = 4_999, 20, (50, 200)
_MOST_EMBEDDINGS = 500
"""Of either sample: every pair of them has a distance."""
_SEED = 20_261_125


@dataclass(frozen=True)
class Finding:
    """
    What one test found.

    Parameters
    ----------
    kind, of
        `input`, `embedding`, `classes` or `confidence`; and which statistic of it.
    p_value
        How often chance alone would part the two samples so far.
    score
        The effect. Inputs: population stability index (0.1 is by custom a moderate shift, 0.25 a large one). Embedding:
        energy distance as a share of the mean distance between the samples. Classes: share of pictures whose class
        would have to change. Confidence: largest distance between the distributions, or change of the share unsure.
    drift
        Whether chance is ruled out and the effect matters.
    """

    kind: str
    of: str
    p_value: float
    score: float
    drift: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return it as the analysis has it."""
        return {
            "kind": self.kind,
            "of": self.of,
            "p": float(f"{self.p_value:.3g}"),
            "score": round(self.score, 4),
            "needed": NEEDED[self.kind],
            "drift": self.drift,
        }


def compare(records: Sequence[Prediction], baseline: Baseline) -> list[Finding]:
    """Run every test of a window, and decide which of them found drift."""
    found = [
        *_inputs(records, baseline),
        *_embedding(records, baseline),
        *_classes(records, baseline),
        *_confidence(records, baseline),
    ]
    ruled_out = holm([each.p_value for each in found], ALPHA)
    return [
        Finding(each.kind, each.of, each.p_value, each.score, drift=sure and each.score >= NEEDED[each.kind])
        for each, sure in zip(found, ruled_out, strict=True)
    ]


def holm(p_values: Sequence[float], alpha: float) -> list[bool]:
    """Say which hypotheses fall when at most ``alpha`` of the sets may lose a true one (Holm 1979)."""
    fallen = [False] * len(p_values)
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        if p_values[index] > alpha / (len(p_values) - rank):
            break
        fallen[index] = True
    return fallen


def population_stability(baseline: Numbers, window: Numbers) -> float:
    """
    Return the population stability index over cells of equally many baseline values.

    Where the least value is so frequent that it fills a cell, a cell below it shows what has never been there: else
    a statistic that did not vary would hide a change. Half a value is added to each cell, so that an empty one has
    a logarithm.
    """
    edges = np.unique(np.quantile(baseline, np.arange(1, _CELLS) / _CELLS))
    if edges[0] == baseline.min():
        edges = np.concatenate([[np.nextafter(edges[0], -np.inf)], edges])
    shares = []
    for values in (baseline, window):
        counts = np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1) + 0.5
        shares.append(counts / counts.sum())
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


def _inputs(records: Sequence[Prediction], baseline: Baseline) -> list[Finding]:
    """Run Kolmogorov and Smirnov's test of each statistic: it needs no shape, and ties make it only more careful."""
    found = []
    for name in INPUTS:
        theirs = np.array([each.inputs[name] for each in records if each.inputs and name in each.inputs])
        ours = baseline.inputs.get(name)
        if ours is not None and len(ours) and len(theirs):
            p_value = float(stats.ks_2samp(theirs, ours, method="asymp").pvalue)
            found.append(Finding("input", name, p_value, population_stability(ours, theirs)))
    return found


def _embedding(records: Sequence[Prediction], baseline: Baseline) -> list[Finding]:
    """Test the energy distance (Székely and Rizzo 2004): it sees any change of a distribution of several numbers."""
    dimensions = baseline.embedding.shape[1]
    theirs = np.array([each.embedding for each in records if len(each.embedding) == dimensions])
    ours = baseline.embedding[:_MOST_EMBEDDINGS]  # they are in an order of chance
    if len(theirs) > _MOST_EMBEDDINGS:
        theirs = np.random.default_rng(_SEED).choice(theirs, _MOST_EMBEDDINGS, replace=False)
    if min(len(theirs), len(ours)) < 2:
        return []
    p_value, score = energy_test(theirs, ours)
    return [Finding("embedding", "energy distance", p_value, score)]


def energy_test(one: Numbers, other: Numbers) -> tuple[float, float]:
    """
    Return the permutation p-value of the energy distance, and that distance as a share of the mean one between samples.

    Permuting stops at the 20th value as large (Besag and Clifford 1991): the p-value stays exact, and a window like its
    baseline, as most are, costs a hundred permutations in place of thousands.
    """
    pooled = np.concatenate([one, other])
    distances = cdist(pooled, pooled)
    sums, total, n, m = distances.sum(axis=1), distances.sum(), len(one), len(other)

    def energy(members: Numbers) -> Numbers:
        """Compute the unbiased statistic for rows of 0 and 1, which say whose each value is."""
        within = ((members @ distances) * members).sum(axis=1)
        between = members @ sums - within
        rest = total - 2 * between - within
        result: Numbers = 2 * between / (n * m) - within / (n * (n - 1)) - rest / (m * (m - 1))
        return result

    actual = np.concatenate([np.ones(n), np.zeros(m)])
    observed = float(energy(actual[None])[0])
    between = float(distances[:n, n:].mean())
    score = max(0.0, observed) / (2 * between) if between else 0.0
    random = np.random.default_rng(_SEED)
    larger = drawn = 0
    while drawn < _PERMUTATIONS:
        count = min(_BLOCKS[drawn > 0], _PERMUTATIONS - drawn)
        hits = energy(random.permuted(np.tile(actual, (count, 1)), axis=1)) >= observed - 1e-12
        reached = np.flatnonzero(larger + np.cumsum(hits) >= _ENOUGH)
        if len(reached):
            return _ENOUGH / (drawn + int(reached[0]) + 1), score
        larger, drawn = larger + int(hits.sum()), drawn + count
    return (larger + 1) / (drawn + 1), score


def _classes(records: Sequence[Prediction], baseline: Baseline) -> list[Finding]:
    """Run Fisher's exact test of two classes; of more the likelihood-ratio test, with the rare ones taken together."""
    names = sorted({*baseline.labels, *(each.label for each in records)})
    counts = np.array(
        [
            [sum(each.label == name for each in records) for name in names],
            [baseline.labels.count(name) for name in names],
        ]
    )
    shares = counts / counts.sum(axis=1, keepdims=True)
    score = float(np.abs(shares[0] - shares[1]).sum() / 2)
    return [Finding("classes", "mix", _mix_p_value(counts), score)]


def _mix_p_value(counts: "np.ndarray[Any, np.dtype[np.int64]]") -> float:
    least = counts.sum(axis=0) * counts.sum(axis=1).min() / counts.sum()
    if counts.shape[1] > 2 and (least < 5).any():  # below that the test's approximation is none
        rare = counts[:, least < 5].sum(axis=1, keepdims=True)
        counts = np.concatenate([counts[:, least >= 5], rare], axis=1)
    if counts.shape[1] < 2:
        return 1.0
    if counts.shape[1] == 2:
        return float(stats.fisher_exact(counts).pvalue)
    return float(stats.chi2_contingency(counts, lambda_="log-likelihood").pvalue)


def _confidence(records: Sequence[Prediction], baseline: Baseline) -> list[Finding]:
    """Run Kolmogorov and Smirnov's test of the confidence, and Fisher's of how many were left to people."""
    theirs = np.array([each.confidence for each in records])
    tested = stats.ks_2samp(theirs, baseline.confidence, method="asymp")
    unsure = sum(not each.confident for each in records)
    before = int((~baseline.confident).sum())
    table = [[unsure, len(records) - unsure], [before, len(baseline.confident) - before]]
    change = abs(unsure / len(records) - before / len(baseline.confident))
    return [
        Finding("confidence", "distribution", float(tested.pvalue), float(tested.statistic)),
        Finding("confidence", "share unsure", float(stats.fisher_exact(table).pvalue), change),
    ]
