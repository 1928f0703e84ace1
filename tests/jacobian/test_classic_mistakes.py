"""What is wrong in public code is told from the truth here: by value and gradient, at trained-scale weights.

A test of values at freshly drawn weights lets several of them pass.
"""

import pytest
import torch
from torch import Tensor, nn

import contractive as ct
import mistakes
from problems import at_scale, points, relative_error, stack, true_norm

ENCODERS = {
    "sigmoid": lambda: stack((12, 7), nn.Sigmoid),
    "deep sigmoid": lambda: stack((12, 9, 7), nn.Sigmoid),
    "relu": lambda: stack((12, 7), nn.ReLU),
    "tanh": lambda: stack((12, 7), nn.Tanh),
    "deep relu": lambda: stack((12, 9, 7), nn.ReLU),
}
# mistake: the encoders on which it is one
WRONG = {
    mistakes.summed_outputs: list(ENCODERS),
    mistakes.summed_inputs: list(ENCODERS),
    mistakes.last_layer_only: ["deep sigmoid", "deep relu"],
    mistakes.last_layer_by_autograd: ["deep sigmoid", "deep relu"],
    mistakes.detached_weight: ["sigmoid", "deep sigmoid", "relu", "tanh"],
    mistakes.detached_slope: ["sigmoid", "deep sigmoid", "tanh"],
    mistakes.StaleWeight(): ["sigmoid", "deep sigmoid"],
    mistakes.sigmoid_slope: ["relu", "tanh", "deep relu"],
    mistakes.slope_dropped: list(ENCODERS),
    mistakes.not_squared: list(ENCODERS),
    mistakes.half: list(ENCODERS),
    mistakes.doubled: list(ENCODERS),
    mistakes.mean_of_entries: list(ENCODERS),
    mistakes.half_gradient: list(ENCODERS),
    mistakes.no_graph: ["sigmoid", "tanh"],
}
CASES = [(mistake, encoder) for mistake, encoders in WRONG.items() for encoder in encoders]


def named(value) -> str:
    return value if isinstance(value, str) else getattr(value, "__name__", type(value).__name__)


def draw(name: str, std: float, bias_std: float | None = None) -> tuple[nn.Sequential, Tensor]:
    f = at_scale(ENCODERS[name](), std, seed=3)
    assert isinstance(f, nn.Sequential)
    if bias_std is not None:
        with torch.no_grad():
            for layer in f[::2]:
                layer.bias.mul_(bias_std / std)
    return f, points(16, 12)


def errors(values: Tensor, truth: Tensor, parameters: list[Tensor]) -> tuple[float, float]:
    """Relative error of the values, and of the gradient of their weighted sum over all parameters."""
    weights = torch.linspace(0.5, 1.5, len(truth), dtype=truth.dtype)
    gradients = []
    for one in (values, truth):
        one = one if one.requires_grad else one + 0 * parameters[0].sum()
        gradient = torch.autograd.grad((weights * one).sum(), parameters, materialize_grads=True)
        gradients.append(torch.cat([g.flatten() for g in gradient]))
    return relative_error(values.detach(), truth.detach()), relative_error(*gradients)


def compared(penalty, f, x) -> tuple[float, float]:
    return errors(penalty(f, x), true_norm(f, x)[1], list(f.parameters()))


@pytest.mark.parametrize(("mistake", "encoder"), CASES, ids=named)
def test_value_and_gradient_tell_each_mistake(mistake, encoder):
    value, gradient = compared(mistake, *draw(encoder, 0.5))
    assert value > 0.02 or gradient > 0.02


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("right", [mistakes.unit_loop, mistakes.by_jacrev, ct.squared_norm], ids=named)
def test_what_is_right_passes(right, encoder):
    value, gradient = compared(right, *draw(encoder, 0.5))
    assert value < 1e-12
    assert gradient < 1e-12


@pytest.mark.parametrize(
    "mistake", [mistakes.detached_weight, mistakes.detached_slope, mistakes.half_gradient], ids=named
)
def test_some_have_the_right_value_and_the_wrong_gradient(mistake):
    value, gradient = compared(mistake, *draw("sigmoid", 0.5))
    assert value < 1e-12
    assert gradient > 0.3


def test_a_stale_weight_has_the_right_value_until_the_first_step():
    f, x = draw("sigmoid", 0.5)
    penalty = mistakes.StaleWeight()
    assert compared(penalty, f, x)[0] < 1e-12
    with torch.no_grad():
        f[0].weight.mul_(1.5)
    assert compared(penalty, f, x)[0] > 0.3


def test_summed_outputs_are_nearly_right_at_small_weights_with_many_units():
    """The trap: at random signs the cross terms cancel. With weights of one sign they add up, k-fold."""
    f = at_scale(stack((784, 64), nn.Sigmoid), 0.01)
    x = points(16, 784).sigmoid()
    mean = lambda penalty: penalty(f, x).mean().item()  # noqa: E731
    assert mean(mistakes.summed_outputs) == pytest.approx(mean(ct.squared_norm), rel=0.15)
    with torch.no_grad():
        f[0].weight.abs_()
    assert mean(mistakes.summed_outputs) > 30 * mean(ct.squared_norm)


def test_the_last_layer_alone_is_off_by_orders_of_magnitude():
    """Wider nets are worse: their first layer's factor is missing altogether."""
    f, x = draw("deep sigmoid", 0.1)
    ratio = mistakes.last_layer_only(f, x) / true_norm(f, x)[1]
    assert ratio.min() > 50


def test_a_gradient_without_cross_terms_passes_at_tiny_weights():
    """At standard deviation 0.01 what goes through the slope is below one in a hundred: no test can see it there."""
    small = compared(mistakes.detached_slope, *draw("sigmoid", 0.01))
    trained = compared(mistakes.detached_slope, *draw("sigmoid", 1.0))
    assert small[1] < 0.02
    assert trained[1] > 0.5


def test_floor_division_loses_the_gradient():
    """Its value is below the mean by less than one, which a printed loss of some hundreds does not show."""
    f, x = draw("relu", 1.0)
    penalty, truth = mistakes.floored(f, x), true_norm(f, x)[1].mean()
    assert 0 < (truth - penalty).item() < 1
    gradients = torch.autograd.grad(penalty, list(f.parameters()), materialize_grads=True)
    assert all(not gradient.any() for gradient in gradients)
    with pytest.raises(RuntimeError, match="floor_divide is not implemented"):
        mistakes.floored_by_operator(f, x).backward()


def test_a_sum_or_mean_over_the_batch_is_not_one_value_per_example():
    f, x = draw("sigmoid", 0.5)
    norm = ct.squared_norm(f, x)
    assert norm.shape == (16,)
    assert norm.std() > 0.1 * norm.mean()
    for scalar in (mistakes.batch_mean, mistakes.batch_sum):
        value, gradient = compared(lambda f, x, scalar=scalar: scalar(f, x).expand(16), f, x)
        assert value > 0.1
        assert gradient > 0.05
    assert mistakes.batch_sum(f, x).item() == pytest.approx(16 * mistakes.batch_mean(f, x).item())


def test_an_unscaled_probe_is_too_small_by_the_number_of_units():
    f, x = draw("sigmoid", 0.5)
    torch.manual_seed(0)
    ratio = sum(mistakes.unscaled_probe(f, x).sum() for _ in range(200)) / 200 / true_norm(f, x)[1].sum()
    assert ratio.item() == pytest.approx(1 / 7, rel=0.1)
