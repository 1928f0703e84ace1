"""Which defaults should the estimator have? Share of variance and models on the codes, against principal components.

    python experiments/defaults.py --data-dir DATA                    # a run that was stopped goes on where it was
    python experiments/defaults.py --data-dir DATA --again default    # measure one method anew, say after a change
    python experiments/defaults.py --docs docs/experiments.md         # the tables so far, written into the page

70 % of the rows train, 30 % test, at most 6,000 rows drawn with the seed; of ADBench's tables the normal ones. Codes
have half of the features, at most 64, for all methods. Scaling is the estimator's (`auto`). The share of variance is
that of the test rows in scaled units. On codes, standardised, a model is trained: logistic regression (accuracy) or a
support vector machine with a Gaussian kernel (mean R2 over targets); `noisy` are the same test rows with Gaussian noise
of half a scaled standard deviation.
"""

import argparse
import csv
import json
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _ledger import check_data_dir, opened, parser, put, versions, write
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVR

import contractive as ct
from contractive.data import load
from contractive.estimators._scaling import Scaling, learn

OUT = Path(__file__).parent / "results" / "defaults.json"
ROWS, NOISE, RESAMPLES = 6_000, 0.5, 400
SPLITS = 5  # in the tables of shares and models
NEGLIGIBLE = 1e-6  # share of the variance; a smaller error counts as it, in the search and here
ALLOWED, SLACK = 0.1, 0.03  # error increase of `auto`, and what it may miss, beside two standard errors
ADBENCH = (
    "2_annthyroid 4_breastw 6_cardio 8_celeba 10_cover 12_fault 14_glass 16_http 18_Ionosphere 20_letter 22_magic.gamma"
    " 24_mnist 26_optdigits 28_pendigits 30_satellite 32_shuttle 34_smtp 38_thyroid 40_vowels 42_WBC 44_Wilt 46_WPBC"
).split()
FORMER = {"start": "random", "objective": "contractive", "scale": "standard"}
METHODS: dict[str, dict] = {
    "pca": {},
    "default": {},
    "auto": {"objective": "gain_weighted", "weight": "auto"},
    "denoising": {"objective": "denoising"},
    "former": {**FORMER, "weight": 0.1},
}


@dataclass(frozen=True)
class Set:
    """Rows, and targets (None, classes or numbers)."""

    x: np.ndarray
    y: np.ndarray | None = None
    classes: bool = False


def _tecator(folder: Path) -> Set:
    found = np.load(folder / "spectra" / "tecator.npz")
    return Set(found["X"], found["y"])


def _digits(folder: Path) -> Set:
    return Set(*load_digits(return_X_y=True), classes=True)


