"""Tables 1 to 3 of the manifold tangent classifier (Rifai et al., NIPS 2011) on MNIST.

    python reproduce/mtc.py --data-dir DATA [--only "100 MTC,full MTC"] [--minutes 110] [--device cuda]

Table 1: k nearest neighbours among the first 1,000 training rows, 10,000 test rows: raw pixels, with tangents of the
reconstruction or of the encoder, with the directions in which the images move up and sideways, codes of one and two
layers; k, the strength of the penalty behind codes, sides and number of tangents chosen on 1,000 validation rows.
Table 2: 100 to 3,000 labels, one layer of 1000 CAE+H units trained on all 50,000 rows, with and without the tangent
term, of whose 15 directions each step draws three, and the same net without pretraining (NN); --seeds draws of the
labels; choices on 1,000 validation rows. Table 3: all labels, two layers of --units units, 15 tangents; strength as
chosen for 3,000 labels, the rest on 10,000 validation rows, never trained on.
Not stated in the paper and chosen here: lambda, gamma, sigma, rates, epochs, the number of units in Table 2.
"""

from dataclasses import replace
from functools import partial

import torch
from _data import mnist
from _pieces import add_row, begin, parser, rows_of, wanted
from _table1 import start
from _train import STRENGTHS, Trainer, finish, search, seeded

from contractive import analysis
from contractive.models import encoder, unroll
from contractive.training import tangent_files

COUNTS = (100, 600, 1000, 3000)
NEIGHBOURS = ("raw", "raw with tangents", "raw with encoder tangents", "raw with shifts", "one layer", "two layers")
NAMES = [
    *(f"knn {name}" for name in NEIGHBOURS),
    *(f"{count} {model}" for count in (*COUNTS, "full") for model in ("NN", "CAE+H", "MTC")),
]


