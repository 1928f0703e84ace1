"""Few labels: a linear classifier on codes learned without labels, against raw pixels and PCA, on MNIST.

    python experiments/few_labels.py --data-dir DATA [--out experiments/results/few_labels.json]
    python experiments/few_labels.py --docs docs/experiments.md    # the table so far, written into the page

Standard, denoising (Gaussian, sigma 0.3) and contractive autoencoders are trained on the 50,000 classic training rows
without labels, 10 epochs each: 784-1000, sigmoid, tied weights, cross-entropy, the network of Rifai et al. (2011). Of
the shapes at hand it is the one meant for this use, more units than pixels, where nothing but the penalty keeps the
code from copying. The weight is the largest whose error increase is 10 % (`fit_with_max_error_increase`, judged on
the 10,000 validation rows, no labels). Then a logistic regression on 100, 600, 1000 or 3000 labelled training rows, as
many of each digit; its C by three-fold cross-validation on these rows alone. The test rows choose nothing.
Results are written after every probe; a run that was stopped goes on where it was.
"""

import argparse
import json
import os
import time
import warnings
from pathlib import Path

import numpy as np
import sklearn.exceptions
import torch
from _ledger import opened, put, versions, write
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

import contractive as ct
from contractive import data

OUT = Path(__file__).parent / "results" / "few_labels.json"
LABELS = (100, 600, 1000, 3000)
SEEDS = (0, 1, 2)
CODE = 1000
COMPONENTS = 64
BUDGET = {"max_epochs": 10, "batch_size": 128, "learning_rate": 1e-3, "schedule": "cosine"}
MAX_ERROR_INCREASE = 0.1
STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # of the probe, C
MOST_ITERATIONS = 300
LOSS = ct.objectives.cross_entropy


def pixels(split, seed):
    """Raw rows."""
    return lambda x: x, {}


def pca(split, seed):
    """The leading principal components of the training rows."""
    found = PCA(COMPONENTS, random_state=seed).fit(split.train)
    return found.transform, {"variance": round(float(found.explained_variance_ratio_.sum()), 4)}


def trained(split, seed, objective, max_error_increase=None):
    """The encoder of an autoencoder and its figures."""
    torch.manual_seed(seed)
    net = ct.tied(split.train.shape[1], CODE)
    arguments = {**BUDGET, "validation": split.validation, "seed": seed, "device": "cpu", "progress": False}
    if max_error_increase is None:
        history = ct.fit(net, split.train, objective, **arguments)
    else:
        history = ct.fit_with_max_error_increase(
            net, split.train, objective, max_error_increase=max_error_increase, **arguments
        )
    last = history.rows[-1]
    names = ("val_reconstruction", "val_squared_norm", "weight", "error_increase")
    figures = {name: float(f"{last[name]:.5g}") for name in names if name in last}

    @torch.no_grad()
    def encode(x):
        return np.concatenate([net.encode(part).numpy() for part in torch.from_numpy(x).split(4096)])

    return encode, figures


REPRESENTATIONS = {
    "pixels": pixels,
    "PCA": pca,
    "standard": lambda split, seed: trained(split, seed, ct.objectives.standard(loss=LOSS)),
    "denoising": lambda split, seed: trained(split, seed, ct.objectives.denoising(0.3, loss=LOSS)),
    "contractive": lambda split, seed: trained(split, seed, ct.objectives.contractive(loss=LOSS), MAX_ERROR_INCREASE),
}


def labelled(y, count, seed):
    """Rows to label, as many of every class, the fewer among the more."""
    random = np.random.RandomState(seed)
    kinds = np.unique(y)
    return np.concatenate([random.permutation(np.flatnonzero(y == kind))[: count // len(kinds)] for kind in kinds])


def probe(train, y_train, test, y_test):
    """Accuracy on the test rows of a logistic regression whose C was chosen on the training rows."""
    offset, scale = train.mean(0), np.sqrt(train.var(0).mean())  # one scale for all: pixels at the edge hardly vary
    model = LogisticRegression(max_iter=MOST_ITERATIONS, tol=1e-3)
    search = GridSearchCV(model, {"C": list(STRENGTHS)}, cv=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)  # the weakest C need not converge
        search.fit((train - offset) / scale, y_train)
    return {"accuracy": float(search.score((test - offset) / scale, y_test)), "C": search.best_params_["C"]}


def settings():
    """What the figures depend on; a run with others does not go on in the same file."""
    return {
        "code": CODE,
        "components": COMPONENTS,
        "budget": BUDGET,
        "max_error_increase": MAX_ERROR_INCREASE,
        "strengths": list(STRENGTHS),
        "iterations": MOST_ITERATIONS,
        "versions": versions(),
    }


def run(split, seeds, out):
    """Run what is still missing and write after each probe."""
    found = opened(out, settings(), fits={}, runs={})
    for seed, name in ((seed, name) for seed in seeds for name in REPRESENTATIONS):
        missing = [count for count in LABELS if f"{name} | {count} | {seed}" not in found["runs"]]
        if not missing:
            continue
        began = time.perf_counter()
        represent, figures = REPRESENTATIONS[name](split, seed)
        found["fits"][f"{name} | {seed}"] = {**figures, "seconds": round(time.perf_counter() - began, 1)}
        test = represent(split.test)
        for count in missing:
            rows = labelled(split.labels[0], count, seed)
            key = f"{name} | {count} | {seed}"
            found["runs"][key] = probe(represent(split.train[rows]), split.labels[0][rows], test, split.labels[2])
            write(out, found)
            print(key, found["runs"][key], figures, flush=True)


def table(found):
    """Test error in per cent, mean and standard deviation over the seeds that all have; markdown."""
    runs = found["runs"]
    seeds = sorted({int(key.split(" | ")[2]) for key in runs})
    whole = [s for s in seeds if all(f"{name} | {n} | {s}" in runs for name in REPRESENTATIONS for n in LABELS)]
    lines = ["| test error in % | " + " | ".join(f"{count} labels" for count in LABELS) + " |"]
    lines.append("|" + "---|" * (len(LABELS) + 1))
    for name in REPRESENTATIONS if whole else ():
        cells = []
        for count in LABELS:
            errors = [100 * (1 - runs[f"{name} | {count} | {seed}"]["accuracy"]) for seed in whole]
            spread = f" ± {np.std(errors, ddof=1):.2f}" if len(errors) > 1 else ""
            cells.append(f"{np.mean(errors):.2f}{spread}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    weights = [found["fits"][f"contractive | {seed}"]["weight"] for seed in whole if whole]
    said = ", ".join(f"{weight:.3g}" for weight in weights)
    over = f"Mean ± standard deviation over {len(whole)} seeds" if len(whole) > 1 else "One seed"
    return "\n".join([*lines, "", f"{over}; weights found: {said}."])


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", default=os.environ.get(data.DATA_VARIABLE))
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)))
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--table", action="store_true", help="print what is there, run nothing")
    parser.add_argument("--docs", type=Path, help="write what is there into this page, run nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if not (arguments.table or arguments.docs):
        if not arguments.data_dir:
            raise SystemExit("--data-dir must be given (or CONTRACTIVE_DATA set), got neither.")
        split = data.load("mnist", data_dir=arguments.data_dir)
        run(split, [int(seed) for seed in arguments.seeds.split(",")], arguments.out)
    found = json.loads(arguments.out.read_text())
    if arguments.docs:
        put(arguments.docs, "few labels", table(found))
    else:
        print(table(found))


if __name__ == "__main__":
    main()
