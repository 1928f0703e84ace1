"""Use a classifier on data: classes and probabilities, streamed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from contractive.data import Block, DataError, Options, label_texts
from contractive.studies.classifier_runs._judge import interval
from contractive.studies.classifier_runs._open import ClassifierRun
from contractive.studies.runs._apply import Watch, write_rows
from contractive.training import check_device

PREDICTED = "predicted"


@dataclass(frozen=True)
class Predicted:
    """What was predicted, and how well where the data have labels.

    Attributes:
        rows: Written.
        labelled: Of them those with a label.
        right: Of these those whose class was predicted.
    """

    rows: int
    labelled: int
    right: int

    @property
    def accuracy(self) -> float:
        """Share of the labelled rows whose class was predicted; NaN without any."""
        return self.right / self.labelled if self.labelled else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Of the accuracy, 95 %, by Wilson's score."""
        return interval(self.right, self.labelled)


def predict(
    run: ClassifierRun,
    data: str | Path,
    out: str | Path,
    *,
    pass_through: Sequence[str] = (),
    options: Options = Options(),  # noqa: B008
    device: str = "cpu",
    overwrite: bool = False,
    watch: Watch = lambda rows: None,
) -> Predicted:
    """Write class and probabilities of every row of `data` to `out` (.npy, .csv, .parquet).

    Columns: those kept, `predicted`, and `p_<class>` for each class. In a .npy file texts have no place: with classes
    that are texts take another ending.

    Args:
        run: A finished run.
        data: Raw rows, prepared as in training, in constant memory.
        out: File; its ending says the format. Written whole or not at all.
        pass_through: Columns of `data` that are copied before the others, an identifier for instance.
        options: How to read `data`; `label` names a column to compare with, that of training if None.
        device: Where to compute.
        overwrite: Replace an existing file.
        watch: Called with the number of rows done.

    Raises:
        DataError: Data that do not fit the run, or a file that cannot be written.
    """
    check_device(device)
    model = run.parts()["classifier"].to(device)
    classes = np.asarray(run.classes)
    names = (PREDICTED, *(f"p_{name}" for name in run.names))
    label = options.label or _label_of(run)
    labelled, right = 0, 0

    def work(block: Block) -> dict[str, np.ndarray]:
        nonlocal labelled, right
        if options.label is not None and label not in block.pass_through:
            raise DataError(f"--label must name a column, got {label!r}. Leave it out to predict without labels.")
        chances = model(torch.from_numpy(block.x).to(device)).cpu().numpy()
        given = classes[chances.argmax(1)]
        if label in block.pass_through:
            there, true = label_texts(block.pass_through[label], numbers=classes.dtype.kind != "U")
            labelled += int(there.sum())
            right += int((true[there] == given[there].astype(np.str_)).sum())
        return dict(zip(names, (given, *chances.T), strict=True))

    rows = write_rows(
        run,
        data,
        out,
        names,
        work,
        pass_through=pass_through,
        optional=(label,),
        options=options,
        overwrite=overwrite,
        watch=watch,
    )
    return Predicted(rows, labelled, right)


def _label_of(run: ClassifierRun) -> str:
    """The name that the labels had in training; named sets and folders of images call them `label`."""
    source = run.config["data"].get("source")
    asked = source.get("options") if isinstance(source, dict) else None
    named = asked.get("label") if isinstance(asked, dict) else None
    return str(run.preparation.label or named or "label")
