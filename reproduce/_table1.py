"""Table 1 of the CAE paper on any data: pretrain one layer, fine-tune, three columns for each kind of autoencoder."""

from _pieces import add_row, begin, wanted
from _train import STRENGTHS, Setting, Trainer, finish, search

MODELS = ("CAE", "DAE-g", "DAE-b", "AE+wd", "AE")
QUICK = {"widths": (30,), "pretrain_epochs": 3, "epochs": 4}


def start(model, quick, **more):
    """The setting a search starts from."""
    return Setting(model, STRENGTHS[model][len(STRENGTHS[model]) // 2], **more, **(QUICK if quick else {}))


def steps(model, quick):
    """What is searched on the validation error of one seed: strength, then rate after longer pretraining."""
    if quick:
        return [("strength", STRENGTHS[model][:2])]
    return [("strength", STRENGTHS[model]), ("pretrain_epochs", (30,)), ("rate", (1.0, 3.0, 10.0))]


def table(arguments, name, load):
    pieces, path = begin(arguments, name)
    trainer = Trainer(pieces, load(arguments))
    for model in wanted(arguments, MODELS):
        first = start(model, arguments.quick)
        chosen, log = search(first, steps(model, arguments.quick), trainer.validation_error)
        row = finish(trainer, chosen, range(1 if arguments.quick else 3))
        add_row(path, model, row | {"search": log}, arguments.device)
