"""Sections on contraction: the Jacobian at rows and away from them, steps of growing length, and noise."""

from collections.abc import Iterable, Mapping
from typing import Any

from contractive import analysis, plots
from contractive.studies.metrics import Metric
from contractive.studies.pages import Picture, Tile, shown
from contractive.studies.sections._analysis import Analysis, Facts
from contractive.studies.sections._section import CLEAR, CODE, CONTRACTION, Caveat, Context, Section, Subject

_AWAY = {
    "midpoints": "half-way between two rows",
    "between": "on the lines between two rows",
    "same distance": "in random directions, as far from the mean as the data",
    "box": "at random points within the range of every feature",
    "scaled out": "three times as far from the mean as the data",
}


class Norms(
    Section[analysis.Norms], name="norms", title="The Jacobian at single rows", group=CONTRACTION, topic="Contraction"
):
    """Frobenius norm and largest singular value of J."""

    metrics = (
        Metric("squared_norm", "‖J‖², mean", f"({CODE})²", help="Squared Frobenius norm of J (Rifai et al. 2011)."),
        Metric("operator_norm", "σ max, mean", CODE, help="Largest singular value of J: how far small steps stretch."),
        Metric("operator_norm_max", "σ max, largest", CODE, help="The same at the row where it is largest."),
        Metric("contractive_share", "rows with σ max ≤ 1", "%", help="Where the encoder contracts in every direction."),
    )

    def measure(self, subject: Subject) -> analysis.Norms:
        points = analysis.spread_rows(subject.rows.measured, subject.settings.num_points)
        return analysis.norms(subject.encode, points)

    def values(self, result: analysis.Norms) -> Mapping[str, float]:
        return {
            "squared_norm": float(result.squared_frobenius.mean()),
            "operator_norm": float(result.operator.mean()),
            "operator_norm_max": float(result.operator.max()),
            "contractive_share": result.contractive_share,
        }

    def pictures(self, results: Mapping[str, analysis.Norms], context: Context) -> Iterable[Picture]:
        values = {name: norms.operator.numpy() for name, norms in results.items()}
        caption = (
            f"The largest singular value of J at {len(next(iter(values.values()))):,} {context.rows}. It is the largest"
            " factor by which a small step from a row is stretched. Left of the line at 1 the encoder contracts in"
            " every direction. Right of it at least one direction is stretched."
        )
        title = "How much a small step is stretched, row by row"
        alt = "Histogram of the largest singular value of J over the rows, with a box of its quartiles."
        yield Picture("norms", title, caption, plots.operator_norm(values), alt)

    def sentences(self, document: Analysis) -> str:
        mean, share = (document.value(self.name, key) for key in ("operator_norm", "contractive_share"))
        verb = "contracts" if mean < 1 / CLEAR else "expands" if mean > CLEAR else "neither contracts nor expands"
        where = "all" if share == 1 else "none" if share == 0 else shown(share, "%")
        return (
            f"At the {document.rows} the encoder {verb}: on average over the rows, a small change of the input changes"
            f" the code at most {shown(mean)} times as much. This factor is σ max, the largest singular value of the"
            f" Jacobian J. It is at most 1 at {where} of the rows."
        )

    def tile(self, document: Analysis) -> Tile | None:
        number = shown(document.value(self.name, "operator_norm"))
        detail = f"mean over the {document.rows}; below 1 the encoder contracts"
        return Tile(number, "largest singular value of J", detail, "norms/operator_norm")


