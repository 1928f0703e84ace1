"""Section: how far noise changes the code."""

from collections.abc import Iterable, Mapping

from contractive import analysis, plots
from contractive.studies.metrics import Metric
from contractive.studies.pages import Picture, Tile, shown
from contractive.studies.sections._analysis import Analysis
from contractive.studies.sections._section import CLEAR, CODE, CONTRACTION, Caveat, Context, Section, Subject

_TYPICAL = "scale_free_sensitivity:gaussian 0.5"  # the number that the words are about


class Sensitivity(Section[analysis.SensitivityProfile]):
    """Change of the code under three kinds of noise."""

    name = "sensitivity"
    title = "Sensitivity to noise"
    group = CONTRACTION
    topic = "Contraction"
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
        free = document.value(self.name, _TYPICAL)
        verdict = "less sensitive than" if free < 1 / CLEAR else "more sensitive than" if free > CLEAR else ""
        return (
            f"Relative to its own spread, the code is {verdict or 'as sensitive as'} the data: under Gaussian noise of"
            f" half a typical feature's standard deviation, its scale-free sensitivity is {shown(free)}, where 1 means"
            " that the noise changes the code as much as the input."
        )

    def caveats(self, document: Analysis) -> Iterable[Caveat]:
        if document.value(self.name, _TYPICAL) >= 1 and document.value("norms", "operator_norm") < 1:
            text = "relative to its own spread, the code is as sensitive as the data"
            yield Caveat(2, f"J is small because the code is small: {text}.")

    def tile(self, document: Analysis) -> Tile | None:
        number = shown(document.value(self.name, _TYPICAL))
        return Tile(number, "scale-free sensitivity to noise", "1: as sensitive as the data", f"sensitivity/{_TYPICAL}")
