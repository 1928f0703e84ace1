"""What stands around the formulas: in-place operations, compiled maps, half precision, dropout, memory, no_grad."""

import copy

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.checkpoint import checkpoint

import contractive as ct
from contractive.jacobian import (
    NORMS,
    checkpointed,
    jacobian,
    leading,
    operator_norm,
    singular_values,
    value_and_norm,
    value_norm_and_difference,
)
from contractive.jacobian._function import ChainNorm
from contractive.objectives import HigherOrder, JacobianNorm


def seeded(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(0))


def brute(f, x):
    """||J||^2 per example by torch.func, each example on its own."""
    return torch.stack([torch.func.jacrev(lambda row: f(row.unsqueeze(0))[0])(row).square().sum() for row in x])


@pytest.fixture(autouse=True)
def same_weights():
    torch.manual_seed(0)


def test_an_encoder_may_begin_in_place_after_another():
    below, above = nn.Linear(4, 5).double(), nn.Sequential(nn.ELU(inplace=True), nn.Linear(5, 4), nn.Tanh()).double()
    apart = nn.Sequential(nn.ELU(), *above[1:])  # the same weights
    z = seeded(3, 4)
    code, norm = ct.value_and_squared_norm(above, below(z), method="exact")
    torch.testing.assert_close(norm, brute(apart, below(z).detach()))
    torch.testing.assert_close(code, apart(below(z)))
    gradient = torch.autograd.grad(norm.sum(), below.weight)[0]
    wanted = torch.autograd.grad(ct.value_and_squared_norm(apart, below(z), method="exact")[1].sum(), below.weight)[0]
    torch.testing.assert_close(gradient, wanted)


def test_an_encoder_may_begin_in_place_on_the_data():
    x = seeded(4, 5)
    net = nn.Sequential(nn.Dropout(0.2, inplace=True), nn.Linear(5, 3), nn.Tanh()).double()
    before = x.clone()
    assert ct.value_and_squared_norm(net, x)[1].shape == (4,)
    assert torch.equal(x, before)


def test_what_follows_a_linear_code_may_overwrite_it():
    encoder = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    weights = tuple(encoder.parameters())
    x = seeded(6, 5)

    def gradients(activation):
        code, norm = ct.value_and_squared_norm(encoder, x, method="exact")
        return torch.autograd.grad(norm.mean() + activation(code).square().sum(), weights)

    torch.testing.assert_close(gradients(torch.relu_), gradients(torch.relu))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch about itself
def test_a_compiled_encoder_is_the_one_that_was_compiled():
    x = seeded(5, 6)
    for last in (nn.Tanh(), nn.LayerNorm(4)):
        encoder = nn.Sequential(nn.Linear(6, 4), last).double()
        compiled = torch.compile(encoder, backend="aot_eager")
        norm = ct.value_and_squared_norm(compiled, x, method="exact")[1]
        torch.testing.assert_close(norm, brute(encoder, x))
        norm.sum().backward()
    assert "closed form" in str(ct.plan(torch.compile(nn.Sequential(nn.Linear(6, 4), nn.Tanh())), x.float()))


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # torch about itself
@pytest.mark.parametrize(
    ("hidden", "penalty", "closed"),
    [((5,), JacobianNorm("exact", penalty_rows=4), 2), ((), HigherOrder(penalty_rows=4), 0)],
)
def test_a_compiled_step_equals_the_step_as_written_and_keeps_the_closed_form(hidden, penalty, closed, monkeypatch):
    model, x, runs = ct.mlp(6, hidden=hidden, code=3).double(), seeded(16, 6), []
    objective = ct.Objective(terms=(ct.Term("penalty", 0.1, penalty),))
    forward = ChainNorm.forward
    monkeypatch.setattr(ChainNorm, "forward", staticmethod(lambda *given: runs.append(1) or forward(*given)))

    def step(generator):
        return objective(model, x, generator=generator).total

    found = []
    for run in (step, torch.compile(step, backend="eager")):
        loss = run(torch.Generator().manual_seed(0))
        found.append([loss.detach(), *torch.autograd.grad(loss, tuple(model.parameters()))])
    torch.testing.assert_close(*found)
    assert len(runs) == closed


