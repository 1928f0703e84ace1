"""Small data and settings for sweeps."""

import numpy as np

from contractive import data
from contractive.studies import runs
from contractive.studies.sweep import SweepTrial

FITS = runs.AutoencoderSettings.of(
    objective="contractive",
    hidden=(8,),
    code=3,
    max_epochs=8,
    batch_size=16,
    learning_rate=0.02,
    device="cpu",
    schedule="constant",
)


def write_data(folder, seed=0):
    generator = np.random.default_rng(seed)
    rows = 1 / (1 + np.exp(-3 * generator.normal(size=(160, 2)) @ generator.normal(size=(2, 6))))
    path = folder / f"data{seed}.npz"
    np.savez(path, x=rows.astype(np.float32), y=(rows[:, 0] > 0.5).astype(np.int64))
    return path


def split_of(path):
    return data.load(path, options=data.Options(label="y"))


def trial(number, weight, error, sensitivity, accuracy=None, **more):
    metrics = {"reconstruction_error": error, "scale_free_sensitivity": sensitivity, "squared_norm": 1.0, "r2": 0.5}
    metrics |= {} if accuracy is None else {"probe_accuracy": accuracy}
    return SweepTrial(number, weight, **{"metrics": metrics, "test": dict(metrics)} | more)
