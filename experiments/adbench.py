"""Anomaly detection on the ADBench tables: the detector with its defaults against scikit-learn's IsolationForest.

    python experiments/adbench.py --data-dir DATA [--sets 4_breastw,6_cardio] [--out experiments/results/adbench.json]
    python experiments/adbench.py --table                          # the figures so far, as markdown
    python experiments/adbench.py --docs docs/scikit-learn.md      # the same, written between the markers of the page

DATA holds `adbench/*.npz` (keys X, y; y = 1 is an anomaly; https://github.com/Minqi824/ADBench). Two protocols:

    semi-supervised   train on half of the normal rows, test on the other half and all anomalies
    unsupervised      train on all rows without labels, score the same rows

At most 20,000 training rows, drawn at random with the seed; every test row is scored. Every method runs with its
defaults and `random_state` = seed; PyOD's AutoEncoder joins where it is installed. Results are written after every fit;
a run that was stopped goes on where it was.
"""

import argparse
import importlib.util
import json
import os
import platform
import re
import time
import warnings
from pathlib import Path

import numpy as np
import sklearn
import torch
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score

import contractive as ct
from contractive.storage import write_text

OUT = Path(__file__).parent / "results" / "adbench.json"
PROTOCOLS = ("semi-supervised", "unsupervised")
TRAIN_ROWS = 20_000
METRICS = {"auroc": "AUROC", "ap": "average precision"}
TIE = 0.005  # differences below this are called a tie
# the defaults of the detector were chosen on seed 0 of these, in both protocols; the other sets were not looked at
CHOSEN_ON = (
    "2_annthyroid 4_breastw 6_cardio 12_fault 14_glass 18_Ionosphere 20_letter 28_pendigits 30_satellite 38_thyroid"
    " 40_vowels 42_WBC 44_Wilt 46_WPBC"
).split()


def contractive_detector(train, test, seed):
    """Anomaly scores of the test rows, higher for stranger ones, by the detector with its defaults."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ct.CollapseWarning)
        return -ct.ContractiveOutlierDetector(random_state=seed).fit(train).score_samples(test)


def isolation_forest(train, test, seed):
    """Anomaly scores by scikit-learn's IsolationForest with its defaults."""
    return -IsolationForest(random_state=seed).fit(train).score_samples(test)


def pyod_autoencoder(train, test, seed):
    """Anomaly scores by PyOD's AutoEncoder with its defaults."""
    from pyod.models.auto_encoder import AutoEncoder  # pyright: ignore[reportMissingImports]

    return AutoEncoder(random_state=seed, verbose=0).fit(train).decision_function(test)


METHODS = {"contractive": contractive_detector, "isolation forest": isolation_forest}
if importlib.util.find_spec("pyod"):
    METHODS["pyod autoencoder"] = pyod_autoencoder