def test_small_squares_survive_half_precision():
    layer = nn.Linear(3, 20)
    with torch.no_grad():
        layer.weight.mul_(1e-4)
    x = seeded(4, 3, dtype=torch.float32)
    wanted = ct.squared_norm(lambda x: torch.tanh(layer(x)), x)
    with torch.autocast("cpu", torch.float16):
        found = ct.squared_norm(lambda x: torch.tanh(layer(x)), x)
    torch.testing.assert_close(found.float(), wanted, rtol=0.01, atol=0)


@pytest.mark.parametrize("kind", ["chain", "function"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_decompositions_of_half_precision_are_done_in_single(dtype, kind):
    chain = nn.Sequential(nn.Linear(8, 5), nn.Tanh(), nn.Linear(5, 4)).to(dtype)
    x = seeded(6, 8).to(dtype)
    f = chain if kind == "chain" else lambda x: chain(x)
    truth = singular_values(copy.deepcopy(chain).double(), x.double())
    seen = [
        singular_values(f, x),
        leading(f, x, 4).values,
        leading(f, x, 4, method="iterate").values,
        operator_norm(f, x).norm.unsqueeze(1),
        operator_norm(f, x, start=torch.ones_like(x)).norm.unsqueeze(1),
        value_and_norm(f, x, "largest")[1].sqrt().unsqueeze(1),
    ]
    for values in seen:
        torch.testing.assert_close(values.double(), truth[:, : values.shape[1]], rtol=0.01, atol=0.01)


def test_dropout_is_refused_where_x_is_compared_with_its_copies():
    net = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 3), nn.Tanh()).double()
    x = seeded(6, 5)
    for module in (net, nn.Sequential(nn.Linear(5, 3), nn.RReLU()).double()):
        with pytest.raises(ValueError, match="f must be the same map for x and its noisy copies, got random numbers"):
            value_norm_and_difference(module, x, sigma=0.1)
    for noisy in (lambda x: torch.dropout(x, 0.5, True), lambda x: x + torch.randn_like(x)):
        with pytest.raises(ValueError, match="random numbers within, such as dropout's"):
            value_norm_and_difference(noisy, x, sigma=0.1)
    assert float(value_norm_and_difference(net.eval(), x, sigma=1e-6)[2].detach().max()) < 1e-9
    nothing = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Dropout(0.0), nn.Linear(8, 3)).double()
    assert value_norm_and_difference(nothing, x, sigma=0.1)[2].shape == (6,)


def test_functions_of_torch_come_back_when_the_last_of_several_threads_is_done():
    before = nn.functional.layer_norm, nn.functional.instance_norm
    first, second = checkpointed(), checkpointed()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)  # in the order of threads, not of nested blocks
    assert nn.functional.layer_norm is not before[0]
    second.__exit__(None, None, None)
    assert (nn.functional.layer_norm, nn.functional.instance_norm) == before


NORM_OF = {
    "squared": lambda f, x, **k: ct.squared_norm(f, x, **k),
    "entries": lambda f, x, **k: value_and_norm(f, x, "entries", method="exact", **k)[1],
    "jacobian": lambda f, x, **k: jacobian(f, x, **k).square().sum((1, 2)),
}


@pytest.mark.parametrize("measure", NORM_OF)
@pytest.mark.parametrize("way", ["closure", "argument", "hook"])
def test_what_else_is_made_of_x_is_no_part_of_the_derivative(way, measure):
    f, x = nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4), nn.Tanh(), nn.Linear(4, 5)).double(), seeded(6, 5)
    wanted, given = NORM_OF[measure](f, x).detach(), x.clone().requires_grad_()
    if way == "hook":
        given.register_hook(lambda gradient: 2 * gradient)
        found = NORM_OF[measure](f, given)
    elif way == "closure":
        found = NORM_OF[measure](lambda z: f(z) - given, given)
    else:
        found = NORM_OF[measure](lambda z, other: f(z) - other, given, args=(given,))
    torch.testing.assert_close(found.detach(), wanted)
    gradient = torch.autograd.grad(found.sum(), given)[0] / (2 if way == "hook" else 1)
    plain = x.clone().requires_grad_()
    torch.testing.assert_close(gradient, torch.autograd.grad(NORM_OF[measure](f, plain).sum(), plain)[0])


