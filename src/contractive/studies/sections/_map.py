"""Section: maps of the code in the plane."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contractive import analysis, plots
from contractive.core.errors import InvalidValue
from contractive.studies.metrics import Metric
from contractive.studies.pages import Picture, percent
from contractive.studies.sections._analysis import Facts
from contractive.studies.sections._section import UNITS, Context, Section, Subject

_LEAST_FOR_UMAP = 15
_MOST_HOVERS = 1000
_AXES = ("first component", "second component")


@dataclass(frozen=True)
class CodeMap:
    """Codes in the plane.

    Attributes:
        components: The first two principal components.
        umap: Coordinates by UMAP, (rows, 2); None without the library.
        inputs: The rows that are mapped.
        labels: Class numbers of these rows, or None.
    """

    components: analysis.PrincipalComponents
    umap: Tensor | None
    inputs: Tensor
    labels: Tensor | None


class Map(Section[CodeMap]):
    """Principal components of the code, and UMAP where it is installed."""

    name = "map"
    title = "Principal components of the code"
    group = UNITS
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
        figure = plots.code_map(maps, labels, hover=None if umaps else hover, axis_titles=_AXES)
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

    Distances between far clusters mean little on such a map: `analysis.principal_components` is the one to measure on.

    Args:
        codes: One code per row.
        num_neighbors: Neighbours whose distances are kept; fewer rows than that are refused.
        min_distance: How close points may come on the map.
        seed: The same seed gives the same map (and lets UMAP use one thread only).

    Raises:
        ImportError: The library umap-learn is not installed.
        ValueError: Not more rows than neighbours.
    """
    try:
        from umap import UMAP
    except ImportError as error:
        raise ImportError("umap_map needs umap-learn. Install it: pip install 'contractive[umap]'.") from error
    if len(codes) <= num_neighbors:
        raise InvalidValue("codes", f"have more than {num_neighbors} rows", len(codes), "Take fewer neighbours.")
    model = UMAP(n_neighbors=num_neighbors, min_dist=min_distance, random_state=seed, n_jobs=1)
    return np.asarray(model.fit_transform(codes), dtype=np.float32)
