"""Encoders of every kind, and the truth about their Jacobians by brute force.

Nothing here uses the library, but for one layer of it among the encoders: `brute_force` differentiates one unit of the
code of one example at a time, and `by_jacrev` asks torch.func.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.func import jacrev, vmap
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize, prune

from contractive.jacobian import Center, PartlyLinear

Map = Callable[[Tensor], Tensor]
Norm = Callable[[Map, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Outcome:
    """A code, its squared norms, and the gradients of <g, norm> + <c, code> in x and every parameter."""

    code: Tensor
    norm: Tensor
    gradients: list[Tensor]


def brute_force(f: Map, x: Tensor) -> tuple[Tensor, Tensor]:
    """(code, Jacobians of shape (batch, k, d)), one example at a time, on the graph of x and the parameters."""
    matrices = []
    for row in x.unsqueeze(1):
        matrix = torch.autograd.functional.jacobian(lambda row: f(row).flatten(), row, create_graph=True)
        assert isinstance(matrix, Tensor)
        matrices.append(matrix.flatten(1))
    return f(x), torch.stack(matrices)


def by_jacrev(f: Map, x: Tensor) -> tuple[Tensor, Tensor]:
    """As `brute_force`, many times faster, for encoders that torch.func can take."""
    return f(x), vmap(jacrev(lambda row: f(row.unsqueeze(0)).flatten()))(x).flatten(2)


def jacobian_of_one_pass(f: Map, x: Tensor) -> tuple[Tensor, Tensor]:
    """As `brute_force` from a single forward pass, for encoders that draw random numbers."""
    x = x if x.requires_grad else x.clone().requires_grad_()
    code = f(x)
    units = code.flatten(1).unbind(1)
    rows = [torch.autograd.grad(unit.sum(), x, create_graph=True)[0].flatten(1) for unit in units]
    return code, torch.stack(rows, 1)


def squared_norms(jacobians: Callable[[Map, Tensor], tuple[Tensor, Tensor]], f: Map, x: Tensor):
    """(code, squared norm of each example) from a function that gives Jacobians."""
    code, matrices = jacobians(f, x)
    return code, matrices.square().sum((1, 2))


true_norm: Norm = partial(squared_norms, brute_force)
true_norm_by_jacrev: Norm = partial(squared_norms, by_jacrev)


def trainable(f: Map, *extra: Tensor) -> list[Tensor]:
    """The parameters of f that take a gradient, and `extra` leaves."""
    owner = f if isinstance(f, nn.Module) else getattr(f, "__self__", None)
    own = [p for p in owner.parameters() if p.requires_grad] if isinstance(owner, nn.Module) else []
    return [*own, *extra]


def outcome(norm: Norm, f: Map, x: Tensor, *extra: Tensor, seed: int = 0, common: bool = False) -> Outcome:
    """Value and gradients for random weights g on the norms and c on the code, the same for every way to the norm.

    With `common` all examples have the same g, as under a mean.
    """
    generator = torch.Generator().manual_seed(seed)
    x = x.detach().clone().requires_grad_()
    code, norms = norm(f, x)
    g = torch.randn(norms.shape, generator=generator, dtype=torch.float64).to(norms.dtype)
    c = torch.randn(code.shape, generator=generator, dtype=torch.float64).to(code.dtype)
    loss = ((g[:1] if common else g) * norms).sum() + (c * code).sum()
    leaves = [x, *trainable(f, *extra)]
    gradients = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
    return Outcome(code.detach(), norms.detach(), list(gradients))


def relative_error(seen: Tensor, truth: Tensor) -> float:
    """Largest deviation relative to the largest entry of the truth."""
    if not truth.numel():
        return 0.0
    return ((seen - truth).abs().max() / truth.abs().max().clamp_min(torch.finfo(truth.dtype).tiny)).item()


def assert_close(seen: Tensor, truth: Tensor, what: str, rtol: float = 1e-9, atol: float = 1e-13) -> None:
    """Equal up to `rtol` of the largest entry.

    `atol` is for nets that are saturated everywhere, where slopes such as 1 - h*h have few digits left.
    """
    assert seen.shape == truth.shape, f"{what}: shape {tuple(seen.shape)}, not {tuple(truth.shape)}"
    assert seen.dtype == truth.dtype, f"{what}: {seen.dtype}, not {truth.dtype}"
    if truth.numel():
        bound = rtol * truth.abs().max() + atol
        assert (seen - truth).abs().max() <= bound, f"{what}: relative error {relative_error(seen, truth):.1e}"


def assert_same(seen: Outcome, truth: Outcome, rtol: float = 1e-9, atol: float = 1e-13) -> None:
    """The same code, norms and gradients."""
    assert_close(seen.code, truth.code, "code", rtol, atol)
    assert_close(seen.norm, truth.norm, "norm", rtol, atol)
    for i, (one, other) in enumerate(zip(seen.gradients, truth.gradients, strict=True)):
        assert_close(one, other, f"gradient {i} (0 is x)", rtol, atol)


def at_scale(module: nn.Module, std: float, seed: int = 0) -> nn.Module:
    """The same module in float64 with weights drawn anew and batch statistics that are not 0 and 1; in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    module = module.double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(std * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(torch.randn(buffer.shape, generator=generator, dtype=torch.float64))
            elif name.endswith("running_var"):
                buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator, dtype=torch.float64))
    return module


