"""The commands of anomaly detection: `detect`, `score` and `drift`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from contractive.cli import _options as options
from contractive.cli._app import command
from contractive.cli._begin import begin_run, check_results, command_line, refuse_collapsed, resumable
from contractive.cli._console import Console, bold
from contractive.cli._settings import Group, split_words
from contractive.core.errors import InvalidValue
from contractive.studies.runs import DetectorSettings

_ALARM = 3  # exit code for schedulers
_Detector = Annotated[Path, typer.Argument(metavar="RUN", help="Folder that `contractive detect` wrote.")]
_PANELS = {
    **dict.fromkeys(("false_alarm_rate", "false_discovery_rate", "calibration"), "Promise"),
    "dates": options.DATA,
    **dict.fromkeys(("code", "weight", "max_epochs", "seed"), "Training"),
}


@command("detect table.csv -o run --false-alarm-rate 0.01")
def detect(
    *,
    context: typer.Context,
    data: options.OptionalSource = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the detector and its page.")],
    settings: Annotated[DetectorSettings, Group("Score", _PANELS)],
    data_dir: options.DataDir = None,
    reading: Annotated[
        options.Options,
        Group(options.DATA, dict.fromkeys(options.WINDOWS, "Windows of a series"), ("stream", "validation_share")),
    ],
    resume: options.Resume = False,
    force: options.Force = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Some rows are held out for testing, and the page shows how many of them are flagged.

    With --label, a column of 0 for normal rows and 1 for anomalies, only normal rows are learned from, and the
    anomalies found are counted. Columns of dates are left out. The rows are stored in the folder: they are the
    neighbours of new rows. Afterwards: `contractive score RUN NEW -o scores.csv`.
    """
    from contractive.report import detector_html, detector_sentences, write_page
    from contractive.studies.runs import DetectorRun, open_run, train

    console = Console(quiet=quiet or json)
    begun = begin_run(context, DetectorRun, settings, reading, settings.seed, console)
    with resumable(console, out, lambda: "training"):
        if begun is not None:
            train(*begun, out, command=command_line(), force=force, resume=resume)
        run = open_run(out, DetectorRun)
        page = write_page(detector_html(run), out / "report.html")
    metrics = run.finished_metrics()
    if json:
        console.document(metrics)
    console.notes(note for note in run.document.notes if begun is None or note not in begun[0].notes)
    console.warnings(metrics.warnings)
    verdict, *others = detector_sentences(run)
    for sentence in others:
        console.line(sentence)
    console.line("Run: ", bold(out))
    console.line("Report: ", bold(page))
    console.line(bold(verdict))
    refuse_collapsed(metrics)


@command("score run new.csv -o scores.csv --pass-through id --fail-above 0.05")
def score(
    *,
    run: _Detector,
    data: options.Source,
    out: Annotated[Path, typer.Option("--out", "-o", help="File: .csv or .parquet.")],
    pass_through: options.PassThrough = None,
    fail_above: Annotated[
        float | None,
        typer.Option(
            help=f"Exit with code {_ALARM} if a larger share of the rows is flagged or has no score.",
            show_default="never",
        ),
    ] = None,
    reading: options.ReadingOptions,
    rules: options.Rules,
    force: options.Force = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Columns: score (higher is stranger), p_value, flagged, and for flagged rows reason_1 to reason_3.

    A reason is a column, its value, and the value that would make the row most usual. Rows are streamed in constant
    memory. The data are prepared as in training; columns may come in another order. Where rows can be marked, a column
    problem says why; a marked row has no score.
    """
    from contractive.studies import runs

    if fail_above is not None and not 0 <= fail_above <= 1:
        raise InvalidValue("fail_above", "be a share from 0 to 1", fail_above, "For instance 0.05.")
    console = Console(quiet=quiet or json)
    opened = runs.open_run(run, runs.DetectorRun)
    with console.progress("Rows") as progress:
        found = runs.score(
            opened,
            data,
            out,
            pass_through=split_words(pass_through),
            options=reading,
            overwrite=force,
            rules=rules,
            on_progress=lambda rows: progress("", rows, None),
            on_note=lambda note: console.notes([note]),
        )
    if json:
        console.document({**asdict(found), "share": found.share, "out": str(out)})
    console.line(f"{found.rows:,} rows, of which {found.flagged:,} ({found.share:.1%}) are flagged: ", bold(out))
    if found.marked:
        console.line(f"{found.marked:,} rows have no score, and are not in that share: column problem says why.")
    if fail_above is not None and found.doubtful > fail_above:
        console.line(f"That is more than --fail-above {fail_above:g}: exit code {_ALARM}.")
        raise typer.Exit(_ALARM)


@command("drift run new.csv -o drift --fail-below 0.01")
def drift(
    *,
    run: _Detector,
    data: options.Source,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for drift.json and the page.")],
    fail_below: Annotated[
        float | None,
        typer.Option(help=f"Exit with code {_ALARM} if the corrected p-value is at most this.", show_default="never"),
    ] = None,
    reading: options.ReadingOptions,
    rules: options.Rules,
    force: options.Force = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Features, their reconstructions and residuals, and the score are tested, with p-values corrected for all tests.

    Of more than 20,000 rows, 20,000 drawn at random are compared. Up to ten stretches of the file are tested on their
    own, too, which shows where in it a change begins.
    """
    from contractive.core.artifacts import Artifact
    from contractive.report import drift_html, drift_sentence, write_page
    from contractive.studies import runs

    if fail_below is not None and not 0 <= fail_below <= 1:
        raise InvalidValue("fail_below", "be a p-value from 0 to 1", fail_below, "For instance 0.01.")
    console = Console(quiet=quiet or json)
    check_results(out, "drift.json", force=force)
    opened = runs.open_run(run, runs.DetectorRun)
    found = runs.drift(opened, data, options=reading, rules=rules, on_note=lambda note: console.notes([note]))
    Artifact.of("drift", found).write(out, "drift")
    page = write_page(drift_html(opened, found, Path(data).stem, command_line()), out / "report.html")
    if json:
        console.document(found)
    console.line("Report: ", bold(page))
    console.line(bold(drift_sentence(found)))
    if fail_below is not None and found.p_value <= fail_below:
        raise typer.Exit(_ALARM)
