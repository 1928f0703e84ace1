"""Results of training: one row per epoch, and what can go wrong."""

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from contractive.core.errors import ContractiveError
from contractive.models import Autoencoder
from contractive.training._contexts import evaluating

if TYPE_CHECKING:
    import pandas

Row = Mapping[str, float]
_UNEXPLAINED = 0.98  # share of the data's variance left unexplained from which nothing was learned
_BOUNDS = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}
_EDGE, _ALWAYS, _MOST = 0.05, 0.95, 0.5  # of the range, of the rows, of the units: these are saturated
_IDLE = 0.01  # of the range: a unit with a smaller standard deviation hardly varies
FALLING = 0.02  # of the error, in the last tenth of the epochs
_ROUNDING = 1e-5
RUNAWAY = 1e4  # no weight of a healthy network is this large; NaN is not smaller either
_CONSTANT = 0.01  # largest standard deviation of outputs that do not vary, relative to that of the rows
_LEAST_SPREAD = 1e-3  # standard deviation of the unit of highest variance relative to the size of its activation


class TrainingDiverged(ContractiveError, RuntimeError):
    """The loss became NaN or infinite; the message gives the remedy."""


class CollapseWarning(UserWarning):
    """The autoencoder learned nothing: reconstruction no better than the mean, or a code that does not vary."""


class SearchWarning(UserWarning):
    """The weight found does not cost what was allowed."""


@dataclass(frozen=True, repr=False)
class Epochs:
    """One training run, epoch by epoch."""

    rows: tuple[Row, ...]  # a row of metrics per epoch
    best_epoch: int  # epoch, from 1, whose weights the network has now; 0 if it has those from before the first
    stopped_early: bool = False  # true if `patience` ended the run
    warnings: tuple[str, ...] = ()  # in plain words; empty if all went well

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> list[float]:
        """One column over the epochs, such as `history["val_reconstruction"]`; of another name, a KeyError."""
        if column not in self.columns:
            raise KeyError(f"column must be one of {', '.join(self.columns)}, got {column!r}. Check the spelling.")
        return [row.get(column, math.nan) for row in self.rows]

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    @property
    def seconds(self) -> float:
        """Wall-clock time of all epochs, validation included."""
        return sum(row["seconds"] for row in self.rows)

    @property
    def best(self) -> Row | None:
        """Row of the best epoch; None where `best_epoch` is 0, as where principal components were kept."""
        return self.rows[self.best_epoch - 1] if self.best_epoch else None

    def to_csv(self) -> str:
        """Return the rows as CSV text."""
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()

    def to_pandas(self) -> "pandas.DataFrame":
        """Return the rows as a data frame, indexed by the epoch."""
        import pandas

        return pandas.DataFrame(list(self.rows), columns=self.columns).set_index("epoch")

    def __repr__(self) -> str:
        ends, warned = ", stopped early" * self.stopped_early, len(self.warnings)
        ends += f", {warned} warning{'s' * (warned > 1)}" * bool(warned)
        return f"{type(self).__name__}({len(self)} epochs, best {self.best_epoch}{ends})"

    def _repr_html_(self) -> str:
        """A small table for notebooks: the last epoch, the best one if there is one, and the warnings."""
        if not self.rows:
            return f"<p>{escape(repr(self))}</p>"
        shown = {"last epoch": self.rows[-1]} | ({"best epoch": self.best} if self.best else {})
        head = "".join(f"<th>{name}</th>" for name in ("", *shown))
        cells = {name: [f"<td>{row.get(name, math.nan):.4g}</td>" for row in shown.values()] for name in self.columns}
        body = "".join(f"<tr><th>{escape(name)}</th>{''.join(numbers)}</tr>" for name, numbers in cells.items())
        notes = "".join(f"<p>{escape(text)}</p>" for text in self.warnings)
        return f"<p>{escape(repr(self))}</p><table><tr>{head}</tr>{body}</table>{notes}"


@dataclass(frozen=True, repr=False)
class History(Epochs):
    """One run of `fit`.

    Attributes:
        rows: Per epoch: `epoch` (from 1), `seconds`, `learning_rate`, and means per example with the prefix `train_`
            and (where there is validation data) `val_`: `total`, `reconstruction`, each unweighted penalty by name (NaN
            in training where its weight is 0) and `val_squared_norm`, the exact ||J||_F^2 on a fixed subset of the
            validation data. With a Jacobian penalty also `penalty_rows`, the rows of a batch that it was computed on.
        penalty_path: How the Jacobian norm was computed in training, in words; empty without one.
        settings: What `fit` was called with, in words.
        reference: Rows of the unpenalised run of `fit_with_max_error_increase`; empty otherwise.
    """

    penalty_path: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    reference: tuple[Row, ...] = ()


def check_reconstruction(autoencoder: Autoencoder, x: Tensor) -> None:
    """Refuse an autoencoder that training has driven away from the rows x (batch, *features).

    Raises:
        TrainingDiverged: As `check_not_lost`.
    """
    _, error, variance = _reconstructed(autoencoder, x)
    check_not_lost(autoencoder, error, variance)


