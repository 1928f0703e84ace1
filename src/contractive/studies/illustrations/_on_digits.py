"""One network on digits under growing weights of one penalty: saturation, sparsity, the trade-off over the weight.

The three topics share the fits and the metrics (`Study`); each has its own finding, tiles and pictures.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import partial
from typing import ClassVar, NamedTuple

import numpy as np
import plotly.graph_objects as go
import torch
from torch import Tensor, nn

from contractive import plots
from contractive.analysis import codes, reconstruction, sensitivity, spread_rows
from contractive.data import load
from contractive.jacobian import squared_norm
from contractive.models import Autoencoder, mlp, tied
from contractive.objectives import Gaussian, Objective, contractive, sparse
from contractive.studies.illustrations import _draw as draw
from contractive.studies.illustrations._networks import Budget, seeded
from contractive.studies.illustrations._topic import Illustration, Table, Values
from contractive.studies.pages import percent

_NOISE = 0.1  # standard deviation, pixels lie in [0, 1]
_NORM_ROWS = 200
_TARGET = 0.05  # mean activation that the sparsity penalty asks for
_NEARLY = 1.5  # the fall of ||J||^2 over that of the scale-free sensitivity


@dataclass(frozen=True)
class Settings:
    """Settings of one of the three illustrations."""

    weights: tuple[float, ...]  # of the penalty; 0 is the standard autoencoder
    code: int = 64  # code units
    hidden: tuple[int, ...] = ()  # widths between the 64 pixels and the code
    seeds: int = 3  # fits per weight
    budget: Budget = field(default=Budget(30, 32, 3e-3))  # of every fit
    target: float | None = None  # mean activation that a sparsity penalty asks for


@dataclass(frozen=True)
class Study:
    """Metrics on test digits, each of shape (weights, seeds)."""

    error: np.ndarray  # squared reconstruction error per example, summed over pixels
    r2: np.ndarray  # share of the test data's variance reconstructed
    squared_norm: np.ndarray  # mean of ||J_f||^2, exact
    sensitivity: np.ndarray  # mean of ||f(x+e) - f(x)|| / ||e||, e ~ N(0, 0.1^2): falls when the code is rescaled
    scale_free: np.ndarray  # the same against the spread of the code and of the data: does not
    activation: np.ndarray  # mean activation of the code
    saturation: np.ndarray  # share of activations below 0.05 or above 0.95
    distinct: np.ndarray  # distinct codes after rounding to 0 or 1, as a share of the test digits
    # mean over units of the entropy of their rounded activation, bits: 1 where it is 1 half of the time, 0 where it
    # never changes
    entropy: np.ndarray
    slope: np.ndarray  # mean squared slope h(1 - h) of the last layer's sigmoid units
    weight_norms: np.ndarray  # mean squared length of the last encoder layer's weight vectors
    histograms: np.ndarray  # shares of activations in twenty bins between 0 and 1, first seed, (weights, 20)

    def mean(self, metric: str) -> np.ndarray:
        """Return the mean over seeds, one per weight."""
        return getattr(self, metric).mean(1)

    def text(self, metric: str, at: int) -> str:
        """Mean and standard deviation over seeds at one weight."""
        values = getattr(self, metric)[at]
        spread = f" ± {values.std(ddof=1):.1g}" if len(values) > 1 else ""
        return f"{values.mean():.3g}{spread}"


def study(
    build: Callable[[], Autoencoder], objective: Callable[[float], Objective], settings: Settings, seed: int
) -> Study:
    """Train `build()` on digits for every weight and seed alike and measure it on test digits."""
    split = load("digits")
    x, test = torch.from_numpy(split.train), torch.from_numpy(split.test)
    found: list[list[dict[str, float]]] = []
    histograms = []
    for weight in settings.weights:
        seeds = range(seed, seed + settings.seeds)
        nets = [settings.budget.train(seeded(build, at), x, objective(weight), at) for at in seeds]
        found.append([metrics(net, test) for net in nets])
        histograms.append(histogram(nets[0], test))
    arrays = {name: np.array([[row[name] for row in rows] for rows in found]) for name in found[0][0]}
    return Study(**arrays, histograms=np.array(histograms))


@torch.no_grad()
def metrics(net: Autoencoder, test: Tensor) -> dict[str, float]:
    """Return the metrics of one network, named as in `Study`."""
    code = net.encode(test)
    rebuilt = reconstruction(net, test)
    noise = torch.Generator().manual_seed(0)  # the same for every net, so that it explains no difference
    moved = sensitivity(net.encode, test, Gaussian(_NOISE), generator=noise)
    last = [module for module in net.encoder.modules() if isinstance(module, nn.Linear)][-1]
    norms = squared_norm(net.encoder, spread_rows(test, _NORM_ROWS), method="exact")
    return {
        "error": rebuilt.mean,
        "r2": rebuilt.r2,
        "squared_norm": float(norms.mean()),
        "sensitivity": moved.mean,
        "scale_free": moved.scale_free,
        "activation": float(code.mean()),
        "saturation": codes(net.encode, test).saturation,
        "distinct": len(torch.unique(code > 0.5, dim=0)) / len(code),
        "entropy": float(entropy((code > 0.5).double().mean(0)).mean()),
        "slope": float((code * (1 - code)).square().mean()),
        "weight_norms": float(last.weight.square().sum(1).mean()),
    }


def entropy(share: Tensor) -> Tensor:
    """Entropy in bits of a yes-or-no with that probability."""
    return -(torch.special.xlogy(share, share) + torch.special.xlogy(1 - share, 1 - share)) / np.log(2)


@torch.no_grad()
def histogram(net: Autoencoder, test: Tensor) -> np.ndarray:
    """Shares of activations in twenty bins between 0 and 1."""
    counts, _ = np.histogram(net.encode(test).numpy(), bins=20, range=(0, 1))
    return counts / counts.sum()


class Trend(NamedTuple):
    """A metric over the weights, mean of the seeds."""

    first: float  # without a penalty
    last: float  # at the largest weight
    least: float
    chosen: float  # at the weight that the words single out

    @property
    def fall(self) -> float:
        """How many times smaller it is at the largest weight."""
        return self.first / self.last

    @property
    def growth(self) -> float:
        """How many times larger it is there."""
        return self.last / self.first

    @property
    def percent(self) -> "Trend":
        """The same in per cent."""
        return Trend(*(100 * value for value in self))


@dataclass(frozen=True)
class OnDigits(Illustration):
    """A study with its words."""

    settings: Settings
    study: Study  # the metrics
    columns: ClassVar[dict[str, str]]
    note: ClassVar[str] = ", test digits."

    @property
    def chosen(self) -> int:
        """Position of the weight that the words single out."""
        return -1

    def trend(self, metric: str) -> Trend:
        """Return how the mean over seeds of a metric changes with the weight."""
        values = self.study.mean(metric)
        return Trend(values[0], values[-1], values.min(), values[self.chosen])

    @property
    def numbers(self) -> Values:
        weights = self.settings.weights
        trends = {each.name: self.trend(each.name) for each in fields(self.study) if each.name != "histograms"}
        return {"last": weights[-1], "chosen": weights[self.chosen], "target": self.settings.target, **trends}

    @property
    def table(self) -> Table:
        rows = tuple(
            (f"{weight:g}", *(self.study.text(metric, at) for metric in self.columns))
            for at, weight in enumerate(self.settings.weights)
        )
        seeds = self.settings.seeds
        note = (f"Mean ± standard deviation over {seeds} seeds" if seeds > 1 else "One seed") + self.note
        return Table(("weight", *self.columns.values()), rows, note)

    def weight_path(
        self, number: int, x: np.ndarray, metric: str, color: str, seeds: str, symbol: str, side: str
    ) -> list[go.Scatter]:
        """Draw a metric against x: single seeds as points, means as a line with the weights written beside it."""
        values = getattr(self.study, metric)
        path = draw.line(number, x.mean(1), values.mean(1), "mean", color, mode="lines+markers+text", hover="%{y:.3g}")
        names = [f"  {weight:g}" for weight in self.settings.weights]
        path.update(text=names, textposition=side, marker={"symbol": symbol, "size": 11})
        return [draw.points(number, x.ravel(), values.ravel(), "one seed", seeds, size=6), path]


@dataclass(frozen=True)
class Saturation(OnDigits):
    """Activations and rounded codes for growing weights of the contractive penalty."""

    topic: ClassVar[str] = "saturation"
    columns: ClassVar[dict[str, str]] = {
        "saturation": "saturated", "distinct": "rounded codes per digit", "entropy": "bits per unit", "error": "error",
        "r2": "R²", "squared_norm": "‖J‖²", "scale_free": "scale-free",
    }  # fmt: skip
    note: ClassVar[str] = ". Codes: how many differ, per test digit."

    @property
    def chosen(self) -> int:
        """Position of the largest weight with at least 90 different rounded codes for 100 test digits."""
        return int(np.flatnonzero(self.study.mean("distinct") >= 0.9)[-1])

    def figures(self) -> dict[str, go.Figure]:
        return {"histograms": self._histograms(), "shares": self._shares()}

    def _histograms(self) -> go.Figure:
        weights = self.settings.weights
        figure = draw.panels([f"weight {weight:g}" for weight in weights], 140, 130)
        for number, (weight, shares) in enumerate(zip(weights, self.study.histograms, strict=True), 1):
            marker = {"color": plots.color("contractive" if weight else "standard")}
            middles = (np.arange(len(shares)) + 0.5) / len(shares)
            bars = go.Bar(x=middles, y=100 * shares, marker=marker, hovertemplate="%{y:.1f} %", **draw.axes(number))
            figure.add_trace(bars.update(name="activations"))
            draw.set_axes(figure, number, {"range": [0, 1], "title": {"text": "activation"}}, {"ticksuffix": " %"})
        figure.update_layout(bargap=0.08)
        return figure

    def _shares(self) -> go.Figure:
        lines = {
            "saturation": ("saturated activations", "contractive", "diamond"),
            "distinct": ("different rounded codes per digit", "denoising", "square"),
            "entropy": ("bits per unit", "sparse", "triangle-up"),
        }
        figure = draw.panels([""], 300, 260, [words for words, _, _ in lines.values()])
        positions = np.arange(len(self.settings.weights))
        for metric, (words, objective, symbol) in lines.items():
            values, color = 100 * getattr(self.study, metric), plots.color(objective)
            for seed in values.T if values.shape[1] > 1 else ():
                thin = draw.line(1, positions, seed, words, color, width=0.8, legend=False)
                figure.add_trace(thin.update(hoverinfo="skip"))
            mean = draw.line(1, positions, values.mean(1), words, color, mode="lines+markers", hover="%{y:.0f} %")
            figure.add_trace(mean.update(marker={"symbol": symbol}))
        ticks = {"tickvals": positions.tolist(), "ticktext": [f"{weight:g}" for weight in self.settings.weights]}
        percents = {"ticksuffix": " %", "range": [-3, 104]}
        draw.set_axes(figure, 1, {"title": {"text": "weight"}, **ticks}, percents)
        return figure


@dataclass(frozen=True)
class SparseLink(OnDigits):
    """Sparsity and contraction for growing weights of a sparsity penalty."""

    topic: ClassVar[str] = "sparse-link"
    columns: ClassVar[dict[str, str]] = {
        "activation": "mean activation", "error": "error", "squared_norm": "‖J‖²", "slope": "squared slope",
        "weight_norms": "‖W_j‖²", "sensitivity": "sensitivity, raw", "scale_free": "scale-free",
    }  # fmt: skip

    @property
    def numbers(self) -> Values:
        numbers, verdict, reason = super().numbers, "And scale-free sensitivity falls nearly as much", ""
        free = self.trend("scale_free")
        if self.trend("squared_norm").fall / (free.first / free.least) >= _NEARLY:
            verdict = "But scale-free sensitivity does not follow"
            reason = " Noise changes a sparse code less mainly because the code itself varies less."
        return {**numbers, "verdict": verdict, "reason": reason}

    def figures(self) -> dict[str, go.Figure]:
        panels = {"squared_norm": ("‖J‖², raw", "middle right"), "scale_free": ("Sensitivity, scale-free", "top left")}
        figure = draw.panels([title for title, _ in panels.values()], 320, 270)
        for number, (metric, (_, side)) in enumerate(panels.items(), 1):
            style = (plots.color("sparse"), draw.NEUTRAL, "triangle-up", side)
            figure.add_traces(self.weight_path(number, self.study.activation, metric, *style))
            across = {"title": {"text": "mean activation (sparser to the right)"}, "range": [0.56, 0]}
            draw.set_axes(figure, number, across, {"rangemode": "tozero"})
        return {"activation": figure}


@dataclass(frozen=True)
class WeightTradeoff(OnDigits):
    """Reconstruction and sensitivity for growing weights of the contractive penalty."""

    topic: ClassVar[str] = "weight-tradeoff"
    columns: ClassVar[dict[str, str]] = {
        "error": "error", "r2": "R²", "squared_norm": "‖J‖²", "sensitivity": "sensitivity, raw",
        "scale_free": "sensitivity, scale-free",
    }  # fmt: skip

    @property
    def chosen(self) -> int:
        """Position of the largest weight at which the error is within ten per cent of the standard one."""
        return int(np.flatnonzero(self.study.mean("error") <= 1.1 * self.study.mean("error")[0])[-1])

    @property
    def numbers(self) -> Values:
        free, error = self.trend("scale_free"), self.trend("error")
        choice = "No weight tried stays within ten per cent of the standard error."
        if self.chosen:
            choice = (
                f"Weight {self.settings.weights[self.chosen]:g} is a good trade-off: it removes"
                f" {percent(1 - free.chosen / free.first, '.0f')} of the scale-free sensitivity at"
                f" {error.chosen / error.first:.2f} times the error."
            )
        return {**super().numbers, "choice": choice}

    def figures(self) -> dict[str, go.Figure]:
        panels = {"scale_free": "Sensitivity, scale-free", "squared_norm": "‖J‖², raw, logarithmic"}
        figure = draw.panels(list(panels.values()), 330, 280)
        for number, metric in enumerate(panels, 1):
            style = (plots.color("contractive"), plots.color("denoising"), "diamond", "middle right")
            figure.add_traces(self.weight_path(number, self.study.error, metric, *style))
            upwards = {"type": "log", "dtick": 1} if metric == "squared_norm" else {"rangemode": "tozero"}
            draw.set_axes(figure, number, {"title": {"text": "reconstruction error per digit"}}, upwards)
        return {"plane": figure}


def saturation(*, quick: bool = False, seed: int = 0) -> Saturation:
    """Train tied sigmoid autoencoders of digits with growing contractive weights; measure their activations."""
    settings = Settings((0.0, 0.01, 0.03, 0.1, 0.2, 0.3))
    if quick:
        settings = Settings((0.0, 0.03, 0.3), seeds=1, budget=Budget(12, 64, 1.2e-2))
    return Saturation(settings, study(lambda: tied(64, settings.code), contractive, settings, seed))


def sparse_link(*, quick: bool = False, seed: int = 0) -> SparseLink:
    """Train tied sigmoid autoencoders of digits with growing sparsity weights; measure their Jacobians."""
    settings = Settings((0.0, 0.01, 0.03, 0.1, 0.3, 1.0), target=_TARGET)
    if quick:
        settings = Settings((0.0, 0.1, 1.0), seeds=1, budget=Budget(12, 64, 1.2e-2), target=_TARGET)
    objective = partial(sparse, target=_TARGET)
    return SparseLink(settings, study(lambda: tied(64, settings.code), objective, settings, seed))


def weight_tradeoff(*, quick: bool = False, seed: int = 0) -> WeightTradeoff:
    """Train autoencoders of digits with growing contractive weights under one budget; measure error and sensitivity."""
    settings = Settings((0.0, 0.001, 0.01, 0.1, 1.0), code=32, hidden=(64,))
    if quick:
        settings = Settings((0.0, 0.01, 1.0), code=32, hidden=(64,), seeds=1, budget=Budget(12, 32, 6e-3))
    net = partial(mlp, 64, hidden=settings.hidden, code=settings.code)
    return WeightTradeoff(settings, study(net, contractive, settings, seed))
