"""A linear classifier on the code, and what its accuracy under disturbance is reported in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from contractive.analysis._evaluate import apply, check_count, check_evaluating, check_labels, check_rows
from contractive.analysis._random import normal

Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class LinearProbe:
    """Scores weight @ f(x) + bias, the largest of which is the predicted class.

    Attributes:
        weight: (classes, code); two classes have two rows.
        bias: (classes,).

    Raises:
        ValueError: Fewer than two classes, or a bias that does not fit.
    """

    weight: Tensor
    bias: Tensor

    def __post_init__(self) -> None:
        if self.weight.ndim != 2 or len(self.weight) < 2 or self.bias.shape != self.weight.shape[:1]:
            raise ValueError(
                f"probe must have weight (classes, code) for at least two classes and bias (classes,), got"
                f" {tuple(self.weight.shape)} and {tuple(self.bias.shape)}."
                " A binary classifier's row w becomes the rows -w and w."
            )

    def scores(self, code: Tensor) -> Tensor:
        """(rows, classes)."""
        return code.flatten(1) @ self.weight.T + self.bias


@dataclass(frozen=True)
class Robustness:
    """Accuracy against the size of a disturbance of the input.

    Attributes:
        sizes: Noise: standard deviation per entry. Attack: largest norm of the change. In the units of x, ascending.
        accuracies: Share of the examples classified correctly at each size.
        no_gradient: Attack only: share of the examples that stand and whose gradient was exactly zero all the way. A
            saturated code may hide the way from the attack, which is not robustness.
    """

    sizes: tuple[float, ...]
    accuracies: tuple[float, ...]
    no_gradient: float = 0.0


@torch.no_grad()
def accuracy_under_noise(
    encode: Map,
    probe: LinearProbe,
    x: Tensor,
    labels: Tensor,
    sigmas: Sequence[float],
    *,
    num_draws: int = 5,
    generator: torch.Generator | None = None,
) -> Robustness:
    """Measure accuracy under Gaussian noise of growing size on the input, the mean over draws.

    Args:
        encode: Encoder f, in evaluation mode.
        probe: Classifier on the code.
        x: Rows, (rows, *features), as they are without noise.
        labels: True classes, (rows,), whole numbers from 0.
        sigmas: Standard deviations in the units of x, from 0.
        num_draws: Draws of the noise for each row; all sizes scale the same draws.
        generator: Source of the noise.

    Raises:
        ValueError: Labels that do not fit, a negative size, a dropout or batch norm in training mode.
    """
    check_task(encode, probe, x, labels, sigmas)
    check_count("num_draws", num_draws)
    sizes = tuple(sorted(sigmas))
    hits = torch.zeros(len(sizes), dtype=torch.float64)
    for _ in range(num_draws):
        noise = normal(tuple(x.shape), x, generator)
        for at, sigma in enumerate(sizes):
            hits[at] += float((probe.scores(apply(encode, x + sigma * noise)).argmax(1) == labels).double().mean())
    return Robustness(sizes, tuple((hits / num_draws).tolist()))


def check_task(encode: Map, probe: LinearProbe, x: Tensor, labels: Tensor, sizes: Sequence[float]) -> None:
    """Refuse what is no classification task."""
    check_rows(x, 1)
    check_evaluating(encode)
    check_labels(labels, x)
    if labels.is_floating_point():
        raise ValueError(f"labels must be whole numbers, got {labels.dtype}. Use labels.long().")
    classes, low, high = len(probe.weight), int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise ValueError(f"labels must lie between 0 and {classes - 1}, got {low} to {high}. Renumber the classes.")
    if not len(sizes) or not all(0 <= size < float("inf") for size in sizes):
        raise ValueError(f"sizes must be at least one number from 0, got {list(sizes)}. 0 leaves the input as it is.")
