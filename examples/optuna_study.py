"""An Optuna study over network and allowed error increase, judged by what the codes are for, not by reconstruction.

    python examples/optuna_study.py

The weight itself is not searched: it is found in training, so that every trial is spent on a useful weight.
Codes are judged by a linear classifier on validation rows; the test rows are looked at once, at the end.
"""

import argparse
import warnings

import optuna
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import contractive as ct


def main(trials=12, epochs=30, seed=0):
    x, y = load_digits(return_X_y=True)
    x = torch.from_numpy(x).float() / 16
    rest, test = train_test_split(range(len(x)), test_size=400, random_state=seed, stratify=y)
    train, held = train_test_split(rest, test_size=400, random_state=seed, stratify=y[rest])

    def fitted(code, hidden, max_error_increase):
        torch.manual_seed(seed)
        net = ct.mlp(64, code=code, hidden=(hidden,) if hidden else ())
        settings = {"max_epochs": epochs, "batch_size": 64, "learning_rate": 3e-3, "schedule": "cosine", "seed": seed}
        objective = ct.objectives.contractive()
        history = ct.fit_with_max_error_increase(
            net,
            x[train],
            objective,
            validation=x[held],
            max_error_increase=max_error_increase,
            progress=False,
            device="cpu",
            **settings,
        )
        return net, history["weight"][-1]

    def accuracy(net, rows):
        with torch.no_grad():
            codes = net.encode(x).numpy()
        classify = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        return classify.fit(codes[train], y[train]).score(codes[rows], y[rows])

    def objective(trial):
        code = trial.suggest_int("code", 8, 128, log=True)
        hidden = trial.suggest_categorical("hidden", [0, 64, 128])
        increase = trial.suggest_float("max_error_increase", 0.02, 1.0, log=True)
        net, weight = fitted(code, hidden, increase)
        trial.set_user_attr("weight", weight)
        return accuracy(net, held)

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ct.CollapseWarning)  # a bad trial is no news
        study.optimize(objective, n_trials=trials)
        net, _ = fitted(**study.best_params)
    found = {**study.best_params, "weight": study.best_trial.user_attrs["weight"], "validation": study.best_value}
    found["test"] = accuracy(net, test)
    print(", ".join(f"{name} {value:.4g}" for name, value in found.items()))
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=12)
    arguments = parser.parse_args()
    main(arguments.trials)
