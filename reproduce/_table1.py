"""Table 1 of the CAE paper on any data: pretrain one layer, fine-tune, three columns for each kind of autoencoder."""

from argparse import Namespace
from dataclasses import replace

from _pieces import add_row, begin, rows_of, wanted
from _train import STRENGTHS, Setting, Trainer, finish, search, seeded

MODELS = ("CAE", "DAE-g", "DAE-b", "AE+wd", "AE")
LONG = "CAE long"  # a row of MNIST alone: more passes of pretraining, centred or not
LONG_PASSES = 54
# with bright backgrounds all inputs push a unit the same way, and higher rates leave most units constant, unless the
# encoder is centred
BRIGHT = {"pretrain_rate": 0.03, "pretrain_momentum": 0.9, "rate": 1.0, "output_rate": 0.3}
RATES = {"cifar": {"pretrain_rate": 0.3, "rate": 1.0, "output_rate": 0.3}, "bg-rand": BRIGHT, "rect-img": BRIGHT}
SEARCHED = {"cifar": STRENGTHS | {"CAE": (1.0, 0.3, 3.0), "DAE-g": (0.1, 0.3)}}
QUICK = {"widths": (30,), "pretrain_epochs": 3, "epochs": 4}


def start(model, quick, data="mnist"):
    """The setting a search starts from."""
    if model == LONG:
        longer = {"center": False} if quick else {"center": False, "pretrain_epochs": LONG_PASSES}
        return replace(start("CAE", quick, data), **longer)
    return Setting(model, SEARCHED.get(data, STRENGTHS)[model][0], **(QUICK if quick else RATES.get(data, {})))


def steps(model, data="mnist"):
    """What is searched on the validation error of one seed; the rates were tried on the contractive net alone."""
    if model == LONG:
        return [*steps("CAE", data), ("center", (False, True))]
    return [("strength", SEARCHED.get(data, STRENGTHS)[model])]


def table(arguments, data, load):
    """Every row of the table that was asked for."""
    pieces, path = begin(arguments, f"{data}_table1")
    trainer = Trainer(pieces, load(arguments))
    for model in wanted(arguments, (*MODELS, LONG) if data == "mnist" else MODELS):
        first = start(model, arguments.quick, data)
        chosen, log = search(first, steps(model, data), trainer.validation_error)
        row = finish(seeded(trainer, chosen, arguments.seeds or (1 if arguments.quick else 3)))
        add_row(path, model, row | {"search": log}, arguments.device)


def chosen(arguments, data, model, depth=1):
    """The setting that the table chose where it is there, else the one a search starts from; `depth` such layers."""
    path = arguments.out / f"{data}_table1{'_quick' if arguments.quick else ''}.json"
    setting = start(model, arguments.quick, data)
    if model in (rows := rows_of(path)):
        found = {"center": False, **rows[model]["setting"]}  # the first results name no centring and have none
        setting = Setting(**{**found, "widths": tuple(found["widths"])})
    return replace(setting, widths=setting.widths * depth)


def shared(arguments, data, pieces):
    """The pieces of the table, whose nets need not be trained again, until the time that `pieces` has."""
    store = begin(Namespace(**{**vars(arguments), "only": None}), f"{data}_table1")[0]
    store.deadline = pieces.deadline
    return store
