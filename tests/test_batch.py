"""Engines that spread rows over processes give the numbers of one; each is skipped where it is not installed."""

import os
import shutil
import sys

import numpy as np
import pandas as pd
import pytest

from contractive.batch import Scorer
from contractive.data import load
from contractive.studies.runs import DetectorRun, DetectorSettings, open_run, score, train

pytestmark = pytest.mark.filterwarnings("default")  # an engine's own deprecations are not ours
ROWS = 1_000


@pytest.fixture(scope="module")
def ray():
    pytest.importorskip("ray.data")
    return pytest.importorskip("ray")


@pytest.fixture(scope="module")
def dask_frame():
    return pytest.importorskip("dask.dataframe")


@pytest.fixture(scope="module")
def spark(tmp_path_factory):
    sql = pytest.importorskip("pyspark.sql")
    if not shutil.which("java"):
        pytest.skip("java is not installed")
    made = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    for name in ("spark.driver.host", "spark.driver.bindAddress"):
        made = made.config(name, "127.0.0.1")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = made.config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("warehouse"))).getOrCreate()
    yield session
    session.stop()


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """Folder of a detector, a file of new rows, and what one process says of them."""
    folder, random = tmp_path_factory.mktemp("engines"), np.random.RandomState(0)
    first = random.standard_normal(60 + ROWS)
    rows = pd.DataFrame(
        {"id": np.arange(60 + ROWS), "a": first, "b": 2 * first + 0.1 * random.standard_normal(60 + ROWS)}
    )
    old, new = folder / "old.csv", folder / "new.csv"
    rows[:60].to_csv(old, index=False)
    rows[60:].to_csv(new, index=False)
    settings = DetectorSettings(max_epochs=2, code=4, false_alarm_rate=0.02)
    train(load(old), settings, folder / "run")
    score(open_run(folder / "run", DetectorRun), new, folder / "out.parquet", pass_through=("id",))
    expected = pd.read_parquet(folder / "out.parquet")
    return folder / "run", new, expected.assign(id=expected["id"].astype(int))


def same(found, expected):
    found = found.sort_values("id").reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    assert len(found) == ROWS
    assert found["flagged"].sum() > 0


def test_ray_gives_the_numbers_of_one_process(ray, case):
    run, new, expected = case
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        rows = ray.data.read_csv(str(new)).repartition(4)
        found = rows.map_batches(Scorer(run, ["id"]), batch_format="pyarrow", batch_size=100).to_pandas()
    finally:
        ray.shutdown()
    same(found, expected)


def test_dask_gives_the_numbers_of_one_process(dask_frame, case):
    run, new, expected = case
    rows, scorer = pd.read_csv(new), Scorer(run, ["id"])
    found = dask_frame.from_pandas(rows, npartitions=4).map_partitions(scorer, meta=scorer(rows[:2]))
    same(found.compute(scheduler="processes", num_workers=2), expected)


def test_spark_gives_the_numbers_of_one_process(spark, case):
    run, new, expected = case
    rows, scorer = pd.read_csv(new), Scorer(run, ["id"])
    schema = spark.createDataFrame(scorer(rows[:2])).schema
    frame = spark.createDataFrame(rows).repartition(4)
    same(frame.mapInPandas(lambda frames: map(scorer, frames), schema).toPandas(), expected)
    batches = frame.mapInArrow(lambda batches: map(scorer, batches), schema)
    same(batches.toPandas(), expected)
