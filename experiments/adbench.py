"""Anomaly detection on the ADBench tables: the detector against scikit-learn's IsolationForest and PyOD's AutoEncoder.

    python experiments/adbench.py --data-dir DATA [--sets 4_breastw,6_cardio] [--out experiments/results/adbench.json]
    python experiments/adbench.py --data-dir DATA --again contractive  # measure it anew, say after a change
    python experiments/adbench.py --table                          # the figures so far, as markdown
    python experiments/adbench.py --docs docs/scikit-learn.md      # the same, written between the markers of the page

DATA holds `adbench/*.npz` (keys X, y; y = 1 is an anomaly; https://github.com/Minqi824/ADBench). Two protocols:

    semi-supervised   train on half of the normal rows, test on the other half and all anomalies
    unsupervised      train on all rows without labels, score the same rows

At most 20,000 training rows, drawn at random with the seed; every test row is scored. Every method runs with its
defaults and `random_state` = seed. Three more say where a difference comes from: ours trimmed (`support_fraction=0.7`),
ours without penalty, and PyOD's with our batch size and number of steps. PyOD's join where it is installed (extra
`bench`).
Results are written after every fit; a run that was stopped goes on where it was.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from _ledger import opened, put, versions, write
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score

import contractive as ct
from contractive.estimators import budget as default_budget

OUT = Path(__file__).parent / "results" / "adbench.json"
PROTOCOLS = ("semi-supervised", "unsupervised")
TRAIN_ROWS = 20_000
METRICS = {"auroc": "AUROC", "ap": "average precision"}
OURS = "contractive"
TRIMMED = "contractive, trimmed"  # learns from the rows that it fits best
TIE = 0.005  # differences below this are called a tie
# the defaults of the detector were chosen on seed 0 of these, in both protocols
CHOSEN_ON = (
    "2_annthyroid 4_breastw 6_cardio 12_fault 14_glass 18_Ionosphere 20_letter 28_pendigits 30_satellite 38_thyroid"
    " 40_vowels 42_WBC 44_Wilt 46_WPBC"
).split()


def ours(**parameters):
    """Anomaly scores of the test rows, higher for stranger ones, by the detector."""

    def score(train, test, seed):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ct.CollapseWarning)
            detector = ct.ContractiveOutlierDetector(random_state=seed, **parameters).fit(train)
            return -detector.score_samples(test)

    settings = ct.ContractiveOutlierDetector(**parameters).get_params()
    return Method(score, {name: list(v) if isinstance(v, tuple) else v for name, v in settings.items()})


def isolation_forest(train, test, seed):
    """Anomaly scores by scikit-learn's IsolationForest with its defaults."""
    return -IsolationForest(random_state=seed).fit(train).score_samples(test)


def pyod_autoencoder(train, test, seed, **parameters):
    """Anomaly scores by PyOD's AutoEncoder with its defaults."""
    from pyod.models.auto_encoder import AutoEncoder  # pyright: ignore[reportMissingImports]

    return AutoEncoder(random_state=seed, verbose=0, **parameters).fit(train).decision_function(test)


def pyod_with_our_steps(train, test, seed):
    """Anomaly scores by PyOD's AutoEncoder, trained with the batch size and number of epochs of the detector."""
    budget = default_budget(len(train))
    return pyod_autoencoder(train, test, seed, epoch_num=budget.max_epochs, batch_size=budget.batch_size)


@dataclass(frozen=True)
class Method:
    """What scores rows (training rows, test rows, seed), and what its figures depend on."""

    score: Callable
    settings: dict = field(default_factory=dict)


METHODS = {
    OURS: ours(),
    "isolation forest": Method(isolation_forest),
    TRIMMED: ours(support_fraction=0.7),
    "without penalty": ours(objective="standard"),
}
if importlib.util.find_spec("pyod"):
    PYOD = {"pyod": importlib.metadata.version("pyod")}
    METHODS["PyOD autoencoder"] = Method(pyod_autoencoder, PYOD)
    METHODS["PyOD autoencoder, our steps"] = Method(pyod_with_our_steps, PYOD)
