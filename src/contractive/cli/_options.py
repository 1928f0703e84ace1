"""Options that several commands share, each described once."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from contractive.cli._parse import numbers
from contractive.cli._settings import Group
from contractive.data import FORMATS, SETS, Options

DATA = "Data"
NETWORK = "Network"
TRAINING = "Training"
MACHINE = "Machine"


class LossName(StrEnum):
    """Reconstruction losses by name."""

    squared_error = "squared_error"
    cross_entropy = "cross_entropy"


_FILES = " ".join(suffix for suffix in FORMATS if suffix.startswith("."))
_NAMES = ", ".join(f"[bold]{name}[/]" for name in SETS)
_DATA = f"{_NAMES} (digits are bundled), or the path of a file ({_FILES}) or of a folder of images."
_READING = ("key", "separator", "encoding", "header")

Source = Annotated[str, typer.Argument(metavar="DATA", help=_DATA)]
OptionalSource = Annotated[str | None, typer.Argument(metavar="DATA", help=f"{_DATA} Not needed with --resume.")]
DataOptions = Annotated[Options, Group(DATA)]
ReadingOptions = Annotated[Options, Group(DATA, only=_READING)]
LabelledOptions = Annotated[Options, Group(DATA, only=("label", *_READING))]
DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Folder with the IDX .gz files of a named set.",
        show_default="$CONTRACTIVE_DATA, else download",
        rich_help_panel=DATA,
    ),
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
    typer.Option("--resume", help="Resume the interrupted run in the folder --out, with its own settings."),
]
Jobs = Annotated[
    int | None, typer.Option(help="Models trained at a time, one thread each.", show_default="one per processor")
]
Json = Annotated[bool, typer.Option("--json", help="Print the results as JSON and nothing else.")]
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
        return {**vars(self), "hidden": numbers(self.hidden, "hidden"), "loss": self.loss.value}
