"""Table 1 of the CAE paper on any data: pretrain one layer, fine-tune, three columns for each kind of autoencoder."""

from argparse import Namespace
from dataclasses import replace

from _pieces import add_row, begin, rows_of, wanted
from _train import STRENGTHS, Setting, Trainer, finish, search, seeded

MODELS = ("CAE", "DAE-g", "DAE-b", "AE+wd", "AE")
# with bright backgrounds all inputs push a unit the same way, and higher rates leave most units constant, unless the
# encoder is centred
BRIGHT = {"pretrain_rate": 0.03, "pretrain_momentum": 0.9, "rate": 1.0, "output_rate": 0.3}
CENTRED = {"center": True, "pretrain_rate": 0.3, "pretrain_momentum": 0.0}
RATES = {"mnist": {"center": False}, "cifar": BRIGHT | {"center": False}, "bg-rand": BRIGHT}
RATES |= {"rect-img": BRIGHT | CENTRED}
SEARCHED = {"cifar": STRENGTHS | {"CAE": (0.1, 0.3), "DAE-g": (0.1, 0.3)}}
# further rows: the model, what is set otherwise, what is searched
VARIANTS = {
    "mnist": {
        "RBM-binary": ("RBM-binary", {}, [("pretrain_rate", (0.01, 0.03, 0.1))]),
        "CAE centred": ("CAE", {"center": True}, [("strength", (0.1, 0.2))]),
        "CAE long": (
            "CAE",
            {"pretrain_epochs": 54},
            [("strength", (0.1, 0.2)), ("center", (False, True)), ("rate", (1.0, 3.0, 10.0))],
        ),
    },
    "cifar": {
        "CAE centred": ("CAE", CENTRED, [("strength", (0.3, 1.0, 3.0)), ("rate", (0.3, 1.0, 3.0))]),
        "DAE-b centred": ("DAE-b", CENTRED, [("strength", (0.25, 0.4, 0.55)), ("rate", (0.3, 1.0, 3.0))]),
    },
}
QUICK = {"widths": (30,), "pretrain_epochs": 3, "epochs": 4}


def start(model, quick, data="mnist"):
    """The setting a search starts from."""
    return Setting(model, strengths(model, data)[0], **RATES.get(data, {}), **(QUICK if quick else {}))


def strengths(model, data):
    """The strengths that are tried."""
    return SEARCHED.get(data, STRENGTHS)[model]


def row_of(name, quick, data):
    """Where the search for a row starts and what it tries; the rates were tried on the contractive net alone."""
    if name in MODELS:
        return start(name, quick, data), [("strength", strengths(name, data))]
    model, otherwise, ways = VARIANTS[data][name]
    return replace(start(model, quick, data), **otherwise | (QUICK if quick else {})), ways


def table(arguments, data, load):
    """Every row of the table that was asked for."""
    pieces, path = begin(arguments, f"{data}_table1")
    trainer = Trainer(pieces, load(arguments))
    for name in wanted(arguments, (*MODELS, *VARIANTS[data])):
        chosen, log = search(*row_of(name, arguments.quick, data), trainer.validation_error)
        row = finish(seeded(trainer, chosen, arguments.seeds or (1 if arguments.quick else 3)))
        add_row(path, name, row | {"search": log}, arguments.device)


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
