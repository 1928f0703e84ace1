"""Whether new rows come from the distribution of the training rows: along the learned manifold and off it."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.stats import ks_2samp

from contractive.core.errors import check_at_least
from contractive.estimators._crossfit import CrossFit

_STRETCHES, _ROWS_OF_STRETCH = 10, 100  # at most, and each at least


@dataclass(frozen=True)
class FeatureDrift:
    """p-values of one feature, corrected for the number of tests (Holm, 1979).

    Attributes:
        feature: Its name; x0, x1, ... in a table without names.
        p_value: That its values have the distribution of the training rows.
        along: That its reconstructions have: a change along the learned manifold.
        off: That its residuals have: a change that leaves the manifold.
    """

    feature: str
    p_value: float
    along: float
    off: float


@dataclass(frozen=True)
class Stretch:
    """Consecutive rows, compared on their own.

    Attributes:
        first: Number of the first row, from 0.
        last: Number of the last row.
        p_value: The smallest of theirs, the score's among them, corrected for the tests of all stretches.
        feature: The one with the smallest.
    """

    first: int
    last: int
    p_value: float
    feature: str


@dataclass(frozen=True)
class Drift:
    """Whether rows have changed since training.

    Attributes:
        p_value: The smallest of all corrected p-values: at most a in a share a of samples without a change.
        score: Corrected p-value that the rows are as strange as training rows.
        features: One per feature.
        stretches: The rows in their order in up to ten stretches of at least 100; none of fewer than 200 rows.
    """

    p_value: float
    score: float
    features: tuple[FeatureDrift, ...]
    stretches: tuple[Stretch, ...] = ()

    def changed(self, rate: float = 0.05) -> tuple[str, ...]:
        """Return the names of the features with a corrected p-value of at most `rate`."""
        return tuple(each.feature for each in self.features if min(each.p_value, each.along, each.off) <= rate)


def drift(fit: CrossFit, rows: np.ndarray, new: np.ndarray, z: np.ndarray, names: tuple[str, ...]) -> Drift:
    """Compare new rows with the training rows by Kolmogorov and Smirnov's test, feature by feature.

    Training rows are reconstructed by the network that did not see them, and each new row by one of the networks in
    turn, so that both are alike where nothing has changed. So are training rows that are given as new ones.

    Args:
        fit: The networks.
        rows: Raw training rows.
        new: Raw new rows.
        z: The same, scaled.
        names: Of the features.

    Raises:
        InvalidValue: Fewer than 2 rows.
    """
    check_at_least("rows of X", len(new), 2, "Give more rows.")
    before = np.empty_like(fit.rows)
    for fold, member in enumerate(fit.members):
        before[fit.folds == fold] = member.reconstruct(fit.rows[fit.folds == fold])
    after, scores, judges = np.empty_like(z), np.empty(len(z)), _judges(fit, z)
    for fold, member in enumerate(fit.members):
        own = np.flatnonzero(judges == fold)
        if not len(own):
            continue
        after[own], scores[own] = member.reconstruct(z[own]), fit.member_scores(fold, z[own])
    old = np.column_stack([fit.cross_scores(), rows, before, fit.rows - before])
    now = np.column_stack([scores, new, after, z - after])
    corrected = holm(_p_values(old, now))
    by_feature = corrected[1:].reshape(3, -1).T.tolist()
    found = tuple(FeatureDrift(name, *values) for name, values in zip(names, by_feature, strict=True))
    return Drift(float(corrected.min()), float(corrected[0]), found, _stretches(old, now, names))


def _judges(fit: CrossFit, z: np.ndarray) -> np.ndarray:
    """Return which network judges each of the scaled rows: for one that was trained on, the network without it."""
    factors = np.random.RandomState(0).randint(0, 2**63, z.shape[1], np.int64)

    def keys(rows: np.ndarray) -> np.ndarray:  # equal for equal rows
        return (np.ascontiguousarray(rows, np.float64).view(np.int64) * factors).sum(1)

    known = keys(fit.rows)
    order = np.argsort(known)
    place = order[np.searchsorted(known[order], keys(z)).clip(max=len(known) - 1)]
    return np.where((fit.rows[place] == z).all(1), fit.folds[place], np.arange(len(z)) % len(fit.members))


def _stretches(old: np.ndarray, now: np.ndarray, names: tuple[str, ...]) -> tuple[Stretch, ...]:
    count = min(_STRETCHES, len(now) // _ROWS_OF_STRETCH)
    if count < 2:
        return ()
    parts = [*pairwise(np.linspace(0, len(now), count + 1).astype(int).tolist())]
    raw = np.array([_p_values(old, now[first:end]) for first, end in parts])
    smallest, places = holm(raw.ravel()).reshape(raw.shape).min(1), raw[:, 1:].argmin(1) % len(names)
    return tuple(
        Stretch(first, end - 1, float(p_value), names[place])
        for (first, end), p_value, place in zip(parts, smallest, places, strict=True)
    )


def _p_values(old: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Return those of each column, not corrected, (columns,)."""
    tests: list[Any] = [ks_2samp(*columns) for columns in zip(old.T, now.T, strict=True)]
    return np.array([test.pvalue for test in tests])


def holm(p_values: np.ndarray) -> np.ndarray:
    """Return p-values corrected so that all hold together (Holm, 1979), in the same order."""
    order = np.argsort(p_values)
    factors = np.arange(len(p_values), 0, -1)
    found = np.empty(len(p_values))
    found[order] = np.minimum(1.0, np.maximum.accumulate(p_values[order] * factors))
    return found
