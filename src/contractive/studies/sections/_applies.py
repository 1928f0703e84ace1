"""The one place that decides which sections apply to a model and its data, and says why one does not."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from contractive import analysis
from contractive.models import Autoencoder
from contractive.studies.sections._rows import Rows

_LEAST_IN_CLASS = 10
_MOST_FEATURES = 20_000


@dataclass(frozen=True)
class Facts:
    """What the choice of sections depends on.

    Attributes:
        features: Numbers per row.
        code: Numbers per code.
        rows: Rows measured.
        image: Whether a row is an image.
        named: Whether the features have names.
        no_classes: Why there are no classes; empty if there are.
        smallest_class: Measured rows of the smallest class.
        in_unit_range: Whether all code numbers lie in [0, 1].
        varies: Whether the code varies at all.
        layers: Layers of the encoder, 0 if they cannot be told apart.
        convolutional: Whether it has convolutions.
    """

    features: int
    code: int
    rows: int
    image: bool
    named: bool
    no_classes: str
    smallest_class: int
    in_unit_range: bool
    varies: bool
    layers: int
    convolutional: bool


def facts_of(autoencoder: Autoencoder, rows: Rows) -> Facts:
    """Look at model and data."""
    code = analysis.apply(autoencoder.encoder, analysis.spread_rows(rows.measured, 2000))
    encoder = autoencoder.encoder
    weighted = [part for part in encoder.modules() if isinstance(part, nn.Linear | nn.modules.conv._ConvNd)]
    return Facts(
        features=rows.features,
        code=code.shape[1],
        rows=len(rows.measured),
        image=rows.image is not None,
        named=bool(rows.names),
        no_classes=rows.no_classes if rows.labels is None else "",
        smallest_class=int(torch.bincount(rows.labels).min()) if rows.labels is not None else 0,
        in_unit_range=bool(((code >= 0) & (code <= 1)).all()),
        varies=bool(code.std(0, correction=0).max() > 0),
        layers=len(weighted) if isinstance(encoder, nn.Sequential) else 0,
        convolutional=any(isinstance(part, nn.modules.conv._ConvNd) for part in weighted),
    )


def _no_depth(facts: Facts) -> str:
    if facts.layers == 0:
        return "the encoder is no nn.Sequential, so that its layers cannot be told apart"
    return "the encoder has a single layer" if facts.layers == 1 else ""


def _no_classes(facts: Facts) -> str:
    if facts.no_classes:
        return facts.no_classes
    few = f"the smallest class has {facts.smallest_class} measured rows, and {_LEAST_IN_CLASS} are needed"
    return few if facts.smallest_class < _LEAST_IN_CLASS else ""


def _too_wide(facts: Facts) -> str:
    wide = f"a row has {facts.features} numbers, more than the {_MOST_FEATURES} up to which principal axes are computed"
    return wide if facts.features > _MOST_FEATURES else ""


def _no_map(facts: Facts) -> str:
    return "the code has one number" if facts.code < 2 else "" if facts.varies else "the code does not vary"


RULES: Mapping[str, Callable[[Facts], str]] = {
    "contraction by depth": _no_depth,
    "directions": _too_wide,
    "directions by class": lambda facts: _too_wide(facts) or _no_classes(facts),
    "robustness": lambda facts: facts.no_classes,
    "saturation and binary codes": lambda facts: "" if facts.in_unit_range else "code numbers leave [0, 1]",
    "similarity": lambda facts: "" if facts.varies else "the code does not vary",
    "map": _no_map,
    "filters": lambda facts: "the encoder's first layer cannot be found" if facts.layers == 0 else "",
    "vector field": lambda facts: (
        "" if facts.features == 2 else f"it needs a plane, a row has {facts.features} numbers"
    ),
    "score error": lambda facts: "it needs data whose density is known: see contractive illustrate denoising-link",
}


def left_out(facts: Facts) -> dict[str, str]:
    """Why a section is left out, by section; those that apply are not among them."""
    reasons = {name: rule(facts) for name, rule in RULES.items()}
    return {name: reason for name, reason in reasons.items() if reason}
