"""A folder with data, finished and unfinished runs and a comparison, in which every bad command is tried."""

import contextlib
import hashlib
import io
import os
import shutil
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from contractive.cli._commands import app

SMALL = "--max-epochs 4 --hidden 6 --code 2 --weight 0.1 --device cpu --quiet"


def contractive(command: list[str] | str):
    """The command in this process."""
    arguments = command.split() if isinstance(command, str) else command
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})


def make(place: Path) -> None:
    """Fill the folder."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(40, 3)).astype(np.float32)
    lines = ["id,a,b,town,class"]
    lines += [f"r{i},{row[0]:.4f},{row[1]:.4f},{'uvw'[i % 3]},{'no yes'.split()[i % 2]}" for i, row in enumerate(x)]
    (place / "table.csv").write_text("\n".join(lines) + "\n")
    np.save(place / "rows.npy", x)
    with contextlib.chdir(place):
        for command in (
            f"train table.csv --drop id --one-hot town --label class --out run --objective contractive {SMALL}",
            f"train rows.npy --out rows --objective contractive {SMALL}",
            f"train rows.npy --out other --seed 1 --objective contractive {SMALL}",
            "compare digits --out compared --max-epochs 1 --seeds 1 --objectives contractive --weight 0.01 --jobs 1"
            " --hidden 8 --code 4 --quiet",
        ):
            result = contractive(command)
            assert result.exit_code == 0, result.output
        shutil.copytree("rows", "broken")  # a run that was killed before its end
        (Path("broken") / "metrics.json").unlink()
        (Path("broken") / "model.safetensors").unlink()
        contractive("encode rows rows.npy -o old.csv --quiet")


def hashes(place: Path) -> dict[str, str]:
    """Of every file and link below it what it holds."""
    found = {}
    for folder, folders, files in os.walk(place):
        for name in (*files, *folders):
            path = Path(folder) / name
            if path.is_symlink():
                found[str(path.relative_to(place))] = f"link to {os.readlink(path)}"
            elif path.is_file():
                found[str(path.relative_to(place))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def png(width: int, height: int, body: bytes = b"") -> bytes:
    """A grey PNG that claims a size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


def npy(shape: tuple, descr: str = "<f4", body: bytes = b"") -> bytes:
    """An .npy file that claims a shape and a type."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": descr, "fortran_order": False, "shape": shape})
    return out.getvalue() + body


def zip_bomb(path: Path, num_bytes: int) -> None:
    """An .npz with an array of zeros that is a thousand times its size in the file."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("X.npy", "w", force_zip64=True) as file,
    ):
        file.write(npy((num_bytes // 2**20 * 256, 1024)))
        block = bytes(2**20)
        for _ in range(num_bytes // 2**20):
            file.write(block)
