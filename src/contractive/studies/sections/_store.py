"""An analysis as two files: its document, and all results of its sections as arrays, from which the page is made."""

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from contractive.core.files import replace_file, write_text
from contractive.studies.documents import ResultsError
from contractive.studies.sections._analyze import Analysis
from contractive.studies.sections._document import FORMAT
from contractive.studies.sections._pack import pack, unpack

DOCUMENT, ARRAYS = "analysis.json", "analysis.npz"
_STRUCTURE = "structure"  # what the arrays are of, as JSON text


@dataclass(frozen=True)
class StoredAnalysis:
    """What the page of an analysis is made from.

    Attributes:
        document: The content of analysis.json.
        results: By section, the dataclass that its measure returned; floating-point tensors are float32.
    """

    document: dict[str, Any]
    results: Mapping[str, Any]


def write_analysis_files(analysis: Analysis, document: Mapping[str, Any], folder: str | Path) -> None:
    """Write `analysis.json` and `analysis.npz`, each whole or not at all; the folder is made if missing.

    Args:
        analysis: What was measured.
        document: Of the same analysis, from `document`.
        folder: Where.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, np.ndarray] = {}
    structure = pack(dict(analysis.results), "results", arrays)
    arrays[_STRUCTURE] = np.array(json.dumps(structure, ensure_ascii=False))

    def save(path: str) -> None:
        with open(path, "wb") as file:
            np.savez_compressed(file, **arrays)  # pyright: ignore[reportArgumentType]

    replace_file(folder / ARRAYS, save)
    write_text(folder / DOCUMENT, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_analysis(folder: str | Path) -> StoredAnalysis:
    """Read what `write_analysis_files` wrote.

    Raises:
        ResultsError: A missing or broken file, or another format.
    """
    folder = Path(folder)
    try:
        document = json.loads((folder / DOCUMENT).read_text(encoding="utf-8"))
        with open(folder / ARRAYS, "rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        results = unpack(json.loads(str(arrays[_STRUCTURE])), arrays)
    except (OSError, ValueError, KeyError, EOFError, RecursionError, zipfile.BadZipFile, zlib.error) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        raise ResultsError(
            f"{folder} must hold the {DOCUMENT} and {ARRAYS} of an analysis, got: {reason}."
            " Run `contractive analyze` again."
        ) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT or not isinstance(results, dict):
        found = document.get("format") if isinstance(document, dict) else type(document).__name__
        raise ResultsError(f"format of {folder} must be {FORMAT}, got {found}. Use the version that wrote it.")
    return StoredAnalysis(document, results)
