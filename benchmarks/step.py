"""What a contractive step costs: every method on every net, as a ratio to the plain autoencoder step.

    python benchmarks/step.py [--threads 1] [--rows 784-1000,...] [--rounds 15] [--out benchmarks/results/step.json]
    python benchmarks/step.py --device cuda --out benchmarks/results/step_cuda.json  # on a GPU; not run yet

One process, variants interleaved, CPU time, medians with quartiles, over several builds of every net, because where the
memory of a build happens to lie moves its step by up to a tenth. The optimiser is the same for all rows: Adam as
`torch.optim.Adam(parameters, 1e-3)` gives it (the figure of record) or fused (`--fused`). With `--memory` each method
runs in a process of its own too and reports what it needs beyond what the process had before. Rows that the file of
results already has are measured anew, the others stay.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from peers import METHODS, SLOW
from torch import nn

import contractive as ct
from contractive.training._contexts import keep_freed_memory


class Residual(nn.Module):
    """Two convolutions with group norms beside the identity."""

    def __init__(self, channels):
        super().__init__()
        layers = [(nn.GroupNorm(4, channels), nn.ReLU(), nn.Conv2d(channels, channels, 3, 1, 1)) for _ in range(2)]
        self.inner = nn.Sequential(*layers[0], *layers[1])

    def forward(self, x):
        return x + self.inner(x)


class Tokens(nn.Module):
    """Patches of 7 x 7 pixels as tokens, through two transformer layers; the code is made of their mean."""

    def __init__(self, width=64):
        super().__init__()
        self.patches = nn.Conv2d(1, width, 7, 7)
        self.place = nn.Parameter(0.02 * torch.randn(16, width))
        layer = nn.TransformerEncoderLayer(width, 4, 128, 0.0, "gelu", batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.code = nn.Linear(width, 64)

    def forward(self, x):
        return self.code(self.layers(self.patches(x).flatten(2).mT + self.place).mean(1))


def resnet():
    stem, down = nn.Conv2d(1, 16, 3, 2, 1), nn.Conv2d(16, 32, 3, 2, 1)
    return nn.Sequential(stem, Residual(16), down, Residual(32), nn.Flatten(), nn.Linear(32 * 49, 64))


NETS = {
    "784-1000": (784, 1000),
    "784-256-128-64": (784, 256, 128, 64),
    "784-1000-1000": (784, 1000, 1000),
    "64-128-64-32": (64, 128, 64, 32),
    "3072-2048-512-64": (3072, 2048, 512, 64),
    "conv 1x28x28": None,
    "GroupNorm ResNet 1x28x28": resnet,
    "ViT 1x28x28": Tokens,
}
BATCHES = (32, 128, 512)
BUILDS = 3
SKIP = {  # minutes per step, or gigabytes
    ("784-1000", "unit loop"),
    ("784-1000-1000", "unit loop"),
    ("784-1000", "vmap(jacrev)"),
    ("784-1000-1000", "vmap(jacrev)"),
    ("784-1000-1000", "exact"),
    ("3072-2048-512-64", "exact"),
    ("3072-2048-512-64", "unit loop"),
    ("3072-2048-512-64", "vmap(jacrev)"),
}


def build(net):
    torch.manual_seed(0)
    sizes = NETS[net]
    if sizes is None:
        return ct.conv((1, 28, 28), code=64), (1, 28, 28)
    if callable(sizes):
        return ct.Autoencoder(sizes(), ct.conv((1, 28, 28), code=64).decoder), (1, 28, 28)
    return ct.mlp(sizes[0], hidden=sizes[1:-1], code=sizes[-1]), (sizes[0],)


def stepper(net, batch, method, fused, device="cpu"):
    """A function that takes one training step."""
    autoencoder, shape = build(net)
    autoencoder.to(device)
    optimizer = torch.optim.Adam(autoencoder.parameters(), 1e-3, **({"fused": True} if fused else {}))
    x = torch.rand(batch, *shape, device=device)
    penalty = METHODS.get(method)

    def step():
        if penalty is None:
            code, extra = autoencoder.encode(x), 0.0
        else:
            code, norm = penalty(autoencoder.encoder, x)
            extra = 0.1 * norm.mean()
        loss = (autoencoder.decode(code) - x).square().flatten(1).sum(1).mean() + extra
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def methods_for(net, slow, only):
    one_layer = isinstance(NETS[net], tuple) and len(NETS[net]) == 2
    for name in METHODS:
        if only and name not in only:
            continue
        if (net, name) in SKIP or (name in SLOW and not slow and not (name == "exact" and one_layer)):
            continue
        if name.startswith("higher order") and not one_layer:
            continue
        yield name


def clock_of(device):
    """Processor seconds of one thread; with several, or an accelerator that has to finish first, those on the wall."""
    if device == "cpu":
        return time.process_time if torch.get_num_threads() == 1 else time.perf_counter

    def finished():
        torch.cuda.synchronize()
        return time.perf_counter()

    return finished


def measure(net, batch, rounds, fused, slow, device, only=()):
    """Seconds per step of each method, over interleaved rounds of several builds."""
    times = {name: [] for name in ("plain", *methods_for(net, slow, only))}
    clock = clock_of(device)
    for build in range(BUILDS):
        apart = torch.empty(1000 * build + 1)  # so that the builds lie differently in memory
        steps = {name: stepper(net, batch, name, fused, device) for name in times}
        for step in steps.values():
            step()
            step()
        for _ in range(-(-rounds // BUILDS)):
            for name, step in steps.items():
                repeat = 1 if name in SLOW else max(1, min(8, 256 // batch))
                began = clock()
                for _ in range(repeat):
                    step()
                times[name].append((clock() - began) / repeat)
        del apart, steps
    return times


def peak_memory(net, batch, method):
    """Megabytes by which three steps raise the peak of a process of their own."""
    command = [sys.executable, __file__, "--peak", net, str(batch), method]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def gemm_rate(device):
    """Giga-multiplications per second of a 1024 matrix product."""
    a, clock = torch.randn(1024, 1024, device=device), clock_of(device)
    times = []
    for _ in range(15):
        began = clock()
        a @ a
        times.append(clock() - began)
    return 1024**3 / statistics.median(times) / 1e9


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", default=",".join(NETS))
    parser.add_argument("--batches", default=",".join(map(str, BATCHES)))
    parser.add_argument("--methods", default="", help="these alone, for instance 'probes,8 rows'; all if left out")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--fused", action="store_true")
    parser.add_argument("--slow", action="store_true", help="also exact on deep nets, jacrev and the unit loop")
    parser.add_argument("--memory", action="store_true", help="peak memory too; of the CPU")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--peak", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda must have a CUDA device, got none. Leave it out for the processor.")
    torch.set_num_threads(arguments.threads)
    torch.set_flush_denormal(True)
    if not arguments.peak:
        keep_freed_memory()  # as `fit` does, for every method alike
    if arguments.peak:
        net, batch, method = arguments.peak
        step = stepper(net, int(batch), method, fused=True)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(3):
            step()
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
        return
    found = {
        "threads": arguments.threads,
        "adam": "fused" if arguments.fused else "torch default",
        "torch": torch.__version__,
        "python": platform.python_version(),
        "processor": torch.cuda.get_device_name() if arguments.device == "cuda" else platform.machine(),
    }
    rows = earlier(arguments.out, found)
    for net in arguments.rows.split(","):
        for batch in map(int, arguments.batches.split(",")):
            rows[net, batch] = row = measured(net, batch, arguments)
            shown = "  ".join(f"{name} {ratio:.2f}" for name, ratio in row["ratio"].items() if name != "plain")
            print(f"{net:>18} {batch:4d}  plain {row['plain_ms']:7.2f} ms  {shown}", flush=True)
            if arguments.out:
                arguments.out.parent.mkdir(parents=True, exist_ok=True)
                order = sorted(rows, key=lambda key: (list(NETS).index(key[0]), key[1]))
                found["rows"] = [rows[key] for key in order]
                arguments.out.write_text(json.dumps(found, indent=1) + "\n")


def earlier(path, settings):
    """{(net, batch): row} of a file made with the same settings."""
    if not path or not path.exists():
        return {}
    found = json.loads(path.read_text())
    if any(found.get(key) != value for key, value in settings.items()):
        return {}
    return {(row["net"], row["batch"]): row for row in found["rows"]}


def measured(net, batch, arguments):
    """One row of the table."""
    load, rate = os.getloadavg()[0], gemm_rate(arguments.device)
    only = tuple(filter(None, arguments.methods.split(",")))
    times = measure(net, batch, arguments.rounds, arguments.fused, arguments.slow, arguments.device, only)
    plain = statistics.median(times["plain"])
    autoencoder, shape = build(net)
    plan = ct.plan(autoencoder.encoder, torch.rand(batch, *shape))
    row = {
        "net": net,
        "batch": batch,
        "plain_ms": plain * 1e3,
        "load": load,
        "giga_multiplications_per_second": rate,
        "auto": str(plan),
        "multiplications": dict(plan.multiplications),
        "ratio": {name: statistics.median(values) / plain for name, values in times.items()},
        "quartiles": {
            name: [quartile / plain for quartile in statistics.quantiles(values, n=4)[::2]]
            for name, values in times.items()
        },
    }
    if arguments.memory:
        row["peak_mb"] = {name: peak_memory(net, batch, name) for name in times}
    return row


if __name__ == "__main__":
    main()
