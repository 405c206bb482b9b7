# SPDX-License-Identifier: BSD-3-Clause
"""A network's cost with K sigmoid outputs: binary cross-entropy summed over the outputs, on iris flowers.

The targets are rows of 0 and 1, one column per output. The loss is the mean over all entries, so the cost per sample
is K times that. Each output learns its own question, as K separate perceptrons would; softmax asks one question with K
answers.
"""

import numpy as np
from _figure import output_folder, panels, save
from scipy.optimize import minimize
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

import fastloss as fl

STRENGTH = 1e-3


def fit(loss, X, y, strength):
    """coef, intercept and the objective's least value."""
    objective = fl.linear.Objective(loss, X, y, penalty=fl.L2(strength))
    found = minimize(objective, np.zeros(objective.size), jac=True, method="BFGS", options={"gtol": 1e-8})
    return *objective.unpack(found.x), found.fun


def main():
    folder = output_folder(__doc__)
    X, labels = load_iris(return_X_y=True)
    X = scale(X)
    K = 3
    one_hot = np.eye(K)[labels]
    sigmoid, softmax = fl.BinaryCrossEntropy(), fl.SoftmaxCrossEntropy()
    coef, intercept, least = fit(sigmoid, X, one_hot, STRENGTH)
    scores = X @ coef.T + intercept
    cost = K * sigmoid(scores, one_hot)
    # The mean over all outputs gives each of them a share of 1/K, but leaves its penalty whole.
    separate = [fit(sigmoid, X, one_hot[:, k], K * STRENGTH)[2] for k in range(K)]
    print(f"cost with weights 0     {K * sigmoid(np.zeros((150, K)), one_hot):.6f}")
    print(f"cost after the fit      {cost:.6f}")
    print("  output by output     ", *(f"{sigmoid(scores[:, k], one_hot[:, k]):.6f}" for k in range(K)))
    print(f"objective               {least:.6f}")
    print(f"K separate perceptrons  {np.mean(separate):.6f}, the mean of", *(f"{one:.6f}" for one in separate))
    sure = sigmoid.predict_proba(scores)
    soft_coef, soft_intercept, _ = fit(softmax, X, labels, STRENGTH)
    print(f"accuracy                {np.mean(sure.argmax(axis=1) == labels):.4f} by the largest sigmoid")
    right = softmax.predict(X @ soft_coef.T + soft_intercept) == labels
    print(f"                        {np.mean(right):.4f} by softmax")

    figure, (left, axis) = panels(1, 2, (12, 4), sharey=True)
    order = np.argsort(labels, kind="stable")
    for axes, values, title in (
        (left, sure, "sigmoid outputs: each a probability of its own"),
        (axis, softmax.predict_proba(X @ soft_coef.T + soft_intercept), "softmax: they add up to 1"),
    ):
        for k, name in enumerate(load_iris().target_names):
            axes.plot(values[order, k], ".", label=name)
        axes.plot(values[order].sum(axis=1), color="0.5", linewidth=1, label="their sum")
        axes.set(xlabel="flower, ordered by species", ylabel="probability", title=title)
    axis.legend(loc="upper right")
    save(figure, folder / "sigmoid_outputs.png")


if __name__ == "__main__":
    main()
