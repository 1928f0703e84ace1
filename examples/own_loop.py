"""Your own PyTorch training loop, two lines changed: the encoder runs once and gives the penalty as well.

python examples/own_loop.py
"""

import argparse

import torch
from sklearn.datasets import load_digits
from torch import nn

import contractive as ct


def main(epochs=20, weight=0.1, seed=0):
    torch.manual_seed(seed)
    x = torch.from_numpy(load_digits().data).float() / 16
    encoder = nn.Sequential(nn.Linear(64, 128), nn.SiLU(), nn.Linear(128, 32), nn.Sigmoid())
    decoder = nn.Sequential(nn.Linear(32, 128), nn.SiLU(), nn.Linear(128, 64))
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=3e-3)
    for _ in range(epochs):
        for batch in x[torch.randperm(len(x))].split(64):
            code, norm = ct.value_and_squared_norm(encoder, batch)  # instead of: code = encoder(batch)
            loss = (decoder(code) - batch).square().sum(1)  # summed over features, one value per example
            loss = (loss + weight * norm).mean()  # instead of: loss = loss.mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        error = float((decoder(encoder(x)) - x).square().sum(1).mean())
    norm = float(ct.squared_norm(encoder, x).mean().detach())
    print(f"weight {weight}: reconstruction error {error:.3f}, ||J||^2 {norm:.3f}")
    return {"error": error, "norm": norm}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=20)
    arguments = parser.parse_args()
    for weight in (0.0, 0.1):
        main(arguments.epochs, weight)
