"""Sections on directions: how many and which ones the code responds to, and whether they follow the data."""

from collections.abc import Iterable, Mapping

import torch

from contractive import analysis, plots
from contractive.studies.metrics import Metric
from contractive.studies.pages import MINUS, NBSP, Picture, Tile, shown
from contractive.studies.sections._analysis import Analysis, Facts
from contractive.studies.sections._section import CODE, DIRECTIONS, Caveat, Context, Section, Subject

_FIRST = 10  # directions in the metric `first_ten`
_MUCH = 2  # times what a random direction has
_FOLLOWED = 0.2  # rank correlation below which sensitivity does not follow variance
_LEAST_IN_CLASS = 10
_MOST_FEATURES = 20_000
_MOST_TANGENTS = 8


class Spectra(Section[analysis.Spectra], name="spectra", title="Singular values", group=DIRECTIONS, topic="Directions"):
    """Singular values of J, and how many of them matter."""

    metrics = (
        Metric("code", "singular values", "directions", help="The smaller of the numbers of units and features."),
        Metric("largest", "first singular value, mean", CODE, help="As in Rifai et al. 2011, figure 2."),
        Metric("smallest", "last singular value, mean", CODE, help="The direction that changes the code least."),
        Metric("entropy_rank", "effective rank, mean", "directions", help="exp of the entropy of s²/Σs²."),
        Metric("participation_ratio", "participation ratio, mean", "directions", help="(Σs²)² / Σs⁴."),
        Metric("dimension_by_share", "values that hold 95 % of ‖J‖², mean", "directions", help="A local dimension."),
        Metric("dimension_by_gap", "values above the largest drop, median", "directions", help="A local dimension."),
    )

    def measure(self, subject: Subject) -> analysis.Spectra:
        count = subject.settings.num_points // 2
        return analysis.spectra(subject.encode, subject.rows.measured, num_points=count)

    def values(self, result: analysis.Spectra) -> Mapping[str, float]:
        return {
            "code": result.values.shape[1],
            "largest": float(result.mean[0]),
            "smallest": float(result.mean[-1]),
            "entropy_rank": float(result.entropy_rank.nanmean()),
            "participation_ratio": float(result.participation_ratio.nanmean()),
            "dimension_by_share": float(result.dimension_by_share().double().mean()),
            "dimension_by_gap": float(result.dimension_by_gap.double().median()),
        }

    def pictures(self, results: Mapping[str, analysis.Spectra], context: Context) -> Iterable[Picture]:
        caption = (
            "Singular values of the Jacobian, mean and 5 to 95 % of the rows (Rifai et al. 2011, figure 2). A steep"
            " fall means that few directions change the code. The boxes count those directions in four ways: the"
            " effective rank, exp of the entropy of the shares of ‖J‖² (Roy and Vetterli 2007); the participation ratio"
            " (Σs²)² / Σs⁴; the values that hold 95 % of ‖J‖²; and the values above the largest drop."
        )
        alt = "Lines of the singular values in descending order, and box plots of four counts of directions."
        yield Picture("spectra", "How many directions the code responds to", caption, plots.spectra(results), alt)

    def sentences(self, document: Analysis) -> str:
        held, every, rank = (document.value(self.name, key) for key in ("dimension_by_share", "code", "entropy_rank"))
        if rank != rank:
            return "The Jacobian is zero: no direction changes the code."
        return (
            f"The code responds mainly to about {held:.0f} of {shown(every)} possible directions, which hold 95{NBSP}%"
            " of ‖J‖² at a typical row. The effective rank, from the entropy of squared singular values, is"
            f" {rank:.1f}."
        )

    def tile(self, document: Analysis) -> Tile | None:
        held, every = (shown(document.value(self.name, key)) for key in ("dimension_by_share", "code"))
        detail = f"of {every} at a typical row"
        return Tile(held, f"directions hold 95{NBSP}% of ‖J‖²", detail, "spectra/dimension_by_share")


