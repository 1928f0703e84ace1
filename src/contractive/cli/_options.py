"""Options that several commands share, each described once."""

from pathlib import Path
from typing import Annotated

import typer

from contractive.cli._settings import Group
from contractive.data import FORMATS, SETS, Mismatches, Options

DATA = "Data"


_FILES = " ".join(suffix for suffix in FORMATS if suffix.count(".") == 1)
_NAMES = ", ".join(f"[bold]{name}[/]" for name in SETS)
_DATA = f"{_NAMES} (digits are bundled), or a file ({_FILES}; texts also as .gz or .zst) or a folder of images."
_READING = ("key", "separator", "encoding", "header", "skip_rows", "units_row", "total_row", "decimal", "thousands")

Source = Annotated[str, typer.Argument(metavar="DATA", help=_DATA)]
OptionalSource = Annotated[str | None, typer.Argument(metavar="DATA", help=f"{_DATA} Not needed with --resume.")]
WINDOWS = ("window", "step", "time", "group")
DataOptions = Annotated[Options, Group(DATA, without=WINDOWS)]
ReadingOptions = Annotated[Options, Group(DATA, only=_READING)]
Rules = Annotated[Mismatches, Group("Rows that do not fit")]
LabelledOptions = Annotated[Options, Group(DATA, only=("label", *_READING))]
DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Folder with the IDX .gz files of a named set.",
        show_default="$CONTRACTIVE_DATA, else download",
        rich_help_panel=DATA,
    ),
]
Device = Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda or mps.")]
CheckpointSeconds = Annotated[float, typer.Option(help="Least time between checkpoints.")]
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
AnyRunFolder = Annotated[
    Path, typer.Argument(metavar="RUN", help="Folder that `contractive train` or `contractive classify` wrote.")
]
TrainedFolder = Annotated[
    Path,
    typer.Argument(
        metavar="RUN",
        help="Folder that `contractive train`, `contractive classify` or `contractive detect` wrote,"
        " or the `save` of an estimator.",
    ),
]
PassThrough = Annotated[
    str | None,
    typer.Option(metavar="A,B,...", help="Columns of DATA to copy before the others; an identifier for instance."),
]
