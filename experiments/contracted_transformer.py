"""A linear probe under noise, on the codes of a small vision transformer before and after `ct.contract`, on digits.

    python experiments/contracted_transformer.py [--out experiments/results/contracted_transformer.json]
    python experiments/contracted_transformer.py --docs docs/pretrained.md    # the table so far, written into the page

The transformer (16 patches of 2 x 2 pixels, width 48, two blocks, mean over patches) is trained with labels on 1,200
images and then fine-tuned without labels: by `contract` at three allowed changes of the code, and, for comparison, to
give the old code of the clean image for a noisy one (Gaussian, sigma 0.2). The probe is a logistic regression on codes
of clean training images, trained anew for every encoder; its C is chosen by cross-validation on them. The remaining 597
images measure it, clean and with Gaussian noise. The test rows choose nothing. Results are written after every seed.
"""

import argparse
import copy
import json
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from _ledger import opened, put, versions, write
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegressionCV
from torch import nn

import contractive as ct
from contractive.training import SearchWarning

OUT = Path(__file__).parent / "results" / "contracted_transformer.json"
SEEDS = (0, 1, 2, 3, 4)
NUM_TRAIN, SIGMAS, CHANGES = 1200, (0.0, 0.1, 0.2, 0.3), (0.02, 0.05, 0.1)
PRETRAINING = {"epochs": 30, "batch_size": 64, "learning_rate": 2e-3, "width": 48}
BUDGET = {"max_epochs": 15, "batch_size": 64, "learning_rate": 5e-4, "schedule": "cosine", "device": "cpu"}


