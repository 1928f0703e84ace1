"""How much a classifier's output moves along given directions of the input space."""

from collections.abc import Callable

import torch
from torch import Tensor

from contractive.jacobian import linearise

Map = Callable[[Tensor], Tensor]


def _of_identity(logits: Tensor, moved: Tensor) -> Tensor:
    return moved


def _of_sigmoid(logits: Tensor, moved: Tensor) -> Tensor:
    p = torch.sigmoid(logits)
    return (p * (1 - p)).unsqueeze(1) * moved


def _of_softmax(logits: Tensor, moved: Tensor) -> Tensor:
    p = torch.softmax(logits, 1).unsqueeze(1)
    return p * (moved - (p * moved).sum(2, keepdim=True))


OUTPUTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "identity": _of_identity,
    "sigmoid": _of_sigmoid,
    "softmax": _of_softmax,
}


def propagation(f: Map, x: Tensor, tangents: Tensor, *, output: str = "identity") -> tuple[Tensor, Tensor]:
    """Compute f(x) and Omega(x) = sum_u ||(do/dx) u||^2 per example, shape (batch,), o = output(f(x)).

    The tangent propagation term of the manifold tangent classifier (Rifai et al., NIPS 2011, eq. 8; Simard et al.
    1992). One forward pass, which carries the tangents through the layers: differentiable, no double backward where `f`
    is a chain of affine maps and elementwise activations.

    Args:
        f: From x to (batch, classes), before the output function.
        x: Points, (batch, *features).
        tangents: Directions u, (batch, num, features flattened) or (batch, num, *features).
        output: `identity`, `sigmoid` or `softmax`.

    Raises:
        ValueError: Another output, tangents that do not fit x, a value of f that is not (batch, classes).
    """
    if output not in OUTPUTS:
        raise ValueError(f"output must be one of {', '.join(OUTPUTS)}, got {output!r}. Pick one of these.")
    at = linearise(f, x)
    if at.value.ndim != 2:
        raise ValueError(f"f must return (batch, classes), got {tuple(at.value.shape)}. Flatten it.")
    shaped = tangents.unflatten(2, x.shape[1:]) if tangents.ndim == 3 and x.ndim > 2 else tangents
    moved = OUTPUTS[output](at.value, at.push(shaped))
    return at.value, moved.square().sum((1, 2))
