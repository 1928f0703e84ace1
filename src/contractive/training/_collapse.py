"""Has the autoencoder learned anything? Plain words if not."""

import torch
from torch import Tensor

from contractive.autoencoder import Autoencoder

_NO_BETTER = 0.98  # share of the data's variance left unexplained
_NO_SPREAD = 1e-3  # standard deviation of the liveliest unit relative to the size of its activation


@torch.no_grad()
def collapse(autoencoder: Autoencoder, x: Tensor) -> list[str]:
    """Sentences that say what collapsed on the rows x (batch, *features) and what to change; empty if nothing did."""
    was_training = autoencoder.training
    autoencoder.eval()
    code = autoencoder.encode(x)
    error = (autoencoder.decode(code) - x).square().flatten(1).sum(1).mean()
    variance = (x - x.mean(0)).square().flatten(1).sum(1).mean()
    autoencoder.train(was_training)
    flat = code.flatten(1)
    spread = (flat.std(0, correction=0) / flat.abs().mean(0).clamp_min(1e-12)).max()
    found = []
    if len(x) > 1 and variance > 0 and error > _NO_BETTER * variance:
        found.append(
            f"Collapsed: the reconstruction error {float(error):.4g} is no better than that of the data's mean"
            f" ({float(variance):.4g}). Use a smaller weight (a tenth), a larger code or more epochs."
        )
    if len(x) > 1 and variance > 0 and spread < _NO_SPREAD:
        found.append(
            f"Collapsed: the code does not vary (largest relative spread of a unit {float(spread):.1e})."
            " Use a smaller weight (a tenth)."
        )
    return found
