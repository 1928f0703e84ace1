"""Penalties: one value per example from a map, such as the encoder, and its input.

A penalty is any callable `(encode, x) -> (code, values)` with `values` of shape (batch,), before weight and reduction.
It returns the code as well, so that a training step runs the encoder once. Reduction and weight are applied in one
place, `objectives.Objective`.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, get_args

import torch
from torch import Tensor, nn

from contractive.core.errors import ContractiveError, InvalidValue, check_choice, check_not_negative
from contractive.core.randomness import rank_and_world, selected_rows
from contractive.jacobian import (
    METHODS,
    METHODS_OF_NORMS,
    NORMS,
    BatchStatistics,
    Encode,
    Method,
    Norm,
    linearise,
    uncompiled,
    value_and_gain_weighted_norm,
    value_and_norm,
    value_and_squared_norm,
    value_norm_and_difference,
)

Map = Callable[[Tensor], Tensor]


class Penalty(Protocol):
    """Any callable that returns (code, values), the values (batch,) one per example of x (batch, *features)."""

    def __call__(self, encode: Map, x: Tensor, /) -> tuple[Tensor, Tensor]: ...


PenaltyRows = Literal["auto"] | float | int


def check_penalty_rows(rows: object) -> None:
    """Raise unless this is `auto`, a share of the rows of a batch (a float up to 1.0) or a count (a whole number).

    Raises:
        InvalidValue: It is none of them.
    """
    share = isinstance(rows, float) and 0 < rows <= 1
    count = isinstance(rows, int) and not isinstance(rows, bool) and rows >= 1
    if not (share or count or rows == "auto"):
        rule = "be auto, a share of the rows above 0 and up to 1.0, or a number of rows of at least 1"
        raise InvalidValue("penalty_rows", rule, repr(rows), "1.0 stands for all rows, 1 for one.")


def num_penalty_rows(rows: PenaltyRows, batch: int) -> int:
    """Return how many rows of a batch of that size the penalty is computed on; `auto` is for training to decide."""
    if isinstance(rows, str):
        return batch
    return min(rows, batch) if isinstance(rows, int) else max(1, round(rows * batch))


@uncompiled  # drawing rows would end the compiled part in a place of its own, with a warning
def _on_rows(
    wanted: PenaltyRows,
    encode: Map,
    x: Tensor,
    evaluate: Callable[[Map, torch.Generator | None, Tensor | None], tuple[Tensor, Tensor]],
) -> tuple[Tensor, Tensor]:
    """Return the code of all rows and an unbiased estimate of the penalty's mean: its values on rows drawn at random.

    These are multiplied by batch / number of rows, all other rows have 0, so that every row's expectation is right.
    Several processes that share a batch draw the same rows of all of it, each with what one process would draw there.
    """
    shared = encode if isinstance(encode, Encode) else Encode(encode)
    rank, world = rank_and_world()
    batch = world * len(x)
    count = num_penalty_rows(wanted, batch)
    if count >= batch:
        code, values = evaluate(shared.f, shared.generator, None)
    else:
        # a generator of its own: processes draw different numbers of probe vectors, and must agree on the next rows
        device = torch.device("cpu") if shared.generator is None else shared.generator.device
        seed = int(torch.randint(2**62, (), generator=shared.generator, device=device))
        generator = torch.Generator(device).manual_seed(seed)
        # evenly spaced from a random one on: every row equally often, and in order at the cost of two small operations
        drawn = torch.arange(seed % batch, count * batch, batch, device=x.device).div_(count, rounding_mode="floor")
        if world == 1:
            rows, place = drawn, nullcontext()
        else:
            first = rank * len(x)
            rows = drawn[(drawn >= first) & (drawn < first + len(x))] - first
            place = selected_rows(int((drawn < first).sum()), count)
        with place:
            code, some = evaluate(shared.f, generator, rows)
        values = some.new_zeros(len(x)).index_add(0, rows, some, alpha=batch / count)
    shared.remember(x, code)
    return code, values


@dataclass(frozen=True)
class JacobianNorm:
    """||J(x)||_F^2 (Rifai et al., ICML 2011): no factor 1/2, summed over all entries; or another `norm`.

    With `directions` it is that of J M: in a weighted metric of the input, for chosen features, along tangents.
    """

    method: Method = "auto"  # as in `jacobian.value_and_squared_norm`
    num_probes: int | None = None  # per example where an estimate is taken
    # rows of a batch that it is computed on, drawn anew at each step: `auto` (decided in training, by the variance of
    # the gradient; anywhere else all), a share such as 0.25, or a count
    penalty_rows: PenaltyRows = "auto"
    # of a batch norm in training mode, as in `jacobian.value_and_squared_norm`; `constant` takes all rows
    batch_statistics: BatchStatistics = "refuse"
    norm: Norm = "squared"  # as in `jacobian.value_and_norm`, and so are these
    # (num, *features) for all examples, or a function x -> (batch, num, *features)
    directions: Tensor | Callable[[Tensor], Tensor] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        check_choice("method", self.method, METHODS, "Leave it out for auto.")
        check_penalty_rows(self.penalty_rows)
        check_choice("batch_statistics", self.batch_statistics, get_args(BatchStatistics))
        check_choice("norm", self.norm, NORMS)
        if not self.is_squared:
            check_choice("method", self.method, METHODS_OF_NORMS, "Forward probes estimate ||J||_F^2 alone.")
            if self.penalty_rows == "auto":  # whose choice rests on the counted cost of the squared norm
                object.__setattr__(self, "penalty_rows", 1.0)
        if self.batch_statistics == "constant":
            if self.penalty_rows != "auto" and not (isinstance(self.penalty_rows, float) and self.penalty_rows == 1):
                rule, remedy = "be 1.0 with batch_statistics 'constant'", "The whole batch must pass together."
                raise InvalidValue("penalty_rows", rule, self.penalty_rows, remedy)
            object.__setattr__(self, "penalty_rows", 1.0)

    @property
    def is_squared(self) -> bool:
        """True for ||J||_F^2 itself: no other norm, and no directions."""
        return self.norm == "squared" and self.directions is None

    def __call__(self, encode: Map, x: Tensor, /) -> tuple[Tensor, Tensor]:
        options: Any = {"method": self.method, "num_probes": self.num_probes, "batch_statistics": self.batch_statistics}
        compute: Callable[..., tuple[Tensor, Tensor]] = value_and_squared_norm
        if not self.is_squared:
            compute = value_and_norm
            given = self.directions
            options |= {"norm": self.norm, "directions": given(x) if callable(given) else given}

        def evaluate(f: Map, generator: torch.Generator | None, rows: Tensor | None) -> tuple[Tensor, Tensor]:
            return compute(f, x, **options, generator=generator, rows=rows)

        return _on_rows(self.penalty_rows, encode, x, evaluate)

    def exact(self) -> "JacobianNorm":
        """Return the same penalty without the noise of an estimate, for validation."""
        return replace(self, method="exact", num_probes=None, penalty_rows=1.0)


@dataclass(frozen=True)
class HigherOrder:
    """||J(x)||_F^2 + ratio * E_e ||J(x) - J(x + e)||_F^2, e ~ N(0, sigma^2 I) (CAE+H; Rifai et al., ECML 2011).

    The paper's gamma is weight * ratio. Deviation: where the encoder is one dense layer, eight neighbouring examples
    of a batch share their noise, which leaves every example's expectation as it is and costs far less.
    """

    ratio: float = 1.0  # weight of the second term in units of the first
    sigma: float = 0.1  # standard deviation of the noise, in the units of x
    copies: int = 4  # noisy ones per example
    method: Method = "auto"  # or `exact`, `probes`
    penalty_rows: PenaltyRows = "auto"  # as in `JacobianNorm`

    def __post_init__(self) -> None:
        check_penalty_rows(self.penalty_rows)
        check_not_negative("ratio", self.ratio, "0 leaves the norm alone.")
        check_choice("method", self.method, METHODS_OF_NORMS, "Forward probes estimate the norm alone.")

    def __call__(self, encode: Map, x: Tensor, /) -> tuple[Tensor, Tensor]:
        def evaluate(f: Map, generator: torch.Generator | None, rows: Tensor | None) -> tuple[Tensor, Tensor]:
            options: Any = {"sigma": self.sigma, "copies": self.copies, "method": self.method}
            code, norm, difference = value_norm_and_difference(f, x, **options, generator=generator, rows=rows)
            return code, norm + self.ratio * difference

        return _on_rows(self.penalty_rows, encode, x, evaluate)

    def exact(self) -> "HigherOrder":
        """Return the same penalty with every row of the Jacobian, for validation."""
        return replace(self, method="exact", penalty_rows=1.0)


@dataclass(frozen=True)
class GainWeightedNorm:
    """sum_j gamma_j^2 ||grad f_j(x)||^2, gamma_j^2 the batch mean of ||dg/dh_j||^2, for `Term(of="reconstruction")`.

    An encoder that shrinks its code beside a decoder that enlarges it again leaves it as it is; ||J_f||_F^2 falls.

    Attributes:
        method: As in `jacobian.value_and_gain_weighted_norm`.
    """

    method: Method = "auto"

    def __post_init__(self) -> None:
        check_choice("method", self.method, METHODS_OF_NORMS, "Leave it out for auto.")

    def __call__(self, encode: Map, x: Tensor, /) -> tuple[Tensor, Tensor]:
        """Return (reconstruction, penalty per example) of a map that is encoder, then decoder."""
        shared = encode if isinstance(encode, Encode) else Encode(encode)
        if not isinstance(shared.f, nn.Sequential) or len(shared.f) != 2:
            raise ContractiveError(
                "The gain-weighted norm must be given encoder and decoder, got another map. Write"
                " Term(..., of='reconstruction'), or pass nn.Sequential(encoder, decoder)."
            )
        encoder, decoder = shared.f
        value, norm = value_and_gain_weighted_norm(encoder, decoder, x, method=self.method, generator=shared.generator)
        shared.remember(x, value)
        return value, norm

    def exact(self) -> "GainWeightedNorm":
        """Return the same penalty without the noise of an estimate, for validation."""
        return GainWeightedNorm("exact")


@dataclass(frozen=True)
class KLSparsity:
    """sum_j KL(target || mean activation of unit j over the batch), the same value for every example of the batch.

    For codes between 0 and 1 (Ng, 2011, lecture notes; Lee et al. 2008).
    """

    target: float = 0.05  # wanted mean activation

    def __post_init__(self) -> None:
        if not 0 < self.target < 1:
            raise InvalidValue("target", "lie strictly between 0 and 1", self.target, "It is a mean activation.")

    def __call__(self, encode: Map, x: Tensor, /) -> tuple[Tensor, Tensor]:
        code = encode(x)
        mean = code.flatten(1).mean(0)
        low, high = (float(end) for end in code.detach().aminmax())
        if low < 0 or high > 1:
            raise ContractiveError(
                f"All units of the code must lie between 0 and 1 for KL sparsity, got {low:.3g} to {high:.3g}."
                " Use a sigmoid code, or the L1 penalty."
            )
        limits = torch.finfo(mean.dtype)
        mean = mean.clamp(limits.tiny, 1 - limits.eps)  # a unit that hardly fires must keep its gradient
        active = self.target * (self.target / mean).log()
        silent = (1 - self.target) * ((1 - self.target) / (1 - mean)).log()
        return code, (active + silent).sum().expand(len(x))


def code_l1(encode: Map, x: Tensor, /) -> tuple[Tensor, Tensor]:
    """Return (code, sum of absolute values of the code per example)."""
    code = encode(x)
    return code, code.flatten(1).abs().sum(1)


def squared_weights(module: nn.Module) -> Tensor:
    """Sum of squares of all weight matrices and kernels (not of biases) of a module: one number.

    Raises:
        ContractiveError: A module without weights.
    """
    weights = [parameter for parameter in module.parameters() if parameter.ndim > 1]
    if not weights:
        raise ContractiveError("weight decay must find at least one weight matrix, got a module without. Leave it out.")
    return torch.stack([weight.square().sum() for weight in weights]).sum()


# For o = output(z) and the change v = (dz/dx) u of the logits: (do/dx) u, that is diag(o') v, or for the softmax
# (diag(p) - p p^T) v. Logits (batch, classes), changes (batch, num, classes).
OUTPUTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "identity": lambda logits, change: change,
    "sigmoid": lambda logits, change: (p := torch.sigmoid(logits).unsqueeze(1)) * (1 - p) * change,
    "softmax": lambda logits, change: (
        (p := torch.softmax(logits, 1).unsqueeze(1)) * (change - (p * change).sum(2, keepdim=True))
    ),
}


def tangent_propagation(f: Map, x: Tensor, tangents: Tensor, *, output: str = "identity") -> tuple[Tensor, Tensor]:
    """Compute f(x) and Omega(x) = sum_u ||(do/dx) u||^2 per example, shape (batch,), o = output(f(x)).

    The tangent propagation term of the manifold tangent classifier (Rifai et al., NIPS 2011, eq. 8; Simard et al.
    1992). One forward pass, which carries the tangents through the layers: differentiable, no double backward where `f`
    is a chain of affine maps and elementwise activations.

    Args:
        f: From x (batch, *features) to (batch, classes), before the output function.
        x: Points.
        tangents: Directions u, (batch, num, features flattened) or (batch, num, *features).
        output: `identity`, `sigmoid` or `softmax`.

    Raises:
        ContractiveError: Another output, tangents that do not fit x, a value of f that is not (batch, classes).
    """
    check_choice("output", output, OUTPUTS)
    at = linearise(f, x)
    if at.value.ndim != 2:
        raise ContractiveError(f"f must return (batch, classes), got {tuple(at.value.shape)}. Flatten it.")
    shaped = tangents.unflatten(2, x.shape[1:]) if tangents.ndim == 3 and x.ndim > 2 else tangents
    return at.value, OUTPUTS[output](at.value, at.push(shaped)).square().sum((1, 2))
