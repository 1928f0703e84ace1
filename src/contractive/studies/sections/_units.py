"""Sections on the units: their activations, maps of the code, what it is like, and the weights of the first layer."""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from contractive import analysis, plots
from contractive.core.errors import InvalidValue
from contractive.studies.metrics import METRICS, Metric
from contractive.studies.pages import Picture, Tile, percent, shown, shows_something
from contractive.studies.sections._analysis import Analysis, Facts
from contractive.studies.sections._section import UNITS, Caveat, Context, Section, Subject

_MANY_DEAD = 0.25
_MOST_FILTERS = 32
_LEAST_FOR_UMAP = 15
_MOST_HOVERS = 1000


class Codes(Section[analysis.Codes], name="codes", title="Activations", group=UNITS, topic="Code"):
    """Saturation, dead units and binary codes."""

    metrics = (
        METRICS["saturation"],
        METRICS["dead"],
        Metric("duplicates", "duplicate units", "%", help="Correlated above 0.99 in size with an earlier unit."),
        Metric("bit_entropy", "entropy of a unit's bit", "bit", help="The bit: above 1/2 or not; mean over units."),
        Metric("code_entropy", "entropy of the binary codes", "bit", help="As counted; at most log2 of the rows."),
        Metric("distinct", "distinct binary codes", "codes", help="Number of them among the rows measured."),
        Metric("hamming", "Hamming distance of two codes", "%", help="Share of the units; 1/2 for fair coins."),
        Metric("spread", "variance / (1/4)", help="Mean over units; 1 where units are 0 and 1 half of the time."),
        Metric("num_examples", "rows", "rows", help="Rows whose codes were looked at."),
    )

    def measure(self, subject: Subject) -> analysis.Codes:
        return analysis.codes(subject.encode, subject.rows.measured)

    def values(self, result: analysis.Codes) -> Mapping[str, float]:
        return {metric.key: getattr(result, metric.key) for metric in self.metrics}

    def pictures(self, results: Mapping[str, analysis.Codes], context: Context) -> Iterable[Picture]:
        caption = (
            "Every line of the picture is a unit, those of highest variance at the top. It is blue where the unit's"
            " activations lie. A unit that is blue at both ends has become a switch. A single blue spot is a unit that"
            " never changes."
        )
        alt = "A heat map with a line per unit and a column per range of activations."
        yield Picture("histograms", "Activations of each unit", caption, plots.code_histograms(results), alt)
        caption = (
            "Units sorted by each metric, the largest first. Saturated: activations below 0.05 or above 0.95 (Rifai et"
            " al. 2011, footnote 6). Entropy of the bit: 1 where a unit is above 1/2 for half of the rows, 0 where it"
            " never crosses 1/2."
        )
        alt = "Lines over the units in descending order: standard deviation, and where they exist saturation, entropy."
        yield Picture("activity", "Activity of the units", caption, plots.unit_activity(results), alt)

    def sentences(self, document: Analysis) -> str:
        keys = ("saturation", "dead", "num_examples", "distinct", "bit_entropy")
        saturation, dead, rows, distinct, bits = (document.value(self.name, key) for key in keys)
        inactive = "No unit is dead." if dead == 0 else f"{shown(dead, '%')} of the units are dead."
        if saturation != saturation:
            return f"The code leaves [0, 1], so that saturation and binary codes are not defined for it. {inactive}"
        extent = "nearly binary" if saturation > 0.8 else "partly binary" if saturation > 0.3 else "far from binary"
        return (
            f"The code is {extent}: {shown(saturation, '%')} of its activations lie below 0.05 or above 0.95. Rounded"
            f" to one bit per unit, the codes of {shown(rows, 'rows')} rows take {shown(distinct, 'codes')} different"
            f" values, and each unit carries {shown(bits)} bits on average. {inactive}"
        )

    def caveats(self, document: Analysis) -> Iterable[Caveat]:
        dead = document.value(self.name, "dead")
        if dead > _MANY_DEAD:
            text = f"{shown(dead, '%')} of the units hardly vary, so that the code is smaller than its number of units."
            yield Caveat(4, text)

    def tile(self, document: Analysis) -> Tile | None:
        if "robustness" in document.sections:
            return None  # where there are classes, the accuracy of a classifier says more
        number = shown(document.value(self.name, "saturation"), "%")
        return Tile(number, "of the activations saturated", "below 0.05 or above 0.95", "codes/saturation")


