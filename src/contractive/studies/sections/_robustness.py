"""Section: a linear probe on the code, under noise and attack."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from contractive import analysis, plots
from contractive.core.errors import InvalidValue
from contractive.studies.metrics import Metric, linear_probe
from contractive.studies.pages import Picture, Tile, shown
from contractive.studies.sections._analysis import Analysis, Facts
from contractive.studies.sections._section import CLASSIFIER, Caveat, Context, Section, Subject

NOISE_LEVELS = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0)
ATTACK_LEVELS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)
_NOISE = "Gaussian noise"
_KEYS = {_NOISE: "probe_accuracy_noisy", "Attack, L2": "probe_accuracy_l2", "Attack, L∞": "probe_accuracy_linf"}
_PROBE_ROWS = 10_000
_TEST_ROWS = 2000
_MASKED = 0.05  # share of the attacked rows without a gradient above which the accuracy is doubtful


@dataclass(frozen=True)
class RobustCode:
    """Accuracy of a linear probe on the code under noise and attack."""

    curves: Mapping[str, analysis.Robustness]  # by disturbance: `Gaussian noise`, `Attack, L2`, `Attack, L∞`
    levels: Mapping[str, tuple[float, ...]]  # by disturbance, levels of noise as long per row or per entry
    clean: float  # accuracy without any
    chance: float  # share of the most frequent class
    num_train: int  # rows the probe was fitted to
    num_test: int  # rows it was tested on


class Robustness(Section[RobustCode], name="robustness", title="A linear probe", group=CLASSIFIER, topic="Robustness"):
    """Fit a probe to codes of reference rows (half of new rows) and disturb measured ones (the other half)."""

    metrics = (
        Metric("probe_accuracy", "accuracy, clean", "%", help="Of a logistic regression on the code."),
        Metric("chance", "most frequent class", "%", help="Accuracy of always guessing it."),
        Metric("probe_accuracy_noisy", "accuracy under noise", "%", help="Gaussian, mean of five draws."),
        Metric("probe_accuracy_l2", "accuracy under attack, L2", "%", help="Projected gradient descent: upper bound."),
        Metric("probe_accuracy_linf", "accuracy under attack, L∞", "%", help="The same, with every entry bounded."),
        Metric("no_gradient", "rows with zero gradient", "%", help="Gradient masking, which is not robustness."),
    )

    def reason_left_out(self, facts: Facts) -> str:
        return facts.no_classes

    def measure(self, subject: Subject) -> RobustCode:
        rows, encode, generator = subject.rows, subject.encode, subject.generator()
        assert rows.labels is not None and rows.reference_labels is not None
        if rows.new:  # the rows that are fitted and those that are tested are never the same
            order = torch.randperm(len(rows.measured), generator=generator)
            fitted, tested = order[: len(order) // 2], order[len(order) // 2 :]
            train, train_labels = rows.measured[fitted], rows.labels[fitted]
            test, labels = rows.measured[tested], rows.labels[tested]
        else:
            chosen = torch.randperm(len(rows.reference), generator=generator)[:_PROBE_ROWS]
            train, train_labels = rows.reference[chosen], rows.reference_labels[chosen]
            test, labels = rows.measured, rows.labels
        probe = fit_probe(analysis.apply(encode, train), train_labels, len(rows.data.classes))
        some = torch.linspace(0, len(test) - 1, min(_TEST_ROWS, len(test))).long()
        test, labels, unit = test[some], labels[some], rows.data.noise_unit
        noise = [level * unit for level in NOISE_LEVELS]
        curves = {_NOISE: analysis.accuracy_under_noise(encode, probe, test, labels, noise, generator=generator)}
        attacks: dict[str, tuple[Literal["l2", "linf"], float]] = {
            "Attack, L2": ("l2", unit * sqrt(rows.data.features)),
            "Attack, L∞": ("linf", unit),
        }
        for title, (norm, size) in attacks.items():
            curves[title] = analysis.accuracy_under_attack(
                encode, probe, test, labels, [level * size for level in ATTACK_LEVELS],
                norm=norm, bounds=rows.bounds, num_points=subject.settings.attack_points, generator=generator,
            )  # fmt: skip
        levels = {title: NOISE_LEVELS if title == _NOISE else ATTACK_LEVELS for title in curves}
        chance = float(torch.bincount(labels).max()) / len(labels)
        return RobustCode(curves, levels, curves[_NOISE].accuracies[0], chance, len(train), len(test))

    def values(self, result: RobustCode) -> Mapping[str, float]:
        found = {"probe_accuracy": result.clean, "chance": result.chance}
        for title, curve in result.curves.items():
            for level, accuracy in zip(result.levels[title], curve.accuracies, strict=True):
                if level > 0:
                    found[f"{_KEYS[title]}:level {level:g}"] = accuracy
            if title != _NOISE:
                found[f"no_gradient:{title.split()[1]}"] = curve.no_gradient
        return found

    def pictures(self, results: Mapping[str, RobustCode], context: Context) -> Iterable[Picture]:
        first = next(iter(results.values()))
        curves = {title: {name: found.curves[title] for name, found in results.items()} for title in first.curves}
        caption = (
            f"Accuracy of a logistic regression on the code, fitted to {first.num_train:,} clean rows and tested on"
            f" {first.num_test:,} others. Attacks change the input by projected gradient descent through encoder and"
            " probe (Madry et al. 2018). The change has a bounded length (L2), or every entry is bounded (L∞). The"
            " accuracy under attack is an upper bound: a stronger attack may find more, and a saturated code may hide"
            " the gradient from this one."
        )
        figure = plots.robustness(curves, chance=first.chance)
        alt = "Lines of the accuracy against the size of the disturbance: Gaussian noise and attacks in two norms."
        yield Picture("robustness", "Robustness of a classifier on the code", caption, figure, alt)

    def sentences(self, document: Analysis) -> str:
        keys = ("probe_accuracy", "probe_accuracy_noisy:level 1", "probe_accuracy_l2:level 0.1")
        clean, noisy, attacked = (shown(document.value(self.name, key), "%") for key in keys)
        return (
            f"A linear classifier on the code is right for {clean} of the rows. Under Gaussian noise as large as a"
            f" typical feature's standard deviation it is right for {noisy}, and under an L2 attack of a tenth of that"
            f" length for at most {attacked}."
        )

    def caveats(self, document: Analysis) -> Iterable[Caveat]:
        share = max(document.value(self.name, f"no_gradient:{norm}") for norm in ("L2", "L∞"))
        if share > _MASKED:
            text = f"attacks found no gradient on {shown(share, '%')} of the rows (Athalye, Carlini, Wagner 2018)"
            yield Caveat(7, f"Gradient masking: {text}.")

    def tile(self, document: Analysis) -> Tile | None:
        clean, key = shown(document.value(self.name, "probe_accuracy"), "%"), "probe_accuracy_noisy:level 1"
        number = shown(document.value(self.name, key), "%")
        return Tile(number, "accuracy under noise of level 1", f"linear probe; clean {clean}", f"robustness/{key}")


def fit_probe(codes: Tensor, labels: Tensor, num_classes: int) -> analysis.LinearProbe:
    """Fit a logistic regression to standardised codes (rows, code) and express it in the codes' own units.

    A class that the rows do not have is never predicted.

    Raises:
        ValueError: Fewer than two classes among the labels.
    """
    known = labels.unique()
    if len(known) < 2:
        raise InvalidValue("labels", "be of at least two classes", len(known), "Pass more rows.")
    scaler, found = (step for _, step in linear_probe(codes.numpy(), labels.numpy()).steps)
    coefficients, intercepts = np.asarray(found.coef_), np.asarray(found.intercept_)
    if len(coefficients) == 1:  # of two classes scikit-learn keeps the difference
        coefficients, intercepts = (np.concatenate([-half, half]) for half in (coefficients / 2, intercepts / 2))
    weight = coefficients / np.asarray(scaler.scale_)
    bias = intercepts - weight @ np.asarray(scaler.mean_)
    weights, biases = codes.new_zeros(num_classes, codes.shape[1]), codes.new_full((num_classes,), -1e30)
    weights[known], biases[known] = torch.from_numpy(weight).to(codes), torch.from_numpy(bias).to(codes)
    return analysis.LinearProbe(weights, biases)
