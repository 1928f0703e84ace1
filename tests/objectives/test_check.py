"""Right penalties pass the check; every classic mistake is caught and called by its name."""

import pytest
import torch
from torch import nn

import contractive as ct
import mistakes
from contractive.objectives.check import check_penalty
from problems import Residual, at_scale, points, stack

SIGMOID, RELU, TANH, DEEP, MIXED = range(5)  # the built-in encoders
FAST = {"encoder": at_scale(stack((6, 4), nn.Sigmoid), 0.7), "x": points(8, 6)}


def named(value):
    if isinstance(value, str | dict):
        return str(value) if isinstance(value, str) else ""
    return getattr(value, "__name__", type(value).__name__).replace("<lambda>", "")


@pytest.mark.parametrize(
    "penalty",
    [
        mistakes.unit_loop,
        mistakes.by_jacrev,
        mistakes.with_code,
        ct.squared_norm,
        lambda encoder, x: ct.value_and_squared_norm(lambda x: encoder(x), x, method="exact"),
        lambda encoder, x: (ct.jacobian(encoder, x) ** 2).sum((1, 2)),
        lambda encoder, x: ct.singular_values(encoder, x).square().sum(1),
    ],
    ids=["unit loop", "jacrev", "with code", "squared norm", "plain function", "jacobian", "singular values"],
)
def test_right_penalties_pass(penalty):
    result = check_penalty(penalty)
    assert result, str(result)
    assert len(result.encoders) == 6
    for one in result.encoders:
        assert one.value_error < 1e-9
        assert one.gradient_error < 1e-9
        assert one.gradient_cosine == pytest.approx(1)
        assert (one.reduction, one.factor, one.stochastic) == ("per example", "1", False)
        assert one.mistakes == one.findings == ()
    assert str(result).startswith("The penalty is right.\n  one sigmoid layer: right, per example")


@pytest.mark.parametrize(
    ("penalty", "reduction"), [(mistakes.batch_mean, "batch mean"), (mistakes.batch_sum, "batch sum")], ids=named
)
def test_one_number_for_the_batch_is_recognised(penalty, reduction):
    result = check_penalty(penalty)
    assert result, str(result)
    assert {one.reduction for one in result.encoders} == {reduction}
    assert check_penalty(lambda encoder, x: penalty(encoder, x).reshape(1), **FAST)


def test_unbiased_estimates_pass():
    result = check_penalty(mistakes.estimate)
    assert result, str(result)
    assert all(one.stochastic for one in result.encoders)
    assert "unbiased estimate" in str(result)


def test_an_estimate_of_few_signs_is_no_value_though_two_calls_are_often_equal():
    result = check_penalty(mistakes.estimate, encoder=stack((6, 5, 2), nn.Tanh).double(), x=points(8, 6))
    assert result, str(result)
    assert result.encoders[0].stochastic


@pytest.mark.parametrize(
    "penalty",
    [
        mistakes.gaussian_probe,
        lambda encoder, x: ct.squared_norm(encoder, x, method="forward_probes", num_probes=4),
        lambda encoder, x: ct.squared_norm(lambda x: encoder(x), x, method="probes", num_probes=2).mean(),
    ],
    ids=["gaussian", "forward probes", "plain function, batch mean"],
)
def test_other_estimates_pass(penalty):
    result = check_penalty(penalty, **FAST)
    assert result, str(result)
    assert result.encoders[0].stochastic


@pytest.mark.parametrize(
    ("penalty", "encoder"),
    [
        (mistakes.closed_form, stack((6, 4), nn.Sigmoid)),
        (mistakes.unit_loop, Residual(6, 4)),
        (mistakes.unit_loop, nn.Sequential(nn.Unflatten(1, (2, 3)), nn.Conv1d(2, 3, 2), nn.Tanh(), nn.Flatten())),
        (mistakes.with_code, nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.ELU())),
    ],
    ids=["closed form", "residual", "convolution", "batch norm"],
)
def test_with_an_encoder_of_ones_own(penalty, encoder):
    result = check_penalty(penalty, at_scale(encoder, 0.7), points(5, 6))
    assert result, str(result)
    assert result.encoders[0].encoder == "your encoder"