class Similarity(Section[analysis.SimilarityTable], name="similarity", title="Similarity", group=UNITS):
    """The code against the rows and their principal components, as many as the code has numbers."""

    metrics = (
        Metric("cka", "linear CKA", help="0 to 1, whatever the rotation and scale; Kornblith et al. 2019."),
        Metric("procrustes", "Procrustes", help="1 where a rotation and a scale turn one into the other."),
        Metric("neighbors", "shared nearest neighbours", "%", help="Share of the ten nearest."),
        Metric("neighbors_chance", "shared by chance", "%", help="The same for unrelated codes."),
    )

    def reason_left_out(self, facts: Facts) -> str:
        return "" if facts.varies else "the code does not vary"

    def measure(self, subject: Subject) -> analysis.SimilarityTable:
        x = analysis.spread_rows(subject.rows.measured, 2000)
        code = analysis.apply(subject.encode, x)
        count = min(code.shape[1], *x.shape)
        linear = analysis.principal_components(torch.nn.Identity(), x, count).coordinates
        codes = {"code": code, f"{count} PCs": linear, "input": x}
        return analysis.similarities(codes, num_neighbors=min(10, len(x) - 1))

    def values(self, result: analysis.SimilarityTable) -> Mapping[str, float]:
        found = {
            f"{key}:{before} and {name}": float(getattr(result, key)[at, earlier])
            for at, name in enumerate(result.names)
            for earlier, before in enumerate(result.names[:at])
            for key in ("cka", "procrustes", "neighbors")
        }
        return found | {"neighbors_chance": result.neighbors_chance}

    def pictures(self, results: Mapping[str, analysis.SimilarityTable], context: Context) -> Iterable[Picture]:
        table = next(iter(results.values()))
        linear = next((name for name in table.names if name.endswith(" PCs")), "")
        against = f" {linear}: as many principal components of the rows as the code has units." if linear else ""
        caption = (
            "How alike two codes of the same rows are, from 0 to 1: linear CKA (Kornblith et al. 2019); the fit after"
            " the best rotation and scale (Procrustes); and the share of the ten nearest neighbours that both have in"
            f" common.{against}"
        )
        title = "What the code is like" if "code" in table.names else "How alike the codes are"
        alt = "Three tables of similarities between all pairs, as coloured cells with numbers."
        yield Picture("similarity", title, caption, plots.similarity(table), alt)


@dataclass(frozen=True)
class CodeMap:
    """Codes in the plane."""

    components: analysis.PrincipalComponents  # the first two principal components
    umap: Tensor | None  # coordinates by UMAP, (rows, 2); None without the library
    inputs: Tensor  # the rows that are mapped
    labels: Tensor | None  # class numbers of these rows, or None


class Map(Section[CodeMap], name="map", title="Principal components of the code", group=UNITS):
    """Principal components of the code, and UMAP where it is installed."""

    metrics = (
        Metric("first", "variance on the first component", "%", help="Share of the code's variance, by PCA."),
        Metric("second", "variance on the second component", "%", help="Share of the code's variance, by PCA."),
    )

    def reason_left_out(self, facts: Facts) -> str:
        return "the code has one number" if facts.code < 2 else "" if facts.varies else "the code does not vary"

    def measure(self, subject: Subject) -> CodeMap:
        rows, settings = subject.rows, subject.settings
        picked = analysis.spread_rows(torch.arange(len(rows.measured)), settings.map_points)
        x = rows.measured[picked]
        components, umap = analysis.principal_components(subject.encode, x, 2), None
        if settings.umap and len(x) > _LEAST_FOR_UMAP:
            try:
                umap = torch.from_numpy(umap_map(analysis.apply(subject.encode, x).numpy(), seed=settings.seed))
            except ImportError:
                umap = None
        return CodeMap(components, umap, x, rows.labels[picked] if rows.labels is not None else None)

    def values(self, result: CodeMap) -> Mapping[str, float]:
        return dict(zip(("first", "second"), result.components.explained[:2].tolist(), strict=True))

    def pictures(self, results: Mapping[str, CodeMap], context: Context) -> Iterable[Picture]:
        first = next(iter(results.values()))
        labels = None if first.labels is None else [context.classes[int(label)] for label in first.labels]
        hover = None
        few = 0 < len(first.inputs) <= _MOST_HOVERS  # a comparison keeps no rows
        if context.image and context.channels == 1 and len(results) == 1 and few:
            hover = plots.thumbnails(first.inputs.numpy(), context.image)
        umaps = {name: found.umap.numpy() for name, found in results.items() if found.umap is not None}
        maps = {name: found.components.coordinates.numpy() for name, found in results.items()}
        shares = [percent(float(found.components.explained[:2].sum()), ".0f") for found in results.values()]
        each = ", ".join(f"{share} ({name})" for share, name in zip(shares, results, strict=True))
        pointer = " Point at one to see the row." if hover else ""
        caption = (
            f"The codes on their first two principal components, which hold {each if len(shares) > 1 else shares[0]} of"
            f" their variance. One point per row{', coloured by class' if labels else ''}.{'' if umaps else pointer}"
        )
        titles = ("first component", "second component")
        figure = plots.code_map(maps, labels, hover=None if umaps else hover, axis_titles=titles)
        alt = "Scatter plot of the codes on two principal components."
        yield Picture("map", "PCA of the code", caption, figure, alt)
        if umaps:
            caption = (
                "The same codes by UMAP (McInnes et al. 2018), which keeps neighbours together. Distances between"
                f" groups that are far apart, and the sizes of groups, mean little here.{pointer}"
            )
            figure = plots.code_map(umaps, labels, hover=hover)
            yield Picture("umap", "UMAP of the code", caption, figure, "Scatter plot of the codes by UMAP.")


