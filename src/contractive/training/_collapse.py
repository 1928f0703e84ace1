"""Has the autoencoder learned anything? Plain words if not."""

from torch import Tensor

from contractive.models import Autoencoder
from contractive.training._modes import evaluating

_NO_BETTER = 0.98  # share of the data's variance left unexplained
_NO_SPREAD = 1e-3  # standard deviation of the liveliest unit relative to the size of its activation


def collapse(autoencoder: Autoencoder, x: Tensor, *, penalised: bool = True) -> list[str]:
    """Say what collapsed on the rows x (batch, *features) and what to change; nothing if nothing did.

    Args:
        autoencoder: A trained autoencoder.
        x: Rows to judge it on.
        penalised: Whether a penalty may be the reason; it decides on the advice.
    """
    with evaluating(autoencoder):
        code = autoencoder.encode(x)
        error = (autoencoder.decode(code) - x).square().flatten(1).sum(1).mean()
    variance = (x - x.mean(0)).square().flatten(1).sum(1).mean()
    if not variance > 0:
        return []
    flat = code.flatten(1)
    spread = (flat.std(0, correction=0) / flat.abs().mean(0).clamp_min(1e-12)).max()
    advice = "Use a smaller weight (a tenth), or train longer." if penalised else "Train longer, or at another rate."
    found = []
    if error > _NO_BETTER * variance:
        found.append(
            f"Collapsed: the reconstruction error {float(error):.4g} is no better than that of the data's mean"
            f" ({float(variance):.4g}). {advice}"
        )
    if spread < _NO_SPREAD:
        found.append(
            f"Collapsed: the code does not vary (largest relative spread of a unit {float(spread):.1e}). {advice}"
        )
    return found
