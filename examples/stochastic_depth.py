# SPDX-License-Identifier: BSD-3-Clause
"""Stochastic depth: a residual network of twelve blocks that trains with nine or so and predicts with all.

Block l adds relu(h W) V to its input h. In each step it runs with probability p(l) = 1 - l / L * (1 - survival); on new
images it always runs, its branch multiplied by p(l).
"""

import numpy as np
from _figure import output_folder, panels, save
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastloss as fl

BLOCKS, WIDTH, INNER, SURVIVAL, STEPS = 12, 32, 16, 0.5, 400
CHANCES = 1 - np.arange(1, BLOCKS + 1) / BLOCKS * (1 - SURVIVAL)


class Network:
    """Weights of the entrance, of the blocks and of the exit."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.weights = {"in": rng.normal(size=(64, WIDTH)) / 8, "out": np.zeros((WIDTH, 10))}
        for block in range(BLOCKS):
            self.weights[f"W{block}"] = rng.normal(size=(WIDTH, INNER)) * np.sqrt(2 / WIDTH)
            self.weights[f"V{block}"] = rng.normal(size=(INNER, WIDTH)) * np.sqrt(1 / INNER / BLOCKS)

    def forward(self, X, factors):
        """The scores, and what enters each block and the exit; block l's branch is multiplied by its factor."""
        w, entering = self.weights, [X @ self.weights["in"]]
        for block, factor in enumerate(factors):
            h = entering[-1]
            entering.append(h + factor * np.maximum(0, h @ w[f"W{block}"]) @ w[f"V{block}"] if factor else h)
        return entering[-1] @ w["out"], entering

    def value_and_grad(self, X, y, keep):
        """The loss with only the kept blocks, and its gradient in every array: zero for the others'."""
        w = self.weights
        scores, entering = self.forward(X, keep.astype(float))
        value, grad = fl.SoftmaxCrossEntropy().value_and_grad(scores, y)
        grads = {name: np.zeros_like(array) for name, array in w.items()}
        grads["out"], back = entering[-1].T @ grad, grad @ w["out"].T
        for block in np.flatnonzero(keep)[::-1]:
            h = entering[block]
            before = h @ w[f"W{block}"]
            grads[f"V{block}"] = np.maximum(0, before).T @ back
            inner = back @ w[f"V{block}"].T * (before > 0)
            grads[f"W{block}"], back = h.T @ inner, back + inner @ w[f"W{block}"].T
        grads["in"] = X.T @ back
        return value, grads


def train(X, y, survival):
    """The network and the number of blocks run in each step."""
    network, depths, rng = Network(), [], np.random.default_rng(1)
    adam = fl.Adam(network.weights, lr=2e-3)
    for step in range(STEPS):
        rows = rng.integers(0, len(X), 64)
        keep = fl.stochastic_depth(BLOCKS, survival=survival, seed=step)
        adam.step(network.value_and_grad(X[rows], y[rows], keep)[1])
        depths.append(keep.sum())
    return network, depths


def main():
    folder = output_folder(__doc__)
    images, digits = load_digits(return_X_y=True)
    X, test, y, labels = train_test_split(images / 16, digits, test_size=0.5, random_state=0, stratify=digits)
    loss = fl.SoftmaxCrossEntropy()
    kept = np.mean([fl.stochastic_depth(BLOCKS, survival=SURVIVAL, seed=seed) for seed in range(20000)], axis=0)
    print(f"blocks kept on average: {kept.sum():.3f} of {BLOCKS}; by the formula {CHANCES.sum():.3f}")
    print(f"{'':<20}{'blocks a step':>14}{'train loss':>12}{'test loss':>11}{'test accuracy':>15}")
    for name, survival in (("all blocks", 1.0), ("stochastic depth", SURVIVAL)):
        network, depths = train(X, y, survival)
        factors = CHANCES if survival < 1 else np.ones(BLOCKS)
        scores = network.forward(test, factors)[0]
        losses = loss(network.forward(X, factors)[0], y), loss(scores, labels)
        right = np.mean(loss.predict(scores) == labels)
        print(f"{name:<20}{np.mean(depths):>14.3f}{losses[0]:>12.5f}{losses[1]:>11.5f}{right:>15.4f}")

    figure, (left, right) = panels(1, 2, (11, 4))
    left.bar(range(1, BLOCKS + 1), kept, label="share of 20,000 steps")
    left.plot(range(1, BLOCKS + 1), CHANCES, "k.-", label="1 - l / L (1 - survival)")
    left.set(xlabel="block l", ylabel="kept", title="each block's chance to run", ylim=(0, 1.2))
    left.legend()
    counts = np.bincount(depths, minlength=BLOCKS + 1)
    right.bar(range(BLOCKS + 1), counts)
    right.axvline(CHANCES.sum(), color="k", linestyle="--", label=f"expected: {CHANCES.sum():.2f}")
    right.set(xlabel="blocks run", ylabel="steps", title=f"depth of the {STEPS} training steps")
    right.legend()
    save(figure, folder / "stochastic_depth.png")


if __name__ == "__main__":
    main()
