"""Trains a small model in as many processes as asked for, and saves its weights: run by test_distributed.py."""

import sys
import warnings

import torch
from lightning.pytorch.utilities import rank_zero_only

import contractive as ct
from contractive import objectives

OBJECTIVES = {
    "contractive": objectives.contractive(0.1, method="probes"),
    "denoising": objectives.denoising(0.2),
    "masking": objectives.denoising(objectives.Masking(0.3)),
    "higher order": objectives.higher_order(0.1),
    "forward probes": objectives.contractive(0.1, method="forward_probes"),
}


def train(name, devices, batch_size):
    torch.manual_seed(0)
    autoencoder = ct.mlp(12, hidden=() if name == "higher order" else (10,), code=5).double()
    x = torch.rand(1008, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    settings = {"devices": devices, "strategy": "ddp" if devices > 1 else "auto", "batch_size": batch_size}
    settings |= {"max_epochs": 2, "learning_rate": 0.01, "device": "cpu", "progress": False, "validation": x[:100]}
    history = ct.fit(autoencoder, x, OBJECTIVES[name], **settings)
    return autoencoder, history


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    results = {}
    for name in OBJECTIVES:
        autoencoder, history = train(name, 2, 16)
        results[name] = {"weights": autoencoder.state_dict(), "loss": history["train_total"]}
    if rank_zero_only.rank == 0:
        torch.save(results, sys.argv[1])
