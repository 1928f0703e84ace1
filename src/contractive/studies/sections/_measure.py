"""One function per section: a model and rows in, a frozen dataclass out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from contractive import analysis
from contractive.jacobian import MEMORY_BUDGET, jacobian
from contractive.models import Autoencoder
from contractive.objectives import Gaussian
from contractive.studies.sections._maps import umap_map
from contractive.studies.sections._results import Examples, FeatureSensitivity, Map, Reconstructions
from contractive.studies.sections._robust import robust_code
from contractive.studies.sections._rows import Rows
from contractive.training import collapse

_MOST_EXAMPLES = 8
_MOST_TANGENTS = 8
_WALK = (-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0)
_PICTURED = 10
_FEATURE_POINTS = 60  # per class


@dataclass(frozen=True)
class AnalysisSettings:
    """How much is measured.

    Attributes:
        seed: Of noise, points, directions and probes.
        num_points: Rows at which Jacobians are computed.
        map_points: Rows on the maps.
        attack_points: Rows that are attacked.
        umap: Whether to draw a map by UMAP where the library is there.
    """

    seed: int = 0
    num_points: int = 1000
    map_points: int = 1000
    attack_points: int = 500
    umap: bool = True


@dataclass(frozen=True)
class Subject:
    """What a section is measured of."""

    autoencoder: Autoencoder
    rows: Rows
    settings: AnalysisSettings

    @property
    def encode(self) -> Callable[[Tensor], Tensor]:
        return self.autoencoder.encoder

    def generator(self) -> torch.Generator:
        """The same for every section, so that leaving one out changes no other."""
        return torch.Generator().manual_seed(self.settings.seed)

    @property
    def points(self) -> Tensor:
        """Rows for Jacobians."""
        return analysis.spread_rows(self.rows.measured, self.settings.num_points)


def _reconstruction(on: Subject) -> Reconstructions:
    rows, model = on.rows, on.autoencoder
    parts = {rows.measured_name: analysis.reconstruction(model, rows.measured)}
    if not rows.new:
        parts[rows.reference_name] = analysis.reconstruction(model, rows.reference)
    shown, _ = chosen_examples(rows, _PICTURED)
    noisy = Gaussian(rows.unit)(shown, on.generator())
    with torch.no_grad():
        outputs, noisy_outputs = model(shown), model(noisy)
        found = collapse(model, analysis.spread_rows(rows.measured, 2000))
    return Reconstructions(parts, shown, outputs.flatten(1), noisy, noisy_outputs.flatten(1), tuple(found))


def _sensitivity(on: Subject) -> analysis.SensitivityProfile:
    return analysis.sensitivity_profile(on.encode, on.rows.measured, unit=on.rows.unit, generator=on.generator())


def _norms(on: Subject) -> analysis.Norms:
    return analysis.norms(on.encode, on.points)


def _places(on: Subject) -> analysis.EvaluationPoints:
    rows, count = on.rows, max(1, on.settings.num_points // 2)
    test = None if rows.new else rows.measured
    found = analysis.evaluation_points(on.encode, rows.reference, test, num_points=count, generator=on.generator())
    names = {"training": rows.reference_name.split()[0], "test": rows.measured_name.split()[0]}
    renamed = {names.get(name, name): value for name, value in found.norms.items()}
    return analysis.EvaluationPoints(renamed, {names.get(name, name): value for name, value in found.distances.items()})


def _curve(on: Subject) -> analysis.ContractionCurve:
    return analysis.contraction_curve(on.encode, on.rows.measured, generator=on.generator())


def _depth(on: Subject) -> tuple[analysis.ContractionCurve, ...]:
    encoder: Any = on.autoencoder.encoder
    return analysis.contraction_by_depth(encoder, on.rows.measured, generator=on.generator())


def _spectra(on: Subject) -> analysis.Spectra:
    return analysis.spectra(on.encode, on.rows.measured, num_points=on.settings.num_points // 2)


def _directions(on: Subject) -> analysis.Directions:
    return analysis.directions(on.encode, on.rows.measured, num_points=on.settings.num_points // 2)


def _class_directions(on: Subject) -> Mapping[str, analysis.Directions]:
    assert on.rows.labels is not None
    points = max(10, on.settings.num_points // 10)
    found = analysis.directions_by_class(on.encode, on.rows.measured, on.rows.labels, num_points=points)
    return {on.rows.classes[label]: entry for label, entry in found.items()}


def _features(on: Subject) -> FeatureSensitivity:
    """Root mean squares of the Jacobian's columns, over all rows and by class."""
    rows, every = on.rows, analysis.spread_rows(on.rows.measured, on.settings.num_points // 2)
    groups = {"all rows": every}
    if rows.labels is not None and rows.image is not None:
        for number, name in enumerate(rows.classes[:15]):
            members = rows.measured[rows.labels == number]
            if len(members):
                groups[name] = analysis.spread_rows(members, _FEATURE_POINTS)
    norms = torch.stack([_column_norms(on.encode, x) for x in groups.values()])
    return FeatureSensitivity(tuple(groups), norms, len(every))


@torch.no_grad()
def _column_norms(encode: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    code = analysis.apply(encode, x[:1]).shape[1]
    size = max(1, MEMORY_BUDGET // (3 * code * x.shape[1] * x.element_size()))
    total = torch.stack([jacobian(encode, part).square().sum((0, 1)) for part in x.split(size)]).sum(0)
    return (total / len(x)).sqrt()


def _examples(on: Subject) -> Examples:
    x, headings = chosen_examples(on.rows, _MOST_EXAMPLES)
    found = analysis.example_jacobians(on.encode, x)
    count = min(_MOST_TANGENTS, found.values.shape[1])
    tangents = analysis.tangents(on.encode, x, count)
    length = 0.5 * analysis.contraction_curve(on.encode, on.rows.measured, radii=(1.0,), num_points=1).distances[1]
    steps = [float(f"{length * t:.2g}") for t in _WALK]
    walks = analysis.walks(on.autoencoder, x, tangents.basis[:, 0], steps)
    return Examples(x, headings, found, tangents, walks)


def chosen_examples(rows: Rows, most: int) -> tuple[Tensor, tuple[str, ...]]:
    """A few measured rows with headings: the most typical one of each class, else evenly spaced ones."""
    if rows.labels is None:
        x = analysis.spread_rows(rows.measured, most)
        return x, tuple(f"example {at}" for at in range(1, len(x) + 1))
    x, labels = analysis.one_per_class(rows.measured, rows.labels)
    return x[:most], tuple(f"class {rows.classes[int(label)]}" for label in labels[:most])


def _tangent_agreement(on: Subject) -> analysis.TangentAgreement:
    code = analysis.apply(on.encode, on.rows.measured[:1]).shape[1]
    count = min(_MOST_TANGENTS, code, max(1, on.rows.features // 2))
    rows = on.rows.measured
    return analysis.tangent_agreement(on.encode, rows, count, num_neighbors=5, generator=on.generator())


def _reconstruction_norms(on: Subject) -> analysis.Norms:
    model = on.autoencoder
    return analysis.reconstruction_norms(model.encoder, model.decoder, on.rows.measured, num_points=200)


def _codes(on: Subject) -> analysis.Codes:
    return analysis.codes(on.encode, on.rows.measured)


def _map(on: Subject) -> Map:
    rows = on.rows
    picked = analysis.spread_rows(torch.arange(len(rows.measured)), on.settings.map_points)
    x = rows.measured[picked]
    components = analysis.principal_components(on.encode, x, 2)
    umap = None
    if on.settings.umap and len(x) > 15:
        try:
            umap = torch.from_numpy(umap_map(analysis.apply(on.encode, x).numpy(), seed=on.settings.seed))
        except ImportError:
            umap = None
    return Map(components, umap, x, rows.labels[picked] if rows.labels is not None else None)


def _similarity(on: Subject) -> analysis.SimilarityTable:
    """The code against the rows themselves and their principal components, as many as the code has numbers."""
    x = analysis.spread_rows(on.rows.measured, 2000)
    code = analysis.apply(on.encode, x)
    count = min(code.shape[1], *x.shape)
    linear = analysis.principal_components(torch.nn.Identity(), x, count).coordinates
    neighbours = min(10, len(x) - 1)
    return analysis.similarities({"code": code, f"{count} PCs": linear, "input": x}, num_neighbors=neighbours)


def _filters(on: Subject) -> Tensor:
    """Weights of the first layer, (units, inputs) or (channels out x in, kernel height, kernel width)."""
    first = next(weight for weight in on.autoencoder.encoder.parameters() if weight.ndim > 1).detach()
    return first[:32].clone() if first.ndim == 2 else first.flatten(0, 1)[:32].clone()


def _vector_field(on: Subject) -> analysis.VectorField:
    low, high = on.rows.measured.amin(0).tolist(), on.rows.measured.amax(0).tolist()
    points = analysis.grid((low[0], low[1]), (high[0], high[1])).to(on.rows.measured.dtype)
    return analysis.vector_field(on.autoencoder, points)


MEASURES: Mapping[str, Callable[[Subject], Any]] = {
    "reconstruction": _reconstruction,
    "norms": _norms,
    "on and off the data": _places,
    "sensitivity": _sensitivity,
    "contraction curve": _curve,
    "contraction by depth": _depth,
    "spectra": _spectra,
    "directions": _directions,
    "directions by class": _class_directions,
    "features": _features,
    "examples": _examples,
    "tangent agreement": _tangent_agreement,
    "reconstruction norms": _reconstruction_norms,
    "vector field": _vector_field,
    "codes": _codes,
    "map": _map,
    "similarity": _similarity,
    "robustness": lambda on: robust_code(on.encode, on.rows, on.settings.attack_points, on.generator()),
    "filters": _filters,
}
