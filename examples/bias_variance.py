# SPDX-License-Identifier: BSD-3-Clause
"""Bias, variance and noise: polynomials fitted to many samples of one curve, with an L2 penalty of every strength.

Averaged over the samples, the squared error on new points is bias^2 + variance + noise. A strong penalty gives much
bias (underfitting), a weak one much variance (overfitting). Then the learning curves: the error on the points fitted
and on new ones, against how many points there are.
"""

import numpy as np
from _figure import output_folder, panels, save
from scipy.optimize import minimize

import fastloss as fl

DEGREE, POINTS, SAMPLES, NOISE = 9, 25, 40, 0.3
STRENGTHS = np.geomspace(1e-4, 10, 6)
SIZES, SIZE_STRENGTH = (15, 20, 30, 50, 100, 200, 400), 1e-3


def curve(x):
    return np.sin(np.pi * x)


def features(x):
    """Legendre polynomials of degree 1 to 9; the constant is the intercept."""
    return np.polynomial.legendre.legvander(x, DEGREE)[:, 1:]


def sample(rng, n):
    x = rng.uniform(-1, 1, n)
    return x, curve(x) + NOISE * rng.normal(size=n)


def fit(x, y, strength):
    """A function from points to predictions."""
    objective = fl.linear.Objective(fl.SquaredError(), features(x), y, penalty=fl.L2(strength))
    w = minimize(objective, np.zeros(objective.size), jac=True, method="BFGS", options={"gtol": 1e-6}).x
    coef, intercept = objective.unpack(w)
    return lambda new: features(new) @ coef + intercept


def decompose(strength, grid):
    """Bias^2, variance and the predictions on the grid; the error on new points and on the fitted ones."""
    rng, predictions, errors = np.random.default_rng(0), [], []
    for _ in range(SAMPLES):
        (x, y), (new_x, new_y) = sample(rng, POINTS), sample(rng, 1000)
        model = fit(x, y, strength)
        predictions.append(model(grid))
        errors.append([np.mean((model(new_x) - new_y) ** 2), np.mean((model(x) - y) ** 2)])
    predictions = np.array(predictions)
    bias = np.mean((predictions.mean(axis=0) - curve(grid)) ** 2)
    return bias, np.mean(predictions.var(axis=0)), predictions, *np.mean(errors, axis=0)


def learning_curve():
    """For each size, the error on the fitted points and on new ones, means of 10 samples."""
    rng, rows = np.random.default_rng(1), []
    new_x, new_y = sample(rng, 2000)
    for n in SIZES:
        errors = []
        for _ in range(10):
            x, y = sample(rng, n)
            model = fit(x, y, SIZE_STRENGTH)
            errors.append([np.mean((model(x) - y) ** 2), np.mean((model(new_x) - new_y) ** 2)])
        rows.append(np.mean(errors, axis=0))
    return np.array(rows)


def main():
    folder = output_folder(__doc__)
    grid = np.linspace(-1, 1, 401)
    table = [decompose(strength, grid) for strength in STRENGTHS]
    print(f"{'strength':<10}{'bias^2':>10}{'variance':>10}{'noise':>10}{'sum':>10}{'on new':>10}{'on fitted':>11}")
    for strength, (bias, variance, _, new, fitted) in zip(STRENGTHS, table):
        parts = (bias, variance, NOISE**2, bias + variance + NOISE**2, new, fitted)
        print(f"{strength:<10.0e}", *(f"{part:9.5f}" for part in parts))
    rows = learning_curve()
    print(f"\n{'points':<10}{'on fitted':>10}{'on new':>10}")
    for n, (fitted, new) in zip(SIZES, rows):
        print(f"{n:<10}{fitted:>10.5f}{new:>10.5f}")

    draw(grid, table, rows, folder / "bias_variance.png")


def draw(grid, table, rows, file):
    figure, (above, below) = panels(2, 3, (14, 7))
    for axis, k, title in zip(above, (0, 2, 4), ("weak penalty: variance", "in between", "strong penalty: bias")):
        axis.plot(grid, table[k][2][:20].T, color="C0", linewidth=0.5, alpha=0.6)
        axis.plot(grid, table[k][2].mean(axis=0), "C3", label="mean of the fits")
        axis.plot(grid, curve(grid), "k--", label="the curve")
        axis.set(title=f"{title} ({STRENGTHS[k]:.0e})", xlabel="x", ylabel="y", ylim=(-2, 2), xticks=(-1, 0, 1))
    above[0].legend()
    bias, variance, _, new, fitted = (np.array(column, dtype=object) for column in zip(*table))
    noise = np.full(len(STRENGTHS), NOISE**2)
    parts = {"bias²": bias, "variance": variance, "noise": noise, "their sum": bias + variance + noise}
    errors = {"new points": new, "fitted points": fitted}
    learning = {"new points": rows[:, 1], "fitted points": rows[:, 0], "noise": np.full(len(SIZES), NOISE**2)}
    for axis, title, label, x, curves in (
        (below[0], "decomposition", "strength of the penalty", STRENGTHS, parts),
        (below[1], "validation curve", "strength of the penalty", STRENGTHS, errors),
        (below[2], "learning curve", "points to learn from", SIZES, learning),
    ):
        for name, values in curves.items():
            axis.loglog(x, values, ":" if name == "noise" else ".-", label=name)
        axis.set(title=title, xlabel=label, ylabel="mean squared error")
        axis.legend(fontsize="small")
    below[2].set_xticks(SIZES, SIZES)
    below[2].minorticks_off()
    save(figure, file)


if __name__ == "__main__":
    main()
