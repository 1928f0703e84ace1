"""Options that several commands share, each described once."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contractive.cli._app import LossName

if TYPE_CHECKING:
    from contractive.data import Options

DATA = "Data"
NETWORK = "Network"
TRAINING = "Training"
MACHINE = "Machine"

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
Key = Annotated[str | None, typer.Option(help="Name of the array in an .npz file.", rich_help_panel=DATA)]
Label = Annotated[
    str | None,
    typer.Option(help="Column (or array of an .npz file) that is the label: never a feature.", rich_help_panel=DATA),
]
Drop = Annotated[str | None, typer.Option(help="Columns to leave out, with commas.", rich_help_panel=DATA)]
OneHot = Annotated[
    str | None,
    typer.Option(help="Text columns to turn into 0/1 columns, with commas; `all` for all.", rich_help_panel=DATA),
]
Impute = Annotated[
    str | None, typer.Option(help="Fill missing values with the training `mean` or `median`.", rich_help_panel=DATA)
]
Scale = Annotated[
    str,
    typer.Option(
        help="auto, none, minmax, standard or robust; fitted on training rows. auto: pixels by their range, other"
        " columns standard.",
        rich_help_panel=DATA,
    ),
]
Size = Annotated[str | None, typer.Option(help="Size images to HEIGHTxWIDTH.", rich_help_panel=DATA)]
Gray = Annotated[bool, typer.Option("--gray", help="Read images in grey.", rich_help_panel=DATA)]
Separator = Annotated[str | None, typer.Option(help="Of a text table.", show_default="detected", rich_help_panel=DATA)]
Encoding = Annotated[str | None, typer.Option(help="Of a text table.", show_default="detected", rich_help_panel=DATA)]
Header = Annotated[
    bool | None,
    typer.Option(
        "--header/--no-header",
        help="Whether a text table has names in its first row.",
        show_default="detected",
        rich_help_panel=DATA,
    ),
]
Test = Annotated[
    Path | None, typer.Option(help="File with the test rows.", show_default="a part of DATA", rich_help_panel=DATA)
]
Model = Annotated[str, typer.Option(help="mlp, tied or conv.", rich_help_panel=NETWORK)]
Activation = Annotated[str, typer.Option(help="Of the encoder.", rich_help_panel=NETWORK)]
Loss = Annotated[LossName, typer.Option(help="Reconstruction loss, summed over features.", rich_help_panel=TRAINING)]
Method = Annotated[
    str,
    typer.Option(
        help="How ||J||² is computed in training: auto, exact, probes or forward_probes.", rich_help_panel=TRAINING
    ),
]
ValidationShare = Annotated[
    float, typer.Option(help="Part of the rows that validates.", rich_help_panel=DATA, show_default="0.15")
]
TestShare = Annotated[
    float,
    typer.Option(help="Part of the rows that tests, without --test.", rich_help_panel=DATA, show_default="0.15"),
]
Stream = Annotated[
    bool | None,
    typer.Option(
        "--stream/--no-stream",
        help="Leave the training rows of a .npy or .parquet file on disk.",
        show_default="by the memory",
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
Epochs = Annotated[
    int | None, typer.Option(help="Passes over the data.", show_default="by the data", rich_help_panel=TRAINING)
]
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
Schedule = Annotated[str, typer.Option(help="Of the rate: cosine, exponential or constant.", rich_help_panel=TRAINING)]
Patience = Annotated[
    int | None,
    typer.Option(
        help="Stop after so many epochs without a better validation objective, and keep the best.",
        show_default="train all epochs",
        rich_help_panel=TRAINING,
    ),
]
GradientClip = Annotated[
    float | None, typer.Option(help="Largest norm of the gradient.", show_default="no", rich_help_panel=TRAINING)
]
Seed = Annotated[int, typer.Option(help="Of split, weights, order, noise and probes.", rich_help_panel=TRAINING)]
Precision = Annotated[str, typer.Option(help="32, or bf16 for mixed precision.", rich_help_panel=MACHINE)]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.", rich_help_panel=MACHINE)]
CheckpointSeconds = Annotated[float, typer.Option(help="Least time between checkpoints.", rich_help_panel=MACHINE)]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on with the run in --out where it was broken off, with its own settings."),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="File: .npy, .csv or .parquet.")]
EitherRun = Annotated[
    Path, typer.Argument(metavar="RUN", help="Folder that `contractive train` or `contractive classify` wrote.")
]
Keep = Annotated[
    str | None, typer.Option(help="Columns of DATA to copy before the others, with commas; an identifier for instance.")
]


def words(text: str | None) -> tuple[str, ...]:
    """`a,b` as (a, b)."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def number(text: str, option: str) -> float:
    """`0.1` as 0.1."""
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{option} must be a number or auto, got {text!r}. For instance 0.1.") from None


def data_options(
    *,
    key: str | None = None,
    label: str | None = None,
    drop: str | None = None,
    one_hot: str | None = None,
    impute: str | None = None,
    scale: str = "auto",
    size: str | None = None,
    gray: bool = False,
    separator: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    test: Path | None = None,
    validation_share: float = 0.15,
    test_share: float = 0.15,
    stream: bool | None = None,
) -> "Options":
    """What the user said about the data."""
    from contractive.data import Options

    chosen: dict[str, Any] = {"one_hot": True if one_hot == "all" else words(one_hot), "drop": words(drop)}
    return Options(
        key=key,
        label=label,
        impute=impute,
        scale=scale,
        size=_size(size),
        gray=gray,
        separator=None if separator is None else separator.replace("\\t", "\t"),
        encoding=encoding,
        header=header,
        test=test,
        validation_share=validation_share,
        test_share=test_share,
        stream=stream,
        **chosen,
    )


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    try:
        height, width = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise ValueError(f"--size must be HEIGHTxWIDTH, got {text!r}. For instance 28x28.") from None
    return height, width
