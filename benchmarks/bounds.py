"""How tight the certified bound of `analysis.certified_norms` is, against exact norms and an attack, in JSON.

    python benchmarks/bounds.py --data-dir MNIST [--out benchmarks/results/bounds.json]

Encoders 784-256-64 with ReLU and tanh on MNIST, trained plainly and contractively for six epochs. For 10 test images:
the bound at the image and in balls around it, the largest norm that gradient ascent (projected, 8 steps from two
starts) finds in the same ball, and the product of the norms of the weights, which needs no image. The true largest norm
lies between attack and bound: `looseness` is the median of their quotient, 1 where both are exact. The norm of a ReLU
network is constant between its kinks, so that the attack takes random steps there.
"""

import argparse
import json
from pathlib import Path

import torch
from torch import nn

import contractive as ct
from contractive.core.files import write_text
from contractive.data import read_idx

RADII = (0.0, 0.5, 2.0)
TRAIN, ROWS, STEPS, STARTS = 1_000, 10, 8, 2
SETTINGS = {"max_epochs": 6, "batch_size": 32, "learning_rate": 1e-3, "threads": 1, "progress": False}


def images(folder, part):
    raw = read_idx(folder / f"{part}-images-idx3-ubyte.gz")
    return torch.as_tensor(raw.reshape(len(raw), -1).astype("float32") / 255)


def into_ball(change, radius):
    return change * (radius / change.norm(dim=1, keepdim=True).clamp_min(1e-12)).clamp_max(1)


def largest_found(encoder, x, radius):
    """The largest operator norm at points that gradient ascent passes in the ball."""
    best = ct.singular_values(encoder, x, 1)[:, 0].detach()
    generator = torch.Generator().manual_seed(0)
    for start in range(STARTS if radius else 0):
        change = (start > 0) * into_ball(torch.randn(x.shape, generator=generator), radius)
        for _ in range(STEPS):
            at = (x + change).requires_grad_()
            norm = ct.jacobian.operator_norm(encoder, at).norm
            (gradient,) = torch.autograd.grad(norm.sum(), at, allow_unused=True, materialize_grads=True)
            # between the kinks of a ReLU the norm is constant: there the steps are random
            flat = gradient.norm(dim=1, keepdim=True) == 0
            gradient = torch.where(flat, torch.randn(x.shape, generator=generator), gradient)
            best = torch.maximum(best, norm.detach())
            unit = gradient / gradient.norm(dim=1, keepdim=True).clamp_min(1e-12)
            change = into_ball(change + 0.25 * radius * unit, radius)
        best = torch.maximum(best, ct.singular_values(encoder, x + change, 1)[:, 0].detach())
    return best


def measured(encoder, x):
    weights = [module.weight.detach() for module in encoder if isinstance(module, nn.Linear)]
    product = float(torch.stack([torch.linalg.matrix_norm(weight, 2) for weight in weights]).prod())
    balls = []
    for radius in RADII:
        bound = ct.analysis.certified_norms(encoder, x, radius=radius).operator
        found = largest_found(encoder, x, radius)
        assert (found <= bound * (1 + 1e-4)).all()
        medians = {"bound": bound, "found": found, "looseness": bound / found}
        balls.append({"radius": radius} | {name: float(values.median()) for name, values in medians.items()})
    return {"product": product, "balls": balls}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True, help="Folder with the files of MNIST.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "bounds.json")
    arguments = parser.parse_args()
    train, test = images(arguments.data_dir, "train")[:TRAIN], images(arguments.data_dir, "t10k")[:ROWS]
    found = {"torch": torch.__version__, "train": TRAIN, "rows": ROWS, "steps": STEPS, "starts": STARTS}
    found["encoders"] = []
    for activation in ("relu", "tanh"):
        for objective in (ct.objectives.standard(), ct.objectives.contractive(0.1)):
            torch.manual_seed(0)
            net = ct.mlp(784, hidden=(256,), code=64, activation=activation)
            ct.fit(net, train, objective, **SETTINGS)
            row = {"activation": activation, "objective": objective.name} | measured(net.encoder, test)
            found["encoders"].append(row)
            for ball in row["balls"]:
                print(
                    f"{activation:5} {objective.name:12} {row['product']:8.2f}",
                    *(f"{value:8.3f}" for value in ball.values()),
                )
    write_text(arguments.out, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
