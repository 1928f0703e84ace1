"""Does training with the default end where others end? Exact validation objective after equal steps and equal time.

    python benchmarks/outcome.py --data-dir DATA [--cells "digits 64-128-64-32,..."] [--weights 0.1] [--minutes 30]

Exact values, probes on all rows, the random projection of Hoffman et al. and `auto`, which chooses the method and the
rows by the variance of the gradient, each train the same network from the same weights on the same batches: for few
epochs at a constant rate, and for ten times as many with a cosine. A piece is one training; pieces that
`results/outcome.json` has are not run again.
"""

import argparse
import json
import math
import platform
import statistics
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import torch
from lightning.pytorch import Callback
from peers import random_vjp
from scipy import stats
from step import resnet

import contractive as ct
from contractive.core.files import write_text
from contractive.data import Options, load
from contractive.objectives import Objective, Term

RESULTS = Path(__file__).parent / "results" / "outcome.json"
METHODS = {
    "exact": {"method": "exact", "penalty_rows": 1.0},
    "probes": {"method": "probes", "penalty_rows": 1.0},
    "random vjp": None,
    "auto": {},
}
BATCH = 128


class Cell(NamedTuple):
    """Data, network and length of some trainings."""

    data: str  # a named set, or a file in the folder of data
    rows: int
    build: object
    methods: tuple[str, ...] = tuple(METHODS)
    weights: tuple[float, ...] = (0.01, 0.1, 1.0, 10.0)
    epochs: tuple[int, ...] = (4, 40)  # constant rate; cosine
    rate: float = 3e-3


def conv():
    return ct.conv((1, 28, 28), code=64)


def residual():
    return ct.Autoencoder(resnet(), conv().decoder)


ESTIMATES = ("probes", "random vjp", "auto")  # exact values through autograd cost 25 plain steps
CELLS = {
    "digits 64-128-64-32": Cell("digits", 2_000, lambda: ct.mlp(64, hidden=(128, 64), code=32)),
    "california_housing 9-64-32-4": Cell(
        "tabular/california_housing.csv", 4_000, lambda: ct.mlp(9, hidden=(64, 32), code=4, output="linear")
    ),
    "MNIST 784-256-128-64": Cell("mnist", 10_000, lambda: ct.mlp(784, hidden=(256, 128), code=64), rate=1e-3),
    "MNIST conv": Cell("mnist", 4_000, conv, ESTIMATES, rate=1e-3),
    "MNIST GroupNorm ResNet": Cell("mnist", 2_000, residual, ESTIMATES, (0.1, 1.0), (4,), 1e-3),
}


class Curve(Callback):
    """After each epoch, processor seconds of training so far and the exact objective on validation rows."""

    def __init__(self, autoencoder, objective, rows):
        self.autoencoder, self.objective, self.rows = autoencoder, objective, rows
        self.points, self.spent, self.began = [], 0.0, time.process_time()

    def on_train_epoch_end(self, trainer, module):
        self.spent += time.process_time() - self.began
        with torch.no_grad():
            parts = [self.objective(self.autoencoder, rows).total * len(rows) for rows in self.rows.split(250)]
        self.points.append({"seconds": round(self.spent, 3), "objective": float(sum(parts)) / len(self.rows)})
        self.began = time.process_time()


def objective_of(method, weight):
    if METHODS[method] is None:
        return Objective(terms=(Term("contraction", weight, random_vjp),))
    return ct.objectives.contractive(weight, **METHODS[method])


def train(cell, folder, method, weight, seed, epochs):
    """Train once; return the curve and how many rows of a batch the penalty was computed on at the end."""
    if "." in cell.data:
        split = load(
            folder / cell.data, seed=seed, options=Options(drop=("ocean_proximity",), impute="median")
        ).in_memory()
    else:
        split = load(cell.data, data_dir=folder, seed=seed).in_memory()
    shape = (1, 28, 28) if cell.build in (conv, residual) else (split.features,)
    rows = torch.from_numpy(split.train[: cell.rows]).reshape(-1, *shape)
    held_out = torch.from_numpy(split.validation[:1000]).reshape(-1, *shape)
    torch.manual_seed(seed)
    autoencoder = cell.build()
    curve = Curve(autoencoder, ct.objectives.contractive(weight).exact(), held_out)
    schedule = "constant" if epochs == min(cell.epochs) else "cosine"
    options = {"max_epochs": epochs, "batch_size": BATCH, "learning_rate": cell.rate, "schedule": schedule}
    history = ct.fit(
        autoencoder, rows, objective_of(method, weight), callbacks=[curve], seed=seed, progress=False, **options
    )
    last = history["penalty_rows"][-1] if "penalty_rows" in history.columns else BATCH
    return {"curve": curve.points, "rows": last}


def write(found):
    """Write the results, a piece to a line."""
    pieces = ",\n".join(f"  {json.dumps(key)}: {json.dumps(piece)}" for key, piece in found["pieces"].items())
    text = json.dumps({**found, "pieces": "PIECES"}, indent=1).replace('"PIECES"', f"{{\n{pieces}\n }}")
    write_text(RESULTS, text + "\n")


def compared(pieces, method, other):
    """Mean of the paired log-ratios of the last objectives over all pieces that both have, with its 95 % interval."""
    pairs = [(key, key.replace(f", {method},", f", {other},")) for key in pieces if f", {method}," in key]
    last = {key: piece["curve"][-1]["objective"] for key, piece in pieces.items()}
    ratios = [math.log(last[a] / last[b]) for a, b in pairs if b in pieces]
    mean, error = statistics.mean(ratios), statistics.stdev(ratios) / len(ratios) ** 0.5
    half = float(stats.t.ppf(0.975, len(ratios) - 1)) * error
    return {"mean": mean, "low": mean - half, "high": mean + half, "pairs": len(ratios)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--cells", default=",".join(CELLS))
    parser.add_argument("--weights", default="", help="these alone, for instance '0.1,1'; all of a cell if left out")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no new piece after so many")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    deadline = time.monotonic() + 60 * arguments.minutes
    settings = {"batch": BATCH} | {name: version(name) for name in ("torch", "contractive")}
    settings |= {"processor": platform.machine()}
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"settings": settings, "pieces": {}}
    if found["settings"] != settings:
        parser.error(f"{RESULTS} must be of the same settings, got others. Move it away.")
    pieces = found["pieces"]
    wanted = [
        (name, epochs, method, weight, seed)
        for seed in range(arguments.seeds)
        for name in arguments.cells.split(",")
        for epochs in CELLS[name].epochs
        for weight in CELLS[name].weights
        if not arguments.weights or f"{weight:g}" in arguments.weights.split(",")
        for method in CELLS[name].methods
    ]
    for name, epochs, method, weight, seed in wanted:
        key = f"{name}, {epochs} epochs, {method}, weight {weight:g}, seed {seed}"
        if key in pieces:
            continue
        if time.monotonic() > deadline:
            sys.exit("Out of time. Run the same command again: finished pieces are kept.")
        pieces[key] = train(CELLS[name], arguments.data_dir, method, weight, seed, epochs)
        found["compared"] = {
            f"{method} to {other}": compared(pieces, method, other)
            for method, other in (("auto", "probes"), ("auto", "exact"), ("probes", "exact"), ("auto", "random vjp"))
            if sum(f", {method}," in key and key.replace(f", {method},", f", {other},") in pieces for key in pieces) > 1
        }
        write(found)
        print(key, pieces[key]["curve"][-1], pieces[key]["rows"], flush=True)
    print(json.dumps(found["compared"], indent=1))


if __name__ == "__main__":
    main()
