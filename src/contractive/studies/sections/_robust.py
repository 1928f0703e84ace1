"""A linear probe on the code, under noise and attack."""

from collections.abc import Callable
from math import sqrt

import numpy as np
import torch
from torch import Tensor

from contractive import analysis
from contractive.studies.sections._results import RobustCode
from contractive.studies.sections._rows import Rows

NOISE_LEVELS = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0)
ATTACK_LEVELS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)
_PROBE_ROWS = 10_000
_TEST_ROWS = 2000


def fit_probe(codes: Tensor, labels: Tensor, num_classes: int) -> analysis.LinearProbe:
    """Fit a logistic regression to standardised codes (rows, code) and express it in the codes' own units.

    Raises:
        ValueError: Fewer than two classes among the labels.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    known = labels.unique()
    if len(known) < 2:
        raise ValueError(f"labels must be of at least two classes, got {len(known)}. Pass more rows.")
    scaler = StandardScaler().fit(codes.numpy())
    found = LogisticRegression(max_iter=300).fit(scaler.transform(codes.numpy()), labels.numpy())
    coefficients, intercepts = np.asarray(found.coef_), np.asarray(found.intercept_)
    if len(coefficients) == 1:  # two classes
        coefficients, intercepts = (np.concatenate([-part / 2, part / 2]) for part in (coefficients, intercepts))
    weight = coefficients / np.asarray(scaler.scale_)
    bias = intercepts - weight @ np.asarray(scaler.mean_)
    return _for_all(weight, bias, known, num_classes, codes.dtype)


def _for_all(
    weight: np.ndarray, bias: np.ndarray, known: Tensor, num_classes: int, dtype: torch.dtype
) -> analysis.LinearProbe:
    """Classes that were never met are never predicted."""
    whole = torch.zeros(num_classes, weight.shape[1], dtype=dtype)
    biases = torch.full((num_classes,), -1e30, dtype=dtype)
    whole[known], biases[known] = torch.from_numpy(weight).to(dtype), torch.from_numpy(bias).to(dtype)
    return analysis.LinearProbe(whole, biases)


def robust_code(
    encode: Callable[[Tensor], Tensor], rows: Rows, attack_points: int, generator: torch.Generator
) -> RobustCode:
    """Fit a probe to codes of reference rows (half of new rows) and disturb measured ones (the other half)."""
    train_x, train_y, test_x, test_y = _probe_rows(rows, generator)
    probe = fit_probe(analysis.apply(encode, train_x), train_y, len(rows.classes))
    some = torch.linspace(0, len(test_x) - 1, min(_TEST_ROWS, len(test_x))).long()
    test_x, test_y = test_x[some], test_y[some]
    length, entry = rows.unit * sqrt(rows.features), rows.unit
    noise = [level * entry for level in NOISE_LEVELS]
    curves = {
        "Gaussian noise": analysis.accuracy_under_noise(encode, probe, test_x, test_y, noise, generator=generator)
    }
    for title, norm, unit in (("Attack, L2", "l2", length), ("Attack, L∞", "linf", entry)):
        curves[title] = analysis.accuracy_under_attack(
            encode, probe, test_x, test_y, [level * unit for level in ATTACK_LEVELS],
            norm=norm, bounds=rows.bounds, num_points=attack_points, generator=generator,
        )  # fmt: skip
    levels = {title: NOISE_LEVELS if title == "Gaussian noise" else ATTACK_LEVELS for title in curves}
    chance = float(torch.bincount(test_y).max()) / len(test_y)
    clean = curves["Gaussian noise"].accuracies[0]
    return RobustCode(curves, levels, clean, chance, len(train_x), len(test_x))


def _probe_rows(rows: Rows, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rows and labels to fit to, and to test on: never the same."""
    assert rows.labels is not None and rows.reference_labels is not None
    if not rows.new:
        chosen = torch.randperm(len(rows.reference), generator=generator)[:_PROBE_ROWS]
        return rows.reference[chosen], rows.reference_labels[chosen], rows.measured, rows.labels
    order = torch.randperm(len(rows.measured), generator=generator)
    one, other = order[: len(order) // 2], order[len(order) // 2 :]
    return rows.measured[one], rows.labels[one], rows.measured[other], rows.labels[other]
