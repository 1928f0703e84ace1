"""Encoders that call their layers through TorchScript, an exported program or ATen, or have one derivative only."""

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.function import once_differentiable

import contractive as ct
from contractive.jacobian._operations import Operations

pytestmark = pytest.mark.filterwarnings("ignore")  # of tracing, and that torch.jit, still in wide use, is deprecated
X = torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def brute(f, x):
    """Squared norms by one backward pass per unit, on the graph."""
    x = x.detach().clone().requires_grad_()
    units = f(x).flatten(1).unbind(1)
    rows = [torch.autograd.grad(unit.sum(), x, create_graph=True)[0].flatten(1) for unit in units]
    return torch.stack([row.square().sum(1) for row in rows]).sum(0)


def ways(net, x):
    """The same function by other doors; each shares the parameters of `net`."""
    return {
        "script": torch.jit.script(net),
        "trace": torch.jit.trace(net, x, check_trace=False),
        "lambda of a script": (lambda scripted: lambda z: scripted(z))(torch.jit.script(net)),
        "export": torch.export.export(net, (x,), strict=False).module(),
    }


@pytest.mark.parametrize("way", ["script", "trace", "lambda of a script", "export", "native"])
def test_batch_statistics_are_refused_by_every_door_and_leave_no_trace(way):
    net = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Tanh()).double()
    f = (
        (lambda z: torch.native_batch_norm(net[0](z), None, None, None, None, True, 0.1, 1e-5)[0])
        if way == "native"
        else ways(net, X)[way]
    )
    buffers = dict(f.named_buffers()) if isinstance(f, nn.Module) else {}
    before = {name: buffer.clone() for name, buffer in buffers.items()}
    with pytest.raises(ValueError, match="f must treat every example on its own, got a BatchNorm"):
        ct.squared_norm(f, X)
    assert all(torch.equal(buffer, before[name]) for name, buffer in buffers.items())


def test_a_refusal_does_not_count_the_batch():
    net = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4)).double()
    with pytest.raises(ValueError, match="f must treat every example on its own"):
        ct.squared_norm(net, X)
    assert int(net[1].num_batches_tracked) == 0


@pytest.mark.parametrize("way", ["script", "trace", "lambda of a script"])
def test_fixed_batch_norm_and_instance_norm_pass(way):
    net = nn.Sequential(nn.Unflatten(1, (1, 5)), nn.Conv1d(1, 2, 2), nn.InstanceNorm1d(2), nn.BatchNorm1d(2)).double()
    net.eval()
    torch.testing.assert_close(ct.squared_norm(ways(net, X)[way], X), brute(net, X))


@pytest.mark.parametrize("way", ["script", "trace", "lambda of a script", "export", "native", "aten"])
@pytest.mark.parametrize("code", [3, 8])
def test_gradient_through_layer_norm_is_that_of_the_module(way, code):
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(5, 6), nn.LayerNorm(6), nn.Tanh(), nn.Linear(6, code)).double()
    shape, weight, bias = (6,), net[1].weight, net[1].bias
    f = {
        "native": lambda z: net[2:](torch.native_layer_norm(net[0](z), shape, weight, bias, 1e-5)[0]),
        "aten": lambda z: net[2:](torch.ops.aten.layer_norm(net[0](z), shape, weight, bias, 1e-5)),
    }
    f = f[way] if way in f else ways(net, X)[way]
    (expected,) = torch.autograd.grad(brute(net, X).sum(), net[0].weight)
    for _ in range(3):  # TorchScript compiles its own derivatives from the second call on
        norm = ct.squared_norm(f, X)
        torch.testing.assert_close(norm, brute(net, X))
        for parameter in net.parameters():
            parameter.grad = None
        parameters = list(f.parameters()) if isinstance(f, nn.Module) else list(net.parameters())
        (found,) = torch.autograd.grad(norm.sum(), parameters[:1])
        torch.testing.assert_close(found, expected)


def test_forward_probes_through_a_scripted_layer_norm_are_refused():
    net = torch.jit.script(nn.Sequential(nn.Linear(5, 6), nn.LayerNorm(6)).double())
    with pytest.raises(ValueError, match="f must call its normalisation from Python for products J u"):
        ct.squared_norm(net, X, method="forward_probes")


def test_a_scripted_encoder_keeps_its_gradient_over_many_steps():
    net = torch.jit.script(nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3), nn.Tanh()).double())
    for _ in range(5):
        code, norm = ct.value_and_squared_norm(net, X, method="exact")
        assert norm.requires_grad
        (norm.sum() + code.sum()).backward()


class Cube(torch.autograd.Function):
    """a^3, differentiable once."""

    @staticmethod
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return a**3

    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        return 3 * ctx.saved_tensors[0] ** 2 * g


@pytest.mark.parametrize("method", ["exact", "probes"])
def test_an_operation_of_one_derivative_raises_instead_of_counting_as_a_constant(method):
    layer = nn.Linear(5, 4).double()
    norm = ct.value_and_squared_norm(lambda z: Cube.apply(layer(z)), X, method=method)[1]
    with pytest.raises(RuntimeError, match="once_differentiable"):
        norm.sum().backward()


def test_values_of_an_operation_of_one_derivative_are_right():
    layer = nn.Linear(5, 4).double()
    with torch.no_grad():
        norm = ct.squared_norm(lambda z: Cube.apply(layer(z)), X)
    torch.testing.assert_close(norm, brute(lambda z: layer(z) ** 3, X).detach())


def test_nothing_of_a_fake_call_is_left():
    net = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 67)).double()
    with FakeTensorMode(allow_non_fake_inputs=True):
        ct.value_and_squared_norm(net, torch.randn(4, 5, dtype=torch.float64), method="probes")
    assert type(ct.value_and_squared_norm(net, X, method="probes")[1]) is torch.Tensor


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("method", ["exact", "probes"])
def test_half_precision_has_the_range_of_single(dtype, method):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(512, 512)).to(dtype)
    nn.init.normal_(net[0].weight)
    x = torch.randn(4, 512).to(dtype)
    code, norm = ct.value_and_squared_norm(net, x, method=method)
    assert (code.dtype, norm.dtype) == (dtype, torch.float32)
    truth = float(net[0].weight.detach().double().square().sum())
    assert float(norm.mean().detach()) == pytest.approx(truth, rel=0.2 if method == "probes" else 1e-4)
    norm.mean().backward()
    assert net[0].weight.grad.dtype is dtype
    assert net[0].weight.grad.isfinite().all()


def test_code_side_rows_leave_layer_norm_as_it_is():
    net = nn.Sequential(nn.Linear(5, 6), nn.LayerNorm(6), nn.Tanh(), nn.Linear(6, 3)).double()
    with Operations(columns=False) as seen:
        code = net(X)
    assert seen.normalised
    names, nodes = set(), [code.grad_fn]
    while nodes:
        node = nodes.pop()
        names.add(node.name())
        nodes += [following for following, _ in node.next_functions if following is not None]
    assert "NativeLayerNormBackward0" in names