def check_not_lost(network: nn.Module, loss: float, guess: float) -> None:
    """Refuse a network that is no better than a guess and has weights as no healthy one has.

    Raises:
        TrainingDiverged: It is, though its loss is a number.
    """
    if guess > 0 and not loss < guess and not (largest := largest_weight(network)) < RUNAWAY:
        raise TrainingDiverged(
            f"loss must end below that of a guess, {guess:.3g}, got {loss:.3g}. The largest weight had grown to"
            f" {largest:.3g}: the steps were too large. Lower the learning rate."
        )


def largest_weight(network: nn.Module) -> float:
    """Return the largest absolute value of all parameters."""
    return float(torch.stack([parameter.detach().abs().max() for parameter in network.parameters()]).max())


def _reconstructed(autoencoder: Autoencoder, x: Tensor) -> tuple[Tensor, float, float]:
    """(code, mean squared error per row, that of the mean of the rows)."""
    with evaluating(autoencoder):
        code = autoencoder.encode(x)
        alone = isinstance(autoencoder.decoder, nn.Identity)  # an encoder, which reconstructs nothing
        error = 0.0 if alone else (autoencoder.decode(code) - x).square().flatten(1).sum(1).mean()
    return code, float(error), float((x - x.mean(0)).square().flatten(1).sum(1).mean())


def collapse(autoencoder: Autoencoder, x: Tensor, *, penalised: bool = True) -> list[str]:
    """Describe what collapsed on the rows x (batch, *features) and what to change; nothing if nothing did.

    Args:
        autoencoder: A trained autoencoder.
        x: Rows to judge it on.
        penalised: True if a penalty may be the reason; it decides on the advice.
    """
    code, error, variance = _reconstructed(autoencoder, x)
    if not variance > 0:
        return []
    flat = code.flatten(1)
    # relative to the mean activation: a strong penalty shrinks a code that still distinguishes the rows
    spread = (flat.std(0, correction=0) / flat.abs().mean(0).clamp_min(1e-12)).max()
    advice = "Use a smaller weight (a tenth), or train longer." if penalised else "Train longer, or at another rate."
    found = []
    if error > _UNEXPLAINED * variance:
        found.append(
            f"Collapsed: the reconstruction error {error:.4g} is no better than that of the data's mean"
            f" ({variance:.4g}). {advice}"
        )
    if spread < _LEAST_SPREAD:
        found.append(
            f"Collapsed: the code does not vary (largest relative spread of a unit {float(spread):.1e}). {advice}"
        )
    return found


@torch.no_grad()
def is_constant(network: Callable[[Tensor], Tensor], x: Tensor) -> bool:
    """Return whether a network gives about the same output for all rows x (rows, ...), which differ."""
    outputs, rows = (values.flatten(1).std(0, correction=0).max() for values in (network(x), x))
    return bool(rows > 0) and not bool(outputs > _CONSTANT * rows)


def shortcomings(
    autoencoder: Autoencoder, x: Tensor, linear: Autoencoder | None, errors: Sequence[float] = ()
) -> list[str]:
    """Describe where a network falls short of what it could be: one sentence each, and none if it does not.

    Args:
        autoencoder: A trained autoencoder.
        x: Rows to judge it on, (rows, features).
        linear: Principal components of the same size (`PrincipalComponents.autoencoder`); None to compare with none.
        errors: The error of each epoch, to see whether it still fell at the end.
    """
    code, error, variance = _reconstructed(autoencoder, x)
    found, size = [], code.flatten(1).shape[1]
    if linear is not None and size < x.shape[1]:
        left = _reconstructed(linear, x)[1]
        shares = [f"{part / variance:.3g}" for part in (left, error)] if error > left + _ROUNDING * variance else []
        if len(set(shares)) > 1:  # as the sentence shows them
            found.append(
                f"Principal components of the same size leave {shares[0]} of the variance unexplained, this network"
                f" {shares[1]}. Train longer, use a smaller weight (a smaller allowed error increase), or begin as"
                " principal components where it did not."
            )
    fell = still_falling(errors)
    if fell is not None and fell > FALLING:
        found.append(
            f"The error still fell by {100 * fell:.0f} % in the last tenth of the epochs. Train for more epochs."
        )
    if idle := _idle(autoencoder, code.flatten(1)):
        found.append(f"{idle} Use a smaller weight or rate, or scale the rows.")
    return found


def _idle(autoencoder: Autoencoder, code: Tensor) -> str:
    """Say that most units of a bounded code (rows, units) are at the edge of their range, or constant, if they are."""
    recipe, size = autoencoder.recipe, code.shape[1]
    name = str(recipe.arguments.get("activation")) if recipe else ""
    if name not in _BOUNDS:  # a unit of an unbounded code, such as a late principal component, may be as small as it is
        return ""
    low, high = _BOUNDS[name]
    edge = _EDGE * (high - low)
    saturated = ((code < low + edge) | (code > high - edge)).double().mean(0) > _ALWAYS
    if saturated.double().mean() > _MOST:
        return f"{int(saturated.sum())} of {size} units are saturated on nearly all rows."
    constant = code.std(0, correction=0) <= _IDLE * (high - low)
    return f"{int(constant.sum())} of {size} units hardly vary." if constant.double().mean() > _MOST else ""


def still_falling(errors: Sequence[float]) -> float | None:
    """Return by what share of itself the smallest error fell in the last tenth of the epochs; None of under 10."""
    before = errors[: len(errors) - len(errors) // 10]
    return 1 - min(errors) / min(before) if len(errors) >= 10 and min(before) > 0 else None
