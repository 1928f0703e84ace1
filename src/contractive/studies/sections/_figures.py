"""The numbers of every section, each with its unit and one line on what it is and who proposed it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from contractive import analysis
from contractive.studies.sections._results import Examples, FeatureSensitivity, Map, Reconstructions, RobustCode
from contractive.studies.sections._words import FIGURES, Words


@dataclass(frozen=True)
class Figure:
    """One number.

    Attributes:
        label: In words.
        value: NaN where it does not exist.
        unit: `none` for a pure number, `share` for one between 0 and 1 that is read as a percentage.
        explain: One line with the source.
    """

    label: str
    value: float
    unit: str
    explain: str


def figures(section: str, result: Any) -> dict[str, Figure]:
    """The numbers of one section's result, by key; empty for a section that is pictures only.

    Numbers that do not exist for this model, such as the saturation of a code that leaves [0, 1], are not among them.
    """
    build = _VALUES.get(section)
    values: dict[str, float] = build(result) if build else {}
    made: dict[str, Figure] = {}
    for key, value in values.items():
        words: Words = FIGURES[section][key.split(":")[0]]
        group = f", {key.split(':')[1]}" if ":" in key else ""
        if value == value:
            made[key] = Figure(words.label + group, float(value), words.unit, words.explain)
    return made


def _reconstruction(found: Reconstructions) -> dict[str, float]:
    values: dict[str, float] = {}
    for part, entry in found.parts.items():
        values |= {f"error:{part}": entry.mean, f"r2:{part}": entry.r2}
    return values


def _norms(found: analysis.Norms) -> dict[str, float]:
    return {
        "squared_norm": float(found.squared_frobenius.mean()),
        "operator_norm": float(found.operator.mean()),
        "operator_norm_max": float(found.operator.max()),
        "contractive_share": found.contractive_share,
    }


def _places(found: analysis.EvaluationPoints) -> dict[str, float]:
    values: dict[str, float] = {}
    for place, entry in found.norms.items():
        values |= {f"operator_norm:{place}": float(entry.operator.mean())}
        values |= {f"contractive_share:{place}": entry.contractive_share}
    return values


def _sensitivity(found: analysis.SensitivityProfile) -> dict[str, float]:
    values: dict[str, float] = {"noise_unit": found.unit}
    for kind, levels in found.levels.items():
        for level, moved in zip(levels, found.sensitivities[kind], strict=True):
            values |= {f"ratio:{kind} {level:g}": moved.mean, f"scale_free:{kind} {level:g}": moved.scale_free}
    return values


def _curve(found: analysis.ContractionCurve) -> dict[str, float]:
    nearest, median, farthest = found.distances
    return {
        "near": float(found.mean[0]),
        "at_median": _at(found, median),
        "far": float(found.mean[-1]),
        "distance_nearest": nearest,
        "distance_median": median,
        "distance_farthest": farthest,
    }


def _at(curve: analysis.ContractionCurve, radius: float) -> float:
    return float(curve.mean[(curve.radii - radius).abs().argmin()])


def _depth(found: tuple[analysis.ContractionCurve, ...]) -> dict[str, float]:
    return {f"at_median:layer {at}": _at(curve, curve.distances[1]) for at, curve in enumerate(found, 1)}


def _spectra(found: analysis.Spectra) -> dict[str, float]:
    return {
        "code": float(found.values.shape[1]),
        "largest": float(found.mean[0]),
        "smallest": float(found.mean[-1]),
        "entropy_rank": float(found.entropy_rank.nanmean()),
        "participation_ratio": float(found.participation_ratio.nanmean()),
        "dimension_by_share": float(found.dimension_by_share().double().mean()),
        "dimension_by_gap": float(found.dimension_by_gap.double().median()),
    }


def _directions(found: analysis.Directions) -> dict[str, float]:
    relative = found.squared_sensitivities / found.isotropic if found.isotropic else torch.full((1,), torch.nan)
    return {
        "rank_correlation": found.rank_correlation,
        "first_ten": float(relative[:10].mean()),
        "last": float(relative[-1]),
    }


def _class_directions(found: Mapping[str, analysis.Directions]) -> dict[str, float]:
    return {f"rank_correlation:class {label}": entry.rank_correlation for label, entry in found.items()}


def _features(found: FeatureSensitivity) -> dict[str, float]:
    norms = found.feature_norms[0]
    return {"largest": float(norms.max()), "median": float(norms.median()), "num_points": float(found.num_points)}


def _examples(found: Examples) -> dict[str, float]:
    values = found.jacobians.values
    return {f"largest:{name}": float(values[at, 0]) for at, name in enumerate(found.headings)}


def _agreement(found: analysis.TangentAgreement) -> dict[str, float]:
    return {
        "share": found.mean_share,
        "principal_share": float(found.principal_shares.nanmean()),
        "random_share": found.expected_random,
        "angle": float(torch.rad2deg(found.angles.median())),
        "random_angle": float(torch.rad2deg(found.random_angles.median())),
    }


def _reconstruction_norms(found: analysis.Norms) -> dict[str, float]:
    return {
        "frobenius": float(found.frobenius.mean()),
        "operator_norm": float(found.operator.mean()),
        "contractive_share": found.contractive_share,
    }


def _codes(found: analysis.Codes) -> dict[str, float]:
    names = ("saturation", "dead", "duplicates", "bit_entropy", "code_entropy", "distinct", "hamming", "spread")
    return {name: float(getattr(found, name)) for name in names} | {"num_examples": float(found.num_examples)}


def _map(found: Map) -> dict[str, float]:
    first, second = found.components.explained[:2].tolist()
    return {"first": first, "second": second}


def _similarity(found: analysis.SimilarityTable) -> dict[str, float]:
    values: dict[str, float] = {}
    for at, name in enumerate(found.names):
        for before in range(at):
            pair = f"{found.names[before]} and {name}"
            for measure in ("cka", "procrustes", "neighbors"):
                values[f"{measure}:{pair}"] = float(getattr(found, measure)[at, before])
    return values | {"neighbors_chance": found.neighbors_chance}


def _robustness(found: RobustCode) -> dict[str, float]:
    values = {"clean": found.clean, "chance": found.chance}
    keys = {"Gaussian noise": "noise", "Attack, L2": "l2", "Attack, L∞": "linf"}
    for title, curve in found.curves.items():
        for level, size, accuracy in zip(found.levels[title], curve.sizes, curve.accuracies, strict=True):
            if size > 0:
                values[f"{keys[title]}:level {level:g}"] = accuracy
        if keys[title] != "noise":
            values[f"no_gradient:{title.split()[1]}"] = curve.no_gradient
    return values


_VALUES: Mapping[str, Callable[[Any], dict[str, float]]] = {
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
    "tangent agreement": _agreement,
    "reconstruction norms": _reconstruction_norms,
    "codes": _codes,
    "map": _map,
    "similarity": _similarity,
    "robustness": _robustness,
}
