"""The figures of a trained autoencoder on rows it was not trained on, raw and scale-free side by side."""

import torch
from torch import Tensor

from contractive import analysis
from contractive.models import Autoencoder
from contractive.objectives import Gaussian

SENSITIVITY_LEVEL = 0.5
FIGURES = (
    "reconstruction_error", "r2", "squared_norm", "operator_norm", "operator_norm_max", "contractive_share",
    "sensitivity", "scale_free_sensitivity", "saturation", "dead",
)  # fmt: skip
_NORM_ROWS = 1000


def figures(autoencoder: Autoencoder, x: Tensor, unit: float, generator: torch.Generator) -> dict[str, float]:
    """Reconstruction, Jacobian norms, sensitivity and saturation on the rows x (rows, features).

    Args:
        autoencoder: In evaluation mode.
        x: Prepared rows.
        unit: What noise of level 1 is: the typical standard deviation of a feature in the training data.
        generator: Source of the noise.
    """
    return measured(autoencoder, x, unit, generator)[0]


def measured(
    autoencoder: Autoencoder, x: Tensor, unit: float, generator: torch.Generator
) -> tuple[dict[str, float], analysis.Sensitivity, analysis.Norms]:
    """The figures, and the distributions behind them."""
    error = analysis.reconstruction(autoencoder, x)
    norms = analysis.norms(autoencoder.encoder, analysis.spread_rows(x, _NORM_ROWS))
    moved = analysis.sensitivity(autoencoder.encoder, x, Gaussian(SENSITIVITY_LEVEL * unit), generator=generator)
    code = analysis.codes(autoencoder.encoder, x)
    summary = {
        "reconstruction_error": error.mean,
        "r2": error.r2,
        "squared_norm": float(norms.squared_frobenius.mean()),
        "operator_norm": float(norms.operator.mean()),
        "operator_norm_max": float(norms.operator.max()),
        "contractive_share": norms.contractive_share,
        "sensitivity": moved.mean,
        "scale_free_sensitivity": moved.scale_free,
        "saturation": code.saturation,
        "dead": code.dead,
    }
    return summary, moved, norms
