"""The commands that write pages: `analyze`, `illustrate` and `report`."""

import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from contractive.cli import _options as options
from contractive.cli._app import command
from contractive.cli._begin import check_results, command_line
from contractive.cli._console import Console, bold
from contractive.core.errors import ContractiveError, InvalidValue, check_choice

_ALL = "all"
_TRIED = 100  # examples in the page of an analysis
_EXPLORER = "explore.html"  # beside that page, which shows it in a frame


@command("analyze run table.csv -o analysis")
def analyze(
    *,
    run: options.RunFolder,
    data: options.Source,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for analysis.json, report.html and explore.html.")],
    rows: Annotated[int, typer.Option(help="Largest number of rows of each split, evenly spaced.")] = 10_000,
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
    """See where the encoder contracts, which directions the code keeps, what its units do, how robust a classifier is.

    DATA that the run was trained on are split as they were; any other rows are new ones. Prints a few sentences and
    writes report.html: open it in a browser.
    """
    from contractive.report import analysis_html, explore_html, write_page
    from contractive.studies.explore import explore as explore_run
    from contractive.studies.runs import AutoencoderRun, open_run
    from contractive.studies.sections import (
        AnalysisSettings,
        analysis_sentences,
        analysis_verdict,
        read_rows,
        summary_of,
    )
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
    explorer = explore_html(explore_run(opened, data, examples=_TRIED, options=reading, data_dir=data_dir))
    write_page(explorer, out / _EXPLORER)
    page = write_page(analysis_html(analysis, explorer), out / "report.html")
    if json:
        print((out / "analysis.json").read_text(encoding="utf-8"), end="", flush=True)
        return
    for section, reason in analysis.left_out.items():
        console.line(f"Left out: {section}: {reason}.", style="dim")
    console.line("Report: ", bold(page))
    for topic, text in analysis_sentences(analysis):
        console.line(bold(topic), ": ", text)
    console.line(bold(analysis_verdict(analysis)))


@command("explore run table.csv -o page.html")
def explore(
    *,
    run: options.RunFolder,
    data: options.Source,
    out: Annotated[Path, typer.Option("--out", "-o", help="The HTML file.")],
    examples: Annotated[int, typer.Option(help="Rows to choose from, evenly spaced; fewer where rows are wide.")] = 300,
    data_dir: options.DataDir = None,
    reading: options.LabelledOptions,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """The page needs no network: it holds the model itself, in half precision.

    Choose a row and see its code, its reconstruction and its neighbours. Move it along the directions that the model
    follows and those it ignores, move single code units, or go through the code to another row.
    """
    from contractive.report import explore_html, explore_verdict, write_page
    from contractive.studies.explore import explore as work
    from contractive.studies.runs import AutoencoderRun, open_run

    if out.suffix.lower() not in (".html", ".htm"):
        raise InvalidValue("out", "end in .html", out.name, "Rename it.")
    if out.exists() and not force:
        raise InvalidValue("out", "be a new file", str(out), "Choose another or give `force`.")
    console = Console(quiet=quiet)
    found = work(open_run(run, AutoencoderRun), data, examples=examples, options=reading, data_dir=data_dir)
    page = write_page(explore_html(found), out)
    if found.why_fixed:
        console.note(f"The page shows what was computed beforehand, because {found.why_fixed}.")
    console.line("Page: ", bold(page), f" ({page.stat().st_size / 1e6:.1f} MB)")
    console.line(bold(explore_verdict(found)))


@command("illustrate manifold")
def illustrate(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Name of an illustration, or [bold]all[/]. Leave it out for a list."),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for NAME.html; a page of that name is replaced.")
    ] = Path("illustrations"),
    seed: Annotated[int, typer.Option(help="Random seed of data, weights and noise.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Seconds instead of up to a minute, and rougher.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Each writes one page with numbers, a sentence made from them and pictures; without a NAME they are listed."""
    from contractive.report import illustration_html, write_page
    from contractive.studies.illustrations import TOPICS
    from contractive.training import TrainingDiverged

    console = Console(quiet=quiet and name is not None)
    if name is None:
        rows = [(topic.name, topic.line) for topic in TOPICS.values()]
        every = (_ALL, "all of them, one after another, a few minutes")
        console.table([*rows, every], ("NAME", "shows that"), title="contractive illustrate NAME", left=(0, 1))
        return
    check_choice("name", name, [*TOPICS, _ALL], "Leave it out for a list.")
    check_results(out)
    for topic in TOPICS.values() if name == _ALL else (TOPICS[name],):
        started = time.perf_counter()
        try:
            with console.progress(topic.title):
                result = topic.run(quick=quick, seed=seed)
        except TrainingDiverged as error:
            raise ContractiveError(f"{error} Here: another `seed`.") from error
        seeded = ["--seed", str(seed)] if seed else []
        words = ["contractive", "illustrate", topic.name, *seeded, *["--quick"] * quick]
        html = illustration_html(topic, result, command=shlex.join(words))
        page = write_page(html, out / f"{topic.name}.html")
        console.line(bold(topic.title), f" ({time.perf_counter() - started:.0f} s)")
        console.line("Page: ", bold(page))
        console.line(result.finding)


@command("report demo")
def report(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Folder that `compare`, `analyze`, `sweep`, `classify` or `detect` wrote."),
    ],
) -> None:
    """The results are those of a comparison, an analysis, a sweep, a classifier or a detector."""
    from contractive import report as pages
    from contractive.studies.compare import Results
    from contractive.studies.illustrations import TOPICS
    from contractive.studies.runs import ClassifierRun, DetectorRun, open_run
    from contractive.studies.sections import read_analysis
    from contractive.studies.sweep import Sweep

    page, model = folder / "report.html", folder / _EXPLORER
    explorer = model.read_text(encoding="utf-8") if model.is_file() else ""
    writers: dict[str, Callable[[], Path]] = {  # by the file that only results of this kind have
        "results.json": lambda: pages.write_page(pages.comparison_html(Results.read(folder)), page),
        "analysis.json": lambda: pages.write_page(pages.analysis_html(read_analysis(folder), explorer), page),
        "sweep.json": lambda: pages.write_page(pages.sweep_html(Sweep.read(folder)), page),
        "mistakes.npz": lambda: pages.write_page(pages.classifier_html(open_run(folder, ClassifierRun)), page),
        "detector/estimator.json": lambda: pages.write_page(pages.detector_html(open_run(folder, DetectorRun)), page),
    }
    found = [write for name, write in writers.items() if (folder / name).is_file()]
    for write in found:
        Console().line("Report: ", bold(write()))
    if found:
        return
    illustrations = [name for name in TOPICS if (folder / f"{name}.html").is_file()]
    got, remedy = f"{folder} without their results", "Give the folder they wrote to."
    if (folder / "config.json").is_file():
        got = f"{folder} with a model"
        remedy = f"`contractive analyze {folder} DATA -o DIR` measures it and makes its page."
    elif illustrations:
        got = f"{folder} with illustrations, whose pages hold all there is"
        remedy = f"`contractive illustrate {illustrations[0]} -o {folder}` makes one again."
    raise InvalidValue("folder", "be a folder that `contractive compare`, `analyze` or `sweep` wrote", got, remedy)
