"""Regularisers that fine-tuning adds to the loss of the labels."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from contractive.core.errors import InvalidValue
from contractive.jacobian import value_and_squared_norm
from contractive.models import Classifier, tensors_checksum
from contractive.objectives import tangent_propagation
from contractive.training._settings import check_count

_CHECKED = 256


@dataclass(frozen=True)
class Regularisation:
    """Regularisers that are added to the loss of each example.

    Attributes:
        jacobian_weight: Factor of the encoder's ||J(x)||_F^2.
        tangent_weight: Factor of Omega(x) = sum_u ||(do/dx) u||^2, o the outputs (Rifai et al., NIPS 2011).
        tangents: Directions u of every training example, (examples, num, features); an array may lie on disk.
        tangents_per_step: So many of them, drawn anew for every batch and scaled up so that the expectation stays:
            cheaper and noisier (deviation from the paper); all if None.
    """

    jacobian_weight: float = 0.0
    tangent_weight: float = 0.0
    tangents: Tensor | np.ndarray | None = None
    tangents_per_step: int | None = None

    def __post_init__(self) -> None:
        for name in ("jacobian_weight", "tangent_weight"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise InvalidValue(name, "be a finite number of at least 0", value, "0 turns it off.")
            object.__setattr__(self, name, float(value))  # checkpoints hold no numbers of numpy's
        if self.tangent_weight and self.tangents is None:
            raise InvalidValue("tangents", "come with a `tangent_weight`", "none", "See jacobian.leading.")
        if self.tangents_per_step is not None:
            object.__setattr__(self, "tangents_per_step", check_count("tangents_per_step", self.tangents_per_step))

    def in_words(self) -> str:
        """Return the numbers among the fields as one text."""
        return f"{self.jacobian_weight}, {self.tangent_weight}, {self.tangents_per_step}"

    def checksum(self) -> int:
        """Checksum of the tangents that are used, at up to 256 spread examples: all of them may be many gigabytes."""
        if self.tangents is None or not self.tangent_weight:
            return 0
        rows = np.unique(np.linspace(0, len(self.tangents) - 1, _CHECKED).astype(int))
        found = self.tangents[torch.from_numpy(rows)] if isinstance(self.tangents, Tensor) else self.tangents[rows]
        return tensors_checksum([torch.as_tensor(np.array(found)) if isinstance(found, np.ndarray) else found])

    def __call__(
        self, classifier: Classifier, x: Tensor, rows: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return the logits of the training rows `rows`, whose points are x, and what is added to each one's loss."""
        extra = x.new_zeros(len(x))
        if self.tangent_weight:
            tangents, factor = self._tangents_of(rows, x, generator)
            logits, omega = tangent_propagation(classifier.chain, x, tangents, output=classifier.output)
            extra = self.tangent_weight * factor * omega
            if self.jacobian_weight:
                norm = value_and_squared_norm(classifier.encoder, x, generator=generator)[1]
                extra = extra + self.jacobian_weight * norm
        elif self.jacobian_weight:
            code, norm = value_and_squared_norm(classifier.encoder, x, generator=generator)
            logits, extra = classifier.linear(code), self.jacobian_weight * norm
        else:
            logits = classifier(x)
        return logits, extra

    def _tangents_of(self, rows: Tensor, like: Tensor, generator: torch.Generator) -> tuple[Tensor, float]:
        """(tangents of these training rows, factor that makes up for those left out)."""
        assert self.tangents is not None
        num = self.tangents.shape[1]
        taken: Any = slice(None)
        count = num
        if self.tangents_per_step is not None and self.tangents_per_step < num:
            count = self.tangents_per_step
            taken = torch.randperm(num, generator=generator)[:count].numpy()
        if isinstance(self.tangents, Tensor):
            chosen = self.tangents[rows.to(self.tangents.device)][:, taken]
        else:  # only these rows are read from the disk
            chosen = torch.from_numpy(np.asarray(self.tangents[rows.numpy()][:, taken]))
        # drawn without replacement, each with probability count / num: the factor keeps the expectation
        return chosen.to(like), num / count
