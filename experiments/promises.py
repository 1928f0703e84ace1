"""Does the detector keep its promises? False alarms, false discoveries in a batch, and changes of the data.

    python experiments/promises.py --data-dir DATA              # a run that was stopped goes on where it was
    python experiments/promises.py --docs docs/detection.md     # the tables so far, written into the page

DATA holds `adbench/*.npz` (see adbench.py); scikit-learn's breast cancer joins, its benign rows being normal. Each
split draws half of the normal rows, at most 1,000, to train on; the detector has its defaults and the split's number as
its seed. At most 1,000 other normal rows and, for the batch, 200 anomalies are judged. Flags among new rows that are
exchangeable with n calibration rows have a beta-binomial distribution; where fewer than 1 / rate - 1 rows calibrate,
the rate is left out. The same normal rows, as they are and with one feature changed, are compared with the training
rows by `drift`, and by the default of Evidently for at most 1,000 reference rows, written here from its description: a
test per column at 0.05 (Kolmogorov and Smirnov's, of columns with at most five values a chi-squared test), and a change
of the table where half of the columns differ.
"""

import json
import warnings
from pathlib import Path

import numpy as np
import torch
from _ledger import check_data_dir, opened, parser, put, versions, write
from scipy.stats import betabinom, chi2_contingency, false_discovery_control, ks_2samp
from sklearn.datasets import load_breast_cancer

import contractive as ct

OUT = Path(__file__).parent / "results" / "promises.json"
RATES, DISCOVERY_RATE = (0.01, 0.05, 0.1), 0.1
LEVEL, FEW_VALUES = 0.05, 5  # of tests for a change
CHANGES = {"none": "none", "0.25": "moved by 0.25 standard deviations", "0.5": "by 0.5", "shuffled": "shuffled"}
TRAIN_ROWS, TEST_ROWS, ANOMALIES = 1_000, 1_000, 200
OTHER = "breast cancer"


def table(name: str, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Rows (rows, features), and for each 1 if it is an anomaly."""
    if name == OTHER:
        found = load_breast_cancer()
        return found.data, 1 - found.target
    with np.load(folder / "adbench" / f"{name}.npz", allow_pickle=False) as data:
        return data["X"].astype(np.float64), data["y"].astype(int)


def changed(rows: np.ndarray, column: int, change: str, sd: float, random: np.random.RandomState) -> np.ndarray:
    """The rows with one feature moved by a multiple of its standard deviation, or shuffled among them."""
    made = rows.copy()
    if change == "shuffled":
        made[:, column] = random.permutation(rows[:, column])
    elif change != "none":
        made[:, column] += float(change) * sd
    return made


def by_column(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """The p-value of each column by Evidently's default test for it."""
    found = []
    for a, b in zip(old.T, new.T, strict=True):
        values = np.unique(np.r_[a, b])
        if len(values) > FEW_VALUES:
            found.append(ks_2samp(a, b).pvalue)
        elif len(values) > 1:
            found.append(chi2_contingency([[(part == value).sum() for value in values] for part in (a, b)]).pvalue)
        else:
            found.append(1.0)
    return np.array(found)


def drifts(detector: ct.ContractiveOutlierDetector, old: np.ndarray, new: np.ndarray, seed: int) -> dict:
    """Per change: found by `drift`, its feature named; its column, any column, and half of them found by columns."""
    random = np.random.RandomState(seed)
    varying = np.flatnonzero(old.std(0) > 0)
    column, made = int(random.choice(varying)), {}
    for change in CHANGES:
        rows = changed(new, column, change, float(old[:, column].std()), random)
        ours, theirs = detector.drift(rows), by_column(old, rows) < LEVEL
        named = f"x{column}" in ours.changed(LEVEL)
        made[change] = [ours.p_value <= LEVEL, named, theirs[column], theirs.any(), theirs.mean() >= 0.5]
    return {change: [bool(each) for each in values] for change, values in made.items()}


def measure(x: np.ndarray, y: np.ndarray, seed: int) -> dict:
    """Fit on one split; how many normal rows are flagged at each rate, a batch's discoveries, changes found."""
    random = np.random.RandomState(seed)
    normal, anomalies = (random.permutation(np.flatnonzero(y == label)) for label in (0, 1))
    half = len(normal) // 2
    new, strange = normal[half:][:TEST_ROWS], anomalies[:ANOMALIES]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ct.CollapseWarning)
        warnings.simplefilter("ignore", ct.PromiseWarning)
        train = x[normal[:half][:TRAIN_ROWS]]
        detector = ct.ContractiveOutlierDetector(random_state=seed).fit(train)
        p_values = detector.p_values(x[np.r_[new, strange]])
    found = false_discovery_control(p_values) <= DISCOVERY_RATE  # as the detector's `predict` does
    return {
        "train_rows": len(train),
        "normal_rows": len(new),
        "anomalies": len(strange),
        "false_alarms": {f"{rate:g}": int((p_values[: len(new)] <= rate).sum()) for rate in RATES},
        "discoveries": [int(found[: len(new)].sum()), int(found[len(new) :].sum())],  # false ones, true ones
        "drift": drifts(detector, train, x[new], seed),
    }


