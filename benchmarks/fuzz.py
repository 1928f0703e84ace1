"""Feed damaged files to every reader: they are read, or refused with one line. Nothing else may come out.

    python benchmarks/fuzz.py --minutes 10 --out benchmarks/results/fuzz.json

Valid files are mutated (bytes changed, cut out, doubled, put in; members of archives and entries of JSON as well) and
read in forked processes with a limit on memory and a time limit per file. A case can be repeated by its number:
`--only npz --case 1234`.
"""

import argparse
import copy
import gzip
import io
import json
import math
import os
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

MEMORY = 2 * 2**30  # bytes beyond what the process has when it begins
SECONDS = 10  # of the processor, per case
HANGING = 300  # seconds of the clock: a busy machine may stop a process for a while
BATCH = 200  # cases per process
INTERESTING = (
    b"\xff" * 8, b"\0" * 8, b"\x7f" + b"\xff" * 7, b"\x00\x00\x00\x80", b"nan", b"inf", b"1e999", b"-1", b'"', b"'",
    b",", b"\n", b"\r", b";", b"\t", b"\\", b"{", b"[" * 50, b"99999999999999999999", b"O8", b"|O", b"<f8", b"None",
    b"\xfe\xff",
)  # fmt: skip
VALUES = (
    None, True, False, 0, -1, 1, 3, 2**31, 2**63, 10**400, 0.5, -0.0, float("nan"), float("inf"), "", "x", "os.system",
    "__import__('os')", "../../x", "\udcff", [], [[]], {}, {"a": []}, [None], ["x"], [1.5], [-1], 1e308,
)  # fmt: skip


def mutated(content: bytes, draw: random.Random) -> bytes:
    """The content with a few faults; now and then any bytes at all."""
    if draw.random() < 0.03:
        return draw.randbytes(draw.randrange(400))
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 3, 8))):
        at = draw.randrange(len(data) + 1)
        if draw.random() < 0.4:
            at = min(at, draw.randrange(200))  # headers are where it matters
        length = draw.choice((1, 1, 2, 4, 8, draw.randrange(1, 60)))
        what = draw.choice(("flip", "random", "known", "cut", "insert", "double", "end"))
        if what == "flip" and at < len(data):
            data[at] ^= 1 << draw.randrange(8)
        elif what == "random":
            data[at : at + length] = draw.randbytes(length)
        elif what == "known":
            known = draw.choice(INTERESTING)
            data[at : at + len(known)] = known
        elif what == "cut":
            del data[at : at + length]
        elif what == "insert":
            data[at:at] = draw.choice(INTERESTING)
        elif what == "double":
            data[at:at] = data[at : at + length]
        elif what == "end" and draw.random() < 0.3:
            del data[at:]
    return bytes(data)


def mutated_archive(content: bytes, draw: random.Random) -> bytes:
    """An archive whose members have faults, or whose own bytes have."""
    if draw.random() < 0.4:
        return mutated(content, draw)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        names = old.namelist()
        bad = draw.choice(names)
        for name in names:
            if name == bad and draw.random() < 0.1:
                continue
            new.writestr(name, mutated(old.read(name), draw) if name == bad else old.read(name))
    return out.getvalue()


def mutated_json(content: bytes, draw: random.Random) -> bytes:
    """JSON with entries replaced, left out or added, or with faults in its bytes."""
    if draw.random() < 0.25:
        return mutated(content, draw)
    document = json.loads(content)
    for _ in range(draw.choice((1, 1, 2, 4))):
        place = document
        while isinstance(place, dict | list) and place:
            key = draw.choice(list(place)) if isinstance(place, dict) else draw.randrange(len(place))
            if isinstance(place[key], dict | list) and place[key] and draw.random() < 0.8:
                place = place[key]
                continue
            if draw.random() < 0.15:
                del place[key]
            else:
                place[key] = copy.deepcopy(draw.choice(VALUES))
            break
    return json.dumps(document).encode()


def arrays():
    return np.random.default_rng(0).normal(size=(24, 3)).astype(np.float32)


