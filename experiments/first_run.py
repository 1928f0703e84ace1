"""What should `contractive train TABLE` do without options? Its first run, against principal components.

    python experiments/first_run.py --data-dir DATA                  # a run that was stopped goes on where it was
    python experiments/first_run.py --docs docs/experiments.md       # the tables so far, written into the page

The data go through the files, the preparation and the splits of the command line, at most 4,000 rows drawn with the
seed. `weight given` is a fit that is given the weight found, with the same seed. All methods have the code size that
the command chooses for components: half of the features, at most 64. `adult` are the columns of classes alone, as 0
and 1.
"""

import json
import tempfile
import time
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _ledger import opened, parser, put, versions, write
from defaults import SETS, Set

import contractive as ct
from contractive import analysis
from contractive.data import Options, Split, load
from contractive.studies import runs
from contractive.studies.metrics import Subject, measure, noise_unit
from contractive.training import principal_components

OUT = Path(__file__).parent / "results" / "first_run.json"
ROWS, RESAMPLES = 4_000, 400
METHODS: dict[str, dict] = {
    "pca": {},
    "no penalty": {"objective": "gain_weighted", "weight": 0.0},
    "weight found": {"objective": "gain_weighted"},
    "weight given": {"objective": "gain_weighted"},
    "former": {"objective": "contractive"},
}
NAMES = ("digits", "california_housing", "tecator", "adult", "covtype", "freyfaces")


def split_of(name: str, folder: Path, seed: int) -> Split:
    """At most 4,000 rows of a set, as the command line reads and splits a file of them."""
    found: Set = SETS[name](folder)
    x = found.x if name != "adult" else found.x[:, 6:]  # the first are numbers
    few = np.random.default_rng(seed).permutation(len(x))[:ROWS]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / f"{name}.npz"
        labels = {"y": np.unique(found.y, return_inverse=True)[1][few]} if found.classes else {}
        np.savez(path, x=x[few].astype(np.float32), **labels)
        return load(path, seed=seed, options=Options(label="y" if labels else None)).in_memory()


@lru_cache(maxsize=4)
def trained(name: str, folder: Path, seed: int, method: str, weight: float | None = None) -> tuple[Any, Split, dict]:
    """The model of a method, its split, and what training reports."""
    split = split_of(name, folder, seed)
    size, began, extra = ct.models.half_of(split.features), time.process_time(), {}
    if method == "pca":
        model = principal_components(torch.from_numpy(split.train), size).autoencoder(size)
    else:
        chosen = METHODS[method] | ({} if weight is None else {"weight": weight})
        settings = runs.AutoencoderSettings.of(code=size, seed=seed, device="cpu", **chosen)
        with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = runs.train(split, settings, scratch, progress=False)
        model, extra = found.model, {"weight": found.metrics.weight, "increase": found.metrics.error_increase}
    return model, split, {**extra, "seconds": time.process_time() - began, "components": size}


def errors(model: Any, split: Split) -> np.ndarray:
    """Squared error of each test row."""
    return analysis.reconstruction(model, torch.from_numpy(split.test)).errors.double().numpy()


def increase(mine: np.ndarray, other: np.ndarray, seed: int) -> dict:
    """By how much the first errors exceed the second in the mean, and the standard error by resampling of the rows."""
    drawn = np.random.default_rng(seed).integers(len(mine), size=(RESAMPLES, len(mine)))
    ratios = mine[drawn].mean(1) / other[drawn].mean(1)
    return {"increase_test": mine.mean() / other.mean() - 1, "increase_test_error": ratios.std(ddof=1)}