def divide(x, y, protocol, seed):
    """(training rows, test rows, labels of the test rows)."""
    random = np.random.RandomState(seed)
    everything = np.arange(len(y))
    if protocol == "unsupervised":
        train, test = random.permutation(everything), everything
    else:
        normal = random.permutation(np.flatnonzero(y == 0))
        train = normal[: len(normal) // 2]
        test = np.setdiff1d(everything, train)
    return x[train[:TRAIN_ROWS]], x[test], y[test]


def measure(method, x, y, protocol, seed):
    """Fit and score once; the figures of that run."""
    train, test, labels = divide(x, y, protocol, seed)
    began = time.perf_counter()
    scores = METHODS[method](train, test, seed)
    seconds = time.perf_counter() - began
    return {
        "auroc": float(roc_auc_score(labels, scores)),
        "ap": float(average_precision_score(labels, scores)),
        "seconds": round(seconds, 2),
        "train_rows": len(train),
        "test_rows": len(test),
    }


def settings():
    """What the figures depend on; a run with others does not go on in the same file."""
    defaults = ct.ContractiveOutlierDetector().get_params()
    return {
        "train_rows_at_most": TRAIN_ROWS,
        "detector": {name: list(value) if isinstance(value, tuple) else value for name, value in defaults.items()},
        "versions": {
            "contractive": ct.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
            "torch": torch.__version__,
        },
        "threads": torch.get_num_threads(),
        "defaults_chosen_on": CHOSEN_ON,
    }


def open_results(path):
    """What is there already, if it was made with the same settings."""
    now = settings()
    if not path.exists():
        return {"settings": now, "runs": {}}
    found = json.loads(path.read_text())
    if found["settings"] != now:
        raise SystemExit(f"{path} was made with other settings or versions. Give another --out, or move it away.")
    return found


def run(data_dir, names, seeds, out):
    """Run what is still missing, smallest files first, and write after each fit."""
    folder = Path(data_dir) / "adbench"
    if not folder.is_dir():
        raise SystemExit(f"--data-dir must hold a folder adbench, got {data_dir}. See the top of this script.")
    found = open_results(out)
    files = sorted(folder.glob("*.npz"), key=lambda path: path.stat().st_size)
    for path in files:
        if names and path.stem not in names:
            continue
        data = np.load(path, allow_pickle=False)
        x, y = data["X"].astype(np.float64), data["y"].astype(int)
        for protocol, seed, method in ((p, s, m) for p in PROTOCOLS for s in seeds for m in METHODS):
            key = f"{path.stem} | {protocol} | {method} | {seed}"
            if key not in found["runs"]:
                found["runs"][key] = measure(method, x, y, protocol, seed)
                write_text(out, json.dumps(found, indent=1) + "\n")
                print(key, found["runs"][key], flush=True)


def by_set(found, protocol, metric):
    """{set: {method: mean over seeds}} for the sets on which every method has run with every seed."""
    values, methods = {}, set()
    for key, entry in found["runs"].items():
        name, its_protocol, method, _ = key.split(" | ")
        methods.add(method)
        if its_protocol == protocol:
            values.setdefault(name, {}).setdefault(method, []).append(entry[metric])
    most = max((len(v) for row in values.values() for v in row.values()), default=0)
    whole = {name: row for name, row in values.items() if len(row) == len(methods)}
    whole = {name: row for name, row in whole.items() if all(len(v) == most for v in row.values())}
    return {name: {method: float(np.mean(v)) for method, v in sorted(row.items())} for name, row in whole.items()}


def mean_ranks(table):
    """Mean rank of every method over the sets, 1 for the best; ties share."""
    from scipy.stats import rankdata

    methods = sorted(next(iter(table.values())))
    ranks = [rankdata([-row[method] for method in methods]) for row in table.values()]
    return dict(zip(methods, np.mean(ranks, axis=0).tolist(), strict=True))


def summary(found):
    """Means, wins, ties and losses of the detector, and mean ranks; a markdown table."""
    lines = ["| sets | protocol | measure | method | mean | mean rank | wins / ties / losses of ours against it |"]
    lines.append("|" + "---|" * 7)
    for label, belongs in (("all", lambda name: True), ("not used to choose the defaults", fresh)):
        for protocol in PROTOCOLS:
            for metric, words in METRICS.items():
                table = {name: row for name, row in by_set(found, protocol, metric).items() if belongs(name)}
                if table:
                    lines += [f"| {label} ({len(table)}) | {protocol} | {words} {row}" for row in compare(table)]
    return "\n".join(lines)


def fresh(name):
    """Whether the set had no part in choosing the defaults."""
    return name not in CHOSEN_ON


def compare(table):
    """The end of a line of the summary for every method."""
    ranks = mean_ranks(table)
    for method, rank in ranks.items():
        mean = np.mean([row[method] for row in table.values()])
        gains = np.array([row["contractive"] - row[method] for row in table.values()])
        counts = [(gains > TIE).sum(), (abs(gains) <= TIE).sum(), (gains < -TIE).sum()]
        record = "" if method == "contractive" else " / ".join(map(str, counts))
        yield f"| {method} | {mean:.3f} | {rank:.2f} | {record} |"


def details(found):
    """Every set: mean over the seeds; a markdown table."""
    tables = {(protocol, metric): by_set(found, protocol, metric) for protocol in PROTOCOLS for metric in METRICS}
    names = sorted(set.intersection(*(set(table) for table in tables.values())), key=lambda n: int(n.split("_")[0]))
    methods = sorted(next(iter(tables[PROTOCOLS[0], "auroc"].values())))
    head = [f"{protocol}, {METRICS[metric]}: {' / '.join(methods)}" for protocol, metric in tables]
    lines = ["| set | " + " | ".join(head) + " |", "|" + "---|" * (len(head) + 1)]
    for name in names:
        cells = [" / ".join(f"{table[name][method]:.3f}" for method in methods) for table in tables.values()]
        lines.append(f"| {name}{'' if fresh(name) else ' *'} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", "\\* the defaults were chosen on seed 0 of these sets."])


def put(path, name, text):
    """Replace what stands between the markers of `name` in a page."""
    page = path.read_text()
    pattern = rf"(<!-- {name} -->\n).*?(\n<!-- end -->)"
    if not re.search(pattern, page, re.DOTALL):
        raise SystemExit(f"{path} must have the marker <!-- {name} -->, got none.")
    write_text(path, re.sub(pattern, lambda m: m[1] + text + m[2], page, flags=re.DOTALL))


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", default=os.environ.get("CONTRACTIVE_DATA"))
    parser.add_argument("--sets", help="comma-separated names; all if omitted")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--table", action="store_true", help="print what is there, run nothing")
    parser.add_argument("--docs", type=Path, help="write what is there into this page, run nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if not (arguments.table or arguments.docs):
        if not arguments.data_dir:
            raise SystemExit("--data-dir must be given (or CONTRACTIVE_DATA set), got neither.")
        names = arguments.sets.split(",") if arguments.sets else []
        run(arguments.data_dir, names, [int(seed) for seed in arguments.seeds.split(",")], arguments.out)
    found = json.loads(arguments.out.read_text())
    if arguments.docs:
        put(arguments.docs, "adbench", summary(found))
        put(arguments.docs, "adbench sets", details(found))
    else:
        print(summary(found), details(found), sep="\n\n")


if __name__ == "__main__":
    main()
