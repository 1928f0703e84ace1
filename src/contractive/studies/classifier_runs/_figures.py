"""Figures of the layers of a classifier, and of a linear one to compare with."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from contractive import analysis
from contractive.jacobian import squared_norm
from contractive.models import Autoencoder
from contractive.studies.metrics import linear_probe
from contractive.training import History

_NORM_ROWS = 500
_LINEAR_ROWS = 10_000


def layer_figures(layers: Sequence[Autoencoder], histories: Sequence[History], x: Tensor) -> list[dict[str, Any]]:
    """Of each pretrained layer: reconstruction of what it sees, mean ||J||_F^2 of its own map, activations.

    Args:
        layers: From the lowest up.
        histories: Of their training; empty if they were not trained, and so is then the result.
        x: Rows for the lowest layer.
    """
    made = []
    for number, (layer, history) in enumerate(zip(layers, histories, strict=False), 1):
        error = analysis.reconstruction(layer, x)
        made.append(
            {
                "layer": number,
                "epochs": len(history),
                "seconds": history.seconds,
                "reconstruction_error": error.mean,
                "r2": error.r2,
                **encoder_figures(layer.encoder, x),
            }
        )
        x = analysis.apply(layer.encode, x)
    return made


@torch.no_grad()
def encoder_figures(encoder: nn.Module, x: Tensor) -> dict[str, Any]:
    """Units, mean ||J||_F^2 (exact, at up to 500 rows), shares of saturated activations and dead units.

    Saturation is None for activations that have no ends.
    """
    code = analysis.codes(encoder, x)
    return {
        "units": len(code.mean),
        "squared_norm": float(squared_norm(encoder, analysis.spread_rows(x, _NORM_ROWS), method="exact").mean()),
        "saturation": None if np.isnan(code.saturation) else code.saturation,
        "dead": code.dead,
    }


def linear_figures(x: Tensor, labels: np.ndarray, test: Tensor, test_labels: np.ndarray) -> dict[str, Any]:
    """Share of test rows that logistic regression on the features has wrong, and its number of labels, at most 10,000.

    Args:
        x: Labelled rows.
        labels: Their class numbers.
        test: Rows.
        test_labels: Their class numbers.
    """
    from sklearn.exceptions import ConvergenceWarning

    chosen = np.linspace(0, len(x) - 1, min(len(x), _LINEAR_ROWS)).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a yardstick need not be exact
        fitted = linear_probe(x[torch.from_numpy(chosen)].numpy(), labels[chosen])
    error = float(1 - fitted.score(test.numpy(), test_labels))
    return {"linear_error": error, "linear_labels": len(chosen)}
