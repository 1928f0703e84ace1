"""Maps that torch differentiates once only, transforms of torch.func, conditions for each row, and shared maps."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, jacrev, vmap
from torch.nn import functional as F

import contractive as ct
from contractive.jacobian import NORMS, Encode, leading, linearise, operator_norm, plan, singular_values, value_and_norm
from problems import assert_close, assert_same, at_scale, outcome

X = torch.rand(5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
CENTRES = torch.rand(7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
METHODS = ("exact", "probes", "forward_probes")


class After(nn.Module):
    """A linear layer and a function of its output."""

    def __init__(self, function):
        super().__init__()
        self.linear, self.function = nn.Linear(6, 4), function

    def forward(self, x):
        return self.function(self.linear(x))


def by_hand(power):
    return lambda h: (h[:, None] - CENTRES).abs().pow(power).sum(2).pow(1 / power)


# what torch differentiates once, and the same by operations that it differentiates twice
ONCE = {
    "hardsigmoid": (lambda h: F.hardsigmoid(3 * h), lambda h: (3 * h / 6 + 0.5).clamp(0, 1)),
    "in place": (lambda h: F.hardsigmoid(h + 0, inplace=True), lambda h: (h / 6 + 0.5).clamp(0, 1)),
    "as a module": (nn.Hardsigmoid(), lambda h: (h / 6 + 0.5).clamp(0, 1)),
    "distances": (lambda h: torch.cdist(h, CENTRES), by_hand(2)),
    "radial": (lambda h: torch.exp(-(torch.cdist(h, CENTRES) ** 2)), lambda h: torch.exp(-(by_hand(2)(h) ** 2))),
    "city block": (lambda h: torch.cdist(h, CENTRES, p=1.0), by_hand(1)),
    "as products": (lambda h: torch.cdist(h, CENTRES, compute_mode="use_mm_for_euclid_dist"), by_hand(2)),
}


@pytest.mark.parametrize("kind", ONCE)
def test_what_torch_differentiates_once(kind):
    nets = [at_scale(After(function), 0.8) for function in ONCE[kind]]

    def truth(f, x):  # differentiable twice by torch itself
        matrices = vmap(jacrev(lambda row: f(row[None])[0]))(x)
        return f(x), matrices.square().sum((1, 2))

    seen = outcome(partial(ct.value_and_squared_norm, method="exact"), nets[0], X)
    assert_same(seen, outcome(truth, nets[1], X), rtol=1e-8)
    for method in METHODS[1:]:
        ct.value_and_squared_norm(nets[0], X, method=method)[1].sum().backward()


def test_products_where_the_backward_formula_has_no_derivative_at_zero():
    """torch's formula for logcumsumexp takes logarithms of the vector v in v^T J."""
    net = at_scale(After(lambda h: h.logcumsumexp(1)), 0.8)
    matrices = vmap(jacrev(lambda row: net(row[None])[0]))(X)
    u = torch.rand(5, 2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    assert_close(linearise(net, X).push(u), u @ matrices.mT, "products")
    pushed = vmap(lambda row, u: linearise(net, row[None]).push(u[None])[0])(X, u)
    assert_close(pushed, u @ matrices.mT, "products under vmap")


def test_a_distance_of_zero_has_a_finite_gradient():
    f = After(lambda h: torch.cdist(h, h[:1].detach()))
    ct.squared_norm(f, X.float()).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in f.parameters())


def test_a_chain_with_a_hardsigmoid_has_its_closed_form():
    f = at_scale(nn.Sequential(nn.Linear(6, 4), nn.Hardsigmoid()), 2.0)
    assert plan(f, X, method="exact").path == "closed form"
    apart = partial(ct.value_and_squared_norm, method="exact")
    assert_same(outcome(apart, f, X), outcome(lambda f, x: apart(lambda z: f(z), x), f, X))


NETS = {
    "chain": nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3)),
    "more code than input": nn.Sequential(nn.Linear(6, 4), nn.LayerNorm(4), nn.Tanh(), nn.Linear(4, 8)),
}


@pytest.fixture(params=list(NETS))
def net(request):
    return at_scale(NETS[request.param], 0.7)


def test_gradients_by_torch_func(net):
    parameters = {name: value.detach() for name, value in net.named_parameters()}
    seen = grad(lambda p: ct.squared_norm(lambda z: functional_call(net, p, (z,)), X).sum())(parameters)
    norms = ct.squared_norm(net, X).sum()
    for one, other in zip(
        seen.values(), torch.autograd.grad(norms, list(net.parameters()), allow_unused=True), strict=True
    ):
        assert_close(one, torch.zeros_like(one) if other is None else other, "gradient")
    x = X.clone().requires_grad_()
    (truth,) = torch.autograd.grad(ct.squared_norm(net, x).sum(), x)
    assert_close(grad(lambda z: ct.squared_norm(net, z).sum())(X), truth, "gradient in x")


