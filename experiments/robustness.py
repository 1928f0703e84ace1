"""What does the penalty buy? Noise, few training rows and rows out of range, against none, denoising and components.

    python experiments/robustness.py --data-dir DATA               # a run that was stopped goes on where it was
    python experiments/robustness.py --docs docs/experiments.md    # table and picture so far, for the page

Rows, scaling, sizes and models on the codes are those of `defaults.py`. Of the training rows the first 5, 10, 30 and
100 % are taken, for network and model alike. The weight is the one that `defaults.py` found on all of them (its results
are read), so that the same network results. Denoising has the objective's own sigma. Rows out of range are the test
rows at twice their distance from the training rows' mean, judged by the share of their variance left unexplained.
"""

import json
from pathlib import Path

import numpy as np
import torch
from _charts import dots
from _ledger import check_data_dir, opened, parser, put, versions, write
from defaults import OUT as DEFAULTS
from defaults import ROWS, SETS, Fit, Set, drawn, models, noisy

from contractive.core.files import write_text
from contractive.estimators._scaling import learn

OUT = Path(__file__).parent / "results" / "robustness.json"
PICTURE = "images/robustness.svg"  # beside the page
SHARES, LEVELS, FAR = (0.05, 0.1, 0.3, 1.0), (0.25, 0.5, 1.0), 2.0
NAMES = ("digits", "california_housing", "tecator", "adult", "covtype")
METHODS = {"pca": "components", "default": "no penalty", "denoising": "denoising", "auto": "contractive"}


def weight_of(name: str, seed: int) -> float:
    """The weight that `defaults.py` found."""
    found = json.loads(DEFAULTS.read_text())["results"]
    return next(r["weight"] for r in found if (r["set"], r["method"], r["seed"]) == (name, "auto", seed))


def measure(found: Set, method: str, seed: int, share: float, **more: float) -> dict[str, float]:
    """One method with one seed on a share of the training rows; noise and range where it learned from all of them."""
    train, test = drawn(found, seed)
    train = train[: round(share * len(train))]
    x = found.x[train]
    scaling = learn("auto", x)
    a, b = scaling.apply(x), scaling.apply(found.x[test])
    fit, centre = Fit(method, x, scaling, seed, **more), a.mean(0)
    tested = {"clean": b}
    result = {"unexplained": fit.errors(b).sum() / np.square(b - centre).sum(), "seconds": fit.facts["seconds"]}
    if share == 1:
        far = centre + FAR * (b - centre)
        result["far"] = fit.errors(far).sum() / np.square(far - centre).sum()
        tested |= {f"noise {level}": noisy(b, a, level, seed) for level in LEVELS}
    codes = {name: fit.encode(rows) for name, rows in tested.items()}
    return {name: float(value) for name, value in (result | models(found, fit.encode(a), train, codes, test)).items()}


FARTHEST = "unexplained, out of range"
COLUMNS = (
    *(("clean", share, f"{share:.0%} of rows") for share in SHARES),
    *((f"noise {level}", 1.0, f"noise {level:g}") for level in LEVELS),
    ("far", 1.0, FARTHEST),
)


def means(results: list[dict], name: str, what: str, share: float) -> dict[str, float]:
    """The mean of a figure over seeds, by method."""
    found = {}
    for method, shown in METHODS.items():
        of = [r[what] for r in results if (r["set"], r["method"], r["share"]) == (name, method, share) and what in r]
        found |= {shown: float(np.mean(of))} if of else {}
    return found


def cases(results: list[dict]) -> dict[str, dict[str, dict[str, float]]]:
    """Means by set, column and method."""
    return {
        name: {head: found for what, share, head in COLUMNS if (found := means(results, name, what, share))}
        for name in NAMES
        if any(row["set"] == name for row in results)
    }


def table(results: list[dict]) -> str:
    """Means over seeds, as Markdown."""
    heads = [head for *_, head in COLUMNS]
    lines = ["| data | method | seeds | " + " | ".join(heads) + " |", "|---" * (len(heads) + 3) + "|"]
    for name, found in cases(results).items():
        seeds = len({row["seed"] for row in results if row["set"] == name})
        for shown in METHODS.values():
            numbers = [found.get(head, {}).get(shown) for head in heads]
            cells = ["" if n is None else f"{n:.3g}" if n < 0.01 else f"{n:.3f}" for n in numbers]
            lines.append(f"| {name} | {shown} | {seeds} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def picture(results: list[dict]) -> str:
    """Return the scores as a chart; sets with a negative one are in the table only."""
    found = cases(results)
    panels = {name: {head: by for head, by in of.items() if head != FARTHEST} for name, of in found.items()}
    shown = {name: panel for name, panel in panels.items() if min(min(by.values()) for by in panel.values()) >= 0}
    return dots(shown, [*METHODS.values()][::-1], "Scores of models on the codes, by method", fitted=True)


def main() -> None:
    options = parser(__doc__, OUT, NAMES, 3).parse_args()
    if options.docs:
        results = json.loads(options.out.read_text())["results"]
        write_text(options.docs.parent / PICTURE, picture(results))
        put(options.docs, "robustness", table(results))
        return
    check_data_dir(options.data_dir, "mnist, tabular and spectra")
    torch.set_num_threads(1)
    found = opened(options.out, {"rows": ROWS, "versions": versions()}, results=[])
    done = {(row["set"], row["method"], row["seed"], row["share"]) for row in found["results"]}
    for seed in range(options.seeds):
        for name in options.sets.split(","):
            rows = SETS[name](options.data_dir)
            for share in reversed(SHARES):
                for method in METHODS:
                    row = {"set": name, "method": method, "seed": seed, "share": share}
                    if tuple(row.values()) in done or share * len(drawn(rows, seed)[0]) < 30:
                        continue
                    more = {"weight": weight_of(name, seed)} if method == "auto" else {}
                    found["results"].append(row | measure(rows, method, seed, share, **more))
                    write(options.out, found)
                    print(found["results"][-1], flush=True)


if __name__ == "__main__":
    main()
