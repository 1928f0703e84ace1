"""Denoising with small noise penalises the Jacobian of the whole reconstruction, plus a second term."""

from dataclasses import dataclass, field
from typing import ClassVar

import plotly.graph_objects as go
import torch
from torch import Tensor
from torch.func import grad, vjp, vmap

from contractive import plots
from contractive.analysis import spread_rows
from contractive.data import load
from contractive.jacobian import squared_norm
from contractive.models import Autoencoder, mlp
from contractive.objectives import standard
from contractive.studies.illustrations import _draw as draw
from contractive.studies.illustrations._networks import Budget, seeded
from contractive.studies.illustrations._topic import Illustration, Table, Values

_COLORS = {
    "measured": plots.color("denoising"),
    "formula": plots.color("contractive"),
    "reconstruction": "#a39b2c",
    "encoder": draw.NEUTRAL,
}
_DIRECTIONS_AT_ONCE = 16


@dataclass(frozen=True)
class Settings:
    """Settings of this illustration."""

    epochs: tuple[int, ...] = (0, 3, 20, 100)  # after which the network is looked at; 0 is before training
    test_rows: int = 100  # test digits it is looked at with
    sigmas: tuple[float, ...] = (0.3, 0.1, 0.03, 0.01)  # standard deviations of the noise, pixels lie in [0, 1]
    rotations: int = 4  # random sets of orthogonal directions per digit
    code: int = 64  # code units, as many hidden ones
    budget: Budget = field(default=Budget(0, 32, 3e-3))  # batch size and rate of each stretch of training


QUICK = Settings(epochs=(0, 3, 15), test_rows=25, sigmas=(0.1, 0.01), rotations=1)


@dataclass(frozen=True)
class Stage:
    """Means over the test digits after some training, in float64."""

    epochs: int  # passes over the data so far
    error: float  # ||r(x) - x||^2
    squared_norm: float  # ||J_r||^2
    second: float  # (r(x) - x) . Laplacian r(x)
    encoder: float  # ||J_f||^2, of the encoder alone
    measured: tuple[float, ...]  # (E||r(x+e) - x||^2 - ||r(x) - x||^2) / sigma^2, one per sigma

    @property
    def formula(self) -> float:
        """||J_r||^2 + (r(x) - x) . Laplacian r(x), to which `measured` tends."""
        return self.squared_norm + self.second

    @property
    def disagreement(self) -> float:
        """Relative difference of the measurement at the smallest sigma from the formula."""
        return abs(self.measured[-1] / self.formula - 1)

    @property
    def share(self) -> float:
        """Size of the second term relative to the first."""
        return abs(self.second) / self.squared_norm


@dataclass(frozen=True)
class DenoisingLink(Illustration):
    """What small noise adds to the loss, before, during and after training."""

    topic: ClassVar[str] = "denoising-link"
    settings: Settings
    stages: tuple[Stage, ...]  # in the order of training

    @property
    def numbers(self) -> Values:
        first, last = self.stages[0], self.stages[-1]
        return {
            "sigma": self.settings.sigmas[-1],
            "worst": 100 * max(stage.disagreement for stage in self.stages),
            **{"first": first, "first_share": 100 * first.share, "first_factor": first.encoder / first.formula},
            **{"last": last, "last_share": 100 * last.share, "last_factor": last.encoder / last.formula},
        }

    @property
    def table(self) -> Table:
        rows = []
        for stage in self.stages:
            terms = (f"{stage.squared_norm:.4f}", f"{stage.second:+.4f}", f"{stage.formula:.4f}")
            measured = (f"{value:.4f}" for value in stage.measured)
            rows.append((str(stage.epochs), f"{stage.error:.4g}", *terms, *measured, f"{stage.encoder:.3f}"))
        measured = (f"measured, σ {sigma:g}" for sigma in self.settings.sigmas)
        return Table(("epochs", "error", "‖J_r‖²", "(r−x)·Δr", "sum", *measured, "‖J_f‖²"), tuple(rows))

    def figures(self) -> dict[str, go.Figure]:
        sigmas = self.settings.sigmas
        when = ["before training" if not stage.epochs else f"after {stage.epochs} epochs" for stage in self.stages]
        titles = [f"{text}, error {stage.error:.2g}" for text, stage in zip(when, self.stages, strict=True)]
        names = {"measured": "measured", "formula": "formula", "reconstruction": "‖J_r‖² alone", "encoder": "‖J_f‖²"}
        figure = draw.panels(titles, 250, 230, names.values())
        for number, stage in enumerate(self.stages, 1):
            levels = {"encoder": stage.encoder, "reconstruction": stage.squared_norm, "formula": stage.formula}
            for what, value in levels.items():
                width, dash = (6, "solid") if what == "formula" else (2, "dash")
                ends = [sigmas[-1] / 1.4, sigmas[0] * 1.4]
                style = {"width": width, "dash": dash, "legend": number == 1}
                trace = draw.line(number, ends, [value, value], names[what], _COLORS[what], **style)
                figure.add_trace(trace.update(opacity=0.45 if what == "formula" else 1))
            style = {"mode": "lines+markers", "symbol": "square", "legend": number == 1}
            figure.add_trace(draw.line(number, sigmas, stage.measured, "measured", _COLORS["measured"], **style))
            ticks = {"tickvals": list(sigmas), "ticktext": [f"{sigma:g}" for sigma in sigmas]}
            across = {"title": {"text": "sigma of the noise"}, "type": "log", **ticks}
            draw.set_axes(figure, number, across, {"rangemode": "tozero"})
        return {"limits": figure}


