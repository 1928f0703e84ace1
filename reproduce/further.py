"""Figures of further papers: contractive denoising, score fields, Jacobian regularisation, the estimate by differences.

    python reproduce/further.py --data-dir DATA [--only "CDAE,spiral"] [--minutes 110]

`AE`, `DAE`, `CAE` and `CDAE` are Chen et al. (2013): 784-200-100 with tanh, 9,000 images to learn and 9,000 to test, a
support vector machine with a Gaussian kernel on the codes. They state a penalty weight of 0.1 and neither corruption,
rates nor passes. Here the strengths of the penalty and of the corruption and C are chosen on 3,000 further images.

`mixture` and `spiral` are Alain and Bengio (2014): (r(x) - x) / sigma^2 is the gradient of the log-density, up to terms
that vanish with sigma. For corruption by noise it is that of the density of the noisy rows, exactly (Miyasawa 1961), of
which a mixture of Gaussians has the closed form. Their settings of the spiral are not printed.

`none` and `regularised` are Hoffman et al. (2019): a classifier of MNIST, without a penalty and with half of ||J||^2 of
its logits, weight 0.1, by one random projection in each step; five passes. The widths of their network are not printed.

`differences` is Scarvelis and Solomon (2024): E ||f(x + e) - f(x)||^2 / sigma^2 for noise e, beside the exact ||J||^2.
"""

from functools import partial
from itertools import product

import numpy as np
import torch
from _data import mnist
from _pieces import add_row, begin, parser, wanted
from sklearn.svm import SVC
from torch import nn
from torch.nn import functional as F

import contractive as ct
from contractive.objectives import Gaussian

ENCODERS = ("AE", "DAE", "CAE", "CDAE")
FIELDS = ("mixture", "spiral")
CLASSIFIERS = ("none", "regularised")
NAMES = (*ENCODERS, *FIELDS, *CLASSIFIERS, "differences")
WEIGHTS, NOISES, BOUNDS = (0.01, 0.1, 1.0), (0.1, 0.2, 0.4), (1.0, 10.0, 100.0)
CENTRES = torch.tensor([[0.0, 0.9], [-0.9, -0.5], [0.9, -0.5]])
SHARES, SPREAD = torch.tensor([0.5, 0.3, 0.2]), 0.35
SIZES = (0.001, 0.01, 0.1, 1.0)


def objective_of(model, weight, noise):
    """The objective of a row of Chen et al."""
    if model == "AE":
        return ct.objectives.standard()
    if model == "DAE":
        return ct.objectives.denoising(Gaussian(noise))
    if model == "CAE":
        return ct.objectives.contractive(weight)
    return ct.objectives.contractive_denoising(weight, Gaussian(noise))


def candidates(model):
    """(weight, noise) of each setting that is tried."""
    weights = WEIGHTS if model in ("CAE", "CDAE") else (0.0,)
    noises = NOISES if model in ("DAE", "CDAE") else (0.0,)
    return list(product(weights, noises))


def encoded(split, quick, model, weight, noise, seed, _):
    """Accuracies on validation and test rows of a support vector machine on the codes, C chosen on validation rows."""
    counts = (200, 100, 100) if quick else (9000, 3000, 9000)
    ends = np.cumsum(counts)
    parts = [torch.from_numpy(split.train[end - count : end]) for end, count in zip(ends, counts, strict=True)]
    labels = [split.labels[0][end - count : end] for end, count in zip(ends, counts, strict=True)]
    torch.manual_seed(seed)
    features = parts[0].shape[1]
    hidden, code = ((20,), 10) if quick else ((200,), 100)
    network = ct.mlp(features, hidden=hidden, code=code, activation="tanh", decoder_activation="tanh")
    settings = {"max_epochs": 1 if quick else 40, "batch_size": 64, "schedule": "cosine", "learning_rate": 1e-3}
    ct.fit(network, parts[0], objective_of(model, weight, noise), **settings, seed=seed, progress=False)
    with torch.no_grad():
        codes = [network.encode(part).numpy() for part in parts]
    found = []
    for bound in BOUNDS:
        machine = SVC(C=bound, gamma="scale").fit(codes[0], labels[0])
        found.append([100 * machine.score(x, y) for x, y in zip(codes[1:], labels[1:], strict=True)])
    best = max(range(len(BOUNDS)), key=lambda at: found[at][0])
    return {"validation": found[best][0], "test": found[best][1], "bound": BOUNDS[best]}


