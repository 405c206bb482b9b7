# SPDX-License-Identifier: BSD-3-Clause
"""Maximum likelihood for five distributions: by hand, and by minimizing the negative log-likelihood with BFGS.

Without inputs a model has one parameter (the categorical one per class), and the best value has a closed form. The
same call fits it numerically: the model's only column is the constant 1, so that its coefficient is the score.
"""

import numpy as np
from _figure import output_folder, panels, save
from scipy.optimize import minimize
from scipy.special import expit, softmax
from sklearn.datasets import load_breast_cancer, load_wine

import fastloss as fl

HEIGHTS = np.array([158.0, 160.0, 165.0, 168.0])  # cm
# Deaths by horse kick in a Prussian army corps and year: how often there were 0, 1, 2, 3 and 4 among 14 corps in 20
# years. Bortkiewicz (1898), Das Gesetz der kleinen Zahlen, p. 24.
KICKS = np.repeat(np.arange(5), (144, 91, 32, 11, 2))
BENIGN = load_breast_cancer().target  # 1: benign
CULTIVAR = load_wine().target  # 0, 1, 2


def fit(loss, y, start=0.0):
    """The scores that minimize the mean loss when every sample has the same."""
    objective = fl.linear.Objective(loss, np.ones((len(y), 1)), y, fit_intercept=False)
    begin = np.full(objective.size, start)
    return minimize(objective, begin, jac=True, method="BFGS", options={"gtol": 1e-9}).x


def curve(axis, loss, y, title, label, parameter, best, score=lambda p: p):
    """The mean negative log-likelihood against the parameter, and its lowest point."""
    values = [loss(np.full(len(y), score(p)), y) for p in parameter]
    axis.plot(parameter, values)
    axis.axvline(best, color="0.4", linestyle="--", label=f"by hand: {best:.4g}")
    axis.set(title=title, xlabel=label)
    axis.locator_params(axis="x", nbins=4)
    axis.legend(fontsize="small")


def main():
    folder = output_folder(__doc__)
    rate = len(HEIGHTS) / HEIGHTS.sum()
    shares = np.bincount(CULTIVAR) / len(CULTIVAR)
    centre = HEIGHTS - HEIGHTS.mean()
    spread = fit(fl.GaussianNLL(variance=None), centre)  # mean and log-variance, from 0 and 0
    table = [
        ("normal, mean", HEIGHTS.mean(), fit(fl.GaussianNLL(), HEIGHTS)[0]),
        ("normal, variance", (centre**2).mean(), np.exp(spread[1])),
        ("exponential, rate", rate, np.exp(-fit(fl.ExponentialNLL(), HEIGHTS, start=5.0)[0])),
        ("Bernoulli, p", BENIGN.mean(), expit(fit(fl.BinaryCrossEntropy(), BENIGN)[0])),
        ("Poisson, rate", KICKS.mean(), np.exp(fit(fl.PoissonNLL(), KICKS)[0])),
    ]
    fitted = softmax(fit(fl.SoftmaxCrossEntropy(), CULTIVAR))
    table += [(f"categorical, p{k}", shares[k], fitted[k]) for k in range(3)]
    print(f"{'distribution':<20}{'by hand':>14}{'by BFGS':>14}")
    for name, by_hand, by_bfgs in table:
        print(f"{name:<20}{by_hand:>14.8f}{by_bfgs:>14.8f}")

    figure, axes = panels(1, 5, (17, 3.4))
    axes[0].set_ylabel("mean negative log-likelihood")
    curve(axes[0], fl.GaussianNLL(full=True), HEIGHTS, "normal", "mean", np.linspace(155, 170), HEIGHTS.mean())
    grid = np.geomspace(1e-3, 4e-2)
    curve(axes[1], fl.ExponentialNLL(), HEIGHTS, "exponential", "rate", grid, rate, lambda p: -np.log(p))
    grid = np.linspace(0.05, 0.95)
    curve(axes[2], fl.BinaryCrossEntropy(from_logits=False), BENIGN, "Bernoulli", "p", grid, BENIGN.mean())
    curve(axes[3], fl.PoissonNLL(full=True), KICKS, "Poisson", "rate", np.linspace(0.2, 2), KICKS.mean(), np.log)
    axes[4].bar(np.arange(3) - 0.2, shares, 0.4, label="share in the data")
    axes[4].bar(np.arange(3) + 0.2, fitted, 0.4, label="fitted")
    axes[4].set(title="categorical", xlabel="class", ylabel="probability", xticks=range(3), ylim=(0, 0.6))
    axes[4].legend(fontsize="small")
    save(figure, folder / "likelihoods.png")


if __name__ == "__main__":
    main()
