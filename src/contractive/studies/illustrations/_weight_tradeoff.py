"""What a weight buys and what it costs."""

from dataclasses import dataclass, field

from contractive import plots
from contractive.models import mlp
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
        hidden: Widths between the 64 pixels and the code; the decoder is untied.
        code: Code units.
        seeds: Fits per weight.
        budget: Of every fit.
    """

    weights: tuple[float, ...] = (0.0, 0.001, 0.01, 0.1, 1.0)
    hidden: tuple[int, ...] = (64,)
    code: int = 32
    seeds: int = 3
    budget: Budget = field(default=Budget(30, 32, 3e-3))


FULL = Settings()
QUICK = Settings(weights=(0.0, 0.01, 1.0), seeds=1, budget=Budget(12, 32, 6e-3))


@dataclass(frozen=True)
class WeightTradeoff:
    """Reconstruction and sensitivity for growing weights.

    Attributes:
        settings: How it was made.
        sweep: The measures.
    """

    settings: Settings
    sweep: Sweep

    @property
    def finding(self) -> str:
        """What the numbers say."""
        error, norm, free = (self.sweep.mean(name) for name in ("error", "squared_norm", "scale_free"))
        weights = self.settings.weights
        fall, free_fall = norm[0] / norm[-1], free[0] / free[-1]
        return (
            f"From weight 0 to {weights[-1]:g}, ‖J‖² falls {fall:.0f}-fold but scale-free sensitivity only"
            f" {free_fall:.1f}-fold ({free[0]:.2f} to {free[-1]:.2f}), while the error grows"
            f" {error[-1] / error[0]:.1f}-fold. {self._bargain}"
        )

    @property
    def _bargain(self) -> str:
        """The largest weight within ten per cent of the standard error, if any."""
        error, free = self.sweep.mean("error"), self.sweep.mean("scale_free")
        cheap = [at for at in range(1, len(error)) if error[at] <= 1.1 * error[0]]
        if not cheap:
            return "No weight tried stays within ten per cent of the standard error."
        at = cheap[-1]
        return (
            f"Weight {self.settings.weights[at]:g} is the bargain: {percent(1 - free[at] / free[0])} off the scale-free"
            f" sensitivity at {error[at] / error[0]:.2f} times the error."
        )

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """The few numbers that matter most."""
        error, norm, free = (self.sweep.mean(name) for name in ("error", "squared_norm", "scale_free"))
        last = f"weight 0 to {self.settings.weights[-1]:g}"
        return (
            Tile(f"{norm[0] / norm[-1]:.0f}×", "smaller ‖J‖²", f"{last}: {norm[0]:.3g} to {norm[-1]:.2g}"),
            Tile(
                f"{free[0] / free[-1]:.1f}×", "less sensitive, scale-free", f"{last}: {free[0]:.2f} to {free[-1]:.2f}"
            ),
            Tile(f"{error[-1] / error[0]:.1f}×", "reconstruction error", f"{last}: {error[0]:.2f} to {error[-1]:.2f}"),
        )

    @property
    def table(self) -> Table:
        """Mean and standard deviation over seeds."""
        measures = ("error", "r2", "squared_norm", "sensitivity", "scale_free")
        rows = tuple(
            (f"{weight:g}", *(self.sweep.text(measure, at) for measure in measures))
            for at, weight in enumerate(self.settings.weights)
        )
        headings = ("weight", "error", "R²", "‖J‖²", "sensitivity, raw", "sensitivity, scale-free")
        return Table(headings, rows, f"Mean ± standard deviation over {self.settings.seeds} seeds, test digits.")

    def pictures(self) -> tuple[Picture, ...]:
        """The plane of error and sensitivity, raw and scale-free."""
        return (_plane(self),)


def weight_tradeoff(*, quick: bool = False, seed: int = 0) -> WeightTradeoff:
    """Train autoencoders of digits with growing weights under one budget; measure error and sensitivity."""
    settings = QUICK if quick else FULL
    return WeightTradeoff(
        settings,
        sweep(
            lambda: mlp(64, hidden=settings.hidden, code=settings.code),
            contractive,
            settings.weights,
            settings.budget,
            settings.seeds,
            seed,
        ),
    )


def _plane(result: WeightTradeoff) -> Picture:
    panels = {"scale_free": "Sensitivity, scale-free", "squared_norm": "‖J‖², raw, logarithmic"}
    figure = draw.panels(list(panels.values()), draw.Room(330, 280))
    color = plots.color("contractive")
    errors, mean = result.sweep.error, result.sweep.mean("error")
    for number, measure in enumerate(panels, 1):
        values = getattr(result.sweep, measure)
        figure.add_trace(
            draw.points(number, errors.ravel(), values.ravel(), "one seed", plots.color("denoising"), size=6)
        )
        path = draw.line(number, mean, values.mean(1), "mean", color, mode="lines+markers+text", hover="%{y:.3g}")
        names = [f"{weight:g}" for weight in result.settings.weights]
        figure.add_trace(
            path.update(
                text=[f"  {name}" for name in names],
                textposition="middle right",
                marker={"symbol": "diamond", "size": 11},
            )
        )
        kind = {"type": "log", "dtick": 1} if measure == "squared_norm" else {"rangemode": "tozero"}
        draw.set_axes(figure, number, {"title": {"text": "reconstruction error per digit"}}, kind)
    figure.update_layout(showlegend=False)
    caption = (
        "Along the line the weight grows, as written beside the marks; small blue points are single seeds. Lower is"
        " steadier, further left more exact. The raw norm keeps falling where the scale-free figure hardly does: part"
        " of the fall is a code that merely became smaller."
    )
    return Picture("plane", "Error against sensitivity", caption, figure)


TOPIC = Topic(
    name="weight-tradeoff",
    title="What a weight buys, and what it costs",
    line="error against sensitivity for weights from 0.001 to 1, raw and scale-free",
    why=(
        "One network (64-64-32, sigmoid encoder, untied decoder), one budget and the same seeds for every weight of"
        " ‖J_f‖², for a reconstruction error summed over the 64 pixels. Small weights are nearly free: they remove"
        " sensitivity that reconstruction had no use for. Large ones must give up what tells digits apart.",
        "The scale-free figure divides the movement of the code by its spread, and the noise by that of the data; 1"
        " means that noise moves the code as much as it moves the data.",
    ),
    sources=(
        "Rifai, Vincent, Muller, Glorot, Bengio (2011): Contractive auto-encoders: explicit invariance during feature"
        " extraction. ICML.",
    ),
    run=lambda quick, seed: weight_tradeoff(quick=quick, seed=seed),
)
