"""Trains somebody's own module with the callback in two processes; run by test_distributed.py."""

import sys
import warnings

import torch
from lightning.pytorch import Trainer
from test_penalty import Plain, X
from torch.utils.data import DataLoader, TensorDataset

from contractive.training import JacobianPenalty


def train(devices, batch_size):
    module = Plain()
    off = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    strategy = "ddp" if devices > 1 else "auto"
    callback = JacobianPenalty(0.3, method="exact")
    trainer = Trainer(max_epochs=2, callbacks=[callback], accelerator="cpu", devices=devices, strategy=strategy, **off)
    trainer.fit(module, DataLoader(TensorDataset(X), batch_size=batch_size))
    return module.state_dict(), trainer.global_rank


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    weights, rank = train(2, 10)
    torch.save(weights, f"{sys.argv[1]}.{rank}")
