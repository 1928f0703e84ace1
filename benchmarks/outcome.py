"""Does the default end where others end? Exact validation objective after equal steps, and processor seconds.

    python benchmarks/outcome.py [--cells "digits 64-128-64-32"] [--epochs 8] [--seeds 5]

Each of exact, probes on all rows and `auto` (method and rows by the variance of the gradient) trains the same network
from the same weights on the same batches. A piece is one training; pieces that `results/outcome.json` has are not run
again.
"""

import argparse
import json
import math
import platform
import statistics
import time
from importlib.metadata import version
from pathlib import Path

import torch
from scipy import stats

import contractive as ct
from contractive.data import load

RESULTS = Path(__file__).parent / "results" / "outcome.json"
METHODS = {
    "exact": {"method": "exact", "penalty_rows": 1.0},
    "probes": {"method": "probes", "penalty_rows": 1.0},
    "auto": {},
}
CELLS = {"digits 64-128-64-32": lambda: ct.mlp(64, hidden=(128, 64), code=32)}
WEIGHTS = (0.01, 0.1, 1.0, 10.0)
BATCH, RATE = 128, 3e-3


def train(cell, method, weight, seed, epochs):
    """Train once; return the exact objective on all validation rows, processor seconds and rows of the penalty."""
    split = load("digits", seed=seed)
    rows, held_out = map(torch.from_numpy, (split.train, split.validation))
    torch.manual_seed(seed)
    autoencoder = CELLS[cell]()
    objective = ct.objectives.contractive(weight, **METHODS[method])
    began = time.process_time()
    history = ct.fit(
        autoencoder, rows, objective, max_epochs=epochs, batch_size=BATCH, learning_rate=RATE, seed=seed, progress=False
    )
    seconds = time.process_time() - began
    with torch.no_grad():
        total = objective.exact()(autoencoder, held_out).total
    return {"objective": float(total), "seconds": seconds, "rows": history["penalty_rows"][-1]}


def compared(pieces, method, other):
    """Mean of the paired log-ratios of the objectives over all pieces that both have, with its 95 % interval."""
    pairs = [(key, key.replace(f", {method},", f", {other},")) for key in pieces if f", {method}," in key]
    ratios = [math.log(pieces[a]["objective"] / pieces[b]["objective"]) for a, b in pairs if b in pieces]
    mean, error = statistics.mean(ratios), statistics.stdev(ratios) / len(ratios) ** 0.5
    half = float(stats.t.ppf(0.975, len(ratios) - 1)) * error
    return {"mean": mean, "low": mean - half, "high": mean + half, "pairs": len(ratios)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", default=",".join(CELLS))
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    settings = {"epochs": arguments.epochs, "batch": BATCH, "learning_rate": RATE}
    settings |= {name: version(name) for name in ("torch", "contractive")} | {"processor": platform.machine()}
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"settings": settings, "pieces": {}}
    if found["settings"] != settings:
        parser.error(f"{RESULTS} must be of the same settings, got others. Move it away.")
    pieces = found["pieces"]
    for seed in range(arguments.seeds):
        for cell in arguments.cells.split(","):
            for weight in WEIGHTS:
                for method in METHODS:
                    key = f"{cell}, {method}, weight {weight:g}, seed {seed}"
                    if key not in pieces:
                        pieces[key] = train(cell, method, weight, seed, arguments.epochs)
                        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
                        print(key, pieces[key], flush=True)
    for method, other in (("auto", "probes"), ("auto", "exact"), ("probes", "exact")):
        found.setdefault("compared", {})[f"{method} to {other}"] = compared(pieces, method, other)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found["compared"], indent=1))


if __name__ == "__main__":
    main()
