"""Does the weight that training finds cost what was allowed? Four data sets, three seeds, one rule.

    python experiments/error_increase.py --data-dir ~/data               # a run that was stopped goes on where it was
    python experiments/error_increase.py --docs docs/choosing-the-weight.md  # the table so far, written into the page

For each set and seed the contractive autoencoder is trained with `--weight auto` at an error increase of 10 %, and a
standard one from the same seed in the same budget. The error increase compares their validation errors.
The weight is found on validation rows; the increase on test rows is shown beside and chooses nothing.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
from _ledger import check_data_dir, parser, put, write

from contractive import data
from contractive.studies import runs
from contractive.studies.runs import AutoencoderSettings, open_run

OUT = Path(__file__).parent / "results" / "error_increase.json"
MAX_ERROR_INCREASE = 0.1
SETS = {
    "digits": ("digits", data.Options()),
    "mnist": ("mnist", data.Options()),
    "california_housing": ("tabular/california_housing.csv", data.Options(impute="median", one_hot=True)),
    "tecator": ("spectra/tecator.npz", data.Options()),
}


def measure(name: str, seed: int, data_dir: Path, folder: Path) -> dict:
    """One set, one seed."""
    source, options = SETS[name]
    source = source if source in data.SETS else data_dir / source
    split = data.load(source, data_dir=data_dir if name == "mnist" else None, seed=seed, options=options)
    found = runs.train(
        split,
        AutoencoderSettings.of(objective="contractive", seed=seed, max_error_increase=MAX_ERROR_INCREASE),
        folder / "found",
        progress=False,
    )
    standard = runs.train(
        split,
        AutoencoderSettings.of(objective="standard", start="random", seed=seed),
        folder / "standard",
        progress=False,
    )
    return {
        "set": name,
        "seed": seed,
        "weight": found.metrics.weight,
        **{
            f"error_increase_{part}": _ratio(found, standard, part, "reconstruction_error") - 1
            for part in ("validation", "test")
        },
        **{
            f"{name}_ratio": _ratio(found, standard, "test", name)
            for name in ("squared_norm", "scale_free_sensitivity")
        },
        "epochs": found.metrics.epochs,
        "versions": open_run(folder / "found").document.versions,
    }


def _ratio(found: runs.Trained, standard: runs.Trained, part: str, name: str) -> float:
    return getattr(found.metrics, part)[name] / getattr(standard.metrics, part)[name]


def table(results: list[dict]) -> str:
    """Mean and extremes over seeds, as Markdown."""
    lines = [
        "| data | weights found | error increase, validation | error increase, test | ‖J‖² | scale-free sensitivity |",
        "|---|---|---|---|---|---|",
    ]
    for name in SETS:
        rows = [row for row in results if row["set"] == name]
        if rows:
            weights = ", ".join(f"{weight:.2g}" for weight in sorted(row["weight"] for row in rows))
            columns = (
                "error_increase_validation",
                "error_increase_test",
                "squared_norm_ratio",
                "scale_free_sensitivity_ratio",
            )
            cells = [np.array([row[column] for row in rows]) for column in columns]
            paid = [f"{100 * c.mean():.1f} % ({100 * c.min():.1f} to {100 * c.max():.1f})" for c in cells[:2]]
            ratios = [f"{c.mean():.2f}" for c in cells[2:]]
            lines.append(" | ".join([f"| {name}", weights, *paid, *ratios]) + " |")
    return "\n".join(lines)


def main() -> None:
    options = parser(__doc__, OUT, SETS, 3).parse_args()
    if options.docs:
        put(options.docs, "error_increase", table(json.loads(options.out.read_text())["results"]))
        return
    check_data_dir(options.data_dir, "mnist, tabular and spectra")
    run(options.data_dir, options.sets.split(","), options.seeds, options.out)


def run(data_dir: Path, sets: list[str], seeds: int, out: Path) -> None:
    """Run what is still missing and write after each set and seed."""
    results = json.loads(out.read_text())["results"] if out.exists() else []
    done = {(row["set"], row["seed"]) for row in results}
    for seed in range(seeds):
        for name in sets:
            if (name, seed) in done:
                continue
            with tempfile.TemporaryDirectory() as folder:
                results.append(measure(name, seed, data_dir, Path(folder)))
            write(out, {"max_error_increase": MAX_ERROR_INCREASE, "results": results})
            print(table(results), flush=True)


if __name__ == "__main__":
    main()