class Directions(
    Section[analysis.Directions], name="directions", title="Principal directions", group=DIRECTIONS, topic="Directions"
):
    """Sensitivity along the principal directions of the data."""

    metrics = (
        Metric("rank_correlation", "Spearman's ρ", help="Of the variance along principal directions u and E‖J u‖²."),
        Metric("first_ten", "E‖J u‖², first ten directions", help="Relative to a random direction."),
        Metric("last", "E‖J u‖², last direction", help="Relative to a random direction."),
    )

    def reason_left_out(self, facts: Facts) -> str:
        most = f"and principal directions are computed for at most {_MOST_FEATURES}"
        return "" if facts.features <= _MOST_FEATURES else f"a row has {facts.features} numbers, {most}"

    def measure(self, subject: Subject) -> analysis.Directions:
        count = subject.settings.num_points // 2
        return analysis.directions(subject.encode, subject.rows.measured, num_points=count)

    def values(self, result: analysis.Directions) -> Mapping[str, float]:
        relative = result.squared_sensitivities / (result.isotropic or torch.nan)
        ends = {"first_ten": float(relative[:_FIRST].mean()), "last": float(relative[-1])}
        return {"rank_correlation": result.rank_correlation} | ends

    def pictures(self, results: Mapping[str, analysis.Directions], context: Context) -> Iterable[Picture]:
        caption = (
            "How far the code moves along the principal directions u of the data: E‖J u‖², divided by that of a random"
            " direction. At 1 the code does not prefer a direction. A code that keeps what varies and ignores the rest"
            " rises with the variance, and falls from direction to direction with the variance of the data (dotted)."
            " ρ is Spearman's rank correlation of the two, at best 1."
        )
        title = "Does the code respond to what varies?"
        alt = "Two panels of E‖J u‖²: points against the variance, and lines against the number of the direction."
        yield Picture("directions", title, caption, plots.directions(results), alt)

    def sentences(self, document: Analysis) -> str:
        correlation, first = (document.value(self.name, key) for key in ("rank_correlation", "first_ten"))
        if correlation != correlation:
            return ""
        many = document.data.features > 2 * _FIRST and first == first
        strength, much, little = (first, _MUCH, 1) if many else (correlation, 0.5, 0)
        words = "mostly" if strength > much else "hardly more" if strength >= little else "less"
        rho = f"{correlation:.2f}".replace("-", MINUS)
        along = f": along the ten of highest variance, ‖J u‖² is {shown(first)} times that of a random direction"
        return (
            f"It responds {words} to the directions in which the data vary most{along if many else ''}. The rank"
            f" correlation of variance and sensitivity over all directions is {rho}."
        )

    def caveats(self, document: Analysis) -> Iterable[Caveat]:
        if document.value(self.name, "rank_correlation") < _FOLLOWED:
            text = "directions in which they vary are contracted about as much as others"
            yield Caveat(5, f"Contraction does not follow the data: {text}.")


class DirectionsByClass(
    Section[Mapping[str, analysis.Directions]],
    name="directions by class",
    title="Principal directions by class",
    group=DIRECTIONS,
):
    """The same with the principal directions of each class."""

    metrics = (Metric("rank_correlation", "Spearman's ρ", help="With the principal directions of the class's rows."),)

    def reason_left_out(self, facts: Facts) -> str:
        few = f"the smallest class has {facts.smallest_class} measured rows, and {_LEAST_IN_CLASS} are needed"
        reason = Directions().reason_left_out(facts) or facts.no_classes
        return reason or (few if facts.smallest_class < _LEAST_IN_CLASS else "")

    def measure(self, subject: Subject) -> Mapping[str, analysis.Directions]:
        rows, points = subject.rows, max(10, subject.settings.num_points // 10)
        assert rows.labels is not None
        found = analysis.directions_by_class(subject.encode, rows.measured, rows.labels, num_points=points)
        return {rows.data.classes[label]: entry for label, entry in found.items()}

    def values(self, result: Mapping[str, analysis.Directions]) -> Mapping[str, float]:
        return {f"rank_correlation:class {label}": entry.rank_correlation for label, entry in result.items()}

    def pictures(self, results: Mapping[str, Mapping[str, analysis.Directions]], context: Context) -> Iterable[Picture]:
        caption = (
            "Spearman's ρ of variance and sensitivity again, along the principal directions of the rows of each class."
            " Above 0 the code responds most to what varies within the class."
        )
        title = "Does the code respond to what varies within a class?"
        alt = "A mark per class at its rank correlation, between −1 and 1."
        yield Picture("class-directions", title, caption, plots.class_directions(results), alt)


class TangentAgreement(
    Section[analysis.TangentAgreement], name="tangent agreement", title="Tangents and neighbours", group=DIRECTIONS
):
    """Tangent spaces against steps to neighbours and against the neighbours' tangent spaces."""

    metrics = (
        Metric("share", "step in the tangents, mean", "%", help="Of the squared step to the five nearest rows."),
        Metric("principal_share", "step in the principal directions", "%", help="As many, the same for all rows."),
        Metric("random_share", "step in a random subspace", "%", help="Of the same dimension: the chance level."),
        Metric("angle", "principal angle, median", "degrees", help="Between tangents of neighbours; Björck, Golub."),
        Metric("random_angle", "principal angle of random subspaces", "degrees", help="Of the same dimension."),
    )

    def measure(self, subject: Subject) -> analysis.TangentAgreement:
        x, code = subject.rows.measured, analysis.apply(subject.encode, subject.rows.measured[:1])
        count = min(_MOST_TANGENTS, code.shape[1], max(1, x.shape[1] // 2))
        return analysis.tangent_agreement(subject.autoencoder, x, count, num_neighbors=5, generator=subject.generator())

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
            "Share of the step: how much of the step to a near row lies in the tangent space, the span of directions in"
            " which the reconstruction moves most. Beside it stand the leading principal directions of all data, and"
            " random subspaces of the same dimension. Angle: how far the tangent space turns between neighbours"
            " (Björck and Golub 1973; dotted: random subspaces). On a smooth manifold the angles are small."
        )
        title = "Do the tangents follow the data?"
        alt = "Box plots of the share of the step in three kinds of subspace, and lines of the principal angles."
        yield Picture("agreement", title, caption, plots.tangent_agreement(results), alt)

    def caveats(self, document: Analysis) -> Iterable[Caveat]:
        if document.value(self.name, "share") <= document.value(self.name, "random_share"):
            yield Caveat(6, "The tangents contain no more of the step to a neighbour than random directions do.")
