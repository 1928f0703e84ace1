"""What people use for ||J||_F^2, written here from the published algorithms, beside ours.

Each takes (encoder, x) and returns (code, value per example or batch mean); `WRONG` computes something else.
"""

import torch
from torch.func import functional_call, jacrev, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

import contractive as ct


def unit_loop(encoder, x):
    """The usual loop: one backward pass with create_graph for each unit of the code."""
    x = x.detach().requires_grad_()
    code = encoder(x)
    flat = code.flatten(1)
    norm = 0
    for unit in range(flat.shape[1]):
        (row,) = torch.autograd.grad(flat[:, unit].sum(), x, create_graph=True)
        norm = norm + row.square().flatten(1).sum(1)
    return code, norm


def vmap_jacrev(encoder, x):
    """torch.func as in its tutorials."""
    state = dict(encoder.named_parameters())
    rows = vmap(jacrev(lambda row: functional_call(encoder, state, (row[None],))[0]))(x)
    return encoder(x), rows.flatten(1).square().sum(1)


def random_vjp(encoder, x):
    """Hoffman, Roberts and Yaida (2019), one projection per example, the forward pass shared."""
    x = x.detach().requires_grad_()
    with sdpa_kernel(SDPBackend.MATH):  # the faster kernels of attention have no second derivative
        code = encoder(x)
    flat = code.flatten(1)
    v = torch.randn_like(flat)
    v = v / v.norm(dim=1, keepdim=True)
    (row,) = torch.autograd.grad(flat, x, v, create_graph=True)
    return code, flat.shape[1] * row.square().flatten(1).sum(1)


def random_vjp_on_rows(share):
    """The same on some rows of the batch, the others passing the encoder only."""

    def penalty(encoder, x):
        order = torch.randperm(len(x))
        count = round(share * len(x))
        code, values = random_vjp(encoder, x[order[:count]])
        rest = encoder(x[order[count:]])
        return torch.cat([code, rest])[order.argsort()], values

    return penalty


def last_layer(encoder, x):
    """The one-layer formula applied to the last layer of a deep sigmoid encoder: wrong."""
    code = encoder(x)
    weight = [p for p in encoder.parameters() if p.ndim == 2][-1]
    return code, (code * (1 - code)).square() @ weight.square().sum(1)


def ours(method):
    return lambda encoder, x: ct.value_and_squared_norm(encoder, x, method=method)


def higher_order(encoder, x):
    code, norm, difference = ct.jacobian.value_norm_and_difference(encoder, x, sigma=0.1, copies=4)
    return code, norm + difference


def on_rows(penalty_rows):
    return ct.objectives.JacobianNorm(penalty_rows=penalty_rows)


METHODS = {
    "auto": ours("auto"),
    "exact": ours("exact"),
    "probes": ours("probes"),
    "forward probes": ours("forward_probes"),
    "higher order": higher_order,
    "random vjp": random_vjp,
    "1/4 of rows": on_rows(0.25),
    "8 rows": on_rows(8),
    "higher order on 1/4": ct.objectives.HigherOrder(penalty_rows=0.25),
    "random vjp on 1/4": random_vjp_on_rows(0.25),
    "last layer (wrong)": last_layer,
    "vmap(jacrev)": vmap_jacrev,
    "unit loop": unit_loop,
}
SLOW = {"exact", "vmap(jacrev)", "unit loop"}