PAIRS = (
    (OURS, "isolation forest"),
    (OURS, "PyOD autoencoder"),
    (OURS, "PyOD autoencoder, our steps"),
    (OURS, "without penalty"),
    (TRIMMED, OURS),
    (TRIMMED, "isolation forest"),
)
SHOWN = (OURS, TRIMMED, "isolation forest", "PyOD autoencoder")  # in the tables of ranks and of all sets


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
    began = time.process_time()
    scores = METHODS[method].score(train, test, seed)
    seconds = time.process_time() - began
    return {
        "auroc": float(roc_auc_score(labels, scores)),
        "ap": float(average_precision_score(labels, scores)),
        "cpu_seconds": round(seconds, 2),
        "train_rows": len(train),
        "test_rows": len(test),
    }


def settings():
    """What all figures depend on; a run with others does not go on in the same file."""
    return {
        "train_rows_at_most": TRAIN_ROWS,
        "versions": versions(),
        "threads": torch.get_num_threads(),
        "defaults_chosen_on": CHOSEN_ON,
    }


def open_results(out, methods, again=()):
    """What is there already; without the runs of the methods to measure `again`."""
    found = opened(out, settings(), methods={}, runs={})
    for name in again:
        found["methods"].pop(name, None)
        found["runs"] = {key: entry for key, entry in found["runs"].items() if key.split(" | ")[2] != name}
    for name in methods:
        if found["methods"].setdefault(name, METHODS[name].settings) != METHODS[name].settings:
            raise SystemExit(f"{out} has {name} with other parameters. Measure it anew: --again '{name}'.")
    return found


def run(data_dir, names, seeds, out, methods=None, again=()):
    """Run what is still missing, smallest files first, and write after each fit."""
    folder = Path(data_dir) / "adbench"
    if not folder.is_dir():
        raise SystemExit(f"--data-dir must hold a folder adbench, got {data_dir}. See the top of this script.")
    methods = methods or list(METHODS)
    found = open_results(out, methods, again)
    files = sorted(folder.glob("*.npz"), key=lambda path: path.stat().st_size)
    for path in files:
        if names and path.stem not in names:
            continue
        data = np.load(path, allow_pickle=False)
        x, y = data["X"].astype(np.float64), data["y"].astype(int)
        for protocol, seed, method in ((p, s, m) for p in PROTOCOLS for s in seeds for m in methods):
            key = f"{path.stem} | {protocol} | {method} | {seed}"
            if key not in found["runs"]:
                found["runs"][key] = measure(method, x, y, protocol, seed)
                write(out, found)
                print(key, found["runs"][key], flush=True)


def values(found, protocol, metric):
    """{set: {method: {seed: value}}}."""
    made = {}
    for key, entry in found["runs"].items():
        name, its_protocol, method, seed = key.split(" | ")
        if its_protocol == protocol:
            made.setdefault(name, {}).setdefault(method, {})[seed] = entry[metric]
    return made


def alike(table, methods):
    """{set: {method: mean over the seeds that all these methods have run with}}, where there are any."""
    made = {}
    for name, row in table.items():
        seeds = sorted(set.intersection(*(set(row.get(method, ())) for method in methods)))
        if seeds:
            made[name] = {method: float(np.mean([row[method][seed] for seed in seeds])) for method in methods}
    return made


def groups(found):
    """(words of a group of sets, protocol, {measure: values of these sets}) of each group and protocol."""
    for label, belongs in (("all", lambda name: True), ("not used to choose", fresh)):
        for protocol in PROTOCOLS:
            tables = {metric: values(found, protocol, metric).items() for metric in METRICS}
            chosen = {metric: {name: row for name, row in rows if belongs(name)} for metric, rows in tables.items()}
            yield label, protocol, chosen


def summary(found):
    """Each pair of methods over the sets and seeds that both have run with; a markdown table."""
    columns = [f"{words} | wins / ties / losses" for words in METRICS.values()]
    lines = ["| method | against | sets | protocol | " + " | ".join(columns) + " |", "|" + "---|" * 8]
    for pair in PAIRS:
        for label, protocol, tables in groups(found):
            cells = [compared(means, *pair) for table in tables.values() if (means := alike(table, pair))]
            if cells:
                count = len(alike(tables["ap"], pair))
                lines.append("| " + " | ".join([*pair, f"{label} ({count})", protocol, *cells]) + " |")
    return "\n".join(lines)


