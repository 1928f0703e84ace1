"""How a linear classifier on the code fares under attack through the encoder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from contractive.analysis._evaluate import apply, check_count, spread_rows
from contractive.analysis._probe import LinearProbe, Robustness, check_task
from contractive.analysis._random import directions, uniform

Map = Callable[[Tensor], Tensor]
NORMS = ("l2", "linf")
_ROWS_AT_ONCE = 512


def accuracy_under_attack(
    encode: Map,
    probe: LinearProbe,
    x: Tensor,
    labels: Tensor,
    epsilons: Sequence[float],
    *,
    norm: str = "l2",
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

    Deviation: the margin in place of the cross-entropy, whose gradient vanishes where the probe is sure.

    Args:
        encode: Encoder f, differentiable, in evaluation mode.
        probe: Classifier on the code.
        x: Rows, (rows, *features).
        labels: True classes, (rows,), whole numbers from 0.
        epsilons: Radii of the ball in the units of x, from 0.
        norm: `l2` or `linf`.
        num_steps: Gradient steps from each start.
        step: Length of a step in units of epsilon; 2.5 / num_steps if omitted, as Madry et al. have it.
        num_starts: The example itself, and this many less one random starts.
        bounds: Smallest and largest value an entry may take, for instance (0, 1); none if omitted.
        num_points: At most so many evenly spaced rows are attacked.
        generator: Source of the starts.

    Raises:
        ValueError: An unknown norm, counts below 1, a step that is not above 0, data outside the bounds, and as
            `accuracy_under_noise`.
    """
    check_task(encode, probe, x, labels, epsilons)
    ball = _Ball(norm, num_steps, 2.5 / max(num_steps, 1) if step is None else step, num_starts, bounds)
    ball.check(x)
    chosen = spread_rows(torch.arange(len(x), device=x.device), num_points)
    rows, truth = x[chosen], labels[chosen].long()
    with torch.no_grad():
        standing = probe.scores(apply(encode, rows)).argmax(1) == truth
    blind = standing.clone()
    accuracies = []
    for epsilon in sorted(epsilons):
        left = standing.nonzero().flatten() if epsilon > 0 else standing.new_empty(0, dtype=torch.long)
        for part in left.split(_ROWS_AT_ONCE) if len(left) else ():
            broken, moved = _attack(encode, probe, rows[part], truth[part], epsilon, ball, generator)
            standing[part] = ~broken
            blind[part] &= ~(moved | broken)
        accuracies.append(float(standing.double().mean()))
    attacked = accuracies and max(epsilons) > 0
    return Robustness(tuple(sorted(epsilons)), tuple(accuracies), float(blind.double().mean()) if attacked else 0.0)


@dataclass(frozen=True)
class _Ball:
    """The changes an attack may make, and how it moves among them."""

    norm: str
    num_steps: int
    length: float
    num_starts: int
    bounds: tuple[float, float] | None

    def check(self, x: Tensor) -> None:
        if self.norm not in NORMS:
            raise ValueError(f"norm must be one of {', '.join(NORMS)}, got {self.norm!r}. linf bounds every entry.")
        check_count("num_steps", self.num_steps)
        check_count("num_starts", self.num_starts)
        if not self.length > 0:
            raise ValueError(f"step must be above 0, got {self.length}. It is in units of epsilon.")
        if self.bounds is not None and not self.bounds[0] <= float(x.min()) <= float(x.max()) <= self.bounds[1]:
            seen = (float(x.min()), float(x.max()))
            raise ValueError(f"x must lie within the bounds {self.bounds}, got {seen}. Are these the scaled data?")

    def start(self, x: Tensor, epsilon: float, generator: torch.Generator | None) -> Tensor:
        if self.norm == "linf":
            return epsilon * (2 * uniform(tuple(x.shape), x, generator) - 1)
        radii = uniform((len(x), *[1] * (x.ndim - 1)), x, generator)
        return epsilon * radii ** (1 / x[0].numel()) * directions(x, generator)

    def climb(self, gradient: Tensor) -> Tensor:
        """The change of unit size that raises the margin most."""
        if self.norm == "linf":
            return gradient.sign()
        largest = gradient.abs().flatten(1).amax(1).view(-1, *[1] * (gradient.ndim - 1))
        scaled = gradient / largest.where(largest > 0, 1)  # squares of tiny entries would vanish
        lengths = scaled.flatten(1).norm(dim=1).view(largest.shape)
        return scaled / lengths.where(lengths > 0, 1)

    def project(self, x: Tensor, change: Tensor, epsilon: float) -> Tensor:
        if self.norm == "linf":
            change = change.clamp(-epsilon, epsilon)
        else:
            lengths = change.flatten(1).norm(dim=1).view(-1, *[1] * (change.ndim - 1))
            change = change * (epsilon / lengths.clamp_min(epsilon))
        # clamping moves every entry towards x, so that the change stays in the ball
        return change if self.bounds is None else (x + change).clamp(*self.bounds) - x


def _attack(
    encode: Map,
    probe: LinearProbe,
    x: Tensor,
    truth: Tensor,
    epsilon: float,
    ball: _Ball,
    generator: torch.Generator | None,
) -> tuple[Tensor, Tensor]:
    """(which rows were misclassified somewhere, which rows had a gradient somewhere)."""
    broken = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    moved = broken.clone()
    for start in range(ball.num_starts):
        change = torch.zeros_like(x) if start == 0 else ball.project(x, ball.start(x, epsilon, generator), epsilon)
        for _ in range(ball.num_steps):
            margin, gradient = _margin(encode, probe, x + change, truth)
            broken |= margin > 0
            moved |= gradient.flatten(1).abs().amax(1) > 0
            change = ball.project(x, change + ball.length * epsilon * ball.climb(gradient), epsilon)
        broken |= _margin(encode, probe, x + change, truth)[0] > 0
    return broken, moved


def _margin(encode: Map, probe: LinearProbe, x: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """(largest other score - true score per row, its gradient in x); no gradient reaches any parameter."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        scores = probe.scores(encode(x))
        own = scores.gather(1, truth.unsqueeze(1)).squeeze(1)
        other = scores.scatter(1, truth.unsqueeze(1), -torch.inf).amax(1)
        margin = other - own
        (gradient,) = torch.autograd.grad(margin.sum(), x)
    return margin.detach(), gradient
