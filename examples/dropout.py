# SPDX-License-Identifier: BSD-3-Clause
"""Dropout and max norm in a small network that has too few images: less fitted, better on new ones.

64 inputs, 256 hidden units, 10 scores; 200 of the digits to learn from, the other 1,597 to test on. Dropout silences
each hidden unit in half of the steps, max norm keeps the weights into each unit short.
"""

import numpy as np
from _figure import output_folder, panels, save
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastloss as fl

HIDDEN, STEPS, RATE, LIMIT = 256, 300, 0.5, 1.0
VARIANTS = {
    "plain": {},
    "dropout": {"rate": RATE},
    "max norm": {"limit": LIMIT},
    "both": {"rate": RATE, "limit": LIMIT},
}


class Network:
    """Weights, and one gradient over a batch."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.weights = {
            "W1": rng.normal(size=(64, HIDDEN)) * np.sqrt(2 / 64),
            "b1": np.zeros(HIDDEN),
            "W2": rng.normal(size=(HIDDEN, 10)) * np.sqrt(1 / HIDDEN),
            "b2": np.zeros(10),
        }
        self.loss = fl.SoftmaxCrossEntropy()

    def scores(self, X):
        w = self.weights
        return np.maximum(0, X @ w["W1"] + w["b1"]) @ w["W2"] + w["b2"]

    def value_and_grad(self, X, y, rate=0.0, seed=0):
        """The loss with dropout of the hidden units, and its gradient in every array."""
        w = self.weights
        before = X @ w["W1"] + w["b1"]
        hidden, mask = fl.dropout(np.maximum(0, before), rate=rate, seed=seed)
        value, scores = self.loss.value_and_grad(hidden @ w["W2"] + w["b2"], y)
        back = fl.dropout_grad(scores @ w["W2"].T, mask, rate=rate) * (before > 0)
        return value, {"W1": X.T @ back, "b1": back.sum(0), "W2": hidden.T @ scores, "b2": scores.sum(0)}


def train(X, y, test, labels, rate=0.0, limit=None):
    """The network, and its loss on the test images every 20 steps."""
    network, curve = Network(seed=0), []
    adam = fl.Adam(network.weights, lr=3e-3)
    for step in range(STEPS):
        adam.step(network.value_and_grad(X, y, rate, seed=step)[1])
        if limit is not None:
            fl.MaxNorm(limit, axis=0).project(network.weights["W1"])
        if step % 20 == 19:
            curve.append(network.loss(network.scores(test), labels))
    return network, curve


def main():
    folder = output_folder(__doc__)
    images, digits = load_digits(return_X_y=True)
    data = train_test_split(images / 16, digits, train_size=200, random_state=0, stratify=digits)
    X, test, y, labels = data
    _, mask = fl.dropout(np.ones((1000, HIDDEN)), rate=RATE, seed=0)
    print(f"kept by dropout with rate {RATE}: {mask.mean():.4f}")
    print(f"{'':<10}{'train loss':>12}{'test loss':>12}{'test accuracy':>15}{'longest weights':>17}")
    figure, (left, axis) = panels(1, 2, (11, 4))
    for (name, options), style in zip(VARIANTS.items(), ("-", "-", "-", "--")):
        network, curve = train(X, y, test, labels, **options)
        norms = np.linalg.norm(network.weights["W1"], axis=0)
        fitted, right = network.loss(network.scores(X), y), network.loss.predict(network.scores(test)) == labels
        print(f"{name:<10}{fitted:>12.5f}{curve[-1]:>12.5f}{np.mean(right):>15.4f}{norms.max():>17.4f}")
        left.plot(np.arange(20, STEPS + 1, 20), curve, style, label=name)
        axis.plot(np.sort(norms), style, label=name)
    left.set(xlabel="step", ylabel="loss", title="loss on 1,597 new images", ylim=(0.2, 0.4))
    left.legend()
    axis.set(xlabel="hidden units, in order", ylabel="norm of the weights into it", title=f"max norm {LIMIT}")
    axis.legend()
    save(figure, folder / "dropout.png")


if __name__ == "__main__":
    main()
