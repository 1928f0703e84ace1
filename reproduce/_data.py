"""The data sets of the papers as one split each: MNIST, grey CIFAR-10, and imitations of Larochelle's variations."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from contractive.data import DataError, Split, load

SIDE, ENLARGED = 28, 96
LIKE = ("basic", "rot", "bg-rand", "rect", "rect-img")


def mnist(arguments):
    """50,000 / 10,000 / 10,000 rows of 784 in [0, 1]; with --quick the 8 x 8 digits."""
    if arguments.quick:
        return few(load("digits"), 400, 200, 200)
    return load("mnist", data_dir=arguments.data_dir)


def cifar(arguments):
    """CIFAR-10 in grey: 40,000 / 10,000 / 10,000 rows of 1024 in [0, 1]; with --quick the 8 x 8 digits."""
    if arguments.quick:
        return few(load("digits"), 400, 200, 200)
    held = cifar_arrays(arguments)
    x, y = rows(held["x_train"]), held["y_train"].ravel()
    labels = (y[:-10000], y[-10000:], held["y_test"].ravel())
    return Split("cifar-bw", x[:-10000], x[-10000:], rows(held["x_test"]), labels, (32, 32))


def cifar_arrays(arguments):
    given = Path(arguments.data_dir or ".")
    places = [folder / "cifar10_gray.npz" for folder in (given / "cifar-bw", given)]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise DataError(
            f"--data-dir must hold cifar10_gray.npz, got {given} without it."
            " Arrays x_train, y_train, x_test, y_test; images 32 x 32, luma grey, bytes."
        )
    with np.load(found, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def rows(images):
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)


def few(split, train, validation, test):
    """The first rows of each part."""
    counts = (train, validation, test)
    labels = tuple(part[:count] for part, count in zip(split.labels, counts, strict=True))
    return replace(
        split,
        train=split.train[:train],
        validation=split.validation[:validation],
        test=split.test[:test],
        labels=labels,
    )


def like(name, arguments):
    """An imitation of one of Larochelle et al.'s (2007) sets: 10,000 / 2,000 / 50,000 rows (rect: 1,000 to train).

    `basic`, `rot` and `bg-rand` are made from MNIST: a subset; turned by an angle uniform in [0, 360) degrees; every
    pixel x + u (1 - x), u uniform. `rect` is the outline of a rectangle, white on black, to be told
    wide from tall; `rect-img` fills inside and outside with two patches of grey CIFAR-10 images, enlarged three times.
    The original sets are not used, so that results are alike and not the same.
    """
    generator = torch.Generator().manual_seed(20070620 + LIKE.index(name))
    if arguments.quick:
        counts = (200, 100, 100)
    else:
        counts = (1000, 2000, 50000) if name == "rect" else (10000, 2000, 50000)
    total = sum(counts)
    if name.startswith("rect"):
        x, y = rectangles(total, generator, None if name == "rect" else patches(arguments, counts, generator))
    else:
        x, y = digits(name, arguments, total, generator)
    ends = np.cumsum(counts)
    parts, labels = np.split(x, ends[:-1]), np.split(y, ends[:-1])
    side = round(x.shape[1] ** 0.5)
    return Split(f"{name}-like", *parts, tuple(labels), (side, side))


def digits(name, arguments, total, generator):
    whole = mnist(arguments)
    x = torch.from_numpy(np.concatenate([whole.train, whole.validation, whole.test]))
    y = np.concatenate(whole.labels)
    chosen = torch.randperm(len(x), generator=generator)[:total]
    x, y = x[chosen], y[chosen.numpy()]
    if name == "rot":
        x = turned(x, 2 * torch.pi * torch.rand(len(x), generator=generator))
    elif name == "bg-rand":
        x = x + torch.rand(x.shape, generator=generator) * (1 - x)
    return x.numpy(), y


def turned(x, angles):
    """Square images turned about their centre by angles in radians, bilinear."""
    side = round(x.shape[1] ** 0.5)
    turn = torch.zeros(len(x), 2, 3)
    turn[:, 0, 0] = turn[:, 1, 1] = angles.cos()
    turn[:, 0, 1], turn[:, 1, 0] = -angles.sin(), angles.sin()
    images = []
    for part, matrix in zip(x.split(5000), turn.split(5000), strict=True):
        shape = (len(part), 1, side, side)
        grid = F.affine_grid(matrix, list(shape), align_corners=False)
        images.append(F.grid_sample(part.reshape(shape), grid, align_corners=False).flatten(1))
    return torch.cat(images).clamp(0, 1)


def rectangles(total, generator, fill=None):
    """(images, 1 where the rectangle is wider than tall); sides differ by at least 3 pixels, with `fill` by 5."""
    least, differ = (3, 3) if fill is None else (10, 5)
    sizes = torch.randint(least, SIDE + 1, (20 * total, 2), generator=generator)
    sizes = sizes[(sizes[:, 0] - sizes[:, 1]).abs() >= differ][:total]
    corners = (torch.rand(total, 2, generator=generator) * (SIDE - sizes + 1)).long()
    at = torch.arange(SIDE)
    inside = [(at >= corners[:, i, None]) & (at < (corners + sizes)[:, i, None]) for i in (0, 1)]
    edge = [(at == corners[:, i, None]) | (at == (corners + sizes)[:, i, None] - 1) for i in (0, 1)]
    solid = inside[0][:, :, None] & inside[1][:, None, :]
    if fill is None:
        x = (solid & (edge[0][:, :, None] | edge[1][:, None, :])).float()
    else:
        x = torch.where(solid, fill[:total], fill[total:])
    return x.flatten(1).numpy(), (sizes[:, 1] > sizes[:, 0]).long().numpy()


def patches(arguments, counts, generator):
    """Two grey patches for each row, (2 sum(counts), 28, 28) in [0, 1]: all the first ones, then all the second ones.

    A patch is a window of a CIFAR-10 image that is enlarged three times. Each part of `counts` rows has its own images.
    With --quick they are smooth noise.
    """
    total = sum(counts)
    if arguments.quick:
        coarse = torch.rand(2 * total, 1, 4, 4, generator=generator)
        return F.interpolate(coarse, size=(SIDE, SIDE), mode="bilinear").squeeze(1)
    images = torch.from_numpy(cifar_arrays(arguments)["x_train"].reshape(-1, 1, 32, 32))
    images = images[torch.randperm(len(images), generator=generator)]
    ends = [0, *(len(images) * int(end) // total for end in np.cumsum(counts))]
    chosen = [
        torch.randint(low, high, (2, count), generator=generator)
        for low, high, count in zip(ends[:-1], ends[1:], counts, strict=True)
    ]
    corners = torch.randint(ENLARGED - SIDE + 1, (2 * total, 2), generator=generator)
    found = []
    for which, (tops, lefts) in zip(
        torch.cat(chosen, 1).flatten().split(2000), map(torch.t, corners.split(2000)), strict=True
    ):
        large = F.interpolate(images[which].float() / 255, size=(ENLARGED, ENLARGED), mode="bicubic").squeeze(1)
        windows = large.unfold(1, SIDE, 1).unfold(2, SIDE, 1)
        found.append(windows[torch.arange(len(which)), tops, lefts].clamp(0, 1))
    return torch.cat(found)