def test_running_statistics_move_once_where_the_norm_goes_by_columns():
    norm = nn.InstanceNorm1d(2, track_running_stats=True)
    net = nn.Sequential(nn.Unflatten(1, (2, 3)), norm, nn.Flatten(), nn.Linear(6, 8)).double()
    other, x = copy.deepcopy(net), seeded(5, 6) + 1
    ct.value_and_squared_norm(net, x, method="exact")
    other(x)
    torch.testing.assert_close(norm.running_mean, other[1].running_mean)
    assert norm.running_mean.abs().max() > 0.01


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("kind", ["chain", "no chain"])
def test_small_squares_of_other_norms_survive_half_precision(kind, norm):
    chain = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 6))
    with torch.no_grad():
        chain[2].weight.mul_(1e-3)
    chain, x = chain.half(), seeded(7, 5).half()
    found = value_and_norm(chain if kind == "chain" else lambda z: chain(z), x, norm, method="exact")[1].detach()
    truth = value_and_norm(copy.deepcopy(chain).double(), x.double(), norm, method="exact")[1].detach()
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), truth, rtol=1e-3 if kind == "chain" else 0.05, atol=0)


def test_gains_survive_half_precision():
    encoder = nn.Sequential(nn.Linear(5, 4), nn.Tanh())
    decoder = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 5))
    with torch.no_grad():
        encoder[0].weight.mul_(1e-3)
        decoder[2].weight.mul_(1e-2)
    encoder, decoder, x = encoder.half(), decoder.half(), seeded(7, 5).half()
    of = ct.jacobian.value_and_gain_weighted_norm
    found = of(encoder, decoder, x, method="exact")[1].detach()
    truth = of(*(copy.deepcopy(each).double() for each in (encoder, decoder)), x.double(), method="exact")[1].detach()
    torch.testing.assert_close(found.double(), truth, rtol=1e-3, atol=0)


