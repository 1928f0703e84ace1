"""The command `export`."""

from pathlib import Path
from typing import Annotated

import typer

from contractive.cli import _options as options
from contractive.cli._app import app, report_user_errors


@app.command(epilog="Example:  contractive export run -o encoder.onnx")
@report_user_errors
def export(
    run: options.EitherRun,
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
    """Write the model for use without this library: raw numbers in, scaling included."""
    from contractive.studies.classifier_runs import open_any, open_classifier
    from contractive.studies.export import export as write

    opened = open_any(run)
    path = write(opened, out, part=part, overwrite=force)
    typer.echo(f"{part.capitalize()} of {run}: {path}")
    load = f"onnxruntime.InferenceSession({str(path)!r}).run(None, {{'x': rows}})"
    if path.suffix == ".pt2":
        load = f"torch.export.load({str(path)!r}).module()(rows)"
    typer.echo(f"To run it in Python, on rows in single precision: {load}")
    if part == "classifier":
        typer.echo(f"Its outputs are the probabilities of: {', '.join(open_classifier(run).names)}")
    if opened.preparation.kind == "table":
        names = opened.preparation.feature_names
        shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        typer.echo(f"Its {len(names)} input numbers are, in this order: {shown}")
