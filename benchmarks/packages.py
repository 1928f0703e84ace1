"""Seconds per epoch of plain training: `fit` beside packages that install, the same data, net, batch and optimiser.

    pip install -c constraints.txt -e ".[bench]"
    python benchmarks/packages.py [--out benchmarks/results/packages.json]

10,000 x 784 uniform numbers, 784-256-128-64 and its mirror, sigmoid units, batch 128, Adam at 1e-3, one thread.
Processor seconds as the slope between one epoch and four, so that starting up does not count; variants interleaved,
medians. Below the plain ones: penalties on the encoder's derivative, as the packages have them (pythae's RAE_GP
takes the gradient of the sum of the code, which is not the Jacobian's norm) and ours.
"""

import argparse
import contextlib
import io
import json
import logging
import os
import statistics
import tempfile
import time
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch
from torch import nn

import contractive as ct
from contractive.training._contexts import keep_freed_memory

SIZES = (784, 256, 128, 64)
BATCH = 128
EPOCHS = (1, 4)
PACKAGES = ("contractive", "torch", "lightning", "scikit-learn", "skorch", "pythae", "pyod")


def network():
    torch.manual_seed(0)
    return ct.mlp(SIZES[0], hidden=SIZES[1:-1], code=SIZES[-1])


def bare_loop(x, epochs):
    autoencoder = network()
    optimizer = torch.optim.Adam(autoencoder.parameters(), 1e-3, fused=True)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(BATCH):
            part = x[rows]
            loss = (autoencoder(part) - part).square().sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def ours(objective):
    def train(x, epochs):
        ct.fit(network(), x, objective, batch_size=BATCH, max_epochs=epochs, progress=False, device="cpu")

    return train


def skorch(x, epochs):
    from skorch import NeuralNetRegressor

    autoencoder = network()
    whole = nn.Sequential(autoencoder.encoder, autoencoder.decoder)
    net = NeuralNetRegressor(
        whole, max_epochs=epochs, lr=1e-3, batch_size=BATCH, optimizer=torch.optim.Adam, train_split=None, verbose=0
    )
    net.fit(x, x)


def scikit_learn(x, epochs):
    from sklearn.neural_network import MLPRegressor

    hidden = (*SIZES[1:], *SIZES[-2:0:-1])
    MLPRegressor(
        hidden_layer_sizes=hidden,
        activation="logistic",
        batch_size=BATCH,
        max_iter=epochs,
        n_iter_no_change=epochs + 1,
        alpha=0.0,
    ).fit(x.numpy(), x.numpy())


def pyod(x, epochs):
    from pyod.models.auto_encoder import AutoEncoder

    AutoEncoder(
        hidden_neuron_list=list(SIZES[1:]),
        hidden_activation_name="sigmoid",
        batch_norm=False,
        dropout_rate=0.0,
        batch_size=BATCH,
        epoch_num=epochs,
        preprocessing=False,
        device="cpu",
        verbose=0,
    ).fit(x.numpy())


def pythae(kind):
    def train(x, epochs):
        from pythae import models
        from pythae.data.datasets import BaseDataset
        from pythae.models.base.base_utils import ModelOutput
        from pythae.models.nn import BaseDecoder, BaseEncoder
        from pythae.trainers import BaseTrainer, BaseTrainerConfig

        autoencoder = network()

        class Encoder(BaseEncoder):
            def __init__(self):
                super().__init__()
                self.layers = autoencoder.encoder

            def forward(self, x):
                return ModelOutput(embedding=self.layers(x))

        class Decoder(BaseDecoder):
            def __init__(self):
                super().__init__()
                self.layers = autoencoder.decoder

            def forward(self, z):
                return ModelOutput(reconstruction=self.layers(z))

        settings = getattr(models, f"{kind}Config" if kind == "AE" else f"{kind}_Config")
        model = getattr(models, kind)(settings((SIZES[0],), SIZES[-1]), Encoder(), Decoder())
        with tempfile.TemporaryDirectory() as folder:
            chosen = BaseTrainerConfig(
                output_dir=folder,
                num_epochs=epochs,
                learning_rate=1e-3,
                per_device_train_batch_size=BATCH,
                optimizer_cls="Adam",
                no_cuda=True,
            )
            BaseTrainer(model, BaseDataset(x, torch.zeros(len(x))), training_config=chosen).train()

    return train


PLAIN = {
    "bare loop": bare_loop,
    "contractive.fit": ours(ct.objectives.standard()),
    "skorch": skorch,
    "pythae AE": pythae("AE"),
    "PyOD AutoEncoder": pyod,
    "scikit-learn MLPRegressor": scikit_learn,
}
PENALISED = {
    "contractive.fit, contractive": ours(ct.objectives.contractive(0.01)),
    "contractive.fit, contractive, exact": ours(ct.objectives.contractive(0.01, method="exact")),
    "pythae RAE_GP (another penalty)": pythae("RAE_GP"),
}


def seconds_per_epoch(train, x):
    taken = []
    for epochs in EPOCHS:
        began = time.process_time()
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            with contextlib.redirect_stderr(io.StringIO()):
                warnings.simplefilter("ignore")
                train(x, epochs)
        taken.append(time.process_time() - began)
    return (taken[1] - taken[0]) / (EPOCHS[1] - EPOCHS[0])


def installed():
    """(versions, the variants that can run here)."""
    versions = {}
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions[name] = version(name)
    absent = {name.split("-")[0] for name in PACKAGES if name not in versions}
    variants = {**PLAIN, **PENALISED}
    return versions, {n: train for n, train in variants.items() if not any(a in n.lower() for a in absent)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    keep_freed_memory()  # for all alike
    x = torch.from_numpy(np.random.default_rng(0).random((arguments.rows, SIZES[0]), dtype=np.float32))
    versions, variants = installed()
    times = {name: [] for name in variants}
    for train in variants.values():
        seconds_per_epoch(train, x[: 2 * BATCH])  # imports and first calls are no part of any round
    for _ in range(arguments.rounds):
        for name, train in variants.items():
            times[name].append(seconds_per_epoch(train, x))
    found = {"rows": arguments.rows, "versions": versions, "load": os.getloadavg(), "seconds_per_epoch": {}}
    for name, values in times.items():
        found["seconds_per_epoch"][name] = {
            "median": statistics.median(values),
            "low": min(values),
            "high": max(values),
            "ratio": statistics.median(values) / statistics.median(times["bare loop"]),
            "penalised": name in PENALISED,
        }
        entry = found["seconds_per_epoch"][name]
        print(f"{name:38} {entry['median']:.3f} s/epoch  {entry['ratio']:.2f}", flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
