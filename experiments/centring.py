"""What does a centred encoder change? The same networks and weights with and without the mean of the rows taken off.

    python experiments/centring.py --data-dir DATA                  # a run that was stopped goes on where it was
    python experiments/centring.py --docs docs/experiments.md       # the table so far, written into the page

Pixels in [0, 1], sigmoid codes, squared error, Adam at 0.003 with a cosine, the paper's penalty with the weight given.
70 % of the rows train and 30 % test, drawn with the seed, which gives the first weights as well. The objective is that
of the test rows with the exact penalty, the share of variance that of the test rows around the training rows' mean.
"""

import json
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from _ledger import check_data_dir, opened, parser, put, versions, write
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import contractive as ct
from contractive.data import load

OUT = Path(__file__).parent / "results" / "centring.json"
WEIGHTS = (0.0, 0.1, 1.0)


class Net(NamedTuple):
    """A network by the arguments of its builder, and its training."""

    tied: bool
    hidden: tuple[int, ...]
    code: int
    rows: int
    epochs: int


NETS = {
    "digits tied 64-32": Net(True, (), 32, 1_797, 100),
    "digits tied 64-200": Net(True, (), 200, 1_797, 100),
    "digits 64-128-64-32": Net(False, (128, 64), 32, 1_797, 100),
    "MNIST tied 784-200": Net(True, (), 200, 8_000, 10),
}


def rows_of(name: str, folder: Path) -> np.ndarray:
    """Pixels (rows, features) in [0, 1]."""
    if name.startswith("digits"):
        return (load_digits().data / 16).astype(np.float32)
    return np.asarray(load("mnist", data_dir=folder).train[: NETS[name].rows])


def measure(name: str, x: np.ndarray, weight: float, center: bool, seed: int) -> dict[str, float]:
    """Train one network; share of variance and objective on test rows."""
    net, (train, test) = NETS[name], map(torch.from_numpy, train_test_split(x, test_size=0.3, random_state=seed))
    torch.manual_seed(seed)
    given = {"hidden": net.hidden, "code": net.code, "center": center}
    autoencoder = ct.tied(x.shape[1], **given) if net.tied else ct.mlp(x.shape[1], **given)
    objective = ct.objectives.contractive(weight)
    options = {"max_epochs": net.epochs, "learning_rate": 3e-3, "schedule": "cosine"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ct.CollapseWarning)
        ct.fit(autoencoder, train, objective, seed=seed, progress=False, **options)
    with torch.no_grad():
        left = (autoencoder(test) - test).square().sum() / (test - train.mean(0)).square().sum()
    return {"r2": 1 - float(left), "objective": float(objective.exact()(autoencoder, test).total.detach())}


def table(results: list[dict]) -> str:
    """Means over seeds, and on how many seeds the centred one is ahead, as Markdown."""
    lines = [
        "| network | weight | share of variance | centred | objective | centred | centred ahead, share / objective |",
        "|---" * 7 + "|",
    ]
    for name in NETS:
        for weight in WEIGHTS:
            cells = {}
            for center in (False, True):
                rows = [r for r in results if (r["net"], r["weight"], r["center"]) == (name, weight, center)]
                cells[center] = {what: np.array([row[what] for row in rows]) for what in ("r2", "objective")}
            if not len(cells[True]["r2"]):
                continue
            r2, goal = ((cells[False][what], cells[True][what]) for what in ("r2", "objective"))
            means = [f"{each.mean():.3f}" for each in (*r2, *goal)]
            ahead = f"{(r2[1] > r2[0]).sum()} / {(goal[1] < goal[0]).sum()} of {len(r2[0])}"
            lines.append(" | ".join([f"| {name}", f"{weight:g}", *means, ahead]) + " |")
    return "\n".join(lines)


def main() -> None:
    options = parser(__doc__, OUT, NETS, 3).parse_args()
    if options.docs:
        put(options.docs, "centring", table(json.loads(options.out.read_text())["results"]))
        return
    check_data_dir(options.data_dir, "mnist")
    torch.set_num_threads(1)
    found = opened(options.out, {"versions": versions()}, results=[])
    done = {(row["net"], row["weight"], row["center"], row["seed"]) for row in found["results"]}
    for name in options.sets.split(","):
        x = rows_of(name, options.data_dir)
        for seed in range(options.seeds):
            for weight in WEIGHTS:
                for center in (False, True):
                    row = {"net": name, "weight": weight, "center": center, "seed": seed}
                    if tuple(row.values()) not in done:
                        found["results"].append(row | measure(name, x, weight, center, seed))
                        write(options.out, found)
                        print(found["results"][-1], flush=True)


if __name__ == "__main__":
    main()