def chen(pieces, split, model, arguments):
    """A row: the setting with the best validation accuracy of one seed, then the other seeds at it."""

    def of(weight, noise, seed):
        settings = {"model": model, "weight": weight, "noise": noise, "seed": seed}
        run = partial(encoded, split, arguments.quick, model, weight, noise, seed)
        return pieces.get("encoder", settings, run)[0]

    tried = candidates(model)[:1] if arguments.quick else candidates(model)
    search = [{"weight": weight, "noise": noise, **of(weight, noise, 0)} for weight, noise in tried]
    best = max(search, key=lambda entry: entry["validation"])
    seeds = range(arguments.seeds or (1 if arguments.quick else 3))
    values = [of(best["weight"], best["noise"], seed)["test"] for seed in seeds]
    return {"accuracy": float(np.mean(values)), "accuracy_values": values, "search": search}


def score_of_mixture(x, spread):
    """The gradient of the log-density of the mixture, all components with this standard deviation."""
    away = CENTRES - x.unsqueeze(1)
    share = (SHARES.log() - away.square().sum(2) / (2 * spread**2)).softmax(1)
    return (share.unsqueeze(2) * away).sum(1) / spread**2


def mixture_rows(count, spread, generator):
    """Draw rows of the mixture, all components with this standard deviation."""
    which = torch.multinomial(SHARES, count, replacement=True, generator=generator)
    return CENTRES[which] + spread * torch.randn(count, 2, generator=generator)


def mixture(quick, seed, _):
    """Share of the score's mean square that is missed, at noisy rows not trained on, and the mean cosine.

    The stronger the noise, the larger r(x) - x beside what training leaves, and the smoother the density it belongs to.
    """
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    make = partial(ct.mlp, 2, activation="tanh", decoder_activation="tanh", output="linear")
    rows = mixture_rows(500 if quick else 20_000, SPREAD, generator)
    settings = {"max_epochs": 1 if quick else 60, "batch_size": 200, "schedule": "cosine", "learning_rate": 2e-3}
    denoising = make(hidden=(128,), code=128)
    ct.fit(denoising, rows, ct.objectives.denoising(Gaussian(0.2)), **settings, seed=seed, progress=False)
    contractive, few = make(code=20 if quick else 100).double(), rows[:2000].double()
    descend(contractive, few, 0.1, 1 if quick else 60, seed)
    result = {}
    for name, network, sigma in (("denoising", denoising, 0.2), ("contractive", contractive, 0.1)):
        noisy = float(np.hypot(SPREAD, sigma))
        seen = mixture_rows(2000, noisy, generator)
        with torch.no_grad():
            x = seen.to(next(network.parameters()).dtype)
            field = ((network(x) - x) / sigma**2).float()
        truth = score_of_mixture(seen, noisy if name == "denoising" else SPREAD)
        missed = float((field - truth).square().sum() / truth.square().sum())
        result |= {f"{name}_missed": missed, f"{name}_cosine": float(F.cosine_similarity(field, truth).mean())}
    return result


def descend(network, rows, sigma, epochs, seed):
    """Train for reconstruction plus sigma^2 ||J_r||^2 by L-BFGS, 20 iterations on all rows in each epoch."""
    search = {"max_iter": 20, "history_size": 50, "line_search_fn": "strong_wolfe"}
    optimizer = partial(torch.optim.LBFGS, tolerance_grad=0, tolerance_change=0, **search)
    settings = {"max_epochs": epochs, "batch_size": len(rows), "optimizer": optimizer}
    objective = ct.objectives.reconstruction_contractive(sigma**2, method="exact")
    ct.fit(network, rows, objective, **settings, seed=seed, progress=False)


def spiral(quick, sigma, seed, _):
    """Whether r leads back to the spiral of 1,000 points from 0.05 beside it: cosine of its step, distance after 20.

    The network gets 4 times the coordinates: units as usually initialised are too flat for the turns as they stand.
    """
    generator = torch.Generator().manual_seed(seed)

    def curve(t):
        return (4 * 0.04 * t.unsqueeze(1) * torch.stack([t.sin(), t.cos()], 1)).double()

    rows = curve(3 + 12 * torch.rand(100 if quick else 1000, generator=generator))
    torch.manual_seed(seed)
    network = ct.mlp(2, code=20 if quick else 250, activation="tanh", output="linear").double()
    descend(network, rows, 4 * sigma, 2 if quick else 100, seed)
    dense = curve(torch.linspace(3, 15, 4000))
    t = 3.5 + 11 * torch.rand(500, generator=generator)
    along = curve(t + 1e-3) - curve(t - 1e-3)
    beside = torch.stack([-along[:, 1], along[:, 0]], 1)
    side = torch.randint(0, 2, (500, 1), generator=generator) * 2 - 1
    x = curve(t) + 4 * 0.05 * side * beside / beside.norm(dim=1, keepdim=True)
    with torch.no_grad():
        nearest = dense[torch.cdist(x, dense).argmin(1)]
        cosine = F.cosine_similarity(network(x) - x, nearest - x)
        for _step in range(20):
            x = network(x)
    left = torch.cdist(x, dense).amin(1) / 4
    return {"cosine": float(cosine.mean()), "distance_before": 0.05, "distance_after": float(left.median())}