def test_vmap_over_rows_and_ensembles(net):
    norms = ct.squared_norm(net, X).detach()
    assert_close(vmap(lambda row: ct.squared_norm(net, row[None])[0])(X).detach(), norms, "rows")
    ensemble = {name: torch.stack([value, 2 * value]).detach() for name, value in net.named_parameters()}
    seen = vmap(lambda p: ct.squared_norm(lambda z: functional_call(net, p, (z,)), X))(ensemble)
    assert_close(seen[0], norms, "ensemble")


def test_products_and_norms_under_vmap(net):
    code, matrices = net(X).detach(), ct.jacobian(net, X).detach()
    assert_close(vmap(lambda row: ct.jacobian(net, row[None])[0])(X).detach(), matrices, "Jacobian")
    u, v = torch.rand_like(X), torch.rand_like(code)

    def products(row, u, v):
        at = linearise(net, row[None])
        return at.value[0], at.push(u[None, None])[0, 0], at.pull(v[None, None])[0, 0]

    truth = (code, (matrices @ u.unsqueeze(2)).squeeze(2), (v.unsqueeze(1) @ matrices).squeeze(1))
    for seen, right in zip(vmap(products)(X, u, v), truth, strict=True):
        assert_close(seen.detach(), right, "product")
    seen = vmap(lambda row: value_and_norm(net, row[None], "entries", method="exact")[1][0])(X)
    assert_close(seen.detach(), matrices.abs().sum((1, 2)), "entries")


def test_estimates_inside_grad(net):
    def norms(x):
        return ct.squared_norm(net, x, method="probes", generator=torch.Generator().manual_seed(0)).sum()

    x = X.clone().requires_grad_()
    assert_close(grad(norms)(X), torch.autograd.grad(norms(x), x)[0], "gradient in x")


def test_a_wrong_shape_under_a_transform_is_refused():
    with pytest.raises(ValueError, match="f must return one row per example"):
        grad(lambda z: ct.squared_norm(lambda z: z.sum(0), z).sum())(X)


def test_a_condition_for_each_row():
    condition, layer = torch.rand(5, 4, dtype=X.dtype), nn.Linear(6, 4).double()

    def f(x):
        return torch.tanh(layer(x) * condition)

    values = torch.linalg.svdvals(ct.jacobian(f, X))
    assert_close(singular_values(f, X), values, "singular values")
    assert_close(leading(f, X, 2).values, values[:, :2].detach(), "leading ones")


def test_a_shared_map_runs_once_and_keeps_its_closed_form():
    f, passes = nn.Sequential(nn.Linear(6, 4), nn.Tanh()).double(), []

    def counted(x):
        passes.append(x)
        return f(x)

    for norm in (ct.value_and_squared_norm, value_and_norm, lambda f, x: (linearise(f, x).value, None)):
        encode = Encode(counted)
        code, _ = norm(encode, X)
        assert encode(X) is code
    assert len(passes) == 3
    assert plan(Encode(f), X, method="exact").path == "closed form"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("norm", [False, True])
def test_a_linear_code_may_be_overwritten(norm, method):
    layers = [nn.Linear(6, 4), nn.LayerNorm(4) if norm else nn.Tanh(), nn.Linear(4, 3)]
    f = at_scale(nn.Sequential(*layers), 0.7)
    gradients = []
    for in_place in (False, True):
        code, norms = ct.value_and_squared_norm(f, X, method=method, generator=torch.Generator().manual_seed(0))
        code = code.relu_() if in_place else code.relu()
        total = code.square().sum() + norms.sum()
        gradients.append(torch.autograd.grad(total, list(f.parameters())))
    for one, other in zip(*gradients, strict=True):
        assert_close(one, other, "gradient")


@pytest.mark.parametrize(
    "f", [nn.Sequential(nn.Linear(6, 4), nn.Tanh()), nn.Sequential(nn.Linear(6, 4), nn.LayerNorm(4))]
)
def test_another_default_device_leaves_the_device_of_x(f):
    f = f.double()
    with torch.device("meta"):
        found = [value_and_norm(f, X, norm, method=method)[1] for norm in NORMS for method in ("exact", "probes")]
        found += [ct.value_and_squared_norm(f, X, method=method)[1] for method in METHODS]
        found += [leading(f, X, 2, method="iterate").values, operator_norm(f, X, start=X).norm]
    assert {values.device.type for values in found} == {"cpu"}
    torch.testing.assert_close(found[0], ct.squared_norm(f, X))
    torch.testing.assert_close(found[-1], singular_values(f, X, 1)[:, 0], rtol=1e-3, atol=0)
