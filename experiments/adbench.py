"""Anomaly detection on the ADBench tables: the detector against distances, isolation forest, LOF, ECOD and PyOD.

    python experiments/adbench.py --data-dir DATA [--sets 4_breastw,6_cardio] [--out experiments/results/adbench.json]
    python experiments/adbench.py --data-dir DATA --again contractive  # measure it anew, say after a change
    python experiments/adbench.py --data-dir DATA --reasons        # how often an injected fault is named
    python experiments/adbench.py --table                          # the figures so far, as markdown
    python experiments/adbench.py --docs docs/detection.md         # the same, written between the markers of the page

DATA holds `adbench/*.npz` (keys X, y; y = 1 is an anomaly; https://github.com/Minqi824/ADBench). Two protocols:

    semi-supervised   train on half of the normal rows, test on the other half and all anomalies
    unsupervised      train on all rows without labels, score the same rows

At most 5,000 training rows, 5,000 normal test rows and 2,000 anomalies (unsupervised: 5,000 rows), drawn at random with
the seed; these bounds lift the average precision of rare anomalies, for all methods alike. Every method runs with its
defaults and `random_state` = seed; kNN is the mean distance to 5 standardised neighbours; ECOD is that of Li et al.
(2022), written here. PyOD's joins where it is installed (extra `bench`).
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
from _charts import dots
from _ledger import opened, put, versions, write
from scipy.stats import rankdata, skew
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler

import contractive as ct
from contractive.estimators import budget as default_budget

OUT = Path(__file__).parent / "results" / "adbench.json"
PROTOCOLS = ("semi-supervised", "unsupervised")
TRAIN_ROWS, TEST_ROWS, ANOMALIES = 5_000, 5_000, 2_000
METRICS = {"auroc": "AUROC", "ap": "average precision"}
OURS = "contractive"
TRIMMED = "contractive, trimmed"  # learns from the rows that it fits best
NOVELTY = "contractive, all normal"  # as `support_fraction=1` says
KNN, LOF, ECOD = "5 neighbours", "LOF", "ECOD"
TIE = 0.005  # differences below this are called a tie
EXPLAINED = "6_cardio 12_fault 14_glass 20_letter 28_pendigits 30_satellite 40_vowels 46_WPBC".split()
EXPLAINED_ROWS = 40  # normal test rows with a fault each


def ours(**parameters):
    """Anomaly scores of the test rows, higher for stranger ones, by the detector."""

    def score(train, test, seed):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ct.CollapseWarning)
            warnings.simplefilter("ignore", ct.PromiseWarning)
            detector = ct.ContractiveOutlierDetector(random_state=seed, **parameters).fit(train)
            return -detector.score_samples(test)

    settings = ct.ContractiveOutlierDetector(**parameters).get_params()
    return Method(score, {name: list(v) if isinstance(v, tuple) else v for name, v in settings.items()})


def neighbours(train, test, seed):
    """Mean distance to the five nearest training rows, themselves apart, in standardised features."""
    scaler = StandardScaler().fit(train)
    search = NearestNeighbors(n_neighbors=5).fit(scaler.transform(train))
    return search.kneighbors(None if np.array_equal(train, test) else scaler.transform(test))[0].mean(1)


def local_outlier_factor(train, test, seed):
    """Anomaly scores by scikit-learn's LocalOutlierFactor with its defaults, on standardised features."""
    scaler = StandardScaler().fit(train)
    if np.array_equal(train, test):
        return -LocalOutlierFactor().fit(scaler.transform(test)).negative_outlier_factor_
    return -LocalOutlierFactor(novelty=True).fit(scaler.transform(train)).score_samples(scaler.transform(test))


def ecod(train, test, seed):
    """Sum over features of -log of the empirical tail probability (Li et al., 2022): left, right or by skewness."""
    whole = np.concatenate([train, test])
    left, right = (
        -np.log(np.stack([rankdata(sign * column, "max") for column in whole.T], axis=1) / len(whole))
        for sign in (1, -1)
    )
    by_skew = np.where(np.nan_to_num(skew(whole, axis=0)) < 0, left, right)
    return np.max([left.sum(1), right.sum(1), by_skew.sum(1)], axis=0)[len(train) :]


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
    KNN: Method(neighbours),
    LOF: Method(local_outlier_factor),
    ECOD: Method(ecod),
    TRIMMED: ours(support_fraction=0.7),
    NOVELTY: ours(support_fraction=1.0),
    "without penalty": ours(objective="standard"),
}
if importlib.util.find_spec("pyod"):
    PYOD = {"pyod": importlib.metadata.version("pyod")}
    METHODS["PyOD autoencoder"] = Method(pyod_autoencoder, PYOD)
    METHODS["PyOD autoencoder, our steps"] = Method(pyod_with_our_steps, PYOD)
