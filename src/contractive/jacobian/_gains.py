"""The encoder's squared norm with every unit weighted by what the decoder makes of it.

Notation: f is the encoder, g the decoder, h_j unit j of the code, J_f = dh/dx and J_g = dg/dh.
"""

import torch
from torch import Tensor

from contractive.core.errors import InvalidValue, check_choice
from contractive.jacobian._linearise import Linearisation, linearise
from contractive.jacobian._plan import MEMORY_BUDGET, METHODS_OF_NORMS
from contractive.jacobian._propagation import input_probes
from contractive.jacobian._shared import Map, autocast_is_on, check_input, wide


def value_and_gain_weighted_norm(
    encoder: Map, decoder: Map, x: Tensor, *, method: str = "auto", generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Compute g(f(x)) and sum_j gamma_j^2 ||grad f_j(x)||^2 per example, gamma_j^2 = batch mean of ||dg/dh_j||^2.

    The gains gamma are differentiated, too: an encoder that shrinks its code beside a decoder that enlarges it gains
    nothing. Differentiable once, without double backward where f and g are chains. Derivation: docs/mathematics.md.

    Args:
        encoder: f, from x to (batch, code).
        decoder: g, from codes to reconstructions (batch, *features).
        x: Points, (batch, *features), floating point.
        method: `exact`, by all rows of J_f and all columns of J_g; `probes` (what `auto` takes), an unbiased estimate
            from one random sign vector per example and side.
        generator: Source of the sign vectors; torch's global one if omitted.

    Returns:
        The reconstruction, and one value per example, (batch,).

    Raises:
        InvalidValue: Another method, or a code that is not (batch, code).
    """
    check_choice("method", method, METHODS_OF_NORMS, "Leave it out for the estimate.")
    check_input(x)
    if autocast_is_on(x.device.type):
        with torch.autocast(x.device.type, enabled=False):  # squares of small slopes need the full range
            return value_and_gain_weighted_norm(encoder, decoder, x.float(), method=method, generator=generator)
    if method != "exact":
        value, changes, gains = _estimated(encoder, decoder, x, generator)
        return value, changes @ gains.mean(0)  # sum_j gamma_j^2 ||grad f_j||^2
    size = _code_size(linearise(encoder, x[:1]))
    rows = max(1, MEMORY_BUDGET // (2 * size * max(x[:1].numel(), 1) * x.element_size()))
    parts = [_exact(encoder, decoder, part, size) for part in x.split(rows)]
    value, changes, gains = (torch.cat(found) for found in zip(*parts, strict=True))
    return value, changes @ gains.mean(0)


def _exact(encoder: Map, decoder: Map, x: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return g(f(x)), ||grad f_j||^2 and ||dg/dh_j||^2, the latter (batch, code)."""
    below = linearise(encoder, x)
    above = linearise(decoder, below.value)
    # e_j^T J_f is the gradient of f_j, J_g e_j is dg/dh_j
    units = torch.eye(size, dtype=below.value.dtype, device=x.device).expand(len(x), -1, -1)
    return above.value, _squares(below.pull(units)), _squares(above.push(units))


def _estimated(
    encoder: Map, decoder: Map, x: Tensor, generator: torch.Generator | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the same from (J_f u)_j^2 and (J_g^T v)_j^2 with random signs u and v."""
    below = linearise(encoder, x)
    _code_size(below)
    above = linearise(decoder, below.value)
    u, v = (
        input_probes(len(x), 1, like[:1].numel(), like=like, generator=generator).reshape(len(x), 1, *like.shape[1:])
        for like in (x, above.value)
    )
    # E (J_f u)_j^2 = ||grad f_j||^2, E (J_g^T v)_j^2 = ||dg/dh_j||^2, and u and v are independent
    return above.value, wide(below.push(u)).squeeze(1).square(), wide(above.pull(v)).squeeze(1).square()


def _code_size(at: Linearisation) -> int:
    if at.value.ndim != 2:
        raise InvalidValue("the code", "have the shape (batch, code)", tuple(at.value.shape), "Flatten it.")
    return at.value.shape[1]


def _squares(vectors: Tensor) -> Tensor:
    """Squared length of each vector, (batch, num)."""
    return wide(vectors).flatten(2).square().sum(2)
