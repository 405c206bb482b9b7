# SPDX-License-Identifier: BSD-3-Clause
"""The gradient of the multiclass SVM without loops: data, transposed, times a matrix of indicators.

Entry (i, j) of the indicator matrix is 1 where wrong class j violates the margin of sample i, and at the label minus
the number of those; that is what the loss returns as its gradient in the scores.
"""

import numpy as np
from _figure import output_folder, save
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import fastloss as fl


def by_loops(X, y, W):
    """Loss and gradient in W (d, c), sample by sample and class by class."""
    value, grad = 0.0, np.zeros_like(W)
    for x, label in zip(X, y):
        scores = x @ W
        for j in range(W.shape[1]):
            margin = scores[j] - scores[label] + 1
            if j != label and margin > 0:
                value += margin
                grad[:, j] += x
                grad[:, label] -= x
    return value / len(X), grad / len(X)


def by_matrix_product(X, y, W):
    """The same in four lines of NumPy; also the indicator matrix."""
    rows, scores = np.arange(len(X)), X @ W
    margins = scores - scores[rows, y][:, None] + 1
    margins[rows, y] = 0
    indicator = (margins > 0).astype(float)
    indicator[rows, y] = -indicator.sum(axis=1)
    return np.maximum(0, margins).sum() / len(X), X.T @ indicator / len(X), indicator


def main():
    folder = output_folder(__doc__)
    X, y = load_digits(return_X_y=True)
    X = X / 16
    W = 0.3 * np.random.default_rng(0).normal(size=(64, 10))
    loops_value, loops_grad = by_loops(X, y, W)
    value, grad, indicator = by_matrix_product(X, y, W)
    _, kernel = fl.MulticlassHinge(reduction="sum").value_and_grad(X @ W, y)
    objective = fl.linear.Objective(fl.MulticlassHinge(), X, y, fit_intercept=False)
    ours_value, ours_grad = objective(W.T.ravel())
    ours_grad = ours_grad.reshape(10, 64).T
    print(f"{'':<18}{'loss':>12}{'norm of the gradient':>22}{'off the loops by':>18}")
    for name, v, g in (
        ("loops", loops_value, loops_grad),
        ("matrix product", value, grad),
        ("linear.Objective", ours_value, ours_grad),
    ):
        print(f"{name:<18}{v:>12.8f}{np.linalg.norm(g):>22.8f}{np.abs(g - loops_grad).max():>18.1e}")
    print(f"indicator matrix and the gradient of MulticlassHinge differ in {np.sum(indicator != kernel)} entries")

    figure = Figure(figsize=(12, 4.2), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.5))
    axis = left.subplots()
    limit = np.abs(indicator[:15]).max()
    axis.imshow(indicator[:15], cmap="RdBu", vmin=-limit, vmax=limit)
    for (i, j), entry in np.ndenumerate(indicator[:15]):
        shade = "w" if entry < -5 else "k"
        axis.text(j, i, str(int(entry)), ha="center", va="center", fontsize=7, color=shade)
    axis.set(title="indicator of 15 images", xlabel="class", ylabel="image (its label)", xticks=range(10))
    axis.set_yticks(range(15), [f"{i} ({label})" for i, label in enumerate(y[:15])], fontsize=7)
    right.suptitle("a step downhill: minus the gradient, for each class")
    for digit, axis in enumerate(right.subplots(2, 5).flat):
        axis.imshow(-grad[:, digit].reshape(8, 8), cmap="RdBu_r", vmin=-np.abs(grad).max(), vmax=np.abs(grad).max())
        axis.set(title=str(digit), xticks=[], yticks=[])
    save(figure, folder / "svm_gradient.png")


if __name__ == "__main__":
    main()