PAIRS = (
    (OURS, KNN),
    (OURS, "isolation forest"),
    (OURS, LOF),
    (OURS, ECOD),
    (OURS, "PyOD autoencoder"),
    (OURS, "PyOD autoencoder, our steps"),
    (OURS, "without penalty"),
    (NOVELTY, OURS),
    (NOVELTY, KNN),
    (TRIMMED, OURS),
    (TRIMMED, "isolation forest"),
    (TRIMMED, KNN),
)
SHOWN = (OURS, NOVELTY, TRIMMED, KNN, "isolation forest", LOF, ECOD)  # in the tables of ranks and of all sets


def divide(x, y, protocol, seed):
    """(training rows, test rows, labels of the test rows)."""
    random = np.random.RandomState(seed)
    if protocol == "unsupervised":
        train = test = random.permutation(len(y))[:TRAIN_ROWS]
    else:
        normal, anomalies = (random.permutation(np.flatnonzero(y == label)) for label in (0, 1))
        half = len(normal) // 2
        train = normal[:half][:TRAIN_ROWS]
        test = np.concatenate([normal[half:][:TEST_ROWS], anomalies[:ANOMALIES]])
    return x[train], x[test], y[test]


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


def inject(rows, random):
    """Replace one feature of each row by its value in another row, where it differs; rows, and which feature it was."""
    made, columns = rows.copy(), np.empty(len(rows), int)
    for i in range(len(rows)):
        while True:
            columns[i], other = random.randint(rows.shape[1]), random.randint(len(rows))
            if rows[other, columns[i]] != rows[i, columns[i]]:
                made[i, columns[i]] = rows[other, columns[i]]
                break
    return made, columns


