"""Sections: the encoder's Jacobian at single rows, and away from the data."""

from collections.abc import Iterable, Mapping

from torch import Tensor

from contractive import analysis, plots
from contractive.studies.metrics import Metric
from contractive.studies.pages import Picture, Tile, shown
from contractive.studies.sections._analysis import Analysis
from contractive.studies.sections._section import (
    CLEAR,
    CODE,
    CONTRACTION,
    Context,
    Section,
    Subject,
    norm_quantiles,
    quantiles,
)

_AWAY = {
    "midpoints": "half-way between two rows",
    "between": "on the lines between two rows",
    "same distance": "in random directions, as far from the mean as the data",
    "box": "at random points within the range of every feature",
    "scaled out": "three times as far from the mean as the data",
}


class Norms(Section[analysis.Norms]):
    """Frobenius norm and largest singular value of J."""

    name = "norms"
    title = "The Jacobian at single rows"
    group = CONTRACTION
    topic = "Contraction"
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

    def arrays(self, result: analysis.Norms) -> Mapping[str, Tensor]:
        return norm_quantiles(result)

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


class OnAndOffTheData(Section[analysis.EvaluationPoints]):
    """Contraction is learned at the data and may fail elsewhere."""

    name = "on and off the data"
    title = "On and off the data"
    group = CONTRACTION
    topic = "Reach"
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

    def arrays(self, result: analysis.EvaluationPoints) -> Mapping[str, Tensor]:
        found = {f"σ max quantiles, {kind}": quantiles(norms.operator) for kind, norms in result.norms.items()}
        return found | {f"distance quantiles, {kind}": quantiles(away) for kind, away in result.distances.items()}

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
