"""The judgement of one penalty with one encoder."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from contractive.jacobian import squared_norm
from contractive.objectives.check import _known
from contractive.objectives.check._report import MISTAKES, EncoderCheck

Map = Callable[[Tensor], Tensor]
Penalty = Callable[[Any, Tensor], Any]

_DRAWS = 400
_SIGMAS = 4.0  # a mean that many standard errors off is biased
_NOISIEST = 0.08  # the largest relative standard error with which a factor of two is still seen
_REDUCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "per example": lambda values: values,
    "batch mean": torch.mean,
    "batch sum": torch.sum,
}


class _Incomparable(Exception):
    """The penalty gave nothing to compare: a key of `MISTAKES` and what goes into its text."""

    def __init__(self, mistake: str, **details: object) -> None:
        super().__init__(mistake)
        self.mistake, self.finding = mistake, MISTAKES[mistake].format(**details)


@dataclass(frozen=True)
class _Seen:
    """Values and the flat gradient of their weighted sum, each with its standard error (0 if not random)."""

    values: Tensor
    gradient: Tensor
    value_spread: float = 0.0
    gradient_spread: float = 0.0


@dataclass(frozen=True)
class _Fit:
    """A known formula that has the values seen, after reduction and times `scale`, and the gradient it has."""

    mistakes: tuple[str, ...]
    formula: _known.Formula
    reduction: str
    factor: str
    scale: float
    gradient: Tensor

    def values(self) -> Tensor:
        """What the formula gives now."""
        return self.scale * _REDUCTIONS[self.reduction](self.formula())


class Case:
    """An encoder, points, and what is true there."""

    def __init__(self, name: str, encoder: Map, x: Tensor, tolerance: float) -> None:
        truth = squared_norm(encoder, x)  # refuses an encoder for which no penalty can be right
        if not bool(truth.detach().sum() > 0):  # neither nan
            raise ValueError(
                "the Jacobian of encoder must not be zero at all of x, got a sum of ||J||^2 of"
                f" {float(truth.detach().sum()):g}. Nothing could be told apart: choose other points or weights."
            )
        self.name, self.encoder, self.x = name, encoder, x.detach()
        code = encoder(self.x)
        self.leaves = _leaves(code)
        if not self.leaves:
            raise ValueError("encoder must have parameters that require a gradient, got none. Nothing can be trained.")
        if not _same(code, encoder(self.x)):
            raise ValueError("encoder must give the same code twice, got two that differ. Call .eval() on it first.")
        self.tolerance = max(tolerance, 2000 * torch.finfo(x.dtype).eps)
        # uneven, so that the gradient of one example cannot stand in for that of another
        self.weights = torch.linspace(0.5, 1.5, len(x)).to(self.x)
        d, k = x[0].numel(), code[0].numel()
        self.factors = {"1": 1.0, "1/2": 0.5, "2": 2.0, "1/k": 1 / k, "1/d": 1 / d, "1/(d*k)": 1 / (d * k)}

    def judge(self, penalty: Penalty) -> EncoderCheck:
        """Compare the penalty with what is true and, where it differs, with what is known to be wrong."""
        try:
            seen, stochastic = self._observe(penalty, _DRAWS)
            if (
                seen.value_spread > _NOISIEST * seen.values.norm()
                or seen.gradient_spread > _NOISIEST * seen.gradient.norm()
            ):
                raise _Incomparable("too noisy")
            fit = self._explain(seen)
            follows = self._follows(penalty, fit)
        except _Incomparable as error:
            return EncoderCheck(self.name, mistakes=(error.mistake,), findings=(error.finding,))
        right = self._see(_REDUCTIONS[fit.reduction](self._truth()))
        multiple = follows and self._close(seen.values, fit.scale * right.values, seen.value_spread)
        mistakes = self._mistakes(seen, fit, follows)
        details = {"factor": fit.factor, "ratio": _ratio(seen.gradient, fit.gradient)}
        return EncoderCheck(
            self.name,
            value_right=multiple and fit.factor == "1",
            gradient_right=self._close(seen.gradient, right.gradient, seen.gradient_spread),
            value_error=_error(seen.values, right.values),
            gradient_error=_error(seen.gradient, right.gradient),
            gradient_cosine=nn.functional.cosine_similarity(seen.gradient, right.gradient, 0).item(),
            reduction=fit.reduction,
            factor=fit.factor if multiple else "",
            stochastic=stochastic,
            mistakes=mistakes,
            findings=tuple(MISTAKES[mistake].format(**details) for mistake in mistakes),
        )

    def _mistakes(self, seen: _Seen, fit: _Fit, follows: bool) -> tuple[str, ...]:
        if "floor division" in fit.mistakes:
            return fit.mistakes
        of_the_value = [mistake for mistake in fit.mistakes if not mistake.startswith("detached")]
        none = [] if seen.gradient.any() else ["no gradient"]
        if not follows:
            return (*of_the_value, "stale weight") if fit.factor in self.factors else ("unknown value", *none)
        factor = [] if fit.factor == "1" else ["constant factor"]
        if none:
            return (*of_the_value, *factor, *none)
        return (*fit.mistakes, *factor, *self._mistakes_of_the_gradient(seen, fit.gradient))

    def _mistakes_of_the_gradient(self, seen: _Seen, expected: Tensor) -> tuple[str, ...]:
        if self._close(seen.gradient, expected, seen.gradient_spread):
            return ()
        scaled = _ratio(seen.gradient, expected) * expected
        return ("gradient factor" if self._close(seen.gradient, scaled, seen.gradient_spread) else "unknown gradient",)

    def _explain(self, seen: _Seen) -> _Fit:
        """The first formula with the values and the gradient seen, or else with the values, or else a multiple."""
        names = ("per example",) if seen.values.ndim else ("batch mean", "batch sum")
        truth, best = self._truth().detach(), None
        for name in names:
            rounded = _REDUCTIONS[name](truth).floor()
            if torch.equal(seen.values, rounded) and (rounded.any() or not rounded.ndim):
                return _Fit(("floor division",), self._truth, name, "", 0.0, seen.gradient)
        for mistakes, formula in _known.formulas(self.encoder, self.x):
            fit = self._fit(seen, mistakes, formula, names)
            if fit and self._close(seen.gradient, fit.gradient, seen.gradient_spread):
                return fit
            best = best or fit
        return best or self._multiple(seen, truth, names)

    def _fit(
        self, seen: _Seen, mistakes: tuple[str, ...], formula: _known.Formula, names: Sequence[str]
    ) -> _Fit | None:
        values = formula()
        for (factor, scale), name in product(self.factors.items(), names):
            scaled = scale * _REDUCTIONS[name](values)
            if self._close(seen.values, scaled.detach(), seen.value_spread):
                return _Fit(mistakes, formula, name, factor, scale, self._see(scaled).gradient)
        return None

    def _multiple(self, seen: _Seen, truth: Tensor, names: Sequence[str]) -> _Fit:
        """The truth times whatever comes nearest."""
        ratios = {name: _ratio(seen.values, _REDUCTIONS[name](truth)) for name in names}
        name = min(names, key=lambda name: abs(math.log(abs(ratios[name]) + 1e-30)))
        gradient = self._see(ratios[name] * _REDUCTIONS[name](self._truth())).gradient
        return _Fit((), self._truth, name, f"{ratios[name]:.4g}", ratios[name], gradient)

    def _follows(self, penalty: Penalty, fit: _Fit) -> bool:
        """Whether the values are still those of the formula after the weights have moved."""
        kept = [leaf.detach().clone() for leaf in self.leaves]
        try:
            with torch.no_grad():
                for leaf in self.leaves:
                    leaf.mul_(1 + 0.5 * torch.rand_like(leaf))
            seen, _ = self._observe(penalty, _DRAWS // 4)
            return fit.scale != 0 and self._close(seen.values, fit.values().detach(), seen.value_spread)
        finally:
            with torch.no_grad():
                for leaf, old in zip(self.leaves, kept, strict=True):
                    leaf.copy_(old)

    def _observe(self, penalty: Penalty, draws: int) -> tuple[_Seen, bool]:
        """One call; or the mean of many with its standard error, if two calls differ."""
        first, second = self._call(penalty), self._call(penalty)
        if _same(first.values, second.values):
            return first, False
        size, mean, square = first.values.numel(), torch.zeros(()), torch.zeros(())
        for _ in range(draws):
            seen = self._call(penalty)
            flat = torch.cat([seen.values.reshape(-1), seen.gradient]).double()
            mean, square = mean + flat / draws, square + flat.square() / draws
        error = ((square - mean.square()).clamp_min(0) / (draws - 1)).sqrt()
        values, gradient = mean.to(self.x).split([size, len(mean) - size])
        spreads = [part.norm().item() for part in error.split([size, len(mean) - size])]
        return _Seen(values.reshape(first.values.shape), gradient, *spreads), True

    def _call(self, penalty: Penalty) -> _Seen:
        try:
            result = penalty(self.encoder, self.x.clone())
        except Exception as error:  # whatever a person's function raises belongs into the report
            raise _Incomparable("an exception", got=f"{type(error).__name__}: {error}") from error
        code, values = result if isinstance(result, tuple) and len(result) == 2 else (None, result)
        if not isinstance(values, Tensor) or not values.is_floating_point():
            raise _Incomparable(
                "not a tensor", got=values.dtype if isinstance(values, Tensor) else type(values).__name__
            )
        if code is not None and not _same(code, self.encoder(self.x)):
            raise _Incomparable("wrong code")
        batch = len(self.x)
        if values.shape != (batch,) and values.numel() != 1:
            raise _Incomparable("wrong shape", got=tuple(values.shape), batch=batch)
        return self._see(values if values.shape == (batch,) else values.reshape(()))

    def _see(self, values: Tensor) -> _Seen:
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
        return _Seen(values.detach(), gradient)

    def _truth(self) -> Tensor:
        return _known.squared_norm(self.encoder, self.x)

    def _close(self, seen: Tensor, expected: Tensor, spread: float) -> bool:
        return bool((seen - expected).norm() <= self.tolerance * expected.norm() + _SIGMAS * spread)


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
    """Equal up to what another order of summation changes."""
    if not isinstance(seen, Tensor) or seen.shape != expected.shape:
        return False
    return torch.allclose(seen, expected, rtol=200 * torch.finfo(expected.dtype).eps, atol=0)


def _ratio(seen: Tensor, expected: Tensor) -> float:
    return ((seen * expected).sum() / expected.square().sum()).item()


def _error(seen: Tensor, expected: Tensor) -> float:
    return ((seen - expected).norm() / expected.norm()).item()