def explain(x, y, seed):
    """Where the reasons of the detector name the injected fault, how large it is, and whether two are both named."""
    train, test, labels = divide(x, y, "semi-supervised", seed)
    normal = test[labels == 0][:EXPLAINED_ROWS]
    faulty, columns = inject(normal, np.random.RandomState(seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ct.CollapseWarning)
        detector = ct.ContractiveOutlierDetector(random_state=seed).fit(train)
    named = [[change.feature for change in each.ranking] for each in detector.explain(faulty, num_repairs=1)]
    place = np.array([names.index(f"x{column}") for names, column in zip(named, columns, strict=True)])
    change = np.abs(faulty - normal).max(1) / train.std(0)[columns]
    twice, others = inject(faulty, np.random.RandomState(seed + 1))
    found, deviations = [], train.std(0)
    for i, each in enumerate(detector.explain(twice, num_repairs=2)):
        if columns[i] != others[i]:
            pair = [columns[i], others[i]]
            named = {repair.feature for repair in each.repairs} == {f"x{column}" for column in pair}
            least = (np.abs(twice[i] - normal[i]) / deviations)[pair].min()
            found.append([bool(named), round(float(least), 4)])
    return {"place": place.tolist(), "change": [round(float(value), 4) for value in change], "pairs": found}


def settings():
    """What all figures depend on; a run with others does not go on in the same file."""
    return {
        "rows_at_most": [TRAIN_ROWS, TEST_ROWS, ANOMALIES],
        "versions": versions(),
        "threads": torch.get_num_threads(),
        "defaults_chosen_on": "all sets, with seed 0",
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


def run_reasons(data_dir, names, seeds, out):
    """Inject faults and look for them, where that is not done yet."""
    found = opened(out, settings(), methods={}, runs={})
    for name, seed in ((n, s) for n in names or EXPLAINED for s in seeds):
        data = np.load(Path(data_dir) / "adbench" / f"{name}.npz", allow_pickle=False)
        if f"{name} | {seed}" not in found.setdefault("reasons", {}):
            entry = explain(data["X"].astype(np.float64), data["y"].astype(int), seed)
            write(out, {**found, "reasons": {**found["reasons"], f"{name} | {seed}": entry}})
            found = json.loads(out.read_text())
            print(name, seed, (np.array(entry["place"]) < 1).mean(), flush=True)


def run(data_dir, names, seeds, out, methods=None, again=(), protocols=PROTOCOLS):
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
        for protocol, seed, method in ((p, s, m) for p in protocols for s in seeds for m in methods):
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
    """(words for the sets, protocol, {measure: values of these sets}) of each protocol."""
    for protocol in PROTOCOLS:
        yield "all", protocol, {metric: values(found, protocol, metric) for metric in METRICS}


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
    """Mean rank of the methods that have run with a protocol, over the sets all have run on; a markdown table."""
    names = {
        method
        for _, _, tables in groups(found)
        for table in tables.values()
        for row in table.values()
        for method in row
    }
    shown = [method for method in SHOWN if method in names]
    lines = ["| sets | protocol | measure | " + " | ".join(shown) + " |", "|" + "---|" * (3 + len(shown))]
    for label, protocol, tables in groups(found):
        for metric, table in tables.items():
            if whole := alike(table, [method for method in shown if any(method in row for row in table.values())]):
                ranks = mean_ranks(whole)
                cells = [f"{label} ({len(whole)})", protocol, METRICS[metric]]
                cells += [f"{ranks[method]:.2f}" if method in ranks else "-" for method in shown]
                lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def mean_ranks(table):
    """Mean rank of every method over the sets, 1 for the best; ties share."""
    methods = list(next(iter(table.values())))
    ranks = [rankdata([-row[method] for method in methods]) for row in table.values()]
    return dict(zip(methods, np.mean(ranks, axis=0).tolist(), strict=True))


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
                lines.append(f"| {name} | {method} | {seeds} | " + " | ".join(means) + " |")
    return "\n".join(lines)


def chart(found, metric="ap"):
    """Dots for every method on every table, the mean over its seeds, in the order of the detector on normal rows."""
    panels = {}
    for protocol in PROTOCOLS:
        table = values(found, protocol, metric)
        means = {
            name.split("_", 1)[1]: {
                method: float(np.mean(list(row[method].values()))) for method in SHOWN if method in row
            }
            for name, row in table.items()
        }
        panels[protocol] = dict(sorted(means.items(), key=lambda item: -item[1].get(OURS, 0)))
    methods = [m for m in SHOWN if any(m in row for panel in panels.values() for row in panel.values())]
    return dots({f"{METRICS[metric]}, {words}": panel for words, panel in panels.items()}, methods, METRICS[metric])


def hits(found):
    """How often the injected feature is first and among the first three; a markdown table."""
    lines = ["| changes | rows | first | among three |", "|" + "---|" * 4]
    place, change = (
        np.concatenate([[], *(run[name] for run in found.get("reasons", {}).values())]) for name in ("place", "change")
    )
    for words, chosen in (("all", change > 0), ("more than one standard deviation", change > 1)):
        if chosen.any():
            cells = [f"{(place[chosen] < most).mean():.2f}" for most in (1, 3)]
            lines.append("| " + " | ".join([words, str(chosen.sum()), *cells]) + " |")
    pairs = [pair for run in found.get("reasons", {}).values() for pair in run.get("pairs", [])]
    if pairs:
        both, least = np.array(pairs).T
        shares = f"{both.mean():.2f} of {len(both)} rows, and {both[least > 1].mean():.2f} of the {(least > 1).sum()}"
        lines += [
            "",
            f"Of two features replaced in one row, the repairs name both, and no other, in {shares} where each",
            "moved by more than one standard deviation. Repairs end where half of the training rows are as strange.",
        ]
    return "\n".join(lines)


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", default=os.environ.get("CONTRACTIVE_DATA"))
    parser.add_argument("--sets", help="comma-separated names; all if omitted")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--methods", help="names separated by ';'; all if omitted")
    parser.add_argument("--protocols", help="comma-separated; both if omitted")
    parser.add_argument("--again", help="methods to measure anew, separated by ';'")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--reasons", action="store_true", help="inject faults instead of scoring anomalies")
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
        if arguments.reasons:
            run_reasons(arguments.data_dir, names, seeds, arguments.out)
        else:
            protocols = arguments.protocols.split(",") if arguments.protocols else PROTOCOLS
            run(arguments.data_dir, names, seeds, arguments.out, methods, again, protocols)
    found = json.loads(arguments.out.read_text())
    if arguments.docs:
        put(arguments.docs, "adbench", summary(found))
        put(arguments.docs, "adbench ranks", rank_table(found))
        (arguments.docs.parent / "images" / "adbench.svg").write_text(chart(found))
        put(arguments.docs, "adbench sets", details(found))
        if found.get("reasons"):
            put(arguments.docs, "adbench reasons", hits(found))
    else:
        print(summary(found), rank_table(found), details(found), hits(found), sep="\n\n")


if __name__ == "__main__":
    main()