@pytest.mark.parametrize("row", ["equal", "zero"])
def test_singular_values_have_a_gradient_where_rows_of_the_first_layer_are_dependent(row):
    chain = nn.Sequential(nn.Linear(8, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    with torch.no_grad():
        chain[0].weight[1] = chain[0].weight[0] if row == "equal" else 0
    x = seeded(6, 8)
    found, wanted = (
        torch.autograd.grad(singular_values(f, x).sum(), [chain[0].weight, chain[0].bias, chain[2].weight])
        for f in (chain, lambda z: chain(z))
    )
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("measure", [singular_values, jacobian, lambda f, x, **k: leading(f, x, 2, **k).values])
def test_parts_keep_to_the_budget_where_inner_layers_are_wide(measure):
    net = nn.Sequential(nn.Linear(2, 300), nn.Tanh(), nn.Linear(300, 300), nn.Tanh(), nn.Linear(300, 8), nn.Tanh())
    x = seeded(2000, 2, dtype=torch.float32)
    with torch.no_grad():
        whole = measure(net, x)
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
            parts = measure(net, x, memory_budget=2**20)
    torch.testing.assert_close(parts, whole)
    assert max(event.cpu_memory_usage for event in seen.events()) < 16 * 2**20  # it was 38 for each product


@pytest.mark.parametrize("method", ["exact", "probes", "forward_probes"])
def test_shapes_are_known_without_numbers(method):
    """On the meta device, where large networks are planned."""
    chain = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).to("meta")
    x = torch.empty(2, 4, device="meta")
    for f in (chain, lambda x: chain(x)):
        code, norm = ct.value_and_squared_norm(f, x, method=method)
        (code.sum() + norm.sum()).backward()
        assert (code.shape, norm.shape, norm.device.type) == ((2, 3), (2,), "meta")


def test_no_gradient_is_prepared_under_no_grad():
    net = ct.mlp(20, hidden=(16, 12), code=8).encoder
    x = seeded(32, 20, dtype=torch.float32)

    def products():
        with profile(activities=[ProfilerActivity.CPU]) as seen:
            norm = ct.squared_norm(net, x)
        return sum(event.count for event in seen.key_averages() if "mm" in event.key), norm

    wanted, norm = products()
    with torch.no_grad():
        fewer, same = products()
    assert torch.equal(norm, same)
    assert fewer < wanted


@pytest.mark.parametrize("method", ["exact", "probes", "forward_probes"])
def test_a_code_may_be_one_number_without_a_dimension(method):
    x = seeded(3, 1)
    norm = ct.value_and_squared_norm(lambda x: x.square().sum(1), x, method=method)[1]
    torch.testing.assert_close(norm, 4 * x.square().sum(1))
    torch.testing.assert_close(jacobian(lambda x: x.square().sum(1), x), 2 * x.unsqueeze(1))


def block(compiled=None):
    made = nn.Sequential(nn.Linear(4, 5), nn.LayerNorm(5), nn.Mish(), nn.Linear(5, 3)).double()
    if compiled == "method":
        made.compile(backend="eager")
    return torch.compile(made, backend="eager") if compiled == "part" else made


@pytest.mark.parametrize("compiled", ["method", "part"])
def test_compiled_parts_run_as_they_were_written(compiled, monkeypatch):
    inner = block(compiled)
    encoder = nn.Sequential(inner, nn.Linear(3, 3).double())
    stances = []
    real = torch.compiler.set_stance
    monkeypatch.setattr(torch.compiler, "set_stance", lambda stance: stances.append(stance) or real(stance))
    x = seeded(3, 4)
    _, norm = ct.value_and_squared_norm(encoder, x, method="exact")
    assert stances == ["force_eager"]
    plain = nn.Sequential(block(), encoder[1])
    plain[0].load_state_dict(getattr(inner, "_orig_mod", inner).state_dict())
    torch.testing.assert_close(norm, brute(plain, x))
    assert all(gradient is not None for gradient in torch.autograd.grad(norm.sum(), [encoder[1].weight]))
    stances.clear()
    ct.value_and_squared_norm(plain, x)
    assert not stances


class Checkpointed(nn.Module):
    def __init__(self, inner, recomputes=True):
        super().__init__()
        self.inner, self.recomputes = inner, recomputes

    def forward(self, x):
        tokens = x.unflatten(1, (2, 4))
        if self.recomputes:
            return checkpoint(self.inner, tokens, use_reentrant=False).mean(1)
        return self.inner(tokens).mean(1)


@pytest.mark.parametrize("method", ["exact", "probes", "forward_probes"])
def test_activation_checkpointing_with_attention_and_layer_norm(method):
    inner, x = nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, batch_first=True).double(), seeded(3, 8)
    found = []
    for recomputes in (False, True):
        inner.zero_grad()
        with checkpointed():
            generator = torch.Generator().manual_seed(0)
            norm = ct.value_and_squared_norm(Checkpointed(inner, recomputes), x, method=method, generator=generator)[1]
            norm.sum().backward()
        found.append([norm.detach(), *(parameter.grad for parameter in inner.parameters())])
    torch.testing.assert_close(*found)
    if method == "exact":
        with checkpointed():
            torch.testing.assert_close(found[1][0], brute(Checkpointed(inner, recomputes=False), x))


@pytest.mark.parametrize("method", ["probes", "forward_probes"])
def test_checkpointed_attention_outside_of_its_kernel_says_what_to_do(method):
    inner = nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, batch_first=True).double()
    with pytest.raises(RuntimeError, match=r"f uses activation checkpointing.*around this call and backward"):
        ct.value_and_squared_norm(Checkpointed(inner), seeded(3, 8), method=method)


@pytest.mark.parametrize("norm", NORMS)
def test_every_norm_of_a_checkpointed_block_that_normalises(norm):
    for layer in (nn.LayerNorm(6), nn.Sequential(nn.Unflatten(1, (2, 3)), nn.InstanceNorm1d(2), nn.Flatten())):
        block, x = nn.Sequential(nn.Linear(6, 6), layer, nn.Tanh()).double(), seeded(3, 6)
        found = []
        for f in (block, lambda x, block=block: checkpoint(block, x, use_reentrant=False)):
            block.zero_grad()
            with checkpointed():
                value = value_and_norm(f, x, norm, method="exact")[1]
                value.sum().backward()
            found.append([value.detach(), block[0].weight.grad.clone()])
        torch.testing.assert_close(*found)
    assert torch.nn.functional.layer_norm.__module__ == "torch.nn.functional"  # torch's own again


def test_an_inner_context_of_checkpointing_leaves_the_outer_one_in_place():
    of_torch = torch.nn.functional.layer_norm
    with checkpointed():
        exchanged = torch.nn.functional.layer_norm
        with checkpointed():
            pass
        assert torch.nn.functional.layer_norm is exchanged is not of_torch
    assert torch.nn.functional.layer_norm is of_torch
