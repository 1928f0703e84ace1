"""Sigmoid codes become binary under the penalty; how many corners of the hypercube they use."""

from dataclasses import dataclass, field

import numpy as np
import plotly.graph_objects as go

from contractive import plots
from contractive.models import tied
from contractive.objectives import contractive
from contractive.studies.illustrations import _draw as draw
from contractive.studies.illustrations._networks import Budget
from contractive.studies.illustrations._sweep import Sweep, sweep
from contractive.studies.illustrations._topic import Table, Tile, Topic, percent
from contractive.studies.pages import Picture


@dataclass(frozen=True)
class Settings:
    """Of this illustration.

    Attributes:
        weights: Of ||J_f||^2; 0 is the standard autoencoder.
        code: Sigmoid code units, tied as in the paper.
        seeds: Fits per weight.
        budget: Of every fit.
    """

    weights: tuple[float, ...] = (0.0, 0.01, 0.03, 0.1, 0.2, 0.3)
    code: int = 64
    seeds: int = 3
    budget: Budget = field(default=Budget(30, 32, 3e-3))


FULL = Settings()
QUICK = Settings(weights=(0.0, 0.03, 0.3), seeds=1, budget=Budget(12, 32, 6e-3))


@dataclass(frozen=True)
class Saturation:
    """Activations and rounded codes for growing weights.

    Attributes:
        settings: How it was made.
        sweep: The measures.
    """

    settings: Settings
    sweep: Sweep

    @property
    def kept(self) -> int:
        """Position of the largest weight with at least 90 different rounded codes for 100 test digits."""
        return int(np.flatnonzero(self.sweep.mean("distinct") >= 0.9)[-1])

    @property
    def finding(self) -> str:
        """What the numbers say."""
        saturated, distinct, entropy = (self.sweep.mean(name) for name in ("saturation", "distinct", "entropy"))
        weights, at = self.settings.weights, self.kept
        return (
            f"The share of saturated activations grows from {percent(saturated[0])} to {percent(saturated[-1])} between"
            f" weights 0 and {weights[-1]:g}: codes do become binary. They stay spread over the hypercube only up to"
            f" weight {weights[at]:g}, where {percent(saturated[at])} are saturated and 100 test digits still have"
            f" {100 * distinct[at]:.0f} different rounded codes; at weight {weights[-1]:g} it is"
            f" {100 * distinct[-1]:.2g}, and a unit tells {entropy[-1]:.2f} bits instead of {entropy[0]:.2f}: most"
            f" units have become constant."
        )

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """The few numbers that matter most."""
        saturated, distinct, entropy = (self.sweep.mean(name) for name in ("saturation", "distinct", "entropy"))
        weights, at = self.settings.weights, self.kept
        return (
            Tile(percent(saturated[0]), "saturated without a penalty", "below 0.05 or above 0.95"),
            Tile(
                percent(saturated[at]), f"at weight {weights[at]:g}", f"{100 * distinct[at]:.0f} corners for 100 digits"
            ),
            Tile(
                percent(saturated[-1]), f"at weight {weights[-1]:g}", f"{100 * distinct[-1]:.2g} corners for 100 digits"
            ),
            Tile(
                f"{entropy[-1]:.2f} bits",
                f"told by a unit at weight {weights[-1]:g}",
                f"{entropy[0]:.2f} without a penalty",
            ),
        )

    @property
    def table(self) -> Table:
        """Mean and standard deviation over seeds."""
        measures = ("saturation", "distinct", "entropy", "error", "r2", "squared_norm", "scale_free")
        rows = tuple(
            (f"{weight:g}", *(self.sweep.text(measure, at) for measure in measures))
            for at, weight in enumerate(self.settings.weights)
        )
        headings = (
            "weight",
            "saturated",
            "rounded codes per digit",
            "bits per unit",
            "error",
            "R²",
            "‖J‖²",
            "scale-free",
        )
        note = f"Mean ± standard deviation over {self.settings.seeds} seeds. Codes: how many differ, per test digit."
        return Table(headings, rows, note)

    def pictures(self) -> tuple[Picture, ...]:
        """A histogram per weight, and the measures against the weight."""
        return (_histograms(self), _shares(self))


