"""Work in pieces: each is done once, written as JSON at once, and found again by its settings."""

import argparse
import hashlib
import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

import contractive
from contractive.core.files import write_text

ROOT = Path(__file__).parent
RESULTS = ROOT / "results"


class OutOfTime(SystemExit):
    """Raised between pieces, and between epochs of fine-tuning, when the time given is over."""


class Pieces:
    """Where pieces are kept, on what they are computed, and until when.

    Args:
        folder: Of this script's pieces.
        device: Of torch.
        minutes: No new piece or epoch is begun after so many.
    """

    def __init__(self, folder, device="cpu", minutes=None):
        self.folder = Path(folder)
        self.device = device
        self.deadline = None if minutes is None else time.monotonic() + 60 * minutes

    def check_time(self, *_):
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise OutOfTime("Out of time. Run the same command again: finished pieces are kept.")

    def get(self, kind, settings, run):
        """(result, folder) of run(folder), computed unless there is one of this kind and settings; JSON-able."""
        settings = json.loads(json.dumps(settings))
        name = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
        path, place = self.folder / kind / f"{name}.json", self.folder / kind / name
        if path.exists():
            found = json.loads(path.read_text())
            if found["settings"] == settings:
                return found["result"], place
        self.check_time()
        place.mkdir(parents=True, exist_ok=True)
        print(f"{kind} {settings}", flush=True)
        began = time.perf_counter()
        result = run(place)
        seconds = round(time.perf_counter() - began, 2)
        piece = {"kind": kind, "settings": settings, "result": result, "seconds": seconds, "with": machine(self.device)}
        write_text(path, json.dumps(piece, indent=1) + "\n")
        print(f"    {seconds:.0f} s {short(result)}", flush=True)
        return result, place

    def seconds(self):
        """All that the finished pieces took."""
        return sum(json.loads(path.read_text())["seconds"] for path in self.folder.glob("*/*.json"))


def machine(device):
    """What the figures were computed with."""
    kind = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine()
    return {
        "contractive": contractive.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "scikit-learn": version("scikit-learn"),
        "python": platform.python_version(),
        "device": kind,
        "threads": torch.get_num_threads(),
    }


def short(result):
    return {key: value for key, value in result.items() if isinstance(value, int | float | str)}


def parser(doc):
    """The arguments that all scripts share."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--data-dir", default=os.environ.get("CONTRACTIVE_DATA"), help="default: $CONTRACTIVE_DATA")
    made.add_argument("--work", type=Path, default=ROOT.parent / "runs" / "reproduce", help="weights and pieces")
    made.add_argument("--out", type=Path, default=RESULTS, help="where the table is written")
    made.add_argument("--device", default="cpu", choices=("cpu", "cuda", "mps"))
    made.add_argument("--threads", type=int, default=1)
    made.add_argument("--minutes", type=float, help="begin nothing new after so many; run again to go on")
    made.add_argument("--seeds", type=int, help="how many; fewer first and more later computes nothing twice")
    made.add_argument("--only", help="comma-separated rows of the table")
    made.add_argument("--quick", action="store_true", help="a slice on the 8 x 8 digits: does it run?")
    return made


def begin(arguments, name):
    """Pieces of this script, and the path of its table."""
    torch.set_num_threads(arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    name = f"{name}_quick" if arguments.quick else name
    return Pieces(arguments.work / name, arguments.device, arguments.minutes), arguments.out / f"{name}.json"


def wanted(arguments, names):
    """The rows to compute: all, or those of --only."""
    if not arguments.only:
        return list(names)
    chosen = arguments.only.split(",")
    unknown = [name for name in chosen if name not in names]
    if unknown:
        raise SystemExit(f"--only must name rows of {', '.join(names)}, got {', '.join(unknown)}.")
    return chosen


def rows_of(path):
    """The rows of a table's file; none where there is no file."""
    return json.loads(path.read_text())["rows"] if path.exists() else {}


def add_row(path, name, row, device):
    """Put one finished row into the table's file, beside those that are there."""
    rows = rows_of(path) | {name: row | {"with": machine(device)}}
    write_text(path, json.dumps({"rows": rows}, indent=1) + "\n")
    print(f"{path.name}: {name} {short(row)}", flush=True)