def saved(save) -> bytes:
    out = io.BytesIO()
    save(out)
    return out.getvalue()


def a_table() -> bytes:
    lines = ["a,b,day,town"]
    lines += [f"{x:.4f},{y:.4f},2020-01-{i + 1:02},{'uv'[i % 2]}" for i, (x, y, _) in enumerate(arrays())]
    return "\n".join(lines).encode()


def an_arrow_table():
    import pyarrow as pa

    x = arrays()
    towns = pa.array(["u", "v"] * 12).dictionary_encode()
    return pa.table({"a": x[:, 0], "b": x[:, 1], "n": np.arange(24), "flag": np.arange(24) % 2 == 0, "town": towns})


def a_parquet() -> bytes:
    import pyarrow.parquet as pq

    return saved(lambda out: pq.write_table(an_arrow_table(), out, row_group_size=10))


def a_feather() -> bytes:
    from pyarrow import feather

    return saved(lambda out: feather.write_feather(an_arrow_table(), out, compression="lz4"))


def a_sheet() -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["a", "b", "flag", "town"])
    for i, (x, y, _) in enumerate(arrays().tolist()):
        book.active.append([x, y, i % 2 == 0, "uv"[i % 2]])
    return saved(book.save)


def cells(form: str) -> bytes:
    """An .h5ad file, its matrix dense or sparse."""
    import h5py
    from scipy import sparse

    x, out = arrays(), io.BytesIO()
    with h5py.File(out, "w") as file:
        packed = sparse.csr_array(x)
        if form == "dense":
            file.create_dataset("X", data=x, chunks=(10, 3), compression="gzip")
        for part in ("data", "indices", "indptr") if form == "sparse" else ():
            file[f"X/{part}"] = getattr(packed, part)
        file["X"].attrs.update({"encoding-type": "csr_matrix", "shape": x.shape})
        for name, size in (("obs", 24), ("var", 3)):
            file[f"{name}/_index"] = np.array([f"{name}{i}" for i in range(size)], object)
            file[name].attrs["_index"] = "_index"
    return out.getvalue()


def a_png(seed: int = 0) -> bytes:
    from PIL import Image

    picture = Image.fromarray(np.random.default_rng(seed).integers(0, 255, (9, 7, 3), dtype=np.uint8))
    return saved(lambda out: picture.save(out, "PNG"))


def an_idx() -> bytes:
    return gzip.compress(struct.pack(">4B3I", 0, 0, 8, 3, 4, 5, 6) + bytes(120))


def read_rows(path: Path) -> None:
    """Load, keep and load the preparation, go through the rows again."""
    from contractive.data import Options, Preparation, load, open_rows

    table = path.suffix in (".csv", ".tsv", ".parquet", ".feather", ".xlsx")
    split = load(path, options=Options(one_hot=table or (), impute="mean"))
    Preparation.from_dict(json.loads(json.dumps(split.preparation.to_dict())))
    assert np.isfinite(split.train[:]).all()
    for block in open_rows(path, split.preparation):
        assert np.isfinite(block.x).all()


def read_streamed(path: Path) -> None:
    from contractive.data import Options, load

    split = load(path, options=Options(one_hot=True, stream=True, impute="mean"))
    assert np.isfinite(split.train[:]).all()


def read_idx_file(path: Path) -> None:
    from contractive.data import read_idx

    read_idx(path)


def read_run(path: Path) -> None:
    """All that a run folder says, and its model on a row."""
    import torch

    from contractive.studies.runs import open_run

    run = open_run(path.parent)
    run.metrics()
    run.history()
    run.model()(torch.zeros(1, run.preparation.features))
    run.preparation.inverse(np.zeros((1, run.preparation.features)))
    run.load_data()


def read_model(path: Path) -> None:
    import torch

    from contractive import load

    load(path.parent)(torch.zeros(1, 4))


def read_checkpoint_file(path: Path) -> None:
    from contractive.training import read_checkpoint

    read_checkpoint(path)


