"""Sections: how much each input feature moves the code, and the weights of the first layer."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import plotly.graph_objects as go
import torch
from torch import Tensor

from contractive import analysis, plots
from contractive.jacobian import MEMORY_BUDGET, jacobian
from contractive.studies.metrics import Metric
from contractive.studies.pages import Picture
from contractive.studies.sections._analysis import Facts
from contractive.studies.sections._section import CODE, DIRECTIONS, UNITS, Context, Section, Subject

_POINTS_PER_CLASS = 60
_MOST_CLASSES = 15
_MOST_BARS = 20
_MOST_FILTERS = 32


@dataclass(frozen=True)
class FeatureSensitivity:
    """How much each input feature moves the code, over many rows.

    Attributes:
        groups: `all rows`, then the classes where there are any.
        feature_norms: sqrt(E||dz/dx_j||^2) over the rows of the group, (groups, features).
        num_points: Rows of the first group.
    """

    groups: tuple[str, ...]
    feature_norms: Tensor
    num_points: int


class Features(Section[FeatureSensitivity]):
    """Root mean squares of the columns of J, over all rows, and by class where rows are images."""

    name = "features"
    title = "Features"
    group = DIRECTIONS
    metrics = (
        Metric("largest", "largest ‖∂z/∂x‖", CODE, help="Root mean square over rows, of the strongest feature."),
        Metric("median", "median ‖∂z/∂x‖", CODE, help="The same of a typical feature."),
        Metric("num_points", "rows", "rows", help="Rows at which the whole Jacobian was computed."),
    )

    def measure(self, subject: Subject) -> FeatureSensitivity:
        rows, classes = subject.rows, subject.rows.data.classes[:_MOST_CLASSES]
        groups = {"all rows": analysis.spread_rows(rows.measured, subject.settings.num_points // 2)}
        if rows.labels is not None and rows.data.image_shape is not None:
            members = {name: rows.measured[rows.labels == number] for number, name in enumerate(classes)}
            groups |= {name: analysis.spread_rows(x, _POINTS_PER_CLASS) for name, x in members.items() if len(x)}
        norms = torch.stack([_column_norms(subject.encode, x) for x in groups.values()])
        return FeatureSensitivity(tuple(groups), norms, len(groups["all rows"]))

    def values(self, result: FeatureSensitivity) -> Mapping[str, float]:
        norms = result.feature_norms[0]
        return {"largest": float(norms.max()), "median": float(norms.median()), "num_points": result.num_points}

    def arrays(self, result: FeatureSensitivity) -> Mapping[str, Tensor]:
        return {f"‖∂z/∂x‖, {name}": row for name, row in zip(result.groups, result.feature_norms, strict=True)}

    def pictures(self, results: Mapping[str, FeatureSensitivity], context: Context) -> Iterable[Picture]:
        first = next(iter(results.values()))
        if context.image:
            tiles = {name: context.one_channel(found.feature_norms).numpy() for name, found in results.items()}
            classes = f" The classes follow: {', '.join(first.groups[1:])}." if len(first.groups) > 1 else ""
            caption = (
                f"‖∂z/∂x‖ of every pixel, root mean square over all rows.{classes} Orange pixels move the code. It"
                " hardly responds to the others."
            )
            title, figure = "Which pixels move the code", plots.filters(tiles, context.image)
        else:
            whole = {name: replace(found, feature_norms=found.feature_norms[:1]) for name, found in results.items()}
            figure, which = by_feature(whole, [f"all {context.rows}"], context)
            title = "Which features move the code"
            caption = (
                f"‖∂z/∂x‖ of every feature, root mean square over {first.num_points:,} {context.rows}, in units of the"
                f" code per unit of the scaled feature{which}. The code ignores a feature with a short bar or low line."
            )
        yield Picture("features", title, caption, figure, "The effect of each feature on the code.")


class Filters(Section[Tensor]):
    """Weights of the first units or kernels: (units, features), or (kernels, height, width)."""

    name = "filters"
    title = "Filters"
    group = UNITS

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
        caption = f"One {what}, the first {len(first)}: orange weights excite, blue ones inhibit, all on one scale."
        figure = plots.filters(weights, kernels or context.image)
        yield Picture("filters", "Filters of the first layer", caption, figure, "Weights in orange and blue.")


def by_feature(
    results: Mapping[str, FeatureSensitivity] | Mapping[str, analysis.ExampleJacobians],
    headings: Sequence[str],
    context: Context,
) -> tuple[go.Figure, str]:
    """Draw bars with names, or a line over many features without names; also return what to add to the caption."""
    count = next(iter(results.values())).feature_norms.shape[1]
    if context.names or count <= _MOST_BARS:
        figure = plots.jacobian_features(results, headings, context.names)
        return figure, "; the twenty largest" if count > _MOST_BARS else ""
    return plots.feature_lines(results, headings), ""


@torch.no_grad()
def _column_norms(encode: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    code = analysis.apply(encode, x[:1]).shape[1]
    size = max(1, MEMORY_BUDGET // (3 * code * x.shape[1] * x.element_size()))
    total = torch.stack([jacobian(encode, chunk).square().sum((0, 1)) for chunk in x.split(size)]).sum(0)
    return (total / len(x)).sqrt()