def test_with_a_plain_function_and_its_own_weights():
    weight = (0.6 * points(4, 6, seed=5)).requires_grad_()
    assert check_penalty(mistakes.unit_loop, lambda x: torch.tanh(x @ weight.T), points(5, 6))
    result = check_penalty(mistakes.no_graph, lambda x: torch.tanh(x @ weight.T), points(5, 6))
    assert result.encoders[0].mistakes == ("no gradient",)


def test_in_float32():
    encoder = at_scale(stack((6, 5, 4), nn.Sigmoid), 0.7).float()
    assert check_penalty(mistakes.with_code, encoder, points(5, 6).float())
    assert not check_penalty(mistakes.half, encoder, points(5, 6).float())


# penalty: the names of its mistakes, by encoder
CLASSIC = [
    (mistakes.summed_outputs, {i: ("summed outputs",) for i in range(5)}),
    (mistakes.summed_inputs, {SIGMOID: ("summed inputs",)}),
    (mistakes.last_layer_only, {DEEP: ("last layer only",), MIXED: ("sigmoid slope", "last layer only")}),
    (mistakes.last_layer_by_autograd, {DEEP: ("last layer only",), MIXED: ("last layer only",)}),
    (mistakes.sigmoid_slope, {RELU: ("sigmoid slope",), TANH: ("sigmoid slope",)}),
    (mistakes.slope_dropped, {i: ("slope dropped",) for i in (SIGMOID, RELU, TANH)}),
    (mistakes.not_squared, {i: ("not squared",) for i in range(5)}),
    (mistakes.floored, {i: ("floor division",) for i in range(5)}),
    (mistakes.floored_by_operator, {i: ("floor division",) for i in range(5)}),
    (mistakes.half, {i: ("constant factor",) for i in range(5)}),
    (mistakes.doubled, {i: ("constant factor",) for i in range(5)}),
    (mistakes.mean_of_entries, {i: ("constant factor",) for i in range(5)}),
    (mistakes.detached_weight, {SIGMOID: ("detached weight",), RELU: ("sigmoid slope", "detached weight")}),
    (mistakes.detached_slope, {SIGMOID: ("detached slope",), DEEP: ("last layer only", "detached slope")}),
    (mistakes.StaleWeight(), {SIGMOID: ("stale weight",), DEEP: ("last layer only", "stale weight")}),
    (mistakes.no_graph, {i: ("no gradient",) for i in range(5)}),
    (mistakes.half_gradient, {i: ("gradient factor",) for i in range(5)}),
]


@pytest.mark.parametrize(("penalty", "expected"), CLASSIC, ids=named)
def test_classic_mistakes_are_caught_and_named(penalty, expected):
    result = check_penalty(penalty)
    assert not result
    for i, names in expected.items():
        one = result.encoders[i]
        assert not one
        assert one.mistakes == names, str(result)
        assert len(one.findings) == len(names)
        assert all(finding in str(result) for finding in one.findings)


@pytest.mark.parametrize(
    "penalty",
    [
        lambda encoder, x: ct.jacobian(encoder, x)[:, :10].square().sum((1, 2)),
        lambda encoder, x: ct.jacobian(encoder, x)[:, -64:].square().sum((1, 2)),
        lambda encoder, x: ct.jacobian(encoder, x)[:, :, :64].square().sum((1, 2)),
        lambda encoder, x: ct.squared_norm(encoder, x) * (torch.arange(len(x)) < 128),
        lambda encoder, x: ct.squared_norm(encoder, x[:64]).mean(),
        lambda encoder, x: ct.squared_norm(encoder, x[:16]).sum(),
    ],
    ids=["10 units", "last 64 units", "64 inputs", "128 rows", "64 rows, mean", "16 rows, sum"],
)
def test_a_penalty_that_leaves_out_units_inputs_or_rows_is_caught(penalty):
    result = check_penalty(penalty)
    assert not result
    assert [one.encoder for one in result.encoders if not one] == ["one wide layer"], str(result)
    assert not result.encoders[-1].value_right