class OnAndOffTheData(
    Section[analysis.EvaluationPoints],
    name="on and off the data",
    title="On and off the data",
    group=CONTRACTION,
    topic="Reach",
):
    """Contraction is learned at the data and may fail elsewhere."""

    metrics = (
        Metric("operator_norm", "σ max, mean", CODE, help="Largest singular value of J at points of this kind."),
        Metric("contractive_share", "points with σ max ≤ 1", "%", help="Contraction is local: it may fail elsewhere."),
    )

    def measure(self, subject: Subject) -> analysis.EvaluationPoints:
        rows, count = subject.rows, max(1, subject.settings.num_points // 2)
        test = None if rows.new else rows.measured
        found = analysis.evaluation_points(
            subject.encode, rows.reference, test, num_points=count, generator=subject.generator()
        )
        split = {"training": rows.data.reference.name.split()[0], "test": rows.data.measured.name.split()[0]}
        norms = {split.get(kind, kind): norms for kind, norms in found.norms.items()}
        distances = {split.get(kind, kind): away for kind, away in found.distances.items()}
        return analysis.EvaluationPoints(norms, distances)

    def values(self, result: analysis.EvaluationPoints) -> Mapping[str, float]:
        found = {f"operator_norm:{kind}": float(norms.operator.mean()) for kind, norms in result.norms.items()}
        return found | {f"contractive_share:{kind}": norms.contractive_share for kind, norms in result.norms.items()}

    def pictures(self, results: Mapping[str, analysis.EvaluationPoints], context: Context) -> Iterable[Picture]:
        caption = (
            "Contraction is learned at the data and need not hold elsewhere (Rifai et al. 2011). Midpoints lie half-way"
            " between two rows, and “between” anywhere on the line that joins them. “Same distance” is as far from the"
            " mean as a row, in a random direction. “Box” is anywhere between the smallest and largest value of every"
            " feature. “Scaled out” is three times as far from the mean as a row. Boxes are quartiles, whiskers reach"
            " from 5 to 95 %. By distance: every point against the distance to its nearest known row."
        )
        alt = "Boxes of both norms and bars of the contracting share by kind of point; σ max against distance."
        yield Picture("evaluation-points", self.title, caption, plots.evaluation_points(results), alt)

    def sentences(self, document: Analysis) -> str:
        at_data = document.value("norms", "operator_norm")
        away = {kind: document.value(self.name, f"operator_norm:{kind}") for kind in _AWAY}
        expanding = [f"{_AWAY[kind]} ({shown(value)})" for kind, value in away.items() if value > CLEAR]
        if at_data != at_data:
            return ""
        if expanding:
            return f"Away from the data the encoder expands, with a mean σ max above 1: {', '.join(expanding)}."
        kind, value = max(away.items(), key=lambda item: item[1])
        most = f"The largest mean of σ max is {shown(value)}, {_AWAY[kind]}."
        if value > at_data * CLEAR:
            return f"Away from the data the encoder contracts less, but it does not expand. {most}"
        return f"The contraction is not confined to the data. Away from them it is at least as strong. {most}"


def _at_median(curve: analysis.ContractionCurve) -> float:
    return float(curve.mean[(curve.radii - curve.distances[1]).abs().argmin()])


class ContractionCurve(
    Section[analysis.ContractionCurve], name="contraction curve", title="Contraction by distance", group=CONTRACTION
):
    """How far the code moves for steps of growing length."""

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

    def pictures(self, results: Mapping[str, analysis.ContractionCurve], context: Context) -> Iterable[Picture]:
        caption = (
            f"How far the code moves for a step of length r from {context.rows} in a random direction, divided by r"
            " (Rifai et al. 2011, figure 1). Vertical lines mark the smallest, median and largest distance between two"
            " rows. A ratio that falls with r belongs to a code that saturates. Bands hold 5 to 95 % of the steps."
        )
        alt = "Lines of the ratio against the radius, with bands around them and dashed lines at three distances."
        yield Picture("curve", self.title, caption, plots.contraction_curves(results), alt)


class ContractionByDepth(
    Section[tuple[analysis.ContractionCurve, ...]],
    name="contraction by depth",
    title="Contraction by depth",
    group=CONTRACTION,
):
    """The contraction curve from the input to each layer."""

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


TYPICAL = "scale_free_sensitivity:gaussian 0.5"  # the number that the words are about


class Sensitivity(
    Section[analysis.SensitivityProfile],
    name="sensitivity",
    title="Sensitivity to noise",
    group=CONTRACTION,
    topic="Contraction",
):
    """Change of the code under three kinds of noise."""

    metrics = (
        Metric("noise_unit", "noise of level 1", "input", help="Root mean square of the standard deviations."),
        Metric("sensitivity", "‖Δz‖ / ‖Δx‖, mean", CODE, help="Raw; kinds of noise as in Vincent et al. 2010."),
        Metric(
            "scale_free_sensitivity", "scale-free sensitivity",
            help="Relative to the spread of code and data: at 1 the noise changes both alike.",
        ),
    )  # fmt: skip

    def measure(self, subject: Subject) -> analysis.SensitivityProfile:
        unit, generator = subject.rows.data.noise_unit, subject.generator()
        return analysis.sensitivity_profile(subject.encode, subject.rows.measured, unit=unit, generator=generator)

    def values(self, result: analysis.SensitivityProfile) -> Mapping[str, float]:
        found = {"noise_unit": result.unit}
        for kind, levels in result.levels.items():
            for level, measured in zip(levels, result.sensitivities[kind], strict=True):
                found[f"sensitivity:{kind} {level:g}"] = measured.mean
                found[f"scale_free_sensitivity:{kind} {level:g}"] = measured.scale_free
        return found

    def pictures(self, results: Mapping[str, analysis.SensitivityProfile], context: Context) -> Iterable[Picture]:
        caption = (
            f"How far three kinds of noise change the code of {context.rows} (Vincent et al. 2010). Raw: the change of"
            " the code divided by the change of the input, which also falls when a code merely becomes smaller."
            " Scale-free: relative to the spread of code and data; below the line at 1 the noise changes the code less"
            " than it changes the data. Levels of Gaussian noise are in units of a typical feature's standard"
            " deviation. Those of masking and salt-and-pepper noise are the probability that a value is changed."
        )
        alt = "Box plots of raw and lines of scale-free sensitivity by noise level, for each kind of noise."
        yield Picture("profile", "How far noise changes the code", caption, plots.sensitivity_profiles(results), alt)

    def sentences(self, document: Analysis) -> str:
        free = document.value(self.name, TYPICAL)
        verdict = "less sensitive than" if free < 1 / CLEAR else "more sensitive than" if free > CLEAR else ""
        return (
            f"Relative to its own spread, the code is {verdict or 'as sensitive as'} the data: under Gaussian noise of"
            f" half a typical feature's standard deviation, its scale-free sensitivity is {shown(free)}, where 1 means"
            " that the noise changes the code as much as the input."
        )

    def caveats(self, document: Analysis) -> Iterable[Caveat]:
        if document.value(self.name, TYPICAL) >= 1 and document.value("norms", "operator_norm") < 1:
            text = "relative to its own spread, the code is as sensitive as the data"
            yield Caveat(2, f"J is small because the code is small: {text}.")

    def tile(self, document: Analysis) -> Tile | None:
        number = shown(document.value(self.name, TYPICAL))
        return Tile(number, "scale-free sensitivity to noise", "1: as sensitive as the data", f"sensitivity/{TYPICAL}")
