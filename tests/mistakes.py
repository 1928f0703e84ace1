"""The mistakes found in public code, and ways to the penalty that are right. All are `penalty(encoder, x)`.

Each mistake names where it was found. The formulas were re-implemented; the originals were not run. The encoder is
a Sequential of Linear layers and activations; a mistake that speaks of `the` weight takes the last one, as they do.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import jacrev, vmap

import contractive as ct

Penalty = Callable[[nn.Sequential, Tensor], Tensor]


def weight_of(encoder: nn.Sequential) -> Tensor:
    """The weight of the last Linear layer."""
    return [m for m in encoder.modules() if isinstance(m, nn.Linear)][-1].weight


def input_of_last(encoder: nn.Sequential, x: Tensor) -> Tensor:
    """What the last Linear layer gets."""
    last = max(i for i, m in enumerate(encoder) if isinstance(m, nn.Linear))
    return encoder[:last](x)


# right


def unit_loop(encoder, x):
    """One autograd.grad per code unit."""
    x = x.clone().requires_grad_()
    units = encoder(x).flatten(1).unbind(1)
    return sum(torch.autograd.grad(u.sum(), x, create_graph=True)[0].flatten(1).square().sum(1) for u in units)


def by_jacrev(encoder, x):
    """torch.func."""
    return vmap(jacrev(encoder))(x).flatten(1).square().sum(1)


def with_code(encoder, x):
    """This library, exact."""
    return ct.value_and_squared_norm(encoder, x, method="exact")


def closed_form(encoder, x):
    """For one sigmoid layer."""
    h = encoder(x)
    return (h * (1 - h)).square() @ encoder[0].weight.square().sum(1)


def estimate(encoder, x):
    """This library, one random probe per example."""
    return ct.value_and_squared_norm(encoder, x, method="probes")


def gaussian_probe(encoder, x):
    """One Gaussian probe per example through autograd."""
    x = x.clone().requires_grad_()
    code = encoder(x)
    (row,) = torch.autograd.grad(code, x, torch.randn_like(code), create_graph=True)
    return row.square().sum(1)


# wrong


def summed_outputs(encoder, x):
    """||J^T 1||^2: ruta `k_gradients`, pythae `RAE_GP`, many forum answers (`grad_outputs=torch.ones_like`)."""
    x = x.clone().requires_grad_()
    code = encoder(x)
    (row,) = torch.autograd.grad(code, x, torch.ones_like(code), create_graph=True)
    return row.square().sum(1)


def summed_inputs(encoder, x):
    """||J 1||^2: the square of a sum of weights for a sum of squares, as in pylearn2 before b53b56622."""
    h = encoder(x)
    return (h * (1 - h)).square() @ weight_of(encoder).sum(1).square()


def last_layer_only(encoder, x):
    """The one-layer formula on a deep net: casus/autoencoder-regularisation and others."""
    h = encoder(x)
    return (h * (1 - h)).square() @ weight_of(encoder).square().sum(1)


def last_layer_by_autograd(encoder, x):
    """The Jacobian of the last layer alone, whatever its activation."""
    last = max(i for i, m in enumerate(encoder) if isinstance(m, nn.Linear))
    return vmap(jacrev(encoder[last:]))(encoder[:last](x)).flatten(1).square().sum(1)


def detached_weight(encoder, x):
    """`state_dict()['fc1.weight']` or `Variable(weight)`: avijit9/Contractive_Autoencoder_in_Pytorch."""
    h = encoder(x)
    return (h * (1 - h)).square() @ weight_of(encoder).detach().square().sum(1)


def detached_slope(encoder, x):
    """h detached: the gradient goes through W alone. Near what shogun's hand-written gradient does."""
    h = encoder(x).detach()
    return (h * (1 - h)).square() @ weight_of(encoder).square().sum(1)


class StaleWeight:
    """`K.variable(get_weights()[0])`: the weight is copied when the loss is built. Keras snippet (Kristiadi, KATE)."""

    def __init__(self) -> None:
        self.built: dict[nn.Sequential, Tensor] = {}

    def __call__(self, encoder, x):
        weight = self.built.setdefault(encoder, weight_of(encoder).detach().clone())
        h = encoder(x)
        return (h * (1 - h)).square() @ weight.square().sum(1)


def sigmoid_slope(encoder, x):
    """h (1 - h) whatever the activation: right for a sigmoid."""
    return last_layer_only(encoder, x)


def slope_dropped(encoder, x):
    """||W||^2: CMPNet `CAE_r3d`."""
    return weight_of(encoder).square().sum() + 0 * encoder(x).sum(1)


def floored(encoder, x):
    """`T.sum(J ** 2) // n_batchsize`: DeepLearningTutorials since 2016. Theano's gradient of it is zero."""
    return unit_loop(encoder, x).sum().div(len(x), rounding_mode="floor")


def floored_by_operator(encoder, x):
    """The same with `//`, which torch cannot differentiate."""
    return unit_loop(encoder, x).sum() // len(x)


def not_squared(encoder, x):
    """||J|| for ||J||^2."""
    return unit_loop(encoder, x).sqrt()


def half(encoder, x):
    """1/2 ||J||^2: JacobianReg."""
    return unit_loop(encoder, x) / 2


def doubled(encoder, x):
    """2 ||J||^2."""
    return 2 * unit_loop(encoder, x)


def mean_of_entries(encoder, x):
    """(J ** 2).mean(): pylearn2 before 63974e42b; the printed Table 1 of Rifai et al. 2011."""
    jacobians = vmap(jacrev(encoder))(x)
    return jacobians.flatten(1).square().mean(1)


def unscaled_probe(encoder, x):
    """A probe of unit length without the factor k."""
    x = x.clone().requires_grad_()
    code = encoder(x)
    (row,) = torch.autograd.grad(code, x, nn.functional.normalize(torch.randn_like(code)), create_graph=True)
    return row.square().sum(1)


def no_graph(encoder, x):
    """create_graph forgotten."""
    x = x.clone().requires_grad_()
    units = encoder(x).unbind(1)
    return sum(torch.autograd.grad(u.sum(), x, retain_graph=True)[0].square().sum(1) for u in units)


class _HalfGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, value):
        return value.clone()

    @staticmethod
    def backward(ctx, *grad_outputs):
        return grad_outputs[0] / 2


def half_gradient(encoder, x):
    """A hand-written gradient without the factor 2: the released code of Rifai et al. 2011."""
    return _HalfGradient.apply(unit_loop(encoder, x))


def batch_mean(encoder, x):
    """One number for the batch."""
    return unit_loop(encoder, x).mean()


def batch_sum(encoder, x):
    """One number for the batch."""
    return unit_loop(encoder, x).sum()
