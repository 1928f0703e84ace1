"""Weights of other software: its loss, written out as it writes it, pulls like ours with the weight converted.

Each row of the table in docs/choosing-the-weight.md has its case here. A loss that is a sum over the batch is as many
times ours as there are rows, which only the learning rate sees: gradients are compared up to that stated factor.
"""

import re
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

import contractive as ct
from contractive import objectives

ROWS, D, K, LAM = 7, 6, 4, 0.3
PAGE = Path(__file__).parents[2] / "docs" / "choosing-the-weight.md"


def net(kind, code=K, output="sigmoid"):
    torch.manual_seed(0)
    build = {"untied": ct.mlp, "tied": ct.tied}[kind]
    return build(D, code=code, output=output).double()


def rows():
    return torch.rand(ROWS, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def pull(net, loss):
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, [*net.parameters()], materialize_grads=True)])


def layer(net, x):
    """W (k, d), h and h (1 - h) of the one sigmoid layer, as the old codes have them."""
    h = net.encode(x)
    return net.encoder[0].weight, h, h * (1 - h)


def jacobian(net, x):
    """(rows, k, d), by brute force, differentiable."""
    one = lambda row: net.encode(row[None])[0]  # noqa: E731
    return torch.stack([torch.autograd.functional.jacobian(one, row, create_graph=True) for row in x])


def cross_entropy(net, x):
    r = net(x)
    return -(x * r.log() + (1 - x) * (1 - r).log()).sum(1)


def rifai(net, x):
    return (cross_entropy(net, x) + LAM * jacobian(net, x).square().sum((1, 2))).sum()


class Halved(torch.autograd.Function):
    """The value as it is, its gradient without the factor 2: the hand-written gradient of the authors' code."""

    @staticmethod
    def forward(ctx, value):
        return value.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient / 2


def authors(net, x):
    return (cross_entropy(net, x) + LAM * Halved.apply(jacobian(net, x).square().sum((1, 2)))).mean()


def theano(net, x):
    w, _, slope = layer(net, x)
    j = slope[:, :, None] * w[None]  # the tutorial's get_jacobian
    return cross_entropy(net, x).mean() + LAM * ((j**2).sum() / ROWS)


def pylearn2(net, x):
    w, _, slope = layer(net, x)
    return (net(x) - x).square().sum(1).mean() + LAM * (slope.square() @ w.square().sum(1)).sum() / ROWS


def keras_post_meant(net, x):
    w, _, slope = layer(net, x)
    return ((net(x) - x).square().mean(1) + LAM * (slope**2 * w.square().sum(1)).sum(1)).mean()


def feature_mean(net, x):
    return F.mse_loss(net(x), x) + LAM * jacobian(net, x).square().sum((1, 2)).mean()


def half_error(net, x):
    return (0.5 * (net(x) - x).square().sum(1) + LAM * jacobian(net, x).square().sum((1, 2))).mean()


def jacobian_regularizer(net, x):
    """n=-1: every unit of the code in turn, half the mean over the batch."""
    code = net.encode(x)
    total = 0.0
    for unit in range(code.shape[1]):
        (row,) = torch.autograd.grad(code[:, unit].sum(), x, create_graph=True)
        total = total + row.square().sum() / ROWS
    return total / 2


def regularized_sum(net, x):
    return (net(x) - x).square().sum(1).mean() + LAM * jacobian_regularizer(net, x)


def regularized_mean(net, x):
    return F.mse_loss(net(x), x) + LAM * jacobian_regularizer(net, x)


def entry_mean(net, x):
    return (net(x) - x).square().sum(1).mean() + LAM * jacobian(net, x).square().mean()