def classifier(split, quick, weight, seed, _):
    """Test accuracy, the mean norm of the logits' Jacobian, and accuracy under noise, after five passes."""
    train, test = (torch.from_numpy(part) for part in (split.train, split.test))
    labels = [torch.from_numpy(part).long() for part in (split.labels[0], split.labels[2])]
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network = nn.Sequential(nn.Linear(train.shape[1], 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU())
    network.append(nn.Linear(256, 10))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    for _epoch in range(1 if quick else 5):
        for at in torch.randperm(len(train), generator=generator).split(100):
            logits, norm = ct.value_and_squared_norm(
                network, train[at], method="probes", num_probes=1, generator=generator
            )
            loss = F.cross_entropy(logits, labels[0][at]) + weight / 2 * norm.mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    network.eval()
    result = {"norm": float(ct.squared_norm(network, test[:2000], method="exact").detach().sqrt().mean())}
    with torch.no_grad():
        for name, sigma in (("accuracy", 0.0), ("noise_0.3", 0.3), ("noise_0.6", 0.6)):
            x = test + sigma * torch.randn(test.shape, generator=generator)
            result[name] = float(100 * (network(x).argmax(1) == labels[1]).double().mean())
    return result


def differences(split, quick, _):
    """The estimate relative to the exact norm, for each size of the noise, with its standard error."""
    x = torch.from_numpy(split.train[:100] if quick else split.train[:5000])
    torch.manual_seed(0)
    network = ct.mlp(x.shape[1], hidden=(50,), code=20, activation="tanh")
    ct.fit(network, x, ct.objectives.standard(), max_epochs=1 if quick else 10, progress=False)
    encode, rows, generator = network.double().encoder, x[:500].double(), torch.Generator().manual_seed(0)
    result = {}
    with torch.no_grad():
        norm, codes = ct.squared_norm(encode, rows, method="exact").mean(), encode(rows)
        for sigma in SIZES:
            noise = [torch.randn(rows.shape, generator=generator, dtype=rows.dtype) for _ in range(5 if quick else 200)]
            changes = torch.stack([(encode(rows + sigma * each) - codes).square().sum(1).mean() for each in noise])
            ratios = changes / sigma**2 / norm
            error = float(ratios.std() / len(ratios) ** 0.5)
            result[str(sigma)] = {"ratio": float(ratios.mean()), "standard_error": error}
    return {"by_sigma": result}


def averaged(pieces, kind, settings, run, seeds):
    """The mean of every figure over seeds, and its values."""
    found = [pieces.get(kind, {**settings, "seed": seed}, partial(run, seed))[0] for seed in seeds]
    row = {key: float(np.mean([each[key] for each in found])) for key in found[0]}
    return row | {f"{key}_values": [each[key] for each in found] for key in row} | settings


def main(argv=None):
    """Every row asked for."""
    arguments = parser(__doc__).parse_args(argv)
    pieces, path = begin(arguments, "further")
    split, quick = mnist(arguments), arguments.quick
    seeds = range(arguments.seeds or (1 if quick else 3))
    for name in wanted(arguments, NAMES):
        if name in ENCODERS:
            row = chen(pieces, split, name, arguments)
        elif name == "mixture":
            row = averaged(pieces, name, {}, partial(mixture, quick), seeds)
        elif name == "spiral":
            row = averaged(pieces, name, {"sigma": 0.03}, partial(spiral, quick, 0.03), seeds)
        elif name in CLASSIFIERS:
            weight = 0.1 if name == "regularised" else 0.0
            row = averaged(pieces, "classifier", {"weight": weight}, partial(classifier, split, quick, weight), seeds)
        else:
            row = pieces.get(name, {"sizes": SIZES}, partial(differences, split, quick))[0]
        add_row(path, name, row, arguments.device)


if __name__ == "__main__":
    main()
