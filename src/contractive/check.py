"""Check a contractive penalty of one's own: its value, its gradient, its reduction, and the known mistakes by name.

Most public code for contractive autoencoders computes something else than ||J||_F^2, and values at freshly drawn
weights hide it. Here value and gradient are compared with the Jacobian by its definition, one autograd row for each
unit of the code, in float64, at weights of a trained net's size, and again after the weights have moved.

Example:
    >>> def penalty(encoder, x):  # looks right, is not
    ...     x = x.clone().requires_grad_()
    ...     code = encoder(x)
    ...     return torch.autograd.grad(code, x, torch.ones_like(code), create_graph=True)[0].square().sum(1)
    >>> check_penalty(penalty).encoders[0].mistakes
    ('summed outputs',)
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from contractive.jacobian import squared_norm

__all__ = ["MISTAKES", "EncoderCheck", "PenaltyCheck", "check_penalty"]

Map = Callable[[Tensor], Tensor]
Penalty = Callable[[Any, Tensor], Any]

MISTAKES = {
    "summed outputs": "It is ||J^T 1||^2: the units of the code were summed before differentiating."
    " Differentiate each unit on its own, or weight the units with random signs and average over draws.",
    "summed inputs": "It is ||J 1||^2: the weights of a unit were summed before squaring. Square first, then sum.",
    "last layer only": "It is the one-layer formula with the last layer's weight on an encoder that has more layers."
    " Differentiate through all of them, with contractive.value_and_squared_norm or autograd.",
    "sigmoid slope": "It uses h (1 - h), the slope of a sigmoid, on another activation. Use that one's own slope.",
    "slope dropped": "It is ||W||^2: the slope of the activation is missing. Multiply row j of W by act'(a_j).",
    "not squared": "It is ||J||, the root of the penalty. Leave out .sqrt(), or square .norm().",
    "floor division": "The value is rounded down, which has no gradient. Divide with / instead of //.",
    "constant factor": "It is {factor} times ||J||^2. Leave out the factor, or fold it into the weight of the penalty.",
    "stale weight": "It does not follow the weights: a copy made earlier is used. Read the weight at every call.",
    "no gradient": "Its gradient in the parameters is missing or zero, so that it trains nothing. Keep"
    " create_graph=True, and leave out .detach(), .data, .item() and torch.no_grad().",
    "detached weight": "The gradient lacks the part through the weight. Use layer.weight itself, not .data or state_dict().",
    "detached slope": "The gradient lacks the part through the slope of the activation. Do not detach the code.",
    "gradient factor": "Its gradient is {ratio:.4g} times that of its value. Let autograd derive it, or mend the factor.",
    "wrong code": "The code returned with the values is not encoder(x). Return (encoder(x), values).",
    "wrong shape": "It must return one value per example or one for the batch, got shape {shape} for {batch} examples."
    " Sum over features and units only.",
    "not a tensor": "It must return a tensor of real numbers, got {kind}. Return the values before .item() or .tolist().",
    "not finite": "Its value or gradient is nan or infinite. Look for roots and logarithms of zero.",
    "an exception": "It raised {error}. Check with your own encoder if the penalty fits that one alone.",
    "too noisy": "The estimate varies too much to be judged. Use more probes, or a larger batch.",
    "unknown value": "The value is no multiple of ||J||^2 and no known mistake. Compare with contractive.squared_norm.",
    "unknown gradient": "The gradient is not that of the value. Let autograd derive it, on one graph from the weights.",
}

_DRAWS = 400
_SIGMAS = 4.0  # an estimate this many standard errors off is biased
_NOISIEST = 0.08  # largest relative standard error that still tells anything


@dataclass(frozen=True)
class EncoderCheck:
    """What was found with one encoder.

    Attributes:
        encoder: Its name.
        value_right: Whether the value is ||J||_F^2, per example or as batch mean or sum.
        gradient_right: Whether the gradient in the parameters is.
        value_error: ||value - truth|| / ||truth||; nan where there is no value.
        gradient_error: The same of the gradient.
        gradient_cosine: Cosine between the gradient and the true one.
        reduction: `per example`, `batch mean`, `batch sum`, or `unknown`.
        factor: Constant factor before ||J||^2, such as `1`, `1/2`, `1/(d*k)`; `` where there is none.
        stochastic: Whether two calls differed; then the mean over many calls was judged, by its standard error.
        mistakes: Keys of `MISTAKES`.
        finding: What is wrong and what to do, in plain words; empty if all is right.
    """

    encoder: str
    value_right: bool = False
    gradient_right: bool = False
    value_error: float = float("nan")
    gradient_error: float = float("nan")
    gradient_cosine: float = float("nan")
    reduction: str = "unknown"
    factor: str = ""
    stochastic: bool = False
    mistakes: tuple[str, ...] = ()
    finding: str = ""

    def __bool__(self) -> bool:
        return self.value_right and self.gradient_right and not self.mistakes

    def __str__(self) -> str:
        kind = f"unbiased estimate, {self.reduction}" if self.stochastic else self.reduction
        value = "right" if self.value_right else f"wrong (error {self.value_error:.2g})"
        cosine = f"error {self.gradient_error:.2g}, cosine {self.gradient_cosine:.2f}"
        gradient = "right" if self.gradient_right else f"wrong ({cosine})"
        head = f"{self.encoder}: value {value}, gradient {gradient}"
        return f"{head}; {kind}" if self else f"{head}\n    {', '.join(self.mistakes)}: {self.finding}"


@dataclass(frozen=True)
class PenaltyCheck:
    """The outcome for every encoder; true only if all is right with all of them."""

    encoders: tuple[EncoderCheck, ...]

    def __bool__(self) -> bool:
        return all(self.encoders)

    def __str__(self) -> str:
        right = sum(map(bool, self.encoders))
        verdict = "right" if self else f"wrong with {len(self.encoders) - right} of {len(self.encoders)} encoders"
        return "\n".join([f"The penalty is {verdict}.", *(f"  {one}" for one in self.encoders)])


def check_penalty(
    penalty: Penalty, encoder: Map | None = None, x: Tensor | None = None, *, tolerance: float = 1e-6, seed: int = 0
) -> PenaltyCheck:
    """Tell whether `penalty(encoder, x)` is ||df/dx||_F^2 (Rifai et al. 2011, eq. 5 and 6), and if not, why.

    Two calls that differ make it an estimate: the mean of 400 calls is compared by its standard error, so let it draw
    anew at every call. The encoder's weights are moved for a moment, and put back. The global seed is left as it was.

    Args:
        penalty: Returns values of shape (batch,), their batch mean or sum, or a tuple (code, values).
        encoder: A deterministic map with parameters; if omitted, one to three layers with several activations.
        x: Points for `encoder`, (batch, *features). A few suffice: the whole Jacobian is formed.
        tolerance: Largest relative error that counts as right; for float32 at least 2e-4.
        seed: Of the built-in encoders and of the global generator during the check.

    Raises:
        TypeError: `penalty` cannot be called; or `x` as `contractive.squared_norm` says.
        ValueError: Only one of `encoder` and `x` is given, `tolerance` is not above 0, or the encoder has no
            parameters that require a gradient, is random, or treats examples jointly.
    """
    if not callable(penalty):
        raise TypeError(
            f"penalty must be a function of encoder and x, got {type(penalty).__name__}. Pass the function."
        )
    if (encoder is None) != (x is None):
        given = "encoder" if x is None else "x"
        raise ValueError(f"encoder and x must be given together, got {given} alone. Give both or none.")
    if not tolerance > 0:
        raise ValueError(f"tolerance must be above 0, got {tolerance}. Leave it out for 1e-6.")
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        pairs = _built_in() if encoder is None or x is None else {"your encoder": (encoder, x.detach())}
        return PenaltyCheck(tuple(_Case(name, *pair, tolerance).judge(penalty) for name, pair in pairs.items()))


def _built_in() -> dict[str, tuple[Map, Tensor]]:
    def net(*modules: nn.Module) -> nn.Sequential:
        encoder = nn.Sequential(*modules).double()
        for parameter in encoder.parameters():
            nn.init.normal_(parameter, std=0.6)
        return encoder

    x = torch.randn(8, 13, dtype=torch.float64)
    first, second, third = (lambda: nn.Linear(13, 7)), (lambda: nn.Linear(7, 5)), (lambda: nn.Linear(5, 3))
    encoders = {
        "one sigmoid layer": net(first(), nn.Sigmoid()),
        "one ReLU layer": net(first(), nn.ReLU()),
        "one tanh layer": net(first(), nn.Tanh()),
        "two sigmoid layers": net(first(), nn.Sigmoid(), second(), nn.Sigmoid()),
        "three layers, ELU and linear": net(first(), nn.ELU(), second(), nn.Softplus(), third()),
    }
    return {name: (encoder, x) for name, encoder in encoders.items()}


class _Wrong(Exception):
    """A penalty that gives nothing to compare: a key of `MISTAKES` and what goes into its text."""

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


class _Case:
    """One encoder, what is true of it, and the judgement of a penalty."""

    def __init__(self, name: str, encoder: Map, x: Tensor, tolerance: float) -> None:
        squared_norm(encoder, x)  # refuses an encoder for which no penalty can be right
        code = encoder(x)
        self.name, self.encoder, self.x, self.leaves = name, encoder, x, _leaves(code)
        if not self.leaves:
            raise ValueError("encoder must have parameters that require a gradient, got none. Nothing can be trained.")
        if not torch.allclose(code, encoder(x), rtol=1e-5, atol=0):
            raise ValueError("encoder must give the same code twice, got two that differ. Call .eval() on it first.")
        self.tolerance = max(tolerance, 2000 * torch.finfo(x.dtype).eps)
        self.weights = torch.linspace(0.5, 1.5, len(x), dtype=x.dtype, device=x.device)
        d, k = x[0].numel(), code[0].numel()
        self.factors = {"1": 1.0, "1/2": 0.5, "2": 2.0, "1/k": 1 / k, "1/d": 1 / d, "1/(d*k)": 1 / (d * k)}

    def judge(self, penalty: Penalty) -> EncoderCheck:
        """The whole judgement; what cannot be compared is reported as well."""
        try:
            return self._judge(penalty)
        except _Wrong as wrong:
            return EncoderCheck(self.name, mistakes=(wrong.mistake,), finding=wrong.finding)

    def _judge(self, penalty: Penalty) -> EncoderCheck:
        seen, stochastic = self._observe(penalty)
        reduction, factor, scale = self._fit(seen, self._truth())
        right = self._see(_REDUCTIONS[reduction](self._truth()))
        if (
            seen.value_spread > _NOISIEST * seen.values.norm()
            or seen.gradient_spread > _NOISIEST * seen.gradient.norm()
        ):
            raise _Wrong("too noisy")
        base = _Seen(scale * right.values, scale * right.gradient)
        follows = self._close(seen.values, base.values, seen.value_spread) and self._follows(penalty, reduction, scale)
        if follows:
            wrong = [] if factor == "1" else ["constant factor"]
        else:
            wrong, base = self._explain_value(seen, base, factor)
        mistakes = wrong + self._explain_gradient(seen, base, "stale weight" in wrong)
        details = {"factor": factor, "ratio": _ratio(seen.gradient, base.gradient)}
        return EncoderCheck(
            self.name,
            value_right=not wrong,
            gradient_right=self._close(seen.gradient, right.gradient, seen.gradient_spread),
            value_error=_error(seen.values, right.values),
            gradient_error=_error(seen.gradient, right.gradient),
            gradient_cosine=nn.functional.cosine_similarity(seen.gradient, right.gradient, 0).item(),
            reduction=reduction,
            factor=factor if follows else "",
            stochastic=stochastic,
            mistakes=tuple(mistakes),
            finding=" ".join(MISTAKES[one].format(**details) for one in mistakes),
        )

    def _explain_value(self, seen: _Seen, base: _Seen, factor: str) -> tuple[list[str], _Seen]:
        """The mistake with the values seen, and what its gradient would be."""
        if factor in self.factors:  # right before the weights moved
            return ["stale weight"], base
        norms = self._truth().detach()
        if any(torch.equal(seen.values, reduce(norms).floor()) for reduce in _REDUCTIONS.values()):
            return ["floor division"], seen
        for mistake, values in _candidates(self.encoder, self.x):
            reduction, factor, scale = self._fit(seen, values)
            if factor in self.factors:
                deep = len(_linear_layers(self.encoder)) > 1 and mistake in ("sigmoid slope", "slope dropped")
                found = [
                    mistake,
                    *(["last layer only"] if deep else []),
                    *(["constant factor"] if factor != "1" else []),
                ]
                return found, self._see(scale * _REDUCTIONS[reduction](values))
        return ["unknown value"], seen

    def _explain_gradient(self, seen: _Seen, base: _Seen, stale: bool) -> list[str]:
        if stale or self._close(seen.gradient, base.gradient, seen.gradient_spread):
            return [] if seen.gradient.any() else ["no gradient"]
        if not seen.gradient.any():
            return ["no gradient"]
        for slope in ("own", "sigmoid", "none"):
            for detached in ("weight", "slope"):
                values = _one_layer(self.encoder, self.x, slope, detached)
                if values is not None and self._matches(seen, values):
                    return [f"detached {detached}"]
        scaled = _ratio(seen.gradient, base.gradient) * base.gradient
        return ["gradient factor" if self._close(seen.gradient, scaled, seen.gradient_spread) else "unknown gradient"]

    def _matches(self, seen: _Seen, values: Tensor) -> bool:
        reduction, factor, scale = self._fit(seen, values)
        gradient = self._see(scale * _REDUCTIONS[reduction](values)).gradient
        return factor in self.factors and self._close(seen.gradient, gradient, seen.gradient_spread)

    def _fit(self, seen: _Seen, values: Tensor) -> tuple[str, str, float]:
        """The reduction and the factor that turn `values` into what was seen: (reduction, name of the factor, factor)."""
        reduced = {name: reduce(values.detach()) for name, reduce in _REDUCTIONS.items()}
        names = ["per example"] if seen.values.ndim else ["batch mean", "batch sum"]
        for factor, scale in self.factors.items():
            for name in names:
                if self._close(seen.values, scale * reduced[name], seen.value_spread):
                    return name, factor, scale
        ratios = {name: _ratio(seen.values, reduced[name]) for name in names}
        name = min(names, key=lambda name: abs(math.log(abs(ratios[name]) + 1e-300)))
        return name, f"{ratios[name]:.4g}", ratios[name]

    def _follows(self, penalty: Penalty, reduction: str, scale: float) -> bool:
        """Whether the values are still as expected after the weights have moved."""
        with _moved(self.leaves):
            seen, _ = self._observe(penalty)
            return self._close(seen.values, scale * _REDUCTIONS[reduction](self._truth().detach()), seen.value_spread)

    def _observe(self, penalty: Penalty) -> tuple[_Seen, bool]:
        """One call; or the mean of many with its standard error, if two calls differ."""
        first, second = self._call(penalty), self._call(penalty)
        if torch.allclose(first.values, second.values, rtol=self.tolerance / 100, atol=0):
            return first, False
        mean, square = torch.zeros(()), torch.zeros(())
        for _ in range(_DRAWS):
            seen = self._call(penalty)
            flat = torch.cat([seen.values.reshape(-1), seen.gradient]).double()
            mean, square = mean + flat / _DRAWS, square + flat.square() / _DRAWS
        error, size = ((square - mean.square()).clamp_min(0) / (_DRAWS - 1)).sqrt(), first.values.numel()
        values, gradient = mean[:size].reshape(first.values.shape), mean[size:]
        seen = _Seen(
            values.to(first.values),
            gradient.to(first.gradient),
            *(e.norm().item() for e in (error[:size], error[size:])),
        )
        return seen, True

    def _call(self, penalty: Penalty) -> _Seen:
        try:
            result = penalty(self.encoder, self.x.clone())
        except Exception as error:  # whatever a person's function raises belongs into the report
            raise _Wrong("an exception", error=f"{type(error).__name__}: {error}") from error
        code, values = result if isinstance(result, tuple) and len(result) == 2 else (None, result)
        if not isinstance(values, Tensor) or not values.is_floating_point():
            raise _Wrong("not a tensor", kind=values.dtype if isinstance(values, Tensor) else type(values).__name__)
        if values.shape != (len(self.x),) and values.numel() != 1:
            raise _Wrong("wrong shape", shape=tuple(values.shape), batch=len(self.x))
        if code is not None and not _same(code, self.encoder(self.x)):
            raise _Wrong("wrong code")
        return self._see(values if values.shape == (len(self.x),) else values.reshape(()))

    def _see(self, values: Tensor) -> _Seen:
        total = (self.weights * values).sum() if values.ndim else values
        gradient = torch.zeros(sum(leaf.numel() for leaf in self.leaves)).to(self.x)
        if total.requires_grad:
            try:
                parts = torch.autograd.grad(total, self.leaves, allow_unused=True, materialize_grads=True)
            except RuntimeError as error:
                raise _Wrong(
                    "floor division" if "floor_divide" in str(error) else "an exception", error=error
                ) from error
            gradient = torch.cat([part.flatten() for part in parts])
        if not (values.isfinite().all() and gradient.isfinite().all()):
            raise _Wrong("not finite")
        return _Seen(values.detach(), gradient)

    def _truth(self) -> Tensor:
        return _jacobian(self.encoder, self.x).square().sum((1, 2))

    def _close(self, seen: Tensor, expected: Tensor, spread: float) -> bool:
        return bool((seen - expected).norm() <= self.tolerance * expected.norm() + _SIGMAS * spread)


_REDUCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "per example": lambda values: values,
    "batch mean": torch.mean,
    "batch sum": torch.sum,
}


def _jacobian(encoder: Map, x: Tensor) -> Tensor:
    """(batch, k, d) by the definition, on the graph of the parameters."""
    x = x.detach().clone().requires_grad_()
    units = encoder(x).flatten(1).unbind(1)
    rows = [torch.autograd.grad(unit.sum(), x, create_graph=True, materialize_grads=True)[0] for unit in units]
    return torch.stack([row.flatten(1) for row in rows], 1)


def _candidates(encoder: Map, x: Tensor) -> Iterator[tuple[str, Tensor]]:
    """(mistake, its value per example)."""
    matrix = _jacobian(encoder, x)
    yield "summed outputs", matrix.sum(1).square().sum(1)
    yield "summed inputs", matrix.sum(2).square().sum(1)
    yield "not squared", matrix.square().sum((1, 2)).sqrt()
    for mistake, slope in (("last layer only", "own"), ("sigmoid slope", "sigmoid"), ("slope dropped", "none")):
        values = _one_layer(encoder, x, slope)
        if values is not None:
            yield mistake, values


def _one_layer(encoder: Map, x: Tensor, slope: str, detached: str = "") -> Tensor | None:
    """sum_j slope_j^2 ||W_j||^2 with the last Linear layer of a module, or None where there is none."""
    layers, seen = _linear_layers(encoder), []
    if not layers:
        return None
    handle = layers[-1].register_forward_hook(lambda module, args, output: seen.append(output))
    code = encoder(x)
    handle.remove()
    if code.ndim != 2 or not seen or seen[-1].shape != code.shape:
        return None
    if slope == "own":
        (factors,) = torch.autograd.grad(code.sum(), seen[-1], create_graph=True)
    else:
        factors = code * (1 - code) if slope == "sigmoid" else torch.ones_like(code)
    weight = layers[-1].weight.detach() if detached == "weight" else layers[-1].weight
    factors = factors.detach() if detached == "slope" else factors
    return factors.square() @ weight.square().sum(1)


def _linear_layers(encoder: Map) -> list[nn.Linear]:
    modules = encoder.modules() if isinstance(encoder, nn.Module) else ()
    return [module for module in modules if isinstance(module, nn.Linear)]


def _leaves(code: Tensor) -> list[Tensor]:
    """The tensors that gradients of `code` end in."""
    found, nodes, seen = [], [code.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is not None and node not in seen:
            seen.add(node)
            found += [node.variable] if hasattr(node, "variable") else []
            nodes += [following for following, _ in node.next_functions]
    return found


@contextmanager
def _moved(leaves: list[Tensor]) -> Iterator[None]:
    kept = [leaf.detach().clone() for leaf in leaves]
    try:
        with torch.no_grad():
            for leaf in leaves:
                leaf.mul_(1 + 0.5 * torch.rand_like(leaf))
        yield
    finally:
        with torch.no_grad():
            for leaf, old in zip(leaves, kept, strict=True):
                leaf.copy_(old)


def _same(code: object, expected: Tensor) -> bool:
    return isinstance(code, Tensor) and code.shape == expected.shape and torch.allclose(code, expected, rtol=1e-5)


def _ratio(seen: Tensor, expected: Tensor) -> float:
    return ((seen * expected).sum() / expected.square().sum()).item()


def _error(seen: Tensor, expected: Tensor) -> float:
    return ((seen - expected).norm() / expected.norm()).item()