def interval(rows: int, tested: int, rate: float) -> tuple[float, float]:
    """Counts of flags among new rows between the 0.5 % and 99.5 % quantiles: beta-binomial for exchangeable rows."""
    k = int(rate * (rows + 1) + 1e-9)
    return betabinom.interval(0.99, tested, k, rows + 1 - k) if k else (0, 0)


def runs_of(found: dict) -> dict[str, list[dict]]:
    """The splits of each table."""
    made: dict[str, list[dict]] = {}
    for key, entry in found["runs"].items():
        made.setdefault(key.split(" | ")[0], []).append(entry)
    return made


def alarms(found: dict) -> str:
    """How often new normal rows are flagged, as Markdown."""
    lines = [
        "| false-alarm rate | tables | splits | mean share flagged | table with the lowest | with the highest |"
        " splits within their 99 % interval |",
        "|---" * 7 + "|",
    ]
    for rate in RATES:
        each = {
            name: [run for run in runs if run["train_rows"] >= 1 / rate - 1] for name, runs in runs_of(found).items()
        }
        each = {name: runs for name, runs in each.items() if runs}
        if not each:
            continue
        counts = {name: [run["false_alarms"][f"{rate:g}"] for run in runs] for name, runs in each.items()}
        shares = {
            name: float(np.mean([count / run["normal_rows"] for count, run in zip(counts[name], runs, strict=True)]))
            for name, runs in each.items()
        }
        inside = [
            low <= count <= high
            for name, runs in each.items()
            for count, run in zip(counts[name], runs, strict=True)
            for low, high in [interval(run["train_rows"], run["normal_rows"], rate)]
        ]
        low, high = (choose(shares, key=lambda name: shares[name]) for choose in (min, max))
        cells = [len(each), len(inside), f"{np.mean(list(shares.values())):.3f}"]
        cells += [f"{name} {shares[name]:.3f}" for name in (low, high)]
        cells.append(f"{sum(inside)}")
        lines.append("| " + " | ".join([f"{rate:g}", *map(str, cells)]) + " |")
    return "\n".join(lines)


def batches(found: dict) -> str:
    """Realised rate of false discoveries and share of the anomalies found, as Markdown."""
    lines = ["| table | splits | false discoveries, mean share | anomalies found, mean share |", "|---" * 4 + "|"]
    rows = []
    for name, runs in runs_of(found).items():
        shares = [wrong / max(1, wrong + right) for wrong, right in (run["discoveries"] for run in runs)]
        power = [run["discoveries"][1] / run["anomalies"] for run in runs]
        rows.append((name, len(runs), float(np.mean(shares)), float(np.mean(power))))
    rows.sort(key=lambda row: -row[2])
    mean = ["mean of the tables", sum(row[1] for row in rows), *np.mean([row[2:] for row in rows], axis=0)]
    lines += [f"| {name} | {count} | {share:.3f} | {power:.3f} |" for name, count, share, power in [mean, *rows]]
    return "\n".join(lines)


def changes(found: dict) -> str:
    """Share of the splits in which a change is found, mean over the tables, as Markdown."""
    lines = [
        "| feature changed | `drift` | and names it | test of that column | of any column | of half of the columns |",
        "|---" * 6 + "|",
    ]
    for change, words in CHANGES.items():
        each = [np.mean([run["drift"][change] for run in runs], axis=0) for runs in runs_of(found).values()]
        shares = [f"{share:.3f}" for share in np.mean(each, axis=0)]
        lines.append("| " + " | ".join([words, *shares]) + " |")
    return "\n".join(lines)


def main() -> None:
    options = parser(__doc__, OUT, [], 20).parse_args()
    if options.docs:
        found = json.loads(options.out.read_text())
        put(options.docs, "promises", alarms(found))
        put(options.docs, "promises discoveries", batches(found))
        put(options.docs, "promises changes", changes(found))
        return
    check_data_dir(options.data_dir, "a folder adbench")
    torch.set_num_threads(1)
    found = opened(options.out, {"versions": versions(), "rows": [TRAIN_ROWS, TEST_ROWS, ANOMALIES]}, runs={})
    files = sorted((options.data_dir / "adbench").glob("*.npz"), key=lambda path: path.stat().st_size)
    names = options.sets.split(",") if options.sets else [OTHER, *(path.stem for path in files)]
    for seed in range(1, options.seeds + 1):
        for name in names:
            if f"{name} | {seed}" not in found["runs"]:
                found["runs"][f"{name} | {seed}"] = measure(*table(name, options.data_dir), seed)
                write(options.out, found)
                print(name, seed, found["runs"][f"{name} | {seed}"], flush=True)


if __name__ == "__main__":
    main()
