"""Data and models as `fit` and `fine_tune` take them; anything else is refused in one line with the remedy."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from contractive.core.errors import InvalidType, InvalidValue
from contractive.models import Autoencoder, Classifier
from contractive.objectives import Objective
from contractive.training._batches import Rows, TrainingRows, as_tensor
from contractive.training._contexts import evaluating


def training_rows(
    autoencoder: Autoencoder, like: Tensor, data: Any, validation: Any, sample_weight: Any
) -> TrainingRows:
    """Return all rows, checked against the autoencoder, in the precision of `like`."""
    if isinstance(data, Rows) and not isinstance(data, Tensor | np.ndarray):
        _rows_of(data[0 : min(len(data), 2)], "data", like)
        train = data
    else:
        train = _rows_of(data, "data", like)
    held_out = None if validation is None else _rows_of(validation, "validation", like)
    _check_fit(autoencoder, train, "data")
    if held_out is not None:
        _check_fit(autoencoder, held_out, "validation")
    return TrainingRows(train, held_out, None if sample_weight is None else _weights_of(sample_weight, train))


def _rows_of(data: Any, what: str, like: Tensor) -> Tensor:
    if not isinstance(data, Tensor | np.ndarray):
        remedy = "A data frame: df.to_numpy('float32')."
        raise InvalidType(what, "be a tensor or an array", type(data).__name__, remedy)
    x = as_tensor(data)
    if not x.is_floating_point():
        raise InvalidType(what, "be floating-point numbers", x.dtype, "Convert and scale them first.")
    if x.ndim < 2 or len(x) == 0:
        raise InvalidValue(what, "have the shape (examples, *features)", tuple(x.shape), "Give it rows.")
    x = x.to(like.dtype)
    bad = int((~torch.isfinite(x)).sum())
    if bad:
        raise InvalidValue(what, "be finite", f"{bad} NaN or infinite entries", "Impute or drop them.")
    return x


def _weights_of(sample_weight: Any, rows: Tensor | Rows) -> Tensor:
    """One factor per row, with mean 1."""
    if not isinstance(rows, Tensor):
        raise InvalidType("sample_weight", "come with data in memory", "rows read in slices", "Leave it out.")
    weights = as_tensor(sample_weight, rows.dtype)
    if weights.shape != (len(rows),):
        rule = f"have one number per row, shape ({len(rows)},)"
        raise InvalidValue("sample_weight", rule, tuple(weights.shape), "Flatten it.")
    low = float(weights.min())
    if not bool(torch.isfinite(weights).all()) or low < 0 or not float(weights.sum()) > 0:
        rule = "be finite, at least 0 and not all 0"
        raise InvalidValue("sample_weight", rule, f"a least one of {low:.4g}", "Correct it.")
    return weights / weights.mean()


def check_trainable(autoencoder: Autoencoder, objective: Objective) -> nn.Parameter:
    """Refuse what cannot be trained; return a parameter, whose precision and device the data take."""
    if not isinstance(autoencoder, Autoencoder):
        remedy = "Wrap it: Autoencoder(encoder, decoder)."
        raise InvalidType("autoencoder", "be an Autoencoder", type(autoencoder).__name__, remedy)
    if not isinstance(objective, Objective):
        name = getattr(objective, "__name__", repr(objective))
        raise InvalidType("objective", "be an Objective", name, "For instance objectives.contractive(0.1).")
    trained = [parameter for parameter in autoencoder.parameters() if parameter.requires_grad]
    if not trained:
        rule, got = "have parameters to train", "none that require a gradient"
        raise InvalidValue("autoencoder", rule, got, "Unfreeze some.")
    return trained[0]


def _check_fit(autoencoder: Autoencoder, x: Tensor | Rows, what: str) -> None:
    """Run one row through, so that a wrong width is one clear line and not an error from deep inside."""
    first = next(autoencoder.parameters())
    row = as_tensor(x[0:1]).to(first.device, first.dtype)
    features = tuple(x.shape[1:])
    try:
        with evaluating(autoencoder):
            shape = tuple(autoencoder(row).shape[1:])
    except RuntimeError as error:
        got = f"rows of shape {features}: {str(error).splitlines()[0].rstrip('.')}"
        raise InvalidValue(what, "fit the autoencoder", got, "Build it for this number of features.") from error
    if shape != features:
        rule, remedy = f"have the shape of the data {features}", "Let the decoder end with the number of features."
        raise InvalidValue("reconstructions", rule, shape, remedy)


def labelled_rows(x: Any, labels: Any, what: str, classifier: Classifier, place: torch.device) -> tuple[Tensor, Tensor]:
    """Return the rows in the precision of the classifier, and the labels as class numbers, on that device.

    `what` is "training" or "validation", for the errors.
    """
    rows, classes = as_tensor(x), as_tensor(labels)
    classes = classes if classes.is_floating_point() else classes.long()  # torch compares no unsigned ones
    num = classifier.linear.out_features
    if len(rows) == 0 or classes.shape != (len(rows),):
        got = f"{tuple(classes.shape)} for {len(rows)} rows"
        raise InvalidValue(f"{what} labels", "be one per row", got, "Match them.")
    if classes.is_floating_point() or int(classes.min()) < 0 or int(classes.max()) >= num:
        rule = f"be class numbers from 0 to {num - 1}"
        raise InvalidValue(f"{what} labels", rule, "others", "Number the classes.")
    rows = rows.to(classifier.linear.weight.dtype)
    if not bool(torch.isfinite(rows).all()):
        raise InvalidValue(f"{what} rows", "be finite", "NaN or infinite entries", "Impute or drop them.")
    return rows.to(place), classes.to(place)
