"""The score of a detector as a torch module, which can be exported."""

import numpy as np
import torch
from torch import Tensor, nn

from contractive.core.errors import InvalidValue
from contractive.estimators._crossfit import NEIGHBOURS, ORDER, SAFEGUARD, CrossFit, Member
from contractive.estimators._surprise import Ranks
from contractive.models import Autoencoder

EXPORTED = ("code", "residual")  # the parts of a score that need no training rows


class ScoreModule(nn.Module):
    """Turns scaled rows (batch, features) into their scores and whether each is flagged, both (batch,).

    As `CrossFit.score` of new rows; training rows are not recognised and are judged by all networks, too.

    Args:
        fit: Networks and ranks.
        limit: Score above which a row is flagged.
        score_by: Name of the score.

    Raises:
        InvalidValue: A score that needs the training rows.
    """

    def __init__(self, fit: CrossFit, limit: float, score_by: str) -> None:
        super().__init__()
        if not {*fit.parts} <= {*EXPORTED}:
            remedy = "Fit with one of these, or apply the saved detector in Python."
            got = f"{score_by}, which needs the training rows"
            raise InvalidValue("score_by", "be reconstruction or structured to be exported", got, remedy)
        self.limit, self.ceiling = limit, fit.ceiling
        self.members = nn.ModuleList(MemberModule(member) for member in fit.members)
        self.parts = nn.ModuleDict({part: Surprise(fit.ranks[part]) for part in {*fit.parts, "residual"}})
        self.together = Surprise(fit.ranks["together"])
        self.scored = fit.parts

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return score and flag."""
        found = [member(z.double()) for member in self.members]
        numbers = {part: torch.stack([each[part] for each in found]) for part in self.parts}  # (networks, batch) each
        surprises = torch.stack([self.parts[part](numbers[part]) for part in self.scored])
        score = self.together((surprises.mean(0) + surprises.amax(0)).mean(0))
        alone = (self.parts["residual"](numbers["residual"].mean(0)) - SAFEGUARD).clamp(max=self.ceiling)
        score = torch.maximum(score, alone) + ORDER * score
        return score, score > self.limit


class MemberModule(nn.Module):
    """What one network says of scaled rows: the parts of the score that need no rows, in double precision."""

    def __init__(self, member: Member) -> None:
        super().__init__()
        self.network: Autoencoder = member.network
        self.codes: Tensor | None
        self.register_buffer("codes", None if member.codes is None else torch.from_numpy(member.codes))

    def forward(self, z: Tensor) -> dict[str, Tensor]:
        """Return each part, (batch,)."""
        code = self.network.encode(z)
        found = {"residual": (z - self.network.decode(code)).norm(dim=1)}
        if self.codes is not None:
            lengths = (self.codes**2).sum(1) - 2 * code @ self.codes.T  # nearest by these; distances anew, unrounded
            near = lengths.topk(min(NEIGHBOURS, len(self.codes)), largest=False).indices
            found["code"] = (code[:, None] - self.codes[near]).norm(dim=2).mean(1)
        return found


class Surprise(nn.Module):
    """`Ranks.surprise` of numbers of any shape."""

    def __init__(self, ranks: Ranks) -> None:
        super().__init__()
        self.index = ranks.index
        self.values: Tensor
        self.heights: Tensor
        self.register_buffer("values", torch.from_numpy(np.asarray(ranks.values, np.float64)))
        self.register_buffer("heights", torch.from_numpy(ranks.heights))

    def forward(self, numbers: Tensor) -> Tensor:
        """Return -log p, between the calibration numbers by a straight line, beyond them by a Pareto tail."""
        last = len(self.values) - 1
        place = (numbers[..., None] >= self.values).sum(-1)  # of them are at most this
        low, high = (place - 1).clamp(0, last), place.clamp(0, last)
        width = self.values[high] - self.values[low]
        share = (numbers - self.values[low]) / torch.where(width > 0, width, torch.ones_like(width))
        inside = self.heights[low] + share.clamp(0, 1) * (self.heights[high] - self.heights[low])
        most = self.values[last]
        ratio = torch.where(most > 0, torch.maximum(numbers, most) / most.clamp(min=1e-300), 1 + numbers.clamp(min=0))
        return torch.where(numbers > most, self.heights[last] + ratio.log() / self.index, inside)
