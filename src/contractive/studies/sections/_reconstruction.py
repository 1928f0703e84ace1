"""Sections: how well rows are reconstructed, and what the reconstruction r = g∘f does to its input."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import nan

import torch
from torch import Tensor

from contractive import analysis, plots
from contractive.objectives import Gaussian
from contractive.studies.metrics import METRICS, Metric
from contractive.studies.pages import Picture, Tile, percent, shown
from contractive.studies.sections._analysis import Analysis, Facts
from contractive.studies.sections._section import RECONSTRUCTION, Caveat, Context, Section, Subject
from contractive.training import FALLING, collapse, principal_components

_PICTURED = 10
_LITTLE = 0.5  # of the variance reconstructed
_BEHIND = 0.02  # of the variance, against principal components
_GAP = 0.1  # of the variance, training against measured rows


@dataclass(frozen=True)
class Reconstructions:
    """Errors, and a few rows with their reconstructions."""

    errors: Mapping[str, analysis.Reconstruction]  # by rows, for instance `test rows` and `training rows`
    inputs: Tensor  # A few measured rows, (examples, features)
    outputs: Tensor  # their reconstructions
    noisy: Tensor  # the rows with Gaussian noise of level 1
    noisy_outputs: Tensor  # reconstructions of these
    linear: float = nan  # R² on the measured rows of as many principal components of the reference rows as the code has
    collapsed: tuple[str, ...] = ()  # sentences if the autoencoder learned nothing


class Reconstruction(
    Section[Reconstructions],
    name="reconstruction",
    title="Reconstruction",
    group=RECONSTRUCTION,
    topic="Reconstruction",
):
    """Reconstruction errors, and pictures of a few rows."""

    metrics = (
        METRICS["reconstruction_error"],
        METRICS["r2"],
        Metric("linear", "R² of principal components", help="As many as the code has numbers, of the training rows."),
    )

    def measure(self, subject: Subject) -> Reconstructions:
        rows, model = subject.rows, subject.autoencoder
        splits = {rows.data.measured.name: rows.measured, rows.data.reference.name: rows.reference}
        errors = {name: analysis.reconstruction(model, x) for name, x in splits.items()}
        inputs, _ = rows.examples(_PICTURED)
        noisy = Gaussian(rows.data.noise_unit)(inputs, subject.generator())
        with torch.no_grad():
            outputs, noisy_outputs = model(inputs).flatten(1), model(noisy).flatten(1)
            collapsed = tuple(collapse(model, analysis.spread_rows(rows.measured, 2000)))
            size = model.encode(inputs).flatten(1).shape[1]
        linear = analysis.reconstruction(principal_components(rows.reference, size).autoencoder(size), rows.measured)
        return Reconstructions(errors, inputs, outputs, noisy, noisy_outputs, linear.r2, collapsed)

    def values(self, result: Reconstructions) -> Mapping[str, float]:
        found = {f"reconstruction_error:{rows}": errors.mean for rows, errors in result.errors.items()}
        found |= {f"r2:{rows}": errors.r2 for rows, errors in result.errors.items()}
        return found | {"linear": result.linear}

    def warnings(self, result: Reconstructions) -> Sequence[str]:
        return result.collapsed

    def pictures(self, results: Mapping[str, Reconstructions], context: Context) -> Iterable[Picture]:
        first = next(iter(results.values()))
        clean = {"input": first.inputs} | {name: found.outputs for name, found in results.items()}
        noisy = {"input": first.noisy} | {name: found.noisy_outputs for name, found in results.items()}
        drawn = [{name: context.one_channel(x).numpy() for name, x in rows.items()} for rows in (clean, noisy)]
        caption = (
            "Inputs and their reconstructions, of clean and of noisy inputs. The noise has level 1: it is as large as a"
            " typical feature's standard deviation. From noisy inputs a contractive autoencoder should reconstruct"
            " something close to the clean row."
        )
        figure = plots.reconstructions(drawn[0], drawn[1], context.image, context.names)
        alt = "Inputs and below them their reconstructions, without and with noise."
        yield Picture("reconstructions", "A few rows and their reconstructions", caption, figure, alt)
        errors = {name: found.errors[context.rows].errors.numpy() for name, found in results.items()}
        caption = (
            f"‖r(x) − x‖² of {len(next(iter(errors.values()))):,} {context.rows}, summed over features. The code cannot"
            " represent rows in a long right tail: they are of a rare kind, or do not belong to the data."
        )
        figure, alt = plots.reconstruction_error(errors), "Histogram of the error, with a box of its quartiles."
        yield Picture("errors", "Distribution of the reconstruction error", caption, figure, alt)

    def sentences(self, document: Analysis) -> str:
        rows = dict.fromkeys((document.rows, document.data.reference.name))
        mine, *known = (f"{shown(max(document.value(self.name, f'r2:{name}'), 0.0), '%')}" for name in rows)
        compared = f" ({document.data.reference.name}: {known[0]})" if known else ""
        found = f"{mine} of the variance of the {document.rows} is reconstructed{compared}"
        linear = document.value(self.name, "linear")
        known = f", by as many principal components {shown(max(linear, 0.0), '%')}" if linear == linear else ""
        found += f"{known}."
        run = document.run
        if run.error_increase is None or not run.squared_norm or not run.squared_norm_without:
            return found
        change = f"{percent(abs(run.error_increase), '.0f')} {'higher' if run.error_increase >= 0 else 'lower'}"
        return (
            f"{found} Compared with the same training without the penalty, the error as the search measures it is"
            f" {change} and ‖J‖² is"
            f" {run.squared_norm_without / run.squared_norm:.1f} times smaller ({shown(run.squared_norm)} instead of"
            f" {shown(run.squared_norm_without)})."
        )

    def caveats(self, document: Analysis) -> Iterable[Caveat]:
        known = document.data.reference.name
        mine, other = (document.value(self.name, f"r2:{rows}") for rows in (document.rows, known))
        if mine < _LITTLE:
            text = f"{shown(max(mine, 0.0), '%')} of the variance is reconstructed"
            yield Caveat(1, f"Low sensitivity may only reflect underfitting: {text}.")
        linear = document.value(self.name, "linear")
        if linear - mine > _BEHIND:
            text = f"{shown(linear, '%')} of the variance, this network {shown(max(mine, 0.0), '%')}"
            advice = "train longer, use a smaller weight, or begin as principal components where it did not"
            yield Caveat(1, f"Principal components of the same size reconstruct {text}: {advice}.")
        run = document.run
        if run.still_falling is not None and run.still_falling > FALLING:
            fell = percent(run.still_falling, ".0f")
            yield Caveat(
                1,
                f"Undertrained: in the last tenth of the epochs the error still fell by {fell}. Train for more epochs.",
            )
        increase, allowed = run.error_increase, run.max_error_increase
        if increase is not None and allowed is not None and round(100 * increase) > round(100 * allowed):
            paid = f"{percent(increase, '.0f')} on validation rows, and {percent(allowed, '.0f')} was allowed"
            yield Caveat(2, f"The penalty costs more error than asked: {paid}.")
        if other - mine > _GAP:
            yield Caveat(3, f"Overfitting: reconstruction is much better on {known} than on others.")

    def tile(self, document: Analysis) -> Tile | None:
        key = f"r2:{document.rows}"
        number = shown(document.value(self.name, key), "%")
        return Tile(number, "of the variance reconstructed", f"R², {document.rows}", f"reconstruction/{key}")


class ReconstructionNorms(
    Section[analysis.Norms],
    name="reconstruction norms",
    title="The Jacobian of the reconstruction",
    group=RECONSTRUCTION,
):
    """Norms of the Jacobian of the reconstruction."""

    metrics = (
        Metric("frobenius", "‖Jᵣ‖, mean", help="Jacobian of the reconstruction r = g∘f (Alain and Bengio 2014)."),
        Metric("operator_norm", "σ max of Jᵣ, mean", help="Below 1 the reconstruction draws rows together."),
        Metric("contractive_share", "rows with σ max of Jᵣ ≤ 1", "%", help="At up to 200 rows."),
    )

    def measure(self, subject: Subject) -> analysis.Norms:
        model = subject.autoencoder
        return analysis.reconstruction_norms(model.encoder, model.decoder, subject.rows.measured, num_points=200)

    def values(self, result: analysis.Norms) -> Mapping[str, float]:
        means = {"frobenius": float(result.frobenius.mean()), "operator_norm": float(result.operator.mean())}
        return means | {"contractive_share": result.contractive_share}

    def pictures(self, results: Mapping[str, analysis.Norms], context: Context) -> Iterable[Picture]:
        caption = (
            "The largest singular value of the Jacobian of the reconstruction r = g∘f (Alain and Bengio 2014). Below 1"
            " the reconstruction draws nearby points together in every direction. Along the data its singular values"
            " should be near 1, and across the data near 0."
        )
        figure = plots.operator_norm({name: norms.operator.numpy() for name, norms in results.items()})
        alt = "Histogram of the largest singular value of Jᵣ, with a box of its quartiles."
        yield Picture("reconstruction-norms", "How the reconstruction stretches", caption, figure, alt)


class LocalDimension(
    Section[analysis.LocalDimension], name="local dimension", title="Dimension of the data", group=RECONSTRUCTION
):
    """Trace of the Jacobian of the reconstruction, beside the number of principal components."""

    metrics = (
        Metric("mean", "trace of Jᵣ, mean", "directions", help="Of a projection onto a surface: its dimension."),
        Metric("median", "trace of Jᵣ, median", "directions", help="Of a projection onto a surface: its dimension."),
        Metric("components", "principal components, 95 %", "directions", help="That hold so much of the variance."),
    )

    def measure(self, subject: Subject) -> analysis.LocalDimension:
        model, count = subject.autoencoder, subject.settings.num_points // 2
        return analysis.local_dimension(model.encoder, model.decoder, subject.rows.measured, num_points=count)

    def values(self, result: analysis.LocalDimension) -> Mapping[str, float]:
        return {"mean": result.mean, "median": float(result.traces.median()), "components": result.components}

    def pictures(self, results: Mapping[str, analysis.LocalDimension], context: Context) -> Iterable[Picture]:
        caption = (
            "The trace of the Jacobian of the reconstruction at single rows. A reconstruction that projects onto the"
            " surface on which the data lie has its dimension as trace: it counts the directions that are kept, and"
            " half of one that is halved. The line marks how many principal components hold 95 % of the variance, which"
            " is more where the surface is curved."
        )
        figure, alt = plots.local_dimension(results), "Histogram of the trace of Jᵣ over the rows."
        yield Picture("dimension", "How many directions the reconstruction keeps", caption, figure, alt)


class VectorField(Section[analysis.VectorField], name="vector field", title="Vector field", group=RECONSTRUCTION):
    """The steps r(x) - x on a grid, where rows lie in a plane."""

    def reason_left_out(self, facts: Facts) -> str:
        return "" if facts.features == 2 else f"it needs rows of two numbers, and these have {facts.features}"

    def measure(self, subject: Subject) -> analysis.VectorField:
        rows = subject.rows.measured
        low, high = rows.amin(0).tolist(), rows.amax(0).tolist()
        points = analysis.grid((low[0], low[1]), (high[0], high[1])).to(rows.dtype)
        return analysis.vector_field(subject.autoencoder, points)

    def pictures(self, results: Mapping[str, analysis.VectorField], context: Context) -> Iterable[Picture]:
        caption = (
            "The arrows r(x) − x show where the reconstruction moves points. They estimate the score, the gradient of"
            " the logarithm of the density of the data (Alain and Bengio 2014)."
        )
        figure = plots.vector_fields(results)
        yield Picture("field", "Where the reconstruction moves points", caption, figure, "Arrows in the plane.")
