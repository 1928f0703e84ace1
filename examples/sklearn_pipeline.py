"""Features from a contractive autoencoder inside scikit-learn: pipeline, grid search over the weight, outliers.

    python examples/sklearn_pipeline.py

Handwritten digits, 100 labelled rows and 1,347 without labels: the autoencoder learns from all, the classifier from
the labelled ones. The weight is chosen by what the features are for. All pixels have one unit: one scale for all.
"""

import argparse

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import contractive as ct


def main(max_epochs="auto", weights=(0.0, 0.1, 1.0)):
    x, y = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=350, random_state=0, stratify=y)
    labelled = np.arange(100)

    encoder = ct.ContractiveAutoencoder(scale="common", random_state=0, max_epochs=max_epochs).fit(x_train)
    print(f"autoencoder: {encoder.n_iter_} epochs, {encoder.score(x_test):.3f} of the variance reconstructed")

    found = {}
    for name, prepare in (("pixels", lambda rows: rows), ("codes", encoder.transform)):
        classify = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        classify.fit(prepare(x_train[labelled]), y_train[labelled])
        found[name] = classify.score(prepare(x_test), y_test)
        print(f"accuracy from 100 labels on {name}: {found[name]:.3f}")

    model = make_pipeline(
        ct.ContractiveAutoencoder(scale="common", random_state=0, max_epochs=max_epochs),
        StandardScaler(),
        LogisticRegression(max_iter=2000),
    )
    search = GridSearchCV(model, {"contractiveautoencoder__weight": list(weights)}, cv=2).fit(x_train, y_train)
    print(f"best weight {search.best_params_['contractiveautoencoder__weight']}: {search.best_score_:.3f}")

    detector = ct.ContractiveOutlierDetector(
        scale="common", random_state=0, max_epochs=max_epochs, false_alarm_rate=0.05
    )
    labels = detector.fit(x_train[y_train != 4]).predict(x_test)
    for name, rows in (("other digits", y_test != 4), ("fours", y_test == 4)):
        found[f"flagged {name}"] = float((labels[rows] == -1).mean())
        print(f"trained without fours, called outliers among {name}: {found[f'flagged {name}']:.2f}")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--max-epochs", type=int)
    arguments = parser.parse_args()
    main(arguments.max_epochs or "auto")