def points(*shape: int, seed: int = 1) -> Tensor:
    """Standard normal points in float64."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Residual(nn.Module):
    """x -> h + act(W h), h = act(V x)."""

    def __init__(self, features: int, units: int) -> None:
        super().__init__()
        self.enter, self.inner = nn.Linear(features, units), nn.Linear(units, units)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.sigmoid(self.enter(x))
        return h + torch.tanh(self.inner(h))


class TiedTwice(nn.Module):
    """One Linear layer applied twice."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.layer = nn.Linear(features, features)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.layer(torch.tanh(self.layer(x))))


class _Cube(torch.autograd.Function):
    """x^3 as an extension might define it: its backward pass looks at the numbers, which torch.vmap refuses."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, *grad_outputs: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return 3 * x**2 * grad_outputs[0] if bool(grad_outputs[0].any()) else torch.zeros_like(x)


class Cube(nn.Module):
    """x -> (W x)^3 by an autograd.Function of one's own."""

    def __init__(self, features: int, units: int) -> None:
        super().__init__()
        self.layer = nn.Linear(features, units)

    def forward(self, x: Tensor) -> Tensor:
        return _Cube.apply(self.layer(x))  # pyright: ignore[reportReturnType]


def parametrized_norm(features: int, units: int) -> nn.Sequential:
    """A batch norm whose scale is a function of another parameter."""
    norm = nn.BatchNorm1d(units)
    parametrize.register_parametrization(norm, "weight", nn.Softplus())
    return nn.Sequential(nn.Linear(features, units), norm, nn.Tanh())


def used_twice(features: int) -> nn.Sequential:
    """One Linear layer twice in a Sequential."""
    layer = nn.Linear(features, features)
    return nn.Sequential(layer, nn.Tanh(), layer, nn.Sigmoid())


def pruned(features: int, units: int) -> nn.Sequential:
    """A layer whose weight is masked by a forward pre-hook."""
    return nn.Sequential(prune.random_unstructured(nn.Linear(features, units), "weight", amount=0.5), nn.Tanh())


def stack(widths: Sequence[int], activation: Callable[[], nn.Module], bias: bool = True) -> nn.Sequential:
    """Linear and activation in turn."""
    pairs = pairwise(widths)
    return nn.Sequential(*(m for a, b in pairs for m in (nn.Linear(a, b, bias=bias), activation())))


# name: (builder, shape of the points)
def centred(features: int) -> nn.Module:
    """x -> x - mean with a mean that is far from 0."""
    module = Center(features)
    module.mean.copy_(torch.arange(1.0, features + 1) / features)
    return module


ENCODERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "sigmoid layer": (lambda: stack((5, 4), nn.Sigmoid), (6, 5)),
    "deep, narrow code": (lambda: stack((9, 6, 4, 2), nn.Sigmoid), (6, 9)),
    "deep, wide code": (lambda: stack((2, 5, 7, 9), nn.Tanh), (6, 2)),
    "linear": (lambda: nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 3)), (5, 4)),
    "bare layer": (lambda: nn.Linear(4, 3), (5, 4)),
    "identity": (nn.Identity, (5, 4)),
    "activation first": (lambda: nn.Sequential(nn.Tanh(), nn.Linear(4, 3)), (5, 4)),
    "two activations": (lambda: nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Sigmoid()), (5, 4)),
    "nested": (lambda: nn.Sequential(nn.Sequential(nn.Linear(4, 5), nn.ELU()), nn.Sequential(nn.Linear(5, 3))), (5, 4)),
    "partly linear": (lambda: nn.Sequential(nn.Linear(5, 6), PartlyLinear(2), nn.Linear(6, 4), nn.Tanh()), (6, 5)),
    "centred": (lambda: nn.Sequential(centred(5), *stack((5, 4, 3), nn.Tanh)), (6, 5)),
    "centred within": (
        lambda: nn.Sequential(nn.Linear(5, 4), nn.Tanh(), centred(4), nn.Linear(4, 3, bias=False)),
        (6, 5),
    ),
    "centred batch norm": (lambda: nn.Sequential(centred(5), nn.Linear(5, 3), nn.BatchNorm1d(3), nn.Tanh()), (6, 5)),
    "centred convolution": (lambda: nn.Sequential(centred(5), nn.Conv1d(2, 2, 3, padding=1), nn.Tanh()), (4, 2, 5)),
    "centred code": (lambda: nn.Sequential(nn.Linear(5, 3), nn.Tanh(), centred(3)), (6, 5)),
    "image": (lambda: nn.Sequential(nn.Flatten(), *stack((12, 5, 3), nn.SiLU)), (4, 3, 2, 2)),
    "unflattened": (lambda: nn.Sequential(nn.Linear(4, 6), nn.Unflatten(1, (2, 3)), nn.Tanh()), (4, 4)),
    "to image": (lambda: nn.Sequential(nn.Linear(3, 8), nn.Unflatten(1, (2, 4)), nn.Conv1d(2, 2, 2), nn.ELU()), (4, 3)),
    "convolution": (lambda: nn.Sequential(nn.Conv2d(2, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(12, 2)), (4, 2, 3, 3)),
    "circular": (lambda: nn.Sequential(nn.Conv1d(2, 2, 3, padding=1, padding_mode="circular"), nn.Tanh()), (4, 2, 5)),
    "valid": (lambda: nn.Sequential(nn.Conv1d(2, 2, 2, padding="valid"), nn.Tanh()), (4, 2, 4)),
    "even same": (lambda: nn.Sequential(nn.Conv1d(2, 2, 2, padding="same"), nn.Tanh()), (4, 2, 4)),
    "transposed": (lambda: nn.Sequential(nn.ConvTranspose1d(2, 3, 2, stride=2), nn.Sigmoid()), (4, 2, 3)),
    "convolution 3d": (lambda: nn.Sequential(nn.Conv3d(1, 2, 2), nn.Tanh()), (3, 1, 3, 2, 3)),
    "residual": (lambda: Residual(5, 3), (6, 5)),
    "layer norm": (lambda: nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4), nn.GELU()), (6, 5)),
    "layer norm, wide code": (lambda: nn.Sequential(nn.Linear(3, 6), nn.LayerNorm(6), nn.GELU()), (6, 3)),
    "group norm": (lambda: nn.Sequential(nn.Conv1d(2, 4, 2), nn.GroupNorm(2, 4), nn.Tanh()), (4, 2, 4)),
    "batch norm first": (lambda: nn.Sequential(nn.BatchNorm1d(5), nn.Linear(5, 3), nn.Tanh()), (6, 5)),
    "batch norm plain": (lambda: nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3, affine=False), nn.Tanh()), (6, 5)),
    "batch norm late": (lambda: nn.Sequential(nn.Linear(5, 3), nn.Tanh(), nn.BatchNorm1d(3)), (6, 5)),
    "parametrized norm": (lambda: parametrized_norm(5, 3), (6, 5)),
    "sequence norm": (lambda: nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(4), nn.Tanh()), (3, 4, 5)),
    "layer used twice": (lambda: used_twice(4), (5, 4)),
    "tied twice": (lambda: TiedTwice(4), (5, 4)),
    "weight norm": (lambda: nn.Sequential(parametrizations.weight_norm(nn.Linear(5, 4)), nn.Sigmoid()), (6, 5)),
    "spectral norm": (lambda: nn.Sequential(parametrizations.spectral_norm(nn.Linear(5, 4)), nn.Sigmoid()), (6, 5)),
    "pruned": (lambda: pruned(5, 4), (6, 5)),
    "sequences": (lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), (3, 5, 3)),
    "softmax": (lambda: nn.Sequential(nn.Linear(5, 4), nn.Softmax(1)), (6, 5)),
    "learned slope": (lambda: nn.Sequential(nn.Linear(5, 4), nn.PReLU(), nn.Linear(4, 2)), (6, 5)),
    "own function": (lambda: Cube(5, 3), (6, 5)),
}


def encoder(name: str, std: float = 0.8) -> tuple[nn.Module, Tensor]:
    """A named encoder at trained scale, and points for it."""
    build, shape = ENCODERS[name]
    torch.manual_seed(0)
    return at_scale(build(), std), points(*shape)


def attention(x: Tensor) -> Tensor:
    """A plain function without parameters: (batch, time, features) -> the same shape."""
    return F.softmax(x @ x.sin().mT, -1) @ x.tanh()
