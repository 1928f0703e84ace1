"""One setting from pretraining to a test error, in pieces, and the search over settings on validation error."""

import time
import warnings
from dataclasses import asdict, dataclass, replace
from functools import partial

import torch
from safetensors.torch import load_file, save_file
from sklearn.neural_network import BernoulliRBM

import contractive as ct
from contractive import analysis, objectives
from contractive.models import Classifier, encoder, stack, unroll
from contractive.objectives import Gaussian, Masking, cross_entropy
from contractive.training import Regularisation, TrainingDiverged, fine_tune, start_at_mean, tangent_files

OBJECTIVES = {
    "AE": lambda strength: objectives.standard(loss=cross_entropy),
    "AE+wd": lambda strength: objectives.weight_decay(strength, loss=cross_entropy),
    "DAE-g": lambda strength: objectives.denoising(Gaussian(strength), loss=cross_entropy),
    "DAE-b": lambda strength: objectives.denoising(Masking(strength), loss=cross_entropy),
    "CAE": lambda strength: objectives.contractive(strength, loss=cross_entropy),
    "CAE+H": lambda strength: objectives.higher_order(strength, ratio=1.0, sigma=0.1, copies=4, loss=cross_entropy),
}
STRENGTHS = {
    "NN": (0.0,),  # no pretraining
    "AE": (0.0,),
    "RBM-binary": (0.0,),
    "AE+wd": (1e-4, 1e-3),
    "DAE-g": (0.3, 0.5),
    "DAE-b": (0.25, 0.4),
    "CAE": (0.1, 0.2),
    "CAE+H": (0.1, 0.2),
}


@dataclass(frozen=True)
class Setting:
    """Everything that decides on a result, the data apart.

    Tied sigmoid layers s(W (x - mean) + b), weights from U(+-sqrt(6 / (d + k))), decoder biases that give the mean of
    the data, summed cross-entropy, plain gradient descent whose first two passes go at 0.3 of the rate: started wider,
    faster or from biases of 0, many units are saturated for good. (Where backgrounds are bright, even then, unless the
    rate is lower; momentum makes up for it.) Then a softmax layer and gradient descent on the labels, rates times
    `decay` after every epoch, the weights of the epoch with the lowest validation error.
    """

    model: str
    strength: float
    upper_strength: float | None = None  # of the layers above the first; as the first if None
    widths: tuple[int, ...] = (1000,)
    pretrain_rate: float = 1.0
    pretrain_momentum: float = 0.0
    pretrain_epochs: int = 20
    batch: int = 100
    rate: float = 3.0
    output_rate: float = 3.0
    decay: float = 0.95
    epochs: int = 40
    patience: int = 10
    output: str = "softmax"
    num_tangents: int = 0
    tangent_weight: float = 0.0
    tangents_per_step: int | None = None
    center: bool = True
    tangents_of: str = "reconstruction"
    unlabelled: int = 10_000  # the tangent term takes so many rows without labels, too
    seed: int = 0

    def below(self):
        """The setting of all layers but the last."""
        widths = self.widths[:-1]
        return replace(self, widths=widths, upper_strength=self.upper_strength if len(widths) > 1 else None)

    def top_strength(self):
        """The strength of the last layer."""
        return self.strength if len(self.widths) == 1 or self.upper_strength is None else self.upper_strength

    def named(self, *names):
        """{name: value} of these fields, of all if none is named; without those that are None."""
        values = {name: value for name, value in asdict(self).items() if value is not None}
        return {name: values[name] for name in names if name in values} if names else values


def search(start, steps, error):
    """Coordinate search: each step tries the values of one field with the rest as it is and keeps the best.

    Returns the setting and a log of what was tried, [{field: value, "validation_error": ...}, ...].
    """
    log = []
    for name, values in steps:
        tried = [replace(start, **{name: value}) for value in values]
        errors = [error(setting) for setting in tried]
        log += [{name: value, "validation_error": found} for value, found in zip(values, errors, strict=True)]
        start = tried[errors.index(min(errors))]
    return start, log


def columns(network, x):
    """The last columns of Table 1 on the rows x: mean squared entry of J, mean of ||J||^2, saturation in percent.

    Of several layers the squared norm is an unbiased estimate per row.
    """
    norms = torch.cat([ct.squared_norm(network, part).detach() for part in x.split(1000)])
    units = network(x[:1]).shape[1]
    return {
        "mean_squared_entry": float(norms.mean()) / (x.shape[1] * units),
        "mean_squared_norm": float(norms.mean()),
        "saturation": 100 * analysis.codes(network, x).saturation,
    }


def still_units(network, x, sd=0.1):
    """Percentage of units that hardly vary over the rows x: their standard deviation is below sd."""
    return 100 * float((analysis.apply(network, x).std(0) < sd).double().mean())


