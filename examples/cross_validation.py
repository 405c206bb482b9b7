# SPDX-License-Identifier: BSD-3-Clause
"""K-fold and stratified K-fold cross-validation, by hand and by scikit-learn: the same folds give the same scores.

K-fold scores a regression of the progress of diabetes; stratified K-fold, which keeps the classes' shares in every
fold, a classifier of wines. Then cross-validation chooses the strength of a penalty.
"""

import numpy as np
from _figure import output_folder, panels, save
from sklearn.datasets import load_diabetes, load_wine
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.preprocessing import scale

from fastloss.sklearn import LinearClassifier, LinearRegressor

K = 5
ALPHAS = np.geomspace(1e-4, 1e2, 13)


def folds_by_hand(n, seed):
    """The test rows of each fold: shuffled once, cut into K parts, the first n mod K of them one longer."""
    rows = np.arange(n)
    np.random.RandomState(seed).shuffle(rows)
    sizes = np.full(K, n // K)
    sizes[: n % K] += 1
    return [np.sort(part) for part in np.split(rows, np.cumsum(sizes)[:-1])]


def stratified_by_hand(labels):
    """The same with the classes' shares in every fold: each class in order, as many to a fold as a deal would give.

    The labels in order are dealt out like cards; how many of a class each fold got is how many of its rows it takes.
    """
    deal = [np.bincount(np.sort(labels)[k::K], minlength=labels.max() + 1) for k in range(K)]
    fold = np.empty(len(labels), int)
    for label, counts in enumerate(np.transpose(deal)):
        fold[labels == label] = np.repeat(np.arange(K), counts)
    return [np.flatnonzero(fold == k) for k in range(K)]


def scores_by_hand(model, X, y, folds, score):
    """Fit on all rows but a fold's, score on the fold's; for each fold."""
    scores = []
    for test in folds:
        train = np.setdiff1d(np.arange(len(X)), test)
        model.fit(X[train], y[train])
        scores.append(score(model.predict(X[test]), y[test]))
    return np.array(scores)


def show(name, by_hand, library):
    print(name)
    for who, scores in (("by hand", by_hand), ("scikit-learn", library)):
        print(f"  {who:<14}", *(f"{s:10.5f}" for s in scores), f"  mean {scores.mean():.5f}")


def main():
    folder = output_folder(__doc__)
    X, y = load_diabetes(return_X_y=True)
    X, y = scale(X), scale(y)
    regressor = LinearRegressor(alpha=0.1)
    by_hand = scores_by_hand(regressor, X, y, folds_by_hand(len(X), 0), lambda f, t: np.mean((f - t) ** 2))
    how = dict(cv=KFold(K, shuffle=True, random_state=0), scoring="neg_mean_squared_error")
    show("mean squared error, K-fold", by_hand, -cross_val_score(regressor, X, y, **how))

    wines, cultivar = load_wine(return_X_y=True)
    wines = scale(wines)
    classifier = LinearClassifier("log_loss", alpha=0.1)
    folds = stratified_by_hand(cultivar)
    by_hand = scores_by_hand(classifier, wines, cultivar, folds, lambda f, t: np.mean(f == t))
    show("accuracy, stratified K-fold", by_hand, cross_val_score(classifier, wines, cultivar, cv=StratifiedKFold(K)))
    for k, rows in enumerate(folds):
        print(f"  fold {k}: {len(rows)} wines, by class", *np.bincount(cultivar[rows]))

    curve = [-cross_val_score(LinearRegressor(alpha=a), X, y, **how) for a in ALPHAS]
    means = np.mean(curve, axis=1)
    print(f"best alpha of the regression: {ALPHAS[means.argmin()]:.4g}, mean squared error {means.min():.5f}")

    figure, (left, right) = panels(1, 2, (12, 4))
    plain = np.array_split(np.arange(len(wines)), K)
    for row, (name, parts) in enumerate((("K-fold, in order", plain), ("stratified", folds))):
        for k, rows in enumerate(parts):
            height = row * (K + 1) + k
            for label in range(3):
                at = rows[cultivar[rows] == label]
                left.plot(at, np.full(len(at), height), "|", markersize=12, color=f"C{label}")
        left.text(0, row * (K + 1) - 0.75, name)
    left.set(xlabel="wine, colour: class", title="test rows of each fold", yticks=[*range(K), *range(K + 1, 2 * K + 1)])
    left.set_yticklabels([f"fold {k}" for k in range(K)] * 2)
    left.set_ylim(2 * K + 0.6, -1.5)
    right.errorbar(ALPHAS, means, np.std(curve, axis=1) / np.sqrt(K), fmt=".-", capsize=3)
    right.axvline(ALPHAS[means.argmin()], color="0.5", linestyle="--", label="least")
    right.set(xscale="log", xlabel="alpha", ylabel="mean squared error", title="validation curve, with standard errors")
    right.legend()
    save(figure, folder / "cross_validation.png")


if __name__ == "__main__":
    main()
