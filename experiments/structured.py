"""Anomalies among pictures and spectra: what the contractive code adds to the distance to neighbours.

    python experiments/structured.py --data-dir DATA              # a run that was stopped goes on where it was
    python experiments/structured.py --docs docs/detection.md     # the table so far, written into the page

One class of MNIST is normal; 500 of its test rows and 1,000 of other classes are judged, as they are and with Gaussian
noise of 0.3 on all of them. The training rows are 1,500, or 200, or 1,500 of which one in twenty is of another class.
Of the tecator spectra half of those with at most 20 % fat are normal; the others with at most 20 % and all with more
are judged, with noise of a tenth of the mean spread of a channel. The detector runs with its defaults, and with other
objectives in the place of the contractive one and all else equal. PCA keeps nine tenths of the variance and scores by
the reconstruction error. Numbers are as they are for all methods but isolation forest, which has no scale.
DATA holds MNIST's four IDX files, or `mnist/` with them, and `spectra/tecator.npz` (X, y, y_names).
"""

import json
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import torch
from _ledger import check_data_dir, opened, parser, put, versions, write
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

import contractive as ct
from contractive.data import load

OUT = Path(__file__).parent / "results" / "structured.json"
TRAIN_ROWS, FEW_ROWS, OTHERS = 1_500, 200, 0.05
NORMAL, ANOMALIES, NOISE = 500, 1_000, 0.3
FAT, SPECTRUM_NOISE = 20.0, 0.1
CLASSES = (1, 3, 5, 8)
KINDS = {"": TRAIN_ROWS, " few rows": FEW_ROWS, " some others": TRAIN_ROWS}
SETS = (*(f"MNIST {digit}{kind}" for kind in KINDS for digit in CLASSES), "tecator")


