"""What the check leaves behind, that it repeats itself, and what it refuses."""

import copy

import pytest
import torch
from torch import nn

import mistakes
from contractive import squared_norm
from contractive.objectives.check import MISTAKES, EncoderCheck, PenaltyCheck, check_penalty
from problems import at_scale, points, stack

FAST = {"encoder": at_scale(stack((6, 4), nn.Sigmoid), 0.7), "x": points(8, 6)}


def test_nothing_is_left_changed():
    encoder, x = copy.deepcopy(FAST["encoder"]), FAST["x"].clone()
    before, state = copy.deepcopy(encoder.state_dict()), torch.get_rng_state()
    for penalty in (mistakes.estimate, mistakes.detached_weight, lambda encoder, x: x.requires_grad_().sin_().sum(1)):
        check_penalty(penalty, encoder, x)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(x, FAST["x"])
    assert all(parameter.grad is None for parameter in encoder.parameters())
    assert not encoder[0]._forward_hooks


def test_weights_are_put_back_when_the_penalty_fails_after_they_moved():
    encoder, calls = copy.deepcopy(FAST["encoder"]), []

    def penalty(encoder, x):
        calls.append(1)
        if len(calls) > 2:
            raise KeyError("later")
        return mistakes.unit_loop(encoder, x)

    result = check_penalty(penalty, encoder, FAST["x"])
    assert "It raised KeyError: 'later'" in str(result)
    assert torch.equal(encoder[0].weight, FAST["encoder"][0].weight)


def test_one_seed_one_report():
    first, second = (str(check_penalty(mistakes.summed_outputs)) for _ in range(2))
    assert first == second
    assert first != str(check_penalty(mistakes.summed_outputs, seed=1))


def test_results_are_values():
    result = check_penalty(mistakes.unit_loop, **FAST)
    assert isinstance(result, PenaltyCheck)
    assert isinstance(result.encoders[0], EncoderCheck)
    with pytest.raises(AttributeError):
        result.encoders = ()
    assert all(text.endswith((".", "()")) for text in MISTAKES.values())


ENCODER = stack((3, 2), nn.Tanh)
X = torch.rand(4, 3)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (("penalty",), TypeError, r"penalty must be a function of encoder and x, got str\. Pass the function\."),
        ((len, ENCODER), ValueError, r"encoder and x must be given together, got encoder alone\. Add"),
        ((len, None, X), ValueError, r"encoder and x must be given together, got x alone\. Add"),
        ((len, ENCODER, [1.0]), TypeError, r"x must be a floating-point tensor, got list"),
        (
            (len, lambda x: x.sin(), X),
            ValueError,
            r"encoder must have parameters that require a gradient, got none\. N",
        ),
        ((len, nn.Sequential(*ENCODER, nn.Dropout(0.5)), X), ValueError, r"encoder must give the same code twice, got"),
        ((len, nn.Sequential(ENCODER[0], nn.BatchNorm1d(2)), X), ValueError, r"f must treat every example on its own"),
    ],
    ids=["no function", "no x", "no encoder", "list", "no parameters", "dropout", "batch norm"],
)
def test_misuse(arguments, error, match):
    with pytest.raises(error, match=match):
        check_penalty(*arguments)


def test_a_tolerance_of_nothing():
    with pytest.raises(ValueError, match=r"tolerance must be above 0 and finite, got 0\. Leave it out for 1e-6\."):
        check_penalty(mistakes.unit_loop, tolerance=0)


def test_an_encoder_without_a_slope_is_refused():
    dead = stack((6, 4), nn.ReLU).to(points(8, 6))
    nn.init.constant_(dead[0].bias, -1e3)  # ||J||^2 is 0, and so are most mistakes
    with pytest.raises(ValueError, match=r"must not be zero at all of x, got a sum of \|\|J\|\|\^2 of 0\."):
        check_penalty(mistakes.summed_outputs, dead, points(8, 6))


class Attention(nn.Module):
    """Two heads over three tokens."""

    def __init__(self):
        super().__init__()
        self.attention, self.out = nn.MultiheadAttention(4, 2, batch_first=True), nn.Linear(4, 2)

    def forward(self, x):
        return self.out(self.attention(x, x, x, need_weights=False)[0]).flatten(1)


def test_attention_is_compared_although_its_fast_kernel_has_no_second_derivative():
    torch.manual_seed(0)
    encoder, x = Attention().double().eval(), torch.randn(4, 3, 4, dtype=torch.float64)
    assert check_penalty(squared_norm, encoder, x)
    assert not check_penalty(lambda f, x: 2 * squared_norm(f, x), encoder, x)