def test_the_wide_encoder_is_left_out_where_a_mistake_is_known():
    assert len(check_penalty(mistakes.half).encoders) == 5


@pytest.mark.parametrize(
    "penalty", [mistakes.detached_weight, mistakes.detached_slope, mistakes.half_gradient, mistakes.no_graph], ids=named
)
def test_the_value_can_be_right_and_the_gradient_wrong(penalty):
    one = check_penalty(penalty).encoders[SIGMOID]
    assert one.value_right
    assert not one.gradient_right
    assert one.gradient_error > 0.1


@pytest.mark.parametrize(
    ("penalty", "factor", "reduction"),
    [
        (mistakes.half, "1/2", "per example"),
        (mistakes.doubled, "2", "per example"),
        (mistakes.mean_of_entries, "1/(d*k)", "per example"),
        (lambda encoder, x: mistakes.unit_loop(encoder, x) / x.shape[1], "1/d", "per example"),
        (lambda encoder, x: mistakes.unit_loop(encoder, x) / encoder(x).shape[1], "1/k", "per example"),
        (lambda encoder, x: mistakes.unit_loop(encoder, x) * 3, "3", "per example"),
        (lambda encoder, x: mistakes.unit_loop(encoder, x).mean() / 2, "1/2", "batch mean"),
        (lambda encoder, x: mistakes.unit_loop(encoder, x).sum() / 2, "1/2", "batch sum"),
        (lambda encoder, x: 1e-4 * mistakes.unit_loop(encoder, x).sum(), "0.0008", "batch mean"),
    ],
    ids=named,
)
def test_factors_are_named(penalty, factor, reduction):
    for one in check_penalty(penalty).encoders:
        assert one.mistakes == ("constant factor",)
        assert (one.factor, one.reduction) == (factor, reduction)
        assert not one.value_right
        assert not one.gradient_right
        assert one.gradient_cosine == pytest.approx(1)
        assert f"multiplied by {factor}." in one.findings[0]


@pytest.mark.parametrize(
    ("penalty", "mistake", "text"),
    [
        (lambda encoder, x: encoder.fc1, "an exception", "It raised AttributeError: 'Sequential' object has no"),
        (
            lambda encoder, x: mistakes.unit_loop(encoder, x).sum().item(),
            "not a tensor",
            "got float. Leave out .item()",
        ),
        (lambda encoder, x: (encoder(x) > 0).sum(1), "not a tensor", "got torch.int64"),
        (lambda encoder, x: None, "not a tensor", "got NoneType"),
        (lambda encoder, x: mistakes.unit_loop(encoder, x)[:, None], "wrong shape", r"got shape (8, 1) for 8 examples"),
        (lambda encoder, x: encoder(x), "wrong shape", "got shape (8, 4)"),
        (lambda encoder, x: mistakes.unit_loop(encoder, x) * float("nan"), "not finite", "nan or infinite"),
        (lambda encoder, x: (0 * encoder(x)).norm(dim=1) / 0, "not finite", "nan or infinite"),
        (lambda encoder, x: (x, mistakes.unit_loop(encoder, x)), "wrong code", "is not encoder(x)"),
        (lambda encoder, x: tuple(reversed(ct.value_and_squared_norm(encoder, x))), "wrong code", "is not encoder(x)"),
        (lambda encoder, x: mistakes.unit_loop(encoder, x).detach(), "no gradient", "it trains nothing"),
        (lambda encoder, x: 0 * mistakes.unit_loop(encoder, x) + 1, "unknown value", "no known mistake"),
        (lambda encoder, x: torch.zeros(len(x)).double(), "unknown value", "Compare with contractive.squared_norm"),
        (lambda encoder, x: encoder(x).square().sum(1), "unknown value", "no multiple"),
        (
            lambda encoder, x: ct.squared_norm(encoder, x) * (1 + 9 * torch.randn(8)),
            "too noisy",
            "Use more probe vectors",
        ),
    ],
    ids=named,
)
def test_whatever_else_it_does_is_said(penalty, mistake, text):
    result = check_penalty(penalty, **FAST)
    (one,) = result.encoders
    assert not result
    assert mistake in one.mistakes
    assert text in str(result)


