"""Train on a table, export the encoder as ONNX, and run it without torch: raw numbers in, codes out.

python examples/export_onnx.py
"""

import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from sklearn.datasets import load_wine

from contractive import data
from contractive.studies import runs
from contractive.studies.export import export


def main(epochs=20, folder=None):
    folder = Path(folder or tempfile.mkdtemp())
    table = load_wine(as_frame=True).frame
    table.to_csv(folder / "wine.csv", index=False)
    split = data.load(folder / "wine.csv", options=data.Options(label="target"))
    settings = runs.AutoencoderSettings.of(max_epochs=epochs, weight=0.1, device="cpu")
    runs.train(split, settings, folder / "run", progress=False)

    run = runs.open_run(folder / "run")
    path = export(run, folder / "encoder.onnx", part="encoder", overwrite=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    rows = table[[*run.preparation.feature_names]].to_numpy(np.float32)  # unscaled, in the run's order
    codes = session.run(["y"], {"x": rows})[0]

    with torch.no_grad():
        expected = run.model().encode(torch.from_numpy(run.preparation.transform(table))).numpy()
    difference = float(np.abs(codes - expected).max())
    print(f"{path}: {path.stat().st_size / 1e3:.0f} kB, codes {codes.shape}, largest difference {difference:.1e}")
    return {"codes": codes.shape, "difference": difference}


if __name__ == "__main__":
    main()
