"""The library follows the authors' own formulas step by step."""

import numpy as np
import torch
from scipy.special import expit

import contractive as ct
from contractive import objectives
from contractive.data import load

WEIGHT, RATE, BATCH, STEPS, UNITS = 0.1, 0.1, 20, 200, 200


def rows():
    """Digits enlarged to 28 x 28, as many as the steps take."""
    digits = load("digits").train[: STEPS * BATCH // 4].reshape(-1, 8, 8).astype(np.float64)
    enlarged = np.pad(np.kron(digits, np.ones((3, 3))), ((0, 0), (2, 2), (2, 2)))
    return np.resize(enlarged.reshape(len(digits), 784), (STEPS * BATCH, 784))


def their_step(W, b, c, x):
    """Gradient descent with the gradients as their numpy code writes them; the penalty's lacks a factor of 2."""
    n = len(x)
    h = expit(x @ W + b)
    r = expit(h @ W.T + c)
    error = (r - x) / n  # gradient of the mean cross-entropy before the last sigmoid
    back = (error @ W) * h * (1 - h)
    a = (h * (1 - h)) ** 2
    d = (1 - 2 * h) * a * (W**2).sum(0)
    dW = x.T @ back + error.T @ h + WEIGHT * (x.T @ d / n + a.mean(0) * W)
    db = back.sum(0) + WEIGHT * d.mean(0)
    return W - RATE * dW, b - RATE * db, c - RATE * error.sum(0)


def test_two_hundred_steps_are_those_of_the_authors_code_at_twice_the_weight():
    generator = np.random.default_rng(0)
    spread = 4 * np.sqrt(6 / (784 + UNITS))
    W, b, c = generator.uniform(-spread, spread, (784, UNITS)), np.zeros(UNITS), np.zeros(784)
    net = ct.tied(784, UNITS).double()
    with torch.no_grad():
        net.encoder[0].weight.copy_(torch.from_numpy(W.T))
        net.encoder[0].bias.zero_()
        net.decoder[0].bias.zero_()
    objective = objectives.contractive(WEIGHT / 2, loss=objectives.cross_entropy)
    descent = torch.optim.SGD(net.parameters(), lr=RATE)
    for batch in rows().reshape(STEPS, BATCH, 784):
        W, b, c = their_step(W, b, c, batch)
        descent.zero_grad()
        objective(net, torch.from_numpy(batch)).total.backward()
        descent.step()
    ours = (net.encoder[0].weight.T, net.encoder[0].bias, net.decoder[0].bias)
    for mine, theirs in zip(ours, (W, b, c), strict=True):
        np.testing.assert_allclose(mine.detach().numpy(), theirs, rtol=0, atol=1e-10)
    assert np.abs(W).mean() > 0.01
    assert not np.allclose(b, 0, atol=1e-3)  # it went somewhere