def _housing(folder: Path) -> Set:
    with open(folder / "tabular" / "california_housing.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if all(row.values())]
    names = [name for name in rows[0] if name not in ("median_house_value", "ocean_proximity")]
    x = np.array([[float(row[name]) for name in names] for row in rows])
    return Set(x, np.array([[float(row["median_house_value"])] for row in rows]))


def _faces(folder: Path) -> Set:
    (images,) = (array for array in np.load(folder / "freyfaces.npz").values() if array.ndim > 1)
    return Set(images.reshape(len(images), -1).astype(np.float64))


def _mnist(folder: Path) -> Set:
    found = load("mnist", data_dir=folder)
    return Set(found.train.astype(np.float64), found.labels[0], classes=True)


def _covtype(folder: Path) -> Set:
    found = np.load(folder / "tabular" / "covtype_ramp_subset.npz")
    return Set(found["X"].astype(np.float64), found["y"], classes=True)


def _adult(folder: Path) -> Set:
    lines = (folder / "tabular" / "adult.data").read_text().splitlines()
    rows = [[cell.strip() for cell in line.split(",")] for line in lines if line.strip()]
    numbers = (0, 2, 4, 10, 11, 12)
    others = [[cell for i, cell in enumerate(row[:-1]) if i not in numbers] for row in rows]
    x = np.array([[float(row[i]) for i in numbers] for row in rows])
    encoded = np.asarray(OneHotEncoder(sparse_output=False).fit_transform(others))
    return Set(np.c_[x, encoded], np.array([row[-1] for row in rows]), classes=True)


def _adbench(name: str) -> Callable[[Path], Set]:
    def rows(folder: Path) -> Set:
        found = np.load(folder / "adbench" / f"{name}.npz")
        return Set(found["X"][found["y"] == 0].astype(np.float64))

    return rows


SETS: dict[str, Callable[[Path], Set]] = {
    "tecator": _tecator,
    "digits": _digits,
    "mnist": _mnist,
    "california_housing": _housing,
    "freyfaces": _faces,
    "covtype": _covtype,
    "adult": _adult,
    **{name: _adbench(name) for name in ADBENCH},
}


def drawn(found: Set, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of training and test rows."""
    few = np.random.default_rng(seed).permutation(len(found.x))[:ROWS]
    train, test = train_test_split(few, test_size=0.3, random_state=seed)
    return train, test


class Fit:
    """A method trained on rows; it maps rows in scaled units to codes, and back."""

    def __init__(self, method: str, x: np.ndarray, scaling: Scaling, seed: int, **more: Any) -> None:
        began, a, self.components = time.process_time(), scaling.apply(x), max(1, min(64, x.shape[1] // 2))
        self.facts: dict[str, Any] = {}
        if method == "pca":
            pca = PCA(min(self.components, len(a) - 1)).fit(a)
            self.encode, self.decode = pca.transform, pca.inverse_transform
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ct.CollapseWarning)
                model = ct.ContractiveAutoencoder(
                    n_components=self.components, random_state=seed, **METHODS[method] | more
                ).fit(x)
            self.encode = lambda rows: model.transform(scaling.invert(rows))
            self.decode = lambda codes: scaling.apply(model.inverse_transform(codes))
            self.facts = {"epochs": model.n_iter_, "weight": model.weight_, "error_increase": model.error_increase_}
        self.facts |= {"seconds": time.process_time() - began, "components": self.components}

    def errors(self, rows: np.ndarray) -> np.ndarray:
        """Squared error of each row."""
        return np.square(self.decode(self.encode(rows)) - rows).sum(1)


def measure(found: Set, method: str, seed: int) -> dict:
    """One method on one set with one seed."""
    train, test = drawn(found, seed)
    x = found.x[train]
    scaling = learn("auto", x)
    a, b = scaling.apply(x), scaling.apply(found.x[test])
    fit = Fit(method, x, scaling, seed)
    errors, wanted = fit.errors(b), np.square(b - a.mean(0)).sum()
    # of a few rows far outside all others, one may decide the whole figure
    result = {"unexplained": errors.sum() / wanted, "largest_row": errors.max() / errors.sum(), **fit.facts}
    if method == "auto":
        result |= increase(errors, Fit("default", x, scaling, seed).errors(b), NEGLIGIBLE * wanted / len(b), seed)
    if found.y is not None:
        tested = {"clean": fit.encode(b), "noisy": fit.encode(noisy(b, a, NOISE, seed))}
        result |= models(found, fit.encode(a), train, tested, test)
    return {name: float(value) if value is not None else None for name, value in result.items()}


def increase(mine: np.ndarray, other: np.ndarray, negligible: float, seed: int) -> dict:
    """By how much the first errors exceed the second in the mean, and the standard error by resampling of the rows.

    Where the second are smaller than what is negligible, the excess is a share of that, as in the search.
    """
    drawn = np.random.default_rng(seed).integers(len(mine), size=(RESAMPLES, len(mine)))
    ratios = mine[drawn].mean(1) / other[drawn].mean(1)
    part = min(1.0, other.mean() / negligible)
    return {
        "increase_test": part * (mine.mean() / other.mean() - 1),
        "increase_test_error": part * ratios.std(ddof=1),
    }


def noisy(rows: np.ndarray, train: np.ndarray, level: float, seed: int) -> np.ndarray:
    """Rows with Gaussian noise of so many scaled standard deviations."""
    return rows + level * np.sqrt(train.var()) * np.random.default_rng(seed).normal(size=rows.shape)


def models(found: Set, codes: np.ndarray, train: np.ndarray, tested: dict, test: np.ndarray) -> dict[str, float]:
    """Scores of models on codes that were trained on the codes of the training rows."""
    assert found.y is not None
    if found.classes:
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(codes, found.y[train])
        return {name: model.score(rows, found.y[test]) for name, rows in tested.items()}
    scores: dict[str, list[float]] = {name: [] for name in tested}
    for target in found.y.T:
        size = target[train].std()
        model = make_pipeline(StandardScaler(), SVR(C=10 * size, epsilon=0.05 * size)).fit(codes, target[train])
        for name, rows in tested.items():
            scores[name].append(model.score(rows, target[test]))
    return {name: float(np.mean(each)) for name, each in scores.items()}


def tables(results: list[dict]) -> str:
    """Means over seeds of the methods that have run, as Markdown: shares of variance, then models on the codes."""
    names = [name for name in SETS if any(row["set"] == name for row in results)]
    methods = [method for method in METHODS if any(row["method"] == method for row in results)]

    def cell(name: str, method: str, what: str, form: str) -> str:
        found = [row[what] for row in results if (row["set"], row["method"]) == (name, method) and what in row]
        return form.format(np.mean(found)) if found else ""

    head = [f"{method}, share of variance" for method in methods]
    lines = ["| data | seeds | " + " | ".join(head) + " | CPU seconds |"]
    lines.append("|---" * (len(methods) + 3) + "|")
    for name in names:
        seeds = len({row["seed"] for row in results if row["set"] == name})
        left = [cell(name, method, "unexplained", "{:.10f}") for method in methods]
        fewer = [len({row["seed"] for row in results if (row["set"], row["method"]) == (name, m)}) for m in methods]
        few = [f" ({n})" if 0 < n < seeds else "" for n in fewer]  # their splits may be the harder ones
        shares = [f"{1 - float(share):.5f}{n}" if share else "" for share, n in zip(left, few, strict=True)]
        seconds = (cell(name, method, "seconds", "{:.0f}") for method in methods if method != "pca")
        times = " / ".join(filter(None, seconds))
        lines.append(f"| {name} | {seeds} | " + " | ".join(shares) + f" | {times} |")
    modelled = [name for name in names if any("clean" in row for row in results if row["set"] == name)]
    if modelled:
        lines += ["", "| data | " + " | ".join(f"{method}, clean / noisy" for method in methods) + " |"]
        lines.append("|---" * (len(methods) + 1) + "|")
    for name in modelled:
        pairs = (f"{cell(name, m, 'clean', '{:.3f}')} / {cell(name, m, 'noisy', '{:.3f}')}" for m in methods)
        lines.append(f"| {name} | " + " | ".join(pairs) + " |")
    return "\n".join(lines)


def lost(results: list[dict]) -> list[str]:
    """Return a sentence for each split in which the default explains less than the components, by over 0.002."""
    known = {(row["set"], row["seed"], row["method"]): row for row in results}
    sentences = []
    for (name, seed, method), pca in known.items():
        row = known.get((name, seed, "default"), pca)
        if method == "pca" and row["unexplained"] > pca["unexplained"] + 0.002:
            shares = f"{1 - row['unexplained']:.3f} instead of {1 - pca['unexplained']:.3f}"
            alone = f"; one test row has {row['largest_row']:.0%} of what is left" if "largest_row" in row else ""
            sentences.append(f"Split {seed} of `{name}` explains less by default than by components: {shares}{alone}.")
    return sentences


def increases(results: list[dict]) -> str:
    """What the weights found cost on test rows, and in how many splits the allowed increase was kept, as Markdown."""
    lines = [
        "| data | splits | weight found, median | by the search | on test rows | standard error | kept in |",
        "|---" * 7 + "|",
    ]
    found = [row for row in results if row["method"] == "auto"]
    for name in dict.fromkeys(row["set"] for row in found):
        rows = [row for row in found if row["set"] == name]
        weight, search, test, error = (
            np.array([row[what] for row in rows])
            for what in ("weight", "error_increase", "increase_test", "increase_test_error")
        )
        kept = test <= ALLOWED + SLACK + 2 * error
        spread = f"{test.mean():+.1%} ({test.min():+.1%} to {test.max():+.1%})"
        cells = [name, f"{len(rows)}", f"{np.median(weight):.2g}", f"{search.mean():+.1%}", spread]
        cells += [f"{error.mean():.1%}", f"{kept.sum()}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def timed(folder: Path) -> list[dict]:
    """Processor seconds of a default fit of 10,000 rows on one thread."""
    rows = []
    for name, features in (("covtype", 50), ("mnist", 784)):
        x = SETS[name](folder).x[:10_000, :features]
        fit = Fit("default", x, learn("auto", x), 0)
        rows.append({"set": name, "rows": len(x), "features": features, "seconds": fit.facts["seconds"]})
    return rows


def main() -> None:
    arguments = parser(__doc__, OUT, SETS, SPLITS)
    arguments.add_argument("--methods", default="pca,default,auto,former")
    arguments.add_argument("--times", action="store_true", help="measure the time of a fit of 10,000 rows, only")
    arguments.add_argument("--again", default="", help="methods to measure anew")
    options = arguments.parse_args()
    if options.docs:
        found = json.loads(options.out.read_text())
        results = found["results"]
        shown = [row for row in results if row["seed"] < SPLITS]
        times = [
            f"A default fit of {row['rows']:,} rows of {row['features']} features (`{row['set']}`) took"
            f" {row['seconds']:.0f} s on one thread."
            for row in found.get("times", ())
        ]
        put(options.docs, "defaults", "\n\n".join([tables(shown), *lost(shown), *times]))
        put(options.docs, "increases", increases(results))
        return
    check_data_dir(options.data_dir, "tabular, spectra, adbench and freyfaces.npz")
    torch.set_num_threads(1)
    run(options)


def run(options: argparse.Namespace) -> None:
    """Measure what is still missing and write after each fit."""
    found = opened(options.out, {"rows": ROWS, "noise": NOISE, "versions": versions()}, results=[])
    if options.times:
        write(options.out, found | {"times": timed(options.data_dir)})
        return
    again = options.again.split(",")
    found["results"] = results = [row for row in found["results"] if row["method"] not in again]
    done = {(row["set"], row["method"], row["seed"]) for row in results}
    for seed in range(options.seeds):
        for name in options.sets.split(","):
            rows = SETS[name](options.data_dir)
            for method in options.methods.split(","):
                if (name, method, seed) not in done:
                    results.append({"set": name, "method": method, "seed": seed, **measure(rows, method, seed)})
                    write(options.out, found)
                    print(results[-1], flush=True)


if __name__ == "__main__":
    main()
