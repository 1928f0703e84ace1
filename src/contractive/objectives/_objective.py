"""What is minimised: reconstruction error, perhaps from a corrupted input, plus weighted penalties.

    objective = mean over examples of  L(x, g(f(x~))) + sum_i weight_i * penalty_i(x~)

L is SUMMED over features and a penalty has no hidden factor (docs/conventions.md). Standard, denoising, sparse and
contractive autoencoders are presets of this one thing; `compose` joins them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from contractive.core.errors import ContractiveError, InvalidValue, check_choice, check_not_negative
from contractive.jacobian import is_altered
from contractive.models import Autoencoder
from contractive.objectives._corruption import Corruption
from contractive.objectives._penalties import Encode, Penalty, squared_weights

Loss = Callable[[Tensor, Tensor], Tensor]


def squared_error(reconstruction: Tensor, x: Tensor) -> Tensor:
    """Squared error per example, summed over features, shape (batch,)."""
    return (reconstruction - x).square().flatten(1).sum(1)


def cross_entropy(reconstruction: Tensor, x: Tensor) -> Tensor:
    """Binary cross-entropy per example in nats, summed over features, shape (batch,), as in Rifai et al. (2011).

    Raises:
        InvalidValue: Data or reconstructions outside [0, 1].
    """
    if reconstruction.isnan().any():  # training diverged, and the training loop raises with the place
        return reconstruction.flatten(1).sum(1)
    for name, values, remedy in (
        ("data", x, "Scale them (minmax) or use the squared error."),
        ("reconstructions", reconstruction, "Let the decoder end in a sigmoid."),
    ):
        low, high = (float(end) for end in values.detach().aminmax()) if values.numel() else (0.0, 1.0)
        if low < 0 or high > 1:
            rule = "lie between 0 and 1 for the cross-entropy"
            raise InvalidValue(name, rule, f"{low:.3g} to {high:.3g}", remedy)
    wide = torch.promote_types(reconstruction.dtype, torch.float32)  # half precision is too coarse for the logarithms
    with torch.autocast(x.device.type, enabled=False):  # which bans this function on a GPU
        return F.binary_cross_entropy(reconstruction.to(wide), x.to(wide), reduction="none").flatten(1).sum(1)


LOSSES: dict[str, Loss] = {"squared_error": squared_error, "cross_entropy": cross_entropy}


@dataclass(frozen=True)
class Term:
    """One weighted penalty."""

    name: str  # under which the history reports it
    weight: float  # its factor in the objective, at least 0
    penalty: Penalty  # (map, x) -> (value of the map, penalty per example)
    # the map it is given: `encoder`, `reconstruction` for g(f(x)), `decoder` (at the code), or for x -> the output of a
    # layer of an `nn.Sequential` encoder `encoder.` and its name, such as `encoder.1`
    of: str = "encoder"
    at: Corruption | None = None  # moves the points (noise, interpolation), for a pass of its own; None for the inputs
    # whether the penalty is (map, x, labels) -> ..., with the labels of the batch; validation leaves it out
    labelled: bool = False

    def __post_init__(self) -> None:
        check_not_negative("weight", self.weight)
        object.__setattr__(self, "weight", float(self.weight))  # checkpoints may not hold a scalar of numpy
        if not self.of.startswith("encoder."):
            check_choice("of", self.of, (*_MAPS, "encoder.LAYER"))

    @property
    def is_squared_norm(self) -> bool:
        """True for ||J_f(x)||_F^2 of the encoder at its inputs."""
        return self.of == "encoder" and self.at is None and getattr(self.penalty, "is_squared", False)


def _layer(encoder: nn.Module, name: str) -> nn.Module:
    """Return the encoder up to and with one of its layers."""
    names = [*encoder._modules]  # a module that stands in several places has as many names
    altered = is_altered(encoder)
    if type(encoder) is not nn.Sequential or altered or name not in names:
        kind = f"{'an altered' if altered else 'a'} {type(encoder).__name__}"
        got = f"encoder.{name} of {kind} with {', '.join(names) or 'no layers'}"
        raise InvalidValue("of", "name a layer of an nn.Sequential encoder", got, "Or pass a penalty of your own map.")
    return encoder[: names.index(name) + 1]


_MAPS: dict[str, Callable[[Autoencoder], nn.Module]] = {
    "encoder": lambda autoencoder: autoencoder.encoder,
    "decoder": lambda autoencoder: autoencoder.decoder,
    "reconstruction": lambda autoencoder: nn.Sequential(autoencoder.encoder, autoencoder.decoder),
}


def map_of(autoencoder: Autoencoder, of: str) -> nn.Module:
    """Return the map of a `Term`.

    Raises:
        InvalidValue: A layer that the encoder does not have.
    """
    kind, _, name = of.partition(".")
    return _layer(autoencoder.encoder, name) if name else _MAPS[kind](autoencoder)


class _Maps:
    """The maps of an autoencoder during one step, of which each runs once at the points of the step."""

    def __init__(self, autoencoder: Autoencoder, x: Tensor, generator: torch.Generator | None) -> None:
        self.autoencoder, self.x, self.generator = autoencoder, x, generator
        self._made: dict[str, Encode] = {}

    def __getitem__(self, of: str) -> Encode:
        if of not in self._made:
            self._made[of] = Encode(map_of(self.autoencoder, of), self.generator)
        return self._made[of]

    def given_to(self, term: Term) -> tuple[Encode, Tensor]:
        """Return the map of a term and its points."""
        points = self["encoder"](self.x) if term.of == "decoder" else self.x
        if term.at is None:
            return self[term.of], points
        return Encode(self[term.of].f, self.generator), term.at(points, self.generator)

    def reconstruction(self) -> Tensor:
        if "reconstruction" in self._made:
            return self["reconstruction"](self.x)
        return self["decoder"](self["encoder"](self.x))


def _values(name: str, returned: Any, batch: int) -> Tensor:
    """Return the values of a penalty from what it returned, or raise."""
    several = isinstance(returned, tuple | list)
    if not several or len(returned) < 2 or not isinstance(returned[1], Tensor):
        kinds = returned if several else [returned]
        raise ContractiveError(
            f"The penalty {name!r} must return two tensors, the code and one value per example, got"
            f" {', '.join(type(each).__name__ for each in kinds)}. Write: return code, values."
        )
    values = returned[1]
    if values.shape != (batch,):
        raise ContractiveError(
            f"The penalty {name!r} must return one value per example, shape ({batch},), got {tuple(values.shape)}. Sum"
            " over everything but the batch and leave mean and weight to the objective."
        )
    return values


@dataclass(frozen=True)
class Values:
    """An objective evaluated on a batch."""

    reconstruction: Tensor  # error per example, (batch,)
    penalties: dict[str, Tensor]  # unweighted penalty per example by name, each (batch,)
    total: Tensor  # mean over the batch of everything, weighted: what is minimised


@dataclass(frozen=True)
class Objective:
    """Reconstruction loss, corruption and penalties; calling it with an autoencoder and a batch gives `Values`."""

    name: str = "standard"
    loss: Loss = squared_error  # or `cross_entropy`, or any callable (reconstruction, x) -> (batch,)
    corruption: Corruption | None = None  # of the encoder's input; the clean x is what is reconstructed
    terms: tuple[Term, ...] = ()  # evaluated at the encoder's input
    weight_decay: float = 0.0  # factor of the sum of squared weights of encoder and decoder

    def __post_init__(self) -> None:
        names = [term.name for term in self.terms]
        if len(set(names)) < len(names):
            raise InvalidValue("terms", "have different names", names, "Rename one with Term(name=...).")
        check_not_negative("weight_decay", self.weight_decay)
        object.__setattr__(self, "weight_decay", float(self.weight_decay))

    def __call__(
        self,
        autoencoder: Autoencoder,
        x: Tensor,
        *,
        generator: torch.Generator | None = None,
        sample_weight: Tensor | None = None,
        labels: Any = None,
    ) -> Values:
        """Evaluate the objective on a batch x (batch, *features), `sample_weight` (batch,) being factors in the total.

        `labels` are handed to the labelled terms as they are.

        The encoder runs once. Exceptions: every further Jacobian penalty of the encoder, and every term with `at`,
        makes a pass of its own. Noise and probe vectors come from `generator`, or from torch's global one.

        Raises:
            ContractiveError: A penalty that does not return one value per example, a labelled one without labels.
        """
        corrupted = x if self.corruption is None else self.corruption(x, generator)
        maps = _Maps(autoencoder, corrupted, generator)
        found: dict[str, Tensor] = {}
        # Jacobian penalties first: they leave the code for the others, that of the encoder for one of the decoder
        for term in sorted(self.terms, key=lambda term: (not hasattr(term.penalty, "exact"), term.of == "decoder")):
            if term.labelled and labels is None:
                remedy = "In `fit`: labels=lambda batch: batch[1]."
                raise InvalidValue("labels", f"come with the penalty {term.name!r}", "none", remedy)
            penalty: Any = term.penalty
            if term.labelled:
                penalty = partial(penalty, labels=labels)
            found[term.name] = _values(term.name, penalty(*maps.given_to(term)), len(x))
        reconstruction = weighted = self.loss(maps.reconstruction(), x)
        for term in self.terms:
            weighted = weighted + term.weight * found[term.name]
        total = weighted.mean() if sample_weight is None else (sample_weight * weighted).mean()
        if self.weight_decay:
            total = total + self.weight_decay * squared_weights(autoencoder)
        return Values(reconstruction, {term.name: found[term.name] for term in self.terms}, total)

    def active(self) -> "Objective":
        """Return the objective without the penalties whose weight is 0: they would cost time and change nothing."""
        if all(term.weight for term in self.terms):
            return self
        return replace(self, terms=tuple(term for term in self.terms if term.weight))

    def exact(self) -> "Objective":
        """Return the objective for validation: no corruption, exact penalties, no labelled terms.

        The random points of terms with `at` stay.
        """
        kept = [(term, getattr(term.penalty, "exact", None)) for term in self.terms if not term.labelled]
        terms = tuple(replace(term, penalty=make()) if make else term for term, make in kept)
        return replace(self, corruption=None, terms=terms)


def compose(*objectives: Objective, name: str | None = None) -> Objective:
    """Return one objective with the penalties of all; at most one may corrupt, and all share one loss.

    Examples:
        >>> from contractive.objectives import contractive, denoising, sparse
        >>> compose(contractive(0.1), sparse(0.01), denoising(0.2)).name
        'contractive + sparse + denoising'

    Raises:
        ContractiveError: No objective, different losses, or two corruptions.
    """
    if not objectives:
        raise ContractiveError("compose must get at least one objective, got none. Start from standard().")
    losses = {objective.loss for objective in objectives}
    corruptions = [objective.corruption for objective in objectives if objective.corruption is not None]
    if len(losses) > 1:
        raise InvalidValue("objectives", "share one loss", len(losses), "Pass the same loss= to each.")
    if len(corruptions) > 1:
        raise InvalidValue("objectives", "have at most one corruption", len(corruptions), "Drop one of them.")
    return Objective(
        name or " + ".join(objective.name for objective in objectives),
        objectives[0].loss,
        corruptions[0] if corruptions else None,
        tuple(term for objective in objectives for term in objective.terms),
        sum(objective.weight_decay for objective in objectives),
    )
