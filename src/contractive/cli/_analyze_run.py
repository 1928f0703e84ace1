"""`contractive analyze`: measure with a progress bar, print the sentences, write the files."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from contractive.core.files import write_text
from contractive.data import Options
from contractive.report import analysis_sentences, write_analysis
from contractive.studies.runs import Run, open_run
from contractive.studies.sections import (
    Analysis,
    AnalysisSettings,
    analyze,
    document,
    read_rows,
    write_analysis_files,
)


def run(
    folder: Path,
    data: str,
    out: Path,
    options: Options,
    data_dir: Path | None,
    rows: int,
    seed: int,
    *,
    umap: bool,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Do what the command says."""
    opened = open_run(folder)
    autoencoder = opened.autoencoder()
    _check_folder(out, force)
    with _bar(hidden=quiet or as_json) as progress:
        bar = progress.add_task("reading", total=None)
        found = read_rows(opened, data, limit=rows, data_dir=data_dir, options=options)

        def watch(section: str, done: int, total: int) -> None:
            progress.update(bar, description=f"[dim]{section}", completed=done, total=total)

        settings = AnalysisSettings(seed=seed, umap=umap)
        analysis = analyze(autoencoder, found, settings, name=opened.settings.objective, watch=watch)
    written = _write(analysis, opened, out)
    if as_json:
        print(json.dumps(written, indent=1, ensure_ascii=False))
    elif not quiet:
        _say(written, out / "report.html")


def _write(analysis: Analysis, opened: Run, out: Path) -> dict[str, Any]:
    command = shlex.join(["contractive", *sys.argv[1:]])
    made = document(analysis, run=_facts(opened), command=command)
    write_analysis_files(analysis, made, out)
    write_analysis(analysis.results, made, out / "report.html")
    return made


def _facts(opened: Run) -> dict[str, Any]:
    """What the document says of the run."""
    settings, metrics = opened.settings, opened.metrics()
    widths = "–".join(map(str, (opened.preparation.features, *(settings.hidden or ()), settings.code)))
    return {
        "folder": str(opened.folder),
        "objective": settings.objective,
        "network": f"{settings.model} {widths}, {settings.activation}, output {settings.output}",
        "weight": metrics.get("weight", settings.weight),
        "error_increase": metrics.get("error_increase"),
        "squared_norm": metrics.get("validation", {}).get("squared_norm"),
        "squared_norm_without": metrics.get("reference", {}).get("val_squared_norm"),
        "command": opened.config.get("command", ""),
        "checksum": opened.config["data"].get("checksum", ""),
    }


def _check_folder(out: Path, force: bool) -> None:
    """Refuse a folder that cannot be written, or that holds an analysis, before the work and not after it."""
    if (out / "analysis.json").exists() and not force:
        raise ValueError(f"--out must be a folder without an analysis, got {out}. Choose another or give --force.")
    if (out / "config.json").exists() or (out / "results.json").exists():
        raise ValueError(f"--out must be a folder of its own, got {out} with a run or a comparison. Choose another.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".writable"
        write_text(probe, "")
        probe.unlink()
    except OSError as error:
        raise ValueError(f"--out must be a folder that can be written, got {out}: {error.strerror}.") from error


def _bar(*, hidden: bool) -> Progress:
    columns = (
        TextColumn("[bold]Measuring"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    return Progress(*columns, console=Console(stderr=True), disable=hidden)


def _say(written: dict[str, Any], page: Path) -> None:
    console = Console(highlight=False)
    for topic, text in analysis_sentences(written):
        console.print(f"[bold]{topic}[/]: {escape(text)}")
    for section, reason in written["left_out"].items():
        console.print(f"[dim]Left out: {section}: {escape(reason)}.[/]")
    console.print(f"Report: [bold]{page}[/]", soft_wrap=True)
