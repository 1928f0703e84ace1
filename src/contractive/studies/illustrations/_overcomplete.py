"""A code wider than the data: the identity without a penalty, and what keeps it away."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import plotly.graph_objects as go
import torch
from torch import Tensor

from contractive import plots
from contractive.jacobian import jacobian, squared_norm
from contractive.models import Autoencoder, mlp, tied
from contractive.objectives import Objective, contractive, reconstruction_contractive, standard
from contractive.studies.illustrations import _draw as draw
from contractive.studies.illustrations._networks import Budget, seeded
from contractive.studies.illustrations._topic import Illustration, Table, Values

_RADIUS = 1.5
_REACH = 2.5


@dataclass(frozen=True)
class Settings:
    """Settings of this illustration."""

    rows: int = 1024  # points on the ring
    noise: float = 0.05  # standard deviation of their noise in the plane
    test_rows: int = 1000  # fresh points of the ring, and as many of uniform noise
    code: int = 64  # code units, for two inputs
    weight: float = 0.1  # of each penalty
    budget: Budget = field(default=Budget(100, 64, 1e-2))  # of every fit


QUICK = Settings(rows=512, test_rows=400, budget=Budget(20, 64, 3e-2))


@dataclass(frozen=True)
class Kind:
    """A network with its objective, by words and colour."""

    words: str
    color: str
    tied: bool
    objective: Objective


@dataclass(frozen=True)
class Measured:
    """Errors and distances of one network, on the ring and away from it."""

    data_error: float  # mean squared reconstruction error of fresh points of the ring
    noise_error: float  # the same of uniform noise in the square around it
    # mean of ||J_r - I||_F^2 / 2 on the ring: 0 for the identity, 1 for a constant, 1/2 for the projection onto the
    # tangent
    data_distance: float
    noise_distance: float  # the same at the noise
    squared_norm: float  # mean of ||J_f||^2 on the ring
    output: np.ndarray  # what becomes of the noise, (rows, 2)


@dataclass(frozen=True)
class Overcomplete(Illustration):
    """Five networks with a code far wider than the data."""

    topic: ClassVar[str] = "overcomplete"
    settings: Settings
    noise: np.ndarray  # uniform points in the square, (rows, 2)
    ring: np.ndarray  # fresh points of the data, (rows, 2)
    measured: dict[str, Measured]  # by the names of `kinds`

    @property
    def numbers(self) -> Values:
        found = self.measured
        tied, penalised, whole = (found[name] for name in ("tied", "tied-contractive", "reconstruction"))
        return {
            **{"code": self.settings.code, "untied": found["untied-contractive"]},
            **{"tied": tied, "penalised": penalised, "tied_ratio": penalised.noise_error / tied.noise_error},
            **{"whole": whole, "ratio": whole.noise_error / found["untied"].noise_error},
        }

    @property
    def table(self) -> Table:
        rows = []
        for name, kind in _kinds(self.settings.weight).items():
            found = self.measured[name]
            errors = (f"{found.data_error:.2g}", f"{found.noise_error:.2g}")
            distances = (f"{found.data_distance:.3f}", f"{found.noise_distance:.3f}")
            rows.append((kind.words, *errors, *distances, f"{found.squared_norm:.3g}"))
        headings = ("network", "error on data", "error on noise", "‖J_r − I‖²/2 on data", "on noise", "‖J_f‖² on data")
        return Table(
            headings, tuple(rows), "0 is the identity, 1 a constant, 1/2 a projection onto the tangent of the ring."
        )

    def figures(self) -> dict[str, go.Figure]:
        kinds = _kinds(self.settings.weight)
        shown = ("tied", "tied-contractive", "untied-contractive", "reconstruction")
        titles = [plots.colored(kinds[name].words, kinds[name].color) for name in shown]
        figure = draw.panels(titles, 330, 300, axis=False)
        for number, name in enumerate(shown, 1):
            clouds = {"noise": (self.noise, "rgba(139, 135, 148, 0.35)")}
            clouds["output"] = (self.measured[name].output, kinds[name].color)
            for what, (rows, color) in clouds.items():
                figure.add_trace(draw.points(number, rows[:, 0], rows[:, 1], what, color, size=3.5))
            draw.square(figure, number, _REACH * 1.05)
        return {"clouds": figure}


def overcomplete(*, quick: bool = False, seed: int = 0) -> Overcomplete:
    """Train networks with a code far wider than the data on a noisy ring and feed them uniform noise."""
    settings = QUICK if quick else Settings()
    generator = torch.Generator().manual_seed(seed)
    x, fresh = (_ring(rows, settings.noise, generator) for rows in (settings.rows, settings.test_rows))
    noise = _REACH * (2 * torch.rand(settings.test_rows, 2, generator=generator) - 1)
    measured = {
        name: _measured(_trained(x, kind, settings, seed), fresh, noise)
        for name, kind in _kinds(settings.weight).items()
    }
    return Overcomplete(settings, noise.numpy(), fresh.numpy(), measured)


def _kinds(weight: float) -> dict[str, Kind]:
    gray, own, other = plots.color("standard"), plots.color("contractive"), plots.color("denoising")
    whole = plots.color("reconstruction_contractive")
    return {
        "tied": Kind("standard, tied", gray, True, standard()),
        "tied-contractive": Kind("penalty on J_f, tied", own, True, contractive(weight)),
        "untied": Kind("standard, untied", gray, False, standard()),
        "untied-contractive": Kind("penalty on J_f, untied", other, False, contractive(weight)),
        "reconstruction": Kind("penalty on J_r, untied", whole, False, reconstruction_contractive(weight)),
    }


def _ring(rows: int, noise: float, generator: torch.Generator) -> Tensor:
    angle = 2 * torch.pi * torch.rand(rows, generator=generator)
    circle = _RADIUS * torch.stack([angle.cos(), angle.sin()], 1)
    return circle + noise * torch.randn(rows, 2, generator=generator)


def _trained(x: Tensor, kind: Kind, settings: Settings, seed: int) -> Autoencoder:
    def build() -> Autoencoder:
        if kind.tied:
            return tied(2, settings.code, activation="tanh", output="linear")
        return mlp(2, code=settings.code, activation="tanh", output="linear")

    return settings.budget.train(seeded(build, seed), x, kind.objective, seed)


@torch.no_grad()
def _measured(r: Autoencoder, fresh: Tensor, noise: Tensor) -> Measured:
    output = r(noise)
    return Measured(
        data_error=float((r(fresh) - fresh).square().sum(1).mean()),
        noise_error=float((output - noise).square().sum(1).mean()),
        data_distance=_from_identity(r, fresh),
        noise_distance=_from_identity(r, noise),
        squared_norm=float(squared_norm(r.encoder, fresh, method="exact").mean()),
        output=output.numpy(),
    )


def _from_identity(r: Autoencoder, x: Tensor) -> float:
    return float((jacobian(r, x) - torch.eye(2)).square().sum((1, 2)).mean() / 2)
