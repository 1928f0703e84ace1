"""Steps on spectra against what they are by definition, and in the preparation of rows."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.signal import savgol_filter

from contractive.data import DataError, Options, Preparation, load, open_rows, preprocess

RANDOM = np.random.default_rng(0)
CHANNELS = 30
PLACE = np.arange(CHANNELS)
ROWS = RANDOM.normal(size=(40, 4)) @ np.exp(-(((PLACE - np.array([[4], [12], [20], [26]])) / 6) ** 2)) + 3


def test_snv_gives_each_row_mean_0_and_standard_deviation_1():
    rows = preprocess(np.r_[ROWS, np.full((1, CHANNELS), 7.0)], ["snv"])
    np.testing.assert_allclose(rows.mean(1), 0, atol=1e-12)
    np.testing.assert_allclose(rows[:-1].std(1, ddof=1), 1)
    np.testing.assert_array_equal(rows[-1], 0)
    np.testing.assert_allclose(preprocess(2 * ROWS + 5, ["snv"]), preprocess(ROWS, ["snv"]))


def test_msc_takes_offset_and_slope_off_each_row():
    mean = ROWS.mean(0)
    scattered = RANDOM.normal(size=(9, 1)) + RANDOM.uniform(0.5, 2, (9, 1)) * mean
    np.testing.assert_allclose(preprocess(scattered, ["msc"], reference=mean), np.tile(mean, (9, 1)))
    slope, offset = np.polyfit(mean, ROWS[0], 1)
    np.testing.assert_allclose(preprocess(ROWS[:1], ["msc"], reference=mean)[0], (ROWS[0] - offset) / slope)


def test_detrend_takes_a_straight_line_off():
    line = np.polyval(np.polyfit(PLACE, ROWS[0], 1), PLACE)
    np.testing.assert_allclose(preprocess(ROWS[:1], ["detrend"])[0], ROWS[0] - line, atol=1e-12)


@pytest.mark.parametrize(("step", "wanted"), [("sg0", lambda x: x * x), ("sg1", lambda x: 2 * x), ("sg2", lambda x: 2)])
def test_savitzky_golay_is_exact_on_a_parabola_up_to_the_ends(step, wanted):
    rows = preprocess(PLACE[None] ** 2.0, [step], window=7)
    np.testing.assert_allclose(rows[0], np.broadcast_to(wanted(PLACE), CHANNELS), atol=1e-10)
    np.testing.assert_allclose(preprocess(ROWS, [step], window=7), savgol_filter(ROWS, 7, 2, int(step[-1])), atol=1e-12)


@pytest.mark.parametrize("steps", [["snv", "sg1"], ["msc", "detrend"], ["detrend", "snv", "sg0"]], ids=",".join)
def test_steps_follow_each_other_on_tensors_as_on_arrays(steps):
    mean = ROWS.mean(0)
    rows = ROWS
    for step in steps:
        rows = preprocess(rows, [step], reference=mean)
    np.testing.assert_allclose(preprocess(ROWS, steps, reference=mean), rows)
    np.testing.assert_allclose(preprocess(torch.from_numpy(ROWS), steps, reference=mean).numpy(), rows)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("spectra") / "spectra.csv"
    pd.DataFrame(ROWS, columns=[f"wl_{1100 + 2 * i}" for i in range(CHANNELS)]).to_csv(path, index=False)
    return path


def test_steps_are_fitted_on_the_training_rows_stored_and_applied_to_new_ones(table):
    split = load(table, options=Options(spectra=("sg0", "msc")))
    assert "Spectra were preprocessed: sg0, msc (option spectra)." in split.notes
    smooth = savgol_filter(ROWS, 11, 2)
    preparation = Preparation.from_dict(split.preparation.to_dict())
    np.testing.assert_allclose(preparation.reference, smooth[split.parts == 0].mean(0))
    rows = preprocess(smooth, ["msc"], reference=preparation.reference)
    trained = rows[split.parts == 0]
    wanted = (rows - trained.mean(0)) / np.sqrt(trained.var(0).mean())  # one scale for all
    (block,) = open_rows(table, preparation)
    np.testing.assert_allclose(block.x, wanted, atol=1e-5)
    np.testing.assert_allclose(split.train, block.x[split.parts == 0])
    again = np.stack([*preparation.inverse(block.x).values()], axis=1)
    np.testing.assert_allclose(again, rows, atol=1e-5)  # after the steps, which are not taken back


def test_a_constant_channel_keeps_its_place(tmp_path):
    rows = np.c_[ROWS, np.ones(len(ROWS))]
    pd.DataFrame(rows, columns=[str(1100 + i) for i in range(CHANNELS + 1)]).to_csv(tmp_path / "x.csv", index=False)
    assert load(tmp_path / "x.csv", options=Options(spectra=("snv",))).features == CHANNELS + 1


@pytest.mark.parametrize(
    ("step", "far", "noted"), [("sg1", 1.2, True), ("detrend", 1.2, True), ("sg1", 1.04, False), ("snv", 1.2, False)]
)
def test_channels_that_are_not_evenly_spaced_are_noted(tmp_path, step, far, noted):
    places = 1100 + np.r_[np.arange(CHANNELS - 1), CHANNELS - 2 + far]
    pd.DataFrame(ROWS, columns=[f"{place:g}" for place in places]).to_csv(tmp_path / "x.csv", index=False)
    sentence = (
        f"The channels are 1 to 1.2 apart, and {step} took them for evenly spaced: interpolate the spectra, or use snv"
        " or msc alone."
    )
    assert (sentence in load(tmp_path / "x.csv", options=Options(spectra=(step,))).notes) == noted


def test_spectra_in_the_unit_range_have_one_scale_and_pixels_stay(tmp_path):
    unit = (ROWS - ROWS.min()) / np.ptp(ROWS)
    for name, rows, scaler in (("spectra", 0.9 * unit, "common"), ("pixels", unit, "none")):
        np.save(tmp_path / f"{name}.npy", rows)
        split = load(tmp_path / f"{name}.npy", options=Options(validation_share=0.025, test_share=0.025))
        held_out = unit[split.parts > 0]
        assert ((held_out > 0) & (held_out < 1)).all(), "extremes must be training rows"
        assert split.preparation.scaler == scaler
    split = load(tmp_path / "spectra.npy")
    assert "Columns are one signal: their means were taken off, and one scale is for all (option scale)." in split.notes
    np.testing.assert_allclose(split.train.var(0).mean(), 1, rtol=1e-5)
    assert np.ptp(split.preparation.scale) == 0


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"spectra": ("snv", "snv")}, "spectra must name each step once, got snv,snv"),
        ({"spectra": ("sg1",), "spectra_window": 10}, "spectra_window must be odd and above 2, got 10"),
        ({"spectra": ("sg1",), "spectra_window": 31}, "spectra must be for 31 to 4096 channels here, got 30"),
        ({"spectra": ("snv",), "window": 3}, "spectra must be left out with `window`, got snv"),
        ({"spectra": ("whiten",)}, "spectra must be one of snv, msc, detrend, sg0, sg1, sg2, got 'whiten'"),
    ],
)
def test_steps_that_do_not_fit_are_refused(options, rule, table):
    with pytest.raises(DataError if "whiten" not in rule else ValueError, match=rule):
        load(table, options=Options(**options))


def test_columns_that_are_no_spectrum_are_refused(table, tmp_path):
    frame = pd.read_csv(table)
    frame.assign(old=[True, False] * 20).to_csv(tmp_path / "mixed.csv", index=False)
    with pytest.raises(DataError, match="columns must all be numbers for `spectra`, got others"):
        load(tmp_path / "mixed.csv", options=Options(spectra=("snv",)))
    frame[frame.columns[[1, 0, *range(2, CHANNELS)]]].to_csv(tmp_path / "order.csv", index=False)
    with pytest.raises(DataError, match="columns must lie in the order of their wavelengths for `spectra`"):
        load(tmp_path / "order.csv", options=Options(spectra=("snv",)))
    np.save(tmp_path / "flat.npy", np.repeat(RANDOM.normal(size=(40, 1)), CHANNELS, axis=1))
    with pytest.raises(DataError, match="spectra must leave out msc where the mean spectrum is constant"):
        load(tmp_path / "flat.npy", options=Options(spectra=("msc",)))
    prepared = load(table, options=Options(spectra=("snv",))).preparation
    with pytest.raises(DataError, match="spectra_window must be odd"):
        dataclasses.replace(prepared, spectra_window=4)
