"""Your own LightningModule, unchanged: a callback adds the contractive penalty to its loss.

python examples/own_lightning_module.py
"""

import argparse

import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import contractive as ct
from contractive.training import JacobianPenalty


class MyAutoencoder(LightningModule):
    """Knows nothing of penalties. Its loss is a mean over examples of errors summed over features."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 128), nn.SiLU(), nn.Linear(128, 32), nn.Sigmoid())
        self.decoder = nn.Sequential(nn.Linear(32, 128), nn.SiLU(), nn.Linear(128, 64))

    def training_step(self, batch, index):
        (x,) = batch
        return (self.decoder(self.encoder(x)) - x).square().sum(1).mean()

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=3e-3)


def main(epochs=20, weight=0.1, seed=0):
    seed_everything(seed)
    x = torch.from_numpy(load_digits().data).float() / 16
    module = MyAutoencoder()
    trainer = Trainer(
        max_epochs=epochs,
        callbacks=[JacobianPenalty(weight)],  # the one line; encoder="..." if the attribute has another name
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, DataLoader(TensorDataset(x), batch_size=64, shuffle=True))
    with torch.no_grad():
        error = float((module.decoder(module.encoder(x)) - x).square().sum(1).mean())
    norm = float(ct.squared_norm(module.encoder, x).mean().detach())
    print(f"weight {weight}: reconstruction error {error:.3f}, ||J||^2 {norm:.3f}")
    return {"error": error, "norm": norm}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=20)
    arguments = parser.parse_args()
    for weight in (0.0, 0.1):
        main(arguments.epochs, weight)
