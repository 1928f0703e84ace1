"""The directions that the penalty gives up first: those in which the data vary little."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import plotly.graph_objects as go
import torch
from torch import Tensor

from contractive import plots
from contractive.jacobian import jacobian
from contractive.models import tied
from contractive.objectives import contractive
from contractive.studies.illustrations import _draw as draw
from contractive.studies.illustrations._networks import Budget, seeded
from contractive.studies.illustrations._topic import Illustration, Table, Values

_COLORS = {"u1": plots.color("contractive"), "u2": plots.color("denoising")}
_WORDS = {"u1": "‖J u₁‖, much variance", "u2": "‖J u₂‖, little"}


@dataclass(frozen=True)
class Settings:
    """Settings of this illustration."""

    rows: int = 2048  # points in the plane
    spreads: tuple[float, float] = (1.0, 0.2)  # standard deviations along u1 and u2
    turn: float = 30.0  # angle of u1 to the first axis, degrees: neither direction is a feature
    code: int = 8  # code units, more than the two inputs
    weights: tuple[float, ...] = (0.0, 0.003, 0.01, 0.03, 0.05, 0.1, 0.3, 1.0, 3.0)  # of ||J_f||^2
    budget: Budget = field(default=Budget(20, 64, 2e-2))  # of every fit


QUICK = Settings(rows=1024, weights=(0.0, 0.01, 0.05, 0.3), budget=Budget(16, 64, 2e-2))


@dataclass(frozen=True)
class PrincipalDirections(Illustration):
    """||J u|| along two directions as a function of the weight."""

    topic: ClassVar[str] = "principal-directions"
    settings: Settings
    # by activation of the tied encoder, `linear` or `tanh`: (weights, 2), the root mean square over the data
    norms: dict[str, np.ndarray]
    theory: np.ndarray  # (weights, 2) for the linear one
    errors: dict[str, np.ndarray]  # by activation: reconstruction error per example, (weights,)

    @property
    def at(self) -> int:
        """Position of the weight 0.05, at which the direction of little variance is nearly given up."""
        return self.settings.weights.index(0.05)

    @property
    def numbers(self) -> Values:
        plain, penalised, curved = self.norms["linear"][0], self.norms["linear"][self.at], self.norms["tanh"][self.at]
        least, most = (2 * spread**2 for spread in sorted(self.settings.spreads))
        return {
            **{"plain": plain, "plain_ratio": plain[0] / plain[1], "curved": curved},
            **{"penalised": penalised, "penalised_ratio": penalised[0] / penalised[1]},
            **{"least": least, "most": most, "gap": np.abs(self.norms["linear"] - self.theory).max()},
        }

    @property
    def table(self) -> Table:
        rows = tuple(
            (
                f"{weight:g}",
                *(f"{self.norms[kind][at, side]:.3f}" for kind in ("linear", "tanh") for side in (0, 1)),
                *(f"{value:.3f}" for value in self.theory[at]),
                *(f"{self.errors[kind][at]:.4f}" for kind in ("linear", "tanh")),
            )
            for at, weight in enumerate(self.settings.weights)
        )
        norms = (f"{kind} {direction}" for kind in ("linear", "tanh", "theory") for direction in ("u₁", "u₂"))
        note = "Error: squared, per example. A ratio of the two norms does not change with the code's scale."
        return Table(("weight", *norms, "error, linear", "error, tanh"), rows, note)

    def figures(self) -> dict[str, go.Figure]:
        weights = self.settings.weights[1:]  # the axis is logarithmic
        names = [*_WORDS.values(), "theory"]
        figure = draw.panels(["Linear encoder, tied", "tanh encoder, tied"], 320, 270, names)
        dense = np.geomspace(weights[0], weights[-1], 400)
        limits = theory(tuple(dense), self.settings.spreads)
        for number, kind in enumerate(("linear", "tanh"), 1):
            for side, (direction, color) in enumerate(_COLORS.items()):
                curve = self.norms[kind][:, side]
                symbol = "diamond" if side == 0 else "square"
                if kind == "linear":
                    line = draw.line(1, dense, limits[:, side], "theory", color, width=7, legend=side == 0)
                    figure.add_trace(line.update(opacity=0.28))
                style = {"mode": "lines+markers", "symbol": symbol, "legend": number == 1}
                figure.add_trace(draw.line(number, weights, curve[1:], _WORDS[direction], color, **style))
            across = {"title": {"text": "weight of the penalty"}, "type": "log", "dtick": 1}
            upwards = {"range": [-0.03, 1.08], "title": {"text": "‖J u‖" if number == 1 else ""}}
            draw.set_axes(figure, number, across, upwards)
        return {"norms": figure}


def principal_directions(*, quick: bool = False, seed: int = 0) -> PrincipalDirections:
    """Train tied encoders, linear and tanh, on a long thin cloud with growing weights; measure J along its axes."""
    settings = QUICK if quick else Settings()
    x, directions = _cloud(settings, seed)
    norms, errors = {}, {}
    for kind in ("linear", "tanh"):
        found = [_measured(x, directions, kind, weight, settings, seed) for weight in settings.weights]
        norms[kind] = np.array([pair for pair, _ in found])
        errors[kind] = np.array([error for _, error in found])
    return PrincipalDirections(settings, norms, theory(settings.weights, settings.spreads), errors)


def theory(weights: tuple[float, ...], spreads: tuple[float, ...]) -> np.ndarray:
    """||J u_i|| of the best linear tied autoencoder, (weights, directions).

    Along u_i with variance v it minimises v (1 - a^2)^2 + weight a^2 over a = ||J u_i||, so a^2 = 1 - weight / (2 v),
    or 0 where that is negative.
    """
    variances = np.square(spreads)
    return np.sqrt(np.maximum(0, 1 - np.array(weights)[:, None] / (2 * variances)))


def _cloud(settings: Settings, seed: int) -> tuple[Tensor, Tensor]:
    """Rows whose mean and covariance are exactly the stated ones, and the two directions as rows."""
    z = torch.randn(settings.rows, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    z = z - z.mean(0)
    whitening = torch.linalg.inv(torch.linalg.cholesky(z.T @ z / len(z)))
    turn = np.radians(settings.turn)
    directions = torch.tensor([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    x = z @ whitening.T * torch.tensor(settings.spreads) @ directions
    return x.float(), directions.float()


def _measured(
    x: Tensor, directions: Tensor, kind: str, weight: float, settings: Settings, seed: int
) -> tuple[np.ndarray, float]:
    autoencoder = seeded(lambda: tied(2, settings.code, activation=kind, output="linear"), seed)
    settings.budget.train(autoencoder, x, contractive(weight), seed)
    with torch.no_grad():
        answers = jacobian(autoencoder.encoder, x) @ directions.T  # (rows, code, 2)
        norms = answers.square().sum(1).mean(0).sqrt()
        error = (autoencoder(x) - x).square().sum(1).mean()
    return norms.numpy(), float(error)
