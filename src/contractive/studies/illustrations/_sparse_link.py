"""Sparse codes have small Jacobians, and what is left of that after rescaling."""

from dataclasses import dataclass, field

from contractive import plots
from contractive.models import tied
from contractive.objectives import sparse
from contractive.studies.illustrations import _draw as draw
from contractive.studies.illustrations._networks import Budget
from contractive.studies.illustrations._sweep import Sweep, sweep
from contractive.studies.illustrations._topic import Table, Tile, Topic
from contractive.studies.pages import Picture

_NEARLY = 1.5  # the fall of ||J||^2 over that of the scale-free figure
_NOT_FOLLOWED = "But scale-free sensitivity does not follow"
_REASON = " Noise moves a sparse code less mainly because the code itself varies less."


@dataclass(frozen=True)
class Settings:
    """Of this illustration.

    Attributes:
        weights: Of the KL divergence; 0 is the standard autoencoder.
        target: Mean activation that is asked for.
        code: Code units, tied.
        seeds: Fits per weight.
        budget: Of every fit.
    """

    weights: tuple[float, ...] = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
    target: float = 0.05
    code: int = 64
    seeds: int = 3
    budget: Budget = field(default=Budget(30, 32, 3e-3))


FULL = Settings()
QUICK = Settings(weights=(0.0, 0.1, 1.0), seeds=1, budget=Budget(12, 32, 6e-3))


@dataclass(frozen=True)
class SparseLink:
    """Sparsity and contraction for growing weights of a sparsity penalty.

    Attributes:
        settings: How it was made.
        sweep: The measures.
    """

    settings: Settings
    sweep: Sweep

    @property
    def finding(self) -> str:
        """What the numbers say."""
        active, norm, free, slope, size = (
            self.sweep.mean(name) for name in ("activation", "squared_norm", "scale_free", "slope", "weights")
        )
        gain = norm[0] / norm[-1] / (free[0] / free.min())
        follows = gain < _NEARLY
        verdict = "And scale-free sensitivity falls nearly as much" if follows else _NOT_FOLLOWED
        reason = "" if follows else _REASON
        return (
            f"With nothing but a sparsity penalty, mean activation falls from {active[0]:.2f} to {active[-1]:.2f} and"
            f" ‖J‖² {norm[0] / norm[-1]:.1f}-fold: units that are mostly off sit where the sigmoid is flat (squared"
            f" slopes {slope[0] / slope[-1]:.0f} times smaller, against weights {size[-1] / size[0]:.1f} times"
            f" larger). {verdict}: {free[0]:.2f} without, {free.min():.2f} at best,"
            f" {free[-1]:.2f} with the largest weight.{reason}"
        )

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """The few numbers that matter most."""
        active, norm, free, slope = (
            self.sweep.mean(name) for name in ("activation", "squared_norm", "scale_free", "slope")
        )
        return (
            Tile(f"{active[-1]:.2f}", "mean activation", f"{active[0]:.2f} without, target {self.settings.target:g}"),
            Tile(f"{norm[0] / norm[-1]:.1f}×", "smaller ‖J‖²", f"{norm[0]:.3g} to {norm[-1]:.3g}"),
            Tile(f"{slope[0] / slope[-1]:.0f}×", "smaller squared slopes", f"{slope[0]:.2g} to {slope[-1]:.2g}"),
            Tile(f"{free[-1] / free[0]:.2f}×", "scale-free sensitivity", f"{free[0]:.2f} to {free[-1]:.2f}"),
        )

    @property
    def table(self) -> Table:
        """Mean and standard deviation over seeds."""
        measures = ("activation", "error", "squared_norm", "slope", "weights", "sensitivity", "scale_free")
        rows = tuple(
            (f"{weight:g}", *(self.sweep.text(measure, at) for measure in measures))
            for at, weight in enumerate(self.settings.weights)
        )
        headings = (
            "weight",
            "mean activation",
            "error",
            "‖J‖²",
            "squared slope",
            "‖W_j‖²",
            "sensitivity, raw",
            "scale-free",
        )
        return Table(headings, rows, f"Mean ± standard deviation over {self.settings.seeds} seeds, test digits.")

    def pictures(self) -> tuple[Picture, ...]:
        """Norm and scale-free sensitivity against mean activation."""
        return (_against_activation(self),)


def sparse_link(*, quick: bool = False, seed: int = 0) -> SparseLink:
    """Train tied sigmoid autoencoders of digits with growing sparsity weights; measure their Jacobians."""
    settings = QUICK if quick else FULL
    return SparseLink(
        settings,
        sweep(
            lambda: tied(64, settings.code),
            lambda weight: sparse(weight, target=settings.target),
            settings.weights,
            settings.budget,
            settings.seeds,
            seed,
        ),
    )


def _against_activation(result: SparseLink) -> Picture:
    panels = {"squared_norm": "‖J‖², raw", "scale_free": "Sensitivity, scale-free"}
    figure = draw.panels(list(panels.values()), draw.Room(320, 270))
    color = plots.color("sparse")
    x = result.sweep.activation
    for number, measure in enumerate(panels, 1):
        values = getattr(result.sweep, measure)
        figure.add_trace(draw.points(number, x.ravel(), values.ravel(), "one seed", draw.NEUTRAL, size=6))
        path = draw.line(number, x.mean(1), values.mean(1), "mean", color, mode="lines+markers+text", hover="%{y:.3g}")
        names = [f"{weight:g}" for weight in result.settings.weights]
        figure.add_trace(
            path.update(
                text=[f"  {name}" for name in names],
                textposition="middle right" if number == 1 else "top left",
                marker={"symbol": "triangle-up", "size": 11},
            )
        )
        draw.set_axes(
            figure,
            number,
            {"title": {"text": "mean activation (sparser to the right)"}, "range": [0.56, 0]},
            {"rangemode": "tozero"},
        )
    figure.update_layout(showlegend=False)
    caption = (
        "Along the line the weight of the sparsity penalty grows, as written beside the marks; small points are"
        " single seeds. No Jacobian is in the objective, and yet ‖J‖² falls steadily. Divided by the spread of the"
        " code, which shrinks too, little of the fall is left."
    )
    return Picture("activation", "Sparser codes, smaller Jacobians", caption, figure)


TOPIC = Topic(
    name="sparse-link",
    title="Do sparse codes contract?",
    line="a sparsity penalty makes ‖J‖ small, though hardly so when the code's spread is taken into account",
    why=(
        "Row j of a sigmoid layer's Jacobian is h_j (1 − h_j) W_j. A unit that is mostly near 0 has a small slope"
        " there, so sparse codes are contractive codes without anybody asking for it, as Rifai et al. noted.",
        "Two things work against this slogan: the units that are on must carry all information, which they do with"
        " larger weights; and a sparse code also varies less. Whether noise moves it less relative to that variation is"
        " another question, which only a scale-free figure answers.",
    ),
    sources=(
        "Rifai, Vincent, Muller, Glorot, Bengio (2011): Contractive auto-encoders: explicit invariance during feature"
        " extraction. ICML.",
        "Ng (2011): Sparse autoencoder. CS294A lecture notes, Stanford.",
    ),
    run=lambda quick, seed: sparse_link(quick=quick, seed=seed),
)