class Trainer:
    """Pretraining and fine-tuning on one split, as pieces.

    Args:
        pieces: Where they are kept.
        split: Data.
        labelled: Number of training rows whose labels are used, as many of each class as possible; all if None.
        validated: Number of validation rows used for choosing; all if None.
        draw: Of these training rows, from 0.
    """

    def __init__(self, pieces, split, *, labelled=None, validated=None, draw=0):
        self.pieces = pieces
        self.name = split.name
        self.train, self.validation, self.test = map(torch.from_numpy, (split.train, split.validation, split.test))
        self.labels = [torch.from_numpy(part.astype("int64")) for part in split.labels]
        self.num_classes = int(max(part.max() for part in self.labels)) + 1
        self.labelled = balanced(self.labels[0], labelled, draw)
        self.validated = slice(validated)
        self.counts = {"labelled": labelled, "validated": validated, **({"draw": draw} if labelled else {})}

    def layers(self, setting):
        """The pretrained layers of a setting and what was measured of them; trained unless that has been done."""
        if setting.model == "NN":
            return self._fresh(setting), None
        below = self.layers(setting.below())[0] if len(setting.widths) > 1 else ()
        layers = narrow(self._fresh(setting))
        for layer, trained in zip(layers, below, strict=False):
            layer.load_state_dict(trained.state_dict())
        run = partial(self._pretrain, layers, setting)
        result, folder = self.pieces.get("pretrain", {"data": self.name, **setting.named(*PRETRAINING)}, run)
        layers[-1].load_state_dict(load_file(folder / "layer.safetensors"))
        return layers, result

    def _fresh(self, setting):
        return stack(self.train.shape[1], setting.widths, center=setting.center, seed=setting.seed)

    def _pretrain(self, layers, setting, folder):
        rows = [self.train, self.validation]
        for layer in layers[:-1]:
            rows = [analysis.apply(layer.encode, part) for part in rows]
        began = time.perf_counter()
        if setting.model == "RBM-binary":
            boltzmann(layers[-1], rows[0], setting)
        else:
            self._descend(layers[-1], rows, setting)
        seconds = (time.perf_counter() - began) / setting.pretrain_epochs
        save_file(
            {name: part.contiguous() for name, part in layers[-1].state_dict().items()}, folder / "layer.safetensors"
        )
        return {
            **columns(encoder(layers), self.validation),
            "reconstruction": float(cross_entropy(analysis.apply(layers[-1], rows[1]), rows[1]).mean()),
            "seconds_per_epoch": seconds,
        }

    def _descend(self, layer, rows, setting):
        start_at_mean(layer, rows[0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ct.CollapseWarning)  # the columns tell
            ct.fit(
                layer,
                rows[0],
                OBJECTIVES[setting.model](setting.top_strength()),
                validation=rows[1],
                max_epochs=setting.pretrain_epochs,
                batch_size=setting.batch,
                optimizer=partial(torch.optim.SGD, lr=setting.pretrain_rate, momentum=setting.pretrain_momentum),
                schedule=gently,
                seed=setting.seed,
                device=self.pieces.device,
                progress=False,
            )

    def without_labels(self, setting):
        """The first training rows of those whose labels are not used."""
        others = torch.ones(len(self.train), dtype=torch.bool)
        others[self.labelled] = False
        return self.train[others][: setting.unlabelled]

    def tangents(self, setting):
        """Tangents of all layers at labelled rows and then others, mapped from disk; None where there is no term."""
        if not setting.tangent_weight:
            return None
        layers, _ = self.layers(setting)
        used = setting.named(*PRETRAINING, "num_tangents", "tangents_of", "unlabelled")

        def run(folder):
            tangent_files.write(
                folder / "tangents.npy",
                unroll(layers),
                torch.cat([self.train[self.labelled], self.without_labels(setting)]),
                setting.num_tangents,
                of=setting.tangents_of,
                device=self.pieces.device,
                on_rows=self.pieces.check_time,
            )
            return {}

        _, folder = self.pieces.get("tangents", {"data": self.name, **self.counts, **used}, run)
        return tangent_files.read(folder / "tangents.npy")

    def fine_tuned(self, setting):
        """(classifier, result) after fine-tuning; result has the best epoch's validation error in percent."""
        layers, _ = self.layers(setting)
        code = setting.widths[-1]
        classifier = Classifier(encoder(layers), code, self.num_classes, output=setting.output, seed=setting.seed)
        tangents = self.tangents(setting)
        run = partial(self._fine_tune, classifier, setting, tangents)
        result, folder = self.pieces.get("fine-tune", {"data": self.name, **setting.named(), **self.counts}, run)
        classifier.load_state_dict(load_file(folder / "classifier.safetensors"))
        return classifier.eval(), result

    def _fine_tune(self, classifier, setting, tangents, folder):
        others = self.without_labels(setting)
        found = fine_tune(
            classifier,
            self.train[self.labelled],
            self.labels[0][self.labelled],
            validation=(self.validation[self.validated], self.labels[1][self.validated]),
            max_epochs=setting.epochs,
            batch_size=setting.batch,
            learning_rate=setting.rate,
            output_rate=setting.output_rate,
            decay=setting.decay,
            patience=setting.patience,
            regularisation=Regularisation(0.0, setting.tangent_weight, tangents, setting.tangents_per_step),
            unlabelled=None if tangents is None or not len(others) else others,
            seed=setting.seed,
            device=self.pieces.device,
            checkpoint=folder / "checkpoint.ckpt",
            on_epoch=self.pieces.check_time,
        )
        save_file(classifier.state_dict(), folder / "classifier.safetensors")
        (folder / "checkpoint.ckpt").unlink()
        return {
            "validation_error": 100 * found.best["val_error"],
            "best_epoch": found.best_epoch,
            "epochs": len(found.rows),
            "seconds_per_epoch": sorted(row["seconds"] for row in found.rows)[len(found.rows) // 2],
        }

    def validation_error(self, setting):
        """In percent, of the best epoch; 100 where fine-tuning diverges."""
        try:
            return self.fine_tuned(setting)[1]["validation_error"]
        except TrainingDiverged:
            return 100.0

    def test_error(self, setting):
        """In percent; for the settings that were chosen, not for choosing."""
        classifier, result = self.fine_tuned(setting)
        wrong = analysis.apply(classifier, self.test).argmax(1) != self.labels[2]
        return {**result, "test_error": 100 * float(wrong.double().mean())}


PRETRAINING = (
    "model",
    "strength",
    "upper_strength",
    "widths",
    "pretrain_rate",
    "pretrain_momentum",
    "pretrain_epochs",
    "batch",
    "center",
    "seed",
)


@torch.no_grad()
def boltzmann(layer, rows, setting):
    """Give a tied layer s(W x + b) the weights of a restricted Boltzmann machine: one step of persistent divergence."""
    machine = BernoulliRBM(
        setting.widths[-1],
        learning_rate=setting.pretrain_rate,
        batch_size=setting.batch,
        n_iter=setting.pretrain_epochs,
        random_state=setting.seed,
    ).fit(rows.numpy())
    found = (machine.components_, machine.intercept_hidden_, machine.intercept_visible_)
    for parameter, value in zip(
        (layer.encoder[0].weight, layer.encoder[0].bias, layer.decoder[0].bias), found, strict=True
    ):
        parameter.copy_(torch.from_numpy(value))


@torch.no_grad()
def narrow(layers):
    """The layers with a quarter of the weights they were made with: U(+-sqrt(6 / (d + k)))."""
    for layer in layers:
        next(iter(layer.encoder.parameters())).mul_(0.25)
    return layers


def gently(optimizer, epochs):
    """0.3 of the rate in the first two passes."""
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.3 if epoch < 2 else 1.0)


def passes(num_rows):
    """Passes of pretraining that make as many steps on fewer rows as 20 passes over 50,000."""
    return 1_000_000 // num_rows


def balanced(labels, count, draw):
    """`count` rows drawn at random, each class as often as any other; every row if None."""
    if count is None:
        return torch.arange(len(labels))
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(draw))
    classes = [order[labels[order] == label] for label in labels.unique()]
    least = min(len(rows) for rows in classes)
    return torch.stack([rows[:least] for rows in classes], 1).flatten()[:count]


