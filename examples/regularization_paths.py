# SPDX-License-Identifier: BSD-3-Clause
"""Coefficients against the strength of L2, L1 and elastic net, and against the limit of max norm.

Ten measurements of 442 diabetes patients predict how their disease went on. Proximal gradient descent fits them all:
a step on the loss, then the penalty's own step, which for L1 sets coefficients to exactly zero.
"""

import numpy as np
from _figure import output_folder, panels, save
from sklearn.datasets import load_diabetes
from sklearn.preprocessing import scale

import fastloss as fl

STRENGTHS = np.geomspace(1e-3, 10, 25)
LIMITS = np.geomspace(0.05, 1.5, 25)
PENALTIES = {
    "L2": lambda s: fl.L2(s, half=True),
    "L1": fl.L1,
    "elastic net": lambda s: fl.ElasticNet(l1=s / 2, l2=s / 4),
}
SHOWN = 0.1
STEPS = 500


def descend(objective, start, then):
    """Accelerated gradient descent, each step followed by ``then(w, rate)``, in place (FISTA: Beck & Teboulle 2009)."""
    rate = 1 / np.linalg.norm(objective.X.T @ objective.X / len(objective.X), 2)  # one over the largest curvature
    w, ahead, t = start.copy(), start.copy(), 1.0
    for _ in range(STEPS):
        new = ahead - rate * objective(ahead)[1]
        then(new, rate)
        t, before = (1 + np.sqrt(1 + 4 * t**2)) / 2, t
        ahead = new + (before - 1) / t * (new - w)
        w = new
    return w


def path(objective, settings, then):
    """The coefficients for each setting, every fit starting from the one before."""
    w, found = np.zeros(objective.size), []
    for setting in settings:
        w = descend(objective, w, then(setting))
        found.append(w)
    return np.array(found)


def main():
    folder = output_folder(__doc__)
    data = load_diabetes()
    X, y = scale(data.data), scale(data.target)
    objective = fl.linear.Objective(fl.SquaredError(half=True), X, y, fit_intercept=False)
    print(f"{'coefficients':<26}", *(f"{name:>6}" for name in data.feature_names), "  zeros  norm")
    paths = {}
    strengths = STRENGTHS[::-1]  # from the strongest penalty: its solution is near the start at 0
    for name, penalty in PENALTIES.items():
        paths[name] = path(objective, strengths, lambda s, penalty=penalty: penalty(s).prox)
        w = paths[name][np.argmin(np.abs(strengths - SHOWN))]
        print(f"{name + f', strength {SHOWN}':<26}", *(f"{v:6.3f}" for v in w), f"{np.sum(w == 0):7d}{norm(w):6.3f}")
    limited = path(objective, LIMITS, lambda limit: lambda w, rate: fl.MaxNorm(limit).project(w))
    w = limited[12]
    print(f"{f'max norm {LIMITS[12]:.3f}':<26}", *(f"{v:6.3f}" for v in w), f"{np.sum(w == 0):7d}{norm(w):6.3f}")

    figure, axes = panels(1, 4, (16, 4), sharey=True)
    for axis, (name, found) in zip(axes, paths.items()):
        axis.semilogx(strengths, found)
        axis.set(xlabel="strength", title=name)
    for line, name in zip(axes[3].semilogx(LIMITS, limited), data.feature_names):
        line.set_label(name)
    axes[3].set(xlabel="limit of the norm", title="max norm")
    axes[0].set_ylabel("coefficient")
    figure.legend(loc="outside right center")
    save(figure, folder / "regularization_paths.png")


def norm(w):
    return np.linalg.norm(w)


if __name__ == "__main__":
    main()
