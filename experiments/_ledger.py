"""What the experiments share: a file of results, gone on in with the same settings only, and pages that show them."""

import argparse
import json
import platform
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch

import contractive as ct
from contractive.core.files import write_text


def versions() -> dict[str, str]:
    """Of what the figures depend on."""
    return {
        "contractive": ct.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
        "torch": torch.__version__,
    }


def opened(path: Path, settings: dict[str, Any], **empty: Any) -> dict[str, Any]:
    """The results in the file, `empty` ones without it; SystemExit where they were made with other settings."""
    if not path.exists():
        return {"settings": settings, **empty}
    found = json.loads(path.read_text())
    if found["settings"] != settings:
        raise SystemExit(f"{path} was made with other settings or versions. Give another --out, or move it away.")
    return found


def write(path: Path, found: dict[str, Any]) -> None:
    """Write results into their file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(found, indent=1) + "\n")


def parser(doc: str, out: Path, sets: Iterable[str], seeds: int) -> argparse.ArgumentParser:
    """The arguments that experiments on several sets and seeds share."""
    made = argparse.ArgumentParser(description=doc.splitlines()[0])
    made.add_argument("--data-dir", type=Path)
    made.add_argument("--out", type=Path, default=out)
    made.add_argument("--seeds", type=int, default=seeds)
    made.add_argument("--sets", default=",".join(sets))
    made.add_argument("--docs", type=Path, help="write what is there into this page, run nothing")
    return made


def check_data_dir(folder: Path | None, holds: str) -> None:
    """End where no folder of data was given."""
    if not folder:
        raise SystemExit(f"--data-dir must be given, got none. It holds {holds}.")


def put(path: Path, name: str, text: str) -> None:
    """Replace what stands between the markers of `name` in a page."""
    page = path.read_text()
    # the newline before the end mark is left out: in an empty section it belongs to the first mark
    pattern = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
    if not re.search(pattern, page, re.DOTALL):
        raise SystemExit(f"{path} must have the marker <!-- {name} -->, got none.")
    write_text(path, re.sub(pattern, lambda m: f"{m[1]}{text}\n{m[2]}", page, flags=re.DOTALL))
