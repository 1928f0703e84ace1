"""What a comparison found, as one JSON document and a few arrays; read and written whole or not at all."""

import csv
import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contractive.core.files import replace_file, write_text
from contractive.studies.documents import ResultsError, plain

FORMAT = 1


@dataclass(frozen=True)
class Results:
    """Everything the table and the report show.

    Attributes:
        document: JSON-able; the keys are listed in docs/results.md.
        arrays: Pictures and distributions by `variant/name`, of seed 0; `inputs` and `noisy_inputs` for all.
    """

    document: dict[str, Any]
    arrays: dict[str, np.ndarray]

    @property
    def variants(self) -> list[dict[str, Any]]:
        """One entry per variant, in the order asked for."""
        return self.document["variants"]


def write(results: Results, folder: str | Path) -> None:
    """Write `results.json`, `results.csv` (a row per variant and seed) and `arrays.npz`."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "results.json", json.dumps(plain(results.document), indent=1, ensure_ascii=False) + "\n")
    write_text(folder / "results.csv", _table(results))

    def save(path: str) -> None:
        with open(path, "wb") as file:
            np.savez_compressed(file, **results.arrays)  # pyright: ignore[reportArgumentType]

    replace_file(folder / "arrays.npz", save)


def read(folder: str | Path) -> Results:
    """Read what `write` wrote.

    Raises:
        ResultsError: A missing or broken file, or another format.
    """
    folder = Path(folder)
    try:
        document = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        with open(folder / "arrays.npz", "rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ResultsError(
            f"{folder} must hold the results.json and arrays.npz of a comparison, got a place without."
            " Give the folder that `contractive compare` wrote."
        ) from error
    except (OSError, ValueError, EOFError, RecursionError, zipfile.BadZipFile, zlib.error) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        raise ResultsError(
            f"{folder} must hold the results.json and arrays.npz of a comparison, got: {reason}. Run it again."
        ) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        found = document.get("format") if isinstance(document, dict) else type(document).__name__
        raise ResultsError(f"format of {folder} must be {FORMAT}, got {found}. Use the version that wrote it.")
    return Results(document, arrays)


def _table(results: Results) -> str:
    text = io.StringIO()
    names = list(results.variants[0]["seeds"][0]["figures"])
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["variant", "strength", "seed", *names])
    for variant in results.variants:
        for seed in variant["seeds"]:
            writer.writerow([variant["name"], variant["strength"], seed["seed"], *seed["figures"].values()])
    return text.getvalue()
