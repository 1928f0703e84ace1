"""The command `classify`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contractive.cli import _options as options
from contractive.cli._app import command
from contractive.cli._begin import command_line, load_new, refuse_other_options, resume_command
from contractive.cli._console import Console, bold
from contractive.cli._metrics import classifier_tables
from contractive.cli._options import NETWORK, LossName
from contractive.cli._parse import numbers

if TYPE_CHECKING:
    from contractive.data import Split
    from contractive.studies.runs import ClassifierSettings

PRETRAINING = "Pretraining, without labels"
FINE_TUNING = "Fine-tuning, with labels"


@command("classify table.csv --label class -o run")
def classify(
    *,
    context: typer.Context,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the run: model, configuration, histories, figures, page.")
    ],
    data: options.OptionalSource = None,
    labels_used: Annotated[
        int | None,
        typer.Option(
            help="Only so many training rows keep their labels, balanced over the classes; all rows pretrain. The"
            " validation rows, which choose the epoch, keep theirs.",
            show_default="all",
        ),
    ] = None,
    hidden: Annotated[
        str | None,
        typer.Option(
            help="Units of each layer, with commas, from the data upwards.",
            show_default="256,256, or 500,500 from 256 features",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    activation: Annotated[str, typer.Option(help="Of every layer.", rich_help_panel=NETWORK)] = "sigmoid",
    output: Annotated[
        str | None,
        typer.Option(
            help="softmax, or sigmoid for one output per class.",
            show_default="softmax, sigmoid with --tangents",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    objective: Annotated[
        str,
        typer.Option(
            help="Objective of each layer's pretraining: contractive, higher_order, reconstruction_contractive,"
            " contractive_denoising, denoising, sparse, l1, weight_decay, standard, or none.",
            rich_help_panel=PRETRAINING,
        ),
    ] = "contractive",
    weight: Annotated[
        float | None,
        typer.Option(
            help="Of its penalty, against an error summed over features (denoising: sigma of the noise).",
            show_default="0.03; denoising 0.3",
            rich_help_panel=PRETRAINING,
        ),
    ] = None,
    loss: Annotated[
        LossName, typer.Option(help="Reconstruction loss, summed over features.", rich_help_panel=PRETRAINING)
    ] = LossName.squared_error,
    pretraining_epochs: Annotated[
        int | None,
        typer.Option(
            help="Passes of each layer over all training rows; 0 for none.",
            show_default="enough for 1000 steps, from 10 to 500",
            rich_help_panel=PRETRAINING,
        ),
    ] = None,
    pretraining_rate: Annotated[
        float | None,
        typer.Option(help="Of Adam.", show_default="0.003, or 0.001 above 5000 rows", rich_help_panel=PRETRAINING),
    ] = None,
    pretraining_batch_size: Annotated[
        int | None,
        typer.Option(help="Rows per step.", show_default="32, or 128 above 5000 rows", rich_help_panel=PRETRAINING),
    ] = None,
    tangents: Annotated[
        int,
        typer.Option(
            help="The manifold tangent classifier: outputs shall not move along so many directions per row, those that"
            " the pretrained layers follow; 0 for none. The authors: 15, with --objective higher_order.",
            rich_help_panel=FINE_TUNING,
        ),
    ] = 0,
    tangent_weight: Annotated[float, typer.Option(help="Of that term.", rich_help_panel=FINE_TUNING)] = 0.1,
    tangents_per_step: Annotated[
        int | None,
        typer.Option(
            help="So many of them drawn for each step: cheaper, noisier.",
            show_default="all",
            rich_help_panel=FINE_TUNING,
        ),
    ] = None,
    jacobian_weight: Annotated[
        float, typer.Option(help="Of ||J||² of all layers, kept in fine-tuning.", rich_help_panel=FINE_TUNING)
    ] = 0.0,
    max_epochs: Annotated[
        int | None,
        typer.Option(
            help="Passes over the labelled rows.",
            show_default="enough for 2500 steps, from 20 to 500",
            rich_help_panel=FINE_TUNING,
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            help="Stop after so many epochs without a lower validation error (or less loss at the same). The best epoch"
            " is kept in any case.",
            show_default="train all epochs",
            rich_help_panel=FINE_TUNING,
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Rows per step.", rich_help_panel=FINE_TUNING)] = 20,
    learning_rate: Annotated[
        float, typer.Option(help="Of the layers, in plain gradient descent.", rich_help_panel=FINE_TUNING)
    ] = 0.5,
    output_rate: Annotated[
        float | None,
        typer.Option(help="Of the output layer.", show_default="as the layers'", rich_help_panel=FINE_TUNING),
    ] = None,
    decay: Annotated[
        float | None,
        typer.Option(
            help="Factor of both rates after every epoch.",
            show_default="to a fifth over all epochs",
            rich_help_panel=FINE_TUNING,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of split, weights, order, noise and the choice of labels.")] = 0,
    data_dir: options.DataDir = None,
    reading: options.DataOptions,
    device: options.Device = "auto",
    checkpoint_seconds: options.CheckpointSeconds = 10.0,
    resume: options.Resume = False,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Each layer is pretrained as a contractive autoencoder on the codes of the one below.

    Then all are trained together on the labels. The epoch is chosen on validation rows, and the test rows are measured
    once. `digits` takes about ten seconds. An interrupted run loses nothing: run it again with --resume. Writes
    report.html: open it in a browser. Afterwards: `contractive predict RUN DATA -o predictions.csv`, `contractive info
    RUN`.
    """
    from contractive.report import write_classifier
    from contractive.studies.runs import ClassifierRun, ClassifierSettings, open_run
    from contractive.training import check_seconds

    console = Console(quiet=quiet)
    if resume:
        refuse_other_options(context)
        run = open_run(out, ClassifierRun)
        split = run.load_data(data)
        if run.finished:
            write_classifier(run, out / "report.html")
            console.note(out, " is finished already; nothing was left to do.")
        else:
            _run(split, run.settings, out, console, checkpoint_seconds, resume=True)
        return
    settings = ClassifierSettings(
        objective=objective,
        weight=weight,
        hidden=numbers(hidden, "hidden"),
        activation=activation,
        loss=loss.value,
        pretraining_epochs=pretraining_epochs,
        pretraining_rate=pretraining_rate,
        pretraining_batch_size=pretraining_batch_size,
        labels_used=labels_used,
        output=output,
        tangents=tangents,
        tangent_weight=tangent_weight,
        tangents_per_step=tangents_per_step,
        jacobian_weight=jacobian_weight,
        max_epochs=max_epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        output_rate=output_rate,
        decay=decay,
        patience=patience,
        seed=seed,
        device=device,
    )
    settings.check_machine()
    check_seconds(checkpoint_seconds)
    split = load_new(context, data, data_dir, reading, out, seed=settings.seed, force=force)
    _run(split, settings, out, console, checkpoint_seconds, force=force)


