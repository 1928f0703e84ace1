"""The code in README and docs runs as it stands."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

import contractive as ct

ROOT = Path(__file__).parents[2]
BLOCKS = [
    pytest.param(block, id=f"{path.name} {number}")
    for path in (ROOT / "README.md", ROOT / "docs" / "extending.md")
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL), 1)
]


class Residual(nn.Module):
    """An encoder of somebody's own."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(12, 12), nn.LayerNorm(12), nn.Tanh())
        self.out = nn.Linear(12, 3)

    def forward(self, x):
        return torch.sigmoid(self.out(x + self.inner(x)))


@pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")
@pytest.mark.parametrize("block", BLOCKS)
def test_code_runs(block, capsys):
    torch.manual_seed(0)
    known = {"ct": ct, "torch": torch, "x": torch.rand(20, 12), "encoder": Residual(), "decoder": nn.Linear(3, 12)}
    exec(compile(block, "block", "exec"), known)
    if "loss" in known:
        known["loss"].backward()
        assert all(p.grad is not None for p in known["encoder"].parameters())
    if "history" in known:
        totals = known["history"]["train_total"]
        assert totals[-1] < totals[0]


def test_there_are_blocks():
    assert len(BLOCKS) == 5
