# SPDX-License-Identifier: BSD-3-Clause
"""Batch normalization: the same linear classifier with and without it, on features of very different sizes.

Each pixel of the digits is multiplied by a factor of its own, from a hundredth to a hundred. A step of plain SGD that
suits the large ones does nothing to the small ones, unless a layer brings them all to mean 0 and variance 1 first.
"""

import numpy as np
from _figure import output_folder, panels, save
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastloss as fl

STEPS, BATCH = 300, 64
RATES = (1e-8, 1e-7, 1e-6, 1e-5, 1e-3, 1e-2, 1e-1, 1.0)


def load_data():
    images, digits = load_digits(return_X_y=True)
    images = images[:, images.std(axis=0) > 0.5]  # the pixels at the sides are nearly always white
    factors = 10.0 ** np.random.default_rng(0).uniform(-2, 2, images.shape[1])
    return train_test_split(images * factors, digits, test_size=0.25, random_state=0, stratify=digits)


def train(X, y, lr, normalize):
    """The loss per step, the weights, and the normalizing layer (or None): SGD on random batches."""
    rng = np.random.default_rng(0)
    layer = fl.BatchNorm(X.shape[1]) if normalize else None
    weights = [np.zeros((X.shape[1], 10)), np.zeros(10)] + ([layer.gamma, layer.beta] if normalize else [])
    sgd, loss, losses = fl.SGD(weights, lr=lr), fl.SoftmaxCrossEntropy(), []
    for _ in range(STEPS):
        rows = rng.integers(0, len(X), BATCH)
        x = layer.forward(X[rows], training=True) if normalize else X[rows]
        value, grad = loss.value_and_grad(x @ weights[0] + weights[1], y[rows])
        grads = [x.T @ grad, grad.sum(axis=0)]
        if normalize:
            grads += layer.backward(grad @ weights[0].T)[1:]
        sgd.step(grads)
        losses.append(value)
    return losses, weights, layer


def accuracy(X, y, weights, layer):
    """On new images the running averages of the training stand in for a batch's own."""
    x = X if layer is None else layer.forward(X, training=False)
    return np.mean(fl.SoftmaxCrossEntropy().predict(x @ weights[0] + weights[1]) == y)


def main():
    folder = output_folder(__doc__)
    X, test, y, labels = load_data()
    print(f"{'learning rate':<16}{'plain: loss':>14}{'accuracy':>10}{'normalized: loss':>20}{'accuracy':>10}")
    curves = {}
    for rate in RATES:
        line = f"{rate:<16g}"
        for normalize, width in ((False, 14), (True, 20)):
            losses, weights, layer = train(X, y, rate, normalize)
            curves[rate, normalize] = losses
            line += f"{np.mean(losses[-50:]):>{width}.4f}{accuracy(test, labels, weights, layer):>10.4f}"
        print(line)
    out = fl.BatchNorm(X.shape[1]).forward(X, training=True)
    for name, x in (("features", X), ("after the layer", out)):
        print(f"{name:<16}standard deviations from {x.std(axis=0).min():.4g} to {x.std(axis=0).max():.4g}")

    figure, axes = panels(1, 2, (11, 4), sharey=True)
    for axis, normalize in zip(axes, (False, True)):
        for k, rate in enumerate(RATES[4:] if normalize else RATES[:4]):
            smooth = np.convolve(curves[rate, normalize], np.ones(10) / 10, mode="valid")
            axis.semilogy(np.arange(10, STEPS + 1), smooth, label=f"rate {rate:g}", color=f"C{k}")
        axis.set(xlabel="step", title="with batch normalization" if normalize else "without")
        axis.legend(loc="upper right", ncols=2)
    axes[0].set(ylabel="loss, mean of 10 batches", ylim=(0.02, 12))
    save(figure, folder / "batch_norm.png")


if __name__ == "__main__":
    main()
