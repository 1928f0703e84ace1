"""Figures 1, 2 and 3 of Rifai et al. (ICML 2011): how far an encoder contracts around validation points.

    python reproduce/figures.py --data-dir DATA [--only "mnist CAE,depth 1"] [--minutes 110] [--device cuda]

Figure 1: mean of ||f(x1) - f(x0)|| / ||x1 - x0||, x0 a validation point, x1 random on a sphere of radius r around it.
Figure 2: mean singular values of the encoder's Jacobian. Figure 3: as 1 for stacks of one, two and three contractive
layers on digits turned at random ("rot-like"). Settings are those that table 1 chose where its results are there, else
the ones a search starts from; nets that table 1 has trained are used again.
"""

from dataclasses import replace

import torch
from _data import cifar, like, mnist
from _pieces import add_row, begin, parser, wanted
from _table1 import MODELS, chosen, shared
from _train import Trainer, passes

import contractive as ct
from contractive import analysis
from contractive.analysis import spread_rows
from contractive.models import encoder

RADII = [0.01, 1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 27, 30, 35, 40, 50]
INDICES = (1, 50, 100, 150, 180, 200, 250, 300)
ROWS = {f"{data} {model}": (data, model, 1) for data in ("mnist", "cifar") for model in MODELS}
ROWS |= {f"depth {depth}": ("rot", "CAE", depth) for depth in (1, 2, 3)}


def measured(arguments, data, model, depth, pieces):
    """One net's curve, and its spectrum where Figure 2 has one."""
    loads = {"mnist": mnist, "cifar": cifar, "rot": lambda given: like("rot", given)}
    trainer = Trainer(pieces if data == "rot" else shared(arguments, data, pieces), loads[data](arguments))
    setting = chosen(arguments, "mnist" if data == "rot" else data, model, depth)
    if data == "rot":  # every layer sees rows around 0; without it the third has no peak
        setting = replace(setting, center=True)
        if not arguments.quick:
            setting = replace(setting, pretrain_epochs=passes(len(trainer.train)))
    encode = encoder(trainer.layers(setting)[0])
    curve = analysis.contraction_curve(
        encode,
        trainer.validation,
        radii=RADII,
        num_points=50 if arguments.quick else 1000,
        generator=torch.Generator().manual_seed(0),
    )
    peak = int(curve.mean.argmax())
    row = {
        "setting": {"model": model, "strength": setting.strength, "widths": list(setting.widths)},
        **{name: getattr(curve, name).tolist() for name in ("radii", "mean", "low", "high", "root_mean_square")},
        "distances": list(curve.distances),
        "start": float(curve.mean[0]),
        "peak": float(curve.mean[peak]),
        "peak_radius": RADII[peak],
    }
    if depth == 1 and data != "rot":
        few = spread_rows(trainer.validation, 50 if arguments.quick else 100)
        values = ct.singular_values(encode, few).mean(0).detach()
        row["singular_values"] = values[:400].tolist()
        row |= {f"at_{index}": float(values[index - 1]) for index in INDICES if index <= len(values)}
    return row


def main(argv=None):
    """Every curve asked for."""
    arguments = parser(__doc__).parse_args(argv)
    pieces, path = begin(arguments, "figures")
    for name in wanted(arguments, ROWS):
        pieces.check_time()
        add_row(path, name, measured(arguments, *ROWS[name], pieces), arguments.device)


if __name__ == "__main__":
    main()