def run(name: str, folder: Path, method: str, seed: int, weight: float | None = None) -> dict:
    """Metrics of one method on the test rows; with a penalty also the increase of their error against none."""
    model, split, facts = trained(name, folder, seed, method, weight)
    labelled = (split.train, split.labels[0], split.labels[2]) if split.labels else None
    subject = Subject(
        model, torch.from_numpy(split.test), noise_unit(split), torch.Generator().manual_seed(seed), labelled
    )
    keys = ("r2", "scale_free_sensitivity", "probe_accuracy", "probe_accuracy_noisy")
    found = {key: value for key, value in measure(subject).items() if key in keys}
    if method.startswith("weight"):
        without, _, _ = trained(name, folder, seed, "no penalty")
        found |= increase(errors(model, split), errors(without, split), seed)
    return {**found, **facts}


def table(results: list[dict]) -> str:
    """Means and standard deviations over seeds, as Markdown."""
    head = ("unexplained share", "scale-free sensitivity", "linear probe", "the same, noisy rows", "CPU seconds")
    keys = ("r2", "scale_free_sensitivity", "probe_accuracy", "probe_accuracy_noisy", "seconds")
    lines = ["| data | method | seeds | " + " | ".join(head) + " |", "|---" * (len(head) + 3) + "|"]
    for name in NAMES:
        for method in METHODS:
            rows = [row for row in results if (row["set"], row["method"]) == (name, method)]
            cells = []
            for key in keys:
                values = [1 - row[key] if key == "r2" else row[key] for row in rows if key in row]
                form = "{:.3g}" if key in keys[:2] else "{:.3f}" if key != "seconds" else "{:.0f}"
                cells.append(form.format(np.mean(values)) if values else "")
                if len(values) > 1 and key != "seconds":
                    cells[-1] += " ± " + form.format(np.std(values, ddof=1))
            if rows:
                lines.append(f"| {name} | {method} | {len(rows)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def increases(results: list[dict]) -> str:
    """What the weight found costs on validation and test rows, and a fit given it, as Markdown; empty if unknown."""
    lines = [
        "| data | weights found | error increase, validation | test | test, the weight given | within 3 points and 2"
        " standard errors |",
        "|---|---|---|---|---|---|",
    ]
    for name in NAMES:
        rows, again = (
            [row for row in results if (row["set"], row["method"]) == (name, method) and "increase_test" in row]
            for method in ("weight found", "weight given")
        )
        if not rows:
            continue
        weights = ", ".join(f"{row['weight']:.2g}" for row in sorted(rows, key=lambda row: row["weight"]))
        paid = [[row[key] for row in rows] for key in ("increase", "increase_test")]
        paid.append([row["increase_test"] for row in again])
        cells = [f"{np.mean(p):.1%} ({np.min(p):.1%} to {np.max(p):.1%})" if p else "" for p in paid]
        near = sum(abs(row["increase_test"] - 0.1) <= 0.03 + 2 * row["increase_test_error"] for row in rows)
        lines.append(f"| {name} | {weights} | " + " | ".join(cells) + f" | {near} of {len(rows)} |")
    return "\n".join(lines) if len(lines) > 2 else ""


def main() -> None:
    arguments = parser(__doc__, OUT, NAMES, 5)
    arguments.add_argument("--methods", default=",".join(METHODS))
    options = arguments.parse_args()
    if options.docs:
        results = json.loads(options.out.read_text())["results"]
        put(options.docs, "first run", "\n\n".join(filter(None, (table(results), increases(results)))))
        return
    if not options.data_dir:
        raise SystemExit("--data-dir must be given, got none. It holds tabular, spectra and freyfaces.npz.")
    torch.set_num_threads(1)
    found = opened(options.out, {"rows": ROWS, "versions": versions()}, results=[])
    done = {(row["set"], row["method"], row["seed"]): row for row in found["results"]}
    for seed in range(options.seeds):
        for name in options.sets.split(","):
            for method in options.methods.split(","):
                if (name, method, seed) not in done:
                    weight = done[name, "weight found", seed]["weight"] if method == "weight given" else None
                    row = run(name, options.data_dir, method, seed, weight)
                    done[name, method, seed] = {"set": name, "method": method, "seed": seed, **row}
                    found["results"].append(done[name, method, seed])
                    write(options.out, found)
                    print(found["results"][-1], flush=True)


if __name__ == "__main__":
    main()
