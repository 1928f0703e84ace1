"""How much of a bare hand-written PyTorch loop's speed does `fit` keep, doing the same work?

    python benchmarks/throughput.py [--data-dir DATA] [--out benchmarks/results/throughput.json]

Seconds per epoch as the slope between a short and a long run, so that starting up does not count; interleaved, medians.
Both sides shuffle, index batches in memory and use fused Adam; neither validates.
"""

import argparse
import json
import os
import statistics
import time
import warnings
from pathlib import Path

import torch

import contractive as ct
from contractive.data import load
from contractive.training._contexts import keep_freed_memory

CASES = {
    "digits": {"sizes": (64, 128, 64, 32), "batch": 128, "epochs": (4, 44)},
    "mnist": {"sizes": (784, 256, 128, 64), "batch": 128, "epochs": (1, 3)},
}
OBJECTIVES = {"standard": ct.objectives.standard(), "contractive": ct.objectives.contractive(0.01)}


def bare_loop(autoencoder, x, objective, batch, epochs):
    weight = objective.terms[0].weight if objective.terms else 0.0
    optimizer = torch.optim.Adam(autoencoder.parameters(), 1e-3, fused=True)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(batch):
            part = x[rows]
            if weight:
                code, norm = ct.value_and_squared_norm(autoencoder.encoder, part)
                extra = weight * norm.mean()
            else:
                code, extra = autoencoder.encoder(part), 0.0
            loss = (autoencoder.decoder(code) - part).square().sum(1).mean() + extra
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def our_fit(autoencoder, x, objective, batch, epochs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ct.CollapseWarning)
        ct.fit(autoencoder, x, objective, batch_size=batch, max_epochs=epochs, progress=False, device="cpu")


def seconds_per_epoch(train, x, sizes, objective, batch, epochs):
    taken = []
    for count in epochs:
        torch.manual_seed(0)
        autoencoder = ct.mlp(sizes[0], hidden=sizes[1:-1], code=sizes[-1])
        began = time.process_time()
        train(autoencoder, x, objective, batch, count)
        taken.append(time.process_time() - began)
    return (taken[1] - taken[0]) / (epochs[1] - epochs[0])


def start_up(x, sizes):
    """Seconds of a fit of one step."""
    began = time.perf_counter()
    our_fit(ct.mlp(sizes[0], hidden=sizes[1:-1], code=sizes[-1]), x[:128], OBJECTIVES["standard"], 128, 1)
    return time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir")
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    keep_freed_memory()  # as `fit` does, for both sides
    found = {"torch": torch.__version__, "load": os.getloadavg(), "cases": {}}
    for name in arguments.cases.split(","):
        case = CASES[name]
        x = torch.from_numpy(load(name, data_dir=arguments.data_dir).train)
        start_up(x, case["sizes"])
        for variant, objective in OBJECTIVES.items():
            times = {"fit": [], "bare": []}
            for _ in range(arguments.rounds):
                for side, train in (("fit", our_fit), ("bare", bare_loop)):
                    times[side].append(
                        seconds_per_epoch(train, x, case["sizes"], objective, case["batch"], case["epochs"])
                    )
            fit, bare = statistics.median(times["fit"]), statistics.median(times["bare"])
            entry = {"fit": fit, "bare": bare, "throughput": bare / fit, "start_up": start_up(x, case["sizes"])}
            found["cases"][f"{name}, {variant}"] = entry
            print(name, variant, {key: round(value, 4) for key, value in entry.items()}, flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
