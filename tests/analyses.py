"""Results of the analysis of a few small models, made once for the tests of the plots."""

from functools import cache
from types import SimpleNamespace

import torch

import contractive as ct
from contractive import analysis
from measured import seeded

VARIANTS = ("standard", "contractive")
LEVELS = {"gaussian": (0.1, 0.5), "masking": (0.2,)}


@cache
def models():
    torch.manual_seed(0)
    return {name: ct.mlp(9, hidden=(6,), code=4).eval() for name in VARIANTS}


def each(measure):
    return {name: measure(model.encoder) for name, model in models().items()}


@cache
def results() -> SimpleNamespace:
    x = torch.rand(60, 9, generator=seeded())
    labels = torch.arange(60) % 3
    rows, classes = analysis.one_per_class(x, labels)
    probe = analysis.LinearProbe(torch.randn(3, 4, generator=seeded()), torch.zeros(3))
    g = seeded
    own = models()["contractive"]
    tangents = analysis.tangents(own.encoder, rows, 2)
    return SimpleNamespace(
        x=x,
        labels=labels,
        rows=rows,
        headings=[f"class {int(label)}" for label in classes],
        profiles=each(lambda e: analysis.sensitivity_profile(e, x, levels=LEVELS, generator=g())),
        evaluation_points=each(lambda e: analysis.evaluation_points(e, x[:40], x[40:], num_points=20, generator=g())),
        curves=each(lambda e: analysis.contraction_curve(e, x, radii=[0.5, 1.0, 2.0], generator=g())),
        depths=each(lambda e: analysis.contraction_by_depth(e, x, radii=[0.5, 1.0], generator=g())),
        spectra=each(lambda e: analysis.spectra(e, x)),
        directions=each(lambda e: analysis.directions(e, x)),
        classes=each(lambda e: analysis.directions_by_class(e, x, labels)),
        examples=each(lambda e: analysis.example_jacobians(e, rows)),
        tangents=tangents,
        walks=analysis.walks(own, rows, tangents.basis[:, 0], [-1.0, 0.0, 2.0]),
        agreement=each(lambda e: analysis.tangent_agreement(e, x, 2, generator=g())),
        codes=each(lambda e: analysis.codes(e, x)),
        similarities=analysis.similarities(each(lambda e: analysis.apply(e, x))),
        maps=each(lambda e: analysis.principal_components(e, x).coordinates),
        robustness={
            "Noise": each(lambda e: analysis.accuracy_under_noise(e, probe, x, labels, [0, 1.0], generator=g())),
            "Attack": each(lambda e: analysis.accuracy_under_attack(e, probe, x, labels, [0, 0.3], generator=g())),
        },
    )
