"""Sections on single rows and features: Jacobians, tangents and walks, and which features move the code."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import plotly.graph_objects as go
import torch
from torch import Tensor

from contractive import analysis, plots
from contractive.core.results import TableResult
from contractive.jacobian import MEMORY_BUDGET, jacobian
from contractive.studies.metrics import Metric
from contractive.studies.pages import Picture
from contractive.studies.sections._section import CODE, DIRECTIONS, Context, Section, Subject

_POINTS_PER_CLASS = 60
_MOST_CLASSES = 15


@dataclass(frozen=True, repr=False)
class FeatureSensitivity(TableResult):
    """How much each input feature moves the code, over many rows."""

    groups: tuple[str, ...]  # `all rows`, then the classes where there are any
    feature_norms: Tensor  # sqrt(E||dz/dx_j||^2) over the rows of the group, (groups, features)
    num_points: int  # rows of the first group

    def columns(self) -> dict[str, Tensor]:
        return dict(zip(self.groups, self.feature_norms, strict=True))


class Features(Section[FeatureSensitivity], name="features", title="Features", group=DIRECTIONS):
    """Root mean squares of the columns of J, over all rows, and by class where rows are images."""

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


def by_feature(
    results: Mapping[str, FeatureSensitivity] | Mapping[str, analysis.ExampleJacobians],
    headings: Sequence[str],
    context: Context,
) -> tuple[go.Figure, str]:
    """Draw a line over the features of a spectrum or signal, else bars; also return what to add to the caption."""
    count = next(iter(results.values())).feature_norms.shape[1]
    if plots.FeatureAxis.of(context.names, count).line:
        return plots.feature_lines(results, headings, context.names), ""
    more = "; the twenty largest" if count > plots.MOST_BARS else ""
    return plots.jacobian_features(results, headings, context.names), more


@torch.no_grad()
def _column_norms(encode: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    code = analysis.apply(encode, x[:1]).shape[1]
    size = max(1, MEMORY_BUDGET // (3 * code * x.shape[1] * x.element_size()))
    total = torch.stack([jacobian(encode, chunk).square().sum((0, 1)) for chunk in x.split(size)]).sum(0)
    return (total / len(x)).sqrt()


_MOST_EXAMPLES = 8
_MOST_TANGENTS = 8
_WALK = (-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0)  # in units of half the median distance of two rows
_UNITS, _UNIT_EXAMPLES = 32, 2
_SHOWN = 4  # examples in pictures with much of each


@dataclass(frozen=True)
class ExampleRows:
    """A few rows looked at one by one."""

    inputs: Tensor  # (examples, features)
    headings: tuple[str, ...]  # one per example
    jacobians: analysis.ExampleJacobians  # jacobians of these rows
    tangents: analysis.Tangents  # tangents at these rows
    walks: analysis.Walks  # walks from these rows along the first tangent


class Examples(Section[ExampleRows], name="examples", title="Single rows", group=DIRECTIONS):
    """Jacobians, tangents and walks at single rows."""

    metrics = (Metric("largest", "σ max", CODE, help="Largest singular value of J at this example."),)

    def measure(self, subject: Subject) -> ExampleRows:
        x, headings = subject.rows.examples(_MOST_EXAMPLES)
        found = analysis.example_jacobians(subject.encode, x)
        tangents = analysis.tangents(subject.autoencoder, x, min(_MOST_TANGENTS, found.values.shape[1]))
        curve = analysis.contraction_curve(subject.encode, subject.rows.measured, radii=(1.0,), num_points=1)
        steps = [float(f"{0.5 * curve.distances[1] * step:.2g}") for step in _WALK]
        walks = analysis.walks(subject.autoencoder, x, tangents.basis[:, 0], steps)
        return ExampleRows(x, headings, found, tangents, walks)

    def values(self, result: ExampleRows) -> Mapping[str, float]:
        largest = result.jacobians.values[:, 0].tolist()
        return {f"largest:{name}": value for name, value in zip(result.headings, largest, strict=True)}

    def pictures(self, results: Mapping[str, ExampleRows], context: Context) -> Iterable[Picture]:
        name, found = next(iter(results.items()))  # there is no room for several models
        matrices, directions = found.jacobians.matrices, found.jacobians.directions
        jacobians = replace(
            found.jacobians, matrices=context.one_channel(matrices), directions=context.one_channel(directions)
        )
        yield self._rows(name, replace(found, jacobians=jacobians), context)
        yield self._units(replace(found, jacobians=jacobians), context)
        spectrum = context.image is None and plots.FeatureAxis.of(context.names, found.inputs.shape[1]).line
        drawn = "a line each, the first three" if spectrum else "orange adds, blue takes away"
        caption = (
            "The directions in which the reconstruction of single rows moves most when the row changes, strongest"
            " first: left singular vectors of its Jacobian. The model treats them as directions along the data"
            f" ({drawn}; after Rifai et al. 2011, The manifold tangent classifier)."
        )
        some = replace(found.tangents, basis=context.one_channel(found.tangents.basis[:_SHOWN]))
        figure = plots.tangents(some, found.headings[:_SHOWN], context.image, context.names)
        yield Picture("tangents", "Tangents of the data in this model", caption, figure, "A line of tangents per row.")
        yield self._walks(found, context)

    def _rows(self, name: str, found: ExampleRows, context: Context) -> Picture:
        if context.image is None:
            few = replace(found.jacobians, matrices=found.jacobians.matrices[:_SHOWN])
            figure, which = by_feature({name: few}, found.headings[:_SHOWN], context)
            caption = f"‖∂z/∂x‖ at single rows: how much each feature moves the code there{which}."
            alt = "A panel per row with the effect of each feature."
            return Picture("pixels", "Which features move the code, row by row", caption, figure, alt)
        inputs = context.one_channel(found.inputs).numpy()
        caption = (
            "Beside the input: how much each pixel moves the code (white: most). Then follow the input directions that"
            " move the code most, and those that move it least of all that move it; orange adds, blue takes away. If a"
            " model has found how the data vary, the directions that move it most look like another way to draw the"
            " same input, and those that move it least look like noise."
        )
        figure = plots.jacobian_pictures(inputs, found.jacobians, found.headings, context.image)
        alt = "A line of images per row: the input, the effect of each pixel, and input directions in orange and blue."
        return Picture("pixels", "What moves the code at single rows", caption, figure, alt)

    def _units(self, found: ExampleRows, context: Context) -> Picture:
        order = found.jacobians.unit_norms[:_UNIT_EXAMPLES].mean(0).argsort(descending=True)[:_UNITS]
        some = replace(found.jacobians, matrices=found.jacobians.matrices[:_UNIT_EXAMPLES, order])
        what = "One small picture per unit: which pixels" if context.image else "One line per unit: which features"
        caption = (
            f"{what} push it up (orange) or down (blue) at this row, all on one scale. The {len(order)} most sensitive"
            " units come first. Faint units hardly respond here: they are saturated, or contracted."
        )
        figure = plots.jacobian_rows(some, found.headings[:_UNIT_EXAMPLES], context.image, context.names)
        return Picture("units", "What moves each unit", caption, figure, "A panel per row with J by units.")

    def _walks(self, found: ExampleRows, context: Context) -> Picture:
        inputs, outputs = found.walks.inputs[:_SHOWN], found.walks.reconstructions[:_SHOWN]
        walks = replace(found.walks, inputs=context.one_channel(inputs), reconstructions=context.one_channel(outputs))
        what = "Orange features of the reconstruction grow with the step t, blue ones fall."
        caption = (
            "Steps along the first tangent v, in which the reconstruction moves most, up to half the median distance"
            f" between two rows. {'Above is x + t v, below its reconstruction.' if context.image else what} On a good"
            " tangent the reconstruction stays a plausible row."
        )
        figure = plots.walks(walks, found.headings[:_SHOWN], context.image, context.names)
        return Picture("walks", "Walks along the first tangent", caption, figure, "A line per row, a column per step.")
