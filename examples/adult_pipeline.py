"""A mixed table, numbers and categories, through the contractive autoencoder into a classifier.

    python examples/adult_pipeline.py [--data-dir DATA]

DATA (or $CONTRACTIVE_DATA) holds the census income table as `tabular/adult.data` or `adult.data`
(https://archive.ics.uci.edu/dataset/2/adult). Without it, a small made-up table of the same kind is used.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import contractive as ct

COLUMNS = (
    "age workclass fnlwgt education education_num marital_status occupation relationship race sex capital_gain"
    " capital_loss hours_per_week native_country income"
).split()


def read(data_dir):
    """(table, whether the income is above 50,000)."""
    for path in (Path(data_dir) / "tabular" / "adult.data", Path(data_dir) / "adult.data") if data_dir else ():
        if path.exists():
            table = pd.read_csv(path, names=COLUMNS, skipinitialspace=True, na_values="?")
            return table.drop(columns=["income", "fnlwgt"]), table["income"] == ">50K"
    print("adult.data not found: a made-up table takes its place")
    return made_up()


def made_up(rows=600):
    random = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "age": random.integers(17, 80, rows).astype(float),
            "hours_per_week": random.normal(40, 10, rows),
            "capital_gain": random.exponential(1000, rows) * (random.random(rows) < 0.1),
            "education": random.choice(["Bachelors", "HS-grad", "Masters"], rows),
            "occupation": random.choice(["Sales", "Tech", None], rows),
        }
    )
    merit = 0.05 * table["age"] + 0.1 * table["hours_per_week"] + 2 * (table["education"] == "Masters")
    return table, merit + random.normal(0, 0.5, rows) > merit.median()


def columns(table):
    """Numbers imputed, categories one-hot: a numeric table, which the autoencoder scales itself."""
    numbers = table.select_dtypes("number").columns
    return make_column_transformer(
        (SimpleImputer(strategy="median"), numbers),
        (
            OneHotEncoder(handle_unknown="ignore", min_frequency=20, sparse_output=False),
            table.columns.difference(numbers),
        ),
    )


def main(data_dir=None, max_epochs="auto", rows=None):
    table, rich = read(data_dir or os.environ.get("CONTRACTIVE_DATA"))
    table, rich = table[:rows], rich[:rows]
    parts = train_test_split(table, rich, test_size=0.25, random_state=0, stratify=rich)
    x_train, x_test, y_train, y_test = parts

    found = {"majority": float(max(y_test.mean(), 1 - y_test.mean()))}
    encode = ct.ContractiveAutoencoder(random_state=0, max_epochs=max_epochs)
    models = {
        "table": make_pipeline(columns(table), StandardScaler(), LogisticRegression(max_iter=2000)),
        "codes": make_pipeline(columns(table), encode, StandardScaler(), LogisticRegression(max_iter=2000)),
    }
    for name, model in models.items():
        found[name] = model.fit(x_train, y_train).score(x_test, y_test)
    print({name: round(value, 4) for name, value in found.items()})
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir")
    parser.add_argument("--max-epochs", type=int)
    arguments = parser.parse_args()
    main(arguments.data_dir, arguments.max_epochs or "auto")
