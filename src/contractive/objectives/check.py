"""Check a user-supplied contractive penalty: value, gradient and reduction, and the known mistakes by name.

Most public code computes something else than ||J||_F^2, and values at freshly drawn weights hide it. Here value and
gradient are compared with the Jacobian by its definition, at weights of a trained net's size, before and after a move.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from contractive.core.errors import InvalidType, InvalidValue, check_at_least, check_positive
from contractive.core.randomness import global_randomness
from contractive.jacobian import check_independent_rows, squared_norm
from contractive.objectives._findings import MISTAKES, EncoderCheck, Formula, Map, PenaltyCheck, by_definition, formulas

__all__ = ["check_penalty", "PenaltyCheck", "EncoderCheck", "MISTAKES"]

Penalty = Callable[[Any, Tensor], Any]

_SIGMAS = 4.0  # a mean that many standard errors off is biased
_ALIKE = 8  # calls in a row that give the same: of few random signs two often do
_NOISIEST = 0.08  # the largest relative standard error with which a factor of two is still seen
_WIDE = "one wide layer"  # more units, inputs and rows than a slice in the code of a penalty may keep
_REDUCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "per example": lambda values: values,
    "batch mean": torch.mean,
    "batch sum": torch.sum,
}


def check_penalty(
    penalty: Penalty,
    encoder: Map | None = None,
    x: Tensor | None = None,
    *,
    tolerance: float = 1e-6,
    draws: int = 400,
    seed: int = 0,
) -> PenaltyCheck:
    """Report if `penalty(encoder, x)` is ||df/dx||_F^2 (Rifai et al. 2011, eq. 5 and 6), and if not, why.

    If calls differ it is an estimate, and the mean of `draws` calls is compared by its standard error: let it draw
    anew at each call. Where it is too noisy for that, the report says that it could not be decided. The weights are
    moved for a moment and put back; the global random state is left as it was.

    Args:
        penalty: Returns values of shape (batch,), or their batch mean or sum, or a tuple (code, values).
        encoder: A deterministic map with parameters; if omitted, nets of one to three layers with several activations
            and, for a penalty that is right with these, a wide one on many rows, which shows if it leaves out some.
        x: Points for `encoder`, (batch, *features). A few will do: the whole Jacobian is formed.
        tolerance: Largest relative error that counts as right; for float32 at least 2e-4.
        draws: Calls of which the mean is compared where the penalty is an estimate.
        seed: Random seed of the built-in encoders and of what is drawn during the check.

    Examples:
        >>> def penalty(encoder, x):  # looks right, is not
        ...     x = x.clone().requires_grad_()
        ...     code = encoder(x)
        ...     return torch.autograd.grad(code, x, torch.ones_like(code), create_graph=True)[0].square().sum(1)
        >>> check_penalty(penalty).encoders[0].mistakes
        ('summed outputs',)

    Raises:
        InvalidType: `penalty` cannot be called, and as `contractive.squared_norm`.
        InvalidValue: Only one of `encoder` and `x` is given, `tolerance` is not above 0, the encoder is random, mixes
            the rows of a batch or has no parameters that require a gradient, and as `contractive.squared_norm`.
    """
    if not callable(penalty):
        raise InvalidType("penalty", "be a function of encoder and x", type(penalty).__name__, "Pass the function.")
    if (encoder is None) != (x is None):
        given = "x alone" if encoder is None else "encoder alone"
        raise InvalidValue("encoder and x", "be given together", given, "Add the other.")
    check_positive("tolerance", tolerance, "Leave it out for 1e-6.")
    check_at_least("draws", draws, 8, "Leave it out for 400.")
    devices = [x.device] if isinstance(x, Tensor) and x.is_cuda else []
    with global_randomness(seed, devices), torch.enable_grad():
        pairs = _built_in() if encoder is None or x is None else {"your encoder": (encoder, x)}
        found: list[EncoderCheck] = []
        for name, pair in pairs.items():
            if name != _WIDE or all(found):
                found.append(_Case(name, *pair, tolerance, draws).check(penalty))
        return PenaltyCheck(tuple(found))


def _built_in() -> dict[str, tuple[Map, Tensor]]:
    x = torch.randn(8, 13, dtype=torch.float64)
    layers = {
        "one sigmoid layer": (nn.Linear(13, 7), nn.Sigmoid()),
        "one ReLU layer": (nn.Linear(13, 7), nn.ReLU()),
        "one tanh layer": (nn.Linear(13, 7), nn.Tanh()),
        "two sigmoid layers": (nn.Linear(13, 7), nn.Sigmoid(), nn.Linear(7, 5), nn.Sigmoid()),
        "three mixed layers": (nn.Linear(13, 7), nn.ELU(), nn.Linear(7, 5), nn.Softplus(), nn.Linear(5, 3)),
    }
    nets = {name: nn.Sequential(*modules).double() for name, modules in layers.items()}
    for parameter in nn.ModuleList(nets.values()).parameters():
        nn.init.normal_(parameter, std=0.6)
    wide = nn.Sequential(nn.Linear(80, 68), nn.Tanh()).double()
    for parameter in wide.parameters():
        nn.init.normal_(parameter, std=0.25)
    return {name: (net, x) for name, net in nets.items()} | {_WIDE: (wide, torch.randn(150, 80, dtype=x.dtype))}


class _Incomparable(Exception):
    """The penalty gave nothing to compare: a key of `MISTAKES` and the details of its text."""

    def __init__(self, mistake: str, **details: object) -> None:
        super().__init__(mistake)
        self.mistake, self.finding = mistake, MISTAKES[mistake].format(**details)


@dataclass(frozen=True)
class _Observed:
    """Values and the flat gradient of their weighted sum, each with its standard error (0 if not random)."""

    values: Tensor
    gradient: Tensor
    value_error: float = 0.0
    gradient_error: float = 0.0


@dataclass(frozen=True)
class _Match:
    """A formula whose values, reduced and times `scale`, are those observed; its gradient may be another."""

    mistakes: tuple[str, ...]
    formula: Formula
    reduction: str
    factor: str
    scale: float
    gradient: Tensor

    def values(self) -> Tensor:
        """The values of the formula with the present weights."""
        return self.scale * _REDUCTIONS[self.reduction](self.formula())


class _Case:
    """An encoder, points, and the truth there."""

    def __init__(self, name: str, encoder: Map, x: Tensor, tolerance: float, draws: int) -> None:
        size = squared_norm(encoder, x).detach().sum()  # refuses an encoder for which no penalty can be right
        if not bool(size > 0):  # NaN is not
            got, remedy = f"a sum of ||J||^2 of {float(size):g}", "All penalties would agree: choose others."
            raise InvalidValue("the Jacobian of encoder", "not be zero at all of x", got, remedy)
        self.name, self.encoder, self.x = name, encoder, x.detach()
        code = encoder(self.x)
        self.leaves = _leaves(code)
        if not self.leaves:
            raise InvalidValue("encoder", "have parameters that require a gradient", "none", "Nothing can be trained.")
        if not _same(code, encoder(self.x)):
            raise InvalidValue("encoder", "give the same code twice", "two that differ", "Call .eval() on it first.")
        check_independent_rows(encoder, self.x)
        self.draws = draws
        self.tolerance = max(tolerance, 2000 * torch.finfo(x.dtype).eps)
        # uneven, so that the gradient of one example cannot stand in for that of another
        self.weights = torch.linspace(0.5, 1.5, len(x)).to(self.x)
        d, k = x[0].numel(), code[0].numel()
        self.factors = {"1": 1.0, "1/2": 0.5, "2": 2.0, "1/k": 1 / k, "1/d": 1 / d, "1/(d*k)": 1 / (d * k)}
        self.factors |= {"1/batch": 1 / len(x), "1/batch^2": 1 / len(x) ** 2}

    def check(self, penalty: Penalty) -> EncoderCheck:
        """Compare the penalty with the truth and, where it differs, with the known mistakes."""
        try:
            first = self._call(penalty)
            stochastic = not all(_same(first.values, self._call(penalty).values) for _ in range(_ALIKE))
            seen = self._observe(penalty, self.draws) if stochastic else first
            noisy = seen.value_error > _NOISIEST * seen.values.norm()
            if noisy or seen.gradient_error > _NOISIEST * seen.gradient.norm():
                raise _Incomparable("too noisy")
            match = self._explain(seen)
            follows = self._follows(penalty, match, self.draws // 4 if stochastic else 0)
        except _Incomparable as error:
            return EncoderCheck(self.name, mistakes=(error.mistake,), findings=(error.finding,))
        right = self._see(_REDUCTIONS[match.reduction](by_definition(self.encoder, self.x)))
        multiple = follows and self._close(seen.values, match.scale * right.values, seen.value_error)
        mistakes = self._mistakes(seen, match, follows)
        details = {"factor": match.factor, "ratio": _ratio(seen.gradient, match.gradient)}
        return EncoderCheck(
            self.name,
            value_right=multiple and match.factor == "1",
            gradient_right=self._close(seen.gradient, right.gradient, seen.gradient_error),
            value_error=((seen.values - right.values).norm() / right.values.norm()).item(),
            gradient_error=((seen.gradient - right.gradient).norm() / right.gradient.norm()).item(),
            gradient_cosine=nn.functional.cosine_similarity(seen.gradient, right.gradient, 0).item(),
            reduction=match.reduction,
            factor=match.factor if multiple else "",
            stochastic=stochastic,
            mistakes=mistakes,
            findings=tuple(MISTAKES[mistake].format(**details) for mistake in mistakes),
        )

    def _mistakes(self, seen: _Observed, match: _Match, follows: bool) -> tuple[str, ...]:
        if "floor division" in match.mistakes:
            return match.mistakes
        of_the_value = [mistake for mistake in match.mistakes if not mistake.startswith("detached")]
        nothing = [] if seen.gradient.any() else ["no gradient"]
        if not follows:
            return (*of_the_value, "stale weight") if match.factor in self.factors else ("unknown value", *nothing)
        kind = "batch factor" if "batch" in match.factor else "constant factor"
        factor = [] if match.factor == "1" else [kind]
        if nothing:
            return (*of_the_value, *factor, *nothing)
        if self._close(seen.gradient, match.gradient, seen.gradient_error):
            return (*match.mistakes, *factor)
        scaled = _ratio(seen.gradient, match.gradient) * match.gradient
        known = self._close(seen.gradient, scaled, seen.gradient_error)
        return (*match.mistakes, *factor, "gradient factor" if known else "unknown gradient")

    def _explain(self, seen: _Observed) -> _Match:
        """The first formula with both values and gradient; else with the values; else a multiple of the truth."""
        names = ("per example",) if seen.values.ndim else ("batch mean", "batch sum")
        truth = by_definition(self.encoder, self.x).detach()
        first = _Match((), lambda: by_definition(self.encoder, self.x), "", "", 0.0, seen.gradient)
        for name in names:
            rounded = _REDUCTIONS[name](truth).floor()
            if torch.equal(seen.values, rounded) and (rounded.any() or not rounded.ndim):
                return replace(first, mistakes=("floor division",), reduction=name)
        best = None
        for mistakes, formula in formulas(self.encoder, self.x):
            values = formula()
            for (factor, scale), name in product(self.factors.items(), names):
                scaled = scale * _REDUCTIONS[name](values)
                if self._close(seen.values, scaled.detach(), seen.value_error):
                    match = _Match(mistakes, formula, name, factor, scale, self._see(scaled).gradient)
                    if self._close(seen.gradient, match.gradient, seen.gradient_error):
                        return match
                    best = best or match
                    break
        if best:
            return best
        ratios = {name: _ratio(seen.values, _REDUCTIONS[name](truth)) for name in names}
        name = min(names, key=lambda name: abs(math.log(abs(ratios[name]) + 1e-30)))
        match = replace(first, reduction=name, factor=f"{ratios[name]:.4g}", scale=ratios[name])
        return replace(match, gradient=self._see(match.values()).gradient)

    def _follows(self, penalty: Penalty, match: _Match, draws: int) -> bool:
        """True if the values are still those of the formula after the weights have moved."""
        kept = [leaf.detach().clone() for leaf in self.leaves]
        try:
            with torch.no_grad():
                for leaf in self.leaves:
                    leaf.mul_(1 + 0.5 * torch.rand_like(leaf))
            seen = self._observe(penalty, draws) if draws else self._call(penalty)
            return match.scale != 0 and self._close(seen.values, match.values().detach(), seen.value_error)
        finally:
            with torch.no_grad():
                for leaf, old in zip(self.leaves, kept, strict=True):
                    leaf.copy_(old)

    def _observe(self, penalty: Penalty, draws: int) -> _Observed:
        """The mean of many calls with its standard error."""
        seen, mean, square = self._call(penalty), torch.zeros(()), torch.zeros(())
        for _ in range(draws):
            seen = self._call(penalty)
            flat = torch.cat([seen.values.reshape(-1), seen.gradient]).double()
            mean, square = mean + flat / draws, square + flat.square() / draws
        error = ((square - mean.square()).clamp_min(0) / (draws - 1)).sqrt()
        sizes = [seen.values.numel(), len(mean) - seen.values.numel()]
        values, gradient = mean.to(self.x).split(sizes)
        errors = [part.norm().item() for part in error.split(sizes)]
        return _Observed(values.reshape(seen.values.shape), gradient, *errors)

    def _call(self, penalty: Penalty) -> _Observed:
        try:
            result = penalty(self.encoder, self.x.clone())
        except Exception as error:  # whatever a user's function raises belongs into the report
            raise _Incomparable("an exception", got=f"{type(error).__name__}: {error}") from error
        code, values = result if isinstance(result, tuple) and len(result) == 2 else (None, result)
        if not isinstance(values, Tensor) or not values.is_floating_point():
            got = values.dtype if isinstance(values, Tensor) else type(values).__name__
            raise _Incomparable("not a tensor", got=got)
        if code is not None and not _same(code, self.encoder(self.x)):
            raise _Incomparable("wrong code")
        batch = len(self.x)
        if values.shape != (batch,) and values.numel() != 1:
            raise _Incomparable("wrong shape", got=tuple(values.shape), batch=batch)
        return self._see(values if values.shape == (batch,) else values.reshape(()))

    def _see(self, values: Tensor) -> _Observed:
        total = (self.weights * values).sum() if values.ndim else values
        gradient = torch.zeros(sum(leaf.numel() for leaf in self.leaves)).to(self.x)
        if total.requires_grad:
            try:
                parts = torch.autograd.grad(total, self.leaves, allow_unused=True, materialize_grads=True)
            except RuntimeError as error:
                mistake = "floor division" if "floor_divide" in str(error) else "an exception"
                raise _Incomparable(mistake, got=error) from error
            gradient = torch.cat([part.flatten() for part in parts])
        if not (values.isfinite().all() and gradient.isfinite().all()):
            raise _Incomparable("not finite")
        return _Observed(values.detach(), gradient)

    def _close(self, seen: Tensor, expected: Tensor, error: float) -> bool:
        return bool((seen - expected).norm() <= self.tolerance * expected.norm() + _SIGMAS * error)


def _leaves(code: Tensor) -> list[Tensor]:
    """The tensors in which the gradients of `code` end: parameters, wherever the encoder has them from."""
    found, nodes, seen = [], [code.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is not None and node not in seen:
            seen.add(node)
            found += [getattr(node, "variable")] if hasattr(node, "variable") else []  # noqa: B009
            nodes += [following for following, _ in node.next_functions]
    return found


def _same(seen: object, expected: Tensor) -> bool:
    """True if they are equal up to what another order of summation changes."""
    if not isinstance(seen, Tensor) or seen.shape != expected.shape:
        return False
    return torch.allclose(seen, expected, rtol=200 * torch.finfo(expected.dtype).eps, atol=0)


def _ratio(seen: Tensor, expected: Tensor) -> float:
    return ((seen * expected).sum() / expected.square().sum()).item()
