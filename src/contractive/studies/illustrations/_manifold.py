"""Tangents of a rolled-up sheet from the Jacobian of reconstruction."""

from copy import deepcopy
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import plotly.graph_objects as go
import torch
from torch import Tensor

from contractive import plots
from contractive.jacobian import jacobian
from contractive.models import Autoencoder, mlp
from contractive.objectives import Objective, reconstruction_contractive, standard
from contractive.studies.illustrations import _draw as draw
from contractive.studies.illustrations._networks import Budget, placed, seeded
from contractive.studies.illustrations._topic import Illustration, Table, Values
from contractive.studies.pages import percent

_SCALE = 4.0  # the roll is about 26 wide; this brings it to where tanh units work
_COLORS = {"standard": plots.color("standard"), "contractive": plots.color("contractive"), "encoder": "#a39b2c"}


@dataclass(frozen=True)
class Settings:
    """Settings of this illustration."""

    rows: int = 3000  # training points
    noise: float = 0.2  # standard deviation of their noise, where the roll is about 26 wide
    test_rows: int = 500  # points on the sheet itself, where the tangents are known
    code: int = 64  # code units; the encoder has as many hidden ones
    weight: float = 0.1  # of ||J_r||^2
    budget: Budget = field(default=Budget(100, 128, 5e-3))  # of both fits


QUICK = Settings(rows=1500, test_rows=200, budget=Budget(18, 64, 1.5e-2))


@dataclass(frozen=True)
class Manifold(Illustration):
    """Learned tangent planes of a swiss roll against true ones."""

    topic: ClassVar[str] = "manifold"
    settings: Settings
    points: np.ndarray  # (rows, 3) on the sheet, scaled as the network saw them
    true_normals: np.ndarray  # (rows, 3), of length 1
    # by map: the direction that the two leading right singular vectors of its Jacobian leave out
    normals: dict[str, np.ndarray]
    angles: dict[str, np.ndarray]  # by map, and for `random` planes: degrees between the two planes, per point
    singular_values: dict[str, np.ndarray]  # by map: mean over points, largest first

    @property
    def share(self) -> float:
        """Share of the points where the contractive map is within 10 degrees."""
        return float((self.angles["contractive"] < 10).mean())

    @property
    def numbers(self) -> Values:
        medians = {name: float(np.median(angles)) for name, angles in self.angles.items()}
        share, values = 100 * self.share, self.singular_values["contractive"]
        return {"points": len(self.points), "share": share, "values": values, **medians}

    @property
    def table(self) -> Table:
        words = {
            "contractive": "J_r, contractive",
            "encoder": "J_f of the same network",
            "standard": "J_r, standard",
            "random": "planes at random",
        }
        rows = tuple(
            (
                text,
                f"{np.median(self.angles[name]):.1f}°",
                f"{self.angles[name].mean():.1f}°",
                percent((self.angles[name] < 10).mean(), ".0f"),
                ", ".join(f"{value:.2f}" for value in self.singular_values.get(name, [])) or "–",
            )
            for name, text in words.items()
        )
        return Table(("tangents from", "median angle", "mean angle", "within 10°", "mean singular values"), rows)

    def figures(self) -> dict[str, go.Figure]:
        shown = ("standard", "contractive")
        sheet = draw.panels([plots.colored(name, _COLORS[name]) for name in shown], 430, 300, axis=False)
        for number, name in enumerate(shown, 1):
            grey = "rgba(139, 135, 148, 0.5)"
            sheet.add_trace(draw.points(number, self.points[:, 0], self.points[:, 2], "points", grey))
            x, y = _segments(self.points, self.normals[name])
            sheet.add_trace(draw.line(number, x, y, name, _COLORS[name], width=2.5, hover="").update(hoverinfo="skip"))
            draw.square(sheet, number, 4.3, 4.0)
        names = {"contractive": "J_r, contractive", "standard": "J_r, standard", "random": "planes at random"}
        angles = draw.panels(["Share of the points within an angle"], 290, 250, names.values())
        colors = _COLORS | {"random": draw.NEUTRAL}
        for name, text in names.items():
            ordered = np.sort(self.angles[name])
            share = 100 * np.arange(1, len(ordered) + 1) / len(ordered)
            dash = "dot" if name == "random" else "solid"
            hover = "%{y:.0f} % within %{x:.1f}°"
            angles.add_trace(draw.line(1, ordered, share, text, colors[name], dash=dash, hover=hover))
        across = {"title": {"text": "angle to the true tangent plane"}, "ticksuffix": "°", "range": [0, 90]}
        draw.set_axes(angles, 1, across, {"ticksuffix": " %", "range": [0, 102]})
        return {"sheet": sheet, "angles": angles}


