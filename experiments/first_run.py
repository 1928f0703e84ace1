"""What should `contractive train TABLE` do without options? Its first run, against principal components.

    python experiments/first_run.py --data-dir DATA                  # a run that was stopped goes on where it was
    python experiments/first_run.py --docs docs/experiments.md       # the tables so far, written into the page

The data go through the files, the preparation and the splits of the command line, at most 4,000 rows drawn with the
seed. All methods have the code size that the command chooses for components: half of the features, at most 64. `adult`
are the columns of classes alone, as 0 and 1.
"""

import json
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _ledger import check_data_dir, opened, parser, put, versions, write
from defaults import SETS, Set

import contractive as ct
from contractive.data import Options, Split, load
from contractive.studies import runs
from contractive.studies.metrics import Subject, measure, noise_unit
from contractive.training import principal_components

OUT = Path(__file__).parent / "results" / "first_run.json"
ROWS = 4_000
METHODS: dict[str, dict] = {
    "pca": {},
    "no penalty": {"objective": "gain_weighted", "weight": 0.0},
    "weight found": {"objective": "gain_weighted"},
    "former": {"objective": "contractive", "center": False},
}
NAMES = ("digits", "mnist", "california_housing", "tecator", "adult", "covtype", "freyfaces")


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


def run(name: str, folder: Path, method: str, seed: int) -> dict:
    """Metrics of one method on the test rows."""
    split = split_of(name, folder, seed)
    size, began, extra = ct.models.half_of(split.features), time.process_time(), {}
    if method == "pca":
        model: Any = principal_components(torch.from_numpy(split.train), size).autoencoder(size)
    else:
        settings = runs.AutoencoderSettings.of(code=size, seed=seed, device="cpu", **METHODS[method])
        with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = runs.train(split, settings, scratch, progress=False)
        model, extra = found.model, {"weight": found.metrics.weight, "error_increase": found.metrics.error_increase}
    extra |= {"seconds": time.process_time() - began, "components": size}
    labelled = (split.train, split.labels[0], split.labels[2]) if split.labels else None
    subject = Subject(
        model, torch.from_numpy(split.test), noise_unit(split), torch.Generator().manual_seed(seed), labelled
    )
    keys = ("r2", "scale_free_sensitivity", "probe_accuracy", "probe_accuracy_noisy")
    return {key: value for key, value in measure(subject).items() if key in keys} | extra


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


def main() -> None:
    arguments = parser(__doc__, OUT, NAMES, 5)
    arguments.add_argument("--methods", default=",".join(METHODS))
    options = arguments.parse_args()
    if options.docs:
        results = json.loads(options.out.read_text())["results"]
        put(options.docs, "first run", table(results))
        return
    check_data_dir(options.data_dir, "tabular, spectra and freyfaces.npz")
    torch.set_num_threads(1)
    found = opened(options.out, {"rows": ROWS, "versions": versions()}, results=[])
    done = {(row["set"], row["method"], row["seed"]) for row in found["results"]}
    for seed in range(options.seeds):
        for name in options.sets.split(","):
            for method in options.methods.split(","):
                if (name, method, seed) not in done:
                    row = run(name, options.data_dir, method, seed)
                    found["results"].append({"set": name, "method": method, "seed": seed, **row})
                    write(options.out, found)
                    print(found["results"][-1], flush=True)


if __name__ == "__main__":
    main()
