"""The commands that write a run for other programs: `export` and `projector`."""

from pathlib import Path
from typing import Annotated

import typer

from contractive.cli import _options as options
from contractive.cli._app import command
from contractive.cli._console import Console
from contractive.cli._settings import split_words


@command("export run -o encoder.onnx")
def export(
    run: options.AnyRunFolder,
    out: Annotated[Path, typer.Option("--out", "-o", help="File: .onnx, or .pt2 for torch.export.")],
    part: Annotated[
        str,
        typer.Option(
            help="encoder (rows to codes); of an autoencoder also decoder (codes to rows) and autoencoder (rows to"
            " rows); of a classifier also classifier (rows to probabilities)."
        ),
    ] = "encoder",
    force: options.Force = False,
) -> None:
    """The exported model takes the numbers of the data as they are."""
    from contractive.studies.export import export as write
    from contractive.studies.runs import ClassifierRun, open_run

    opened, console = open_run(run), Console()
    path = write(opened, out, part=part, overwrite=force)
    console.line(f"{part.capitalize()} of {run}: {path}")
    load = f"onnxruntime.InferenceSession({str(path)!r}).run(None, {{'x': rows}})"
    if path.suffix == ".pt2":
        load = f"torch.export.load({str(path)!r}).module()(rows)"
    console.line(f"To run it in Python, on rows in single precision: {load}")
    if part == "classifier" and isinstance(opened, ClassifierRun):
        console.line(f"Its outputs are the probabilities of: {', '.join(opened.names)}")
    if opened.preparation.kind == "table":
        names = opened.preparation.feature_names
        shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        console.line(f"Its {len(names)} input numbers are, in this order: {shown}")


@command("projector run table.csv -o logs --pass-through class")
def projector(
    *,
    run: options.AnyRunFolder,
    data: options.Source,
    out: Annotated[Path, typer.Option("--out", "-o", help="Log folder for TensorBoard, made if missing.")],
    pass_through: Annotated[
        str | None,
        typer.Option(help="Columns that label points, with commas.", show_default="labels of named sets"),
    ] = None,
    rows: Annotated[int, typer.Option(help="Number of rows, from the first; at most 100,000.")] = 10_000,
    reading: options.ReadingOptions,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """TensorBoard shows them as points in PCA, t-SNE or UMAP, to turn and to search."""
    from contractive.studies.projector import project
    from contractive.studies.runs import open_run

    kept = split_words(pass_through) if pass_through is not None else None
    count = project(open_run(run), data, out, pass_through=kept, options=reading, rows=rows, overwrite=force)
    Console(quiet=quiet).line(f"{count:,} rows: {out}. Look at them with: tensorboard --logdir {out}")
