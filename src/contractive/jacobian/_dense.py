"""The whole Jacobian of a dense chain by matrix products, differentiable through ordinary autograd."""

import torch
from torch import Tensor

from contractive.jacobian._chain import Chain, record, weights_of


def jacobian(chain: Chain, x: Tensor) -> Tensor:
    """J = D_L W_L ... D_1 W_1, (batch, code, features)."""
    rows, first = factors(chain, x)
    return rows @ first


def reduced_jacobian(chain: Chain, x: Tensor) -> Tensor:
    """A matrix with the singular values of J and no more columns than the first layer has units."""
    rows, first = factors(chain, x)
    units, features = first.shape
    if features <= units or units < rows.shape[1]:
        return rows @ first
    return rows @ torch.linalg.qr(first.T).R.T


def numbers(chain: Chain | None) -> int:
    """How many are held per example at the most, while J is multiplied out; 0 of what is no dense chain."""
    if chain is None or not chain.is_dense:
        return 0
    weights = weights_of(chain.parameters())
    widest = max((weight.shape[1] for weight in weights[1:]), default=len(weights[0]))
    return len(weights[-1]) * (2 * widest + weights[0].shape[1])


def factors(chain: Chain, x: Tensor) -> tuple[Tensor, Tensor]:
    """(A, W_1) with J = A W_1, A of shape (batch, code, units of the first layer)."""
    parameters = chain.parameters()
    _, tape = record(chain, x, parameters)
    weights = weights_of(parameters)
    slopes = [None if slope is None else slope.flatten(1) for slope in tape.slopes]
    eye = torch.eye(len(weights[-1]), dtype=x.dtype, device=x.device)
    rows = eye.expand(len(x), *eye.shape) if slopes[-1] is None else torch.diag_embed(slopes[-1])
    for weight, slope in zip(weights[:0:-1], slopes[-2::-1], strict=True):
        rows = rows @ weight
        rows = rows if slope is None else rows * slope.unsqueeze(1)
    return rows, weights[0]