def test_a_gradient_that_belongs_to_something_else():
    def penalty(encoder, x):
        norm, other = mistakes.unit_loop(encoder, x), encoder(x).square().sum(1)
        return norm.detach() + other - other.detach()

    (one,) = check_penalty(penalty, **FAST).encoders
    assert one.value_right
    assert one.mistakes == ("unknown gradient",)


def test_two_mistakes_at_once():
    """avijit9/Contractive_Autoencoder_in_Pytorch: ReLU, h (1 - h), state_dict(), batch sum."""

    def penalty(encoder, x):
        weight = encoder.state_dict()["0.weight"]
        h = encoder(x)
        return ((h * (1 - h)) ** 2 @ (weight**2).sum(1)).sum()

    (one,) = check_penalty(penalty, at_scale(stack((6, 4), nn.ReLU), 0.7), points(8, 6)).encoders
    assert one.mistakes == ("sigmoid slope", "detached weight")
    assert one.reduction == "batch sum"
    assert not one.value_right


def test_a_probe_of_unit_length_is_too_small_by_the_number_of_units():
    (one,) = check_penalty(mistakes.unscaled_probe, **FAST).encoders
    assert one.stochastic
    assert (one.mistakes, one.factor) == (("constant factor",), "1/k")


def test_a_biased_estimate_is_told_from_an_unbiased_one():
    def penalty(encoder, x):
        return ct.squared_norm(encoder, x, method="probes", num_probes=3).sqrt()

    (one,) = check_penalty(penalty, **FAST).encoders
    assert one.stochastic
    assert not one.value_right


def test_a_layer_beside_the_code_is_no_last_layer():
    class Variational(nn.Module):
        def __init__(self):
            super().__init__()
            self.mean, self.spread = nn.Linear(5, 3), nn.Linear(5, 3)

        def forward(self, x):
            self.spread(x)
            return torch.tanh(self.mean(x))

    penalty = lambda encoder, x: encoder(x).square().sum(1)  # noqa: E731
    assert not check_penalty(penalty, Variational().double(), points(6, 5))


def test_an_estimate_that_is_too_noisy_is_neither_right_nor_wrong():
    def penalty(encoder, x):
        return ct.squared_norm(encoder, x) * (1 + 9 * torch.randn(8))

    result = check_penalty(penalty, **FAST)
    assert not result
    assert result.encoders[0].undecided
    assert str(result).splitlines()[0] == "It could not be decided with 1 of 1 encoders."
    assert "wrong with" not in str(result)


def test_more_draws_decide_what_fewer_cannot():
    def penalty(encoder, x):
        return ct.squared_norm(encoder, x) * (1 + 0.7 * torch.randn(8, dtype=torch.float64))

    assert check_penalty(penalty, **FAST, draws=16).encoders[0].undecided
    assert check_penalty(penalty, **FAST, draws=1600)


def test_draws_must_be_enough_for_a_standard_error():
    with pytest.raises(ValueError, match="draws must be at least 8, got 2"):
        check_penalty(mistakes.unit_loop, draws=2)


@pytest.mark.parametrize(("power", "factor"), [(1, "1/batch"), (2, "1/batch^2")])
def test_a_factor_of_the_batch_is_named_and_not_to_be_folded_into_the_weight(power, factor):
    def penalty(encoder, x):
        return ct.squared_norm(encoder, x) / len(x) ** power

    result = check_penalty(penalty)
    assert {one.factor for one in result.encoders} == {factor}
    assert {one.mistakes for one in result.encoders} == {("batch factor",)}
    assert f"multiplied by {factor}, which changes with the batch" in str(result)
    assert "fold it into" not in str(result)