SQUARED, ENTROPY = objectives.squared_error, objectives.cross_entropy
# software: (its loss, ours, the factor between the two)
CASES = {
    "Rifai et al. (2011)": (rifai, objectives.contractive(LAM, loss=ENTROPY), ROWS),
    "authors' numpy code": (authors, objectives.contractive(LAM / 2, loss=ENTROPY), 1),
    "Theano tutorial": (theano, objectives.contractive(LAM, loss=ENTROPY), 1),
    "pylearn2": (pylearn2, objectives.contractive(LAM, loss=SQUARED), 1),
    "Keras post, as meant": (keras_post_meant, objectives.contractive(LAM * D, loss=SQUARED), 1 / D),
    "mean over features": (feature_mean, objectives.contractive(LAM * D, loss=SQUARED), 1 / D),
    "half the squared error": (half_error, objectives.contractive(LAM * 2, loss=SQUARED), 1 / 2),
    "jacobian_regularizer, summed": (regularized_sum, objectives.contractive(LAM / 2, loss=SQUARED), 1),
    "jacobian_regularizer, mean": (regularized_mean, objectives.contractive(LAM * D / 2, loss=SQUARED), 1 / D),
    "mean over the Jacobian's entries": (entry_mean, objectives.contractive(LAM / (D * K), loss=SQUARED), 1),
}


@pytest.mark.parametrize("kind", ["untied", "tied"])
@pytest.mark.parametrize("software", CASES)
def test_the_converted_weight_pulls_alike(software, kind):
    theirs, ours, factor = CASES[software]
    model, x = net(kind), rows().requires_grad_()
    expected = pull(model, theirs(model, x))
    torch.testing.assert_close(expected, factor * pull(model, ours(model, x.detach()).total), rtol=1e-9, atol=1e-12)
    unconverted = objectives.contractive(7.7 * LAM, loss=ours.loss)
    assert not torch.allclose(expected, factor * pull(model, unconverted(model, x.detach()).total), rtol=1e-3)


@pytest.mark.parametrize("kind", ["untied", "tied"])
def test_matlabs_sparse_autoencoder(kind):
    """trainAutoencoder: squared error summed over features, lambda / 2 * squared weights, beta * KL."""
    model, x, decay, beta, target = net(kind), rows(), 0.02, 1.5, 0.05
    mean = model.encode(x).mean(0)
    sparsity = (target * (target / mean).log() + (1 - target) * ((1 - target) / (1 - mean)).log()).sum()
    weights = [model.encoder[0].weight] + ([model.decoder[0].weight] if kind == "untied" else [])
    squares = sum(weight.square().sum() for weight in weights)
    theirs = (model(x) - x).square().sum(1).mean() + decay * squares / 2 + beta * sparsity
    ours = objectives.compose(objectives.sparse(beta, target=target), objectives.weight_decay(decay / 2))
    torch.testing.assert_close(pull(model, theirs), pull(model, ours(model, x).total), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["untied", "tied"])
def test_the_theano_tutorial_since_2016_has_no_penalty(kind):
    """`T.sum(J ** 2) // n_batchsize`: a whole number, whose gradient is 0."""
    model, x = net(kind), rows()
    w, _, slope = layer(model, x)
    floored = torch.div((slope[:, :, None] * w[None]).square().sum(), ROWS, rounding_mode="floor")
    theirs = pull(model, cross_entropy(model, x).mean() + LAM * floored)
    torch.testing.assert_close(
        theirs, pull(model, objectives.standard(loss=ENTROPY)(model, x).total), rtol=1e-9, atol=0
    )


def nearest(model, theirs, penalty):
    """Share of their penalty's pull that is left when the nearest multiple of ours is taken away."""
    theirs, ours = pull(model, theirs), pull(model, penalty)
    rest = theirs - (theirs @ ours) / (ours @ ours) * ours
    return float(rest.norm() / theirs.norm())


def test_the_keras_post_as_it_runs_is_no_multiple_of_the_penalty():
    """W was read once into a constant: its part of the gradient is missing."""
    model, x = net("untied"), rows()
    w, _, slope = layer(model, x)
    frozen = (slope**2 * w.detach().square().sum(1)).sum(1).mean()
    right = jacobian(model, x).square().sum((1, 2)).mean()
    assert nearest(model, frozen, right) > 0.2