class Transformer(nn.Module):
    """A vision transformer for images of 8 x 8: patches, positions, blocks, mean over patches."""

    def __init__(self, width=48, depth=2, heads=4):
        super().__init__()
        self.patches = nn.Conv2d(1, width, 2, 2)
        self.positions = nn.Parameter(0.02 * torch.randn(16, width))
        block = nn.TransformerEncoderLayer(
            width, heads, 2 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(block, depth, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)

    def forward(self, x):
        """Code (batch, width) of images (batch, 1, 8, 8)."""
        tokens = self.patches(x).flatten(2).transpose(1, 2) + self.positions
        return self.norm(self.blocks(tokens)).mean(1)


def pretrained(x, labels, seed, epochs=PRETRAINING["epochs"]):
    """A transformer trained with labels; its head is thrown away."""
    torch.manual_seed(seed)
    encoder, head = Transformer(PRETRAINING["width"]), nn.Linear(PRETRAINING["width"], 10)
    parameters, size = [*encoder.parameters(), *head.parameters()], PRETRAINING["batch_size"]
    optimizer = torch.optim.AdamW(parameters, PRETRAINING["learning_rate"])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(size):
            optimizer.zero_grad()
            nn.functional.cross_entropy(head(encoder(x[rows])), labels[rows]).backward()
            optimizer.step()
        schedule.step()
    return encoder.eval()


def contracted(encoder, x, seed, change, **settings):
    """A contracted copy and what is known of it."""
    encoder = copy.deepcopy(encoder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SearchWarning)
        history = ct.contract(encoder, x, max_code_change=change, seed=seed, progress=False, **{**BUDGET, **settings})
    return encoder, {name: round(history[name][-1], 5) for name in ("weight", "code_change")}


def denoised(encoder, x, seed, **settings):
    """A copy that gives the old code of the clean image for a noisy one."""
    before, encoder = copy.deepcopy(encoder), copy.deepcopy(encoder)

    net = ct.Autoencoder(encoder, nn.Identity())
    objective = ct.objectives.denoising(0.2, loss=lambda code, clean: (code - before(clean).detach()).square().sum(1))
    ct.fit(net, x, objective, seed=seed, progress=False, **{**BUDGET, **settings})
    with torch.no_grad():
        change = float((encoder(x) - before(x)).square().sum(1).mean()) / total(before(x))
    return encoder, {"code_change": round(change, 5)}


@torch.no_grad()
def total(code):
    """Total variance."""
    return float((code - code.mean(0)).square().sum(1).mean())


@torch.no_grad()
def measured(encoder, train, labels, test, test_labels, seed):
    """Accuracy of the probe per sigma, and the sensitivity of the code in units of its spread."""
    codes = encoder(train)
    offset, scale = codes.mean(0), (total(codes) / codes.shape[1]) ** 0.5
    probe = LogisticRegressionCV(Cs=[0.01, 0.1, 1.0, 10.0], cv=3, max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        probe.fit(((codes - offset) / scale).numpy(), labels.numpy())
    generator, found = torch.Generator().manual_seed(1000 + seed), {}
    for sigma in SIGMAS:
        noisy = test + sigma * torch.randn(test.shape, generator=generator)
        found[str(sigma)] = round(float(probe.score(((encoder(noisy) - offset) / scale).numpy(), test_labels)), 5)
    norm = ct.squared_norm(encoder, test[:100], method="probes", num_probes=8, generator=generator).mean()
    return {"accuracy": found, "relative_norm": round(float(norm) / total(encoder(test)), 5)}


def run(seeds, out, rows=NUM_TRAIN, epochs=PRETRAINING["epochs"], **settings):
    """Run what is still missing."""
    digits = load_digits()
    images, labels = torch.from_numpy(digits.images / 16).float().unsqueeze(1), torch.from_numpy(digits.target)
    what = {"rows": rows, "pretraining": PRETRAINING | {"epochs": epochs}, "budget": BUDGET | settings}
    found = opened(out, what | {"versions": versions()}, runs={})
    for seed in seeds:
        if str(seed) in found["runs"]:
            continue
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
        train, test = order[:rows], order[rows:]
        began = time.perf_counter()
        encoder = pretrained(images[train], labels[train], seed, epochs)
        print(f"seed {seed}: pretrained in {time.perf_counter() - began:.0f} s", flush=True)
        encoders = {"as trained": (encoder, {})}
        for change in CHANGES:
            encoders[f"contracted, {change:.0%} allowed"] = contracted(encoder, images[train], seed, change, **settings)
        encoders["to the clean image's code"] = denoised(encoder, images[train], seed, **settings)
        rowset = images[train], labels[train], images[test], labels[test], seed
        found["runs"][str(seed)] = {name: measured(one, *rowset) | facts for name, (one, facts) in encoders.items()}
        write(out, found)
        print(f"seed {seed}: {time.perf_counter() - began:.0f} s", flush=True)
    return found


def table(found):
    """Mean and standard deviation over seeds; markdown."""
    runs = list(found["runs"].values())
    head = ["encoder", "change of the code", *("clean" if s == 0 else f"sigma {s}" for s in SIGMAS), "norm / variance"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name in runs[0]:
        values = [100 * np.array([run[name]["accuracy"][str(sigma)] for run in runs]) for sigma in SIGMAS]
        spread = [f" ± {np.std(each, ddof=1):.1f}" if len(each) > 1 else "" for each in values]
        cells = [f"{each.mean():.1f}{some}" for each, some in zip(values, spread, strict=True)]
        change = 100 * np.mean([run[name].get("code_change", 0.0) for run in runs])
        norm = np.mean([run[name]["relative_norm"] for run in runs])
        lines.append(f"| {name} | {change:.1f} % | " + " | ".join([*cells, f"{norm:.3g}"]) + " |")
    return "\n".join([*lines, "", f"Accuracy in per cent, mean ± standard deviation over {len(runs)} seeds."])


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)))
    parser.add_argument("--docs", type=Path, help="write what is there into this page, run nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.docs:
        put(arguments.docs, "contracted transformer", table(json.loads(arguments.out.read_text())))
    else:
        print(table(run([int(seed) for seed in arguments.seeds.split(",")], arguments.out)))


if __name__ == "__main__":
    main()
