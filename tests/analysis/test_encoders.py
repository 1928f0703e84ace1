"""Every measure takes every kind of encoder, repeats itself under a seed, and leaves the model as it was."""

import dataclasses

import pytest
import torch

import contractive as ct
from contractive import analysis
from contractive.analysis import LinearProbe
from measured import seeded

KINDS = {
    "mlp": (lambda: ct.mlp(16, hidden=(10,), code=6), (16,)),
    "tied": (lambda: ct.tied(16, 6), (16,)),
    "overcomplete": (lambda: ct.mlp(16, code=20), (16,)),
    "convolution": (lambda: ct.conv((1, 4, 4), code=6, channels=(3,)), (1, 4, 4)),
}
LABELS = torch.arange(40) % 3


def task(model, x):
    code = model.encoder(x).shape[1]
    return LinearProbe(torch.ones(3, code) * torch.arange(3.0)[:, None], torch.zeros(3)), x, LABELS


MEASURES = {
    "sensitivity": lambda m, x, g: analysis.sensitivity_profile(m.encoder, x, generator=g),
    "norms": lambda m, x, g: analysis.norms(m.encoder, x),
    "evaluation points": lambda m, x, g: analysis.evaluation_points(m.encoder, x, x[:5], num_points=10, generator=g),
    "curve": lambda m, x, g: analysis.contraction_curve(m.encoder, x, generator=g),
    "depth": lambda m, x, g: analysis.contraction_by_depth(m.encoder, x, generator=g),
    "spectra": lambda m, x, g: analysis.spectra(m.encoder, x),
    "directions": lambda m, x, g: analysis.directions(m.encoder, x),
    "classes": lambda m, x, g: analysis.directions_by_class(m.encoder, x, LABELS),
    "examples": lambda m, x, g: analysis.example_jacobians(m.encoder, analysis.one_per_class(x, LABELS)[0]),
    "tangents": lambda m, x, g: analysis.tangents(m.encoder, x, 2),
    "walks": lambda m, x, g: analysis.walks(m, x, analysis.tangents(m.encoder, x, 1).basis[:, 0], [-1, 0, 1]),
    "agreement": lambda m, x, g: analysis.tangent_agreement(m.encoder, x, 2, generator=g),
    "codes": lambda m, x, g: analysis.codes(m.encoder, x),
    "map": lambda m, x, g: analysis.principal_components(m.encoder, x),
    "field": lambda m, x, g: analysis.vector_field(m, x),
    "reconstruction norms": lambda m, x, g: analysis.reconstruction_norms(m.encoder, m.decoder, x),
    "similarity": lambda m, x, g: analysis.similarity(analysis.apply(m.encoder, x), x.flatten(1)),
    "noise": lambda m, x, g: analysis.accuracy_under_noise(m.encoder, *task(m, x), [0, 1.0], generator=g),
    "attack": lambda m, x, g: analysis.accuracy_under_attack(m.encoder, *task(m, x), [0.1, 1.0], generator=g),
}


def numbers(value):
    """Every tensor and float in a result."""
    if isinstance(value, torch.Tensor):
        return [value.double().flatten()]
    if dataclasses.is_dataclass(value):
        return [found for field in dataclasses.fields(value) for found in numbers(getattr(value, field.name))]
    if isinstance(value, dict):
        return [found for entry in value.values() for found in numbers(entry)]
    if isinstance(value, tuple):
        return [found for entry in value for found in numbers(entry)]
    return [torch.tensor([value]).double()] if isinstance(value, float | int) else []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("measure", MEASURES)
def test_a_measure_takes_the_encoder(kind, measure):
    build, shape = KINDS[kind]
    torch.manual_seed(0)
    model = build().eval()
    x = torch.rand(40, *shape, generator=seeded())
    before, data = {key: value.clone() for key, value in model.state_dict().items()}, x.clone()
    one, other = (torch.cat(numbers(MEASURES[measure](model, x, seeded(3)))) for _ in range(2))
    assert torch.equal(one, other)
    assert torch.isfinite(one).all()
    assert torch.equal(x, data)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_results_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        analysis.codes(lambda x: x, torch.rand(3, 2)).dead = 0.0  # pyright: ignore
