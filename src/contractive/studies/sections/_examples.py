"""Sections: tangents of the model at a few rows, and whether they follow the data."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from contractive import analysis, plots
from contractive.studies.metrics import Metric
from contractive.studies.pages import Picture
from contractive.studies.sections._analysis import Analysis
from contractive.studies.sections._features import by_feature
from contractive.studies.sections._section import CODE, DIRECTIONS, Caveat, Context, Section, Subject

_MOST_EXAMPLES = 8
_MOST_TANGENTS = 8
_WALK = (-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0)  # in units of half the median distance of two rows
_UNITS, _UNIT_EXAMPLES = 32, 2
_SHOWN = 4  # examples in pictures with much of each


@dataclass(frozen=True)
class ExampleRows:
    """A few rows looked at one by one.

    Attributes:
        inputs: (examples, features).
        headings: One per example.
        jacobians: Jacobians of these rows.
        tangents: Tangents at these rows.
        walks: Walks from these rows along the first tangent.
    """

    inputs: Tensor
    headings: tuple[str, ...]
    jacobians: analysis.ExampleJacobians
    tangents: analysis.Tangents
    walks: analysis.Walks


class Examples(Section[ExampleRows]):
    """Jacobians, tangents and walks at single rows."""

    name = "examples"
    title = "Single rows"
    group = DIRECTIONS
    metrics = (Metric("largest", "σ max", CODE, help="Largest singular value of J at this example."),)

    def measure(self, subject: Subject) -> ExampleRows:
        x, headings = subject.rows.examples(_MOST_EXAMPLES)
        found = analysis.example_jacobians(subject.encode, x)
        tangents = analysis.tangents(subject.encode, x, min(_MOST_TANGENTS, found.values.shape[1]))
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
        caption = (
            "The input directions that move the code most at single rows, strongest first. The model treats them as"
            " directions along the data (orange adds, blue takes away; Rifai et al. 2011, The manifold tangent"
            " classifier)."
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
            "Steps along the first tangent v, the direction that moves the code most, up to half the median distance"
            f" between two rows. {'Above is x + t v, below its reconstruction.' if context.image else what} On a good"
            " tangent the reconstruction stays a plausible row."
        )
        figure = plots.walks(walks, found.headings[:_SHOWN], context.image, context.names)
        return Picture("walks", "Walks along the first tangent", caption, figure, "A line per row, a column per step.")


class TangentAgreement(Section[analysis.TangentAgreement]):
    """Tangent spaces against steps to neighbours and against the neighbours' tangent spaces."""

    name = "tangent agreement"
    title = "Tangents and neighbours"
    group = DIRECTIONS
    metrics = (
        Metric("share", "step in the tangents, mean", "%", help="Of the squared step to the five nearest rows."),
        Metric("principal_share", "step in the principal directions", "%", help="As many, the same for all rows."),
        Metric("random_share", "step in a random subspace", "%", help="Of the same dimension: the chance level."),
        Metric("angle", "principal angle, median", "degrees", help="Between tangents of neighbours; Björck, Golub."),
        Metric("random_angle", "principal angle of random subspaces", "degrees", help="Of the same dimension."),
    )

    def measure(self, subject: Subject) -> analysis.TangentAgreement:
        encode, x, generator = subject.encode, subject.rows.measured, subject.generator()
        count = min(_MOST_TANGENTS, analysis.apply(encode, x[:1]).shape[1], max(1, x.shape[1] // 2))
        return analysis.tangent_agreement(encode, x, count, num_neighbors=5, generator=generator)

    def values(self, result: analysis.TangentAgreement) -> Mapping[str, float]:
        return {
            "share": result.mean_share,
            "principal_share": float(result.principal_shares.nanmean()),
            "random_share": result.expected_random,
            "angle": float(torch.rad2deg(result.angles.median())),
            "random_angle": float(torch.rad2deg(result.random_angles.median())),
        }

    def pictures(self, results: Mapping[str, analysis.TangentAgreement], context: Context) -> Iterable[Picture]:
        caption = (
            "Share of the step: how much of the step to a near row lies in the tangent space, which the directions that"
            " move the code most span. Beside it stand the leading principal directions of all data, and random"
            " subspaces of the same dimension. Angle: how far the tangent space turns from a row to its neighbours"
            " (Björck and Golub 1973; dotted: random subspaces). On a smooth manifold the angles are small."
        )
        title = "Do the tangents follow the data?"
        alt = "Box plots of the share of the step in three kinds of subspace, and lines of the principal angles."
        yield Picture("agreement", title, caption, plots.tangent_agreement(results), alt)

    def caveats(self, document: Analysis) -> Iterable[Caveat]:
        if document.value(self.name, "share") <= document.value(self.name, "random_share"):
            yield Caveat(6, "The tangents contain no more of the step to a neighbour than random directions do.")
