"""How the weight that costs 10 % of reconstruction moves with width, number of features and scale, on digits.

    python experiments/weight_scaling.py --docs docs/choosing-the-weight.md

One sigmoid layer, linear output, squared error summed over features; the weight by `fit_with_max_error_increase` at
0.1, judged on 400 held-out rows; median of three seeds. Beside it the rule of thumb, increase * error / ||J||^2 of
the network without penalty, and what the formulae of the page foresee from the first row.
"""

import argparse
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from _ledger import put
from sklearn.datasets import load_digits

import contractive as ct

MAX_ERROR_INCREASE = 0.1
SETTINGS = {"max_epochs": 40, "batch_size": 64, "learning_rate": 3e-3, "schedule": "cosine", "device": "cpu"}


@dataclass(frozen=True)
class Case:
    """One row of the table; `foreseen` is the factor that the formulae give against the first row."""

    name: str
    code: int = 32
    repeat: int = 1
    scale: float = 1.0
    foreseen: float = 1.0


CASES = (
    Case("64 features, 32 units"),
    Case("8 units", code=8, foreseen=4.0),
    Case("128 units", code=128, foreseen=1 / 4),
    Case("every pixel twice (128 features)", repeat=2, foreseen=4.0),
    Case("pixels from 0 to 2 instead of 0 to 1", scale=2.0, foreseen=16.0),
)


def found(case, seed, epochs=None):
    """(weight found, rule of thumb, error increase) of one run."""
    x = load_digits().data.astype(np.float32) / 16 * case.scale
    x = torch.from_numpy(np.repeat(x, case.repeat, axis=1))
    x = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))]
    torch.manual_seed(seed)
    net = ct.mlp(x.shape[1], code=case.code, output="linear")
    settings = {**SETTINGS, "seed": seed, "progress": False, **({"max_epochs": epochs} if epochs else {})}
    objective = ct.objectives.contractive()
    history = ct.fit_with_max_error_increase(
        net, x[400:], objective, validation=x[:400], max_error_increase=MAX_ERROR_INCREASE, **settings
    )
    free = history.reference[-1]
    thumb = MAX_ERROR_INCREASE * free["val_reconstruction"] / free["val_squared_norm"]
    return history["weight"][-1], thumb, history["error_increase"][-1]


def table(seeds=(0, 1, 2), epochs=None, cases=CASES):
    """Markdown."""
    lines = ["| | weight found | against the first row | foreseen | rule of thumb | error increase |", "|" + "---|" * 6]
    first = None
    for case in cases:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ct.CollapseWarning)
            weight, thumb, increase = np.median([found(case, seed, epochs) for seed in seeds], axis=0)
        first = first or weight
        cells = [f"{weight:.2g}", f"{weight / first:.2g}", f"{case.foreseen:.2g}", f"{thumb:.2g}", f"{increase:.1%}"]
        lines.append(f"| {case.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", type=Path, help="write the table into this page")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    made = table()
    print(made)
    if arguments.docs:
        put(arguments.docs, "weights found", made)


if __name__ == "__main__":
    main()
