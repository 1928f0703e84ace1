"""The networks of a detector, one without each fold, and which rows they may learn from."""

from typing import Any

import numpy as np

from contractive.core.errors import InvalidValue
from contractive.estimators._autoencoder import ContractiveAutoencoder
from contractive.estimators._detector_parameters import DetectorParameters
from contractive.estimators._scaling import learn, quantile

FEWEST_ROWS = 4
_FOLDS = 5
_FIRST_WEIGHT = 0.1  # of the first, short training that judges which rows to learn from


def drawn_folds(rows: int, random: np.random.RandomState, in_order: bool = False) -> np.ndarray:
    """Return the fold of each row, (rows,): five of them, fewer where a fold would have one row.

    In order, a fold consists of consecutive rows.
    """
    folds = random.permutation(rows) % min(_FOLDS, rows // 2)
    return np.sort(folds) if in_order else folds


def held_first(rows: int, seed: int, num: int, calibrates: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return a random order of the rows that begins with those that calibrate only, and these: a mask says which.

    Without a mask they are so many, drawn at random.
    """
    order = np.random.RandomState(seed).permutation(rows)
    if calibrates is None:
        return order, order[:num]
    held = order[calibrates[order]]
    if len(order) - len(held) < FEWEST_ROWS or not len(held):
        rule = f"leave at least {FEWEST_ROWS} rows to learn from, and one to calibrate"
        raise InvalidValue("calibrates", rule, f"{len(held)} of {len(order)}", "Leave it out.")
    return np.concatenate([held, order[~calibrates[order]]]), held


def train_folds(
    parameters: DetectorParameters,
    score_by: str,
    z: np.ndarray,
    folds: np.ndarray,
    weights: np.ndarray | None,
    seed: int,
) -> list[ContractiveAutoencoder]:
    """Return one fitted autoencoder per fold, on the scaled rows without it; a weight is found or chosen once.

    Where a score has several weights to try, the first fold chooses: smaller ones are tried as long as they lower the
    reconstruction error of its rows, which the network has not seen.
    """

    def fitted(fold: int, weight: Any) -> ContractiveAutoencoder:
        rest = folds != fold
        worker = parameters.worker(int(rest.sum()), score_by, weight=weight)
        worker.random_state = (seed + fold) % 2**31
        return worker.fit(z[rest], sample_weight=None if weights is None else weights[rest])

    def error(worker: ContractiveAutoencoder) -> float:
        own = folds == 0
        return float(np.average(-worker.score_samples(z[own]), weights=None if weights is None else weights[own]))

    candidates = parameters.candidates(score_by)
    best = fitted(0, candidates[0])
    least = error(best) if len(candidates) > 1 else 0.0
    for weight in candidates[1:]:
        smaller = fitted(0, weight)
        if (found := error(smaller)) >= least:
            break
        best, least = smaller, found
    weight = best.weight_ if parameters.weight == "auto" else best.weight
    return [best, *(fitted(fold, weight) for fold in range(1, folds.max() + 1))]


def inner_rows(
    parameters: DetectorParameters, x: np.ndarray, weights: np.ndarray | None, share: float, seed: int
) -> np.ndarray:
    """Return which rows, so large a share, lie well inside: those that networks without them reconstruct best.

    The networks are trained briefly, on all rows: where outliers are among these, most are not taken for inner ones.
    """
    if share >= 1:
        return np.ones(len(x), bool)
    z = learn("standard", x, weights).apply(x)
    folds = drawn_folds(len(x), np.random.RandomState(seed))
    errors = np.empty(len(x))
    for fold in range(folds.max() + 1):
        own = folds == fold
        epochs = -(-(parameters._training(int((~own).sum())).max_epochs or 1) // 3)
        weight = _FIRST_WEIGHT if parameters.weight in (None, "auto") else parameters.weight
        plain: Any = {"early_stopping": False, "loss": "squared_error", "random_state": seed}
        first = parameters.worker(0, "reconstruction", max_epochs=epochs, weight=weight, **plain)
        first.fit(z[~own], sample_weight=None if weights is None else weights[~own])
        errors[own] = -first.score_samples(z[own])
    limit = quantile(errors, share, weights)
    # where all but a row or two weigh next to nothing, enough for two folds are still needed
    return errors <= max(limit, np.partition(errors, FEWEST_ROWS - 1)[FEWEST_ROWS - 1])