def umap_map(codes: np.ndarray, *, num_neighbors: int = 15, min_distance: float = 0.1, seed: int = 0) -> np.ndarray:
    """Compute a map of codes (rows, code) in the plane by UMAP (McInnes et al. 2018), (rows, 2).

    Distances to `num_neighbors` rows are kept, and there must be more rows than that. Those between far clusters mean
    little: `analysis.principal_components` is the map to measure on. A seed makes UMAP use one thread only.

    Raises:
        ImportError: The library umap-learn is not installed.
    """
    try:
        from umap import UMAP
    except ImportError as error:
        raise ImportError("umap_map needs umap-learn. Install it: pip install 'contractive[umap]'.") from error
    if len(codes) <= num_neighbors:
        raise InvalidValue("codes", f"have more than {num_neighbors} rows", len(codes), "Take fewer neighbours.")
    from sklearn.neighbors import NearestNeighbors

    distances, rows = NearestNeighbors(n_neighbors=num_neighbors).fit(codes).kneighbors(codes)
    make = cast(Any, UMAP)  # to infer its types takes a type checker a quarter of a minute
    # the library would first compile a search of its own, which takes longer than the map of some thousand rows
    options = {"precomputed_knn": (rows, distances), "random_state": seed, "n_jobs": 1}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "precomputed_knn")  # without that search, new rows find no place on the map
        model = make(n_neighbors=num_neighbors, min_dist=min_distance, **options)
        return np.asarray(model.fit_transform(codes), dtype=np.float32)


class Filters(Section[Tensor], name="filters", title="Filters", group=UNITS):
    """Weights of the first units or kernels: (units, features), or (kernels, height, width)."""

    def reason_left_out(self, facts: Facts) -> str:
        return "the encoder's first layer cannot be found" if facts.layers == 0 else ""

    def measure(self, subject: Subject) -> Tensor:
        weights = next(weight for weight in subject.autoencoder.encoder.parameters() if weight.ndim > 1).detach()
        return (weights if weights.ndim == 2 else weights.flatten(0, 1))[:_MOST_FILTERS].clone()

    def pictures(self, results: Mapping[str, Tensor], context: Context) -> Iterable[Picture]:
        first = next(iter(results.values()))
        kernels = (int(first.shape[1]), int(first.shape[2])) if first.ndim == 3 else None
        what = f"picture per {'kernel' if kernels else 'unit'}" if kernels or context.image else "line per unit"
        weights = {
            name: (found.flatten(1) if kernels else context.one_channel(found)).numpy()
            for name, found in results.items()
        }
        if not any(shows_something(each, kernels or context.image) for each in weights.values()):
            return
        caption = f"One {what}, the first {len(first)}: orange weights excite, blue ones inhibit, all on one scale."
        figure = plots.filters(weights, kernels or context.image, context.names)
        yield Picture("filters", "Filters of the first layer", caption, figure, "Weights in orange and blue.")
