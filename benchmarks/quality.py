"""Is an estimate good enough to train with? Judged by its gradient on a trained net, and by where training ends.

    python benchmarks/quality.py gradient --data-dir DATA       relative error of the batch gradient
    python benchmarks/quality.py outcome --data-dir DATA        validation objective after equal steps, and against time

784-256-128-64, sigmoid encoder, MNIST, Adam 1e-3, batch 128. Writes `results/quality_*.json` as it goes; `outcome`
resumes.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from peers import METHODS

import contractive as ct
from contractive.data import load

RESULTS = Path(__file__).parent / "results"
EPOCHS = 4


def net(seed):
    torch.manual_seed(seed)
    return ct.mlp(784, hidden=(256, 128), code=64)


def fresh_rademacher(encoder, x):
    """One independent Rademacher probe per example: the yardstick."""
    x = x.detach().requires_grad_()
    code = encoder(x)
    v = torch.randint(0, 2, code.shape).to(code) * 2 - 1
    (row,) = torch.autograd.grad(code, x, v, create_graph=True)
    return code, row.square().sum(1)


CANDIDATES = {
    "fresh Rademacher": fresh_rademacher,
    **{k: METHODS[k] for k in ("probes", "forward probes", "random vjp")},
}


def gradient_of(penalty, encoder, x):
    norm = penalty(encoder, x)[1].mean()
    return torch.cat([g.flatten() for g in torch.autograd.grad(norm, list(encoder.parameters()))]), float(norm.detach())


def gradient(train, validation, weight=0.1, draws=40):
    """Root mean square over draws of ||estimate - exact|| / ||exact||, of value and gradient."""
    autoencoder = net(0)
    ct.fit(autoencoder, train, ct.objectives.contractive(weight), max_epochs=3, progress=False)
    found = {}
    for batch in (32, 128, 512):
        generator = torch.Generator().manual_seed(batch)
        errors = {name: ([], []) for name in CANDIDATES}
        for _ in range(draws):
            x = train[torch.randint(len(train), (batch,), generator=generator)]
            truth, value = gradient_of(METHODS["exact"], autoencoder.encoder, x)
            for name, penalty in CANDIDATES.items():
                estimate, guess = gradient_of(penalty, autoencoder.encoder, x)
                errors[name][0].append(float((estimate - truth).norm() / truth.norm()) ** 2)
                errors[name][1].append((guess / value - 1) ** 2)
        found[batch] = {
            name: {"gradient": statistics.mean(g) ** 0.5, "value": statistics.mean(v) ** 0.5}
            for name, (g, v) in errors.items()
        }
        print(batch, {name: {key: round(e, 3) for key, e in entry.items()} for name, entry in found[batch].items()})
    return found


def train_once(train, validation, method, weight, seed):
    """Validation objective (exact) after every epoch, with the seconds of training until then."""
    autoencoder = net(seed)
    optimizer = torch.optim.Adam(autoencoder.parameters(), 1e-3, fused=True)
    order = torch.Generator().manual_seed(seed)
    penalty, curve, spent = METHODS[method], [], 0.0
    for _ in range(EPOCHS):
        began = time.process_time()
        for rows in torch.randperm(len(train), generator=order).split(128):
            x = train[rows]
            code, norm = penalty(autoencoder.encoder, x)
            loss = (autoencoder.decode(code) - x).square().sum(1).mean() + weight * norm.mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        spent += time.process_time() - began
        with torch.no_grad():
            values = ct.objectives.contractive(weight).exact()(autoencoder, validation)
        curve.append({"seconds": spent, "objective": float(values.total)})
    return curve


def outcome(train, validation, methods, seeds):
    path = RESULTS / "quality_outcome.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    for seed in range(seeds):
        for weight in (0.1, 1.0):
            for method in methods:
                key = f"{method}, weight {weight}, seed {seed}"
                if key not in found:
                    found[key] = train_once(train, validation, method, weight, seed)
                    path.write_text(json.dumps(found, indent=1) + "\n")
                last = found[key][-1]
                print(f"{key}: objective {last['objective']:.3f} after {last['seconds']:.0f} s", flush=True)
    for weight in (0.1, 1.0):
        mean = {
            m: statistics.mean(found[f"{m}, weight {weight}, seed {s}"][-1]["objective"] for s in range(seeds))
            for m in methods
        }
        print(f"weight {weight}:", {m: f"{value:.3f} ({value / mean['exact'] - 1:+.1%})" for m, value in mean.items()})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("question", choices=["gradient", "outcome"])
    parser.add_argument("--data-dir")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", default="exact,probes,random vjp")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    RESULTS.mkdir(exist_ok=True)
    split = load("mnist", data_dir=arguments.data_dir)
    train, validation = torch.from_numpy(split.train[: arguments.rows]), torch.from_numpy(split.validation[:2000])
    if arguments.question == "gradient":
        found = {"rows": arguments.rows, "torch": torch.__version__, "batches": gradient(train, validation)}
        (RESULTS / "quality_gradient.json").write_text(json.dumps(found, indent=1) + "\n")
    else:
        outcome(train, validation, arguments.methods.split(","), arguments.seeds)


if __name__ == "__main__":
    main()
