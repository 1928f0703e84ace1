"""The commands that apply a run, `encode`, `reconstruct` and `predict`, or pass it on, `export` and `projector`."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from contractive.cli import _options as options
from contractive.cli._app import command
from contractive.cli._begin import open_trained
from contractive.cli._console import Console, bold
from contractive.cli._settings import split_words

_CLASSIFIER = Annotated[Path, typer.Argument(metavar="RUN", help="Folder that `contractive classify` wrote.")]


def _applying(name: str, run_folder: Any, about: Any, example: str, text: str) -> Callable[..., None]:
    """Make the command `name`, which calls the function of that name in `studies.runs`."""

    def apply(
        *,
        run: run_folder,  # pyright: ignore[reportInvalidTypeForm]
        data: options.Source,
        out: options.OutFile,
        pass_through: options.PassThrough = None,
        reading: about,  # pyright: ignore[reportInvalidTypeForm]
        rules: options.Rules,
        device: options.Device = "cpu",
        force: options.Force = False,
        quiet: options.Quiet = False,
    ) -> None:
        from contractive.studies import runs

        opened = runs.open_run(run, runs.ClassifierRun) if name == "predict" else runs.open_run(run)
        console = Console(quiet=quiet)
        with console.progress("Rows") as progress:
            found = getattr(runs, name)(
                opened,
                data,
                out,
                pass_through=split_words(pass_through),
                options=reading,
                device="cpu" if device == "auto" else device,
                overwrite=force,
                rules=rules,
                on_progress=lambda rows: progress("", rows, None),
                on_note=lambda note: console.notes([note]),
            )
        console.line(f"{getattr(found, 'rows', found):,} rows: ", bold(out))
        if name == "reconstruct" and (steps := opened.preparation.spectra):
            console.line(f"They are spectra after {', '.join(steps)}, which cannot be taken back.")
        if getattr(found, "labelled", 0):
            low, high = found.interval
            trained = ", those it was trained on among them" if opened.is_training_data(data) else ""
            interval = f" (95 % interval {100 * low:.1f} to {high:.1%}) of {found.labelled:,} labelled rows{trained}."
            console.line("Accuracy: ", bold(f"{found.accuracy:.1%}"), interval)

    apply.__doc__ = f"{text}The data are prepared as in training. The same columns are needed, in any order."
    return command(f"{name} run table.csv {example}")(apply)


encode = _applying(
    "encode",
    options.AnyRunFolder,
    options.ReadingOptions,
    "-o codes.csv --pass-through id",
    "The code of a classifier is that of its fine-tuned layers.\n\n",
)
reconstruct = _applying(
    "reconstruct",
    options.RunFolder,
    options.ReadingOptions,
    "-o cleaned.csv",
    "Preprocessed spectra are written as they are after preprocessing.\n\n",
)
predict = _applying(
    "predict",
    _CLASSIFIER,
    options.LabelledOptions,
    "-o predictions.csv --pass-through id",
    "Where DATA have labels, the accuracy is printed. A .npy file holds no texts: classes that are texts need .csv or"
    " .parquet.\n\n",
)


@command("export run -o encoder.onnx")
def export(
    run: options.TrainedFolder,
    out: Annotated[Path, typer.Option("--out", "-o", help="File: .onnx, or .pt2 for torch.export.")],
    part: Annotated[
        str | None,
        typer.Option(
            help="encoder (rows to codes); of an autoencoder also decoder (codes to rows) and autoencoder (rows to"
            " rows); of a classifier also classifier (rows to probabilities); of a detector detector (rows to score"
            " and flag).",
            show_default="encoder; detector",
        ),
    ] = None,
    force: options.Force = False,
) -> None:
    """The exported model takes the numbers of the data as they are.

    Detectors can be exported if their score is `reconstruction` or `structured`: the others need the training rows.
    """
    from contractive.estimators import ContractiveEstimator, ContractiveOutlierDetector
    from contractive.studies.export import PrecisionWarning
    from contractive.studies.export import export as write
    from contractive.studies.runs import ClassifierRun, DetectorRun

    console, opened = Console(), open_trained(run)
    is_detector = isinstance(opened, DetectorRun | ContractiveOutlierDetector)
    part = part or ("detector" if is_detector else "encoder")
    with warnings.catch_warnings(record=True) as caught:  # others are of torch, on its own workings
        warnings.simplefilter("always")
        path = write(opened, out, part=part, overwrite=force)
    console.notes([str(each.message) for each in caught if issubclass(each.category, PrecisionWarning)])
    console.line(f"{part.capitalize()} of {run}: {path}")
    load = f"onnxruntime.InferenceSession({str(path)!r}).run(None, {{'x': rows}})"
    if path.suffix == ".pt2":
        load = f"torch.export.load({str(path)!r}).module()(rows)"
    console.line(f"To run it in Python, on rows in single precision: {load}")
    if part == "classifier" and isinstance(opened, ClassifierRun):
        console.line(f"Its outputs are the probabilities of: {', '.join(opened.names)}")
    if part == "detector":
        console.line("Its outputs are the score, higher for stranger rows, and whether the row is flagged.")
    names = ()
    if isinstance(opened, ContractiveEstimator):
        names = tuple(getattr(opened, "feature_names_in_", ()))
    elif opened.preparation.kind == "table":
        names = opened.preparation.feature_names
    if names:
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
