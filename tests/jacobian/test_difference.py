"""The higher-order term ||J(x) - J(x + e)||^2 against brute force, and its gradient."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, jacrev, vmap

from contractive.jacobian import value_norm_and_difference
from contractive.jacobian._propagation import GROUP


def brute_jacobian(encoder, x):
    state = dict(encoder.named_parameters())

    def one(row):
        return functional_call(encoder, state, (row[None],))[0].flatten()

    return vmap(jacrev(one))(x).flatten(2)


def encoder_of(kind):
    torch.manual_seed(0)
    layers = {
        "one layer": [nn.Linear(6, 5), nn.Sigmoid()],
        "one linear layer": [nn.Linear(6, 5)],
        "deep": [nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4), nn.Sigmoid()],
        "no chain": [nn.Linear(6, 5), nn.LayerNorm(5), nn.Tanh()],
    }[kind]
    return nn.Sequential(*layers).double()


@pytest.mark.parametrize("kind", ["one layer", "one linear layer", "deep", "no chain"])
def test_exact_value_and_gradient_equal_brute_force_on_the_same_noise(kind):
    encoder = encoder_of(kind)
    x = torch.randn(10, 6, dtype=torch.float64)
    sigma, copies = 0.3, 3
    code, norm, difference = value_norm_and_difference(
        encoder, x, sigma=sigma, copies=copies, method="exact", generator=torch.Generator().manual_seed(1)
    )
    generator = torch.Generator().manual_seed(1)
    if "layer" in kind:  # eight neighbours share their noise
        groups = -(-len(x) // GROUP)
        noise = torch.randn(copies * groups, 6, generator=generator, dtype=x.dtype).unflatten(0, (copies, groups))
        noise = noise.repeat_interleave(GROUP, 1)[:, : len(x)]
    else:
        noise = torch.randn(copies, *x.shape, generator=generator, dtype=x.dtype)
    here = brute_jacobian(encoder, x)
    there = torch.stack([brute_jacobian(encoder, x + sigma * e) for e in noise])
    truth = (there - here).square().sum((2, 3)).mean(0)
    torch.testing.assert_close(code, encoder(x), rtol=1e-12, atol=0)
    torch.testing.assert_close(norm, here.square().sum((1, 2)), rtol=1e-9, atol=0)
    torch.testing.assert_close(difference, truth, rtol=1e-9, atol=1e-25)
    weight = torch.rand(10, dtype=torch.float64)
    squares = here.square().sum((1, 2))
    wanted = torch.autograd.grad(((truth + squares) * weight).sum(), list(encoder.parameters()), allow_unused=True)
    got = torch.autograd.grad(((difference + norm) * weight).sum(), list(encoder.parameters()), allow_unused=True)
    for a, b in zip(got, wanted, strict=True):
        torch.testing.assert_close(
            torch.zeros(1) if a is None else a, torch.zeros(1) if b is None else b, rtol=1e-9, atol=1e-12
        )


@pytest.mark.parametrize("num_probes", [1, 3])
def test_estimate_is_unbiased(num_probes):
    encoder = encoder_of("deep")
    x = torch.randn(4, 6, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    draws, truths = [], []
    for _ in range(400):
        draws.append(
            value_norm_and_difference(
                encoder, x, sigma=0.5, copies=2, method="probes", num_probes=num_probes, generator=generator
            )[2].detach()
        )
        truths.append(
            value_norm_and_difference(encoder, x, sigma=0.5, copies=2, method="exact", generator=generator)[2].detach()
        )
    draw, truth = torch.stack(draws), torch.stack(truths)
    z = (draw.mean(0) - truth.mean(0)) / ((draw.var(0) + truth.var(0)) / len(draw)).sqrt()
    assert z.abs().max() < 4


def test_encoder_runs_once():
    calls = []

    def encode(x):
        calls.append(len(x))
        return torch.tanh(x)

    value_norm_and_difference(encode, torch.randn(5, 3), sigma=0.1, copies=4)
    assert calls == [25]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"sigma": 0.0}, "sigma must be above 0 and finite, got 0.0"),
        ({"sigma": 0.1, "copies": 0}, "copies must be at least 1, got 0"),
        ({"sigma": 0.1, "method": "forward_probes"}, "method must be auto, exact or probes here"),
    ],
)
def test_misuse_is_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        value_norm_and_difference(nn.Linear(3, 2), torch.randn(4, 3), **arguments)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_one_layer_in_half_precision_keeps_the_digits_of_the_difference(dtype):
    """Without more digits the differences of slopes are four times too large at this noise, or 0."""
    encoder = encoder_of("one layer").to(dtype)
    x, seeded = torch.randn(800, 6).to(dtype), {"sigma": 0.01, "copies": 4}
    code, norm, difference = value_norm_and_difference(encoder, x, **seeded, generator=torch.Generator().manual_seed(0))
    assert (code.dtype, norm.dtype, difference.dtype) == (dtype, torch.float32, torch.float32)
    generator = torch.Generator().manual_seed(0)
    truth = value_norm_and_difference(encoder.float(), x.float(), **seeded, generator=generator)
    torch.testing.assert_close(code, truth[0].to(dtype))
    torch.testing.assert_close((norm, difference), truth[1:])


@pytest.mark.parametrize("kind", ["deep", "no chain"])
def test_a_deep_encoder_in_half_precision_is_refused(kind):
    encoder = encoder_of(kind).bfloat16()
    with pytest.raises(ValueError, match=r"x must have single precision at least here, got torch.bfloat16. Convert x"):
        value_norm_and_difference(encoder, torch.randn(4, 6).bfloat16(), sigma=0.1)


@pytest.mark.parametrize("kind", ["one layer", "deep", "no chain"])
def test_autocast_keeps_the_digits_of_the_difference(kind):
    """Under little noise, the slopes' own rounding in half precision would be larger."""
    encoder = encoder_of(kind).float()
    x, seeded = torch.randn(9, 6), {"sigma": 0.01, "method": "exact"}
    truth = value_norm_and_difference(encoder, x, **seeded, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        seen = value_norm_and_difference(encoder, x, **seeded, generator=torch.Generator().manual_seed(0))
    for one, other in zip(seen, truth, strict=True):
        torch.testing.assert_close(one, other)