def budget(labelled, quick):
    """Passes over few labels are many: 3,000 to 4,000 steps, the rates falling as far as over 60 passes."""
    if quick or labelled is None:
        return {}
    epochs = max(60, min(3000, 400_000 // labelled))
    return {"epochs": epochs, "patience": max(15, epochs // 4), "decay": 0.95 ** (60 / epochs)}


def ways(model, quick, full):
    """What is searched, in this order, on validation error; with all labels no strength, but MTC's rate once more."""
    rates = (0.3, 1.0, 3.0) if model == "NN" else (1.0, 3.0, 10.0)
    searched = {
        "strength": () if full or model == "MTC" else STRENGTHS[model],
        "tangent_weight": (0.1, 1.0, 10.0, 100.0)[: 2 if quick else 4] if model == "MTC" else (),
        "rate": () if quick or (model == "MTC" and not full) else rates,
    }
    return [(name, values) for name, values in searched.items() if values]


def supervised(pieces, split, count, model, arguments, strength):
    """A row of Table 2, or of Table 3 with a given strength; MTC starts from what was chosen for CAE+H."""
    full, quick = count is None, arguments.quick
    made = partial(Trainer, pieces, split, labelled=count, validated=None if full else 1000)
    trainer = made()
    more = {"widths": (arguments.units,) * 2 if full else (1000,), "output": "sigmoid"}
    begun = "NN" if model == "NN" else "CAE+H"
    first = replace(start(begun, quick), center=True, **({} if quick else more), **budget(count, quick))
    if strength is not None:
        first = replace(first, strength=strength)
    chosen, log = search(first, ways(begun, quick, full), trainer.validation_error)
    if model == "MTC":
        # 15 directions are 16 forward passes: at each step three of them stand for all
        extra = {"num_tangents": 4 if quick else 15, "tangents_per_step": None if quick else 3}
        chosen, further = search(replace(chosen, **extra), ways("MTC", quick, full), trainer.validation_error)
        log += further
    times = arguments.seeds or (1 if quick or full else 3)
    runs = seeded(trainer, chosen, times) if full else [(made(draw=draw), chosen) for draw in range(times)]
    return finish(runs) | {"search": log}


def strength_of(path, name):
    """The strength chosen for a row of this table."""
    rows = rows_of(path)
    if name not in rows:
        raise SystemExit(f"{path.name} must have the row {name!r}, whose strength is taken. Run that first.")
    return rows[name]["setting"]["strength"]


def votes(labels, found, k):
    """The commonest class among the k nearest, the smallest among equals."""
    return torch.mode(labels[found.indices[:, :k]], 1).values


def shifts(x, shape):
    """(rows, 2, features): how images change when moved along either side."""
    images = x.reshape(-1, *shape)
    return torch.stack([(images.roll(1, side) - images.roll(-1, side)).flatten(1) for side in (1, 2)], 1)


def choices(name, quick):
    """What is tried: of codes the strength, of tangents on how many sides of the distance and how many of them."""
    if name.endswith(("layer", "layers")):
        return [{"strength": strength} for strength in STRENGTHS["CAE+H"]]
    nums = (2, 4) if quick else (1, 3, 7, 15)
    nums = {"raw with shifts": (2,)}.get(name, nums if name.endswith("tangents") else ())
    return [{"sides": sides, "num": num} for sides in (1, 2) for num in nums] or [{}]


def nearest(pieces, split, name, quick):
    """A row of Table 1."""
    trainer = Trainer(pieces, split)
    few = slice(60 if quick else 1000)
    setting = replace(start("CAE+H", quick), center=True)
    setting = replace(setting, widths=setting.widths * (2 if name == "two layers" else 1))
    train, labels = trainer.train[few], trainer.labels[0][few]
    queries = {"validation": trainer.validation[:1000], "test": trainer.test}
    truth = {"validation": trainer.labels[1][:1000], "test": trainer.labels[2]}

    def directions(rows, num):
        if name.endswith("shifts"):
            return shifts(rows, split.image)
        of = "encoder" if "encoder" in name else "reconstruction"
        net = unroll(trainer.layers(setting)[0])
        return torch.cat([tangent_files.compute(net, some, num, of=of) for some in rows.split(500)])

    def error(part, k, strength=None, sides=0, num=0):
        points = train, queries[part]
        if strength is not None:
            encode = encoder(trainer.layers(replace(setting, strength=strength))[0])
            points = [analysis.apply(encode, rows) for rows in points]
        theirs = directions(train, num) if num else None
        own = directions(queries[part], num) if sides == 2 else None
        found = analysis.tangent_neighbors(points[1], points[0], max(k), query_tangents=own, point_tangents=theirs)
        return {one: 100 * float((votes(labels, found, one) != truth[part]).double().mean()) for one in k}

    log = []
    for option in choices(name, quick):
        pieces.check_time()
        log += [{**option, "k": k, "validation_error": e} for k, e in error("validation", (1, 3, 5), **option).items()]
    best = min(log, key=lambda entry: entry["validation_error"])
    chosen = {field: value for field, value in best.items() if field not in ("k", "validation_error")}
    wrong = error("test", (best["k"],), **chosen)[best["k"]]
    return {"accuracy": 100 - wrong, "chosen": best, "search": log, "num_test": len(trainer.test)}


def main(argv=None):
    """Every row asked for."""
    made = parser(__doc__)
    made.add_argument("--units", type=int, default=2000, help="of each of the two layers of Table 3")
    arguments = made.parse_args(argv)
    pieces, path = begin(arguments, "mtc")
    split = mnist(arguments)
    for name in wanted(arguments, NAMES):
        head, model = name.split(" ", 1)
        if head == "knn":
            row = nearest(pieces, split, model, arguments.quick)
        else:
            full = head == "full"
            strength = strength_of(path, f"3000 {model}") if full and not arguments.quick else None
            row = supervised(pieces, split, None if full else int(head), model, arguments, strength)
        add_row(path, name, row, arguments.device)


if __name__ == "__main__":
    main()
