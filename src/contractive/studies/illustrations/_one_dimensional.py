"""A contractive reconstruction of points on a line: flat at the data, steep between them."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar

import numpy as np
import plotly.graph_objects as go
import torch
from torch import Tensor

from contractive import plots
from contractive.jacobian import jacobian
from contractive.models import Autoencoder, mlp
from contractive.objectives import denoising, reconstruction_contractive, standard
from contractive.studies.illustrations import _draw as draw
from contractive.studies.illustrations._networks import Budget, placed, seeded
from contractive.studies.illustrations._topic import Illustration, Table, Values

CENTRES = (-2.0, -0.6, 0.7, 2.2)
_REACH = 3.0
_COLORS = {kind: plots.color(kind) for kind in ("standard", "contractive", "denoising")}


@dataclass(frozen=True)
class Settings:
    """Settings of this illustration."""

    rows: int = 256  # points on the line, a quarter of them in each cluster
    spread: float = 0.05  # standard deviation within a cluster
    code: int = 48  # code units, far more than the one input
    weight: float = 0.03  # of the squared slope of r
    sigma: float = 0.3  # of the noise for the denoising one
    budget: Budget = field(default=Budget(60, 64, 1e-2))  # passes over sixteen copies of the points


QUICK = Settings(budget=Budget(10, 64, 1e-2))


@dataclass(frozen=True)
class Curve:
    """A reconstruction function on the line."""

    values: np.ndarray  # r on the grid
    fixed_points: np.ndarray  # where r(x) = x, by sign changes of r(x) - x on the grid, between its ends
    slopes: np.ndarray  # r' at the fixed points; those below 1 in size attract
    centre_slopes: np.ndarray  # r' at the clusters' centres

    @property
    def attracting(self) -> np.ndarray:
        """Fixed points to which repeated reconstruction leads."""
        return self.fixed_points[np.abs(self.slopes) < 1]

    @property
    def repelling(self) -> np.ndarray:
        """Fixed points from which it leads away."""
        return self.fixed_points[np.abs(self.slopes) >= 1]


@dataclass(frozen=True)
class OneDimensional(Illustration):
    """Three reconstruction functions of the same clusters on a line."""

    topic: ClassVar[str] = "one-dimensional"
    settings: Settings
    data: np.ndarray  # the points
    grid: np.ndarray  # where the curves are evaluated
    curves: dict[str, Curve]  # by kind: standard, contractive, denoising
    denoising_optimum: np.ndarray  # E[x | x + e] on the grid, which the best possible denoiser computes

    @property
    def expected_slope(self) -> float:
        """s^2 / (s^2 + weight): the slope of the best straight r for one cluster of variance s^2."""
        variance = self.settings.spread**2
        return variance / (variance + self.settings.weight)

    @property
    def distance(self) -> float:
        """From a cluster's centre to the nearest attracting fixed point, the largest of the four."""
        attracting = self.curves["contractive"].attracting
        return max((float(np.abs(attracting - c).min()) if len(attracting) else np.inf) for c in CENTRES)

    @property
    def expansion(self) -> float:
        """Steepest slope of the contractive r in each gap between clusters, the smallest of the three."""
        slope = np.gradient(self.curves["contractive"].values, self.grid)
        gaps = [(self.grid > low) & (self.grid < high) for low, high in pairwise(CENTRES)]
        return min(float(slope[gap].max()) for gap in gaps)

    def detour(self, kind: str) -> float:
        """Largest |r(x) - x| between the outer clusters."""
        inside = (self.grid >= CENTRES[0]) & (self.grid <= CENTRES[-1])
        return float(np.abs(self.curves[kind].values - self.grid)[inside].max())

    @property
    def numbers(self) -> Values:
        contractive, plain = self.curves["contractive"], self.curves["standard"].centre_slopes
        return {
            "attracting": len(contractive.attracting),
            "clusters": len(CENTRES),
            "distance": self.distance,
            "slope": np.abs(contractive.centre_slopes).max(),
            "theory": self.expected_slope,
            "expansion": self.expansion,
            **{"low": plain.min(), "mean": plain.mean(), "high": plain.max()},
            **{"detour": self.detour("contractive"), "detour_standard": self.detour("standard")},
        }

    @property
    def table(self) -> Table:
        rows = []
        for kind in ("contractive", "denoising"):
            for at, slope in zip(self.curves[kind].fixed_points, self.curves[kind].slopes, strict=True):
                nearest = min(abs(at - centre) for centre in CENTRES)
                which = "attracts" if abs(slope) < 1 else "repels"
                rows.append((kind, f"{at:.3f}", f"{slope:.2f}", which, f"{nearest:.3f}"))
        headings = ("map", "fixed point x", "slope there", "which", "distance to nearest cluster")
        return Table(headings, tuple(rows), f"Clusters are centred at {', '.join(map(str, CENTRES))}.")

    def figures(self) -> dict[str, go.Figure]:
        titles = [plots.colored(kind, _COLORS[kind]) for kind in ("standard", "contractive")]
        curves = draw.panels(titles, 330, 290)
        for number, kind in enumerate(("standard", "contractive"), 1):
            curve, color = self.curves[kind], _COLORS[kind]
            ends, at_the_bottom = [-_REACH, _REACH], [-0.97 * _REACH] * len(self.data)
            drawn = [
                draw.line(number, ends, ends, "identity", draw.NEUTRAL, dash="dot", width=1.5),
                draw.line(number, self.grid, curve.values, kind, color, width=3),
                draw.points(number, self.data, at_the_bottom, "data", draw.NEUTRAL, size=8, symbol="line-ns-open"),
            ]
            for found, marker in ((curve.attracting, "circle"), (curve.repelling, "circle-open")):
                drawn.append(draw.points(number, found, found, kind, color, size=11, symbol=marker, line={"width": 2}))
            curves.add_traces(drawn)
            whole = {"range": [-_REACH, _REACH]}
            draw.set_axes(curves, number, {"title": {"text": "x"}, **whole}, {"title": {"text": "r(x)"}, **whole})
        names = ["standard", "contractive", "denoising", "best possible denoising"]
        moves = draw.panels(["How far r moves a point: r(x) − x"], 300, 260, names)
        for kind, curve in self.curves.items():
            moves.add_trace(draw.line(1, self.grid, curve.values - self.grid, kind, _COLORS[kind]))
        best = self.denoising_optimum - self.grid
        moves.add_trace(draw.line(1, self.grid, best, names[-1], _COLORS["denoising"], dash="dot", width=1.8))
        ends = [-_REACH, _REACH]
        moves.add_trace(draw.line(1, ends, [0, 0], "fixed", draw.NEUTRAL, dash="dot", width=1.5, legend=False))
        x = {"title": {"text": "x"}, "range": [-_REACH, _REACH]}
        draw.set_axes(moves, 1, x, {"title": {"text": "r(x) − x"}})
        return {"curves": curves, "moves": moves}


