"""The closed form for h = act(W x + b): linear in the size of W, the Jacobian is never formed."""

from dataclasses import dataclass

import torch
from torch import Tensor

from contractive.jacobian._affine import Dense
from contractive.jacobian._chain import Chain, Tape
from contractive.jacobian._propagation import Gradients, State, Weights, weighted


@dataclass(frozen=True)
class OneLayer:
    """||J||_F^2 = sum_j act'(a_j)^2 ||W_j||^2 (Rifai et al. 2011, section 3, there for the sigmoid).

    For a convolution, ||W_j||^2 belongs to one output position: the squared kernel without what lies in the padding.
    """

    def value(self, chain: Chain, weights: Weights, tape: Tape) -> tuple[Tensor, State]:
        norms = _row_norms(chain, weights[0], tape)
        slope = tape.slopes[0]
        if slope is None:
            return norms.sum().repeat(tape.batch), [norms, None]
        squares = slope.square()
        return squares.flatten(1) @ norms.flatten(), [norms, squares]

    def pull_back(self, chain: Chain, weights: Weights, tape: Tape, state: State, g: Tensor | None) -> Gradients:
        (norms, squares), slope = state, tape.slopes[0]
        assert norms is not None
        gradients = Gradients(chain, [None], scale=2.0)
        if slope is None or squares is None:
            total = tape.batch if g is None else g.sum()
            in_norms = total * torch.ones_like(norms)
        else:
            flat = squares.flatten(1)
            in_norms = (flat.sum(0) if g is None else g @ flat).reshape(norms.shape)
            if (layer := chain.layers[0]).is_curved:
                along = slope if layer.needs_both_sides else squares
                gradients.add_slope(0, weighted(along * norms, g))
        gradients.weights[0] = _row_norms_gradient(chain, weights[0], tape, in_norms)
        return gradients


def _row_norms(chain: Chain, weight: Tensor, tape: Tape) -> Tensor:
    """||W_j||^2 for each output position, shape (*code)."""
    affine = chain.layers[0].affine
    if isinstance(affine, Dense):
        return torch.linalg.vector_norm(weight, dim=1).square_()
    return affine.push(_ones(tape), weight.square())[0]


def _row_norms_gradient(chain: Chain, weight: Tensor, tape: Tape, g: Tensor) -> Tensor:
    """Half the gradient of sum_j g_j ||W_j||^2 in W."""
    affine = chain.layers[0].affine
    if isinstance(affine, Dense):
        return weight * g.unsqueeze(1)
    return affine.weight_gradient(g.unsqueeze(0).contiguous(), _ones(tape), weight, None) * weight


def _ones(tape: Tape) -> Tensor:
    return torch.ones_like(tape.inputs[0][:1])
