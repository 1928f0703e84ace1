"""The models of a sweep that its page shows side by side: of the front, the knee and the one without a penalty."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from contractive.data import Split
from contractive.studies.compare._side_by_side import SWEPT, sections_of, similarities
from contractive.studies.runs import open_run
from contractive.studies.sweep._sweep_results import Sweep, SweepTrial

MOST = 5
_ROWS = 2000


def with_models(sweep: Sweep, split: Split, folder: Path) -> Sweep:
    """The sweep with sections of an analysis of up to five of its models, from their runs in `folder`."""
    sections: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    for name, trial in named(sweep, shown_trials(sweep)).items():
        own: dict[str, np.ndarray] = {}
        autoencoder = open_run(folder / trial.folder).autoencoder()
        found = sections_of(autoencoder, split, own, shown=SWEPT, limit=_ROWS)
        if found:
            sections[name] = found
            arrays |= {f"{name}/{key}": array for key, array in own.items()}
    similarity = similarities(arrays, tuple(sections), arrays)
    return replace(sweep, sections=sections, similarity=similarity, arrays=arrays)


def shown_trials(sweep: Sweep) -> tuple[SweepTrial, ...]:
    """All trials if they are few, else the unpenalised one, the knee, and others spread over the front; by weight."""
    if len(sweep.complete) <= MOST:
        return sweep.complete
    always = {sweep.yardstick.number, sweep.knee}
    others = [trial.number for trial in sweep.complete if trial.number in sweep.front and trial.number not in always]
    room = min(MOST - len(always), len(others))
    spread = {others[at] for at in np.linspace(0, len(others) - 1, room).round().astype(int)}
    return tuple(trial for trial in sweep.complete if trial.number in always | spread)


def named(sweep: Sweep, trials: tuple[SweepTrial, ...]) -> dict[str, SweepTrial]:
    """The trials by what pictures call them."""
    unit = "sigma" if sweep.settings["run"]["objective"] == "denoising" else "weight"
    words = [f"{unit} {trial.weight:.3g}" if trial.weight else "without penalty" for trial in trials]
    several = Counter(words)
    names = {}
    for word, trial in zip(words, trials, strict=True):
        name = word if several[word] == 1 else f"{word}, trial {trial.number}"
        names[f"{name} (knee)" if trial.number == sweep.knee else name] = trial
    return names
