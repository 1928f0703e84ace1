"""What fine-tuning refuses."""

import math

import numpy as np
import torch
from torch import Tensor

from contractive.models import Classifier
from contractive.training._batches import as_tensor


def labelled_rows(
    x: Tensor | np.ndarray, labels: Tensor | np.ndarray, what: str, net: Classifier
) -> tuple[Tensor, Tensor]:
    """The rows in the precision of the classifier and the labels as class numbers, or a clear error."""
    rows, classes = as_tensor(x), as_tensor(labels)
    classes = classes if classes.is_floating_point() else classes.long()  # torch compares no unsigned ones
    num = net.linear.out_features
    if len(rows) == 0 or classes.shape != (len(rows),):
        raise ValueError(
            f"{what} labels must be one per row, got {tuple(classes.shape)} for {len(rows)} rows. Match them."
        )
    if classes.is_floating_point() or int(classes.min()) < 0 or int(classes.max()) >= num:
        raise ValueError(f"{what} labels must be class numbers from 0 to {num - 1}, got others. Number the classes.")
    rows = rows.to(net.linear.weight.dtype)
    if not bool(torch.isfinite(rows).all()):
        raise ValueError(f"{what} rows must be finite, got NaN or infinite entries. Impute or drop them.")
    return rows, classes


def check_settings(
    max_epochs: int,
    batch_size: int,
    learning_rate: float,
    output_rate: float | None,
    decay: float,
    patience: int | None,
    blind: bool,
) -> None:
    """Refuse settings out of range."""
    for name, value in (("max_epochs", max_epochs), ("batch_size", batch_size), ("patience", patience)):
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}. Leave it out for the default.")
    for name, rate in (("learning_rate", learning_rate), ("output_rate", output_rate)):
        if rate is not None and not 0 < rate < math.inf:
            raise ValueError(f"{name} must be above 0 and finite, got {rate}. Try 0.1.")
    if not 0 < decay <= 1:
        raise ValueError(f"decay must lie above 0 and be at most 1, got {decay}. 1 keeps the rate constant.")
    if patience is not None and blind:
        raise ValueError("patience must come with validation data, got none. Pass validation=(x, labels).")
