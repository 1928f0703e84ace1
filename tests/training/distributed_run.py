"""Trains small models in as many processes as asked for, and saves their weights, for test_distributed.py."""

import os
import warnings

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.utilities import rank_zero_only
from test_penalty import Plain, X
from torch.utils.data import DataLoader, TensorDataset

import contractive as ct
from contractive import objectives
from contractive.training import JacobianPenalty

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
    # of the last batch each of two processes has eight rows
    x = torch.rand(112, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    settings = {"devices": devices, "strategy": "ddp" if devices > 1 else "auto", "batch_size": batch_size}
    settings |= {"max_epochs": 2, "learning_rate": 0.01, "device": "cpu", "progress": False, "validation": x[:20]}
    history = ct.fit(autoencoder, x, OBJECTIVES[name], **settings)
    return autoencoder, history


def train_with_callback(devices, batch_size):
    """Train somebody's own module with the callback."""
    module = Plain()
    off = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    strategy = "ddp" if devices > 1 else "auto"
    callback = JacobianPenalty(0.3, method="exact")
    trainer = Trainer(max_epochs=2, callbacks=[callback], accelerator="cpu", devices=devices, strategy=strategy, **off)
    trainer.fit(module, DataLoader(TensorDataset(X), batch_size=batch_size))
    return module.state_dict()


def main(out, rank, port):
    """Be one of two processes, which Lightning finds as it finds those that it starts."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "NODE_RANK": "0", "LOCAL_RANK": str(rank)}
    rank_zero_only.rank = rank  # Lightning took it from the environment when it was imported
    warnings.simplefilter("ignore")
    results = {}
    for name in OBJECTIVES:
        autoencoder, history = train(name, 2, 16)
        results[name] = {"weights": autoencoder.state_dict(), "loss": history["train_total"]}
    results["callback"] = train_with_callback(2, 10)
    torch.save(results, f"{out}.{rank}")
