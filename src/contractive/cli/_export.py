"""The command `export`."""

from pathlib import Path
from typing import Annotated

import typer

from contractive.cli import _options as options
from contractive.cli._app import command
from contractive.cli._console import Console


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