def a_run(place: Path) -> Path:
    """A finished run with its checkpoint."""
    from contractive.data import load
    from contractive.studies import runs

    table = place / "table.csv"
    table.write_bytes(a_table())
    from contractive.data import Options

    options = Options(one_hot=("town",))
    split = load(table, options=options)
    # random weights to begin with: such a run keeps its checkpoint
    settings = runs.AutoencoderSettings.of(weight=0.1, max_epochs=2, hidden=(5,), code=2, device="cpu", start="random")
    runs.train(split, settings, place / "run", progress=False)
    return place / "run"


def a_model(place: Path) -> Path:
    import contractive as ct

    ct.save(ct.mlp(4, code=2), place / "model")
    return place / "model"


def readers(place: Path) -> dict:
    """Of each reader its valid content, how it is damaged, where it is put and what reads it."""
    run, model = a_run(place), a_model(place)
    files = {
        "csv": (a_table(), mutated, read_rows),
        "tsv": (a_table().replace(b",", b"\t"), mutated, read_rows),
        "npy": (saved(lambda out: np.save(out, arrays())), mutated, read_rows),
        "npz": (saved(lambda out: np.savez_compressed(out, X=arrays(), y=np.arange(24))), mutated_archive, read_rows),
        "parquet": (a_parquet(), mutated, read_rows),
        "parquet, streamed": (a_parquet(), mutated, read_streamed),
        "feather": (a_feather(), mutated, read_rows),
        "xlsx": (a_sheet(), mutated_archive, read_rows),
        "h5ad": (cells("dense"), mutated, read_rows),
        "h5ad, sparse": (cells("sparse"), mutated, read_rows),
        "gz": (an_idx(), mutated, read_idx_file),
        "idx": (an_idx(), lambda x, draw: gzip.compress(mutated(gzip.decompress(x), draw), 1), read_idx_file),
    }
    table = {
        name: (content, damage, lambda w, n=name: w / f"x.{n.split(',')[0]}", read)
        for name, (content, damage, read) in files.items()
    }

    def png(path: Path) -> None:
        read_rows(path.parent)

    table["png"] = (a_png(), mutated, lambda work: work / "images" / "b.png", png)
    for name, damage in {
        "config.json": mutated_json,
        "metrics.json": mutated_json,
        "history.csv": mutated,
    }.items():
        table[name] = ((run / name).read_bytes(), damage, lambda work, n=name: work / "run" / n, read_run)
    weights = (model / "model.safetensors").read_bytes()
    table["safetensors"] = (weights, mutated, lambda work: work / "model" / "model.safetensors", read_model)
    recipe = (model / "config.json").read_bytes()
    table["model config.json"] = (recipe, mutated_json, lambda work: work / "model" / "config.json", read_model)
    checkpoint = (run / "checkpoints" / "last.ckpt").read_bytes()
    table["checkpoint"] = (checkpoint, mutated_archive, lambda work: work / "last.ckpt", read_checkpoint_file)
    return table


def prepared(place: Path, work: Path) -> None:
    """A folder of one process with whole files around the damaged one."""
    shutil.copytree(place / "run", work / "run", ignore=shutil.ignore_patterns("logs"))
    shutil.copytree(place / "model", work / "model")
    (work / "images").mkdir()
    for i, name in enumerate("acdefghijkl"):
        (work / "images" / f"{name}.png").write_bytes(a_png(i + 1))