def summary(results, key):
    """Mean and range of a figure over seeds."""
    values = [result[key] for result in results]
    return {key: sum(values) / len(values), f"{key}_values": values}


def finish(runs):
    """A row of a table: the chosen setting with several seeds or draws of labels, [(trainer, setting), ...], tested."""
    (trainer, setting), *_ = runs
    row = {
        "setting": asdict(setting),
        "seeds": [here.seed for _, here in runs],
        "labelled": [one.counts for one, _ in runs],
        "num_test": len(trainer.test),
    }
    tested = [one.test_error(here) for one, here in runs]
    for key in ("test_error", "validation_error", "best_epoch"):
        row |= summary(tested, key)
    if setting.model == "NN":
        return row
    measured = []
    for here in dict.fromkeys(here for _, here in runs):  # draws of labels share what was pretrained
        layers, found = trainer.layers(here)
        measured.append(found | {"still_units": still_units(encoder(layers), trainer.validation)})
    for key in ("mean_squared_entry", "saturation", "still_units", "reconstruction", "seconds_per_epoch"):
        row |= summary(measured, key)
    return row


def seeded(trainer, setting, num_seeds):
    """Runs of one setting that differ in their seed."""
    return [(trainer, replace(setting, seed=seed)) for seed in range(num_seeds)]
