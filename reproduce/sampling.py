"""Samples of contractive autoencoders on MNIST and their Parzen log-likelihood (Rifai et al., ICML 2012).

    python reproduce/sampling.py --data-dir DATA [--only "CAE-2"] [--minutes 110] [--device cuda]

The nets are those of Table 1 where they are there. Walks of 100 steps from 1,000 training images, every tenth state
kept; sigma of the walk and bandwidth of the window chosen on validation rows, log-likelihood of the test rows in
nats. The figure quoted for stacked CAEs is from a later paper, which does not state their settings. `training images`
puts the window on 10,000 training rows: what a perfect copyist would get. The estimate is biased and no measure of a
model; it is here because it was published.
"""

from dataclasses import asdict

import numpy as np
import torch
from _data import mnist
from _pieces import add_row, begin, parser, wanted
from _table1 import chosen, shared
from _train import Trainer

from contractive.analysis import sampling
from contractive.models import unroll

NAMES = ("training images", "CAE-1", "CAE-2")
SIGMAS = (0.03, 0.1, 0.3, 1.0)
BANDWIDTHS = tuple(np.round(np.linspace(0.08, 0.4, 17), 3).tolist())


def samples(trainer, autoencoder, sigma, walkers, kept):
    """Walkers * kept samples; of every walk, the state after each ten steps."""
    generator = torch.Generator().manual_seed(0)
    begin_at = trainer.train[torch.randperm(len(trainer.train), generator=generator)[:walkers]]
    path = sampling.walk(autoencoder, begin_at, 10 * kept, sigma=sigma, keep_every=10, generator=generator)
    return path.flatten(0, 1), path


def judged(drawn, trainer, quick):
    """The Parzen estimate of the test rows."""
    rows = 100 if quick else 10_000
    validation, test = trainer.validation[:rows], trainer.test[:rows]
    return asdict(sampling.parzen(drawn, test, validation=validation, candidates=BANDWIDTHS))


def save_sheet(path, images, shape):
    """The images as one .png."""
    from PIL import Image

    laid = sampling.sheet(images, shape, columns=10)
    Image.fromarray((255 * laid.clip(0, 1)).astype(np.uint8)).save(path)


def walked(pieces, split, depth, arguments):
    """A row for a stack of `depth` layers."""
    trainer = Trainer(shared(arguments, "mnist", pieces), split)
    setting = chosen(arguments, "mnist", "CAE", depth)
    autoencoder = unroll(trainer.layers(setting)[0]).eval()
    walkers, kept = (20, 5) if arguments.quick else (1000, 10)
    log = []
    for sigma in SIGMAS[:2] if arguments.quick else SIGMAS:
        drawn, _ = samples(trainer, autoencoder, sigma, walkers, kept)
        width = sampling.choose_bandwidth(drawn, trainer.validation[:1000], BANDWIDTHS)
        found = float(sampling.log_densities(drawn, trainer.validation[:1000], width).mean())
        log.append({"sigma": sigma, "bandwidth": width, "validation": found})
    best = max(log, key=lambda entry: entry["validation"])
    drawn, path = samples(trainer, autoencoder, best["sigma"], walkers, kept)
    suffix = "_quick" if arguments.quick else ""
    save_sheet(
        arguments.out / f"sampling_CAE-{depth}{suffix}.png", path[:10, :10].movedim(0, 1).flatten(0, 1), split.image
    )
    return judged(drawn, trainer, arguments.quick) | {"setting": asdict(setting), "chosen": best, "search": log}


def main(argv=None):
    """Every row asked for."""
    arguments = parser(__doc__).parse_args(argv)
    pieces, path = begin(arguments, "sampling")
    split = mnist(arguments)
    for name in wanted(arguments, NAMES):
        pieces.check_time()
        if name == "training images":
            trainer = Trainer(pieces, split)
            row = judged(trainer.train[: 100 if arguments.quick else 10_000], trainer, arguments.quick)
        else:
            row = walked(pieces, split, int(name[-1]), arguments)
        add_row(path, name, row, arguments.device)


if __name__ == "__main__":
    main()