def read_one(content: bytes, path: Path, read) -> tuple[str, str]:
    """What came of one file: read, refused or escaped, and the words."""
    from contractive.data import DataError
    from contractive.models import StorageError
    from contractive.studies.runs import RunError
    from contractive.training import CheckpointError

    path.write_bytes(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read(path)
    except (DataError, RunError, StorageError, CheckpointError) as error:
        words = str(error)
        return ("escaped", f"several lines: {words!r}") if "\n" in words or len(words) > 1500 else ("refused", words)
    except BaseException:
        return "escaped", traceback.format_exc()
    return "read", ""


def limited() -> None:
    """Less memory for this process from here on."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)


def in_child(name: str, entry: tuple, first: int, most: int, until: float, place: Path) -> list[dict]:
    """Read up to `most` cases in a forked process, until that time; a case without a result ended the process."""
    content, damage, where, read = entry
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "work"
        work.mkdir()
        log = Path(folder) / "log"
        child = os.fork()
        if child == 0:
            try:
                prepared(place, work)
                limited()
                silence = os.open(os.devnull, os.O_WRONLY)
                os.dup2(silence, 2)
                with log.open("w") as out:
                    for case in range(first, first + most):
                        if time.monotonic() > until:
                            break
                        print(json.dumps({"case": case}), file=out, flush=True)
                        signal.setitimer(signal.ITIMER_PROF, SECONDS)
                        signal.alarm(HANGING)
                        bad = damage(content, random.Random(f"{name} {case}"))
                        result, words = read_one(bad, where(work), read)
                        signal.setitimer(signal.ITIMER_PROF, 0)
                        signal.alarm(0)
                        print(json.dumps({"case": case, "result": result, "words": words}), file=out, flush=True)
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    done = [line for line in lines if "result" in line]
    if len(lines) != 2 * len(done):
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        result = "too slow" if number in (signal.SIGALRM, signal.SIGPROF) else "crashed"
        done.append({"case": lines[-1]["case"], "result": result, "words": f"signal {number}"})
    return done


def campaign(
    seconds: float, only: str | None = None, report=lambda words: None, *, cases_each: int | None = None
) -> dict:
    """Counts per reader, and the cases that were neither read nor refused.

    Args:
        seconds: Of the whole campaign.
        only: The one reader to try; all if None.
        report: Called with every failure.
        cases_each: So many cases of every reader, instead of as many as the time allows.
    """
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        table = {name: entry for name, entry in readers(place).items() if only in (None, name)}
        for name, (content, _, where, read) in table.items():
            work = place / f"whole {name}"
            work.mkdir()
            prepared(place, work)
            result, words = read_one(content, where(work), read)
            assert result == "read", f"the whole {name} must be read, got {words}"
        counts = {name: Counter() for name in table}
        reasons = {name: set() for name in table}
        failures, end = [], time.monotonic() + seconds if cases_each is None else math.inf

        def try_cases(name: str, most: int, until: float) -> None:
            for line in in_child(name, table[name], counts[name].total(), most, until, place):
                counts[name][line["result"]] += 1
                if line["result"] == "refused":
                    reasons[name].add(" ".join(word for word in line["words"].split() if word.isalpha())[-60:])
                elif line["result"] != "read":
                    failures.append({"reader": name, **line})
                    report(json.dumps(failures[-1]))

        for name in table if cases_each is not None else ():
            while counts[name].total() < cases_each:
                try_cases(name, cases_each - counts[name].total(), math.inf)
        while time.monotonic() < end < math.inf:
            for i, name in enumerate(table):
                left = end - time.monotonic()
                try_cases(name, BATCH, time.monotonic() + max(0.15, min(5.0, left / (len(table) - i))))
    return {
        "cases": sum(count.total() for count in counts.values()),
        "failures": len(failures),
        "minutes": round(seconds / 60, 2),
        "memory_limit_bytes": MEMORY,
        "seconds_per_case": SECONDS,
        "readers": {
            name: {**{k: count[k] for k in ("read", "refused", "escaped", "crashed", "too slow")},
                   "different_messages": len(reasons[name])}
            for name, count in counts.items()
        },
        "failed": failures,
    }  # fmt: skip


def repeated(name: str, case: int) -> None:
    """One case again, in this process, its error not caught."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        content, damage, where, read = readers(place)[name]
        work = place / "work"
        work.mkdir()
        prepared(place, work)
        bad = damage(content, random.Random(f"{name} {case}"))
        print(bad[:3000])
        where(work).write_bytes(bad)
        read(where(work))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--only")
    parser.add_argument("--case", type=int)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.case is not None:
        repeated(options.only, options.case)
        sys.exit(0)
    found = campaign(60 * options.minutes, options.only, lambda words: print(words, file=sys.stderr, flush=True))
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    print(f"{found['cases']} cases, {found['failures']} failures")
    sys.exit(found["failures"] > 0)
