"""The public function, and the encoders a penalty is checked with."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from contractive.objectives.check._case import Case
from contractive.objectives.check._report import PenaltyCheck

Map = Callable[[Tensor], Tensor]
Penalty = Callable[[Any, Tensor], Any]


def check_penalty(
    penalty: Penalty, encoder: Map | None = None, x: Tensor | None = None, *, tolerance: float = 1e-6, seed: int = 0
) -> PenaltyCheck:
    """Tell whether `penalty(encoder, x)` is ||df/dx||_F^2 (Rifai et al. 2011, eq. 5 and 6), and if not, why.

    If two calls differ it is an estimate, and the mean of 400 calls is compared by its standard error: let it draw anew
    at each call. The weights are moved for a moment and put back; the global random state is left as it was.

    Args:
        penalty: Returns values of shape (batch,), or their batch mean or sum, or a tuple (code, values).
        encoder: A deterministic map with parameters; if omitted, nets of one to three layers with several activations.
        x: Points for `encoder`, (batch, *features). A few will do: the whole Jacobian is formed.
        tolerance: Largest relative error that counts as right; for float32 at least 2e-4.
        seed: Of the built-in encoders and of what is drawn during the check.

    Example:
        >>> def penalty(encoder, x):  # looks right, is not
        ...     x = x.clone().requires_grad_()
        ...     code = encoder(x)
        ...     return torch.autograd.grad(code, x, torch.ones_like(code), create_graph=True)[0].square().sum(1)
        >>> check_penalty(penalty).encoders[0].mistakes
        ('summed outputs',)

    Raises:
        TypeError: `penalty` cannot be called, and as `contractive.squared_norm`.
        ValueError: Only one of `encoder` and `x` is given, `tolerance` is not above 0, the encoder is random or has
            no parameters that require a gradient, and as `contractive.squared_norm`.
    """
    if not callable(penalty):
        raise TypeError(
            f"penalty must be a function of encoder and x, got {type(penalty).__name__}. Pass the function."
        )
    if (encoder is None) != (x is None):
        raise ValueError(
            f"encoder and x must be given together, got {'x' if x is not None else 'encoder'} alone. Add it."
        )
    if not tolerance > 0:
        raise ValueError(f"tolerance must be above 0, got {tolerance}. Leave it out for 1e-6.")
    devices = [x.device] if isinstance(x, Tensor) and x.is_cuda else []
    with torch.random.fork_rng(devices), torch.enable_grad():
        torch.manual_seed(seed)
        pairs = _built_in() if encoder is None or x is None else {"your encoder": (encoder, x)}
        return PenaltyCheck(tuple(Case(name, *pair, tolerance).judge(penalty) for name, pair in pairs.items()))


def _built_in() -> dict[str, tuple[Map, Tensor]]:
    def net(*modules: nn.Module) -> tuple[Map, Tensor]:
        encoder = nn.Sequential(*modules).double()
        for parameter in encoder.parameters():
            nn.init.normal_(parameter, std=0.6)
        return encoder, x

    x = torch.randn(8, 13, dtype=torch.float64)
    return {
        "one sigmoid layer": net(nn.Linear(13, 7), nn.Sigmoid()),
        "one ReLU layer": net(nn.Linear(13, 7), nn.ReLU()),
        "one tanh layer": net(nn.Linear(13, 7), nn.Tanh()),
        "two sigmoid layers": net(nn.Linear(13, 7), nn.Sigmoid(), nn.Linear(7, 5), nn.Sigmoid()),
        "three mixed layers": net(nn.Linear(13, 7), nn.ELU(), nn.Linear(7, 5), nn.Softplus(), nn.Linear(5, 3)),
    }