def one_dimensional(*, quick: bool = False, seed: int = 0) -> OneDimensional:
    """Train a standard, a contractive and a denoising reconstruction of four clusters on a line and compare them.

    The penalty is on the slope of the whole reconstruction r = g(f(x)): that is what is drawn.
    """
    settings = QUICK if quick else Settings()
    x = _data(settings, seed)
    objectives = {
        "standard": standard(),
        "contractive": reconstruction_contractive(settings.weight),
        "denoising": denoising(settings.sigma),
    }
    grid = torch.linspace(-_REACH, _REACH, 1201)[:, None]
    curves = {}
    for kind, objective in objectives.items():
        autoencoder = seeded(lambda: mlp(1, code=settings.code, activation="tanh", output="linear"), seed)
        placed(autoencoder, torch.linspace(-_REACH, _REACH, settings.code)[:, None], 2.0, seed)
        curves[kind] = _curve(settings.budget.train(autoencoder, x.repeat(16, 1), objective, seed), grid)
    optimum = denoising_optimum(grid.flatten().double().numpy(), settings.spread, settings.sigma)
    return OneDimensional(settings, x.flatten().numpy(), grid.flatten().numpy(), curves, optimum)


def denoising_optimum(y: np.ndarray, spread: float, sigma: float) -> np.ndarray:
    """E[x | x + e = y] for the mixture of clusters and e ~ N(0, sigma^2): the best reconstruction from y."""
    gap = y[:, None] - np.array(CENTRES)
    variance = spread**2 + sigma**2
    logits = -(gap**2) / (2 * variance)
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    return (shares * (np.array(CENTRES) + spread**2 / variance * gap)).sum(1)


def _data(settings: Settings, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    cluster = torch.arange(settings.rows) % len(CENTRES)
    noise = torch.randn(settings.rows, generator=generator)
    return (torch.tensor(CENTRES)[cluster] + settings.spread * noise)[:, None]


@torch.no_grad()
def _curve(r: Autoencoder, grid: Tensor) -> Curve:
    away = (r(grid) - grid).flatten()
    before = (away[:-1] * away[1:] < 0).nonzero().flatten()
    share = away[before] / (away[before] - away[before + 1])  # the crossing, on a straight line between the two
    crossings = grid[before] + share[:, None] * (grid[before + 1] - grid[before])
    slopes = jacobian(r, crossings).flatten() if len(crossings) else crossings.flatten()
    at_centres = jacobian(r, torch.tensor(CENTRES)[:, None]).flatten()
    numbers = ((away + grid.flatten()), crossings.flatten(), slopes, at_centres)
    return Curve(*(tensor.double().numpy() for tensor in numbers))
