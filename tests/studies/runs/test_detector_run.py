import csv
import json
import pickle
import re
import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

import contractive as ct
from contractive.batch import Encoder, Scorer
from contractive.cli._commands import app
from contractive.data import DataError, Mismatches, Options, load, open_rows
from contractive.report import detector_html, detector_sentences, drift_html, drift_sentence
from contractive.studies.runs import (
    AutoencoderRun,
    AutoencoderSettings,
    DetectorRun,
    DetectorSettings,
    RunError,
    drift,
    encode,
    open_run,
    score,
    train,
)

pytestmark = pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")
COLUMNS = ("id", "time", "temperature", "pressure", "mode", "bad")


def write(path, rows, seed, columns=COLUMNS):
    """A table of a sensor: the pressure is twice the temperature, more in mode a; every tenth row breaks that."""
    random = np.random.RandomState(seed)
    with open(path, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(columns)
        for number in range(rows):
            bad, mode = int(number % 10 == 9), "ab"[number % 2]
            temperature = random.normal(20, 3)
            pressure = 2 * temperature + (5 if mode == "a" else -5) + random.normal(0, 0.3) + 15 * bad
            values = (
                number,
                f"2024-01-{1 + number // 24:02d}T{number % 24:02d}:00:00",
                temperature,
                pressure,
                mode,
                bad,
            )
            table.writerow([value for name, value in zip(COLUMNS, values, strict=True) if name in columns])
    return path


SETTINGS = DetectorSettings(max_epochs=15, code=32, false_alarm_rate=0.1)
TINY = {"max_epochs": 1, "code": 4}
READING = Options(label="bad", drop=("id",), one_hot=("mode",))


def detect(data, settings, out, options=Options(), **others):  # noqa: B008
    train(load(data, seed=settings.seed, options=options), settings, out, **others)
    return open_run(out, DetectorRun)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("detection")
    return detect(write(folder / "old.csv", 240, 0), SETTINGS, folder / "run", options=READING, command="typed")


def test_it_learns_from_normal_rows_without_time_stamps_and_is_tested_on_others(run):
    document = run.metrics()
    assert run.preparation.column_names() == ("temperature", "pressure", "mode")
    assert "Columns of dates are no features: time." in run.document.notes
    assert (run.settings.support_fraction, run.detector.score_by_) == (1.0, "novelty")
    assert document.trained_rows == 204 - 20  # 85 % of the rows, a tenth of which is left out
    tested = document.tested
    assert (tested.rows, tested.normal) == (36, 32)
    assert sum(tested.histogram) == 32
    assert [each.score for each in tested.ranking] == ["detector", "5 neighbours", "isolation forest"]
    for each in tested.ranking:
        assert np.trapezoid([0, *each.found], [0, *each.false_alarms]) == pytest.approx(each.auroc)
        assert np.diff([0, *each.found]) @ each.precision == pytest.approx(each.average_precision)
    assert tested.ranking[0].auroc > 0.95
    assert len(document.unusual) == 10
    assert re.fullmatch(r"id \d+, time 2024-01-\d\d \d\d:00:00", document.unusual[0].name)
    assert [row.score for row in document.unusual] == sorted((row.score for row in document.unusual), reverse=True)
    assert document.smallest_rate == pytest.approx(1 / 185)
    assert {bound.column for bound in document.bounds} == {"temperature", "pressure"}
    assert all(bound.low < 20 < bound.high or bound.low < 40 < bound.high for bound in document.bounds)


@pytest.mark.parametrize("steps", [(), ("snv",)])
def test_spectra_in_a_table_are_drawn_and_bounds_are_of_rows_as_they_came(steps, tmp_path):
    random = np.random.RandomState(0)
    bumps = np.exp(-np.square(np.linspace(-3, 3, 20) - random.randn(60, 1)))
    values = bumps + 0.01 * random.randn(60, 20)
    names = [f"{1000 + 10 * at}nm" for at in range(20)]
    pa_csv.write_csv(pa.table(dict(zip(names, values.T, strict=True))), tmp_path / "spectra.csv")
    settings = DetectorSettings(**TINY, score_by="structured")
    found = detect(tmp_path / "spectra.csv", settings, tmp_path / "run", Options(spectra=steps)).metrics()
    assert found.looks.kind == "curves"
    assert found.looks.observed.shape == found.looks.reconstructed.shape == (len(found.unusual), 20)
    assert len(found.bounds) == (0 if steps else 20)


def test_what_is_opened_is_what_was_written(run):
    again = open_run(run.folder)
    assert type(again) is DetectorRun
    assert (again.document, again.metrics()) == (run.document, run.metrics())
    assert again.settings == replace(SETTINGS, support_fraction=1.0)  # the label says which rows are normal
    assert (again.finished, again.num_units) == (True, 32)
    assert torch.equal(again.model().encoder[0].weight, run.detector.autoencoder_.encoder[0].weight)
    assert [row["epoch"] for row in again.history()] == [*range(1, 16)]
    x = np.random.RandomState(0).standard_normal((5, run.preparation.features)).astype(np.float32)
    np.testing.assert_array_equal(again.detector.score_samples(x), run.detector.score_samples(x))


def scores(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_new_rows_are_scored_with_reasons_in_their_units(run, tmp_path):
    new, seen = write(tmp_path / "new.csv", 60, 1), []
    found = score(run, new, tmp_path / "out.csv", pass_through=("id", "time"), on_progress=seen.append)
    rows = scores(tmp_path / "out.csv")
    assert seen == [60]
    assert [*rows[0]] == ["id", "time", "score", "p_value", "flagged", "reason_1", "reason_2", "reason_3"]
    assert (found.rows, found.flagged) == (60, sum(row["flagged"] == "1" for row in rows))
    assert found.share == found.flagged / 60
    bad = [number % 10 == 9 for number in range(60)]
    assert roc_auc_score(bad, [float(row["score"]) for row in rows]) > 0.95
    assert all(row["flagged"] == "1" for row, is_bad in zip(rows, bad, strict=True) if is_bad)
    for row in rows:
        assert (float(row["p_value"]) <= 0.1) == (row["flagged"] == "1") == bool(row["reason_1"])
    reasons = " ".join(row["reason_1"] for row, is_bad in zip(rows, bad, strict=True) if is_bad)
    assert "pressure" in reasons
    errors = [
        abs(float(words[4]) - (float(words[1]) - 15))
        for words in (row["reason_1"].split() for row, is_bad in zip(rows, bad, strict=True) if is_bad)
        if words[0] == "pressure"
    ]
    assert min(errors) < 3  # half a standard deviation of the pressure, in its unit


def test_a_false_discovery_rate_is_of_the_whole_file(run, tmp_path):
    new = write(tmp_path / "new.csv", 80, 2)
    run.detector.set_params(false_discovery_rate=0.2)
    try:
        found = score(run, new, tmp_path / "out.csv")
        p_values = np.array([float(row["p_value"]) for row in scores(tmp_path / "out.csv")])
        # the largest k with p_(k) <= k/n 0.2
        ordered = np.sort(p_values)
        holds = np.flatnonzero(ordered <= 0.2 * np.arange(1, 81) / 80)
        assert found.flagged == (holds[-1] + 1 if len(holds) else 0)
        assert found.flagged > 0
    finally:
        run.detector.set_params(false_discovery_rate=None)


def test_a_table_without_label_is_learned_from_whole(tmp_path):
    columns = ("temperature", "pressure")
    folder = write(tmp_path / "plain.csv", 60, 3, columns)
    run = detect(folder, DetectorSettings(**TINY), tmp_path / "run")
    assert run.metrics().trained_rows == 51
    assert (run.settings.support_fraction, run.detector.score_by_) == (None, "table")
    assert run.metrics().tested.ranking == ()
    assert len(detector_sentences(run)) == 2
    assert "anomalies" not in detector_html(run).split('<script type="application/gzip"')[0]


def sine(path, rows, seed, displaced=slice(0)):
    """Two sensors that swing with a period of 16 minutes, one of them displaced in time for a while."""
    random, at = np.random.RandomState(seed), np.arange(rows)
    first = np.sin(2 * np.pi * at / 16)
    first[displaced] = np.sin(2 * np.pi * (at[displaced] + 5) / 16)
    table = pa.table({
        "time": np.datetime64("2024-01-01T00:00:00") + 60 * at,
        "first": first + 0.05 * random.randn(rows),
        "second": np.cos(2 * np.pi * at / 16) + 0.05 * random.randn(rows),
    })  # fmt: skip
    pa_csv.write_csv(table, path)
    return path


def test_windows_of_a_displaced_stretch_are_flagged_with_their_time(tmp_path):
    data = sine(tmp_path / "old.csv", 500, 0)
    command = ["detect", str(data), "-o", str(tmp_path / "run"), "--time", "time", "--window", "16", "--step", "4"]
    made = CliRunner().invoke(app, [*command, "--max-epochs", "10", "--code", "8", "--false-alarm-rate", "0.1"])
    assert made.exit_code == 0, made.output
    assert "a rate of false alarms is approximate" in " ".join(made.output.split())
    run = open_run(tmp_path / "run", DetectorRun)
    rows = run.document.data.rows
    assert run.detector.smallest_false_alarm_rate_ == 1 / (1 + rows["validation"])  # later windows alone calibrate
    assert run.metrics().trained_rows == rows["train"] + rows["validation"]
    first = run.metrics().unusual[0].name
    assert first.startswith("2024-01-01 ")
    assert f"{run.metrics().looks.columns[0]}, {first}" in detector_html(run)
    new = sine(tmp_path / "new.csv", 120, 1, slice(60, 90))
    found = score(run, new, tmp_path / "out.csv", pass_through=("second",))
    windows = scores(tmp_path / "out.csv")
    assert [*windows[0]][:5] == ["window_from", "window_to", "second", "score", "p_value"]
    assert found.rows == len(windows) == len(range(0, 105, 4))
    minutes = [
        [int(np.datetime64(row[at][:19]).astype(int) // 60 % 1440) for at in ("window_from", "window_to")]
        for row in windows
    ]
    assert minutes == [[begin, begin + 15] for begin in range(0, 105, 4)]
    strange = [min(end, 89) - max(begin, 60) >= 6 for begin, end in minutes]
    assert all(row["flagged"] == "1" for row, is_strange in zip(windows, strange, strict=True) if is_strange)
    assert all(
        row["reason_1"].startswith("first") for row, is_strange in zip(windows, strange, strict=True) if is_strange
    )
    quiet = [row["flagged"] for row, (begin, end) in zip(windows, minutes, strict=True) if end < 60 or begin > 89]
    assert quiet.count("1") < len(quiet) / 2
    with pytest.raises(ValueError, match="run must be of single rows, got one of windows"):
        Scorer(run.folder)


def test_labels_other_than_0_and_1_are_refused(tmp_path):
    path = write(tmp_path / "old.csv", 40, 0)
    with pytest.raises(
        DataError, match=r"label must be a column of 0 for normal rows and 1 for anomalies, got 'a', 'b'"
    ):
        detect(path, SETTINGS, tmp_path / "run", options=Options(label="mode", drop=("id",)))


def test_a_label_must_leave_normal_rows(tmp_path):
    path = write(tmp_path / "t.csv", 60, 0)
    path.write_text(path.read_text().replace(",0\n", ",1\n"))
    with pytest.raises(ValueError, match="label must leave at least 4 normal rows to learn from, got 0"):
        detect(path, SETTINGS, tmp_path / "run", options=READING)


def test_labels_must_be_known_of_all_rows(tmp_path):
    path = tmp_path / "old.csv"
    rows = [f"{number},{number % 7},{number % 2 if number > 9 else ''}" for number in range(40)]
    path.write_text("\n".join(["a,b,bad", *rows]))
    with pytest.raises(DataError, match=r"label must be a column of 0 .* got rows without a label\. .*`drop`"):
        detect(path, SETTINGS, tmp_path / "run", options=Options(label="bad"))


def test_dates_are_features_where_they_are_asked_for(tmp_path):
    columns = ("time", "temperature")
    path = write(tmp_path / "old.csv", 60, 3, columns)
    settings = DetectorSettings(**TINY, dates=True)
    assert detect(path, settings, tmp_path / "run").preparation.column_names() == columns
    with pytest.raises(DataError, match=r"must have a column that is no date, got time\. Set `dates`"):
        detect(path, SETTINGS, tmp_path / "other", options=Options(drop=("temperature",)))


def test_a_resumed_run_ends_with_the_same_detector(tmp_path, monkeypatch):
    data, settings = write(tmp_path / "plain.csv", 30, 3, ("temperature", "pressure")), DetectorSettings(**TINY)
    whole, stopped = detect(data, settings, tmp_path / "whole"), tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(ct.ContractiveOutlierDetector, "save", lambda self, folder: (_ for _ in ()).throw(MemoryError))
        with pytest.raises(MemoryError):
            train(load(data), settings, stopped)
    opened = open_run(stopped, DetectorRun)
    assert not opened.finished
    with pytest.raises(RunError, match="is not finished"):
        detector_html(opened)
    with pytest.raises(RunError, match="interrupted before it had a model"):
        opened.detector  # noqa: B018
    train(opened.load_data(), opened.settings, stopped, resume=True)
    assert open_run(stopped).metrics() == whole.metrics()
    with pytest.raises(RunError, match=r"resume must continue with the settings of the run, got code 5"):
        train(load(data), replace(settings, code=5), stopped, resume=True)


def test_networks_that_collapse_are_one_sentence(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32))
    settings = DetectorSettings(max_epochs=1, code=2, weight=1e20)
    train(load(tmp_path / "x.npy"), settings, tmp_path / "run")
    warned = open_run(tmp_path / "run", DetectorRun).finished_metrics().warnings
    assert [text for text in warned if "no better than that of the data's mean" in text] == [warned[0]]
    assert re.search(r"\. So did \d+ more of the networks\.$", warned[0])


def test_what_is_no_detector_is_refused(run, tmp_path):
    with pytest.raises(RunError, match=r"run must be a folder that contractive detect wrote, got .* without config"):
        open_run(tmp_path, DetectorRun)
    with pytest.raises(RunError, match=r"train wrote, got .* with the detector of contractive detect\. Its commands"):
        open_run(run.folder, AutoencoderRun)
    with pytest.raises(
        RunError, match=r"run must hold one network, got .*, which holds a detector\. Use contractive score"
    ):
        encode(run, run.document.source.data, tmp_path / "codes.npy")


def test_a_file_is_not_written_over_its_data(run, tmp_path):
    new = write(tmp_path / "new.csv", 20, 1)
    with pytest.raises(DataError, match="out must be another file than the data"):
        score(run, new, new, overwrite=True)


def test_a_changed_detector_is_refused(run, tmp_path):
    shutil.copytree(run.folder, tmp_path / "run")
    other = ct.ContractiveOutlierDetector(max_epochs=1, random_state=0).fit(np.random.RandomState(0).rand(40, 2))
    other.save(tmp_path / "run" / "detector")
    with pytest.raises(RunError, match="does not hold a detector of its 4 features"):
        open_run(tmp_path / "run", DetectorRun).detector  # noqa: B018
    (tmp_path / "run" / "detector" / "estimator.json").write_text("{}")
    with pytest.raises(RunError, match="does not hold the detector of the run"):
        open_run(tmp_path / "run", DetectorRun).detector  # noqa: B018


def test_a_wrong_setting_is_refused():
    with pytest.raises(ValueError, match=r"false_alarm_rate must be above 0 and at most 0\.5, got 0\.7"):
        DetectorSettings(false_alarm_rate=0.7)


def test_the_page_shows_the_rows_their_reasons_and_the_bounds(run):
    html = detector_html(run)
    text = html.split('<script type="application/gzip"')[0]
    assert "Unusual rows of <em>old</em>" in text
    assert all(f"<h3>{row.name}</h3>" in text for row in run.metrics().unusual)
    assert all(reason.column in text for row in run.metrics().unusual for reason in row.reasons)
    assert "Values that are always flagged" in text
    assert "http" not in text.replace("http-equiv", "")
    figures = json.loads(html.split('id="figures">')[1].split("</script>")[0])
    assert figures["p-values"]["data"][0]["y"] == [*run.metrics().tested.histogram]
    assert [line["name"] for line in figures["ranking"]["data"][::2]] == [
        "detector",
        "5 neighbours",
        "isolation forest",
    ]
    reasons = [reason for row in run.metrics().unusual for reason in row.reasons]
    largest = max(reason.fall for reason in reasons)
    assert all(f"width: {100 * reason.fall / largest:.1f}%" in text for reason in reasons)
    assert all(f"<td>{value}</td>" in text for reason in reasons for value in (reason.usual, reason.repaired))


def test_the_commands_detect_and_score(tmp_path):
    old, new = write(tmp_path / "old.csv", 120, 0), write(tmp_path / "new.csv", 40, 1)
    out, table = tmp_path / "run", tmp_path / "scores.csv"
    common = ["--drop", "id", "--one-hot", "mode", "--label", "bad", "--max-epochs", "8", "--code", "16"]
    found = CliRunner().invoke(app, ["detect", str(old), "-o", str(out), *common, "--false-alarm-rate", "0.1"])
    assert found.exit_code == 0, found.output
    assert "At a false-alarm rate of 10" in found.output
    assert (out / "report.html").exists()
    again = CliRunner().invoke(app, ["detect", str(old), "-o", str(out), *common])
    assert again.exit_code == 2
    scored = CliRunner().invoke(app, ["score", str(out), str(new), "-o", str(table), "--json", "--pass-through", "id"])
    assert scored.exit_code == 0, scored.output
    totals = json.loads(scored.output)
    assert totals["rows"] == 40 == len(scores(table))
    assert totals["share"] == totals["flagged"] / 40
    alarm = ["score", str(out), str(new), "-o", str(table), "--force", "--fail-above"]
    assert CliRunner().invoke(app, [*alarm, "0"]).exit_code == 3
    assert CliRunner().invoke(app, [*alarm, "1"]).exit_code == 0
    other = write(tmp_path / "other.csv", 40, 1)
    other.write_text(other.read_text().replace(",a,", ",c,"))
    marked = ["score", str(out), str(other), "-o", str(table), "--force", "--unknown-categories", "mark"]
    few = write(tmp_path / "few.csv", 1, 1)
    with pytest.raises(ValueError, match="rows that fit the detector must be at least 2, got 1"):
        drift(open_run(out, DetectorRun), few)
    late = CliRunner().invoke(app, [*marked, "--fail-above", "0.49"])  # half of the rows have no score
    assert late.exit_code == 3
    assert "20 rows have no score, and are not in that share" in late.output
    wrong = CliRunner().invoke(app, [*alarm, "2"])
    assert wrong.exit_code == 2
    assert "--fail-above must be a share from 0 to 1, got 2.0" in wrong.output
    info = CliRunner().invoke(app, ["info", str(out)])
    assert info.exit_code == 0, info.output
    assert "score novelty" in info.output
    report = CliRunner().invoke(app, ["report", str(out)])
    assert report.exit_code == 0, report.output
    resumed = CliRunner().invoke(app, ["detect", "-o", str(out), "--resume"])
    assert resumed.exit_code == 0, resumed.output
    assert "nothing was left to do" in resumed.output
    export = CliRunner().invoke(app, ["export", str(out), "-o", str(tmp_path / "model.onnx")])
    assert export.exit_code == 2
    assert "got novelty, which needs the training rows" in " ".join(export.output.split())


def test_drift_names_the_columns_that_changed(run, tmp_path):
    columns = ("temperature", "pressure", "mode")
    same, moved = write(tmp_path / "same.csv", 90, 5, COLUMNS), tmp_path / "moved.csv"
    rows = [row for row in scores(same) if row["bad"] == "0"]
    same.write_text("\n".join([",".join(columns), *(",".join(row[name] for name in columns) for row in rows)]))
    words = [f"{row['temperature']},{float(row['pressure']) + 6},{row['mode']}" for row in rows]
    moved.write_text("\n".join([",".join(columns), *words]))
    found = drift(run, moved)
    expected = run.detector.drift(np.concatenate([block.x for block in open_rows(moved, run.preparation)]))
    assert (found.p_value, found.score) == (expected.p_value, expected.score)
    assert [each.feature for each in found.features] == ["temperature", "pressure", "mode=a", "mode=b"]
    assert found.changed(0.01)[0] == "pressure"
    assert "changed since training, in pressure" in drift_sentence(found, 0.01)
    assert drift_sentence(drift(run, same)).startswith("No change is found")
    common = ["drift", str(run.folder), str(moved), "-o", str(tmp_path / "out")]
    stopped = CliRunner().invoke(app, [*common, "--fail-below", "0.01", "--json"])
    assert stopped.exit_code == 3, stopped.output
    assert json.loads(stopped.output)["p_value"] == found.p_value
    assert json.loads((tmp_path / "out" / "drift.json").read_text())["content"]["p_value"] == found.p_value
    assert not found.stretches  # too few rows
    assert "Has <em>moved</em> changed since training on old" in (tmp_path / "out" / "report.html").read_text()
    assert CliRunner().invoke(app, common).exit_code == 2
    assert CliRunner().invoke(app, [*common, "--force", "--fail-below", "0"]).exit_code == 0
    long = tmp_path / "long.csv"
    usual = [",".join(row[name] for name in columns) for row in rows]
    long.write_text("\n".join([",".join(columns), *(usual * 5)[:300], *(words * 5)[:100]]))
    changed = drift(run, long)
    assert [(each.first, each.last) for each in changed.stretches] == [(0, 99), (100, 199), (200, 299), (300, 399)]
    assert changed.stretches[-1].feature == "pressure"
    assert drift_sentence(changed).endswith("The first stretch that differs is that of rows 300 to 399.")
    whole = replace(changed, p_value=0.5)
    assert drift_sentence(whole).startswith(
        "No change is found over all rows: the smallest corrected p-value is 0.5. The"
    )
    assert "300 to 399" in drift_html(run, changed, "long")
    wrong = CliRunner().invoke(app, [*common, "--force", "--fail-below", "2"])
    assert "--fail-below must be a p-value from 0 to 1, got 2.0" in wrong.output


def test_a_pickled_scorer_gives_batch_by_batch_what_one_process_writes(run, tmp_path):
    new = write(tmp_path / "new.csv", 12, 6, ("id", "temperature", "pressure", "mode"))
    score(run, new, tmp_path / "out.parquet", pass_through=("id",))
    rows = pa_csv.read_csv(new)
    whole = pq.read_table(tmp_path / "out.parquet").to_pydict() | {"id": [*range(12)]}  # a text file has texts
    scorer = pickle.loads(pickle.dumps(Scorer(run.folder, ["id"])))
    batches = rows.to_batches(max_chunksize=5)
    assert pa.Table.from_batches([scorer(batch) for batch in batches]).to_pydict() == whole
    assert scorer(rows).to_pydict() == whole
    assert scorer(rows.to_pandas()).to_dict("list") == whole
    arrays = scorer({name: rows.column(name).to_numpy() for name in rows.column_names})
    assert {name: values.tolist() for name, values in arrays.items()} == whole
    assert scorer(batches[0].slice(0, 0)).num_rows == 0
    with pytest.raises(ValueError, match=r"pass_through must name a column, got 'id'"):
        scorer(rows.drop_columns(["id"]))
    wider = rows.append_column("humidity", rows["pressure"])
    assert scorer(wider).to_pydict() == whole
    with pytest.raises(DataError, match="columns must be those of training, got unknown humidity"):
        Scorer(run.folder, ["id"], Mismatches(extra_columns="refuse"))(wider)


def test_rows_that_do_not_fit_are_marked_and_the_others_scored_as_without_them(run, tmp_path):
    new, strange = write(tmp_path / "new.csv", 12, 6), tmp_path / "strange.csv"
    lines = new.read_text().splitlines()
    lines[3], lines[7] = lines[3].replace(",a,", ",c,"), lines[7].replace(",a,", ",,")
    assert ",c," in lines[3]
    strange.write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"column mode must hold categories met in training, got 'c'"):
        score(run, strange, tmp_path / "out.csv")
    rules, notes = Mismatches(unknown_categories="mark", missing_values="mark"), []
    whole = score(run, new, tmp_path / "whole.csv")
    found = score(run, strange, tmp_path / "out.csv", rules=rules, on_note=notes.append, pass_through=("id",))
    assert (found.rows, found.marked, whole.marked) == (12, 2, 0)
    assert found.share == found.flagged / 10
    assert notes == ["2 of 12 rows do not fit the run and have no result."]
    rows, expected = scores(tmp_path / "out.csv"), scores(tmp_path / "whole.csv")
    assert {row["problem"]: row for row in rows}.keys() == {"", "mode has the unknown category 'c'", "mode is missing"}
    for number, (row, other) in enumerate(zip(rows, expected, strict=True)):
        if row.pop("problem"):
            assert row == dict.fromkeys(row, "") | {"id": str(number)}
            assert number in (2, 6)
        else:
            assert row == {"id": str(number)} | other
    scorer = pickle.loads(pickle.dumps(Scorer(run.folder, ["id"], rules)))
    by_batch = scorer(pa_csv.read_csv(strange).drop_columns(["bad", "time"]))
    common = ["score", str(run.folder), str(strange), "-o", str(tmp_path / "out.parquet"), "--json"]
    common += ["--pass-through", "id", "--unknown-categories", "mark", "--missing-values", "mark"]
    made = CliRunner().invoke(app, common)
    assert json.loads(made.stdout)["marked"] == 2
    written = pq.read_table(tmp_path / "out.parquet")
    assert by_batch.drop_columns("id").to_pydict() == written.drop_columns("id").to_pydict()
    assert written.schema.field("flagged").type == pa.int64()
    assert written["flagged"].null_count == 2
    with pytest.raises(DataError, match="column mode must hold categories met in training"):
        drift(run, strange)
    assert [each.feature for each in drift(run, strange, rules=rules).features][-1] == "mode=b"


def test_a_scorer_refuses_what_depends_on_all_rows_and_what_is_no_detector(run, tmp_path):
    data = write(tmp_path / "plain.csv", 30, 3, ("temperature", "pressure"))
    detect(data, DetectorSettings(**TINY, false_discovery_rate=0.2), tmp_path / "run")
    with pytest.raises(ValueError, match=r"false_discovery_rate must be None for single batches, .* got 0\.2"):
        Scorer(tmp_path / "run")
    with pytest.raises(RunError, match="run must hold one network"):
        Encoder(run.folder)
    settings = AutoencoderSettings.of(code=2, max_epochs=1, objective="standard")
    train(load(data), settings, tmp_path / "codes", progress=False)
    opened = open_run(tmp_path / "codes", AutoencoderRun)
    encode(opened, data, tmp_path / "codes.npy")
    codes = pickle.loads(pickle.dumps(Encoder(opened.folder)))(pa_csv.read_csv(data))
    np.testing.assert_array_equal(
        np.stack([codes.column(i).to_numpy() for i in range(2)], 1), np.load(tmp_path / "codes.npy")
    )
    marks = Encoder(opened.folder, rules=Mismatches(missing_values="mark"))
    made = marks({"temperature": np.ma.masked_array([20.0, 21.0], [True, True]), "pressure": [40.0, 41.0]})
    assert made["problem"].tolist() == ["temperature is missing"] * 2  # no row is left to encode
    for wrong in ({"temperature": [1.0, 2.0], "pressure": [1.0]}, {"temperature": 1.0, "pressure": 2.0}):
        with pytest.raises(DataError, match="data must be a table of plain columns, got: "):
            marks(wrong)
    with pytest.raises(DataError, match="data must be a table with the columns of training, got NoneType"):
        marks(None)
    with pytest.raises(RunError, match="run must be a folder that contractive detect wrote"):
        Scorer(opened.folder)
