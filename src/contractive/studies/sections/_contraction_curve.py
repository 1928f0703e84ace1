"""Sections: contraction against the distance from the data, of the whole encoder and of its layers."""

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from contractive import analysis, plots
from contractive.studies.metrics import Metric
from contractive.studies.pages import Picture
from contractive.studies.sections._analysis import Facts
from contractive.studies.sections._section import CODE, CONTRACTION, Context, Section, Subject


def _at_median(curve: analysis.ContractionCurve) -> float:
    return float(curve.mean[(curve.radii - curve.distances[1]).abs().argmin()])


class ContractionCurve(Section[analysis.ContractionCurve]):
    """How far the code moves for steps of growing length."""

    name = "contraction curve"
    title = "Contraction by distance"
    group = CONTRACTION
    metrics = (
        Metric("near", "ratio at the smallest radius", CODE, help="‖f(x + r u) − f(x)‖ / r; Rifai et al. 2011."),
        Metric("at_median", "ratio at the median distance", CODE, help="The same at the median distance of two rows."),
        Metric("far", "ratio at the largest radius", CODE, help="At 1.5 times the largest distance of two rows."),
        Metric("distance_nearest", "smallest distance", "input", help="Between two of up to 1000 rows."),
        Metric("distance_median", "median distance", "input", help="Between two of up to 1000 rows."),
        Metric("distance_farthest", "largest distance", "input", help="Between two of up to 1000 rows."),
    )

    def measure(self, subject: Subject) -> analysis.ContractionCurve:
        return analysis.contraction_curve(subject.encode, subject.rows.measured, generator=subject.generator())

    def values(self, result: analysis.ContractionCurve) -> Mapping[str, float]:
        numbers = (float(result.mean[0]), _at_median(result), float(result.mean[-1]), *result.distances)
        return {metric.key: number for metric, number in zip(self.metrics, numbers, strict=True)}

    def arrays(self, result: analysis.ContractionCurve) -> Mapping[str, Tensor]:
        return {name: getattr(result, name) for name in ("radii", "mean", "root_mean_square", "low", "high")}

    def pictures(self, results: Mapping[str, analysis.ContractionCurve], context: Context) -> Iterable[Picture]:
        caption = (
            f"How far the code moves for a step of length r from {context.rows} in a random direction, divided by r"
            " (Rifai et al. 2011, figure 1). Vertical lines mark the smallest, median and largest distance between two"
            " rows. A ratio that falls with r belongs to a code that saturates. Bands hold 5 to 95 % of the steps."
        )
        alt = "Lines of the ratio against the radius, with bands around them and dashed lines at three distances."
        yield Picture("curve", self.title, caption, plots.contraction_curves(results), alt)


class ContractionByDepth(Section[tuple[analysis.ContractionCurve, ...]]):
    """The contraction curve from the input to each layer."""

    name = "contraction by depth"
    title = "Contraction by depth"
    group = CONTRACTION
    metrics = (Metric("at_median", "ratio at the median distance", CODE, help="To this layer; Rifai et al. 2011."),)

    def reason_left_out(self, facts: Facts) -> str:
        if facts.layers == 0:
            return "the encoder is no nn.Sequential, so that its layers cannot be found"
        return "the encoder has a single layer" if facts.layers == 1 else ""

    def measure(self, subject: Subject) -> tuple[analysis.ContractionCurve, ...]:
        encoder: Any = subject.autoencoder.encoder
        return analysis.contraction_by_depth(encoder, subject.rows.measured, generator=subject.generator())

    def values(self, result: tuple[analysis.ContractionCurve, ...]) -> Mapping[str, float]:
        return {f"at_median:layer {number}": _at_median(curve) for number, curve in enumerate(result, 1)}

    def pictures(
        self, results: Mapping[str, tuple[analysis.ContractionCurve, ...]], context: Context
    ) -> Iterable[Picture]:
        caption = (
            "The same ratio from the input to each layer; the first layer is the faintest (Rifai et al. 2011, figure"
            " 3). Where the lines lie apart, the layer between them adds to the contraction."
        )
        alt = "A line per layer: the ratio of the layer's change to the step, against the length of the step."
        yield Picture("depth", self.title, caption, plots.contraction_by_depth(results), alt)
