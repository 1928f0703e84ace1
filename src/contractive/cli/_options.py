"""Options that several commands share, each described once."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contractive.cli._parse import height_and_width, numbers, words

if TYPE_CHECKING:
    from contractive.data import Options

DATA = "Data"
NETWORK = "Network"
TRAINING = "Training"
MACHINE = "Machine"


class LossName(StrEnum):
    """Reconstruction losses by name."""

    squared_error = "squared_error"
    cross_entropy = "cross_entropy"


Source = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="[bold]digits[/] (bundled, offline), mnist, fashion-mnist, or a path: .npy .npz .csv .tsv .parquet .arrow,"
        " or a folder of images.",
    ),
]
OptionalSource = Annotated[
    str | None,
    typer.Argument(
        metavar="[DATA]",
        help="[bold]digits[/] (bundled, offline), mnist, fashion-mnist, or a path: .npy .npz .csv .tsv .parquet .arrow,"
        " or a folder of images. Not needed with --resume.",
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Folder with IDX .gz files.", show_default="$CONTRACTIVE_DATA, else download", rich_help_panel=DATA
    ),
]
Label = Annotated[
    str | None,
    typer.Option(help="Column (or array of an .npz file) that is the label: never a feature.", rich_help_panel=DATA),
]
Hidden = Annotated[
    str | None,
    typer.Option(
        help="Widths between input and code, with commas (conv: channels).",
        show_default="by the data: 256,128 from 256 features, else 128,64",
        rich_help_panel=NETWORK,
    ),
]
Code = Annotated[int | None, typer.Option(help="Code size.", show_default="by the data", rich_help_panel=NETWORK)]
BatchSize = Annotated[
    int | None,
    typer.Option(
        help="Rows per step and process.", show_default="32, or 128 above 5000 rows", rich_help_panel=TRAINING
    ),
]
LearningRate = Annotated[
    float | None,
    typer.Option(help="Of Adam.", show_default="0.003, or 0.001 above 5000 rows", rich_help_panel=TRAINING),
]
Precision = Annotated[str, typer.Option(help="32, or bf16 for mixed precision.", rich_help_panel=MACHINE)]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.", rich_help_panel=MACHINE)]
CheckpointSeconds = Annotated[float, typer.Option(help="Least time between checkpoints.", rich_help_panel=MACHINE)]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on with the run in --out where it was broken off, with its own settings."),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
OutFile = Annotated[Path, typer.Option("--out", "-o", help="File: .npy, .csv or .parquet.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder that `contractive train` wrote.")]
EitherRun = Annotated[
    Path, typer.Argument(metavar="RUN", help="Folder that `contractive train` or `contractive classify` wrote.")
]
PassThrough = Annotated[
    str | None, typer.Option(help="Columns of DATA to copy before the others, with commas; an identifier for instance.")
]


@dataclass(frozen=True)
class Reading:
    """How a file of data is read."""

    key: Annotated[str | None, typer.Option(help="Name of the array in an .npz file.", rich_help_panel=DATA)] = None
    separator: Annotated[
        str | None, typer.Option(help="Of a text table.", show_default="detected", rich_help_panel=DATA)
    ] = None
    encoding: Annotated[
        str | None, typer.Option(help="Of a text table.", show_default="detected", rich_help_panel=DATA)
    ] = None
    header: Annotated[
        bool | None,
        typer.Option(
            "--header/--no-header",
            help="Whether a text table has names in its first row.",
            show_default="detected",
            rich_help_panel=DATA,
        ),
    ] = None

    def said(self) -> dict[str, Any]:
        """As the data layer takes it."""
        separator = None if self.separator is None else self.separator.replace("\\t", "\t")
        return {**vars(self), "separator": separator}


@dataclass(frozen=True)
class Preparing:
    """What becomes of the data, and into which parts the rows go."""

    label: Label = None
    drop: Annotated[str | None, typer.Option(help="Columns to leave out, with commas.", rich_help_panel=DATA)] = None
    one_hot: Annotated[
        str | None,
        typer.Option(help="Text columns to turn into 0/1 columns, with commas; `all` for all.", rich_help_panel=DATA),
    ] = None
    impute: Annotated[
        str | None, typer.Option(help="Fill missing values with the training `mean` or `median`.", rich_help_panel=DATA)
    ] = None
    scale: Annotated[
        str,
        typer.Option(
            help="auto, none, minmax, standard or robust; fitted on training rows. auto: pixels by their range, other"
            " columns standard.",
            rich_help_panel=DATA,
        ),
    ] = "auto"
    size: Annotated[str | None, typer.Option(help="Size images to HEIGHTxWIDTH.", rich_help_panel=DATA)] = None
    gray: Annotated[bool, typer.Option("--gray", help="Read images in grey.", rich_help_panel=DATA)] = False
    test: Annotated[
        Path | None, typer.Option(help="File with the test rows.", show_default="a part of DATA", rich_help_panel=DATA)
    ] = None
    validation_share: Annotated[
        float, typer.Option(help="Part of the rows that validates.", rich_help_panel=DATA, show_default="0.15")
    ] = 0.15
    test_share: Annotated[
        float,
        typer.Option(help="Part of the rows that tests, without --test.", rich_help_panel=DATA, show_default="0.15"),
    ] = 0.15
    stream: Annotated[
        bool | None,
        typer.Option(
            "--stream/--no-stream",
            help="Leave the training rows of a .npy or .parquet file on disk.",
            show_default="by the memory",
            rich_help_panel=DATA,
        ),
    ] = None

    def said(self) -> dict[str, Any]:
        """As the data layer takes it."""
        one_hot = True if self.one_hot == "all" else words(self.one_hot)
        return {**vars(self), "drop": words(self.drop), "one_hot": one_hot, "size": height_and_width(self.size)}


@dataclass(frozen=True)
class Fitting:
    """An autoencoder and how it is trained, whatever its kind."""

    model: Annotated[str, typer.Option(help="mlp, tied or conv.", rich_help_panel=NETWORK)] = "mlp"
    hidden: Hidden = None
    code: Code = None
    activation: Annotated[str, typer.Option(help="Of the encoder.", rich_help_panel=NETWORK)] = "sigmoid"
    loss: Annotated[
        LossName, typer.Option(help="Reconstruction loss, summed over features.", rich_help_panel=TRAINING)
    ] = LossName.squared_error
    method: Annotated[
        str,
        typer.Option(
            help="How ||J||² is computed in training: auto, exact, probes or forward_probes.", rich_help_panel=TRAINING
        ),
    ] = "auto"
    max_epochs: Annotated[
        int | None, typer.Option(help="Passes over the data.", show_default="by the data", rich_help_panel=TRAINING)
    ] = None
    batch_size: BatchSize = None
    learning_rate: LearningRate = None
    schedule: Annotated[
        str, typer.Option(help="Of the rate: cosine, exponential or constant.", rich_help_panel=TRAINING)
    ] = "cosine"
    patience: Annotated[
        int | None,
        typer.Option(
            help="Stop after so many epochs without a better validation objective, and keep the best.",
            show_default="train all epochs",
            rich_help_panel=TRAINING,
        ),
    ] = None
    gradient_clip: Annotated[
        float | None, typer.Option(help="Largest norm of the gradient.", show_default="no", rich_help_panel=TRAINING)
    ] = None
    seed: Annotated[int, typer.Option(help="Of split, weights, order, noise and probes.", rich_help_panel=TRAINING)] = 0

    def said(self) -> dict[str, Any]:
        """As the settings of a run take it."""
        said = {**vars(self), "hidden": numbers(self.hidden, "hidden"), "loss": self.loss.value}
        return {"epochs": said.pop("max_epochs"), **said}


def data_options(*groups: Reading | Preparing, **more: Any) -> "Options":
    """What the user said about the data."""
    from contractive.data import Options

    return Options(**{name: value for group in groups for name, value in group.said().items()}, **more)