def denoising_link(*, quick: bool = False, seed: int = 0) -> DenoisingLink:
    """Measure what small Gaussian noise adds to the reconstruction error of digits, and compare with the formula."""
    settings = QUICK if quick else Settings()
    split = load("digits")
    x = torch.from_numpy(split.train).double()
    test = spread_rows(torch.from_numpy(split.test).double(), settings.test_rows)
    width = settings.code
    net = seeded(lambda: mlp(64, hidden=(width,), code=width, decoder_activation="sigmoid"), seed)
    autoencoder = net.double().eval()
    stages, done = [], 0
    for epochs in settings.epochs:
        if epochs > done:
            stretch = Budget(epochs - done, settings.budget.batch_size, settings.budget.learning_rate)
            stretch.train(autoencoder, x, standard(), seed + done)
            done = epochs
        stages.append(_stage(autoencoder, test, epochs, settings, seed))
    return DenoisingLink(settings, tuple(stages))


@torch.no_grad()
def _stage(r: Autoencoder, x: Tensor, epochs: int, settings: Settings, seed: int) -> Stage:
    away = r(x) - x
    norms = [float(squared_norm(f, x, method="exact").mean()) for f in (r, r.encoder)]
    generator = torch.Generator().manual_seed(seed)
    measured = [float(effect_of_noise(r, x, sigma, settings.rotations, generator).mean()) for sigma in settings.sigmas]
    second = float(laplacian_along(r, x, away).mean())
    return Stage(epochs, float(away.square().sum(1).mean()), norms[0], second, norms[1], tuple(measured))


def laplacian_along(r: Autoencoder, x: Tensor, direction: Tensor) -> Tensor:
    """Direction . Laplacian r(x) per row: exact, as the trace of the Hessian of direction . r, by two backward passes.

    Args:
        r: Row-wise map.
        x: (rows, features).
        direction: Held fixed, in the shape of r(x).
    """
    slope = grad(lambda at: (direction * r(at)).sum())
    pull_back = vjp(slope, x)[1]

    def curvature(axis: Tensor) -> Tensor:
        return (pull_back(axis.expand_as(x))[0] * axis).sum(1)

    basis = torch.eye(x.shape[1], dtype=x.dtype)
    return vmap(curvature, chunk_size=_DIRECTIONS_AT_ONCE)(basis).sum(0)


def effect_of_noise(r: Autoencoder, x: Tensor, sigma: float, rotations: int, generator: torch.Generator) -> Tensor:
    """Estimate (E||r(x+e) - x||^2 - ||r(x) - x||^2) / sigma^2 per row, e ~ N(0, sigma^2 I), without bias.

    The noise is drawn along the axes of random rotations, forwards and backwards, with radius^2 / sigma^2 from a
    chi-square of d + 2 degrees of freedom and each value divided by that: unbiased as independent draws are, and
    without any error for functions of the third degree, so what is left at small sigma is the formula's own remainder.

    References:
        Genz, Monahan (1998): Stochastic integration rules for infinite regions. SIAM J. Sci. Comput. 19, degree 3.
    """
    rows, d = x.shape
    base = (r(x) - x).square().sum(1)
    total = torch.zeros(rows, dtype=x.dtype)
    for _ in range(rotations):
        axes, _ = torch.linalg.qr(torch.randn(d, d, dtype=x.dtype, generator=generator))
        squared = torch.randn(rows, d + 2, dtype=x.dtype, generator=generator).square().sum(1)
        steps = sigma * squared.sqrt()[:, None, None] * axes  # (rows, d, d)
        for sign in (1, -1):
            moved = r((x[:, None] + sign * steps).reshape(-1, d)).reshape(rows, d, d)
            excess = (moved - x[:, None]).square().sum(2) - base[:, None]
            total += excess.sum(1) / (2 * squared)
    return total / (rotations * sigma**2)
