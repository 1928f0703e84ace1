"""The command `analyze`."""

from pathlib import Path
from typing import Annotated

import typer

from contractive.cli import _options as options
from contractive.cli._app import command
from contractive.cli._begin import check_results, command_line
from contractive.cli._console import Console, bold
from contractive.core.errors import InvalidValue


@command("analyze run table.csv -o analysis")
def analyze(
    *,
    run: options.RunFolder,
    data: options.Source,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for analysis.json and report.html.")],
    rows: Annotated[int, typer.Option(help="Largest number of rows of each part, evenly spaced.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Random seed of noise, points and directions.")] = 0,
    umap: Annotated[
        bool, typer.Option("--umap/--no-umap", help="Add a map by UMAP, where umap-learn is installed.")
    ] = True,
    data_dir: options.DataDir = None,
    reading: options.LabelledOptions,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Where it contracts and where not, which directions it keeps, what its units do, how stable a classifier on it is.

    DATA that the run was trained on are split as they were; any other rows are new ones. Prints a few sentences and
    writes report.html: open it in a browser.
    """
    from contractive.core.artifacts import read_json
    from contractive.report import write_analysis
    from contractive.studies.runs import AutoencoderRun, open_run
    from contractive.studies.sections import AnalysisSettings, analysis_sentences, read_rows, summary_of
    from contractive.studies.sections import analyze as work

    opened = open_run(run, AutoencoderRun)
    autoencoder = opened.model()
    if (out / "config.json").exists() or (out / "results.json").exists():
        raise InvalidValue("out", "hold nothing else", f"{out} with a run or a comparison", "Choose another folder.")
    check_results(out, "analysis.json", force=force)
    console = Console(quiet=quiet or json)
    with console.progress("Measuring") as progress:
        progress("reading data", 0, None)
        rows_ = read_rows(opened, data, rows=rows, data_dir=data_dir, options=reading)
        analysis = work(
            autoencoder,
            rows_,
            AnalysisSettings(seed=seed, umap=umap),
            name=opened.settings.objective.objective,
            run=summary_of(opened),
            command=command_line(),
            on_progress=progress,
        )
    analysis.write(out)
    page = write_analysis(analysis, out / "report.html")
    if json:
        console.document(read_json(out / "analysis.json"))
        return
    for section, reason in analysis.left_out.items():
        console.line(f"Left out: {section}: {reason}.", style="dim")
    console.line("Report: ", bold(page))
    for topic, text in analysis_sentences(analysis):
        console.line(bold(topic), ": ", text)
