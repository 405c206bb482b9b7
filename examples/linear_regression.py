# SPDX-License-Identifier: BSD-3-Clause
"""Linear regression by hand and by descent, through the origin and with an intercept.

Four people's weights and heights by the closed form, by three steps of gradient descent, by BFGS on the squared error
and by BFGS on the normal likelihood; then y = 2 x - 1, found again by stochastic descent.
"""

import numpy as np
from _figure import output_folder, panels, save
from scipy.optimize import minimize

import fastloss as fl

WEIGHT, HEIGHT = np.array([48.0, 53.0, 54.0, 60.0]), np.array([158.0, 160.0, 165.0, 168.0])  # kg, cm
START, RATE, STEPS = 0.1, 1e-4, 3
BATCHES = {"single samples": 1, "batches of 5": 5, "all 20": None}


def bfgs(loss, **options):
    objective = fl.linear.Objective(loss, WEIGHT[:, None], HEIGHT, **options)
    return minimize(objective, np.zeros(objective.size), jac=True, method="BFGS").x


def main():
    folder = output_folder(__doc__)
    by_hand = (WEIGHT @ HEIGHT) / (WEIGHT @ WEIGHT)
    print("height = beta * weight")
    print(f"  by hand      {by_hand:.6f}")
    print(f"  BFGS, MSE    {bfgs(fl.SquaredError(), fit_intercept=False)[0]:.6f}")
    print(f"  BFGS, normal {bfgs(fl.GaussianNLL(variance=100.0), fit_intercept=False)[0]:.6f}")
    objective = fl.linear.Objective(fl.SquaredError(), WEIGHT[:, None], HEIGHT, fit_intercept=False)
    beta = np.array([START])
    descent, path = fl.SGD(beta, lr=RATE), [START]
    for step in range(1, STEPS + 1):
        descent.step(objective(beta)[1])
        path.append(beta[0])
        print(f"  step {step}       {beta[0]:.6f}")
    slope, intercept = bfgs(fl.SquaredError())
    print(f"height = {slope:.6f} * weight + {intercept:.6f}")

    x = np.linspace(-2, 2, 20)
    line = fl.linear.Objective(fl.SquaredError(), x[:, None], 2 * x - 1)
    results = {}
    print("y = 2 x - 1, 60 epochs of SGD")
    for name, size in BATCHES.items():
        result = results[name] = fl.linear.train(line, optimizer="sgd", lr=0.05, batch_size=size, epochs=60)
        print(f"  {name:<14} slope {result.coef[0]:.6f} intercept {result.intercept:.6f}")

    figure, (left, right) = panels(1, 2, (11, 4))
    grid = np.array([44.0, 62.0])
    left.plot(WEIGHT, HEIGHT, "ko")
    left.plot(grid, by_hand * grid, label=f"through the origin: {by_hand:.3f} x")
    left.plot(grid, slope * grid + intercept, label=f"with intercept: {slope:.3f} x + {intercept:.1f}")
    for step, value in enumerate(path):
        left.plot(grid, value * grid, ":", color="C3", label="steps of descent" if step == 0 else None)
    left.set(xlabel="weight, kg", ylabel="height, cm", title="four people", ylim=(0, 200))
    left.legend(loc="lower right", bbox_to_anchor=(1, 0.1))
    for name, result in results.items():
        right.semilogy(np.arange(1, 61), np.maximum(result.history["loss"], 1e-32), label=name)
    right.set(xlabel="epoch", ylabel="mean squared error", title="y = 2 x - 1 by stochastic descent")
    right.legend(loc="center right", bbox_to_anchor=(1, 0.64))
    save(figure, folder / "linear_regression.png")


if __name__ == "__main__":
    main()
