"""How much longer does training take whose weight is found? Processor seconds, one thread.

    python benchmarks/weight_cost.py

Each network is trained twice in the same budget from the same weights: without a penalty, and by
`fit_with_max_error_increase` at 10 %. A piece is one seed of one network; those in `results/weight_cost.json` are kept.
"""

import json
import time
from pathlib import Path

import torch
from sklearn.datasets import load_breast_cancer

import contractive as ct
from contractive.data import load

RESULTS = Path(__file__).parent / "results" / "weight_cost.json"
SEEDS = 3


def table():
    """Return the standardised rows of a small table."""
    x = torch.from_numpy(load_breast_cancer().data).float()
    return (x - x.mean(0)) / x.std(0)


def wide():
    """Return rows of 784 features on a surface of ten dimensions."""
    generator = torch.Generator().manual_seed(0)
    z, weight = torch.randn(2500, 10, generator=generator), torch.randn(10, 784, generator=generator)
    return torch.sigmoid(z @ weight)


CELLS = {
    "digits, 64-128-64-32": (lambda: torch.from_numpy(load("digits").train), 64, (128, 64), 32, {}, 40),
    "table, 30-128-64-15": (table, 30, (128, 64), 15, {"output": "linear"}, 40),
    "wide, 784-256-128-64": (wide, 784, (256, 128), 64, {}, 8),
}


def measure(rows, features, hidden, code, more, epochs, seed):
    """Return the processor seconds of the run whose weight is found over those of the plain run."""
    seconds, kept = [], len(rows) // 5
    settings = {"max_epochs": epochs, "batch_size": 32, "schedule": "cosine", "seed": seed, "progress": False}
    settings |= {"validation": rows[:kept], "threads": 1}
    for train, objective in (
        (ct.fit, ct.objectives.standard()),
        (ct.fit_with_max_error_increase, ct.objectives.contractive()),
    ):
        torch.manual_seed(seed)
        autoencoder = ct.mlp(features, hidden=hidden, code=code, **more)
        began = time.process_time()
        train(autoencoder, rows[kept:], objective, **settings)
        seconds.append(time.process_time() - began)
    return seconds[1] / seconds[0]


def main():
    """Measure what is missing and write the results."""
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name, (rows, *cell) in CELLS.items():
        ratios = found.setdefault(name, [])
        for seed in range(len(ratios), SEEDS):
            ratios.append(round(measure(rows(), *cell, seed), 3))
            RESULTS.write_text(json.dumps(found, indent=1) + "\n")
            print(f"{name}, seed {seed}: {ratios[-1]:.2f}", flush=True)


if __name__ == "__main__":
    main()
