"""What happened during training: one row per epoch, warnings, and how the penalty was computed."""

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from contractive.core.errors import ContractiveError


class TrainingDiverged(ContractiveError, RuntimeError):
    """The loss became NaN or infinite; the message says what helps."""


class CollapseWarning(UserWarning):
    """The autoencoder learned nothing: reconstruction no better than the mean, or a code that does not vary."""


@dataclass(frozen=True)
class History:
    """One training run.

    Attributes:
        rows: Per epoch: `epoch` (from 1), `seconds`, `learning_rate`, and means per example with the prefix `train_`
            and (where there is validation data) `val_`: `total`, `reconstruction`, each unweighted penalty by name (NaN
            in training where its weight is 0) and `val_squared_norm`, the exact ||J||_F^2 on a fixed subset of the
            validation data.
        best_epoch: Epoch whose weights the autoencoder has now.
        stopped_early: Whether early stopping ended the run.
        penalty_path: How the Jacobian norm was computed in training, in words; empty without one.
        warnings: In plain words; empty if all went well.
        settings: What `fit` was called with, in numbers and words.
        reference: Rows of the unpenalised run of `fit_with_max_error_increase`; empty otherwise.
    """

    rows: tuple[Mapping[str, float], ...]
    best_epoch: int
    stopped_early: bool = False
    penalty_path: str = ""
    warnings: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    reference: tuple[Mapping[str, float], ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> list[float]:
        """One column over the epochs, for instance `history["val_reconstruction"]`.

        Raises:
            KeyError: No such column; the message lists them.
        """
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

    def to_csv(self) -> str:
        """The rows as CSV text."""
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()
