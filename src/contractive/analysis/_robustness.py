"""A linear classifier on the code, and its accuracy under noise and under attack through the encoder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from contractive.analysis._rows import Map, apply, check_labels, check_mode, check_rows, spread_rows, unit_directions
from contractive.core.errors import InvalidValue, check_at_least, check_choice, check_positive
from contractive.core.randomness import draw
from contractive.core.results import Result, TableResult

Norm = Literal["l2", "linf"]
Margin = Callable[[Tensor], tuple[Tensor, Tensor]]
_ROWS_AT_ONCE = 512


@dataclass(frozen=True, repr=False)
class LinearProbe(Result):
    """Scores weight @ f(x) + bias, the largest of which is the predicted class."""

    weight: Tensor  # (classes, code); two classes have two rows
    bias: Tensor  # (classes,)

    def __post_init__(self) -> None:
        if self.weight.ndim != 2 or len(self.weight) < 2 or self.bias.shape != self.weight.shape[:1]:
            rule = "have the shape (classes, code) for at least two classes, and `bias` (classes,)"
            got = f"{tuple(self.weight.shape)} and {tuple(self.bias.shape)}"
            raise InvalidValue("weight", rule, got, "A binary classifier's row w becomes the rows -w and w.")

    def scores(self, code: Tensor) -> Tensor:
        """Return the scores of codes, (rows, classes)."""
        return code.flatten(1) @ self.weight.T + self.bias


@dataclass(frozen=True, repr=False)
class Robustness(TableResult):
    """Accuracy against the size of a disturbance of the input, in the units of x.

    A saturated code without a gradient may hide the way from the attack, which is not robustness.
    """

    sizes: tuple[float, ...]  # standard deviation per entry, or largest norm of the change by attack; ascending
    accuracies: tuple[float, ...]  # share of the examples classified correctly at each size
    no_gradient: float = 0.0  # attack only: share that stays right with an exactly zero gradient all the way
    _table = ("sizes", "accuracies")


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
    """Measure accuracy under Gaussian noise of growing size on the input, the mean over `num_draws` draws for each row.

    `sigmas` are standard deviations in the units of x, from 0; all scale the same draws. Other arguments as
    `accuracy_under_attack`.
    """
    _check_task(encode, probe, x, labels, "sigmas", sigmas)
    check_at_least("num_draws", num_draws, 1)
    sizes = tuple(sorted(sigmas))
    hits = torch.zeros(len(sizes), dtype=torch.float64)
    for _ in range(num_draws):
        noise = draw(torch.randn, tuple(x.shape), like=x, generator=generator)
        for at, sigma in enumerate(sizes):
            hits[at] += float((probe.scores(apply(encode, x + sigma * noise)).argmax(1) == labels).double().mean())
    return Robustness(sizes, tuple((hits / num_draws).tolist()))


def accuracy_under_attack(
    encode: Map,
    probe: LinearProbe,
    x: Tensor,
    labels: Tensor,
    epsilons: Sequence[float],
    *,
    norm: Norm = "l2",
    num_steps: int = 20,
    step: float | None = None,
    num_starts: int = 2,
    bounds: tuple[float, float] | None = None,
    num_points: int = 500,
    generator: torch.Generator | None = None,
) -> Robustness:
    """Measure accuracy under projected gradient descent through encoder and probe (Madry et al., ICLR 2018).

    White box: the attack has the gradient of the encoder. It climbs the margin, largest other score - true score, from
    the example and from random starts in the ball, projects onto the ball, and succeeds if any point on the way is
    misclassified. What succeeds in a smaller ball counts in every larger one, so that accuracy never rises with
    epsilon. It is an upper bound: a stronger attack may find more.

    Labels are whole numbers from 0. The ball has radii `epsilons` in the units of x, of the length of the change (`l2`)
    or of its largest entry (`linf`). From the example and `num_starts` - 1 random starts go `num_steps` steps of length
    `step` * epsilon, by default 2.5 / num_steps as in the paper. `bounds` are the values an entry may take, as in x.

    Deviation: the margin in place of the cross-entropy, whose gradient vanishes where the probe is sure.
    """
    _check_task(encode, probe, x, labels, "epsilons", epsilons)
    check_choice("norm", norm, ("l2", "linf"), "linf bounds every entry.")
    check_at_least("num_steps", num_steps, 1)
    check_at_least("num_starts", num_starts, 1)
    length = 2.5 / num_steps if step is None else step
    check_positive("step", length, "It is in units of epsilon.")
    seen = float(x.min()), float(x.max())
    if bounds is not None and not bounds[0] <= seen[0] <= seen[1] <= bounds[1]:
        raise InvalidValue("x", f"lie within the bounds {bounds}", seen, "Are these the scaled data?")
    attack = Attack(norm, num_steps, length, num_starts, bounds)
    chosen = spread_rows(torch.arange(len(x), device=x.device), num_points)
    rows, truth = x[chosen], labels[chosen].long()
    with torch.no_grad():
        standing = probe.scores(apply(encode, rows)).argmax(1) == truth
    still = standing.clone()  # those whose gradient was zero all the way
    accuracies = []
    for epsilon in sorted(epsilons):
        left = standing.nonzero().flatten() if epsilon > 0 else standing.new_empty(0, dtype=torch.long)
        for part in left.split(_ROWS_AT_ONCE) if len(left) else ():
            margin = partial(_margin, encode, probe, truth[part])
            wrong, steered = attack.run(margin, rows[part], epsilon, generator)
            standing[part] = ~wrong
            still[part] &= ~(steered | wrong)
        accuracies.append(float(standing.double().mean()))
    no_gradient = float(still.double().mean()) if max(epsilons) > 0 else 0.0
    return Robustness(tuple(sorted(epsilons)), tuple(accuracies), no_gradient)


@dataclass(frozen=True)
class Attack:
    """Projected gradient ascent among the changes of an input of norm up to epsilon, within the bounds."""

    norm: Norm
    num_steps: int
    length: float
    num_starts: int
    bounds: tuple[float, float] | None

    def run(
        self, margin: Margin, x: Tensor, epsilon: float, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """Return (which rows were misclassified, which rows had a gradient) somewhere on the way from the starts."""
        wrong = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        steered = wrong.clone()
        for start in range(self.num_starts):
            change = torch.zeros_like(x) if start == 0 else self.project(x, self.start(x, epsilon, generator), epsilon)
            for _ in range(self.num_steps):
                height, gradient = margin(x + change)
                wrong |= height > 0
                steered |= gradient.flatten(1).abs().amax(1) > 0
                change = self.project(x, change + self.length * epsilon * self.climb(gradient), epsilon)
            wrong |= margin(x + change)[0] > 0
        return wrong, steered

    def start(self, x: Tensor, epsilon: float, generator: torch.Generator | None) -> Tensor:
        """Draw changes uniformly from the ball."""
        if self.norm == "linf":
            return epsilon * (2 * draw(torch.rand, tuple(x.shape), like=x, generator=generator) - 1)
        # the volume within radius r grows as r^d: a uniform share of it is a radius of u^(1/d)
        shares = draw(torch.rand, (len(x), *[1] * (x.ndim - 1)), like=x, generator=generator)
        return epsilon * shares ** (1 / x[0].numel()) * unit_directions(x, generator)

    def climb(self, gradient: Tensor) -> Tensor:
        """Return the change of unit size that raises the margin most."""
        if self.norm == "linf":
            return gradient.sign()
        largest = gradient.abs().flatten(1).amax(1).view(-1, *[1] * (gradient.ndim - 1))
        scaled = gradient / largest.where(largest > 0, 1)  # squares of tiny entries would vanish
        lengths = scaled.flatten(1).norm(dim=1).view(largest.shape)
        return scaled / lengths.where(lengths > 0, 1)

    def project(self, x: Tensor, change: Tensor, epsilon: float) -> Tensor:
        """Return the nearest change in the ball, clamped such that x + change keeps to the bounds."""
        if self.norm == "linf":
            change = change.clamp(-epsilon, epsilon)
        else:
            lengths = change.flatten(1).norm(dim=1).view(-1, *[1] * (change.ndim - 1))
            change = change * (epsilon / lengths.clamp_min(epsilon))
        # clamping moves every entry towards x, so that the change stays in the ball
        return change if self.bounds is None else (x + change).clamp(*self.bounds) - x


def _margin(encode: Map, probe: LinearProbe, truth: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """(largest other score - true score per row, its gradient in x); no gradient reaches any parameter."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        scores = probe.scores(encode(x))
        own = scores.gather(1, truth.unsqueeze(1)).squeeze(1)
        margin = scores.scatter(1, truth.unsqueeze(1), -torch.inf).amax(1) - own
        (gradient,) = torch.autograd.grad(margin.sum(), x)
    return margin.detach(), gradient


def _check_task(encode: Map, probe: LinearProbe, x: Tensor, labels: Tensor, field: str, sizes: Sequence[float]) -> None:
    check_rows(x, 1)
    check_mode(encode)
    check_labels(labels, x)
    if labels.is_floating_point():
        raise InvalidValue("labels", "be whole numbers", labels.dtype, "Use labels.long().")
    classes, low, high = len(probe.weight), int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        rule = f"lie between 0 and {classes - 1}"
        raise InvalidValue("labels", rule, f"{low} to {high}", "Renumber the classes.")
    if not len(sizes) or not all(0 <= size < float("inf") for size in sizes):
        raise InvalidValue(field, "be at least one number from 0", list(sizes), "0 leaves the input as it is.")
