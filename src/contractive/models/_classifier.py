"""A classifier on top of an encoder."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

OUTPUTS = ("softmax", "sigmoid")


class Classifier(nn.Module):
    """Encoder, one linear layer, and softmax or one sigmoid per class; calling it gives the logits (batch, classes).

    Args:
        encoder: From (batch, *features) to (batch, units).
        num_units: Units of its code.
        num_classes: Classes.
        output: `softmax`, trained by cross-entropy, or `sigmoid`, by the sum of binary cross-entropies over the
            classes, as in the manifold tangent classifier.
        seed: Of the initial weights of the linear layer.

    Raises:
        ValueError: Fewer than two classes, or another output.
    """

    def __init__(
        self, encoder: nn.Module, num_units: int, num_classes: int, *, output: str = "softmax", seed: int = 0
    ) -> None:
        super().__init__()
        if num_classes < 2:
            raise ValueError(f"num_classes must be at least 2, got {num_classes}. One class is nothing to learn.")
        if output not in OUTPUTS:
            raise ValueError(f"output must be one of {', '.join(OUTPUTS)}, got {output!r}. Pick one of these.")
        self.output = output
        self.encoder = copy.deepcopy(encoder)  # fine-tuning leaves the pretrained layers as they are
        like = next(encoder.parameters(), torch.empty(0))
        self.linear = nn.Linear(num_units, num_classes, dtype=like.dtype)
        nn.init.xavier_uniform_(self.linear.weight, generator=torch.Generator().manual_seed(seed))
        nn.init.zeros_(self.linear.bias)
        self.linear.to(like.device)

    @property
    def chain(self) -> nn.Sequential:
        """Encoder and linear layer as one sequence, whose structure the Jacobian formulas can read."""
        return nn.Sequential(self.encoder, self.linear)

    def forward(self, x: Tensor) -> Tensor:
        """Logits, (batch, classes)."""
        return self.linear(self.encoder(x))

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Negative log-likelihood per example in nats, shape (batch,); labels are class numbers."""
        if self.output == "softmax":
            return F.cross_entropy(logits, labels, reduction="none")
        wanted = F.one_hot(labels, logits.shape[1]).to(logits.dtype)
        return F.binary_cross_entropy_with_logits(logits, wanted, reduction="none").sum(1)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Probabilities of the classes, summing to 1; sigmoid outputs are divided by their sum."""
        if self.output == "softmax":
            return torch.softmax(logits, 1)
        return torch.softmax(F.logsigmoid(logits), 1)
