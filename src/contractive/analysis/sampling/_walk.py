"""The walk of a contractive autoencoder: noise in the code where the code is sensitive, then a reconstruction."""

import torch
from torch import Tensor

from contractive.jacobian import linearise
from contractive.models import Autoencoder


@torch.no_grad()
def step(
    autoencoder: Autoencoder, x: Tensor, *, sigma: float = 1.0, generator: torch.Generator | None = None
) -> Tensor:
    """One step of the walk from every row: x <- g(h + J J^T a), h = f(x), a ~ N(0, sigma^2 I), shape of x.

    J J^T a is a product from the code to the input and back: J is not formed. Rifai, Bengio, Dauphin and Vincent
    (ICML 2012, section 3); in the authors' code sigma is 1.

    Args:
        autoencoder: Trained, in evaluation mode.
        x: Where the walkers are, (walkers, *features).
        sigma: Standard deviation of a, in the units of the code.
        generator: Source of a; torch's global one if omitted.

    Raises:
        ValueError: A negative sigma.
    """
    if not sigma >= 0:
        raise ValueError(f"sigma must be at least 0, got {sigma}. It is a standard deviation; the authors take 1.")
    at = linearise(autoencoder.encoder, x)
    noise = sigma * _normal_like(at.value, generator)
    return autoencoder.decode(at.value + at.push(at.pull(noise.unsqueeze(1))).squeeze(1))


def walk(
    autoencoder: Autoencoder,
    start: Tensor,
    num_steps: int,
    *,
    sigma: float = 1.0,
    keep_every: int = 1,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Walk from every row of `start` at once and return where the walkers were, (kept, walkers, *features).

    Args:
        autoencoder: Trained, in evaluation mode.
        start: First points, for instance training examples, (walkers, *features).
        num_steps: Steps of each walker.
        sigma: As in `step`.
        keep_every: Every how many steps the walkers are kept; the start is not.
        generator: Source of randomness.

    Raises:
        ValueError: Counts below 1, a negative sigma.
    """
    if num_steps < 1 or keep_every < 1:
        got = f"{num_steps} and {keep_every}"
        raise ValueError(f"num_steps and keep_every must be at least 1, got {got}. Take more steps.")
    x, kept = start, []
    for i in range(num_steps):
        x = step(autoencoder, x, sigma=sigma, generator=generator)
        if (i + 1) % keep_every == 0:
            kept.append(x)
    return torch.stack(kept) if kept else start.new_zeros(0, *start.shape)


def _normal_like(x: Tensor, generator: torch.Generator | None) -> Tensor:
    device = x.device if generator is None else generator.device
    return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=device).to(x.device)