def ours(objective, train, seed):
    """The score of the detector with this objective."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ct.CollapseWarning)
        detector = ct.ContractiveOutlierDetector(objective=objective, random_state=seed).fit(train)

    def score(rows):
        return -detector.score_samples(rows)

    score.weight = detector.weight_  # that held-out rows chose
    return score


def neighbours(train, seed):
    """Mean distance to the five nearest training rows."""
    search = NearestNeighbors(n_neighbors=5).fit(train)
    return lambda rows: search.kneighbors(rows)[0].mean(1)


def components(train, seed):
    """Squared error of the reconstruction from components that keep nine tenths of the variance."""
    fitted = PCA(0.9).fit(train)
    return lambda rows: np.square(rows - fitted.inverse_transform(fitted.transform(rows))).sum(1)


def forest(train, seed):
    """Isolation forest with its defaults."""
    fitted = IsolationForest(random_state=seed).fit(train)
    return lambda rows: -fitted.score_samples(rows)


def local_outlier_factor(train, seed):
    """LOF with its defaults."""
    fitted = LocalOutlierFactor(novelty=True).fit(train)
    return lambda rows: -fitted.score_samples(rows)


OURS = "contractive"
METHODS = {
    OURS: partial(ours, "contractive"),
    "denoising": partial(ours, "denoising"),
    "without penalty": partial(ours, "standard"),
    "5 neighbours": neighbours,
    "PCA": components,
    "LOF": local_outlier_factor,
    "isolation forest": forest,
}


def digits(name, folder, random):
    """Training rows, test rows and their labels (1 is an anomaly) of one class of MNIST."""
    split = load("mnist", data_dir=folder).in_memory()
    digit, kind = int(name[6]), name[7:]
    own, other = (random.permutation(np.flatnonzero((split.labels[0] == digit) == same)) for same in (True, False))
    train = own[: KINDS[kind]]
    if "others" in kind:
        some = int(OTHERS * len(train))
        train = np.concatenate([train[some:], other[:some]])
    normal, strange = (random.permutation(np.flatnonzero((split.labels[2] == digit) == same)) for same in (True, False))
    normal, strange = normal[:NORMAL], strange[:ANOMALIES]
    test = split.test[np.concatenate([normal, strange])]
    return split.train[train].astype(np.float64), test.astype(np.float64), np.arange(len(test)) >= len(normal), NOISE


def spectra(folder, random):
    """The same of the tecator spectra, and how much noise is added."""
    with np.load(folder / "spectra" / "tecator.npz", allow_pickle=False) as data:
        x, fat = data["X"].astype(np.float64), data["y"][:, [*data["y_names"]].index("fat")]
    lean = random.permutation(np.flatnonzero(fat <= FAT))
    train, normal = lean[: len(lean) // 2], lean[len(lean) // 2 :]
    test = np.concatenate([normal, np.flatnonzero(fat > FAT)])
    return x[train], x[test], np.arange(len(test)) >= len(normal), SPECTRUM_NOISE * x[train].std(0).mean()


def measure(method, name, folder, seed):
    """Figures of one method on one set: AUROC and average precision, clean and noisy."""
    random = np.random.RandomState(seed)
    train, test, labels, noise = spectra(folder, random) if name == "tecator" else digits(name, folder, random)
    noisy = test + noise * random.standard_normal(test.shape)
    began = time.process_time()
    score = METHODS[method](train, seed)
    figures = {}
    for kind, rows in (("clean", test), ("noisy", noisy)):
        scores = score(rows)
        figures[kind] = [float(roc_auc_score(labels, scores)), float(average_precision_score(labels, scores))]
    figures |= {"train_rows": len(train), "cpu_seconds": round(time.process_time() - began, 2)}
    return figures | ({"weight": score.weight} if hasattr(score, "weight") else {})


def runs_of(found, names, method):
    """The runs of a method on these sets."""
    keys = [key for key in found["runs"] if key.split(" | ")[0] in names and key.split(" | ")[1] == method]
    return [found["runs"][key] for key in keys]


def table(found):
    """Mean AUROC / average precision over sets and seeds, and the weights that were chosen, as Markdown."""
    words = ("digits", "200 training rows", "5 % of others among them")
    groups = {word: [f"MNIST {digit}{kind}" for digit in CLASSES] for word, kind in zip(words, KINDS, strict=True)}
    groups["tecator"] = ["tecator"]
    columns = [(words, names, kind) for words, names in groups.items() for kind in ("clean", "noisy")]
    head = ["method", *(f"{words}, {kind}" for words, _, kind in columns)]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for method in METHODS:
        cells = []
        for _, names, kind in columns:
            figures = [run[kind] for run in runs_of(found, names, method)]
            cells.append("{:.3f} / {:.3f}".format(*np.mean(figures, axis=0)) if figures else "")
        lines.append("| " + " | ".join([method, *cells]) + " |")
    notes = []
    for words, names in groups.items():
        runs = runs_of(found, names, OURS)
        weights = sorted({run["weight"] for run in runs if "weight" in run})
        chosen = f", weight {' or '.join(f'{weight:g}' for weight in weights)}" if weights else ""
        notes.append(f"{words} {len(runs)}{chosen}")
    return "\n".join(
        [*lines, "", f"Fits of the contractive detector and weights that were chosen: {'; '.join(notes)}."]
    )


def main():
    """Run what is missing, or write the table."""
    options = parser(__doc__, OUT, SETS, 2).parse_args()
    if options.docs:
        put(options.docs, "structured", table(json.loads(options.out.read_text())))
        return
    check_data_dir(options.data_dir, "MNIST and `spectra/tecator.npz`")
    torch.set_num_threads(1)
    settings = {"rows": [TRAIN_ROWS, FEW_ROWS, NORMAL, ANOMALIES], "noise": [NOISE, SPECTRUM_NOISE]}
    found = opened(options.out, {**settings, "others": OTHERS, "fat": FAT, "versions": versions()}, runs={})
    for seed in range(1, options.seeds + 1):
        for name in options.sets.split(","):
            for method in METHODS:
                key = f"{name} | {method} | {seed}"
                if key not in found["runs"]:
                    found["runs"][key] = measure(method, name, options.data_dir, seed)
                    write(options.out, found)
                    print(key, found["runs"][key], flush=True)


if __name__ == "__main__":
    main()
