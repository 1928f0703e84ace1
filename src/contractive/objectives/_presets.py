"""What is minimised: reconstruction error, perhaps from a corrupted input, plus weighted penalties.

    objective = mean over examples of  L(x, g(f(x~))) + sum_i weight_i * penalty_i(x~)

L is SUMMED over features and a penalty has no hidden factor (docs/conventions.md). Standard, denoising, sparse and
contractive autoencoders are presets of this one thing; `compose` joins them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from contractive.jacobian import Method
from contractive.models import Autoencoder
from contractive.objectives._corruption import Corruption, Gaussian
from contractive.objectives._penalties import (
    Encode,
    HigherOrder,
    JacobianNorm,
    KLSparsity,
    Penalty,
    code_l1,
    squared_weights,
)

Loss = Callable[[Tensor, Tensor], Tensor]


def squared_error(reconstruction: Tensor, x: Tensor) -> Tensor:
    """Squared error per example, summed over features, shape (batch,)."""
    return (reconstruction - x).square().flatten(1).sum(1)


def cross_entropy(reconstruction: Tensor, x: Tensor) -> Tensor:
    """Binary cross-entropy per example, summed over features, shape (batch,), as in Rifai et al. (2011).

    Both arguments lie in [0, 1]: the decoder ends in a sigmoid, the data are scaled to that range.

    Raises:
        ValueError: Data or reconstructions outside [0, 1].
    """
    _check_range("data", x, "Scale them (minmax) or use the squared error.")
    if reconstruction.isnan().any():  # training has diverged; who trains says where
        return reconstruction.flatten(1).sum(1)
    _check_range("reconstructions", reconstruction, "Let the decoder end in a sigmoid.")
    wide = torch.promote_types(reconstruction.dtype, torch.float32)  # half precision is too coarse for the logarithms
    with torch.autocast(x.device.type, enabled=False):  # which bans this function on a GPU
        return F.binary_cross_entropy(reconstruction.to(wide), x.to(wide), reduction="none").flatten(1).sum(1)


def _check_range(what: str, values: Tensor, remedy: str) -> None:
    if values.numel():
        low, high = (float(end) for end in values.detach().aminmax())
        if low < 0 or high > 1:
            raise ValueError(
                f"{what} must lie between 0 and 1 for the cross-entropy, got {low:.3g} to {high:.3g}. {remedy}"
            )


LOSSES: dict[str, Loss] = {"squared_error": squared_error, "cross_entropy": cross_entropy}


@dataclass(frozen=True)
class Term:
    """One weighted penalty.

    Attributes:
        name: Under which the history reports it.
        weight: Its factor in the objective, at least 0.
        penalty: `(map, x) -> (value of the map, penalty per example)`.
        of: The map it is given: `encoder`, or `reconstruction` for g(f(x)).
    """

    name: str
    weight: float
    penalty: Penalty
    of: str = "encoder"

    def __post_init__(self) -> None:
        if not 0 <= self.weight < float("inf"):
            raise ValueError(f"weight must be a finite number of at least 0, got {self.weight}. 0 turns it off.")
        object.__setattr__(self, "weight", float(self.weight))  # a number of numpy's would not go into a checkpoint
        if self.of not in ("encoder", "reconstruction"):
            raise ValueError(f"of must be encoder or reconstruction, got {self.of!r}. Choose one of them.")


@dataclass(frozen=True)
class Values:
    """An objective evaluated on a batch.

    Attributes:
        reconstruction: Reconstruction error per example, (batch,).
        penalties: Unweighted penalty per example by name, each (batch,).
        total: Mean over the batch of everything, weighted: what is minimised.
    """

    reconstruction: Tensor
    penalties: dict[str, Tensor]
    total: Tensor


@dataclass(frozen=True)
class Objective:
    """Reconstruction loss, corruption and penalties of one kind of autoencoder.

    Calling it with an autoencoder and a batch gives `Values`.

    Attributes:
        name: Shown in tables.
        loss: `squared_error`, `cross_entropy`, or any callable (reconstruction, x) -> (batch,).
        corruption: Applied to the encoder's input; the clean x is what is reconstructed.
        terms: Weighted penalties, evaluated at the encoder's input.
        weight_decay: Factor of the sum of squared weights of encoder and decoder.
    """

    name: str = "standard"
    loss: Loss = squared_error
    corruption: Corruption | None = None
    terms: tuple[Term, ...] = field(default=())
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        names = [term.name for term in self.terms]
        if len(set(names)) < len(names):
            raise ValueError(f"terms must have different names, got {names}. Rename one with Term(name=...).")
        if not 0 <= self.weight_decay < float("inf"):
            raise ValueError(f"weight_decay must be a finite number of at least 0, got {self.weight_decay}. 0 is off.")
        object.__setattr__(self, "weight_decay", float(self.weight_decay))

    def __call__(
        self,
        autoencoder: Autoencoder,
        x: Tensor,
        *,
        generator: torch.Generator | None = None,
        sample_weight: Tensor | None = None,
    ) -> Values:
        """Evaluate on the batch x (batch, *features); `sample_weight` (batch,) are factors in the total.

        The encoder runs once, except with two Jacobian penalties, of which each makes its own pass.
        """
        seen = x if self.corruption is None else self.corruption(x, generator)
        encode = Encode(autoencoder.encoder, generator)
        maps = {"encoder": encode}
        if any(term.of == "reconstruction" for term in self.terms):
            maps["reconstruction"] = Encode(nn.Sequential(autoencoder.encoder, autoencoder.decoder), generator)
        # Jacobian penalties first: they leave the code for the others
        by_need = sorted(self.terms, key=lambda term: not hasattr(term.penalty, "exact"))
        values = {term.name: _checked(term, term.penalty(maps[term.of], seen)[1], x) for term in by_need}
        penalties = {term.name: values[term.name] for term in self.terms}
        whole = maps.get("reconstruction")
        reconstruction = self.loss(whole(seen) if whole else autoencoder.decoder(encode(seen)), x)
        weighted = reconstruction
        for term in self.terms:
            weighted = weighted + term.weight * penalties[term.name]
        total = weighted.mean() if sample_weight is None else (sample_weight * weighted).mean()
        if self.weight_decay:
            total = total + self.weight_decay * squared_weights(autoencoder)
        return Values(reconstruction, penalties, total)

    def active(self) -> "Objective":
        """The same objective without the penalties whose weight is 0: they would cost time and change nothing."""
        if all(term.weight for term in self.terms):
            return self
        return replace(self, terms=tuple(term for term in self.terms if term.weight))

    def exact(self) -> "Objective":
        """The same objective without corruption and without the noise of estimates, for validation."""
        exact = (getattr(term.penalty, "exact", None) for term in self.terms)
        terms = (replace(term, penalty=make()) if make else term for term, make in zip(self.terms, exact, strict=True))
        return replace(self, corruption=None, terms=tuple(terms))


def _checked(term: Term, values: Tensor, x: Tensor) -> Tensor:
    if values.shape != (len(x),):
        raise ValueError(
            f"penalty {term.name!r} must return one value per example, shape ({len(x)},), got {tuple(values.shape)}."
            " Sum over everything but the batch and leave mean and weight to the objective."
        )
    return values


def standard(*, loss: Loss = squared_error) -> Objective:
    """Reconstruction only."""
    return Objective("standard", loss)


def weight_decay(weight: float = 1e-4, *, loss: Loss = squared_error) -> Objective:
    """Reconstruction plus weight * sum of squared weights."""
    return Objective("weight_decay", loss, weight_decay=weight)


def denoising(corruption: Corruption | float = 0.3, *, loss: Loss = squared_error) -> Objective:
    """Reconstruct the clean input from a corrupted one (Vincent et al. 2008).

    Args:
        corruption: A corruption, or the sigma of Gaussian noise.
        loss: Reconstruction loss.
    """
    return Objective("denoising", loss, corruption=_corruption(corruption))


def sparse(weight: float = 0.1, *, target: float = 0.05, loss: Loss = squared_error) -> Objective:
    """Reconstruction plus weight * KL divergence of mean unit activations from `target`."""
    return Objective("sparse", loss, terms=(Term("kl_sparsity", weight, KLSparsity(target)),))


def l1(weight: float = 0.01, *, loss: Loss = squared_error) -> Objective:
    """Reconstruction plus weight * sum of absolute code values."""
    return Objective("l1", loss, terms=(Term("code_l1", weight, code_l1),))


def contractive(
    weight: float = 0.1, *, method: Method = "auto", num_probes: int | None = None, loss: Loss = squared_error
) -> Objective:
    """Reconstruction plus weight * ||J_f(x)||_F^2 (Rifai et al., ICML 2011).

    Args:
        weight: The paper's lambda, for a reconstruction error summed over features.
        method: How the norm is computed in training; validation is always exact.
        num_probes: Probes per example where an estimate is taken.
        loss: Reconstruction loss.
    """
    return Objective("contractive", loss, terms=(Term("contractive", weight, JacobianNorm(method, num_probes)),))


def higher_order(
    weight: float = 0.1,
    *,
    ratio: float = 1.0,
    sigma: float = 0.1,
    copies: int = 4,
    method: Method = "auto",
    loss: Loss = squared_error,
) -> Objective:
    """Reconstruction plus weight * (||J(x)||^2 + ratio * E||J(x) - J(x + e)||^2): CAE+H (Rifai et al., ECML 2011)."""
    penalty = HigherOrder(ratio, sigma, copies, method)
    return Objective("higher_order", loss, terms=(Term("higher_order", weight, penalty),))


def reconstruction_contractive(
    weight: float = 0.01, *, method: Method = "auto", num_probes: int | None = None, loss: Loss = squared_error
) -> Objective:
    """Reconstruction plus weight * ||J_{g o f}(x)||_F^2: the whole map is contracted (Alain and Bengio 2014)."""
    term = Term("reconstruction_contractive", weight, JacobianNorm(method, num_probes), of="reconstruction")
    return Objective("reconstruction_contractive", loss, terms=(term,))


def contractive_denoising(
    weight: float = 0.1, corruption: Corruption | float = 0.3, *, loss: Loss = squared_error
) -> Objective:
    """Denoising with the contractive penalty at the corrupted input (Chen et al. 2013)."""
    return replace(contractive(weight, loss=loss), name="contractive_denoising", corruption=_corruption(corruption))


def compose(*objectives: Objective, name: str | None = None) -> Objective:
    """One objective with the penalties of all; at most one may corrupt, and all share one loss.

    Example:
        >>> compose(contractive(0.1), sparse(0.01), denoising(0.2)).name
        'contractive + sparse + denoising'

    Raises:
        ValueError: No objective, different losses, or two corruptions.
    """
    if not objectives:
        raise ValueError("compose must get at least one objective, got none. Start from standard().")
    losses = {objective.loss for objective in objectives}
    corruptions = [objective.corruption for objective in objectives if objective.corruption is not None]
    if len(losses) > 1:
        raise ValueError(f"objectives must share one loss, got {len(losses)}. Pass the same loss= to each.")
    if len(corruptions) > 1:
        raise ValueError(f"objectives must have at most one corruption, got {len(corruptions)}. Drop one of them.")
    return Objective(
        name or " + ".join(objective.name for objective in objectives),
        objectives[0].loss,
        corruptions[0] if corruptions else None,
        tuple(term for objective in objectives for term in objective.terms),
        sum(objective.weight_decay for objective in objectives),
    )


def _corruption(corruption: Corruption | float) -> Corruption:
    return corruption if callable(corruption) else Gaussian(float(corruption))
