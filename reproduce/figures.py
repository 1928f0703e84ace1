"""Figures 1, 2 and 3 of Rifai et al. (ICML 2011): how far an encoder contracts around validation points.

    python reproduce/figures.py --data-dir DATA [--only "mnist CAE,depth 1"] [--minutes 110] [--device cuda]

Figure 1: mean of ||f(x1) - f(x0)|| / ||x1 - x0||, x0 a validation point, x1 random on a sphere of radius r around it.
Figure 2: mean singular values of the encoder's Jacobian. Figure 3: as 1 for stacks of one, two and three contractive
layers on digits turned at random ("rot-like"). Settings are those that table 1 chose where its results are there, else
the ones a search starts from; nets that table 1 has trained are used again.
"""

import torch
from _data import cifar, like, mnist
from _pieces import add_row, begin, parser, wanted
from _table1 import MODELS, chosen, shared
from _train import Trainer

import contractive as ct
from contractive.analysis import spread_rows
from contractive.stacked import encoder

RADII = [0.01, 1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 27, 30, 35, 40, 50]
INDICES = (0, 50, 100, 150, 180, 200, 250, 300)
ROWS = {f"{data} {model}": (data, model, 1) for data in ("mnist", "cifar") for model in MODELS}
ROWS |= {f"depth {depth}": ("rot", "CAE", depth) for depth in (1, 2, 3)}


@torch.no_grad()
def contraction(encode, x, seed=0):
    """Mean ratio for each radius over the rows x."""
    generator = torch.Generator().manual_seed(seed)
    code, ratios = encode(x), []
    for radius in RADII:
        direction = torch.nn.functional.normalize(torch.randn(x.shape, generator=generator), dim=1)
        ratios.append(float(((encode(x + radius * direction) - code).norm(dim=1) / radius).mean()))
    return ratios


def measured(arguments, data, model, depth, pieces):
    """One net's curve, and its spectrum where Figure 2 has one."""
    loads = {"mnist": mnist, "cifar": cifar, "rot": lambda given: like("rot", given)}
    trainer = Trainer(pieces if data == "rot" else shared(arguments, data, pieces), loads[data](arguments))
    setting = chosen(arguments, "mnist" if data == "rot" else data, model, depth)
    encode = encoder(trainer.layers(setting)[0])
    few = spread_rows(trainer.validation, 50 if arguments.quick else 1000)
    ratios = contraction(encode, few)
    peak = max(range(len(RADII)), key=ratios.__getitem__)
    distances = torch.pdist(few)
    row = {
        "setting": {"model": model, "strength": setting.strength, "widths": list(setting.widths)},
        "radii": RADII,
        "ratios": ratios,
        "start": ratios[0],
        "peak": ratios[peak],
        "peak_radius": RADII[peak],
        "distances": {
            "min": float(distances.min()),
            "median": float(distances.median()),
            "max": float(distances.max()),
        },
    }
    if depth == 1 and data != "rot":
        values = ct.singular_values(encode, few[:: 10 if len(few) > 100 else 1]).mean(0).detach()
        row["singular_values"] = values[:400].tolist()
        row |= {f"at_{index}": float(values[index]) for index in INDICES if index < len(values)}
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
