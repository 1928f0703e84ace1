"""Pictures of the sections of an analysis, for one model or several side by side, with captions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from contractive import plots
from contractive.studies.pages import Picture

Results = Mapping[str, Any]  # one section's result by name of the model


@dataclass(frozen=True)
class Setting:
    """What pictures have to know beside the results.

    Attributes:
        part: What was measured, for instance `test rows`.
        image: Height and width where a row is an image.
        channels: Of an image.
        names: Of the features; empty where they have none.
        classes: Names of the classes.
        end: Said at the end of every caption, for instance ` Seed 0.`
    """

    part: str
    image: tuple[int, int] | None = None
    channels: int = 1
    names: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    end: str = ""

    def named(self) -> Sequence[str] | None:
        """Names of the features as the plots take them."""
        return self.names or None


def section_pictures(results: Mapping[str, Results], setting: Setting) -> dict[str, list[Picture]]:
    """The pictures of every section there is one for, by section.

    Args:
        results: By section, then by model; a model may lack a section.
        setting: What to know beside.
    """
    made = {
        section: BUILDERS[section](found, setting)
        for section, found in results.items()
        if found and section in BUILDERS
    }
    return {
        section: [replace(entry, caption=entry.caption + setting.end) for entry in pictures]
        for section, pictures in made.items()
    }


def _norms(found: Results, setting: Setting) -> list[Picture]:
    values = {name: _array(norms.operator) for name, norms in found.items()}
    caption = (
        f"The largest singular value of J at {len(next(iter(values.values()))):,} {setting.part}: the most that a small"
        " step from there is stretched. Left of the line at 1 the encoder contracts in every direction; right of it at"
        " least one direction is stretched."
    )
    return [Picture("norms", "How much a small step is stretched, row by row", caption, plots.operator_norm(values))]


def _places(found: Results, setting: Setting) -> list[Picture]:
    caption = (
        "Contraction is learned at the data and need not hold elsewhere (Rifai et al. 2011). Midpoints: half-way"
        " between two rows. Between: somewhere on the line joining them. Same distance: as far from the mean as a row,"
        " in a random direction. Box: anywhere between the smallest and largest value of every feature. Scaled out:"
        " three times as far from the mean as a row. Boxes are quartiles, whiskers 5 to 95 %. By distance: every"
        " place against the distance to its nearest known row."
    )
    return [Picture("evaluation-points", "At the data and away from them", caption, plots.evaluation_points(found))]


def _curve(found: Results, setting: Setting) -> list[Picture]:
    caption = (
        f"How far the code moves for a step of length r from {setting.part} in a random direction (Rifai et al. 2011,"
        " figure 1). Vertical lines: the smallest, median and largest distance between two rows. A ratio that falls"
        " with r belongs to a code that saturates; bands hold 5 to 95 % of the steps."
    )
    return [Picture("curve", "Contraction by distance", caption, plots.contraction_curves(found))]


def _depth(found: Results, setting: Setting) -> list[Picture]:
    caption = (
        "The same ratio from the input to each layer, the first layer faintest (Rifai et al. 2011, figure 3). Where"
        " the lines lie apart, the layer between them adds to the contraction."
    )
    return [Picture("depth", "Contraction by depth", caption, plots.contraction_by_depth(found))]


def _sensitivity(found: Results, setting: Setting) -> list[Picture]:
    caption = (
        f"How far the code of {setting.part} moves under three kinds of noise (Vincent et al. 2010). Raw: movement of"
        " the code per movement of the input, which also falls when a code merely becomes smaller. Scale-free:"
        " relative to the spread of code and data; below the line at 1 the noise moves the code less than it moves the"
        " data. Gaussian levels are in units of a typical feature's standard deviation."
    )
    return [Picture("profile", "How far noise moves the code", caption, plots.sensitivity_profiles(found))]


def _spectra(found: Results, setting: Setting) -> list[Picture]:
    caption = (
        "Singular values of the Jacobian, mean and 5 to 95 % of the rows (Rifai et al. 2011, figure 2): a steep fall"
        " means that few directions still move the code. Four counts of those directions: exp of the entropy of the"
        " shares of ‖J‖² (Roy and Vetterli 2007), their participation ratio (Σs²)² / Σs⁴, values that hold 95 % of"
        " ‖J‖², values above the largest drop."
    )
    return [Picture("spectra", "How many directions the code follows", caption, plots.spectra(found))]


def _directions(found: Results, setting: Setting) -> list[Picture]:
    caption = (
        "How far the code moves along the principal directions u of the data: E‖J u‖², divided by that of a random"
        " direction, so that 1 is indifferent. A code that keeps what varies and ignores the rest rises with the"
        " variance, and falls from direction to direction with the data's variance (dotted). ρ is Spearman's rank"
        " correlation of the two, 1 at best."
    )
    return [Picture("directions", "Does it move along what varies?", caption, plots.directions(found))]


def _class_directions(found: Results, setting: Setting) -> list[Picture]:
    caption = (
        "Spearman's ρ of variance and sensitivity again, along the principal directions of each class's own rows. Above"
        " 0 the code moves most along what varies within the class."
    )
    title = "Does it move along what varies within a class?"
    return [Picture("class-directions", title, caption, plots.class_directions(found))]


def _agreement(found: Results, setting: Setting) -> list[Picture]:
    caption = (
        "Share of the step: how much of the way to a near row lies in the tangent space, the span of the directions"
        " that move the code most; beside it the leading principal directions of all data and random subspaces of the"
        " same dimension. Angle: how far the tangent space turns from a row to its neighbours (Björck and Golub 1973;"
        " dotted: random subspaces); on a smooth manifold angles are small."
    )
    return [Picture("agreement", "Do the tangents follow the data?", caption, plots.tangent_agreement(found))]


def _codes(found: Results, setting: Setting) -> list[Picture]:
    histograms = (
        "Every line of the picture is a unit, the liveliest at the top; it is blue where its activations lie. Blue at"
        " both ends is a unit that has become a switch, one blue spot a unit that never changes."
    )
    activity = (
        "Units sorted by each figure, the largest first. Saturated: below 0.05 or above 0.95 (Rifai et al. 2011,"
        " footnote 6). Entropy of the bit: 1 where a unit is above 1/2 for half of the rows, 0 where it never changes"
        " sides."
    )
    return [
        Picture("histograms", "What each unit does", histograms, plots.code_histograms(found)),
        Picture("activity", "How lively the units are", activity, plots.unit_activity(found)),
    ]


def _similarity(found: Results, setting: Setting) -> list[Picture]:
    table = next(iter(found.values()))
    caption = (
        "How alike two codes of the same rows are, from 0 to 1: linear CKA (Kornblith et al. 2019), the fit after the"
        " best rotation and scale (Procrustes), and the share of the ten nearest neighbours that both have in common."
        + _against(table.names)
    )
    title = "What the code is like" if "code" in table.names else "How alike the codes are"
    return [Picture("similarity", title, caption, plots.similarity(table))]


def _against(names: Sequence[str]) -> str:
    linear = next((name for name in names if name.endswith(" PCs")), "")
    return f" {linear}: the rows' principal components, as many as the code has units." if linear else ""


def _robustness(found: Results, setting: Setting) -> list[Picture]:
    first = next(iter(found.values()))
    curves = {title: {name: robust.curves[title] for name, robust in found.items()} for title in first.curves}
    caption = (
        f"Accuracy of a logistic regression on the code, fitted to {first.num_train:,} clean rows and tested on"
        f" {first.num_test:,} others. Attacks change the input by projected gradient descent through encoder and probe"
        " (Madry et al. 2018), of bounded length (L2) or with every entry bounded (L∞). They give an upper bound: a"
        " stronger attack may find more, and a saturated code may hide the way from this one."
    )
    title = "What a classifier on the code stands"
    return [Picture("robustness", title, caption, plots.robustness(curves, chance=first.chance))]


def _map(found: Results, setting: Setting) -> list[Picture]:
    first = next(iter(found.values()))
    labels = None if first.labels is None else [setting.classes[int(label)] for label in first.labels]
    hover = None
    if setting.image and setting.channels == 1 and len(found) == 1 and len(first.inputs) <= _MOST_HOVERS:
        hover = plots.thumbnails(_array(first.inputs), setting.image)
    umaps = {name: _array(entry.umap) for name, entry in found.items() if entry.umap is not None}
    maps = {name: _array(entry.components.coordinates) for name, entry in found.items()}
    made = [
        Picture(
            "map",
            "The code from its widest side",
            "The codes on their first two principal components, which"
            f" {_explained(found)}. One point per row{', coloured by class' if labels else ''}"
            f"{'; a pointer on it shows the row' if hover and not umaps else ''}.",
            plots.code_map(maps, labels, hover=None if umaps else hover, axis_titles=_COMPONENTS),
        )
    ]
    if umaps:
        caption = (
            "The same codes by UMAP (McInnes et al. 2018), which keeps neighbours together. Distances between far"
            " groups,"
            " and the sizes of groups, mean little here." + (" A pointer on a point shows the row." if hover else "")
        )
        made.append(Picture("umap", "A map of neighbours", caption, plots.code_map(umaps, labels, hover=hover)))
    return made


_MOST_HOVERS = 1000
_COMPONENTS = ("first component", "second component")


def _explained(found: Results) -> str:
    shares = [f"{100 * float(entry.components.explained[:2].sum()):.0f} %" for entry in found.values()]
    if len(shares) == 1:
        return f"hold {shares[0]} of their variance"
    each = ", ".join(f"{share} ({name})" for share, name in zip(shares, found, strict=True))
    return f"hold {each} of their variance"


def _vector_field(found: Results, setting: Setting) -> list[Picture]:
    caption = "Where the reconstruction sends points: r(x) − x, an estimate of the score (Alain and Bengio 2014)."
    return [Picture("field", "Where points are sent", caption, plots.vector_fields(found))]


def _array(values: torch.Tensor) -> np.ndarray:
    return values.detach().cpu().numpy()


BUILDERS: dict[str, Callable[[Results, Setting], list[Picture]]] = {
    "norms": _norms,
    "on and off the data": _places,
    "sensitivity": _sensitivity,
    "contraction curve": _curve,
    "contraction by depth": _depth,
    "spectra": _spectra,
    "directions": _directions,
    "directions by class": _class_directions,
    "tangent agreement": _agreement,
    "codes": _codes,
    "similarity": _similarity,
    "robustness": _robustness,
    "map": _map,
    "vector field": _vector_field,
}