def manifold(*, quick: bool = False, seed: int = 0) -> Manifold:
    """Learn a swiss roll with and without the penalty on J_r and compare learned tangents with true ones."""
    settings = QUICK if quick else Settings()
    x, _ = swiss_roll(settings.rows, settings.noise, seed)
    points, true = swiss_roll(settings.test_rows, 0.0, seed + 1000)
    plain = _trained(x, standard(), settings, seed)
    contractive = _trained(x, reconstruction_contractive(settings.weight), settings, seed)
    maps = {"contractive": contractive, "encoder": contractive.encoder, "standard": plain}
    jacobians = {name: jacobian(deepcopy(module).double(), points).detach() for name, module in maps.items()}
    spectra = {name: torch.linalg.svd(found, full_matrices=False) for name, found in jacobians.items()}
    normals = {name: found.Vh[:, 2].numpy() for name, found in spectra.items()}
    directions = np.random.default_rng(seed).normal(size=true.shape)
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    angles = {name: angle(found, true) for name, found in (normals | {"random": unit}).items()}
    values = {name: found.S.mean(0).numpy() for name, found in spectra.items()}
    return Manifold(settings, points.numpy(), true, normals, angles, values)


def swiss_roll(rows: int, noise: float, seed: int) -> tuple[Tensor, np.ndarray]:
    """Points of scikit-learn's swiss roll, scaled, and the unit normals of the sheet there, from its formula.

    The sheet is (t cos t, y, t sin t), so its tangents are (cos t - t sin t, 0, sin t + t cos t) and (0, 1, 0).
    """
    from sklearn.datasets import make_swiss_roll

    x, t = make_swiss_roll(rows, noise=noise, random_state=seed)
    normals = np.stack([np.sin(t) + t * np.cos(t), 0 * t, t * np.sin(t) - np.cos(t)], 1)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    middle = np.array([0, 10.5, 0])
    return torch.tensor((x - middle) / _SCALE), normals


def angle(normals: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Degrees between planes in three dimensions given by unit normals, 0 to 90: their largest principal angle."""
    cosines = np.abs((normals * others).sum(1))
    return np.degrees(np.arccos(np.clip(cosines, 0, 1)))


def _trained(x: Tensor, objective: Objective, settings: Settings, seed: int) -> Autoencoder:
    units = settings.code
    autoencoder = seeded(
        lambda: mlp(3, hidden=(units,), code=units, activation="tanh", decoder_activation="tanh", output="linear"), seed
    )
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    placed(autoencoder, x[order[:units]].float(), 1.5, seed)
    return settings.budget.train(autoencoder, x.float(), objective, seed)


def _segments(points: np.ndarray, normals: np.ndarray, length: float = 0.55) -> tuple[list, list]:
    """Strokes along the cut of each plane with y = 0, at evenly spread points, as x and y with gaps."""
    chosen = np.argsort(np.hypot(points[:, 0], points[:, 2]))[:: max(1, len(points) // 100)]
    direction = np.stack([-normals[chosen, 2], normals[chosen, 0]], 1)
    direction /= np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), 1e-9)
    middle = points[chosen][:, [0, 2]]
    ends = np.stack([middle - length / 2 * direction, middle + length / 2 * direction, np.full_like(middle, np.nan)], 1)
    lists = ends.reshape(-1, 2).T.tolist()
    return lists[0], lists[1]