def _run(
    split: "Split",
    settings: "ClassifierSettings",
    out: Path,
    console: Console,
    checkpoint_seconds: float,
    *,
    force: bool = False,
    resume: bool = False,
) -> None:
    """Train with a bar for each stage, write the page, and print how it went."""
    from contractive.report import classifier_sentences, write_classifier
    from contractive.studies.runs import ClassifierRun, open_run, train

    console.notes(split.notes)
    stage = "the beginning"
    try:
        with console.progress() as progress:

            def on_progress(what: str, done: int, total: int) -> None:
                nonlocal stage
                stage = what
                progress(what, done, total)

            train(
                split,
                settings,
                out,
                command=command_line(),
                force=force,
                resume=resume,
                checkpoint_seconds=checkpoint_seconds,
                on_progress=on_progress,
            )
        run = open_run(out, ClassifierRun)
        page = write_classifier(run, out / "report.html")
    except KeyboardInterrupt:
        console.note(f"Stopped in {stage}. {resume_command(open_run(out, ClassifierRun))}")
        raise typer.Exit(130) from None
    metrics = run.metrics()
    assert metrics is not None
    classifier_tables(console, metrics)
    console.warnings(metrics.warnings)
    console.line("Run: ", bold(out))
    console.line("Report: ", bold(page))
    verdict, *others = classifier_sentences(run)
    for sentence in (*others, verdict):
        console.line(sentence)
