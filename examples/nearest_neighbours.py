# SPDX-License-Identifier: BSD-3-Clause
"""Nearest neighbours with the L1 and the L2 distance, beside the linear classifiers, on handwritten digits.

The neighbours are found by hand and by scikit-learn. They keep every training image and compare a new one with all of
them; a linear classifier keeps one template a class, and compares ten.
"""

import numpy as np
from _figure import output_folder, panels, save
from scipy.optimize import minimize
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

import fastloss as fl

NEIGHBOURS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50)
LINEAR = {"SVM": fl.MulticlassHinge(squared=True), "softmax": fl.SoftmaxCrossEntropy()}


def distances(test, train, p):
    """L1 (p = 1) or squared L2 (p = 2) distance of every test image from every training image."""
    return np.array([(np.abs(image - train) ** p).sum(axis=1) for image in test])


def vote(nearest, labels, k):
    """The most frequent label of the k nearest; of several the lowest."""
    return np.array([np.bincount(labels[row[:k]]).argmax() for row in nearest])


def linear_accuracy(loss, X, y, test, labels):
    objective = fl.linear.Objective(loss, X, y, penalty=fl.L2(1e-3))
    found = minimize(objective, np.zeros(objective.size), jac=True, method="CG")
    coef, intercept = objective.unpack(found.x)
    return np.mean(loss.predict(test @ coef.T + intercept) == labels)


def main():
    folder = output_folder(__doc__)
    images, digits = load_digits(return_X_y=True)  # whole numbers from 0 to 16: distances are exact
    X, test, y, labels = train_test_split(images, digits, test_size=0.25, random_state=0, stratify=digits)
    print(f"{'':<12}{'test accuracy':>14}{'stored numbers':>16}{'same by scikit-learn':>22}")
    curves = {}
    for p in (1, 2):
        nearest = np.argsort(distances(test, X, p), axis=1, kind="stable")
        curves[f"L{p}"] = [np.mean(vote(nearest, y, k) == labels) for k in NEIGHBOURS]
        library = KNeighborsClassifier(3, p=p, algorithm="brute").fit(X, y).predict(test)
        same = np.mean(library == vote(nearest, y, 3))
        print(f"3-NN, L{p:<6}{curves[f'L{p}'][2]:>13.4f}{X.size + y.size:>16,}{same:>22.4f}")
    linear = {name: linear_accuracy(loss, X / 16, y, test / 16, labels) for name, loss in LINEAR.items()}
    for name, accuracy in linear.items():
        print(f"{name:<12}{accuracy:>14.4f}{10 * (64 + 1):>16,}")

    figure, (left, right) = panels(1, 2, (11, 4), width_ratios=(1.6, 1))
    for name, curve in curves.items():
        left.semilogx(NEIGHBOURS, curve, "o-", label=f"neighbours, {name}")
    for (name, accuracy), style in zip(linear.items(), ("--", ":")):
        left.axhline(accuracy, color="0.3", linestyle=style, label=name)
    left.set(xlabel="neighbours that vote", ylabel="test accuracy", title="accuracy on 450 images")
    left.set_xticks(NEIGHBOURS, [str(k) for k in NEIGHBOURS], minor=False)
    left.minorticks_off()
    left.legend()
    row = [test[0], *X[np.argsort(distances(test[:1], X, 2)[0], kind="stable")[:3]]]
    right.imshow(np.hstack([np.pad(image.reshape(8, 8), 1) for image in row]), cmap="Greys")
    right.set(xticks=[], yticks=[], title="a test image and its three nearest (L2)")
    save(figure, folder / "nearest_neighbours.png")


if __name__ == "__main__":
    main()
