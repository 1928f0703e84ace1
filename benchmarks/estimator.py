"""What does the scikit-learn estimator's `fit` cost on top of `contractive.fit` of the same work?

    python benchmarks/estimator.py [--out benchmarks/results/estimator.json]

The same rows, network, objective, steps and seed on both sides; the estimator also checks and scales the table and
measures the reconstruction error at the end. CPU seconds, interleaved, medians.
"""

import argparse
import json
import os
import statistics
import time
import warnings
from pathlib import Path

import numpy as np
import sklearn
import torch
from sklearn.datasets import load_digits

import contractive as ct
from contractive.estimators import budget as default_budget

# the paper's network from random weights: from principal components on, the estimator's work is another
SETTINGS = {"start": "random", "n_components": 64, "objective": "contractive", "weight": 0.1, "scale": "standard"}
CASES = {"1,797 x 64 (digits)": None, "20,000 x 30": (20_000, 30), "100,000 x 100": (100_000, 100)}


def table(shape):
    if shape is None:
        return load_digits().data
    return np.random.RandomState(0).standard_normal(shape)


def by_estimator(x, scaled):
    ct.ContractiveAutoencoder(random_state=0, **SETTINGS).fit(x)


def by_fit(x, scaled):
    budget = default_budget(len(x))
    seed = int(np.random.RandomState(0).randint(2**31 - 1))
    torch.manual_seed(seed)
    autoencoder = ct.mlp(x.shape[1], code=SETTINGS["n_components"], output="linear")
    ct.fit(
        autoencoder,
        scaled,
        ct.objectives.contractive(SETTINGS["weight"]),
        max_epochs=budget.max_epochs,
        batch_size=budget.batch_size,
        learning_rate=3e-3,
        schedule="cosine",
        seed=seed,
        device="cpu",
        progress=False,
    )


def seconds(train, x, scaled):
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ct.CollapseWarning)  # noise has nothing to learn
        train(x, scaled)
    return time.process_time() - began


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    versions = {"torch": torch.__version__, "scikit-learn": sklearn.__version__}
    found = {"versions": versions, "rounds": arguments.rounds, "load": os.getloadavg(), "cases": {}}
    for name, shape in CASES.items():
        x = table(shape)
        deviation = x.std(0)
        scaled = ((x - x.mean(0)) / np.where(deviation > 0, deviation, 1)).astype(np.float32)
        seconds(by_fit, x, scaled)
        times = {"estimator": [], "fit": []}
        for _ in range(arguments.rounds):
            times["estimator"].append(seconds(by_estimator, x, scaled))
            times["fit"].append(seconds(by_fit, x, scaled))
        estimator, fit = (statistics.median(times[side]) for side in ("estimator", "fit"))
        found["cases"][name] = {"estimator": estimator, "fit": fit, "ratio": estimator / fit}
        print(name, {key: round(value, 3) for key, value in found["cases"][name].items()}, flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