def saturation(*, quick: bool = False, seed: int = 0) -> Saturation:
    """Train tied sigmoid autoencoders of digits with growing weights; look at their activations."""
    settings = QUICK if quick else FULL
    return Saturation(
        settings,
        sweep(lambda: tied(64, settings.code), contractive, settings.weights, settings.budget, settings.seeds, seed),
    )


def _histograms(result: Saturation) -> Picture:
    titles = [f"weight {weight:g}" for weight in result.settings.weights]
    figure = draw.panels(titles, draw.Room(140, 130))
    for number, (weight, shares) in enumerate(zip(result.settings.weights, result.sweep.histograms, strict=True), 1):
        color = plots.color("contractive" if weight else "standard")
        middles = (np.arange(len(shares)) + 0.5) / len(shares)
        x, y = ("x", "y") if number == 1 else (f"x{number}", f"y{number}")
        bars = go.Bar(x=middles, y=100 * shares, marker={"color": color}, hovertemplate="%{y:.1f} %", xaxis=x, yaxis=y)
        figure.add_trace(bars.update(showlegend=False, name="activations"))
        draw.set_axes(figure, number, {"range": [0, 1], "title": {"text": "activation"}}, {"ticksuffix": " %"})
    figure.update_layout(bargap=0.08)
    caption = (
        "Activations of all units for all test digits, in twenty bins, first seed. The penalty empties the middle."
    )
    return Picture("histograms", "Activations move to the ends", caption, figure)


def _shares(result: Saturation) -> Picture:
    lines = {
        "saturation": ("saturated activations", "contractive", "diamond"),
        "distinct": ("different rounded codes per digit", "denoising", "square"),
        "entropy": ("bits per unit", "sparse", "triangle-up"),
    }
    figure = draw.panels([""], draw.Room(300, 260, [words for words, _, _ in lines.values()]))
    positions = np.arange(len(result.settings.weights))
    for measure, (words, kind, symbol) in lines.items():
        values, color = 100 * getattr(result.sweep, measure), plots.color(kind)
        for seed in values.T if values.shape[1] > 1 else ():
            figure.add_trace(
                draw.line(1, positions, seed, words, color, width=0.8, legend=False).update(hoverinfo="skip")
            )
        figure.add_trace(
            draw.line(
                1, positions, values.mean(1), words, color, mode="lines+markers", symbol=symbol, hover="%{y:.0f} %"
            )
        )
    ticks = {"tickvals": positions.tolist(), "ticktext": [f"{weight:g}" for weight in result.settings.weights]}
    draw.set_axes(figure, 1, {"title": {"text": "weight"}, **ticks}, {"ticksuffix": " %", "range": [-3, 104]})
    caption = (
        "Thick lines are means, thin ones single seeds. Bits are per cent of one bit, which a unit tells that is on for"
        " half of the digits. Binary and well spread are two things: the second ends long before the first is complete."
    )
    return Picture("shares", "Binary, but not for ever apart", caption, figure)


TOPIC = Topic(
    name="saturation",
    title="Do codes become binary?",
    line="sigmoid codes move to the corners of the hypercube as the weight grows, and in the end to the same few",
    why=(
        "A sigmoid unit has its smallest slope where it is saturated, so the penalty pushes activations to 0 and 1. To"
        " reconstruct, different digits still need different codes, so codes are said to spread over the"
        " corners of the hypercube.",
        "Both effects are here, but not at the same weight. As long as reconstruction holds its own, nearly every"
        " digit keeps a corner of its own while the middle empties; at larger weights it is cheaper to leave a unit"
        " where it is for all digits, and the corners in use become few.",
    ),
    sources=(
        "Rifai, Vincent, Muller, Glorot, Bengio (2011): Contractive auto-encoders: explicit invariance during feature"
        " extraction. ICML, footnote 6.",
    ),
    run=lambda quick, seed: saturation(quick=quick, seed=seed),
)
