# SPDX-License-Identifier: BSD-3-Clause
"""The perceptron's cost: convex with binary cross-entropy, not convex with the squared error of its sigmoid.

First the cost of one weight on six samples, drawn with its second derivative; then a perceptron with all its weights
on tumours, trained with binary cross-entropy, whose gradient is X^T (s - y) / n.
"""

import numpy as np
from _figure import output_folder, panels, save
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import scale

import fastloss as fl

# One weight, no intercept. The samples at -20 and at 0.3 are labelled against the others.
X = np.array([-20.0, -2.0, -1.0, 0.3, 1.0, 2.0])
Y = np.array([1, 0, 0, 0, 1, 1])
WEIGHTS = np.linspace(-2, 8, 2001)


def cross_entropy(w):
    """Mean binary cross-entropy at the weight w, its first and its second derivative."""
    value, grad, hess = fl.BinaryCrossEntropy().value_grad_hess(w * X, Y)
    return value, grad @ X, hess @ X**2


def squared_error(w):
    """The same for the mean of (s - y)^2, by the chain rule: ds/dz = s (1 - s)."""
    s = expit(w * X)
    value, grad, hess = fl.SquaredError().value_grad_hess(s, Y.astype(float))
    slope = s * (1 - s)
    return value, (grad * slope) @ X, (hess * slope**2 + grad * slope * (1 - 2 * s)) @ X**2


def minima(derivative):
    """The weights where a derivative goes from negative to positive."""
    return WEIGHTS[1:][(derivative[:-1] < 0) & (derivative[1:] >= 0)]


def train_perceptron():
    """The fitted weights, loss and accuracy, and how far the gradient at 0 is from X^T (s - y) / n."""
    data, benign = load_breast_cancer(return_X_y=True)
    data = scale(data)
    objective = fl.linear.Objective(fl.BinaryCrossEntropy(), data, benign, penalty=fl.L2(1e-3))
    grad = objective(np.zeros(objective.size))[1][:-1]
    difference = np.abs(grad - data.T @ (0.5 - benign) / len(benign)).max()
    found = minimize(objective, np.zeros(objective.size), jac=True, method="BFGS", options={"gtol": 1e-7})
    coef, intercept = objective.unpack(found.x)
    return found.fun, np.mean(objective.loss.predict(data @ coef + intercept) == benign), difference


def main():
    folder = output_folder(__doc__)
    costs = {"binary cross-entropy": cross_entropy, "squared error": squared_error}
    curves = {name: np.array([cost(w) for w in WEIGHTS]).T for name, cost in costs.items()}
    print(f"{'cost of one weight':<22}{'least second derivative':>24}  minima at w =")
    for name, (_, first, second) in curves.items():
        print(f"{name:<22}{second.min():>24.6f}  {' '.join(f'{w:.3f}' for w in minima(first))}")
    value, accuracy, difference = train_perceptron()
    print(f"perceptron on tumours: cost {value:.8f}, accuracy {accuracy:.4f}")
    print(f"gradient against X^T (s - y) / n: {difference:.1e} apart")

    figure, axes = panels(2, 2, (11, 6), sharex=True, height_ratios=(1.6, 1))
    for (name, (cost, first, second)), (above, below) in zip(curves.items(), axes.T):
        above.plot(WEIGHTS, cost)
        at = np.searchsorted(WEIGHTS, minima(first))
        above.plot(WEIGHTS[at], cost[at], "o", color="C3", label="minima")
        above.set(title=name, ylabel="cost")
        above.legend()
        below.plot(WEIGHTS, second, color="C1")
        below.fill_between(WEIGHTS, second, 0, where=second < 0, color="C3", alpha=0.4, label="not convex")
        below.set(xlabel="weight", ylabel="second derivative", yscale="symlog")
        below.axhline(0, color="0.5", linewidth=0.8)
    axes[1, 1].legend()
    save(figure, folder / "convexity.png")


if __name__ == "__main__":
    main()