@pytest.mark.parametrize(("code", "same"), [(1, True), (K, False)], ids=["one unit", "more units"])
def test_ruta_adds_the_outputs_up_before_it_differentiates(code, same):
    model, x = net("untied", code=code), rows().requires_grad_()
    (summed,) = torch.autograd.grad(model.encode(x).sum(), x, create_graph=True)
    theirs = summed.square().sum(1).mean()
    right = jacobian(model, x).square().sum((1, 2)).mean()
    assert (nearest(model, theirs, right) < 1e-9) == same


def test_every_row_of_the_table_has_its_test():
    table = PAGE.read_text().split("<!-- migration -->")[1].split("<!-- end -->")[0]
    listed = re.findall(r"^\| ([^|]+?) \|", table, re.MULTILINE)
    tested = {*CASES, "MATLAB trainAutoencoder", "Theano tutorial since 2016", "Keras post, as it runs", "ruta"}
    assert set(listed[1:]) == tested


def doubled(model, times):
    """The same map on features that each come `times` times."""
    wide = ct.mlp(D * times, code=K, output="sigmoid").double()
    with torch.no_grad():
        wide.encoder[0].weight.copy_(model.encoder[0].weight.repeat_interleave(times, 1) / times)
        wide.encoder[0].bias.copy_(model.encoder[0].bias)
        wide.decoder[0].weight.copy_(model.decoder[0].weight.repeat_interleave(times, 0))
        wide.decoder[0].bias.copy_(model.decoder[0].bias.repeat_interleave(times))
    return wide


def objective(model, x, weight):
    return float(objectives.contractive(weight)(model, x).total.detach())


def test_features_that_come_m_times_want_m_squared_of_the_weight():
    model, x = net("untied"), rows()
    wide = doubled(model, 3)
    there = objective(wide, x.repeat_interleave(3, 1), 9 * LAM)
    assert there == pytest.approx(3 * objective(model, x, LAM))


def test_units_that_come_m_times_want_the_mth_of_the_weight():
    model, x = net("untied"), rows()
    wide = net("untied", code=3 * K)
    with torch.no_grad():
        wide.encoder[0].weight.copy_(model.encoder[0].weight.repeat_interleave(3, 0))
        wide.encoder[0].bias.copy_(model.encoder[0].bias.repeat_interleave(3))
        wide.decoder[0].weight.copy_(model.decoder[0].weight.repeat_interleave(3, 1) / 3)
        wide.decoder[0].bias.copy_(model.decoder[0].bias)
    assert objective(wide, x, LAM / 3) == pytest.approx(objective(model, x, LAM))


def test_data_a_times_as_large_want_a_to_the_fourth_of_the_weight():
    model, x, a = net("untied", output="linear"), rows(), 3.0
    before = objective(model, x, LAM)
    with torch.no_grad():
        model.encoder[0].weight /= a
        model.decoder[0].weight *= a
        model.decoder[0].bias *= a
    assert objective(model, a * x, a**4 * LAM) == pytest.approx(a**2 * before)


def test_an_untied_decoder_can_undo_a_smaller_code_and_a_tied_one_cannot():
    """Linear code: halved and blown up again, the reconstruction is the same and the penalty a quarter."""
    torch.manual_seed(0)
    model, x = ct.mlp(D, code=K, activation="linear", output="linear").double(), rows()
    values = objectives.contractive(1.0)(model, x)
    with torch.no_grad():
        model.encoder[0].weight /= 2
        model.encoder[0].bias /= 2
        model.decoder[0].weight *= 2
    after = objectives.contractive(1.0)(model, x)
    torch.testing.assert_close(after.reconstruction, values.reconstruction)
    torch.testing.assert_close(after.penalties["contractive"], values.penalties["contractive"] / 4)
    same = ct.tied(D, K, activation="linear", output="linear").double()
    before = objectives.contractive(1.0)(same, x)
    with torch.no_grad():
        same.encoder[0].weight /= 2
    assert not torch.allclose(objectives.contractive(1.0)(same, x).reconstruction, before.reconstruction, rtol=0.01)