def compared(means, method, other):
    """Two cells: the means of both methods over the sets, and on how many sets the first is better."""
    pairs = np.array([(row[method], row[other]) for row in means.values()])
    mean, other_mean = pairs.mean(0)
    return f"{mean:.3f} / {other_mean:.3f} | {record(pairs)}"


def record(pairs):
    """Wins, ties and losses of the first of each pair."""
    gains = pairs[:, 0] - pairs[:, 1]
    return " / ".join(str(count) for count in ((gains > TIE).sum(), (abs(gains) <= TIE).sum(), (gains < -TIE).sum()))


def rank_table(found):
    """Mean rank of the methods shown, over the sets all have run on; a markdown table."""
    lines = ["| sets | protocol | measure | " + " | ".join(SHOWN) + " |", "|" + "---|" * (3 + len(SHOWN))]
    for label, protocol, tables in groups(found):
        for metric, table in tables.items():
            if whole := alike(table, SHOWN):
                ranks = mean_ranks(whole)
                cells = [f"{label} ({len(whole)})", protocol, METRICS[metric]]
                lines.append("| " + " | ".join([*cells, *(f"{ranks[method]:.2f}" for method in SHOWN)]) + " |")
    return "\n".join(lines)


def mean_ranks(table):
    """Mean rank of every method over the sets, 1 for the best; ties share."""
    from scipy.stats import rankdata

    methods = list(next(iter(table.values())))
    ranks = [rankdata([-row[method] for method in methods]) for row in table.values()]
    return dict(zip(methods, np.mean(ranks, axis=0).tolist(), strict=True))


def fresh(name):
    """Whether the set had no part in choosing the defaults."""
    return name not in CHOSEN_ON


def details(found):
    """Every set: mean over the seeds of each method, and how many these are; a markdown table."""
    tables = [values(found, protocol, metric) for protocol in PROTOCOLS for metric in METRICS]
    columns = [f"{protocol}, {words}" for protocol in PROTOCOLS for words in METRICS.values()]
    lines = ["| set | method | seeds | " + " | ".join(columns) + " |", "|" + "---|" * (len(columns) + 3)]
    for name in sorted(set().union(*tables), key=lambda name: int(name.split("_")[0])):
        for method in SHOWN:
            runs = [table.get(name, {}).get(method, {}) for table in tables]
            if any(runs):
                means = [f"{np.mean([*run.values()]):.3f}" if run else "-" for run in runs]
                seeds = f"{max(map(len, runs))}"
                lines.append(
                    f"| {name}{'' if fresh(name) else ' *'} | {method} | {seeds} | " + " | ".join(means) + " |"
                )
    return "\n".join([*lines, "", "\\* the defaults were chosen on seed 0 of these sets."])


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", default=os.environ.get("CONTRACTIVE_DATA"))
    parser.add_argument("--sets", help="comma-separated names; all if omitted")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--methods", help="names separated by ';'; all if omitted")
    parser.add_argument("--again", help="methods to measure anew, separated by ';'")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--table", action="store_true", help="print what is there, run nothing")
    parser.add_argument("--docs", type=Path, help="write what is there into this page, run nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if not (arguments.table or arguments.docs):
        if not arguments.data_dir:
            raise SystemExit("--data-dir must be given (or CONTRACTIVE_DATA set), got neither.")
        names = arguments.sets.split(",") if arguments.sets else []
        seeds = [int(seed) for seed in arguments.seeds.split(",")]
        methods, again = (given.split(";") if given else [] for given in (arguments.methods, arguments.again))
        run(arguments.data_dir, names, seeds, arguments.out, methods, again)
    found = json.loads(arguments.out.read_text())
    if arguments.docs:
        put(arguments.docs, "adbench", summary(found))
        put(arguments.docs, "adbench ranks", rank_table(found))
        put(arguments.docs, "adbench sets", details(found))
    else:
        print(summary(found), rank_table(found), details(found), sep="\n\n")


if __name__ == "__main__":
    main()
