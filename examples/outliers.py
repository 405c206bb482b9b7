# SPDX-License-Identifier: BSD-3-Clause
"""One line through data with outliers, by mean squared, root mean squared, mean absolute and Huber's loss.

RMSE has MSE's minimum: the root changes the unit, not the fit. MAE and Huber's loss bound what one sample can pull.
"""

from functools import partial

import numpy as np
from _figure import output_folder, panels, save

import fastloss as fl

LOSSES = {
    "MSE": fl.SquaredError(),
    "RMSE": fl.RootMeanSquaredError(),
    "MAE": fl.AbsoluteError(),
    "Huber": fl.Huber(delta=0.5),
}
STEPS = 3000


def data():
    """Thirty points on y = 1 + 0.8 x with noise 0.3, of which the last four measured too little: x, y, which."""
    rng = np.random.default_rng(3)
    x = np.linspace(0, 10, 30)
    y = 1 + 0.8 * x + 0.3 * rng.normal(size=30)
    bad = np.arange(30) >= 26
    return x, np.where(bad, y - 7, y), bad


def fit(loss, x, y):
    """Slope and intercept: the centred line is fitted by full-batch descent, whose rate goes down to 0."""
    objective = fl.linear.Objective(loss, (x - x.mean())[:, None], y)
    schedule = fl.schedules.cosine(0.05, steps=STEPS)
    result = fl.linear.train(
        objective, optimizer=partial(fl.Adam, betas=(0.9, 0.99)), lr=schedule, batch_size=None, epochs=STEPS
    )
    return result.coef[0], result.intercept - result.coef[0] * x.mean()


def main():
    folder = output_folder(__doc__)
    x, y, bad = data()
    lines = {name: fit(loss, x, y) for name, loss in LOSSES.items()}
    without = fit(LOSSES["MSE"], x[~bad], y[~bad])
    print(f"{'loss':<22}{'slope':>10}{'intercept':>12}{'MSE':>10}{'RMSE':>10}{'MAE':>10}")
    for name, (slope, intercept) in [*lines.items(), ("MSE without outliers", without)]:
        measured = "".join(f"{LOSSES[loss](slope * x + intercept, y):>10.4f}" for loss in ("MSE", "RMSE", "MAE"))
        print(f"{name:<22}{slope:>10.4f}{intercept:>12.4f}{measured}")

    figure, (left, right) = panels(1, 2, (12, 4.5))
    left.plot(x[~bad], y[~bad], "ko", markersize=4, label="points")
    left.plot(x[bad], y[bad], "rx", label="outliers")
    for (name, (slope, intercept)), style in zip(lines.items(), ("-", "--", "-.", ":")):
        left.plot(x, slope * x + intercept, style, linewidth=2, label=name)
    left.set(xlabel="x", ylabel="y", title="the fits")
    left.legend()
    residual = np.linspace(-3, 3, 301)
    for name in ("MSE", "MAE", "Huber"):
        pull = 301 * LOSSES[name].value_and_grad(residual, np.zeros(301))[1]  # of one sample: the loss is the mean
        right.plot(residual, pull, label=name)
    right.set(xlabel="residual", ylabel="derivative of the loss", title="how hard one sample pulls")
    right.legend()
    save(figure, folder / "outliers.png")


if __name__ == "__main__":
    main()
