# SPDX-License-Identifier: BSD-3-Clause
"""Training times of XGBoost and LightGBM with their own objectives and with fastloss's, on the same table, in turn.

Run by hand: `python benchmarks/boosting.py`, with both libraries installed. Reports only; that the trees are the same
is tested in tests/peers, and the scores are compared here before a time is shown.
"""

import argparse
import math
import statistics

import lightgbm
import numpy as np
import xgboost
from timing import in_turn

import fastloss as fl
from fastloss.interop import lightgbm as fl_lightgbm
from fastloss.interop import xgboost as fl_xgboost

CLASSES = 10
# name: target, parameters of the built-in objective, loss, curvature
XGBOOST = {
    "reg:squarederror": ("real", {"base_score": 0.0}, fl.SquaredError(half=True), "exact"),
    "binary:logistic": ("binary", {"base_score": 0.5}, fl.BinaryCrossEntropy(), "exact"),
    "count:poisson": ("counts", {"base_score": 1.0, "max_delta_step": 0.7}, fl.PoissonNLL(), math.exp(0.7)),
    "multi:softprob": ("classes", {"base_score": 0.5, "num_class": CLASSES}, fl.SoftmaxCrossEntropy(), "upper"),
}
LIGHTGBM = {
    "regression": ("real", {}, fl.SquaredError(half=True), "exact"),
    "binary": ("binary", {}, fl.BinaryCrossEntropy(), "exact"),
    "poisson": ("counts", {}, fl.PoissonNLL(), math.exp(0.7)),
    "multiclass": ("classes", {"num_class": CLASSES}, fl.SoftmaxCrossEntropy(), "upper"),
}


def table(n, features, seed=0):
    """Features, and targets of every kind."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, features)).astype(np.float32)
    score = x[:, 0] + np.sin(2 * x[:, 1]) + 0.5 * rng.normal(size=n)
    return x, {
        "real": score,
        "binary": score > 0,
        "counts": rng.poisson(np.exp(score / 2)),
        "classes": np.digitize(score, np.linspace(-2, 2, CLASSES - 1)),
    }


def xgboost_runs(name, x, targets, rounds, threads):
    """(built-in, fastloss): functions that train and return the scores."""
    target, own, loss, hessian = XGBOOST[name]
    data = xgboost.QuantileDMatrix(x, targets[target])
    params = {"nthread": threads, "objective": name, **own}  # the objective beside ours gives the same link and start
    ours = fl_xgboost.objective(loss, hessian=hessian)

    def train(**more):
        return xgboost.train(params, data, rounds, **more)

    return data, train, lambda: train(obj=ours), lambda model: model.predict(data, output_margin=True)


def lightgbm_runs(name, x, targets, rounds, threads):
    """As for XGBoost."""
    target, own, loss, hessian = LIGHTGBM[name]
    shared = {"num_threads": threads, "verbose": -1, "boost_from_average": False, **own}
    data = lightgbm.Dataset(x, targets[target], free_raw_data=False, params={"verbose": -1}).construct()
    ours = fl_lightgbm.objective(loss, hessian=hessian)

    def train(objective=name):
        return lightgbm.train({**shared, "objective": objective}, data, rounds)

    return data, train, lambda: train(ours), lambda model: model.predict(x, raw_score=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=200_000)
    parser.add_argument("--features", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=fl.get_num_threads())
    options = parser.parse_args()
    fl.set_num_threads(options.threads)
    x, targets = table(options.samples, options.features)
    print(
        f"{options.samples:,} x {options.features}, {options.rounds} rounds, {options.threads} threads, median seconds"
    )
    print(f"{'objective':28}{'built-in':>10}{'fastloss':>10}{'ratio':>8}{'scores differ by':>19}")
    for library, cases, runs in (("xgboost", XGBOOST, xgboost_runs), ("lightgbm", LIGHTGBM, lightgbm_runs)):
        for name in cases:
            _data, theirs, ours, scores = runs(name, x, targets, options.rounds, options.threads)
            difference = np.abs(scores(theirs()) - scores(ours())).max()
            times = in_turn({"built-in": theirs, "fastloss": ours}, {"built-in": 1, "fastloss": 1}, options.repeats)
            medians = [statistics.median(spent) for spent in times.values()]
            ratio = medians[1] / medians[0]
            print(f"{library + ' ' + name:28}{medians[0]:>10.2f}{medians[1]:>10.2f}{ratio:>8.2f}{difference:>19.2g}")


if __name__ == "__main__":
    main()
