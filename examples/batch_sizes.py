# SPDX-License-Identifier: BSD-3-Clause
"""Batch, mini-batch and stochastic descent on handwritten digits: loss against epochs and against time.

All take plain SGD steps, the rougher ones at a smaller rate. The full batch takes one exact step an epoch, single
samples 1,797 rough ones. Training stops when an epoch changes the objective by less than a tolerance.
"""

import time

import numpy as np
from _figure import output_folder, panels, save
from sklearn.datasets import load_digits

import fastloss as fl

TOLERANCE, MOST_EPOCHS = 1e-3, 150
BATCHES = {"full batch": (None, 0.5), "mini-batches of 32": (32, 0.2), "single samples": (1, 0.02)}  # size, rate


def train(objective, size, rate):
    """The result, and for each epoch the objective on all data and the seconds since the start."""
    values, seconds, begin = [], [], time.perf_counter()

    def record(result):
        seconds.append(time.perf_counter() - begin)
        values.append(objective(result.w)[0])

    result = fl.linear.train(
        objective, optimizer="sgd", lr=rate, batch_size=size, epochs=MOST_EPOCHS, tol=TOLERANCE, callback=record
    )
    return result, values, seconds


def main():
    folder = output_folder(__doc__)
    X, y = load_digits(return_X_y=True)
    objective = fl.linear.Objective(fl.SoftmaxCrossEntropy(), X / 16, y, penalty=fl.L2(1e-4))
    figure, (left, right) = panels(1, 2, (11, 4), sharey=True)
    print(f"{'':<20}{'epochs':>8}{'steps':>8}{'objective':>11}{'last change':>13}")
    for name, (size, rate) in BATCHES.items():
        result, values, seconds = train(objective, size, rate)
        steps = result.n_epochs * -(-len(X) // (size or len(X)))
        total = np.add(result.history["loss"], result.history["penalty"])
        print(f"{name:<20}{result.n_epochs:>8}{steps:>8}{values[-1]:>11.5f}{abs(total[-1] - total[-2]):>13.1e}")
        epochs = np.arange(1, len(values) + 1)
        left.loglog(epochs, values, ".-", label=f"{name}, rate {rate:g}")
        right.loglog(seconds, values, ".-")
    left.set(xlabel="epoch", ylabel="objective on all images", title="against epochs")
    right.set(xlabel="seconds", title="against time, on this machine")
    left.legend(fontsize="small")
    save(figure, folder / "batch_sizes.png")


if __name__ == "__main__":
    main()
